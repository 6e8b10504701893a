"""Limits how often the text of one answer is read again.

Most text is read once. The text of a broken call is read again as plain text; a call is parsed at each
closing tag that may end the call; and the elements in its values are read level by level. Without a limit,
the time for an answer that consists of such cases would grow with the square of its length, and the worker
could not serve any other request in this time. Pure.
"""

from __future__ import annotations

from typing import Final

_FLAT: Final = 500_000
_SHARE: Final = 12
"""The readings of each character, on average. A call with four levels of elements that is parsed at three
closing tags needs about so many.
"""


class Work:
    """The number of characters that may still be read again: at first a constant; it grows with the length of
    the answer.
    """

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = _FLAT

    def grow(self, characters: int) -> None:
        """Allow more work, because the answer has become longer by this number of characters."""
        self._left += _SHARE * characters

    def spend(self, characters: int) -> bool:
        """Use work for reading this number of characters again. Returns False if the work is used up."""
        self._left -= characters
        return self._left >= 0
