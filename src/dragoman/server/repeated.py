"""Recognises the head of a request that its client has sent before on the same connection (decision 30).

Only a request that came in whole in one read is remembered: the empty line that ends its head is the first
one of the read, and its body is all that follows. So it was not sent in chunks, there are no empty lines
around it, and the length that stands in its head is the one that the parser has used.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from dragoman.server.cycle import Cycle
from dragoman.server.head import Head

MOST_DIGITS: Final = 12
"""The most digits of the length in a repeated head."""
_LENGTH: Final = b"\r\ncontent-length: "
_LONGEST: Final = 16_384
"""The most bytes of a head that is remembered."""


class Repeatable(NamedTuple):
    """A head that came in. before, after: its bytes around the digits of content-length. digits: these."""

    head: Head
    before: bytes
    after: bytes
    digits: bytes


def repeatable(data: bytes, cycle: Cycle) -> Repeatable | None:
    """What has to be known of a request to recognise its repeated head; None = it cannot be recognised.

    data: the bytes of one read, which have brought the whole request.
    """
    end = data.find(b"\r\n\r\n") + 4
    body = cycle.body
    if body is None or len(data) - end != len(body) or end > _LONGEST:
        return None
    if not cycle.keep_alive or "expect" in cycle.headers:
        return None
    head = data[:end]
    at = head.lower().find(_LENGTH) + len(_LENGTH)
    stop = head.find(b"\r", at)
    digits = head[at:stop]
    if at < len(_LENGTH) or not digits.isdigit():
        return None
    return Repeatable(cycle.head, head[:at], head[stop:], digits)
