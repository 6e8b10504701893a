"""Recognises events at the beginning of received bytes that are the same except for one JSON string in each,
their text. Most server-sent events of most streams are such events, so they are compared as bytes, many at
once, and not decoded one by one.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from typing import Final

import msgspec

from dragoman.wire.json import UNDECODABLE

_LF: Final = 10  # `int in bytes` is a bare memchr
_CR: Final = 13
_decode_texts = msgspec.json.Decoder(list[str]).decode


class Alike(msgspec.Struct, frozen=True, gc=False):
    """Events that differ only in their text. opening: the bytes of an event before the text. closing: the
    bytes after the text; only its last two bytes are line feeds. Neither has a carriage return. start: the
    number of bytes before the text. end: the number of bytes after the text, as a negative number. before:
    the number of line feeds in `opening`.
    """

    opening: bytes
    closing: bytes
    start: int
    end: int
    before: int

    @classmethod
    def around(cls, opening: bytes, closing: bytes) -> Alike:
        """Make an Alike from the bytes before and after the text of an event."""
        return cls(opening, closing, len(opening), -len(closing), opening.count(b"\n"))

    def only(self, read: bytes) -> bytes | None:
        """Return the bytes in the place of the text, if `read` is exactly one event of this kind; None = it
        is not. The returned bytes are not checked: they may be any bytes without a line feed or carriage
        return.
        """
        text = read[self.start : self.end]
        if _LF in text or _CR in text or not (read.startswith(self.opening) and read.endswith(self.closing)):
            return None
        return text

    def first(self, read: bytes) -> tuple[list[bytes], int]:
        """Return (the bytes in the places of the texts, the total size of the events), for the events of this
        kind with which `read` begins. The bytes of the texts are not checked, as in `only`. ([], 0) = `read`
        does not begin with such an event, or contains a carriage return.
        """
        if _CR in read or not read.startswith(self.opening):
            return [], 0
        lines = BytesIO(read).readlines()[self.before :: self.before + 2]  # a third of the cost of `split`
        head, tail = self.opening[self.opening.rfind(b"\n") + 1 :], self.closing[:-1]
        while lines and not (lines[-1].startswith(head) and lines[-1].endswith(tail)):
            lines.pop()  # the end of a stream, which often comes with its last texts
        start, end = len(head), -len(tail)
        return self._beginning(read, [line[start:end] for line in lines])

    def _beginning(self, read: bytes, texts: list[bytes]) -> tuple[list[bytes], int]:
        """Return the first of `texts` whose events are really the beginning of `read`, and the total size of
        these events.
        """
        joint = self.closing + self.opening
        least, most, tried = 0, len(texts), len(texts)
        size = 0
        while least < most:
            events = self.opening + joint.join(texts[:tried]) + self.closing
            if read.startswith(events):
                least, size = tried, len(events)
            else:
                most = tried - 1
            tried = (least + most + 1) // 2
        return texts[:least], size


def strings(texts: Sequence[bytes]) -> list[str] | None:
    """Return the decoded texts; None = one of them is not exactly one JSON string. texts: JSON without line
    feeds.
    """
    try:
        # The line feed keeps a string from reaching over two pieces, the comma keeps a piece from having none
        # or two.
        found = _decode_texts(b"[%b]" % b",\n".join(texts))
    except UNDECODABLE:
        return None
    return found if len(found) == len(texts) else None
