"""Limits how often one text of an answer is read again, when tool calls are looked for in it.

A broken call is read again as plain text, a call may be parsed at several closing tags, and elements in its
values are read level by level. Without a limit, the time for such a text would grow with the square of its
length. Pure.
"""

from __future__ import annotations

from typing import Final

_FLAT: Final = 500_000
_SHARE: Final = 12
"""How often each character may be read again, on average, beyond `_FLAT`: for example, a call with four
levels of elements at three closing tags."""


class Work:
    """The number of characters of one text that may still be read again."""

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = _FLAT

    def grow(self, characters: int) -> None:
        """Allow more work: `_SHARE` for each of these new characters of the text."""
        self._left += _SHARE * characters

    def spend(self, characters: int) -> bool:
        """Subtract this number of characters, which are read again. Returns False if fewer were left; they
        are subtracted all the same.
        """
        self._left -= characters
        return self._left >= 0
