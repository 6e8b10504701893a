"""Usage records and their sums in a database; implements `state.usage_archive.UsageArchive`."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final, TypeAlias, TypeVar

import sqlalchemy as sa

from dragoman.state.periods import STEPS, start_of
from dragoman.state.usage import UsageRecord
from dragoman.state.usage_archive import Spent, UsageSearch
from dragoman.state.usage_report import Query, Report
from dragoman.state.usage_sums import Dimension, Group, parts_of, tags_of, text
from dragoman.stores.limits import Limits
from dragoman.stores.sql.database import Database, upsert
from dragoman.stores.sql.usage_reading import UsageReading
from dragoman.stores.sql.usage_retention import UsageRetention
from dragoman.stores.sql.usage_rows import row_of
from dragoman.stores.sql.usage_tables import (
    NUMBERS,
    SUMMED,
    USAGE_BY_GROUP,
    USAGE_BY_VALUE,
    USAGE_GROUP_UNITS,
    USAGE_GROUPS,
    USAGE_UNITS,
    Adding,
    Amounts,
    amounts,
    full,
    insert_new,
    other_units,
)

K = TypeVar("K")
_Cell: TypeAlias = tuple[int, Group, tuple[str, ...], str | None]
"""An hour, a group, the tags and the end user: records that agree in them are added up first."""
_TAG: Final = NUMBERS["tag"]
_END_USER: Final = NUMBERS["end_user"]
_KNOWN: Final = 20_000
"""The most groups of which a process remembers that the database has them."""
_REMEMBERED: Final = 1_000
"""The groups whose numbers are remembered."""
_ROW_BYTES: Final = 1_500
"""The approximate bytes that a record writes, its share of the sums included."""


_GROUP: Final = upsert(USAGE_GROUPS).on_conflict_do_nothing()
_BY_VALUE: Final = Adding(USAGE_BY_VALUE, SUMMED)
_BY_GROUP: Final = Adding(USAGE_BY_GROUP, SUMMED)
_UNITS: Final = Adding(USAGE_UNITS, ["amount"])
_GROUP_UNITS: Final = Adding(USAGE_GROUP_UNITS, ["amount"])


@lru_cache(maxsize=_REMEMBERED)
def group_id(group: Group) -> int:
    """The number of a group, the same in every process: 63 bits of a hash of its values."""
    digest = blake2b("\0".join(group).encode(), digest_size=8).digest()
    return int.from_bytes(digest) >> 1


class SqlUsage:
    """Keeps usage in one database."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self._known: set[int] = set()
        self._reading = UsageReading(database, limits)
        self._retention = UsageRetention(database, limits)

    async def keep(self, records: Sequence[UsageRecord]) -> int:
        if not records:
            return 0
        # Everything is made before the transaction, in which nobody else can write.
        batch = await asyncio.to_thread(_Batch, records)

        def keep(connection: sa.Connection) -> tuple[int, set[int]]:
            new = insert_new(connection, batch.rows)
            return len(new), batch.without_known(new).write(connection, self._known)

        count, groups = await self._database.write(keep, _ROW_BYTES * len(batch.rows))
        if len(self._known) + len(groups) > _KNOWN:
            self._known = set()
        self._known |= groups
        return count

    async def report(self, query: Query, now: float) -> Report:
        return await self._reading.report(query, now)

    async def spent(self, since: float, dimension: Dimension | None) -> Mapping[str, Spent]:
        return await self._reading.spent(since, dimension)

    async def records(self, search: UsageSearch, limit: int) -> list[UsageRecord]:
        return await self._reading.records(search, limit)

    async def sweep(self, now: float) -> None:
        """Delete what is too old, in small steps. Raises StoreFailed."""
        await self._retention.sweep(now)


class _Batch:
    """The rows of some records, and what these add to the sums."""

    def __init__(self, records: Iterable[UsageRecord]) -> None:
        self._records = {(record.created, record.id): record for record in records}
        parted = {key: parts_of(self._records[key]) for key in sorted(self._records)}
        self.rows = [
            row_of(self._records[key], parts[0].group, group_id(parts[0].group))
            for key, parts in parted.items()
        ]
        sums_of: dict[_Cell, Amounts] = {}
        units_of: dict[_Cell, dict[str, int]] = {}
        for key, parts in parted.items():
            record = self._records[key]
            hour = start_of("hour", record.created)
            tags = tuple(tags_of(record)) if record.tags else ()
            for group, sums in parts:
                cell = hour, group, tags, record.end_user
                _add(sums_of, cell, amounts(sums))
                if units := other_units(sums):
                    _add(units_of, cell, units)
        by_group: dict[tuple[int, Group], Amounts] = {}
        by_value: dict[tuple[int, int, str], Amounts] = {}
        group_units: dict[tuple[int, Group], dict[str, int]] = {}
        value_units: dict[tuple[int, int, str], dict[str, int]] = {}
        _book(sums_of, by_group, by_value)
        _book(units_of, group_units, value_units)
        _spread(by_group, by_value)
        _spread(group_units, value_units)
        self._groups = {group_id(group): group for _, group in by_group}
        self._by_group = [(*key, *full(found)) for key, found in _longer(_numbered(by_group), 0)]
        self._by_value = [(*key, *full(found)) for key, found in _longer(by_value, 1)]
        self._group_units = list(_by_unit(_longer(_numbered(group_units), 0)))
        self._value_units = list(_by_unit(_longer(value_units, 1)))

    def without_known(self, new: Collection[str]) -> _Batch:
        """The batch with the records alone whose ids are new."""
        if len(new) == len(self._records):
            return self
        return _Batch([record for record in self._records.values() if record.id in new])

    def write(self, connection: sa.Connection, known: Collection[int]) -> set[int]:
        """Write the sums, and return the groups that the database has now. known: those it had before."""
        names = [{"id": id_, **_named(group)} for id_, group in self._groups.items() if id_ not in known]
        if names:
            connection.execute(_GROUP, names)
        _BY_GROUP.run(connection, self._by_group)
        _BY_VALUE.run(connection, self._by_value)
        _GROUP_UNITS.run(connection, self._group_units)
        _UNITS.run(connection, self._value_units)
        return set(self._groups)


def _book(
    cells: Mapping[_Cell, dict[K, int]],
    by_group: dict[tuple[int, Group], dict[K, int]],
    by_value: dict[tuple[int, int, str], dict[K, int]],
) -> None:
    """Add what is summed by cell to the sums by combination of values, and by tag and by end user."""
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
    """Add what is summed by combination of values to the sums by value, and to those of everything."""
    for (hour, group), found in by_group.items():
        _add(by_value, (0, hour, ""), found)
        for number, value in enumerate(group, 1):
            _add(by_value, (number, hour, value), found)


def _longer(hours: Mapping[Any, dict[K, int]], place: int) -> Iterator[tuple[tuple[Any, ...], dict[K, int]]]:
    """Yield the sums by hour, then by day, then by month. Their keys begin with the number of the step, and
    come in order, so that rows that stand together in the database are written one after the other. place:
    where the hour stands in the keys.
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


def _named(group: Group) -> dict[str, str]:
    return {f"{name}_name": value for name, value in zip(group._fields, group, strict=True)}
