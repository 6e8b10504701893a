"""The options of a connection to a SQLite file are set, also while others lock the file."""

from __future__ import annotations

import sqlite3
from typing import cast

import pytest

from dragoman.stores import sqlite_file


class _Locked:
    """A connection to a file that others lock for a number of statements."""

    def __init__(self, statements: int) -> None:
        self.left = statements
        self.set: list[str] = []

    def cursor(self) -> _Locked:
        return self

    def execute(self, statement: str) -> None:
        if self.left:
            self.left -= 1
            raise sqlite3.OperationalError("database is locked")
        self.set.append(statement.removeprefix("PRAGMA ").partition("=")[0])

    def close(self) -> None:
        """Nothing is held."""


def test_a_new_file_that_others_open_too_is_waited_for() -> None:
    connection = _Locked(3)
    sqlite_file.prepare(cast("sqlite3.Connection", connection))
    assert connection.set[:2] == ["auto_vacuum", "journal_mode"]
    assert len(connection.set) == 5


def test_a_file_that_stays_locked_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite_file, "PATIENCE", 0.05)
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        sqlite_file.prepare(cast("sqlite3.Connection", _Locked(10_000)))
