"""The packaged table of prices, and how a model's row is found in it.

The table (`prices.jsonl`) is made by `scripts/prices.py` from the data of genai-prices (MIT) and rows of our
own. Its first line tells where the data are from and when the table was made. Each further line is one
vendor: `vendor`, `address` (a regular expression for base URLs), `also` (vendors whose models it offers at
their prices) and `rows`. A row has `match` and `prices`. `match` says how the model is named: `=` exactly so,
`^` at the beginning, `$` at the end, `*` anywhere, `~` a regular expression. One entry of `match` has to fit;
if it is a list, all in this list have to fit. The first row that matches a name is used.

An entry of `prices` has `units` ({unit: USD as text, or [USD, above so many tokens of the prompt, USD, …]};
the price is for as much of the unit as `ir.units.per` says, a million tokens for example), `tiers` ({service
tier: the units with another price}), `since` (a date) and `hours` (start and end in minutes of the day, UTC).
The last entry that holds at a time is used; if none holds, the first one.

Only the lines of vendors whose prices are looked up are decoded in full. The table is in memory only while a
`PriceTable` exists.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from dragoman.providers.rates import Levels, Period, Rates, levels_of, nano

VENDORS: Final[Mapping[str, str]] = {
    "bedrock": "aws",
    "bedrock-mantle": "aws",
    "gemini": "google",
    "moonshot": "moonshotai",
    "vertex": "google",
    "voyage": "voyageai",
    "xai": "x-ai",
}
"""Name of a vendor in the catalogue -> its name in the table, for the vendors whose two names differ."""

TOLD: Final = frozenset({"openrouter", "perplexity", "x-ai"})
"""The vendors, by their names in the table, whose answers state their cost in USD: the amount that the
account is charged, including searches and the model and provider that the vendor has chosen.
https://openrouter.ai/docs/use-cases/usage-accounting, https://docs.x.ai/developers/cost-tracking (2026-11)
"""
_FILE: Final = Path(__file__).with_name("prices.jsonl")

_Clause: TypeAlias = str | list[str]
_Price: TypeAlias = str | list[str | int]
_DATED: Final = re.compile(r"^(.+)-(20\d\d)(\d\d)(\d\d)$")
_ENDS: Final = re.compile(r"(?:[-@](?:latest|20\d\d-?\d\d-?\d\d|preview-\d\d-\d\d|\d{4}))$")
"""Matches the end of a name that names one version of a model: a date, `latest`, or four digits."""
_BEFORE: Final = ("models/", "publishers/google/models/")


class Source(msgspec.Struct, frozen=True):
    """The first line of the table. source: the name and the version of the data. licence: that of the data.
    date: the day on which the table was made.
    """

    source: str
    licence: str
    date: str


class _Entry(msgspec.Struct, frozen=True):
    units: dict[str, _Price]
    tiers: dict[str, dict[str, _Price]] = {}
    since: str | None = None
    hours: tuple[int, int] | None = None


class Row(msgspec.Struct, frozen=True):
    """The prices of one model. id: the model's name, for people. match, prices: see the module. page, read:
    the page of the prices, and the month in which it was read, for rows of our own; None = the row is from
    `Source.source`. least, most: {unit: amount}; an answer that has used the unit is billed at least `least`
    and at most `most` of it.
    """

    id: str
    match: list[_Clause]
    prices: list[_Entry]
    page: str | None = None
    read: str | None = None
    least: dict[str, int] = {}
    most: dict[str, int] = {}

    def matches(self, model: str) -> bool:
        """Whether the row is for this model name, which must be in lower case."""
        return any(
            all(_fits(part, model) for part in clause) if isinstance(clause, list) else _fits(clause, model)
            for clause in self.match
        )


class _Vendor(msgspec.Struct, frozen=True):
    vendor: str
    address: str | None = None
    also: list[str] = []
    rows: list[Row] = []


class _Address(msgspec.Struct, frozen=True):
    vendor: str
    address: str | None = None


class PriceTable:
    """Looks up prices in the packaged table, whose lines it keeps in memory.

    data: the bytes of the table; None = those in the package. source: the table's first line.
    """

    def __init__(self, data: bytes | None = None) -> None:
        if data is None:
            data = _FILE.read_bytes()
        first, *self._lines = data.splitlines()
        self.source = msgspec.json.decode(first, type=Source)
        self._known: dict[str, _Vendor | None] = {}

    def vendors(self) -> tuple[str, ...]:
        """Return the names of all vendors in the table."""
        return tuple(msgspec.json.decode(line, type=_Address).vendor for line in self._lines)

    def rows(self, vendor: str) -> Sequence[Row]:
        """Return the rows of a vendor, by its name in the table; empty = the table has no rows of this
        vendor.
        """
        found = self._vendor(vendor)
        return () if found is None else found.rows

    def vendor_at(self, address: str) -> str | None:
        """Return the name in the table of the vendor whose API is at this base URL (the first whose `address`
        matches); None = the table has none.
        """
        for line in self._lines:
            one = msgspec.json.decode(line, type=_Address)
            if one.address is not None and re.match(one.address, address):
                return one.vendor
        return None

    def find(self, vendor: str, model: str) -> Rates | None:
        """Return the prices of a model at a vendor; None = unknown. vendor: its name in the catalogue or in
        the table. `Rates.source` says that the price is a guess if the row was found under the name without
        the version at its end (a date, `latest`, four digits), or at another vendor whose models this one
        offers.
        """
        asked = VENDORS.get(vendor, vendor)
        for row, where, guess in self._found(asked, model):
            told = f"{where}/{row.id} of {row.page or self.source.source}, {row.read or self.source.date}"
            said = f"{told}; a guess: {guess}" if guess else told
            return rates_of(row, said, told=asked in TOLD)
        return None

    def _found(self, vendor: str, model: str) -> Iterator[tuple[Row, str, str]]:
        known = self._vendor(vendor)
        if known is None:
            return
        name = model.lower()
        for before in _BEFORE:
            name = name.removeprefix(before)
        for tried, guess in _names(name):
            for where in (vendor, *known.also):
                for row in self.rows(where):
                    if row.matches(tried):
                        elsewhere = f"the price of {where}" if where != vendor else ""
                        yield row, where, "; ".join(filter(None, (guess, elsewhere)))

    def _vendor(self, name: str) -> _Vendor | None:
        if name not in self._known:
            start = b'{"vendor":' + msgspec.json.encode(name) + b","
            line = next((line for line in self._lines if line.startswith(start)), None)
            self._known[name] = None if line is None else msgspec.json.decode(line, type=_Vendor)
        return self._known[name]


def rates_of(row: Row, source: str, *, told: bool = False) -> Rates:
    """Return the prices of a row. source: where they are from, a text for people. told: whether the vendor's
    answers state their cost, which is then used instead of the prices.
    """
    periods = [
        Period(
            _levels(entry.units),
            {tier: _levels({**entry.units, **units}) for tier, units in entry.tiers.items()},
            None if entry.since is None else midnight(entry.since),
            entry.hours,
            strict=True,
            least=row.least,
            most=row.most,
        )
        for entry in row.prices
    ]
    return Rates(periods, source, told=told)


def midnight(day: str) -> float:
    """Return the beginning of a day in UTC, in Unix seconds. day: an ISO date. Raises ValueError for any
    other text.
    """
    parsed = date.fromisoformat(day)
    return datetime(parsed.year, parsed.month, parsed.day, tzinfo=UTC).timestamp()


def _levels(units: Mapping[str, _Price]) -> Levels:
    steps: dict[int, dict[str, int]] = {-1: {}}
    for unit, price in units.items():
        first, *more = [price] if isinstance(price, str) else price
        steps[-1][unit] = nano(str(first))
        for above, usd in zip(more[::2], more[1::2], strict=True):
            steps.setdefault(int(above), {})[unit] = nano(str(usd))
    return levels_of(steps)


def _names(name: str) -> Iterator[tuple[str, str]]:
    """Yield (a name to look for, a text that says what is guessed if this name is found), best first:
    ("gpt-4-0613", ""), ("gpt-4", "the price of gpt-4"). "" = nothing is guessed.
    """
    yield name, ""
    if (dated := _DATED.match(name)) is not None:
        yield "{}-{}-{}-{}".format(*dated.groups()), ""
    plain = _ENDS.sub("", name)
    if plain != name:
        yield plain, f"the price of {plain}"


def _fits(clause: str, model: str) -> bool:
    sign, text = clause[0], clause[1:]
    if sign == "=":
        return model == text
    if sign == "^":
        return model.startswith(text)
    if sign == "$":
        return model.endswith(text)
    if sign == "*":
        return text in model
    return re.search(text, model) is not None
