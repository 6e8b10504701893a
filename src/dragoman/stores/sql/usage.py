"""Usage records and their sums in a database; implements `state.usage_archive.UsageArchive`."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Final

import sqlalchemy as sa

from dragoman.state.usage import UsageRecord
from dragoman.state.usage_archive import Spent, UsageSearch
from dragoman.state.usage_report import Query, Report
from dragoman.state.usage_sums import Dimension, Group
from dragoman.stores.limits import Limits
from dragoman.stores.sql import limit_counters
from dragoman.stores.sql.database import Database, upsert
from dragoman.stores.sql.usage_batch import Batch
from dragoman.stores.sql.usage_columns import KNOWN, SUMMED
from dragoman.stores.sql.usage_reading import UsageReading
from dragoman.stores.sql.usage_retention import UsageRetention
from dragoman.stores.sql.usage_tables import (
    USAGE_BY_GROUP,
    USAGE_BY_VALUE,
    USAGE_GROUP_UNITS,
    USAGE_GROUPS,
    USAGE_UNITS,
    Adding,
    insert_new,
)

_ROW_BYTES: Final = 1_500
"""The approximate bytes that are written for a record, including its share of the sums."""


_GROUP: Final = upsert(USAGE_GROUPS).on_conflict_do_nothing()
_BY_VALUE: Final = Adding(USAGE_BY_VALUE, SUMMED)
_BY_GROUP: Final = Adding(USAGE_BY_GROUP, SUMMED)
_UNITS: Final = Adding(USAGE_UNITS, ["amount"])
_GROUP_UNITS: Final = Adding(USAGE_GROUP_UNITS, ["amount"])


class SqlUsage:
    """Stores usage in one database. limits: the limits of the store. Only the fields `usage_…` are used: how
    long records and sums are stored, and how many tags and end users have sums of their own in a period.
    """

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self._known: set[int] = set()
        self._reading = UsageReading(database, limits)
        self._retention = UsageRetention(database, limits)

    async def keep(self, records: Sequence[UsageRecord]) -> int:
        if not records:
            return 0
        # Everything is made before the transaction, in which nobody else can write.
        batch = await asyncio.to_thread(Batch, records)

        def keep(connection: sa.Connection) -> tuple[int, set[int]]:
            new = insert_new(connection, batch.rows)
            return len(new), _write(batch.without_known(new), connection, self._known)

        count, groups = await self._database.write(keep, _ROW_BYTES * len(batch.rows))
        if len(self._known) + len(groups) > KNOWN:
            self._known = set()
        self._known |= groups
        return count

    async def report(self, query: Query, now: float) -> Report:
        return await self._reading.report(query, now)

    async def spent(self, since: float, dimension: Dimension | None) -> Mapping[str, Spent]:
        return await self._reading.spent(since, dimension)

    async def charged(self, limits: Collection[str], now: float) -> Mapping[str, int]:
        return await limit_counters.charged(self._database, limits, now)

    async def records(self, search: UsageSearch, limit: int) -> list[UsageRecord]:
        return await self._reading.records(search, limit)

    async def sweep(self, now: float) -> None:
        """Delete the records, sums and counters that are too old at the time `now` (Unix seconds), and add up
        the sums of tags and end users with little usage (`UsageRetention`), in several short transactions.
        Raises StoreFailed.
        """
        await self._retention.sweep(now)
        await limit_counters.remove_over(self._database, now)


def _write(batch: Batch, connection: sa.Connection, known: Collection[int]) -> set[int]:
    """Write the groups, sums and charges of a batch. known: the numbers of groups that are already in the
    database, which are not written again. Return the numbers of all groups of the batch.
    """
    names = [{"id": id_, **_named(group)} for id_, group in batch.groups.items() if id_ not in known]
    if names:
        connection.execute(_GROUP, names)
    _BY_GROUP.run(connection, batch.by_group)
    _BY_VALUE.run(connection, batch.by_value)
    _GROUP_UNITS.run(connection, batch.group_units)
    _UNITS.run(connection, batch.value_units)
    limit_counters.add(connection, batch.charges)
    return set(batch.groups)


def _named(group: Group) -> dict[str, str]:
    return {f"{name}_name": value for name, value in zip(group._fields, group, strict=True)}
