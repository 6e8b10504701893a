"""Recognises the head of a request that its client has sent before on the same connection (decision 30).

A head is remembered only if one read brought all of it, and nothing after it but the beginning of its body.
So the first empty line of the read is the end of the head, and all that follows is body. The head's
content-length is then the length that the parser has used: it refuses a length beside chunks.
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

    data: the bytes of one read, which have brought the whole head.
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
