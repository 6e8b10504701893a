"""A stream that is one JSON array: its elements out of a byte stream, each as soon as it is whole.

What the splitter must never do: give other frames for another split of the same bytes, take a bracket inside
of a string for one of the structure, or hold more of an unfinished element than its limit.

Strategy: outside of strings only quotes and brackets matter, inside of them only quotes and backslashes; a
regular expression finds the next of either. An element is what stands between the first bracket below the
array and the one that closes it. Elements are not decoded: one that is cut off or malformed inside is
returned as it is, and its decoder says so.

Servers that fail in the middle send their error where an element is due, after the array, or without any
array; it is an element all the same. Anything that is neither an element nor punctuation (an HTML page) is
returned by `close` as an `ErrorFrame`.
"""

from __future__ import annotations

import re

from dragoman.errors import WireError
from dragoman.wire.sse import ANSWER_TOO_LARGE, MAX_EVENT, ErrorFrame, too_large

_STRUCTURE = re.compile(rb'"(?:[^"\\]++|\\.)*+"|["{}\[\]]', re.DOTALL)
"""A whole string, which is passed over at once; the beginning of one that the chunk cuts; or a bracket."""
_STRING = re.compile(rb'["\\]')
_BETWEEN = b" \t\r\n,"
_BOM = b"\xef\xbb\xbf"

_MOST_BETWEEN = 256 * 1024
"""Bytes of what is no element: an error page in the place of a stream is shorter."""


class JSONArraySplitter:
    """Cuts one stream into the elements of its array; the same frames for any split of the bytes.

    max_event: bytes; an element with more raises WireError as soon as they are seen.
    """

    __slots__ = (
        *("_depth", "_element", "_escaped", "_in_array", "_in_string", "_max_event"),
        *("_other", "_size"),
    )

    def __init__(self, max_event: int = MAX_EVENT) -> None:
        self._max_event = max_event
        self._element: list[bytes] = []  # pieces of the unfinished element
        self._size = 0  # their bytes
        self._depth = 0  # open brackets of the unfinished element
        self._in_array = False
        self._in_string = False
        self._escaped = False  # the last chunk ended in a backslash inside of a string
        self._other = bytearray()  # what stands between elements and is no punctuation

    def feed(self, chunk: bytes) -> list[bytes]:
        """Every element that `chunk` completes, in order.

        Raises WireError for an element larger than the limit; the splitter is then of no more use.
        """
        frames: list[bytes] = []
        start = 0  # of what belongs together in this chunk: an element's part, or what stands between two
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
        """Take a bracket outside of any element; where what begins there starts."""
        if byte == b"{" or (byte == b"[" and self._in_array):
            self._depth = 1
            return at
        self._in_array = byte == b"["
        if byte == b"}":
            self._between(byte)
        return at + 1

    def close(self) -> list[bytes]:
        """The bytes have ended: the element that was cut off, and what was no element at all."""
        frames = [b"".join(self._element)] if self._element else []
        other = bytes(self._other).removeprefix(_BOM).strip(_BETWEEN)
        if other:
            frames.append(ErrorFrame(other))
        self._element, self._other, self._depth = [], bytearray(), 0
        return frames

    def _string(self, chunk: bytes, position: int) -> int:
        """Where the open string ends, or the end of the chunk."""
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
        self._other += piece  # as one: pieces may be of one byte, and there may be millions
