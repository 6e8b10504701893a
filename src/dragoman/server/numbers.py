"""Reads whole numbers that clients write into URLs."""

from __future__ import annotations

from typing import Final

_DIGITS: Final = 15
"""Numbers with more digits count as the largest one with so many. No list is so long, and Python refuses to
read a number of thousands of digits.
"""


def whole_number(stated: str) -> int | None:
    """Return the whole number that a text states in decimal digits, at most 10^15 - 1; None = the text is
    empty, or has anything else than the digits 0 to 9.
    """
    if not (stated.isascii() and stated.isdigit()):
        return None
    digits = stated.lstrip("0") or "0"
    return int(digits) if len(digits) <= _DIGITS else 10**_DIGITS - 1
