"""Decimal numbers as GBNF: any number, or the numbers between two bounds, written as alternatives of digit
classes (`[3-9] [0-9]`).

Without bounds, integers and the integer parts of numbers have at most 15 digits; a number may also have an
exponent.
"""

from __future__ import annotations

DIGITS = 15
_EXACT = 2**53
"""Up to this number a double has all integers."""
_WHOLE = f'("0" | [1-9] [0-9]{{0,{DIGITS - 1}}})'
INTEGER = f'"-"? {_WHOLE}'
NUMBER = f'"-"? {_WHOLE} ("." [0-9]{{1,{DIGITS}}})? ([eE] [-+]? [0-9]{{1,2}})?'
_FRACTION = '("." [0-9]{1,6})?'
_SOME_FRACTION = '"." "0"{0,5} [1-9] [0-9]{0,6}'
_NO_FRACTION = '("." "0"{1,6})?'


def integers(low: int | None, high: int | None) -> str | None:
    """Return GBNF for the integers from `low` to `high`, both included; None if there is no such integer. One
    of the two may be None, but not both (use `INTEGER`): there is no bound on this side, and the integers
    have at most 15 digits, or one digit more than the other bound if that has 15 or more.
    """
    low, high = _bounds(low, high)
    parts = [f'"-" ({part})' for part in _whole(max(1, -high), -low)]
    parts += _whole(max(0, low), high)
    return " | ".join(parts) or None


def numbers(
    low: int | None, high: int | None, *, without_low: bool = False, without_high: bool = False
) -> str | None:
    """Return GBNF for the numbers from `low` to `high`; None if there is no such number that can be written.
    One bound may be None (no bound on this side); then the integer part has at most 15 digits, or one digit
    more than the other bound if that has 15 or more. without_low, without_high: True = this bound itself is
    excluded. The numbers are written with at most six decimals, or with at most twelve if the integer part is
    an excluded bound; without decimals if a bound is above 2**53 or below -2**53.
    """
    if max(abs(low or 0), abs(high or 0)) > _EXACT:
        # A reader rounds a large number with a fraction, perhaps to one beyond the bound.
        least = low + 1 if low is not None and without_low else low
        return integers(least, high - 1 if high is not None and without_high else high)
    low, high = _bounds(low, high)
    if low > high:
        return None
    parts: list[str] = []
    if low < 0:
        nearest = max(0, -high)
        parts += [
            f'"-" ({part})'
            for part in _decimals(
                nearest, -low, without_low=without_high and high <= 0, without_high=without_low
            )
        ]
    if high >= 0:
        parts += _decimals(max(0, low), high, without_low=without_low and low >= 0, without_high=without_high)
    return " | ".join(parts) or None


def _bounds(low: int | None, high: int | None) -> tuple[int, int]:
    """Return both bounds as integers. In place of a bound that is None, the result has 99…9 (as `low`, its
    negative), with as many digits as `integers` says.
    """
    if low is None:
        low = -(10 ** max(DIGITS, len(str(abs(high or 0))) + 1) - 1)
    if high is None:
        high = 10 ** max(DIGITS, len(str(abs(low))) + 1) - 1
    return low, high


def _decimals(low: int, high: int, *, without_low: bool, without_high: bool) -> list[str]:
    """Return GBNF alternatives for the numbers from `low` to `high` (0 <= low <= high): each integer from
    `low` to `high` - 1 with any fraction, and `high` with no decimals except zeros. without_low,
    without_high: True = this bound itself is excluded.
    """
    parts: list[str] = []
    if without_low and low < high:
        parts.append(f'"{low}" {_SOME_FRACTION}')
    inside = _whole(low + 1 if without_low else low, high - 1)
    if inside:
        parts.append(f"({' | '.join(inside)}) {_FRACTION}")
    if not without_high and (low < high or not without_low):
        parts.append(f'"{high}" {_NO_FRACTION}')
    return parts


def _whole(low: int, high: int) -> list[str]:
    """Return GBNF alternatives for the integers from `low` to `high` (0 <= low), without leading zeros."""
    parts: list[str] = []
    for size in range(len(str(low)), len(str(max(low, high))) + 1):
        least = max(low, 10 ** (size - 1) if size > 1 else 0)
        most = min(high, 10**size - 1)
        if least <= most:
            parts.append(_same_length(str(least), str(most)))
    return parts


def _same_length(low: str, high: str) -> str:
    """Return GBNF for the digit strings from `low` to `high`, two digit strings of the same length."""
    rest = len(low) - 1
    if not rest:
        return _class(low, high)
    if low[0] == high[0]:
        return f"{_class(low[0], low[0])} ({_same_length(low[1:], high[1:])})"
    first, last, parts, tail = int(low[0]), int(high[0]), [], []
    if low[1:] != "0" * rest:
        parts.append(f"{_class(low[0], low[0])} ({_same_length(low[1:], '9' * rest)})")
        first += 1
    if high[1:] != "9" * rest:
        tail.append(f"{_class(high[0], high[0])} ({_same_length('0' * rest, high[1:])})")
        last -= 1
    if first <= last:
        parts.append(f"{_class(str(first), str(last))} [0-9]{{{rest}}}")
    return " | ".join(parts + tail)


def _class(low: str, high: str) -> str:
    return f"[{low}]" if low == high else f"[{low}-{high}]"
