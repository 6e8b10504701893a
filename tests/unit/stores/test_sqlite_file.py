"""The options of a connection to a SQLite file are set, also while others lock the file."""

from __future__ import annotations

import sqlite3
import time
from pathlib import Path
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

    def execute(self, statement: str) -> _Locked:
        if self.left:
            self.left -= 1
            raise sqlite3.OperationalError("database is locked")
        name, sets, _ = statement.removeprefix("PRAGMA ").partition("=")
        if sets and name != "busy_timeout":
            self.set.append(name)
        return self

    def fetchone(self) -> tuple[int]:
        return (0,)

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


def test_a_new_connection_to_a_known_file_waits_for_no_writer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    sqlite_file.prepare(writer)
    writer.execute("CREATE TABLE t (x)")
    writer.execute("BEGIN IMMEDIATE")
    monkeypatch.setattr(sqlite_file, "PATIENCE", 0.05)
    reader = sqlite3.connect(tmp_path / "state.db", timeout=0.05)
    sqlite_file.prepare(reader)
    assert reader.execute("SELECT count(*) FROM t").fetchone() == (0,)
    assert reader.execute("PRAGMA auto_vacuum").fetchone() == (sqlite_file.INCREMENTAL,)
    assert reader.execute("PRAGMA busy_timeout").fetchone() == (50,)
    reader.close()
    writer.close()


def test_a_locked_file_is_waited_for_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    owner = sqlite3.connect(tmp_path / "state.db", isolation_level=None)
    owner.execute("BEGIN EXCLUSIVE")
    monkeypatch.setattr(sqlite_file, "PATIENCE", 0.2)
    late = sqlite3.connect(tmp_path / "state.db", timeout=0.2)
    begin = time.monotonic()
    with pytest.raises(sqlite3.OperationalError, match="locked"):
        sqlite_file.prepare(late)
    assert time.monotonic() - begin < 2  # not once more in each try
    late.close()
    owner.close()
