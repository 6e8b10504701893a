"""Copies of a file before its schema changes."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from dragoman.stores.sql.copies import keep_copy


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A database whose last change is only in its log."""
    file = tmp_path / "state.db"
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("CREATE TABLE here (id INTEGER)")
        connection.execute("INSERT INTO here VALUES (7)")
        connection.commit()
    return file


def names(file: Path) -> list[str]:
    return sorted(one.name for one in file.parent.iterdir() if not one.name.endswith(("-wal", "-shm")))


def test_a_copy_has_everything_and_only_its_owner_may_read_it(file: Path) -> None:
    with closing(sqlite3.connect(file)) as other:
        other.execute("INSERT INTO here VALUES (8)")
        other.commit()
        keep_copy(file, "0006", 2)
    copy = file.with_name("state.db.before-0006")
    with closing(sqlite3.connect(copy)) as connection:
        assert connection.execute("SELECT id FROM here ORDER BY 1").fetchall() == [(7,), (8,)]
    assert copy.stat().st_mode & 0o777 == 0o600


def test_a_name_with_brackets_has_copies_too(file: Path) -> None:
    odd = file.rename(file.with_name("state[1].db"))
    for revision in ("0006", "0007", "0008"):
        keep_copy(odd, revision, 2)
    assert names(odd) == ["state[1].db", "state[1].db.before-0007", "state[1].db.before-0008"]


def test_the_latest_copies_stay_and_none_is_made_twice(file: Path) -> None:
    for revision in ("0006", "0007", "0008", "0008"):
        keep_copy(file, revision, 2)
    assert names(file) == ["state.db", "state.db.before-0007", "state.db.before-0008"]


def test_who_come_at_once_make_one_copy(file: Path) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda _: keep_copy(file, "0006", 2), range(8)))
    assert names(file) == ["state.db", "state.db.before-0006"]


def test_a_copy_that_fails_leaves_nothing(file: Path) -> None:
    file.write_bytes(b"This is no database at all." * 200)
    with pytest.raises(sqlite3.DatabaseError):
        keep_copy(file, "0006", 2)
    assert names(file) == ["state.db"]


def test_a_half_copy_of_a_process_that_was_killed_is_replaced(file: Path) -> None:
    file.with_name("state.db.before-0006.part").write_bytes(b"half")
    keep_copy(file, "0006", 2)
    with closing(sqlite3.connect(file.with_name("state.db.before-0006"))) as connection:
        assert connection.execute("SELECT id FROM here").fetchall() == [(7,)]
