"""Inserts rows that are written often. SQLAlchemy takes longer to prepare such an INSERT than SQLite takes to
run it, so SQLite's driver gets it directly.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from sqlalchemy import Connection, Dialect, Insert
from sqlalchemy.exc import DBAPIError

_SQLITE = "sqlite"


def insert(connection: Connection, statement: Insert, rows: Sequence[Mapping[str, Any]]) -> None:
    """Insert rows in the caller's transaction; without rows, do nothing. statement: an INSERT without values.
    rows: {name of a column: value}, all with the same names; the values are of types that the driver writes
    as they are: text, bytes, numbers and None. Raises DBAPIError.
    """
    if not rows:
        return
    if connection.dialect.name != _SQLITE:
        connection.execute(statement, rows)
        return
    text, names = _compiled(statement, connection.dialect, tuple(rows[0]))
    cursor = connection.connection.cursor()
    try:
        cursor.executemany(text, [[row[name] for name in names] for row in rows])
    except sqlite3.Error as error:
        raise DBAPIError(None, None, error) from error
    finally:
        cursor.close()


@lru_cache(maxsize=64)
def _compiled(statement: Insert, dialect: Dialect, columns: tuple[str, ...]) -> tuple[str, Sequence[str]]:
    """Return (SQL text of the INSERT for these columns, the names of the columns in the text's order)."""
    compiled = statement.compile(dialect=dialect, column_keys=list(columns))
    return str(compiled), compiled.positiontup or ()
