"""Writes usage records directly into the SQLite file of a store.

Every gateway with a SQLite file writes usage, and many of them use nothing else of their store. For this they
need not load SQLAlchemy (20 MB of memory) and Alembic: a new file gets its tables from `schema.sql`, which
makes the same tables as the migrations. A file with another schema is left to the store.
"""

from __future__ import annotations

import asyncio
import sqlite3
import threading
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from itertools import chain
from operator import itemgetter
from pathlib import Path
from typing import Any, Final, TypeVar

from dragoman.state.periods import STEPS, start_of
from dragoman.state.store import DataRefused, StoreFailed
from dragoman.state.usage import UsageRecord
from dragoman.state.usage_sums import OPEN, Group
from dragoman.stores.limits import Limits
from dragoman.stores.sql.usage_batch import Batch
from dragoman.stores.sql.usage_columns import KNOWN, NUMBERS, SETTLED, SUMMED
from dragoman.stores.sqlite_file import LOG_MOST_BYTES, PATIENCE, REFUSALS, empty_log, make_file, prepare
from dragoman.stores.standing import HEAD

T = TypeVar("T")
SCHEMA: Final = Path(__file__).with_name("schema.sql")
"""The file with the statements that make all tables. There is an empty line after each statement."""
_TABLES: Final = "SELECT count(*), coalesce(sum(name = 'alembic_version'), 0) FROM sqlite_master"
_REVISION: Final = "SELECT max(version_num) FROM alembic_version"


def inserting(table: str, columns: Sequence[str], rows: int = 1) -> str:
    """Return the SQL statement (of SQLite, with `?`) that inserts rows, except rows whose key is already in
    the table. Its parameters are the values of the rows in the order of `columns`, row after row. rows: the
    number of rows.
    """
    names = ", ".join(f'"{one}"' for one in columns)
    row = f"({', '.join('?' * len(columns))})"
    values = ", ".join([row] * rows)
    return f"INSERT INTO {table} ({names}) VALUES {values} ON CONFLICT DO NOTHING"  # noqa: S608 - our names


def adding(table: str, keys: Sequence[str], added: Sequence[str], *, kept: Sequence[str] = ()) -> str:
    """Return the SQL statement (of SQLite, with `?`) that inserts one row; or, if the table has a row with
    the same key, adds the new values to the values of that row. keys: the columns of the key. added: the
    columns whose values are added. kept: further columns; a row that exists already keeps its values in them.
    The parameters are in the order of keys, kept, added.
    """
    columns = (*keys, *kept, *added)
    names = ", ".join(f'"{one}"' for one in columns)
    places = ", ".join("?" * len(columns))
    key = ", ".join(f'"{one}"' for one in keys)
    sums = ", ".join(f'"{one}" = {table}."{one}" + excluded."{one}"' for one in added)
    into = f"INSERT INTO {table} ({names}) VALUES ({places})"  # noqa: S608 - our names
    return f"{into} ON CONFLICT ({key}) DO UPDATE SET {sums}"


_BY_VALUE: Final = "step", "dimension", "begin", "value"
_BY_GROUP: Final = "step", "begin", "group_id"
_RECORD: Final = (
    *("created", "id", "ended", "group_id", "end_user", "status", "failed"),
    *("cost", "input", "output", "rest"),
)
_values: Final[Callable[[Mapping[str, Any]], tuple[Any, ...]]] = itemgetter(*_RECORD)
_KEEP: Final = {rows: f"{inserting('usage_records', _RECORD, rows)} RETURNING id" for rows in (100, 10, 1)}
"""The statements that insert records, by their number of rows. After each statement the thread waits for the
interpreter while requests are served, so a statement for each record would take long.
"""
_NAME_GROUP: Final = inserting("usage_groups", ("id", *(f"{name}_name" for name in Group._fields)))
_ADD_BY_GROUP: Final = adding("usage_by_group", _BY_GROUP, SUMMED)
_ADD_BY_VALUE: Final = adding("usage_by_value", _BY_VALUE, SUMMED)
_ADD_GROUP_UNITS: Final = adding("usage_group_units", (*_BY_GROUP, "unit"), ("amount",))
_ADD_UNITS: Final = adding("usage_units", (*_BY_VALUE, "unit"), ("amount",))
_ADD_CHARGES: Final = adding("limit_counters", ("counter",), ("used",), kept=("ends",))
_OLD_RECORD: Final = "SELECT 1 FROM usage_records WHERE created < ? LIMIT 1"
_OLD_PERIOD: Final = 'SELECT 1 FROM usage_by_value WHERE step = ? AND dimension = 0 AND "begin" < ? LIMIT 1'
_MANY_VALUES: Final = """
    SELECT 1 FROM usage_by_value WHERE step = ? AND dimension = ? AND "begin" >= ? AND "begin" < ?
    GROUP BY "begin" HAVING count(*) > ? LIMIT 1
"""
_EXPIRED: Final = tuple(
    f"SELECT 1 FROM {table} WHERE {end} <= ? LIMIT 1"  # noqa: S608 - our names
    for table, end in (
        *(("responses", "expires"), ("conversations", "expires"), ("sessions", "expires")),
        *(("chats", "expires"), ("seals", "until"), ("limit_counters", "ends")),
    )
)


class UsageFile:
    """Writes usage records into one SQLite file. The first record opens the file, and creates the file and
    its tables if they do not exist. limits: the limits of the store, which `is_due` reads.
    """

    def __init__(self, file: Path, limits: Limits) -> None:
        self._file = file
        self._log = file.with_name(f"{file.name}-wal")
        self._limits = limits
        self._lock = threading.Lock()
        """Held by the thread that uses the connection."""
        self._connection: sqlite3.Connection | None = None
        self._known: set[int] = set()
        self._looked: dict[tuple[int, str], int] = {}
        """By (index of the step in STEPS, dimension): the time up to which no period has more values than
        `Limits.usage_values`, in Unix seconds.
        """
        self._closed = False

    async def keep(self, records: Sequence[UsageRecord]) -> int | None:
        """Store the records that are not stored yet, and add them to the sums of reports and to the counters
        of limits: all or none. Return how many were stored. None = nothing was stored, because the file does
        not have the schema of this version. Raises StoreFailed; its subclass DataRefused if SQLite refuses a
        value.
        """
        return await self._run(lambda: self._keep(records)) if records else 0

    async def is_due(self, now: float) -> bool:
        """Return whether a sweep of the file may have something to delete (data of any kind) or to add up
        (usage) at the time `now` (Unix seconds). Return False if this object has not opened the file yet, or
        has closed it. Raises StoreFailed.
        """
        return self._connection is not None and await self._run(lambda: self._is_due(now))

    async def close(self) -> None:
        """Close the file, after the job that uses it has ended. Afterwards `keep` raises StoreFailed (without
        records it returns 0).
        """
        self._closed = True
        await asyncio.to_thread(self._close)

    async def _run(self, job: Callable[[], T]) -> T:
        def alone() -> T:
            with self._lock, _as_store_failed():
                if self._closed:
                    raise StoreFailed("the store is closed")
                return job()

        return await asyncio.to_thread(alone)

    # In a thread, with the lock -----------------------------------------------------------------------

    def _keep(self, records: Sequence[UsageRecord]) -> int | None:
        connection = self._opened()
        if connection is None:
            return None
        batch = Batch(records)  # made before the transaction, in which nobody else can write
        with _transaction(connection):
            batch = batch.without_known(_insert(connection, batch.rows))
            unknown = [(id_, *group) for id_, group in batch.groups.items() if id_ not in self._known]
            for statement, rows in (
                (_NAME_GROUP, unknown),
                (_ADD_BY_GROUP, batch.by_group),
                (_ADD_BY_VALUE, batch.by_value),
                (_ADD_GROUP_UNITS, batch.group_units),
                (_ADD_UNITS, batch.value_units),
                (_ADD_CHARGES, batch.charges),
            ):
                connection.executemany(statement, rows)
        if len(self._known) + len(batch.groups) > KNOWN:
            self._known = set()
        self._known |= set(batch.groups)
        self._shorten(connection)
        return len(batch.rows)

    def _opened(self) -> sqlite3.Connection | None:
        """Return the connection to the file, which is opened and made if necessary. None = the file does not
        have the schema of this version, and is closed again.
        """
        if self._connection is None:
            make_file(self._file)
            connection = sqlite3.connect(
                self._file, timeout=PATIENCE, isolation_level=None, check_same_thread=False
            )
            try:
                prepare(connection)
                fits = _revision(connection) == HEAD
            except BaseException:
                connection.close()
                raise
            if not fits:
                connection.close()
                return None
            self._connection = connection
        return self._connection

    def _shorten(self, connection: sqlite3.Connection) -> None:
        with suppress(OSError, sqlite3.Error):  # the records are stored, whatever happens to the log
            if self._log.stat().st_size > LOG_MOST_BYTES:
                empty_log(connection)

    def _is_due(self, now: float) -> bool:
        connection, limits = self._connection, self._limits
        if connection is None:
            return False
        asked: list[tuple[str, tuple[float, ...]]] = [(text, (now,)) for text in _EXPIRED]
        if limits.usage_records is not None:
            asked.append((_OLD_RECORD, (now - limits.usage_records,)))
        kept = (limits.usage_hours, limits.usage_days, limits.usage_months)
        for number, (step, seconds) in enumerate(zip(STEPS, kept, strict=True)):
            if seconds is not None:
                asked.append((_OLD_PERIOD, (number, start_of(step, now - seconds))))
        if any(connection.execute(text, values).fetchone() for text, values in asked):
            return True
        for number, step in enumerate(STEPS):
            before = start_of(step, now - SETTLED)
            for name in OPEN:
                span = self._looked.get((number, name), 0), before
                values = (number, NUMBERS[name], *span, limits.usage_values)
                if connection.execute(_MANY_VALUES, values).fetchone():
                    return True
                self._looked[number, name] = before
        return False

    def _close(self) -> None:
        with self._lock:
            if self._connection is not None:
                self._connection.close()
                self._connection = None


def _insert(connection: sqlite3.Connection, rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Insert the records that are not in the table yet, and return the ids of these. rows: the rows of
    `usage_records`, as `Batch.rows` has them.
    """
    new: set[str] = set()
    at = 0
    for size, statement in _KEEP.items():
        while len(rows) - at >= size:
            values = list(chain.from_iterable(map(_values, rows[at : at + size])))
            new.update(id_ for (id_,) in connection.execute(statement, values).fetchall())
            at += size
    return new


def _revision(connection: sqlite3.Connection) -> str | None:
    """Return the newest migration that the database has ("0010"); None = the database has tables, but states
    no migration. If there are no tables, make them first. Several processes may call this at the same time.
    """
    tables, marked = connection.execute(_TABLES).fetchone()
    if not tables:
        with _transaction(connection):
            tables, marked = connection.execute(_TABLES).fetchone()
            if not tables:
                for statement in SCHEMA.read_text().split("\n\n"):
                    connection.execute(statement)
                marked = True
    if not marked:
        return None
    with closing(connection.execute(_REVISION)) as found:
        (revision,) = found.fetchone()
    return None if revision is None else str(revision)


@contextmanager
def _transaction(connection: sqlite3.Connection) -> Generator[None]:
    connection.execute("BEGIN IMMEDIATE")  # takes the write lock: a later upgrade of a read lock could fail
    try:
        yield
        connection.commit()
    finally:
        connection.rollback()  # does nothing after a commit


@contextmanager
def _as_store_failed() -> Generator[None]:
    try:
        yield
    except (sqlite3.Error, OSError) as error:
        kind = DataRefused if isinstance(error, REFUSALS) else StoreFailed
        raise kind(f"the database: {str(error) or type(error).__name__}") from error
