"""A SQLite file, and the only place that knows what SQLite needs said its own way.

One thread writes, in the order in which steps came, so that those of one process never wait for each other by
trial; other processes are waited for as long as `_PATIENCE` says. A few threads read: in WAL nobody who reads
waits for who writes. Each has a connection of its own. No thread is there before the first step, so a process
may fork until then.

https://www.sqlite.org/wal.html · https://docs.sqlalchemy.org/en/21/dialects/sqlite.html
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any, TypeVar

from sqlalchemy import Connection, NullPool, Select, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from dragoman.stores.sql.database import failed

T = TypeVar("T")
_PATIENCE = 5.0
"""Seconds to wait for another process that writes."""
_READERS = 4
"""Reads at the same time."""
_GLANCE = 250
"""Keys to look up at once; with more than that, whoever else is there would wait too long."""


class SqliteDatabase:
    """See `stores.sql.database.Database`. file: it is there already."""

    def __init__(self, file: Path) -> None:
        self._engine = create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(file, timeout=_PATIENCE, check_same_thread=False),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",  # transactions begin and end here, and reads need none
            hide_parameters=True,
        )
        event.listen(self._engine, "connect", prepare)
        self._writer = ThreadPoolExecutor(1, "dragoman-store-writer")
        self._readers = ThreadPoolExecutor(_READERS, "dragoman-store-reader")
        self._threads = threading.local()
        self._connections: list[Connection] = []
        self._glancing: sqlite3.Connection | None = None
        self._lookups: dict[tuple[Select[Any], int], tuple[str, Sequence[str]]] = {}

    async def read(self, step: Callable[[Connection], T]) -> T:
        """What a step reads, in one of the threads for it."""
        return await self._run(self._readers, self._read, step)

    async def look_up(
        self, wanted: Select[Any], keys: Sequence[Any], values: Mapping[str, Any]
    ) -> Sequence[Sequence[Any]]:
        """The rows that a SELECT finds by an index.

        At once: to a thread and back, or through SQLAlchemy, is ten times the work that a lookup is. It waits
        for no lock; where there is one, or there are many keys, a thread does.
        """
        everything = {**values, "keys_": keys}
        if len(keys) <= _GLANCE:
            if self._glancing is None:
                self._glancing = _driver(await self._run(self._readers, self._open, 0))
            text, names = self._lookup(wanted, everything)
            everything.update((f"keys__{place}", key) for place, key in enumerate(keys, 1))
            with suppress(sqlite3.Error):
                return self._glancing.execute(text, [everything[name] for name in names]).fetchall()
        return await self.read(lambda connection: connection.execute(wanted, everything).all())

    def _lookup(self, wanted: Select[Any], values: Mapping[str, Any]) -> tuple[str, Sequence[str]]:
        """A SELECT as SQLite reads it, for so many keys, and the names of its parameters in order."""
        count = len(values["keys_"])
        known = self._lookups.get((wanted, count))
        if known is None:
            compiled = wanted.params(values).compile(
                dialect=self._engine.dialect, compile_kwargs={"render_postcompile": True}
            )
            known = str(compiled), compiled.positiontup or ()
            self._lookups[wanted, count] = known
        return known

    async def write(self, step: Callable[[Connection], T]) -> T:
        """What a step gives that writes, after its commit."""
        return await self._run(self._writer, self._write, step)

    async def close(self) -> None:
        """Wait for the steps that are there, and let go of the file."""
        await asyncio.to_thread(self._close)

    async def _run(self, threads: ThreadPoolExecutor, how: Callable[[Any], T], what: Any) -> T:
        try:
            return await asyncio.get_running_loop().run_in_executor(threads, how, what)
        except (SQLAlchemyError, sqlite3.Error, OSError) as error:
            raise failed(error) from error

    def _read(self, step: Callable[[Connection], T]) -> T:
        return step(self._connection())

    def _write(self, step: Callable[[Connection], T]) -> T:
        connection = self._connection()
        driver = _driver(connection)
        # A write takes its turn when it begins; later it could only fail.
        driver.execute("BEGIN IMMEDIATE")
        try:
            done = step(connection)
            driver.commit()
        finally:
            driver.rollback()  # nothing, after a commit
        return done

    def _connection(self) -> Connection:
        """This thread's own."""
        connection: Connection | None = getattr(self._threads, "connection", None)
        if connection is None:
            connection = self._threads.connection = self._open(_PATIENCE)
        return connection

    def _open(self, patience: float) -> Connection:
        connection = self._engine.connect()
        self._connections.append(connection)
        _driver(connection).execute(f"PRAGMA busy_timeout={int(patience * 1000)}")
        return connection

    def _close(self) -> None:
        for threads in (self._writer, self._readers):
            threads.shutdown()
        for connection in self._connections:
            connection.close()


def _driver(connection: Connection) -> sqlite3.Connection:
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    return driver


def prepare(connection: Any, _record: Any) -> None:
    """Prepare a new connection. With NORMAL, what is committed in WAL survives the end of the process."""
    cursor = connection.cursor()
    for pragma in ("journal_mode=WAL", "synchronous=NORMAL", "foreign_keys=ON"):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
