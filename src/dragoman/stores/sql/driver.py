"""aiosqlite with fewer ways to its thread and back.

Each way there and back costs more than a small statement does. A statement is one way here, with its rows and
without a cursor to open and close. A transaction begins on the way of its first statement, and the end of one
that never began is no way at all.

https://aiosqlite.omnilib.dev/en/stable/api.html · https://docs.sqlalchemy.org/en/20/dialects/sqlite.html
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable
from functools import partial
from pathlib import Path
from typing import Any, Self

import aiosqlite


async def connect(file: Path, timeout: float) -> aiosqlite.Connection:
    """A connection to a file. timeout: seconds to wait for others that write. Raises sqlite3.Error."""
    opened = partial(sqlite3.connect, file, timeout=timeout, isolation_level=None)  # it begins nothing itself
    return await Connection(opened, 64)


class Connection(aiosqlite.Connection):
    """What SQLAlchemy asks of a connection of aiosqlite, and how."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._thread.daemon = True  # an end without a close must not wait for it
        self._begins = False

    def begin(self) -> None:
        """Begin a transaction that writes, with the next statement. It takes its turn then, not at its first
        write: that could only fail.
        """
        self._begins = True

    def cursor(self) -> Cursor:  # type: ignore[override]
        """A place for one statement. Opens nothing."""
        return Cursor(self)

    async def commit(self) -> None:
        """Commit the transaction, if there is one."""
        self._begins = False
        if self.in_transaction:
            await super().commit()

    async def rollback(self) -> None:
        """Undo the transaction, if there is one."""
        self._begins = False
        if self.in_transaction:
            await super().rollback()

    async def run(self, name: str, sql: str, parameters: Iterable[Any]) -> Result:
        """Run a statement and fetch what it gives. name: `execute` or `executemany`."""
        begins, self._begins = self._begins, False
        run = partial(_run, self._conn, name, sql, parameters, begins=begins)
        result: Result = await self._execute(run)  # type: ignore[no-untyped-call]
        return result


Result = tuple[Any, int, int | None, list[Any]]
"""A statement's columns (None = it gives no rows), how many rows it changed, the last one's number, and what
it gives."""


def _run(
    connection: sqlite3.Connection, name: str, sql: str, parameters: Iterable[Any], *, begins: bool
) -> Result:
    if begins:
        connection.execute("BEGIN IMMEDIATE")
    cursor = getattr(connection, name)(sql, parameters)
    rows = cursor.fetchall()  # a statement that changes rows is done, and has counted them, only then
    result = cursor.description, cursor.rowcount, cursor.lastrowid, rows
    cursor.close()
    return result


class Cursor:
    """One statement and its rows."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._rows: list[Any] = []
        self.description: Any = None
        self.rowcount = -1
        self.lastrowid: int | None = None
        self.arraysize = 1

    async def __aenter__(self) -> Self:
        return self

    async def execute(self, sql: str, parameters: Iterable[Any] = ()) -> None:
        """Run a statement."""
        await self._run("execute", sql, parameters)

    async def executemany(self, sql: str, parameters: Iterable[Iterable[Any]]) -> None:
        """Run a statement for each of these parameters."""
        await self._run("executemany", sql, parameters)

    async def _run(self, name: str, sql: str, parameters: Iterable[Any]) -> None:
        done = await self._connection.run(name, sql, parameters)
        self.description, self.rowcount, self.lastrowid, self._rows = done

    async def fetchall(self) -> list[Any]:
        """The rows, once."""
        rows, self._rows = self._rows, []
        return rows

    async def close(self) -> None:
        """There is nothing to close any more."""
