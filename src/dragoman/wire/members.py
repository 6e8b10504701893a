"""Reads a few members of JSON objects while their bytes pass by, and stores nothing else of them.

An answer of many megabytes states its usage in a few bytes, anywhere. This reader skips everything else with
regular expressions, so it costs little CPU time, and its memory does not grow with the length of the answer.
It does not check that the JSON is valid.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Final

_ENDS_TEXT: Final = re.compile(rb'["\\]')
_DEEP: Final = re.compile(rb'["{}\[\]]')
_SHALLOW: Final = re.compile(rb'["{}\[\],:]')
_LONGEST_NAME: Final = 64
_QUOTE, _BACKSLASH = b'"', b"\\"


class Members:
    """Reads members of the outermost objects: of one object, of several in a row (NDJSON), or of the objects
    in an outermost array. Members of nested objects are not read.

    names: the names of the members to read. A member is not recognised if its name has more than 64 bytes,
    and usually not if the answer writes its name with escapes. most: the most bytes of one value, with the
    white space around it; a longer value is left out.
    """

    __slots__ = ("_begin", "_depth", "_escaped", "_found", "_level", "_most", "_name", "_names", "_quoted",
                 "_value")  # fmt: skip

    def __init__(self, names: Collection[str], most: int = 16_384) -> None:
        self._names = frozenset(name.encode() for name in names)
        self._most = most
        self._found: dict[str, bytes] = {}
        self._depth = 0
        self._level = 1
        """The depth at which members are read: 1 in an outermost object, 2 in the objects of an outermost
        array.
        """
        self._quoted = self._escaped = False
        self._name: bytearray | None = bytearray()
        """The latest string at this depth, which is a name if a colon follows; None = it is too long for a
        name.
        """
        self._value: bytearray | None = None
        """The value that is being read; None = no value is being read."""
        self._begin = 0
        """The position in the current chunk where the unread part of the value begins."""

    @property
    def found(self) -> Mapping[str, bytes]:
        """By name, the values that were read completely so far, as JSON. If a name came several times, in one
        object or in several, the last value that was not too long counts. `feed` changes this mapping.
        """
        return self._found

    def feed(self, chunk: bytes) -> None:
        """Read the next bytes. Complete values are then in `found`."""
        place, self._begin = 0, 0
        while place < len(chunk):
            place = self._text(chunk, place) if self._quoted else self._structure(chunk, place)
        if self._value is not None:
            self._hold(chunk, len(chunk))

    def _text(self, chunk: bytes, place: int) -> int:
        """Read on in a string, from the position `place` of the chunk. Returns the position where reading
        goes on.
        """
        if self._escaped:
            self._escaped = False
            self._spell(chunk[place : place + 1])
            return place + 1
        if (end := _ENDS_TEXT.search(chunk, place)) is None:
            self._spell(chunk[place:])
            return len(chunk)
        self._spell(chunk[place : end.start()])
        if end[0] == _BACKSLASH:
            self._escaped = True
        else:
            self._quoted = False
        return end.end()

    def _spell(self, text: bytes) -> None:
        if self._depth == self._level and self._name is not None and self._value is None:
            if len(self._name) + len(text) > _LONGEST_NAME:
                self._name = None
            else:
                self._name += text

    def _structure(self, chunk: bytes, place: int) -> int:
        """Read from the position `place` up to the next structural mark (quote, bracket, comma or colon), and
        return the position after it.
        """
        shallow = self._depth == self._level
        if (found := (_SHALLOW if shallow else _DEEP).search(chunk, place)) is None:
            return len(chunk)
        mark, end = found[0], found.end()
        if mark == _QUOTE:
            self._quoted = True
            if self._value is None:
                self._name = bytearray()
        elif mark in b"{[":
            if self._depth == 0:
                self._level = 1 if mark == b"{" else 2
            self._depth += 1
        elif mark in b"}]":
            if shallow:
                self._complete(chunk, end - 1)
            self._depth = max(0, self._depth - 1)
        elif mark == b",":
            self._complete(chunk, end - 1)
        elif self._value is None and self._name is not None and bytes(self._name) in self._names:
            self._value, self._begin = bytearray(), end
        return end

    def _complete(self, chunk: bytes, end: int) -> None:
        """Store the value that is being read, unless there is none or it is too long. The value ends at the
        position `end` of the chunk.
        """
        if self._value is not None:
            self._hold(chunk, end)
        if self._value is not None and self._name is not None:
            self._found[self._name.decode()] = bytes(self._value).strip()
        self._value = None

    def _hold(self, chunk: bytes, end: int) -> None:
        assert self._value is not None
        self._value += chunk[self._begin : end]
        if len(self._value) > self._most:
            self._value = None
