"""A database in a SQLite file.

Threads: one thread writes, so that the steps that write through one SqliteDatabase never compete for SQLite's
lock. Steps that arrive while the thread writes are put together into the next transaction (`batches`). A few
other threads read; in WAL mode, readers do not wait for writers. Each thread has its own connection; the
event loop has one too, for `look_up`. No connection exists before the first step, so the process may fork
before it.

Disk: under constant load SQLite could never empty its write-ahead log, because some reader always uses the
log. So after a commit, if the log is too long, the writer waits for the readers, for up to a
second, and empties the log.

https://www.sqlite.org/wal.html · https://www.sqlite.org/pragma.html#pragma_auto_vacuum ·
https://docs.sqlalchemy.org/en/21/dialects/sqlite.html
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from sqlalchemy import Connection, NullPool, Select, create_engine, event
from sqlalchemy.exc import SQLAlchemyError

from dragoman.state.store import StoreFailed
from dragoman.stores.sql.batches import Batches, Outcome, Step
from dragoman.stores.sql.copies import keep_copy
from dragoman.stores.sql.database import failed
from dragoman.stores.sqlite_file import INCREMENTAL, LOG_MOST_BYTES, PATIENCE, empty_log, prepare

T = TypeVar("T")
_READERS = 4
"""The number of reading threads."""
_LOOKUP_KEYS = 250
"""The most keys that are looked up on the event loop. More keys would block the event loop for too long."""
_FREE_PAGES = 512
"""`shrink` stops when at most this number of unused pages (usually 2 MB) is left in the file. One step of
`shrink` also removes at most this number of pages.
"""
_REWRITE_MOST_BYTES = 256_000_000
"""A file with more used bytes than this is not rewritten, because nothing can be written during that time."""


class SqliteDatabase:
    """Runs steps in a SQLite file; implements `stores.sql.database.Database`. file: an existing file. copies:
    the most copies of the file (made before upgrades) that are stored; 0 = no copies are made.
    """

    kind = "sqlite"
    upgrades_itself = True
    version = sqlite3.sqlite_version

    def __init__(self, file: Path, *, copies: int = 2) -> None:
        self._file, self._copies = file, copies
        self._log = file.with_name(f"{file.name}-wal")
        self._engine = create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(file, timeout=PATIENCE, check_same_thread=False),
            poolclass=NullPool,
            isolation_level="AUTOCOMMIT",  # `_transact` begins and ends transactions itself
            hide_parameters=True,
        )
        event.listen(self._engine, "connect", lambda connection, _: prepare(connection))
        self._writer = ThreadPoolExecutor(1, "dragoman-store-writer")
        # If the file is locked, each waiting step would wait for the lock again, one after the other.
        self._batches = Batches(self._begin, _is_busy)
        self._readers = ThreadPoolExecutor(_READERS, "dragoman-store-reader")
        self._threads = threading.local()
        self._connections: list[Connection] = []
        self._lookup_connection: sqlite3.Connection | None = None
        self._lookups: dict[tuple[Select[*tuple[Any, ...]], int], tuple[str, Sequence[str]]] = {}
        self._closed = False

    async def read(self, step: Callable[[Connection], T]) -> T:
        return await self._run(self._readers, lambda: step(self._connection()))

    async def look_up(
        self, wanted: Select[*tuple[Any, ...]], keys: Sequence[Any], values: Mapping[str, Any]
    ) -> Sequence[Sequence[Any]]:
        """Run a fast SELECT and return its rows (`Database.look_up` explains the arguments). With at most
        `_LOOKUP_KEYS` keys, the SELECT runs on the event loop, because a thread would take longer than the
        SELECT itself. With more keys, or if this fails (the file is locked, for example), it runs in a
        thread.
        """
        everything = {**values, "keys_": keys}
        if len(keys) <= _LOOKUP_KEYS:
            if self._lookup_connection is None:
                self._lookup_connection = _driver(await self._run(self._readers, lambda: self._open(0)))
            text, names = self._lookup(wanted, everything)
            everything.update((f"keys__{place}", key) for place, key in enumerate(keys, 1))
            with suppress(sqlite3.Error):
                return self._lookup_connection.execute(text, [everything[name] for name in names]).fetchall()
        return await self.read(lambda connection: connection.execute(wanted, everything).all())

    def _lookup(
        self, wanted: Select[*tuple[Any, ...]], values: Mapping[str, Any]
    ) -> tuple[str, Sequence[str]]:
        """Return (SQL text of the SELECT, the names of its parameters in the order of their places). values:
        all parameters by name; `keys_` is the list of keys. The SQL has one place for each key; these places
        have the names `keys__1`, `keys__2`, …
        """
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
        self._check_open()
        with _as_store_failed():
            return await self._batches.write(step, size)

    async def shrink(self) -> None:
        """Give unused pages back to the system, in steps, until at most `_FREE_PAGES` are left or a step
        brings no progress. A file that cannot give pages back (old ones cannot) is rewritten instead, if
        `_Pages.wasted` is True. At the end, empty the log if its readers allow that (`empty_log`). Raises
        StoreFailed.
        """
        pages = await self.read(_pages)
        if not pages.vacuums:
            if pages.wasted:
                await self._alone(_rewrite)
        else:
            while pages.free > _FREE_PAGES:
                await self.write(_give_back)
                left = await self.read(_pages)
                if left.free >= pages.free:
                    break  # other writers free or use pages as well: the next sweep continues
                pages = left
        await self._alone(empty_log)

    async def keep_copy(self, before: str) -> None:
        if self._copies:
            await self._run(self._readers, lambda: keep_copy(self._file, before, self._copies))

    async def _alone(self, job: Callable[[sqlite3.Connection], T]) -> T:
        """Call `job` with the writing thread's connection, in that thread and outside a transaction, and
        return its result.
        """
        return await self._run(self._writer, lambda: job(_driver(self._connection())))

    async def close(self) -> None:
        self._closed = True
        await self._batches.finish()
        await asyncio.to_thread(self._close)

    async def _run(self, threads: ThreadPoolExecutor, job: Callable[[], T]) -> T:
        self._check_open()
        with _as_store_failed():
            return await asyncio.get_running_loop().run_in_executor(threads, job)

    def _check_open(self) -> None:
        if self._closed:
            raise StoreFailed("the store is closed")

    def _begin(self, steps: Sequence[Step]) -> asyncio.Future[list[Outcome]]:
        return asyncio.get_running_loop().run_in_executor(self._writer, self._write, steps)

    def _write(self, steps: Sequence[Step]) -> list[Outcome]:
        try:
            return [Outcome(done, None) for done in self._transact(steps)]
        except sqlite3.Error as error:  # BEGIN or COMMIT failed; an error inside of a step is SQLAlchemy's
            return [Outcome(None, error) for _ in steps]
        except Exception as error:  # noqa: BLE001 - the caller of the step gets the error
            if len(steps) == 1:
                return [Outcome(None, error)]
        return [outcome for step in steps for outcome in self._write([step])]

    def _transact(self, steps: Sequence[Step]) -> list[Any]:
        connection = self._connection()
        driver = _driver(connection)
        driver.execute("BEGIN IMMEDIATE")  # takes the write lock: a later upgrade of a read lock could fail
        try:
            done = [step(connection) for step in steps]
            driver.commit()
        finally:
            driver.rollback()  # does nothing after a commit
        if self._log_size() > LOG_MOST_BYTES:
            with suppress(sqlite3.Error):  # the steps are committed, whatever happens to the log
                empty_log(driver)
        return done

    def _log_size(self) -> int:
        try:
            return self._log.stat().st_size
        except OSError:
            return 0

    def _connection(self) -> Connection:
        connection: Connection | None = getattr(self._threads, "connection", None)
        if connection is None:
            connection = self._threads.connection = self._open(PATIENCE)
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
def _as_store_failed() -> Generator[None]:
    try:
        yield
    except (SQLAlchemyError, sqlite3.Error, OSError) as error:
        raise failed(error) from error


def _is_busy(error: Exception) -> bool:
    """Return whether an error is SQLite's error SQLITE_BUSY: another connection had the file locked for too
    long. False if SQLAlchemy has wrapped the error, as it does inside of a step; BEGIN and COMMIT raise it
    unwrapped.
    """
    return isinstance(error, sqlite3.Error) and error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY


def _driver(connection: Connection) -> sqlite3.Connection:
    driver: sqlite3.Connection = connection.connection.driver_connection  # type: ignore[assignment]
    return driver


class _Pages(NamedTuple):
    """The pages of a SQLite file. vacuums: True = unused pages can be given back on request. size: bytes of
    one page. total: the number of all pages. free: the number of the unused ones among them.
    """

    vacuums: bool
    size: int
    total: int
    free: int

    @property
    def wasted(self) -> bool:
        """Whether the file should be rewritten: this would at least halve the file, remove more than
        `_FREE_PAGES` pages, and copy at most `_REWRITE_MOST_BYTES`.
        """
        used = self.total - self.free
        return self.free > max(used, _FREE_PAGES) and used * self.size <= _REWRITE_MOST_BYTES


def _pages(connection: Connection) -> _Pages:
    driver = _driver(connection)
    # `auto_vacuum` must be the last: it gives the value that was read together with an earlier PRAGMA.
    facts = ("page_size", "page_count", "freelist_count", "auto_vacuum")
    size, total, free, mode = (driver.execute(f"PRAGMA {fact}").fetchone()[0] for fact in facts)
    return _Pages(mode == INCREMENTAL, size, total, free)


def _give_back(connection: Connection) -> None:
    _driver(connection).execute(f"PRAGMA incremental_vacuum({_FREE_PAGES})").fetchall()


def _rewrite(driver: sqlite3.Connection) -> None:
    """Rewrite a file without its unused pages, and so that it can later give unused pages back, unless
    another process has just done so.
    https://www.sqlite.org/lang_vacuum.html
    """
    driver.execute("PRAGMA page_count").fetchone()  # without this read, the next PRAGMA gives an old value
    if driver.execute("PRAGMA auto_vacuum").fetchone()[0] != INCREMENTAL:
        driver.execute(f"PRAGMA auto_vacuum={INCREMENTAL}")
        driver.execute("VACUUM")
