"""Reads the entries that operators have added straight from the file of a SQLite database.

A start and a reload need them in processes that must not open the store: the parent of several workers has no
thread and no connection that a fork would share (docs/decisions/0010-workers.md), and a start should not load
SQLAlchemy. So each call opens the file, reads, and closes it, in less than a millisecond.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Final

from dragoman.state.added import AddedEntry, KeptEntries
from dragoman.state.store import StoreFailed

_PATIENCE: Final = 2.0
"""Seconds for which a call waits while somebody locks the file; a reader does not wait for writers."""
_TABLE: Final = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'added'"
_LATEST: Final = "SELECT coalesce(max(version), 0) FROM added"
_ENTRIES: Final = """
    SELECT kind, name, text, version, author, at FROM added AS one
    WHERE text IS NOT NULL AND NOT EXISTS (
        SELECT 1 FROM added AS later
        WHERE later.kind = one.kind AND later.name = one.name AND later.version > one.version
    )
    ORDER BY version
"""


def read(file: Path) -> KeptEntries:
    """All entries; none if the file does not exist, or has no table for them yet. Raises StoreFailed."""
    with _opened(file) as connection:
        if connection is None:
            return KeptEntries()
        (version,) = connection.execute(_LATEST).fetchone()
        return KeptEntries(version, [AddedEntry(*row) for row in connection.execute(_ENTRIES)])


def version(file: Path) -> int:
    """The number of the latest change; 0 = there was none. Raises StoreFailed."""
    with _opened(file) as connection:
        return 0 if connection is None else int(connection.execute(_LATEST).fetchone()[0])


@contextmanager
def _opened(file: Path) -> Generator[sqlite3.Connection | None]:
    """A connection that only reads; None = there is no file, or no table in it."""
    try:
        if not file.exists():
            yield None
            return
        with closing(
            sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", _PATIENCE, uri=True)
        ) as connection:
            yield None if connection.execute(_TABLE).fetchone() is None else connection
    except (sqlite3.Error, OSError) as error:  # OSError: the folder may not be read
        raise StoreFailed(f"the database: {error}") from error
