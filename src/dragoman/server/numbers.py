"""Reads whole numbers that clients write into URLs."""

from __future__ import annotations

from typing import Final

_DIGITS: Final = 15
"""The most digits of a number, without leading zeros. A number with more digits is read as the largest number
with 15 digits: Python refuses to read a number of thousands of digits.
"""


def whole_number(stated: str) -> int | None:
    """Return the whole number that a text states in the decimal digits 0 to 9. A number with more than 15
    digits (without leading zeros) gives 10^15 - 1. None = the text is empty, or contains another character.
    """
    if not (stated.isascii() and stated.isdigit()):
        return None
    digits = stated.lstrip("0") or "0"
    return int(digits) if len(digits) <= _DIGITS else 10**_DIGITS - 1
