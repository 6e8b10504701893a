"""Reads the entries that operators have added to the configuration, from a database that is not opened as a
store.

A start and a reload need these entries in processes that must not open the store. The parent of several
workers must have no thread and no connection that a fork would share (docs/decisions/0010-workers.md), and a
start should not load SQLAlchemy. So each call opens the database, reads, and closes it.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Generator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final, TypeAlias

from dragoman.state.added import AddedEntry, KeptEntries
from dragoman.state.store import StoreFailed
from dragoman.stores.address import Location, PostgresUrl
from dragoman.stores.standing import Standing

_PATIENCE: Final = 2.0
"""Seconds for which a call waits while another process locks the SQLite file (in WAL mode, a reader does not
wait for writers); and the most seconds for one statement in a server.
"""
_TABLE: Final = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'added'"
_TABLES: Final = "SELECT to_regclass('added'), to_regclass('alembic_version'), to_regclass('schema_marks')"
_REVISION: Final = "SELECT max(version_num) FROM alembic_version"
_MARK: Final = "SELECT value FROM schema_marks WHERE name = 'compatible_from'"
_LATEST: Final = "SELECT coalesce(max(version), 0) FROM added"
_ENTRIES: Final = """
    SELECT kind, name, text, version, author, at FROM added AS one
    WHERE text IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM added AS later
        WHERE later.kind = one.kind AND later.name = one.name AND later.version > one.version
    )
    ORDER BY version
"""


_Run: TypeAlias = Callable[[str], Sequence[Sequence[Any]]]
"""Runs a SELECT, and returns its rows."""


def read(database: Location) -> KeptEntries:
    """Return the entries that are stored now (without removed ones), and the number of the latest change.
    Return no entries and 0 if the database file or the table of entries does not exist. Raises StoreFailed;
    its subclass SchemaRefused if this version cannot use the schema of a PostgreSQL database (the schema of a
    SQLite file is not checked).
    """
    with _opened(database) as run:
        if run is None:
            return KeptEntries()
        ((version,),) = run(_LATEST)
        return KeptEntries(version, [AddedEntry(*row) for row in run(_ENTRIES)])


def version(database: Location) -> int:
    """Return the number of the latest change to the entries; 0 = there was no change, or the database file or
    the table of entries does not exist. Raises StoreFailed; its subclass SchemaRefused if this version cannot
    use the schema of a PostgreSQL database.
    """
    with _opened(database) as run:
        return 0 if run is None else int(run(_LATEST)[0][0])


@contextmanager
def _opened(database: Location) -> Generator[_Run | None]:
    """Give a function that runs SELECTs in the database; None = the database file or the table of entries
    does not exist. Raises StoreFailed, also for an error of the database inside the `with` block.
    """
    with _in_server(database) if isinstance(database, PostgresUrl) else _in_file(database) as run:
        yield run


@contextmanager
def _in_file(file: Path) -> Generator[_Run | None]:
    try:
        if not file.exists():
            yield None
            return
        with closing(
            sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", _PATIENCE, uri=True)
        ) as connection:
            there = connection.execute(_TABLE).fetchone() is not None
            yield (lambda text: connection.execute(text).fetchall()) if there else None
    except (sqlite3.Error, OSError) as error:  # OSError: the folder may not be read
        raise StoreFailed(f"the database: {error}") from error


@contextmanager
def _in_server(address: PostgresUrl) -> Generator[_Run | None]:
    import psycopg  # another extra

    from dragoman.stores.postgres import connect, in_words

    try:
        with closing(connect(address, _PATIENCE)) as connection:

            def run(text: str) -> Sequence[Sequence[Any]]:
                return connection.execute(text).fetchall()

            ((added, versions, marks),) = run(_TABLES)
            if versions is not None:
                ((revision,),) = run(_REVISION)
                mark = run(_MARK) if marks is not None else ()
                Standing(revision, mark[0][0] if mark else None).check(upgrades_itself=False)
            yield None if added is None else run
    except psycopg.Error as error:
        raise StoreFailed(f"the database: {in_words(error)}") from error
