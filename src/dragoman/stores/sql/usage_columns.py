"""The columns of the tables of usage, and how sums are put into them. Pure, and without SQLAlchemy.

Durations are counted in buckets (`state.durations`). A column holds the counts of two of them: the second one
times 2³¹. The sum of such a column is again the two sums. https://www.sqlite.org/datatype3.html (8 bytes)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final, TypeAlias

from dragoman.state.durations import BUCKETS
from dragoman.state.periods import DAY
from dragoman.state.usage_sums import COMMON, COST, COUNTS, DIMENSIONS, Sums

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
"""Seconds after a period has ended until its small values are added up: a record may be that late."""
KNOWN: Final = 20_000
"""The most groups of which a process remembers that the database has them."""
_PLACES: Final = {name: place for place, name in enumerate(SUMMED)}
_OF_UNITS: Final = {unit: _PLACES[f"u_{unit}"] for unit in COMMON}
_ZEROS: Final = (0,) * len(SUMMED)
Amounts: TypeAlias = dict[int, int]
"""Sums as the places of columns in SUMMED, with their values."""


def amounts(sums: Sums) -> Amounts:
    """The columns of sums that are not 0; the units without a column are left out."""
    found = {_PLACES[name]: count for name, count in sums.counts.items() if count}
    for unit, amount in sums.units.items():
        if unit in _OF_UNITS:
            found[_OF_UNITS[unit]] = amount
    for names, counts in ((_TOTAL, sums.total), (_FIRST, sums.first)):
        for bucket, count in counts.items():
            place = _PLACES[names[bucket // 2]]
            found[place] = found.get(place, 0) + (count << _SHIFT if bucket % 2 else count)
    return found


def full(found: Amounts) -> tuple[int, ...]:
    """The values of all columns of SUMMED."""
    row = list(_ZEROS)
    for place, amount in found.items():
        row[place] = amount
    return tuple(row)


def other_units(sums: Sums) -> dict[str, int]:
    """The units of these sums that have no column."""
    return {unit: amount for unit, amount in sums.units.items() if unit not in _OF_UNITS and amount}


def read(values: Sequence[int]) -> Sums:
    """The sums of a row's values, in the order of SUMMED."""
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
