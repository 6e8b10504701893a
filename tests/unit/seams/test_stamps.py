"""Files are known again as long as nobody writes them."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from dragoman.seams.stamps import stamp, written


def test_a_file_has_another_stamp_once_it_was_written(tmp_path: Path) -> None:
    file = tmp_path / "file"
    assert stamp(file) is None
    file.write_text("one")
    before = stamp(file)
    assert stamp(file) == before
    file.write_text("three")
    assert stamp(file) != before


def test_a_name_that_no_file_can_have_has_no_stamp() -> None:
    assert stamp(Path("a\0b")) is None


def test_a_database_was_written_when_only_its_log_grew_and_not_when_it_was_read(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = wal")
        database.execute("CREATE TABLE one (value)")
        before = written(file)
        with closing(sqlite3.connect(f"{file.as_uri()}?mode=ro", uri=True)) as reader:
            reader.execute("SELECT * FROM one").fetchall()
        assert written(file) == before
        content = stamp(file)
        database.execute("INSERT INTO one VALUES (1)")
        assert stamp(file) == content
        assert written(file) != before
