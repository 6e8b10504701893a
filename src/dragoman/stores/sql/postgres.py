"""A database of a PostgreSQL server, through psycopg.

Writers: at any time only one transaction writes in all processes together. Each transaction begins by taking an
advisory lock, so a step may read before it writes, as with SQLite's single writer: totals stay right, and two
transactions never wait for each other's rows. One lock for many steps costs little, because the steps that wait
in a process are put together into its next transaction (`batches`).

Threads: one thread writes, two read, each with its own connection. No connection exists before the first step,
so the process may fork before it.

Failures: a connection that was lost while it was idle is replaced, and its step runs again. The server ends a
statement after `postgres.STATEMENT` seconds. If it does not even do that, the connection is cut after `_PATIENCE`
seconds, and the step fails.

https://www.postgresql.org/docs/current/explicit-locking.html#ADVISORY-LOCKS
"""

from __future__ import annotations

import asyncio
import os
import socket
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from typing import Any, Final, TypeVar

import psycopg
from psycopg.pq import TransactionStatus
from sqlalchemy import Connection, Double, NullPool, Select, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from dragoman.state.store import StoreFailed
from dragoman.stores.address import PostgresUrl
from dragoman.stores.postgres import STATEMENT, connect, in_words, is_hopeless, is_lost
from dragoman.stores.sql.batches import Batches, Outcome, Step
from dragoman.stores.sql.database import failed

T = TypeVar("T")
STATE, EXCHANGES = 0x647261676F0001, 0x647261676F0002
"""The numbers of the advisory locks for writers of the store and for writers of finished exchanges."""
_PATIENCE: Final = 8.0
"""The most seconds for which a step waits for the server."""
_READERS: Final = 2
"""The number of reading threads. A server has a hundred connections by default, for all processes together."""
_TRIES: Final = 3
"""How often a transaction is tried that the server has rolled back because of another one."""


class PostgresDatabase:
    """Runs steps in a PostgreSQL database; implements `stores.sql.database.Database`.

    lock: the number of the advisory lock that its writers take. patience, statement: the most seconds for a step
    and for one of its statements.
    """

    kind = "postgresql"
    upgrades_itself = False

    def __init__(
        self, address: PostgresUrl, lock: int, *, patience: float = _PATIENCE, statement: float = STATEMENT
    ) -> None:
        self._begin_text = f"BEGIN; SELECT pg_advisory_xact_lock({lock})"
        self._patience = patience
        self._engine = create_engine(
            "postgresql+psycopg://",
            creator=lambda: connect(address, statement),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",  # `_transact` begins and ends transactions itself
            hide_parameters=True,
            use_native_hstore=False,
        )
        dialect: Any = self._engine.dialect
        dialect.colspecs = {**dialect.colspecs, Double: _CastDouble}
        event.listen(self._engine, "before_execute", _begin_for_cursor)
        self._writer = ThreadPoolExecutor(1, "dragoman-store-writer")
        self._readers = ThreadPoolExecutor(_READERS, "dragoman-store-reader")
        self._batches = Batches(self._begin, _ends_all)
        self._threads = threading.local()
        self._guard = threading.Lock()
        self._connections: set[Connection] = set()
        self._closed = False
        self._version: str | None = None

    @property
    def version(self) -> str | None:
        """The version of the server ("16.4"); None = there was no connection yet."""
        return self._version

    async def read(self, step: Callable[[Connection], T]) -> T:
        self._check_open()
        reading = self._run(self._readers, lambda job: self._on_connection(job, step))
        with _as_store_failed():
            return await asyncio.shield(reading)

    async def look_up(
        self, wanted: Select[*tuple[Any, ...]], keys: Sequence[Any], values: Mapping[str, Any]
    ) -> Sequence[Sequence[Any]]:
        everything = {**values, "keys_": keys}
        return await self.read(lambda connection: connection.execute(wanted, everything).all())

    async def write(self, step: Callable[[Connection], T], size: int = 0) -> T:
        self._check_open()
        with _as_store_failed():
            return await self._batches.write(step, size)

    async def shrink(self) -> None:
        """Do nothing: the server's autovacuum lets new rows use the space of deleted ones."""

    async def keep_copy(self, before: str) -> None:
        """Do nothing: who runs a server makes its backups."""

    async def close(self) -> None:
        self._closed = True
        await self._batches.finish()
        await asyncio.to_thread(self._close)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreFailed("the store is closed")

    def _run(self, threads: ThreadPoolExecutor, call: Callable[[_Job], T]) -> asyncio.Future[T]:
        """Call `call` in one of the threads, with the job that cuts its connection when its time is over."""
        loop, job = asyncio.get_running_loop(), _Job()
        running = loop.run_in_executor(threads, call, job)
        timer = loop.call_later(self._patience, job.cut)
        running.add_done_callback(lambda _: timer.cancel())
        return running

    def _begin(self, steps: Sequence[Step]) -> asyncio.Future[list[Outcome]]:
        return self._run(self._writer, lambda job: self._write(steps, job))

    def _write(self, steps: Sequence[Step], job: _Job) -> list[Outcome]:
        tries = _TRIES
        while True:
            try:
                return [
                    Outcome(done, None)
                    for done in self._on_connection(job, _transaction(steps, self._begin_text))
                ]
            except Exception as error:  # noqa: BLE001 - the caller of the step gets the error
                tries -= 1
                if tries and (_state(error) or "").startswith("40"):
                    continue  # a deadlock or another conflict with a transaction that was not ours
                if len(steps) == 1 or _ends_all(error):
                    return [Outcome(None, error) for _ in steps]
                break
        return [outcome for step in steps for outcome in self._write([step], job)]

    def _on_connection(self, job: _Job, act: Callable[[Connection], T]) -> T:
        """Call `act` with this thread's connection. If the connection was lost since its last use, `act` is
        called again with a new one, unless it had already begun to commit.
        """
        known: Connection | None = getattr(self._threads, "connection", None)
        if known is not None:
            try:
                return self._attempt(job, known, act)
            except (SQLAlchemyError, psycopg.Error) as error:
                if isinstance(error, _CommitFailed) or job.late or not self._drop_if_lost(known, error):
                    raise
        job.check()
        connection = self._open()
        try:
            return self._attempt(job, connection, act)
        except (SQLAlchemyError, psycopg.Error) as error:
            self._drop_if_lost(connection, error)
            raise

    def _attempt(self, job: _Job, connection: Connection, act: Callable[[Connection], T]) -> T:
        driver = _driver(connection)
        job.begin(driver)
        try:
            return act(connection)
        except (SQLAlchemyError, psycopg.Error) as error:
            if job.late:
                raise StoreFailed("the database does not answer in time") from error
            raise
        finally:
            if driver.info.transaction_status != TransactionStatus.IDLE:
                with suppress(psycopg.Error):
                    driver.rollback()
            job.end()
            if job.late:
                self._drop(connection)

    def _open(self) -> Connection:
        connection = self._engine.connect()
        self._threads.connection = connection
        with self._guard:
            self._connections.add(connection)
        number = _driver(connection).info.server_version
        self._version = f"{number // 10000}.{number % 10000}"
        return connection

    def _drop_if_lost(self, connection: Connection, error: Exception) -> bool:
        cause = error.orig if isinstance(error, DBAPIError) else error
        lost = _driver(connection).closed or (isinstance(cause, psycopg.Error) and is_lost(cause))
        if lost:
            self._drop(connection)
        return lost

    def _drop(self, connection: Connection) -> None:
        self._threads.connection = None
        with self._guard:
            self._connections.discard(connection)
        with suppress(SQLAlchemyError, psycopg.Error):
            connection.invalidate()
            connection.close()

    def _close(self) -> None:
        for threads in (self._writer, self._readers):
            threads.shutdown()
        for connection in self._connections:
            with suppress(SQLAlchemyError, psycopg.Error):
                connection.close()


class _Job:
    """A job in a thread, whose connection the event loop can cut: the thread then wakes up with an error."""

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._connection: psycopg.Connection[Any] | None = None
        self.late = False
        """Whether its time is over."""

    def check(self) -> None:
        """Raise StoreFailed if the job's time is over."""
        if self.late:
            raise StoreFailed("the database does not answer in time")

    def begin(self, connection: psycopg.Connection[Any]) -> None:
        with self._guard:
            self.check()
            self._connection = connection

    def end(self) -> None:
        with self._guard:
            self._connection = None

    def cut(self) -> None:
        with self._guard:  # so that nobody closes the connection, and its descriptor gets no other meaning
            self.late = True
            if self._connection is not None:
                with (
                    suppress(OSError, psycopg.Error),
                    socket.socket(fileno=os.dup(self._connection.fileno())) as own,
                ):
                    own.shutdown(socket.SHUT_RDWR)


class _CastDouble(Double[float]):
    """Names the type of a parameter in the statement: of `%s IS NULL` the server cannot know it otherwise."""

    render_bind_cast = True


class _CommitFailed(psycopg.OperationalError):
    """The connection was lost while a transaction was committed: nobody knows whether it was."""


def _transaction(steps: Sequence[Step], begin: str) -> Callable[[Connection], list[Any]]:
    def transact(connection: Connection) -> list[Any]:
        driver = _driver(connection)
        driver.execute(begin)  # type: ignore[arg-type] # a constant
        done = [step(connection) for step in steps]
        try:
            driver.commit()
        except psycopg.OperationalError as error:
            if error.sqlstate is None:
                raise _CommitFailed(*error.args) from error
            raise
        return done

    return transact


def _begin_for_cursor(
    connection: Connection, _statement: Any, _many: Any, _values: Any, options: Mapping[str, Any]
) -> None:
    """Begin a transaction for a SELECT whose rows are fetched bit by bit: its cursor lives in a transaction."""
    if options.get("stream_results"):
        driver = _driver(connection)
        if driver.info.transaction_status == TransactionStatus.IDLE:
            driver.execute("BEGIN READ ONLY")


def _driver(connection: Connection) -> psycopg.Connection[Any]:
    driver: psycopg.Connection[Any] = connection.connection.driver_connection  # type: ignore[assignment]
    return driver


def _cause(error: Exception) -> BaseException:
    return error.orig if isinstance(error, DBAPIError) and error.orig is not None else error


def _state(error: Exception) -> str | None:
    cause = _cause(error)
    return cause.sqlstate if isinstance(cause, psycopg.Error) else None


def _ends_all(error: Exception) -> bool:
    cause = _cause(error)
    return type(error) is StoreFailed or (isinstance(cause, psycopg.Error) and is_hopeless(cause))


@contextmanager
def _as_store_failed() -> Generator[None]:
    try:
        yield
    except (SQLAlchemyError, psycopg.Error, OSError) as error:
        cause = _cause(error)
        if isinstance(cause, psycopg.Error):
            raise StoreFailed(f"the database: {in_words(cause)}") from error
        raise failed(error) from error
