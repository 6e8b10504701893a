"""The rows for some usage records, and the amounts that these records add to the sums and to the counters of
limits. Pure, and without SQLAlchemy.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from functools import lru_cache
from hashlib import blake2b
from math import inf
from typing import Any, Final, TypeAlias, TypeVar

from dragoman.state.counters import read
from dragoman.state.periods import HOUR, STEPS, start_of
from dragoman.state.usage import UsageRecord
from dragoman.state.usage_sums import Group, dimensions_of, group_of, is_plain, parts_of, tags_of, text
from dragoman.stores.sql.usage_columns import (
    NUMBERS,
    ZEROS,
    Amounts,
    amounts,
    count,
    full,
    other_units,
    stated,
)
from dragoman.stores.sql.usage_rows import is_exact, row_of

K = TypeVar("K")
_Cell: TypeAlias = tuple[int, Group, tuple[str, ...], str | None]
"""(hour, group, tags, end user): parts of records that are equal in all of these are added up first."""
_TAG: Final = NUMBERS["tag"]
_END_USER: Final = NUMBERS["end_user"]
_REMEMBERED: Final = 1_000
"""The most groups whose numbers are cached."""
_NEVER: Final = 2**53
"""The end of a window that lasts for ever, in Unix seconds."""


@lru_cache(maxsize=_REMEMBERED)
def group_id(group: Group) -> int:
    """Return the number of a group: 63 bits of a hash of its values, so it is the same in every process."""
    digest = blake2b("\0".join(group).encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


class _Place:
    """The records of one hour that have the same values in all dimensions, and the sums of the plain ones
    among them (`is_plain`: a record that has only one part).

    cell: the hour, group, tags and end user of these sums. group: the group of these records. id_: the number
    of this group. exact: True = the group has the records' values unchanged; False = a value was cut, left
    out or changed. sums: what the plain records add to each column of SUMMED. units: the amounts of their
    units that have no column.
    """

    __slots__ = ("cell", "exact", "group", "id_", "sums", "units")

    def __init__(self, hour: int, record: UsageRecord) -> None:
        group = self.group = group_of(record)
        self.cell: _Cell = hour, group, tuple(tags_of(record)), record.end_user
        self.id_ = group_id(group)
        self.exact = is_exact(record, group)
        self.sums = list(ZEROS)
        self.units: dict[str, int] = {}


class Batch:
    """The rows for some records, and the amounts that they add to the sums. Records with the same `created`
    and `id` count once.

    rows: the rows of `usage_records`, as `usage_rows.row_of` makes them. groups: {number of the group:
    group}. by_group, by_value, group_units, value_units: rows of the tables `usage_by_group`,
    `usage_by_value`, `usage_group_units` and `usage_units`, with values in the order of the columns. charges:
    rows for the counters of limits, as `charges_of` returns them.
    """

    def __init__(self, records: Iterable[UsageRecord]) -> None:
        self._records = {(record.created, record.id): record for record in records}
        self.rows: list[dict[str, Any]] = []
        sums_of: dict[_Cell, Amounts] = {}
        units_of: dict[_Cell, dict[str, int]] = {}
        places: dict[tuple[Any, ...], _Place] = {}
        for key in sorted(self._records):
            record = self._records[key]
            hour = int(record.created // HOUR) * HOUR
            values = hour, record.tags, record.end_user, dimensions_of(record)
            place = places.get(values)
            if place is None:
                place = places[values] = _Place(hour, record)
            self.rows.append(row_of(record, place.group, place.id_, exact=place.exact))
            if is_plain(record):
                count(record, place.sums, place.units)
            else:
                for group, sums in parts_of(record):
                    cell = hour, group, place.cell[2], record.end_user
                    _add(sums_of, cell, amounts(sums))
                    _add(units_of, cell, other_units(sums))
        for place in places.values():
            _add(sums_of, place.cell, stated(place.sums))
            _add(units_of, place.cell, place.units)
        units_of = {cell: units for cell, units in units_of.items() if units}
        by_group: dict[tuple[int, Group], Amounts] = {}
        by_value: dict[tuple[int, int, str], Amounts] = {}
        group_units: dict[tuple[int, Group], dict[str, int]] = {}
        value_units: dict[tuple[int, int, str], dict[str, int]] = {}
        _book(sums_of, by_group, by_value)
        _book(units_of, group_units, value_units)
        _spread(by_group, by_value)
        _spread(group_units, value_units)
        self.groups = {group_id(group): group for _, group in by_group}
        self.by_group = [(*key, *full(found)) for key, found in _longer(_numbered(by_group), 0)]
        self.by_value = [(*key, *full(found)) for key, found in _longer(by_value, 1)]
        self.group_units = list(_by_unit(_longer(_numbered(group_units), 0)))
        self.value_units = list(_by_unit(_longer(value_units, 1)))
        self.charges = charges_of(self._records.values())

    def without_known(self, new: Collection[str]) -> Batch:
        """Return the batch of only those records whose ids are in `new`: the ids that the database did not
        have before. All ids in `new` must be of this batch, in which no two records may have the
        same id.
        """
        if len(new) == len(self._records):
            return self
        return Batch([record for record in self._records.values() if record.id in new])


def charges_of(records: Iterable[UsageRecord]) -> list[tuple[str, int, int]]:
    """Return the rows that records add to the counters of limits: (name of the counter, end of its window in
    Unix seconds, amount), with `_NEVER` as the end of a window that never ends. Each counter comes once. The
    rows are sorted by counter, so that no two writers block each other. Left out are names that
    `counters.read` cannot read, sums of 0, counters without a window (`concurrency`), and counters whose
    windows had ended when the last of these records ended.
    """
    sums: dict[str, int] = {}
    latest = 0.0
    for record in records:
        latest = max(latest, record.ended)
        for counter, amount in record.settled:
            sums[counter] = sums.get(counter, 0) + amount
    rows = []
    for counter in sorted(sums):
        found = read(counter)
        if sums[counter] and found is not None and found.window is not None and found.ends > latest:
            rows.append((counter, _NEVER if found.ends == inf else int(found.ends), sums[counter]))
    return rows


def _book(
    cells: Mapping[_Cell, dict[K, int]],
    by_group: dict[tuple[int, Group], dict[K, int]],
    by_value: dict[tuple[int, int, str], dict[K, int]],
) -> None:
    """Add the sums of the cells to the sums by group, and to the sums by tag and by end user."""
    for (hour, group, tags, end_user), found in cells.items():
        _add(by_group, (hour, group), found)
        for tag in tags or ("",):
            _add(by_value, (_TAG, hour, tag), found)
        _add(by_value, (_END_USER, hour, text(end_user)), found)


def _numbered(by_group: Mapping[tuple[int, Group], dict[K, int]]) -> dict[tuple[int, int], dict[K, int]]:
    return {(hour, group_id(group)): found for (hour, group), found in by_group.items()}


def _spread(
    by_group: Mapping[tuple[int, Group], dict[K, int]], by_value: dict[tuple[int, int, str], dict[K, int]]
) -> None:
    """Add the sums by group to the sums by each single value of the group, and to the sums of everything
    (dimension 0).
    """
    for (hour, group), found in by_group.items():
        _add(by_value, (0, hour, ""), found)
        for number, value in enumerate(group, 1):
            _add(by_value, (number, hour, value), found)


def _longer(hours: Mapping[Any, dict[K, int]], place: int) -> Iterator[tuple[tuple[Any, ...], dict[K, int]]]:
    """Yield the sums by hour, then by day, then by month. Each yielded key begins with the index of the
    length in STEPS. The keys are sorted, so that adjacent rows of the database are written one after the
    other. hours: the sums by hour. place: the index of the hour in the keys of `hours`. If it is not 0, the
    keys begin with a dimension, and the sums by hour of end users are left out.
    """
    for number, step in enumerate(STEPS):
        if step == "hour":
            kept = {key: found for key, found in hours.items() if key[0] != _END_USER or place == 0}
            yield from (((number, *key), kept[key]) for key in sorted(kept))
            continue
        starts = {hour: start_of(step, hour) for hour in {key[place] for key in hours}}
        periods: dict[Any, dict[K, int]] = {}
        merged = len(set(starts.values())) < len(starts)
        for key, found in hours.items():
            longer = (*key[:place], starts[key[place]], *key[place + 1 :])
            if merged:
                _add(periods, longer, found)
            else:
                periods[longer] = found
        for longer in sorted(periods):
            yield (number, *longer), periods[longer]


def _by_unit(periods: Iterable[tuple[tuple[Any, ...], dict[str, int]]]) -> Iterator[tuple[Any, ...]]:
    for key, units in periods:
        for unit in sorted(units):
            yield *key, unit, units[unit]


def _add(into: dict[Any, dict[K, int]], key: Any, more: Mapping[K, int]) -> None:
    found = into.get(key)
    if found is None:
        into[key] = dict(more)
        return
    for name, amount in more.items():
        found[name] = found.get(name, 0) + amount
