"""The columns of the tables of usage, and how sums are written into them and read from them. Pure, and
without SQLAlchemy.

Durations are counted in buckets (`state.durations`). One column holds the counts of two buckets: the count of
the first, plus the count of the second times 2³¹. So adding up a column adds up both counts, as long as each
is below 2³¹.
https://www.sqlite.org/datatype3.html (8 bytes)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from dragoman.state.durations import BUCKETS, bucket_of
from dragoman.state.periods import DAY
from dragoman.state.usage import UsageRecord
from dragoman.state.usage_sums import COMMON, COST, COUNTS, DIMENSIONS, Sums, is_unpriced

_SHIFT: Final = 31
_MASK: Final = (1 << _SHIFT) - 1
_UNITS: Final = tuple(f"u_{unit}" for unit in COMMON)
_TOTAL: Final = tuple(f"total_{place}" for place in range(BUCKETS // 2))
_FIRST: Final = tuple(f"first_{place}" for place in range(BUCKETS // 2))
SUMMED: Final = (*COUNTS, *COST, *_UNITS, *_TOTAL, *_FIRST)
"""The columns with sums."""
NUMBERS: Final[Mapping[str, int]] = {"": 0, **{name: at for at, name in enumerate(DIMENSIONS, 1)}}
"""The number of each dimension in the database; "" = all usage together."""
SETTLED: Final = DAY
"""The least seconds from the end of a period until the sums of its tags and end users with little usage are
added up (`UsageRetention`). This time is needed because records may come late.
"""
KNOWN: Final = 20_000
"""About the most groups that an object which writes usage remembers as being in the database."""
_PLACES: Final = {name: place for place, name in enumerate(SUMMED)}
_OF_UNITS: Final = {unit: _PLACES[f"u_{unit}"] for unit in COMMON}
ZEROS: Final = (0,) * len(SUMMED)
_REQUESTS, _CALLS, _COST = _PLACES["requests"], _PLACES["calls"], _PLACES["cost"]
_FAILED, _CUT, _STREAMED = _PLACES["failed"], _PLACES["cut"], _PLACES["streamed"]
_ESTIMATED, _UNPRICED = _PLACES["estimated"], _PLACES["unpriced"]
_IN_TOTAL, _IN_FIRST = (
    [(_PLACES[names[bucket // 2]], 1 << _SHIFT if bucket % 2 else 1) for bucket in range(BUCKETS)]
    for names in (_TOTAL, _FIRST)
)
"""By bucket of a duration: the place of its column, and what one duration adds to it."""
Amounts: TypeAlias = dict[int, int]
"""Sums: {index of the column in SUMMED: value}."""


def amounts(sums: Sums) -> Amounts:
    """Return the values of the database's columns for these sums, by the column's index in SUMMED; a missing
    index has the value 0. The units that have no column are left out: `other_units` returns them.
    """
    found = {_PLACES[name]: count for name, count in sums.counts.items() if count}
    for unit, amount in sums.units.items():
        if unit in _OF_UNITS:
            found[_OF_UNITS[unit]] = amount
    for names, counts in ((_TOTAL, sums.total), (_FIRST, sums.first)):
        for bucket, count in counts.items():
            place = _PLACES[names[bucket // 2]]
            found[place] = found.get(place, 0) + (count << _SHIFT if bucket % 2 else count)
    return found


def count(record: UsageRecord, sums: list[int], units: dict[str, int]) -> None:
    """Add a plain record (`is_plain`: it has only one part) to `sums`, which has a value for each column of
    SUMMED, and add its units that have no column to `units`. This adds the same values as `parts_of`,
    `amounts` and `other_units` give, but faster.
    """
    sums[_REQUESTS] += 1
    sums[_CALLS] += 1 if record.lines else record.attempts or record.cut
    if record.cost is None:
        sums[_COST] += record.priced
        sums[_UNPRICED] += is_unpriced(record)
    else:
        sums[_COST] += record.cost
    sums[_FAILED] += record.failed
    sums[_CUT] += record.cut
    sums[_STREAMED] += record.streamed
    sums[_ESTIMATED] += record.estimated
    for unit, amount in record.units.items():
        if unit in _OF_UNITS:
            sums[_OF_UNITS[unit]] += amount
        elif amount:
            units[unit] = units.get(unit, 0) + amount
    if (seconds := record.seconds) is not None:
        column, one = _IN_TOTAL[bucket_of(seconds)]
        sums[column] += one
    if (seconds := record.first) is not None:
        column, one = _IN_FIRST[bucket_of(seconds)]
        sums[column] += one


def stated(sums: Sequence[int]) -> Amounts:
    """Return the values that are not 0, by the column's index in SUMMED. sums: a value for each column."""
    return {place: amount for place, amount in enumerate(sums) if amount}


def full(found: Amounts) -> tuple[int, ...]:
    """Return a value for each column, in the order of SUMMED; columns that are missing in `found` get 0."""
    row = list(ZEROS)
    for place, amount in found.items():
        row[place] = amount
    return tuple(row)


def other_units(sums: Sums) -> dict[str, int]:
    """Return the amounts of the units in these sums that have no column, without zeros."""
    return {unit: amount for unit, amount in sums.units.items() if unit not in _OF_UNITS and amount}


def read(values: Sequence[int]) -> Sums:
    """Return the sums in a row of the database. values: a value for each column, in the order of SUMMED."""
    return Sums(
        {name: value for name, value in zip(_COUNTED, values, strict=False) if value},
        {unit: value for unit, value in zip(COMMON, values[_UNITS_AT:_TOTAL_AT], strict=True) if value},
        _unpacked(values[_TOTAL_AT:_FIRST_AT]),
        _unpacked(values[_FIRST_AT:]),
    )


_COUNTED: Final = (*COUNTS, *COST)
_UNITS_AT: Final = len(_COUNTED)
_TOTAL_AT: Final = _UNITS_AT + len(_UNITS)
_FIRST_AT: Final = _TOTAL_AT + len(_TOTAL)


def _unpacked(values: Sequence[int]) -> dict[int, int]:
    counts = {}
    for place, value in enumerate(values):
        if value:
            counts[2 * place], counts[2 * place + 1] = value & _MASK, value >> _SHIFT
    return counts
