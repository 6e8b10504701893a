"""Where no store has written, nothing was added; a file that is no database is an error."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from dragoman.state.store import StoreFailed
from dragoman.stores import added_file


def test_without_a_file_or_a_table_nothing_was_added(tmp_path: Path) -> None:
    file = tmp_path / "a folder" / "state #1?.db"
    assert (added_file.version(file), added_file.read(file).entries) == (0, ())
    assert not file.exists()
    file.parent.mkdir()
    sqlite3.connect(file).close()
    assert (added_file.version(file), added_file.read(file).entries) == (0, ())


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    file.write_bytes(b"This is no database at all." * 100)
    with pytest.raises(StoreFailed, match="not a database"):
        added_file.version(file)
    with pytest.raises(StoreFailed):
        added_file.read(tmp_path)


def test_a_folder_that_may_not_be_read_is_a_failure_of_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(_: Path) -> bool:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "exists", refused)  # the superuser may read every folder
    for question in (added_file.read, added_file.version):
        with pytest.raises(StoreFailed, match="Permission denied"):
            question(tmp_path / "state.db")
