"""How often a store goes to the driver's thread: that, more than SQL, is what it costs."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dragoman.stores.sql.driver import Connection, connect


class Ways:
    """Counts what is handed to the driver's thread."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        execute = Connection._execute

        async def counted(connection: Connection, *given: object, **named: object) -> object:
            self.count += 1
            return await execute(connection, *given, **named)  # type: ignore[no-untyped-call]

        monkeypatch.setattr(Connection, "_execute", counted)


@pytest.fixture
async def connection(tmp_path: Path) -> AsyncIterator[Connection]:
    made = await connect(tmp_path / "x.db", 0.05)
    assert isinstance(made, Connection)
    await made.cursor().execute("CREATE TABLE t (a)")
    yield made
    await made.close()


async def test_a_transaction_is_a_way_for_each_statement_and_one_for_its_end(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways = Ways(monkeypatch)
    connection.begin()
    await connection.cursor().executemany("INSERT INTO t VALUES (?)", [(1,), (2,)])
    assert connection.in_transaction
    cursor = await connection.cursor().__aenter__()
    await cursor.execute("UPDATE t SET a = a + 1 RETURNING a")
    assert (cursor.rowcount, await cursor.fetchall()) == (2, [(2,), (3,)])
    await cursor.close()
    await connection.commit()
    await connection.rollback()
    assert (ways.count, connection.in_transaction) == (3, False)


async def test_a_transaction_that_nothing_was_done_in_never_began(
    connection: Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    ways = Ways(monkeypatch)
    connection.begin()
    await connection.commit()
    await connection.cursor().execute("INSERT INTO t VALUES (1)")
    assert (ways.count, connection.in_transaction) == (1, False)


async def test_a_transaction_waits_for_its_turn_before_it_reads(
    connection: Connection, tmp_path: Path
) -> None:
    other = await connect(tmp_path / "x.db", 0.05)
    assert isinstance(other, Connection)
    connection.begin()
    await connection.cursor().execute("SELECT a FROM t")
    other.begin()
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        await other.cursor().execute("SELECT a FROM t")
    await connection.rollback()
    other.begin()
    await other.cursor().execute("INSERT INTO t VALUES (1)")
    await other.rollback()
    await other.close()
