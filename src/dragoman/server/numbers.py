"""Reads numbers that clients write into URLs."""

from __future__ import annotations

import re
from typing import Final

_DIGITS: Final = 15
"""The most digits of a whole number, without leading zeros. One with more digits is read as the largest
number with 15 digits: Python refuses to read a number of thousands of digits.
"""

_DECIMAL: Final = re.compile(r"-?[0-9]{1,15}(?:\.[0-9]{1,20})?")


def whole_number(stated: str) -> int | None:
    """Return the whole number that a text states in the decimal digits 0 to 9. A number with more than 15
    digits (without leading zeros) gives 10^15 - 1. None = the text is empty, or contains another character.
    """
    if not (stated.isascii() and stated.isdigit()):
        return None
    digits = stated.lstrip("0") or "0"
    return int(digits) if len(digits) <= _DIGITS else 10**_DIGITS - 1


def decimal_number(stated: str) -> float | None:
    """Return the number that a text states in the digits 0 to 9, perhaps with a minus sign and a decimal
    point. There must be 1 to 15 digits before the point, and 1 to 20 after it if there is a point. None = the
    text has another form, such as `+1`, `.5`, `1_0`, `nan` or `1e5`.
    """
    return float(stated) if _DECIMAL.fullmatch(stated) else None
