"""Finds the end of a JSON value in a text that comes in several parts. Pure."""

from __future__ import annotations

import re
from typing import Final

_PLAIN: Final = re.compile(r'[^"\[\]{}]*')
_STRING: Final = re.compile(r'[^"\\]*')


class JsonExtent:
    """Counts the characters of a text that belong to one JSON object or array. The object or array begins
    with the text's first character. It is not validated: only brackets, braces and strings are recognised.
    """

    __slots__ = ("_depth", "_ended", "_escaped", "_quoted")

    def __init__(self) -> None:
        self._depth = 0
        self._quoted = False
        self._escaped = False
        self._ended = False

    def ended(self) -> bool:
        """Whether the object or array is complete."""
        return self._ended

    def feed(self, text: str) -> int:
        """Return how many characters of the next part of the text belong to the value: all of them, unless
        the value ends inside this part; 0 if the value has ended before this part.
        """
        at, size = 0, len(text)
        while at < size and not self._ended:
            at = self._string(text, at) if self._quoted else self._structure(text, at)
        return at

    def _string(self, text: str, at: int) -> int:
        if self._escaped:
            self._escaped = False
            return at + 1
        found = _STRING.match(text, at)
        assert found is not None, "the pattern matches the empty text, too"
        at = found.end()
        if at == len(text):
            return at
        if text[at] == "\\":
            self._escaped = True
        else:
            self._quoted = False
        return at + 1

    def _structure(self, text: str, at: int) -> int:
        found = _PLAIN.match(text, at)
        assert found is not None, "the pattern matches the empty text, too"
        at = found.end()
        if at == len(text):
            return at
        character = text[at]
        if character == '"':
            self._quoted = True
        elif character in "{[":
            self._depth += 1
        else:
            self._depth -= 1
            self._ended = self._depth <= 0
        return at + 1
