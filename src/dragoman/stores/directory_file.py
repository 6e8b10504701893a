"""Reads the number of the latest change to client keys, tenants, teams and users directly from the file of a
SQLite database.

Most gateways with a SQLite store have no keys in it. To see that, they need not load SQLAlchemy and open the
store: each call opens the file, reads one number and closes the file.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Final

from dragoman.state.store import StoreFailed

_PATIENCE: Final = 0.05
"""Seconds for which a call waits while another process locks the file. In WAL mode, writers do not lock it
for readers.
"""
_TABLE: Final = "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'directory'"
_LATEST: Final = "SELECT coalesce(max(version), 0) FROM directory"


def version(file: Path) -> int:
    """Return the number of the latest change to client keys, tenants, teams and users; 0 = there was no
    change, or the file or the table of changes does not exist yet. Raises StoreFailed.
    """
    try:
        if not file.exists():
            return 0
        with closing(
            sqlite3.connect(f"{file.resolve().as_uri()}?mode=ro", _PATIENCE, uri=True)
        ) as connection:
            if connection.execute(_TABLE).fetchone() is None:
                return 0
            return int(connection.execute(_LATEST).fetchone()[0])
    except (sqlite3.Error, OSError) as error:  # OSError: the folder may not be read
        raise StoreFailed(f"the database: {error}") from error
