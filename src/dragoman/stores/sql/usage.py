"""Usage records and their sums in a database; implements `state.usage.UsageStore`.

Several processes may write at once. Each writes its rows in the order of their keys, in every table and in the
same order of tables, so that no two of them wait for each other.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from hashlib import blake2b
from operator import itemgetter
from typing import Any, Final, TypeVar

import sqlalchemy as sa

from dragoman.state.periods import STEPS, start_of
from dragoman.state.usage import Spent, UsageRecord, UsageSearch
from dragoman.state.usage_report import Query, Report
from dragoman.state.usage_sums import Dimension, Group, Part, parts_of, tags_of, text
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
    USAGE_RECORDS,
    USAGE_UNITS,
    Adding,
    Amounts,
    amounts,
    full,
    other_units,
)

K = TypeVar("K")
_TAG: Final = NUMBERS["tag"]
_END_USER: Final = NUMBERS["end_user"]
_KNOWN: Final = 20_000
"""The most groups of which a process remembers that the database has them."""
_ROW_BYTES: Final = 1_500
"""The approximate bytes that a record writes, its share of the sums included."""


_KEEP: Final = upsert(USAGE_RECORDS).on_conflict_do_nothing().returning(USAGE_RECORDS.c.id)
_GROUP: Final = upsert(USAGE_GROUPS).on_conflict_do_nothing()
_BY_VALUE: Final = Adding(USAGE_BY_VALUE, SUMMED)
_BY_GROUP: Final = Adding(USAGE_BY_GROUP, SUMMED)
_UNITS: Final = Adding(USAGE_UNITS, ["amount"])
_GROUP_UNITS: Final = Adding(USAGE_GROUP_UNITS, ["amount"])


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
        unique = {(record.created, record.id): record for record in records}
        parted = {key: parts_of(unique[key]) for key in sorted(unique)}
        rows = [
            row_of(unique[key], parts[0].group, group_id(parts[0].group)) for key, parts in parted.items()
        ]

        def keep(connection: sa.Connection) -> tuple[int, set[int]]:
            new = set(connection.execute(_KEEP, rows).scalars())
            added = _Added()
            for key, parts in parted.items():
                if key[1] in new:
                    added.add(unique[key], parts)
            return len(new), added.write(connection, self._known)

        count, groups = await self._database.write(keep, _ROW_BYTES * len(rows))
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


class _Added:
    """What a batch of records adds to the sums: by hour first, and by day and month when it is written."""

    def __init__(self) -> None:
        self._by_group: dict[tuple[int, Group], Amounts] = {}
        self._by_value: dict[tuple[int, int, str], Amounts] = {}
        self._group_units: dict[tuple[int, Group], dict[str, int]] = {}
        self._value_units: dict[tuple[int, int, str], dict[str, int]] = {}

    def add(self, record: UsageRecord, parts: Iterable[Part]) -> None:
        hour = start_of("hour", record.created)
        chosen = [(_TAG, hour, tag) for tag in tags_of(record) or ("",)]
        chosen.append((_END_USER, hour, text(record.end_user)))
        for group, sums in parts:
            found, units = amounts(sums), other_units(sums)
            _add(self._by_group, (hour, group), found)
            for key in chosen:
                _add(self._by_value, key, found)
            if units:
                _add(self._group_units, (hour, group), units)
                for key in chosen:
                    _add(self._value_units, key, units)

    def write(self, connection: sa.Connection, known: set[int]) -> set[int]:
        """Write everything, and return the groups that have been written. known: groups that the database has
        already.
        """
        ids = {group: group_id(group) for _, group in self._by_group}
        names = [{"id": id_, **_named(group)} for group, id_ in ids.items() if id_ not in known]
        if names:
            connection.execute(_GROUP, sorted(names, key=_id))
        _spread(self._by_group, self._by_value)
        _spread(self._group_units, self._value_units)
        by_group = {(hour, ids[group]): found for (hour, group), found in self._by_group.items()}
        rows = [(step, *key, *full(found)) for step, key, found in _longer(by_group, 0)]
        _BY_GROUP.run(connection, rows)
        rows = [(step, *key, *full(found)) for step, key, found in _longer(self._by_value, 1)]
        _BY_VALUE.run(connection, rows)
        units = {(hour, ids[group]): found for (hour, group), found in self._group_units.items()}
        _GROUP_UNITS.run(connection, list(_by_unit(_longer(units, 0))))
        _UNITS.run(connection, list(_by_unit(_longer(self._value_units, 1))))
        return set(ids.values())


def _spread(
    by_group: Mapping[tuple[int, Group], dict[K, int]], by_value: dict[tuple[int, int, str], dict[K, int]]
) -> None:
    """Add what is summed by combination of values to the sums by value, and to those of everything."""
    for (hour, group), found in by_group.items():
        _add(by_value, (0, hour, ""), found)
        for number, value in enumerate(group, 1):
            _add(by_value, (number, hour, value), found)


def _longer(hours: Mapping[Any, dict[K, int]], place: int) -> Iterator[tuple[int, Any, dict[K, int]]]:
    """Yield the sums by hour, then by day, then by month, each in the order of their keys, with the number of
    the step. place: where the hour stands in the keys.
    """
    for number, step in enumerate(STEPS):
        starts = {hour: start_of(step, hour) for hour in {key[place] for key in hours}}
        if len(set(starts.values())) == len(starts):
            periods = {(*key[:place], starts[key[place]], *key[place + 1 :]): hours[key] for key in hours}
        else:
            periods = {}
            for key, found in hours.items():
                _add(periods, (*key[:place], starts[key[place]], *key[place + 1 :]), found)
        for key in sorted(periods):
            yield number, key, periods[key]


def _by_unit(periods: Iterable[tuple[int, Any, dict[str, int]]]) -> Iterator[tuple[Any, ...]]:
    for step, key, units in periods:
        for unit in sorted(units):
            yield step, *key, unit, units[unit]


def _add(into: dict[Any, dict[K, int]], key: Any, more: Mapping[K, int]) -> None:
    found = into.get(key)
    if found is None:
        into[key] = dict(more)
        return
    for name, amount in more.items():
        found[name] = found.get(name, 0) + amount


def _named(group: Group) -> dict[str, str]:
    return {f"{name}_name": value for name, value in zip(group._fields, group, strict=True)}


_id = itemgetter("id")
