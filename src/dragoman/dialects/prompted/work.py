"""Limits how often one text of an answer is read again, when tool calls are looked for in it.

Most text is read once. The text of a broken call is read again as plain text; a call is parsed at each
closing tag that may end the call; and the elements in its values are read level by level. Without a limit,
the time for a text that consists of such cases would grow with the square of its length, and the worker could
not serve any other request in this time. Pure.
"""

from __future__ import annotations

from typing import Final

_FLAT: Final = 500_000
_SHARE: Final = 12
"""How often each character may be read again, on average. A call with four levels of elements that is parsed
at three closing tags needs about this number of readings.
"""


class Work:
    """The number of characters of one text that may still be read again. It begins with `_FLAT`
    (500,000), and grows by `_SHARE` (12) for each character of the text.
    """

    __slots__ = ("_left",)

    def __init__(self) -> None:
        self._left = _FLAT

    def grow(self, characters: int) -> None:
        """Allow more work, because this number of characters of the text has come: `_SHARE` for each one."""
        self._left += _SHARE * characters

    def spend(self, characters: int) -> bool:
        """Subtract this number of characters, because they are read again. Returns False if fewer were left;
        they are subtracted in this case, too.
        """
        self._left -= characters
        return self._left >= 0
