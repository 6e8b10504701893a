"""A stream that is one JSON array of objects (or arrays): returns each element as soon as it is complete.

An element begins with an opening bracket inside the array, and ends with the bracket that closes it. Elements
are not decoded: an element that is cut off or malformed is returned as it is, and its decoder reports the
mistake. A server that fails in the middle sends its error as an object in place of an element, after the
array, or without any array; it is returned like an element. Other text (an HTML page) is returned by `close`
as an `ErrorFrame`.
"""

from __future__ import annotations

import re

from dragoman.errors import WireError
from dragoman.wire.sse import ANSWER_TOO_LARGE, MAX_EVENT, ErrorFrame, too_large

_STRUCTURE = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["{}\[\]]', re.DOTALL)
"""A complete string, which is skipped; the opening quote of a string that the chunk cuts; or a bracket."""
_STRING = re.compile(rb'["\\]')
_BETWEEN = b" \t\r\n,"
_BOM = b"\xef\xbb\xbf"

_MOST_BETWEEN = 256 * 1024
"""The most bytes outside of elements, unless `max_event` is smaller. Error pages are shorter."""


class JSONArraySplitter:
    """Splits one stream into the elements of its array. The elements are the same, however the stream is cut
    into chunks.

    max_event: the most bytes of one element. `feed` raises WireError (code `answer_too_large`) for a larger
    one, as soon as it exceeds the limit.
    """

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max_event = max_event
        self._element: list[bytes] = []  # pieces of the unfinished element
        self._size = 0  # bytes in `_element`
        self._depth = 0  # open brackets of the unfinished element
        self._in_array = False
        self._in_string = False
        self._escaped = False  # the last chunk ended in a backslash inside of a string
        self._other = bytearray()  # text between elements that is no punctuation

    def feed(self, chunk: bytes) -> list[bytes]:
        """Return every element that `chunk` completes, in order, as its bytes.

        Raises WireError for an element above the limit, or for too much other text outside of elements. The
        splitter cannot be used after that.
        """
        frames: list[bytes] = []
        start = 0  # of the current element's part in this chunk, or of the text between two elements
        position = 0
        if self._escaped and chunk:
            self._escaped, position = False, 1
        while True:
            if self._in_string:
                position = self._string(chunk, position)
            found = _STRUCTURE.search(chunk, position)
            if found is None:
                break
            at, byte, position = found.start(), found[0], found.end()
            if byte[:1] == b'"':
                self._in_string = len(byte) == 1
            elif not self._depth:
                self._between(chunk[start:at])
                start = self._begin(byte, at)
            elif byte in b"{[":
                self._depth += 1
            else:
                self._depth -= 1
                if not self._depth:
                    self._hold(chunk[start:position])
                    frames.append(b"".join(self._element))
                    self._element.clear()
                    self._size, start = 0, position
        (self._hold if self._depth else self._between)(chunk[start:])
        return frames

    def _begin(self, byte: bytes, at: int) -> int:
        """Begin an element, or enter or leave the array, at a bracket outside of elements. byte: the bracket.
        at: its position in the chunk. Returns the position where the new element begins, or where text
        outside of elements goes on.
        """
        if byte == b"{" or (byte == b"[" and self._in_array):
            self._depth = 1
            return at
        self._in_array = byte == b"["
        if byte == b"}":
            self._between(byte)
        return at + 1

    def close(self) -> list[bytes]:
        """End the stream. Returns the unfinished element, if there is one, and then other text outside of
        elements (not only punctuation and white space) as an ErrorFrame, if there is any.
        """
        frames = [b"".join(self._element)] if self._element else []
        other = bytes(self._other).removeprefix(_BOM).strip(_BETWEEN)
        if other:
            frames.append(ErrorFrame(other))
        self._element, self._other, self._depth = [], bytearray(), 0
        return frames

    def _string(self, chunk: bytes, position: int) -> int:
        while found := _STRING.search(chunk, position):
            position = found.end()
            if found[0] == b'"':
                self._in_string = False
                return position
            if position == len(chunk):
                self._escaped = True
                return position
            position += 1
        return len(chunk)

    def _hold(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size > self._max_event:
            raise too_large("an element", self._max_event)
        self._element.append(piece)

    def _between(self, piece: bytes) -> None:
        if not self._other and not piece.strip(_BETWEEN):
            return
        most = min(_MOST_BETWEEN, self._max_event)
        if len(self._other) + len(piece) > most:
            raise WireError(
                f"the stream is not a JSON array, and is larger than {most} bytes", code=ANSWER_TOO_LARGE
            )
        self._other += piece  # one buffer, because there may be millions of pieces of one byte
