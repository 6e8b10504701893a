"""A database of a PostgreSQL server, through psycopg.

Writers: of all processes, only one writes data of one kind at a time, because each writing transaction begins
by taking an advisory lock. So a step may read before it writes. The steps that wait in a process are put
together into its next transaction (`batches`).

Threads: one thread writes, two threads read, each with its own connection. No connection exists before the
first step, so the process may fork before it.

Failures: if a thread's connection turns out to be lost, the step runs once more with a new one, except during
the commit. The server ends a statement after `postgres.STATEMENT` seconds. A step that is not done
`_PATIENCE` seconds after it was given to the threads fails, and its connection is cut. (An operator's upgrade
may take longer.)

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

from dragoman.state.store import DataRefused, StoreFailed
from dragoman.stores.address import PostgresUrl
from dragoman.stores.postgres import STATEMENT, connect, in_words, is_hopeless, is_lost, refuses_data
from dragoman.stores.sql.batches import Batches, Outcome, Step
from dragoman.stores.sql.database import failed

T = TypeVar("T")
STATE, EXCHANGES = 0x647261676F0001, 0x647261676F0002
"""The numbers of the advisory locks for writers of the store and for writers of finished exchanges."""
_PATIENCE: Final = 8.0
"""The `patience` of `PostgresDatabase` unless the caller states another, in seconds."""
_READERS: Final = 2
"""The number of reading threads in a process. By default a server allows a hundred connections for all
processes together.
"""
_LATE: Final = "the database does not answer in time"
_TRIES: Final = 3
"""How often the same steps are tried at most as one transaction, if the server rolls it back because of
another transaction.
"""


class PostgresDatabase:
    """Runs steps in a PostgreSQL database; implements `stores.sql.database.Database`.

    lock: the number of the advisory lock that writers take. patience: the seconds after which
    the connection of a step, or of a transaction of several steps, is cut and StoreFailed is raised. They
    include the wait for a free thread; an attempt to connect is not cut, so it may take longer. statement:
    the most seconds for one statement, including its wait for locks.
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
        self._opened: set[_Opened] = set()
        self._closed = False
        self._version: str | None = None

    @property
    def version(self) -> str | None:
        """The version of the server ("16.4"); None = no step has made a connection yet."""
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
        """Do nothing: the server's autovacuum lets new rows use the space of deleted rows."""

    async def keep_copy(self, before: str) -> None:
        """Do nothing: whoever operates the server makes the backups."""

    async def close(self) -> None:
        self._closed = True
        await self._batches.finish()
        await asyncio.to_thread(self._close)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreFailed("the store is closed")

    def _run(self, threads: ThreadPoolExecutor, call: Callable[[_Job], T]) -> asyncio.Future[T]:
        """Call `call` in one of the threads, and return a future of its result or its exception. `call` gets
        a job, whose connection is cut `patience` seconds after this method was called, also if no thread was
        free in this time.
        """
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
        """Return the result of `act`, called with this thread's connection. If the thread already had a
        connection and this turns out to be lost, call `act` again with a new one, unless the loss came during
        the commit or the job's time is over.
        """
        known: _Opened | None = getattr(self._threads, "opened", None)
        if known is not None:
            try:
                return self._attempt(job, known, act)
            except (SQLAlchemyError, psycopg.Error) as error:
                lost = self._drop_if_lost(known, error)
                if not lost or isinstance(error, _CommitFailed):
                    raise
        job.check()
        opened = self._open()
        try:
            return self._attempt(job, opened, act)
        except (SQLAlchemyError, psycopg.Error) as error:
            self._drop_if_lost(opened, error)
            raise

    def _attempt(self, job: _Job, opened: _Opened, act: Callable[[Connection], T]) -> T:
        job.begin(opened.wire)
        try:
            return act(opened.connection)
        except (SQLAlchemyError, psycopg.Error) as error:
            if job.late:
                raise _Late(_LATE) from error
            raise
        finally:
            driver = opened.driver
            if not driver.closed and driver.info.transaction_status != TransactionStatus.IDLE:
                with suppress(psycopg.Error):
                    driver.rollback()
            job.end()
            if job.late:
                self._drop(opened)

    def _open(self) -> _Opened:
        connection = self._engine.connect()
        driver = _driver(connection)
        opened = _Opened(connection, driver, socket.socket(fileno=os.dup(driver.fileno())))
        self._threads.opened = opened
        with self._guard:
            self._opened.add(opened)
        number = driver.info.server_version
        self._version = f"{number // 10000}.{number % 10000}"
        return opened

    def _drop_if_lost(self, opened: _Opened, error: Exception) -> bool:
        cause = _cause(error)
        lost = opened.driver.closed or (isinstance(cause, psycopg.Error) and is_lost(cause))
        if lost:
            self._drop(opened)
        return lost

    def _drop(self, opened: _Opened) -> None:
        self._threads.opened = None
        with self._guard:
            self._opened.discard(opened)
        opened.close()

    def _close(self) -> None:
        for threads in (self._writer, self._readers):
            threads.shutdown()
        for opened in self._opened:
            opened.close()


class _Opened:
    """A connection. connection, driver: the same connection as an object of SQLAlchemy and of psycopg. wire:
    a second file descriptor of its socket, through which another thread can cut the connection.
    """

    def __init__(self, connection: Connection, driver: psycopg.Connection[Any], wire: socket.socket) -> None:
        self.connection = connection
        self.driver = driver
        self.wire = wire

    def close(self) -> None:
        self.wire.close()
        with suppress(SQLAlchemyError, psycopg.Error):
            self.driver.close()
        with suppress(SQLAlchemyError, psycopg.Error):
            self.connection.invalidate()
            self.connection.close()


class _Job:
    """A job in a thread. When the job's time is over, the event loop cuts the connection that the job uses
    (`cut`), and the thread gets an error from the connection. A job that uses no connection at that time gets
    an error from its next call of `check` or `begin`.
    """

    def __init__(self) -> None:
        self._guard = threading.Lock()
        self._wire: socket.socket | None = None
        self.late = False
        """Whether the job's time is over."""

    def check(self) -> None:
        """Raise StoreFailed if the job's time is over."""
        if self.late:
            raise _Late(_LATE)

    def begin(self, wire: socket.socket) -> None:
        with self._guard:
            self.check()
            self._wire = wire

    def end(self) -> None:
        with self._guard:
            self._wire = None

    def cut(self) -> None:
        with self._guard:
            self.late = True
            if self._wire is not None:
                with suppress(OSError):
                    self._wire.shutdown(socket.SHUT_RDWR)


class _CastDouble(Double[float]):
    """The type of a DOUBLE parameter, which is written into the statement as a cast. In `%s IS NULL`, the
    server could not know the parameter's type without the cast.
    """

    render_bind_cast = True


class _Late(StoreFailed):
    """The time of a job was over before the job was done."""


class _CommitFailed(psycopg.OperationalError):
    """The connection was lost during a commit, so it is not known whether the transaction was committed."""


def _transaction(steps: Sequence[Step], begin: str) -> Callable[[Connection], list[Any]]:
    def transact(connection: Connection) -> list[Any]:
        driver = _driver(connection)
        driver.execute(begin)
        done = [step(connection) for step in steps]
        try:
            driver.commit()
        except psycopg.OperationalError as error:
            if is_lost(error):
                raise _CommitFailed(*error.args) from error
            raise
        return done

    return transact


def _begin_for_cursor(
    connection: Connection, _statement: Any, _many: Any, _values: Any, options: Mapping[str, Any]
) -> None:
    """Begin a transaction, unless one has begun, for a SELECT whose rows are fetched a few at a time, because
    its cursor exists only in a transaction. `PostgresDatabase._attempt` ends the transaction.
    """
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
    return isinstance(error, _Late) or (isinstance(cause, psycopg.Error) and is_hopeless(cause))


@contextmanager
def _as_store_failed() -> Generator[None]:
    try:
        yield
    except (SQLAlchemyError, psycopg.Error, OSError) as error:
        cause = _cause(error)
        if isinstance(cause, psycopg.Error):
            kind = DataRefused if refuses_data(cause) else StoreFailed
            raise kind(f"the database: {in_words(cause)}") from error
        raise failed(error) from error
