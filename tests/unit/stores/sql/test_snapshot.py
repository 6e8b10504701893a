"""Statements that see one state of the database."""

from __future__ import annotations

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")

from sqlalchemy import Connection, func, select

from dragoman.seams.clock import SYSTEM
from dragoman.state.usage_report import EVER, Query, widened
from dragoman.stores.address import Location
from dragoman.stores.limits import Limits
from dragoman.stores.sql.opening import opened
from dragoman.stores.sql.snapshot import snapshot
from dragoman.stores.sql.store import SqlStore
from dragoman.stores.sql.usage_reports import answered
from dragoman.stores.sql.usage_tables import USAGE_RECORDS
from tests.unit.stores.conftest import ask
from tests.unit.stores.test_usage import BEGIN, record, usage_of

_COUNT = select(func.count()).select_from(USAGE_RECORDS)


async def test_what_others_write_meanwhile_is_not_seen(place: Location) -> None:
    store = await SqlStore.open(place, Limits(), SYSTEM)
    await usage_of(store).keep([record(n, client=f"k{n}") for n in range(3)])
    await store.close()
    database = await opened(place)
    query = widened(Query(begin=BEGIN, end=BEGIN + 3600, by=("key",), top=1))

    def step(connection: Connection) -> list[int]:
        with snapshot(connection):
            counts = [connection.execute(_COUNT).scalar_one()]
            for table in ("usage_records", "usage_by_value", "usage_by_group"):
                ask(place, f"DELETE FROM {table}")
            counts.append(connection.execute(_COUNT).scalar_one())
            counts.append(answered(connection, query, EVER, 0.0).total["requests"])
        return [*counts, connection.execute(_COUNT).scalar_one()]

    assert await database.read(step) == [3, 3, 3, 0]
    assert await database.read(step) == [0, 0, 0, 0]  # the connection can be used again
    await database.close()
