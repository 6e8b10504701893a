"""One database: transactions, and the only place that knows what SQLite needs said its own way.

Whatever the driver raises leaves here as StoreFailed. On SQLite one task at a time writes, in the order in
which they came, so that tasks of one process never wait for each other by trial; other processes are waited
for as long as `_PATIENCE` says.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import URL, event
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError, SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine

from dragoman.state.store import StoreFailed
from dragoman.stores.sql.driver import connect

_PATIENCE = 5.0
"""Seconds to wait for another process that writes."""
_CONNECTIONS = 5
"""Reads at the same time; each has a thread."""


class Database:
    """Transactions on one database."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._write_engine = engine.execution_options(writes=True)
        self._writer = asyncio.Lock()

    def read(self) -> AbstractAsyncContextManager[AsyncConnection]:
        """A connection to read by; each statement sees one state of the database. Raises StoreFailed."""
        return self._transaction(self._engine)

    @asynccontextmanager
    async def write(self) -> AsyncIterator[AsyncConnection]:
        """A transaction that is durable when the block is left. Raises StoreFailed."""
        async with self._writer, self._transaction(self._write_engine) as connection:
            yield connection

    @asynccontextmanager
    async def _transaction(self, engine: AsyncEngine) -> AsyncIterator[AsyncConnection]:
        try:
            async with engine.begin() as connection:
                yield connection
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise failed(error) from error

    async def close(self) -> None:
        """Let go of the connections."""
        await self._engine.dispose()


def failed(error: Exception) -> StoreFailed:
    """What a driver's error is to everybody else: a sentence without statements, values and addresses."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = str(cause).partition("\n")[0]
    return StoreFailed(f"the database: {text or type(cause).__name__}")


upsert = sqlite.insert
"""An INSERT that can say what to do about a row that is there already; PostgreSQL's says it alike."""


def sqlite_engine(file: Path) -> AsyncEngine:
    """The engine of a SQLite file."""
    engine = create_async_engine(
        URL.create("sqlite+aiosqlite", database=str(file)),
        async_creator=partial(connect, file, _PATIENCE),
        pool_size=_CONNECTIONS,
        max_overflow=0,
        hide_parameters=True,
    )
    event.listen(engine.sync_engine, "connect", connected)
    event.listen(engine.sync_engine, "begin", begin)
    return engine


def connected(connection: Any, _record: Any) -> None:
    """Prepare a new SQLite connection. WAL: readers and a writer do not wait for each other, and with NORMAL
    what is committed survives the end of the process.
    """
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()


def begin(connection: Any) -> None:
    """Begin a SQLite transaction that will write. A read is one statement, which sees one state anyway."""
    if connection.get_execution_options().get("writes", False):
        connection.connection.driver_connection.begin()
