"""Bounds how often the text of one answer is read again.

Most text is read once. What looks like a call and is none is read again as plain text, a call is tried at
each closing tag that may be its end, and the elements in its values are read level by level. An answer that
consists of such cases would take a time that grows with the square of its length, and nothing else would be
served in this time.
"""

from __future__ import annotations

from typing import Final

_FLAT: Final = 500_000
_SHARE: Final = 12
"""A call with four levels of elements, which is tried at three closing tags, takes about so many readings."""


class Work:
    """The characters of an answer that may still be read again: a constant, and a multiple of its length."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = _FLAT

    def grow(self, characters: int) -> None:
        """The answer has so many more characters."""
        self._left += _SHARE * characters

    def spend(self, characters: int) -> bool:
        """Take so many characters. Returns whether they may be read."""
        self._left -= characters
        return self._left >= 0
