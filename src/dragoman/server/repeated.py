"""Describes the head of a request, so that the head is recognised when the client sends it again on the same
connection (docs/decisions/0030).

A head is described only if one read brought the complete head, and after it nothing except bytes of this
request's body. So the first empty line of the read is the end of the head.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from dragoman.server.cycle import Cycle
from dragoman.server.head import Head
from dragoman.wire.headers import HeaderMap

_MOST_DIGITS: Final = 12
"""The content-length in a repeated head has fewer digits than this."""
_LENGTH: Final = b"\r\ncontent-length: "
_LONGEST: Final = 16_384
"""The most bytes of a head that is described."""


class Repeatable(NamedTuple):
    """The description of a head that has arrived. head: the parsed head. digits: the digits of
    content-length. before, after: the bytes of the head before and after these digits.
    """

    head: Head
    before: bytes
    after: bytes
    digits: bytes

    def repeated_by(self, data: bytes) -> tuple[HeaderMap, bytes, int] | None:
        """Return (the headers of a request, the bytes of its body that have come in, how many of them are
        still to come), if the head of the request repeats this one; only the number in content-length may
        differ. data: the bytes of one read. None = they do not begin with a complete repetition, or they have
        bytes after the request.
        """
        head, before, after, digits = self
        if not data.startswith(before):
            return None
        at = len(before)
        end = data.find(b"\r", at, at + _MOST_DIGITS)
        length = data[at:end]
        if not (length.isdigit() and data.startswith(after, end)):
            return None
        body = data[end + len(after) :]
        if (rest := int(length) - len(body)) < 0:
            return None
        headers = head.headers if length == digits else head.headers.replaced(b"content-length", length)
        return headers, body, rest


def repeatable(data: bytes, cycle: Cycle) -> Repeatable | None:
    """Return the description of a request's head; None = the head is not described, for example because it
    has no content-length. data: the bytes of the read that brought the end of the head. cycle: the request.
    """
    end = data.find(b"\r\n\r\n") + 4
    if len(data) - end != cycle.came or end > _LONGEST:
        return None
    if not cycle.keep_alive or "expect" in cycle.headers or "transfer-encoding" in cycle.headers:
        return None
    head = data[:end]
    at = head.lower().find(_LENGTH) + len(_LENGTH)
    stop = head.find(b"\r", at)
    digits = head[at:stop]
    if at < len(_LENGTH) or not digits.isdigit():
        return None
    return Repeatable(cycle.head, head[:at], head[stop:], digits)
