"""Types for settings with a unit or a rule that are written as one value: durations, sizes, numbers, shares,
dates, paths.

Each type is a subclass of the plain value that the program computes with: a `Duration` is a float of seconds.
`parse` decides what is valid. `expected` is the text for error messages. `schema` is a JSON Schema for
editors, which states the rules of `parse` only roughly.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any, ClassVar, Final, NewType, Self

from dragoman.providers.paths import listed

_AMOUNT: Final = re.compile(r"\s*+(\d{1,20})(?:\.(\d{1,18}))?\s*+([A-Za-z]*+)\s*\Z", re.ASCII)
_MILLISECONDS: Final = {
    "": 1000,
    "ms": 1,
    "s": 1000,
    "m": 60_000,
    "min": 60_000,
    "h": 3_600_000,
    "d": 86_400_000,
}
_BYTES: Final = dict.fromkeys(("", "b"), 1) | {
    f"{prefix}{infix}{suffix}": base**power
    for power, prefix in enumerate("kmg", start=1)
    for base, infix, suffix in ((1000, "", ""), (1000, "", "b"), (1024, "i", "b"))
}
_PLAIN: Final = re.compile(r"\s*+\d{1,20}(?:\.\d{1,20})?(?:[eE][-+]?\d{1,3})?\s*", re.ASCII)
_MOMENT: Final = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[Tt ](\d\d:\d\d(?::\d\d(?:\.\d{1,6})?)?)\s*+([Zz]|[+-]\d\d:?\d\d))?", re.ASCII
)
_DAY: Final = re.compile(r"\s*+\d{4}-\d\d-\d\d\s*", re.ASCII)
_LONGEST: Final = 10_000 * 86_400


class Duration(float):
    """A time in seconds, from 0 to 10,000 days, rounded to a microsecond. It is written "250ms", "30s", "5m",
    "1h", "2d", or as a plain number of seconds.
    """

    expected: ClassVar[str] = "a duration such as 30s, 5m or 250ms"
    schema: ClassVar[Mapping[str, Any]] = {
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": _LONGEST},
            {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*([mM]?[sS]|[mM]([iI][nN])?|[hHdD])?\s*$"},
        ]
    }

    @classmethod
    def parse(cls, value: object) -> Self:
        """Make a duration from a number of seconds, or from a text; a text without a unit means seconds.
        Raises ValueError for anything else, and for a duration that is negative or longer than 10,000 days.
        """
        if isinstance(value, str):
            amount, scale = _amount(value, _MILLISECONDS)
            seconds: float = amount / (scale * 1000)
        else:
            seconds = _number(value)
        if not 0 <= seconds <= _LONGEST:
            raise ValueError("negative, or longer than 10000d")
        return cls(round(seconds, 6))

    def __str__(self) -> str:
        """Return the exact value in the largest unit that needs no fraction ("5m", "250ms"; "0s" for 0). If
        every unit needs a fraction, return it in seconds ("0.0005s").
        """
        if not self:
            return "0s"
        milliseconds = round(self * 1000)
        if milliseconds / 1000 != self:
            return f"{float(self):.6f}".rstrip("0") + "s"
        unit = next(unit for unit in ("d", "h", "m", "s", "ms") if milliseconds % _MILLISECONDS[unit] == 0)
        return f"{milliseconds // _MILLISECONDS[unit]}{unit}"


class Size(int):
    """A number of bytes, from 0 to below 2⁶³. It is written "64MB", "512kB", "1GiB", or as a plain number. MB
    is 1000² bytes, MiB is 1024² bytes.
    """

    expected: ClassVar[str] = "a size such as 64MB, 512kB or 1GiB"
    schema: ClassVar[Mapping[str, Any]] = {
        "anyOf": [
            {"type": "integer", "minimum": 0},
            {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*([kKmMgG][iI]?)?[bB]?\s*$"},
        ]
    }

    @classmethod
    def parse(cls, value: object) -> Self:
        """Make a size from a number of bytes, or from a text; a text without a unit means bytes. Raises
        ValueError for anything else, also for a size that is negative, too large (2⁶³ or more) or not a whole
        number of bytes.
        """
        amount, scale = _amount(value, _BYTES) if isinstance(value, str) else (_number(value), 1)
        if not 0 <= amount < scale * 2**63:
            raise ValueError("negative, or too large")
        if amount % scale != 0 or amount != int(amount):
            raise ValueError("not a whole number of bytes")
        return cls(int(amount) // scale)

    def __str__(self) -> str:
        """Return the exact value in the first of GB, GiB, MB, MiB, kB, KiB that needs no fraction, otherwise
        in B ("0B" for 0).
        """
        for unit in ("GB", "GiB", "MB", "MiB", "kB", "KiB"):
            factor = _BYTES[unit.lower()]
            if self and self % factor == 0:
                return f"{self // factor}{unit}"
        return f"{int(self)}B"


class Amount(float):
    """A number such as a weight or a price, with or without a fraction, from 0 to 10⁹."""

    expected: ClassVar[str] = "a number such as 3 or 0.25"
    schema: ClassVar[Mapping[str, Any]] = {"type": "number", "minimum": 0, "maximum": 1e9}

    @classmethod
    def parse(cls, value: object) -> Self:
        """Make an amount from a number, or from a text that is a number. Raises ValueError for anything else,
        and for a number that is not from 0 to 10⁹.
        """
        if isinstance(value, str):
            if _PLAIN.fullmatch(value) is None:
                raise ValueError("not a number")
            value = float(value)
        amount = _number(value)
        if not 0 <= amount <= 1e9:
            raise ValueError("negative, or too large")
        return cls(amount)

    def __str__(self) -> str:
        """Return the number, without ".0" at the end: "3", "0.25"."""
        return repr(float(self)).removesuffix(".0")


class Share(float):
    """A part of something, as a number from 0 to 1. It is written "5%" or 0.05."""

    expected: ClassVar[str] = "a share such as 5% or 0.05"
    schema: ClassVar[Mapping[str, Any]] = {
        "anyOf": [
            {"type": "number", "minimum": 0, "maximum": 1},
            {"type": "string", "pattern": r"^\s*\d+(\.\d+)?\s*%?\s*$"},
        ]
    }

    @classmethod
    def parse(cls, value: object) -> Self:
        """Make a share from a number from 0 to 1, or from a text with such a number or with a percentage
        ("5%"). Raises ValueError for anything else, and for a share that is not from 0 to 1.
        """
        scale = 1.0
        if isinstance(value, str):
            text, percent, rest = value.partition("%")
            if _PLAIN.fullmatch(text) is None or rest.strip():
                raise ValueError("not a share")
            value, scale = float(text), 100.0 if percent else 1.0
        share = _number(value)
        if not 0 <= share <= scale:
            raise ValueError("negative, or more than all")
        return cls(share / scale)

    def __str__(self) -> str:
        """Return the share in percent: "5%", "0.5%"."""
        return f"{self * 100:.12g}%"


class Moment(float):
    """A point in time as Unix seconds. It is written as a date with a time and a time zone, or as a date
    alone. A date alone means the end of that day in UTC, which is the midnight after it.
    """

    expected: ClassVar[str] = (
        "a date such as 2026-12-31, or a time with its zone such as 2026-12-31T18:00:00Z"
    )
    schema: ClassVar[Mapping[str, Any]] = {
        "type": "string",
        "pattern": r"^\s*\d{4}-\d\d-\d\d([Tt ]\d\d:\d\d(:\d\d(\.\d+)?)?\s*([Zz]|[+-]\d\d:?\d\d))?\s*$",
    }

    @classmethod
    def parse(cls, value: object) -> Self:
        """Make a moment from a text: "2026-12-31", or with a time and a zone "2026-12-31T18:00:00Z". Raises
        ValueError for anything else, also for a day or time that does not exist.
        """
        if not isinstance(value, str) or (match := _MOMENT.fullmatch(value.strip())) is None:
            raise ValueError("neither a date nor a time with its zone")
        day, time, zone = match.groups()
        try:
            if time is None:
                ends = date.fromisoformat(day) + timedelta(days=1)
                moment = cls(datetime(ends.year, ends.month, ends.day, tzinfo=UTC).timestamp())
            else:
                moment = cls(datetime.fromisoformat(f"{day}T{time}{zone.upper()}").timestamp())
            str(moment)  # its day in UTC may be before the year 1 or after 9999
        except OverflowError as error:
            raise ValueError("no such day") from error
        return moment

    @classmethod
    def from_now(cls, value: object, now: float) -> Self:
        """Make a moment from what `parse` accepts, or from a duration after `now` (Unix seconds): "90d"; a
        duration gives whole seconds, rounded down. Raises ValueError for anything else.
        """
        try:
            return cls.parse(value)
        except ValueError:
            return cls(int(now + Duration.parse(value)))

    def __str__(self) -> str:
        """Return the moment in UTC ("2026-12-31T18:00:00Z"). For midnight, return the day that ends then:
        "2026-12-31" for 2027-01-01T00:00:00Z.
        """
        moment = datetime.fromtimestamp(self, UTC)
        if moment.timetz() == datetime.min.replace(tzinfo=UTC).timetz():
            return (moment.date() - timedelta(days=1)).isoformat()
        return moment.isoformat().replace("+00:00", "Z")


class Day(float):
    """A day, as the Unix seconds at which it begins in UTC."""

    expected: ClassVar[str] = "a date such as 2026-12-31"
    schema: ClassVar[Mapping[str, Any]] = {"type": "string", "pattern": r"^\s*\d{4}-\d\d-\d\d\s*$"}

    @classmethod
    def parse(cls, value: object) -> Self:
        """Make a day from a text such as "2026-12-31". Raises ValueError for anything else."""
        if not isinstance(value, str) or not _DAY.fullmatch(value):
            raise ValueError("not a date")
        day = date.fromisoformat(value.strip())
        return cls(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp())

    def __str__(self) -> str:
        """Return the date, "2026-12-31"."""
        return datetime.fromtimestamp(self, UTC).date().isoformat()


class PathPrefix(str):
    """The beginning of a URL path, for example "/api": it starts with a slash and ends without one, or is
    empty.
    """

    __slots__ = ()
    expected: ClassVar[str] = 'a path such as /api, or ""'
    schema: ClassVar[Mapping[str, Any]] = {"type": "string", "pattern": r"^[^?#\s\\]*$"}

    @classmethod
    def parse(cls, value: object) -> Self:
        """Make a prefix from a path, with or without slashes at its ends; "" and "/" make an empty prefix.
        Raises ValueError for anything else, such as a path with a part `..`, two slashes inside, a blank or a
        query.
        """
        if not isinstance(value, str):
            raise ValueError("not a text")  # noqa: TRY004 - one error for whatever is no such value
        path = value.strip("/")
        if re.search(r"[?#\s\\\x00-\x1f\x7f]|//", path) or ".." in path.split("/"):
            raise ValueError("not a path such as /api")
        return cls(f"/{path}" if path else "")


class FilePath(str):
    """The path of a file. `parse` keeps the text as it is. Later, the decoder of the configuration (`decode`)
    resolves `~`, and puts the folder of the configuration file before a relative path.
    """

    __slots__ = ()
    expected: ClassVar[str] = "the path of a file"
    schema: ClassVar[Mapping[str, Any]] = {"type": "string", "minLength": 1}

    @classmethod
    def parse(cls, value: object) -> Self:
        """Make a path from a text. Raises ValueError for anything else, and for a text that is empty or
        contains a null character.
        """
        if not isinstance(value, str) or not value or "\0" in value:
            raise ValueError("not a path")
        return cls(value)


class ListedPath(str):
    """One or more methods, and a path of a provider that clients may call with them: `GET,DELETE /v1/jobs/*`.
    `*` stands for any text within one segment of the path, `**` at its end for one or more segments.
    `providers.paths.listed` has the rules.
    """

    __slots__ = ()
    expected: ClassVar[str] = "a method and a path, such as `POST /v1/ocr` or `GET /v1/jobs/*`"
    schema: ClassVar[Mapping[str, Any]] = {"type": "string", "pattern": r"^\s*[A-Za-z,]+\s+/\S+\s*$"}

    @classmethod
    def parse(cls, value: object) -> Self:
        """Make a listed path from a text in the form of `expected`. One blank stands between methods and path
        in the result. Raises ValueError for any other value or text.
        """
        if not isinstance(value, str):
            raise ValueError("no text")  # noqa: TRY004 - one error for whatever is no such value
        listed(value)
        return cls(" ".join(value.split()))


DialectName = NewType("DialectName", str)
"""The name of a protocol in `dialects.table`."""


def _number(value: object) -> float:
    """Return the value if it is a number; an int stays an int, because floats above 2**53 are not exact.
    Raises ValueError for anything else.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError("neither a number nor a text")  # noqa: TRY004 - one error for whatever is no such value
    return value


def _amount(text: str, units: Mapping[str, int]) -> tuple[int, int]:
    """Return an amount such as "1.1MB" in the smallest unit, as an exact fraction (numerator, denominator).

    units: {name of a unit in lower case: how many of the smallest unit it has}; "" = the text has no unit.
    Raises ValueError if the text is not such an amount, or has an unknown unit.
    """
    if (match := _AMOUNT.match(text)) is None:
        raise ValueError("not a number with a unit")
    whole, fraction, unit = match.groups(default="")
    factor = units.get(unit.lower())
    if factor is None:
        raise ValueError(f"unknown unit {unit}")
    return int(whole + fraction) * factor, 10 ** len(fraction)
