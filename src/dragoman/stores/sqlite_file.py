"""Creates the SQLite file of a store, sets the options of each connection to the file, and empties SQLite's
log. Needs no SQLAlchemy.

https://www.sqlite.org/wal.html · https://www.sqlite.org/pragma.html#pragma_auto_vacuum
"""

from __future__ import annotations

import os
import sqlite3
import time
from pathlib import Path
from typing import Any, Final

_LOCKED_PAUSE = 0.01
"""Seconds between two tries to set an option of a locked file. The thread sleeps for this time."""
PATIENCE = 5.0
"""The most seconds for which a transaction waits for another connection that writes."""
_LOG_KEPT_BYTES = 8_000_000
"""The most bytes of SQLite's log file that stay on disk after its content was moved into the database file;
SQLite truncates a longer log to this size.
"""
LOG_MOST_BYTES = 16_000_000
"""If SQLite's log has more bytes than this after a commit, the writer empties it."""
_CHECKPOINT_PATIENCE = 1.0
"""The most seconds for which emptying the log waits for readers and writers. Nothing can be written while it
waits for readers.
"""
INCREMENTAL = 2
"""The value of `PRAGMA auto_vacuum` for a file that gives unused pages back to the system on request."""


def make_file(file: Path) -> None:
    """Create the file and its folder if they do not exist, with access for their owner only; existing ones
    keep their access rights. Missing folders above that folder get the usual access rights. Raises OSError.
    """
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))


def empty_log(driver: sqlite3.Connection) -> None:
    """Move the content of SQLite's log into the database file and truncate the log. If readers or a writer
    still use the log after `_CHECKPOINT_PATIENCE` seconds, the log is not truncated, and no error is raised.
    Raises sqlite3.Error for other failures.
    """
    patience = driver.execute("PRAGMA busy_timeout").fetchone()[0]
    driver.execute(f"PRAGMA busy_timeout={int(_CHECKPOINT_PATIENCE * 1000)}")
    try:
        driver.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    finally:
        driver.execute(f"PRAGMA busy_timeout={patience}")


def prepare(connection: sqlite3.Connection) -> None:
    """Set the options of a new SQLite connection. Raises sqlite3.Error, for example OperationalError if the
    file stays locked for `PATIENCE` seconds.

    With `synchronous=NORMAL`, commits in WAL mode survive a crash of the process, but not always a crash of
    the system. `auto_vacuum` must be set before the first page of a new file is written; in an existing file,
    setting it would wait for writers, and have no effect before a VACUUM. If several processes open a new
    file at the same time, SQLite refuses the change of the journal mode without waiting, whatever the
    time-out is (https://www.sqlite.org/wal.html); so this function tries again.
    """
    cursor = connection.cursor()
    patience = _ask(cursor, "busy_timeout")
    _ask(cursor, "busy_timeout=0")  # `_ask` itself waits: SQLite would wait again in each of its tries
    if _ask(cursor, "page_count") == 0:
        _ask(cursor, f"auto_vacuum={INCREMENTAL}")
    for pragma in (
        "journal_mode=WAL",
        f"journal_size_limit={_LOG_KEPT_BYTES}",
        "synchronous=NORMAL",
        "foreign_keys=ON",
        f"busy_timeout={patience}",
    ):
        _ask(cursor, pragma)
    cursor.close()


REFUSALS: Final = sqlite3.IntegrityError, sqlite3.DataError, sqlite3.InterfaceError
"""The errors by which SQLite refuses values, which it would refuse again. The error for a full disk is not
one of them.
"""


def _ask(cursor: sqlite3.Cursor, pragma: str) -> Any:
    """Execute a PRAGMA, and return the value that it gives; None = it gives none. pragma: the text after the
    word PRAGMA. While the file is locked, try again, with pauses of `PATIENCE` seconds in all; then raise
    sqlite3.OperationalError. Other errors are raised at once.
    """
    tries = int(PATIENCE / _LOCKED_PAUSE)
    while True:
        try:
            row = cursor.execute(f"PRAGMA {pragma}").fetchone()
        except sqlite3.OperationalError as error:
            tries -= 1
            if tries < 0 or "locked" not in str(error):
                raise
            time.sleep(_LOCKED_PAUSE)
        else:
            return None if row is None else row[0]
