"""Types for settings that say how much may be used in which time: `60/min`, `2M/day`, `50 USD/month`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Self

import msgspec

from dragoman.accounts.limits import LARGEST, NANO
from dragoman.state.counters import SECONDS, Window

_QUOTA: Final = re.compile(
    r"\s*+(\d{1,20})(?:\.(\d{1,9}))?\s*+([kKmMgGbB]?)\s*+(?:/|per\b)\s*+(\d{1,6})?\s*+([A-Za-z]{1,10})\s*",
    re.ASCII,
)
_BUDGET: Final = re.compile(
    r"\s*+(\$?)\s*+(\d{1,20})(?:\.(\d{1,9}))?\s*+((?:usd)?)\s*+(?:(?:/|per\b)\s*+(\d{1,6})?\s*+([a-z]{1,10})\s*)?",
    re.ASCII | re.IGNORECASE,
)
_THOUSANDS: Final = {"": 0, "k": 3, "m": 6, "g": 9, "b": 9}
"""How many zeros a letter after a number stands for."""
_WINDOWS: Final[Mapping[str, Window]] = {
    **dict.fromkeys(("s", "sec", "second", "seconds"), "second"),
    **dict.fromkeys(("m", "min", "minute", "minutes"), "minute"),
    **dict.fromkeys(("h", "hour", "hours"), "hour"),
    **dict.fromkeys(("d", "day", "days"), "day"),
    **dict.fromkeys(("w", "week"), "week"),
    **dict.fromkeys(("mo", "month"), "month"),
    **dict.fromkeys(("lifetime", "ever", "total"), "lifetime"),
}
_SHORT: Final[Mapping[Window, str]] = {"second": "s", "minute": "min", "hour": "h"}
_LONGEST: Final = 86_400
"""The longest window, in seconds, that consists of several units (5 minutes)."""


class Quota(msgspec.Struct, frozen=True):
    """How many requests or tokens may be used in one window of time. It is written "60/min", "200k/min",
    "100/5min" or "2M/day".

    most: the number of requests or tokens. window: the unit of time. every: how many of these units the
    window lasts (5 in "100/5min").
    """

    expected: ClassVar[str] = "an amount for each window of time, such as 60/min, 200k/5min or 2M/day"
    schema: ClassVar[Mapping[str, Any]] = {
        "type": "string",
        "pattern": r"^\s*\d+(\.\d+)?\s*[kKmMgGbB]?\s*(/|per\b)\s*(\d+)?\s*[A-Za-z]+\s*$",
    }

    most: int
    window: Window
    every: int = 1

    @classmethod
    def parse(cls, value: object) -> Self:
        """Make a quota from a text such as "60/min" or "1.5k per hour". A letter after the number means
        thousands (k), millions (m) or billions (g, b), in either case. Raises ValueError for any other value
        or text; for a result that is not whole, or above `LARGEST`; and for several units of time that are
        longer than a day together, such as "2 week".
        """
        if not isinstance(value, str) or (found := _QUOTA.fullmatch(value)) is None:
            raise ValueError("not an amount for each window of time")
        whole, fraction, letter, every, unit = found.groups(default="")
        most = _whole(whole, fraction, _THOUSANDS[letter.lower()])
        return cls(most, *_window(every, unit))

    def __str__(self) -> str:
        """Return the quota as a text ("60/min", "200k/5min"), with the largest of the letters G, M and k that
        needs no fraction, or without a letter.
        """
        return f"{_lettered(self.most)}/{_worded(self.window, self.every)}"


class Budget(msgspec.Struct, frozen=True):
    """How much money may be spent in one window of time. It is written "50 USD/month", "$5/day" or, for all
    time, "100 USD".

    most: the money in nano-USD (10⁻⁹ USD). window: the unit of time, "lifetime" = for all time. every: how
    many of these units the window lasts.
    """

    expected: ClassVar[str] = "an amount of money, such as 50 USD/month, $5/day or 100 USD"
    schema: ClassVar[Mapping[str, Any]] = {
        "type": "string",
        "pattern": r"^\s*\$?\s*\d+(\.\d+)?\s*([uU][sS][dD])?\s*((/|[pP][eE][rR]\b)\s*\d*\s*[A-Za-z]+\s*)?$",
    }

    most: int
    window: Window = "lifetime"
    every: int = 1

    @classmethod
    def parse(cls, value: object) -> Self:
        """Make a budget from a text that names USD once (`$` before the number, or `USD` after it), such as
        "$5/day" or "100 USD". Without a unit of time the budget is for all time. Raises ValueError for any
        other value or text; for more than `LARGEST` nano-USD; and for several units of time that are longer
        than a day together.
        """
        if not isinstance(value, str) or (found := _BUDGET.fullmatch(value)) is None:
            raise ValueError("not an amount of money")
        sign, whole, fraction, currency, every, unit = found.groups(default="")
        if bool(sign) == bool(currency):
            raise ValueError("name the currency once: 50 USD, or $50")
        most = _whole(whole, fraction, 9)
        return cls(most, *_window(every, unit or "lifetime"))

    def __str__(self) -> str:
        """Return the budget in USD: "50 USD/month", or "100 USD" for all time."""
        amount = f"{usd(self.most)} USD"
        return amount if self.window == "lifetime" else f"{amount}/{_worded(self.window, self.every)}"


def usd(nano: int) -> str:
    """Return an amount of nano-USD (>= 0) as an exact text in USD: "50", "0.25"."""
    whole, rest = divmod(nano, NANO)
    return f"{whole}.{rest:09d}".rstrip("0") if rest else str(whole)


def _whole(whole: str, fraction: str, zeros: int) -> int:
    """Return the decimal number `whole.fraction`, multiplied by 10^zeros. Raises ValueError if the product is
    not a whole number, or above `LARGEST`.
    """
    amount, left = divmod(int(whole + fraction + "0" * zeros), int("1" + "0" * len(fraction)))
    if left:
        raise ValueError("not a whole number")
    if amount > LARGEST:
        raise ValueError("too large")
    return amount


def _window(every: str, unit: str) -> tuple[Window, int]:
    window = _WINDOWS.get(unit.lower())
    if window is None:
        raise ValueError(f"unknown unit of time {unit}")
    number = int(every or 1)
    seconds = SECONDS.get(window, _LONGEST + 1)
    if number < 1 or (number > 1 and number * seconds > _LONGEST):
        raise ValueError("several units may last a day at most")
    return window, number


def _worded(window: Window, every: int) -> str:
    return f"{every if every > 1 else ''}{_SHORT.get(window, window)}"


def _lettered(amount: int) -> str:
    for letter, zeros in (("G", 9), ("M", 6), ("k", 3)):
        if amount and amount % 10**zeros == 0:
            return f"{amount // 10**zeros}{letter}"
    return str(amount)
