"""A SQLite file, and the only place that knows what SQLite needs said its own way.

One thread writes, so that steps of one process never wait for each other by trial; other processes are waited
for as long as `_PATIENCE` says. Steps that wait while it writes are written together: one transaction costs
half as much for each of them as their own would. A few threads read: in WAL nobody who reads waits for who
writes. Each thread has a connection of its own. There is none before the first step, so a process may fork
until then. All steps come from one event loop.

The disk: SQLite checkpoints the log on its own, but never while somebody reads what the log holds, so a busy
log would grow for ever. Whoever finds it too long after a commit waits for the readers, and empties it. Free
pages are given back in steps (`shrink`); a file from before they could be is written anew once.

https://www.sqlite.org/wal.html · https://www.sqlite.org/pragma.html#pragma_auto_vacuum · https://docs.sqlalchemy.org/en/21/dialects/sqlite.html
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeGuard, TypeVar

from sqlalchemy import Connection, NullPool, Select, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from dragoman.state.store import StoreFailed
from dragoman.stores.sql.database import failed

T = TypeVar("T")
_PATIENCE = 5.0
"""Seconds to wait for another process that writes."""
_READERS = 4
"""Reads at the same time."""
_GLANCE = 250
"""Keys to look up at once; with more than that, whoever else is there would wait too long."""
_TOGETHER = 64
"""Writes in one transaction: the first of them waits for the last."""
_TOGETHER_SIZE = 4_000_000
"""Bytes that these may write, unless one alone writes more. All of a transaction is in the log at once."""
_LOG_SIZE = 8_000_000
"""Bytes that the log keeps between two uses."""
_LOG_MOST = 16_000_000
"""Bytes of the log beyond which whoever has written empties it."""
_CHECKPOINT_PATIENCE = 1.0
"""Seconds that emptying the log waits for readers. Nobody else can write meanwhile."""
_FREE_PAGES = 512
"""Free pages that stay in the file for the next writes, 2 MB; and those that one step gives back."""
_REWRITE_MOST = 256_000_000
"""Bytes of a database that is written anew to learn to give back space. Nobody else can write meanwhile."""


class _Write(NamedTuple):
    """A step, and who waits for it."""

    step: Callable[[Connection], Any]
    answer: asyncio.Future[Any]
    size: int


class _Outcome(NamedTuple):
    """What a step gave, or why not."""

    done: Any
    error: Exception | None


class SqliteDatabase:
    """See `stores.sql.database.Database`. file: it is there already."""

    def __init__(self, file: Path) -> None:
        self._log = file.with_name(f"{file.name}-wal")
        self._engine = create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(file, timeout=_PATIENCE, check_same_thread=False),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",  # transactions begin and end here, and reads need none
            hide_parameters=True,
        )
        event.listen(self._engine, "connect", prepare)
        self._writer = ThreadPoolExecutor(1, "dragoman-store-writer")
        self._waiting: list[_Write] = []
        self._writing: asyncio.Future[list[_Outcome]] | None = None
        self._readers = ThreadPoolExecutor(_READERS, "dragoman-store-reader")
        self._threads = threading.local()
        self._connections: list[Connection] = []
        self._glancing: sqlite3.Connection | None = None
        self._lookups: dict[tuple[Select[*tuple[Any, ...]], int], tuple[str, Sequence[str]]] = {}
        self._closed = False

    async def read(self, step: Callable[[Connection], T]) -> T:
        """What a step reads, in one of the threads for it."""
        return await self._run(self._read, step)

    async def look_up(
        self, wanted: Select[*tuple[Any, ...]], keys: Sequence[Any], values: Mapping[str, Any]
    ) -> Sequence[Sequence[Any]]:
        """The rows that a SELECT finds by an index.

        At once: to a thread and back, or through SQLAlchemy, is ten times the work that a lookup is. It waits
        for no lock; where there is one, or there are many keys, a thread does.
        """
        everything = {**values, "keys_": keys}
        if len(keys) <= _GLANCE:
            if self._glancing is None:
                self._glancing = _driver(await self._run(self._open, 0))
            text, names = self._lookup(wanted, everything)
            everything.update((f"keys__{place}", key) for place, key in enumerate(keys, 1))
            with suppress(sqlite3.Error):
                return self._glancing.execute(text, [everything[name] for name in names]).fetchall()
        return await self.read(lambda connection: connection.execute(wanted, everything).all())

    def _lookup(
        self, wanted: Select[*tuple[Any, ...]], values: Mapping[str, Any]
    ) -> tuple[str, Sequence[str]]:
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

    async def write(self, step: Callable[[Connection], T], size: int = 0) -> T:
        """What a step gives that writes, after its commit. Where another fails beside it, it is run again."""
        self._check_open()
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Write(step, answer, size))
        if self._writing is None:
            self._begin()
        with _told():
            return await answer

    async def shrink(self) -> None:
        """Give back free pages, a step at a time, and empty the log."""
        pages = await self.read(_pages)
        if not pages.vacuums:
            if pages.wasted:
                await self._alone(_rewrite)
        else:
            while pages.free > _FREE_PAGES:
                await self.write(_give_back)
                left = await self.read(_pages)
                if left.free >= pages.free:
                    break  # others write at the same time: next time, then
                pages = left
        await self._alone(_empty_log)

    async def _alone(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """What a job gives in the thread that writes, outside of a transaction."""
        self._check_open()
        with _told():
            return await asyncio.get_running_loop().run_in_executor(
                self._writer, lambda: job(_driver(self._connection()))
            )

    async def close(self) -> None:
        """Wait for the steps that are there, and let go of the file."""
        self._closed = True
        while self._writing is not None:
            await asyncio.wait([self._writing])
        await asyncio.to_thread(self._close)

    async def _run(self, how: Callable[[Any], T], what: Any) -> T:
        self._check_open()
        with _told():
            return await asyncio.get_running_loop().run_in_executor(self._readers, how, what)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreFailed("the store is closed")

    def _read(self, step: Callable[[Connection], T]) -> T:
        return step(self._connection())

    def _begin(self) -> None:
        """Write some of what waits, unless nobody waits for it any more."""
        wanted = [write for write in self._waiting if not write.answer.done()]
        count, size = 0, 0
        for write in wanted[:_TOGETHER]:
            size += write.size
            if count and size > _TOGETHER_SIZE:
                break
            count += 1
        some, self._waiting = wanted[:count], wanted[count:]
        if some:
            loop = asyncio.get_running_loop()
            self._writing = loop.run_in_executor(self._writer, self._write, [write.step for write in some])
            self._writing.add_done_callback(partial(self._end, some))

    def _end(self, written: Sequence[_Write], writing: asyncio.Future[list[_Outcome]]) -> None:
        for write, outcome in zip(written, writing.result(), strict=True):
            if write.answer.done():
                continue  # its caller has left
            if outcome.error is None:
                write.answer.set_result(outcome.done)
            else:
                write.answer.set_exception(outcome.error)
        self._writing = None
        last = writing.result()[-1].error
        if _is_busy(last):  # they would each wait as long as these, one after the other
            late, self._waiting = self._waiting, []
            for write in late:
                if not write.answer.done():
                    write.answer.set_exception(last)
        self._begin()

    def _write(self, steps: Sequence[Callable[[Connection], Any]]) -> list[_Outcome]:
        try:
            return [_Outcome(done, None) for done in self._transact(steps)]
        except sqlite3.Error as error:  # nobody could write: SQLAlchemy has its own for a step that fails
            return [_Outcome(None, error) for _ in steps]
        except Exception as error:  # noqa: BLE001 - whatever it is, its caller is told
            if len(steps) == 1:
                return [_Outcome(None, error)]
        return [outcome for step in steps for outcome in self._write([step])]

    def _transact(self, steps: Sequence[Callable[[Connection], Any]]) -> list[Any]:
        connection = self._connection()
        driver = _driver(connection)
        driver.execute("BEGIN IMMEDIATE")  # it takes its turn now; later it could only fail
        try:
            done = [step(connection) for step in steps]
            driver.commit()
        finally:
            driver.rollback()  # nothing, after a commit
        if self._log_size() > _LOG_MOST:
            with suppress(sqlite3.Error):  # what was written is written
                _empty_log(driver)
        return done

    def _log_size(self) -> int:
        try:
            return self._log.stat().st_size
        except OSError:
            return 0

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


@contextmanager
def _told() -> Generator[None]:
    """Tells of a driver's errors as everybody else knows them."""
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise failed(error) from error


def _is_busy(error: Exception | None) -> TypeGuard[sqlite3.Error]:
    """Whether another process has written for longer than anybody waits."""
    return isinstance(error, sqlite3.Error) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _driver(connection: Connection) -> sqlite3.Connection:
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    return driver


class _Pages(NamedTuple):
    """How a file is used. vacuums: it can give back free pages."""

    vacuums: bool
    size: int
    total: int
    free: int

    @property
    def wasted(self) -> bool:
        """Whether writing the file anew gives back more than half of it, and takes two seconds at most."""
        used = self.total - self.free
        return self.free > max(used, _FREE_PAGES) and used * self.size <= _REWRITE_MOST


def _pages(connection: Connection) -> _Pages:
    driver = _driver(connection)
    # The last of them tells of what was read before it.
    facts = ("page_size", "page_count", "freelist_count", "auto_vacuum")
    size, total, free, mode = (driver.execute(f"PRAGMA {fact}").fetchone()[0] for fact in facts)
    return _Pages(mode == _INCREMENTAL, size, total, free)


def _give_back(connection: Connection) -> None:
    """Take free pages from the end of the file, in the transaction of this connection."""
    _driver(connection).execute(f"PRAGMA incremental_vacuum({_FREE_PAGES})").fetchall()


def _rewrite(driver: sqlite3.Connection) -> None:
    """Write the file anew, unless another process has done so. https://www.sqlite.org/lang_vacuum.html"""
    driver.execute("PRAGMA page_count").fetchone()  # otherwise the next one says what was known before
    if driver.execute("PRAGMA auto_vacuum").fetchone()[0] != _INCREMENTAL:
        driver.execute(f"PRAGMA auto_vacuum={_INCREMENTAL}")
        driver.execute("VACUUM")


def _empty_log(driver: sqlite3.Connection) -> None:
    """Write the log into the file and cut it off; as far as readers allow it in time."""
    patience = driver.execute("PRAGMA busy_timeout").fetchone()[0]
    driver.execute(f"PRAGMA busy_timeout={int(_CHECKPOINT_PATIENCE * 1000)}")
    try:
        driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        driver.execute(f"PRAGMA busy_timeout={patience}")


_INCREMENTAL = 2
"""The value of `PRAGMA auto_vacuum` where a file gives back free pages when it is asked to."""


def prepare(connection: Any, _record: Any) -> None:
    """Prepare a new connection. With NORMAL, what is committed in WAL survives the end of the process.

    A new file takes `auto_vacuum` only before its first page is written, which `journal_mode` does.
    """
    cursor = connection.cursor()
    for pragma in (
        f"auto_vacuum={_INCREMENTAL}",
        "journal_mode=WAL",
        f"journal_size_limit={_LOG_SIZE}",
        "synchronous=NORMAL",
        "foreign_keys=ON",
    ):
        cursor.execute(f"PRAGMA {pragma}")
    cursor.close()
