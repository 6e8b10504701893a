"""Files that change are noticed once they are written; as a transcript."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from dragoman.config.added import Added
from dragoman.config.load import Loaded
from dragoman.config.watch import ASK, LOOK, Watch, watched
from dragoman.state.store import StoreFailed
from dragoman.stores import added_file
from dragoman.stores.address import PostgresUrl, database

Load = Callable[..., Loaded]


@pytest.fixture
def found(loaded: Load, tmp_path: Path) -> Loaded:
    (tmp_path / "key").write_text("a-key-of-some-length")
    return loaded("auth: {keys: [{file: key}]}")


def test_the_files_of_a_configuration(found: Loaded, tmp_path: Path, loaded: Load) -> None:
    assert watched(found) == (tmp_path / "dragoman.yaml", tmp_path / "key")
    (tmp_path / "dragoman.yaml").unlink()
    assert watched(loaded(None)) == ()


def test_a_change_counts_when_the_files_have_been_still_for_one_look(found: Loaded, tmp_path: Path) -> None:
    watch = Watch(found, 0.0)
    assert [watch.look(1.0), watch.look(2.0)] == [False, False]
    (tmp_path / "key").write_text("half a")
    assert not watch.look(3.0)
    (tmp_path / "key").write_text("half a key and the rest")
    assert not watch.look(4.0), "it was still being written"
    assert watch.look(5.0)
    assert not watch.look(6.0)


def test_a_change_that_is_taken_back_is_none(found: Loaded, tmp_path: Path) -> None:
    watch, file = Watch(found, 0.0), tmp_path / "key"
    other = tmp_path / "other"
    file.rename(other)
    assert not watch.look(1.0)
    other.rename(file)
    before = file.stat()
    assert watch._seen[file] is not None
    watch._seen[file] = (
        before.st_dev,
        before.st_ino,
        before.st_size,
        before.st_mtime_ns,
        before.st_ctime_ns,
    )
    assert [watch.look(2.0), watch.look(3.0)] == [False, False]


@pytest.mark.skipif(not hasattr(os, "symlink"), reason="needs symbolic links")
def test_what_a_link_leads_to_is_looked_at(loaded: Load, tmp_path: Path) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "key").write_text("a-key-of-some-length")
    (tmp_path / "data").symlink_to("one")
    watch = Watch(loaded("auth: {keys: [{file: data/key}]}"), 0.0)
    (tmp_path / "new").symlink_to("two")
    (tmp_path / "new").rename(tmp_path / "data")
    assert [watch.look(1.0), watch.look(2.0)] == [False, True]


def test_a_file_that_goes_is_a_change(found: Loaded, tmp_path: Path) -> None:
    watch = Watch(found, 0.0)
    (tmp_path / "key").unlink()
    assert [watch.look(1.0), watch.look(2.0), watch.look(3.0)] == [False, True, False]


def test_a_poll_is_due_after_its_time_or_a_change(found: Loaded, tmp_path: Path) -> None:
    watch = Watch(found, 0.0)
    assert [watch.look(59.0), watch.look(60.0), watch.look(61.0)] == [False, True, False]
    (tmp_path / "key").write_text("another-key-of-ours")
    assert [watch.look(100.0), watch.look(101.0)] == [False, True]
    assert [watch.look(160.0), watch.look(161.0)] == [False, True]


@pytest.mark.parametrize(
    ("reload", "pause", "looks"),
    [
        ("{}", LOOK, [False, True]),
        ("{watch: false}", 60.0, [False, False]),
        ("{watch: false, poll: 5s}", 5.0, [False, False]),
        ("{watch: false, poll: 0}", float("inf"), [False, False]),
    ],
)
def test_the_settings(loaded: Load, tmp_path: Path, reload: str, pause: float, looks: list[bool]) -> None:
    watch = Watch(loaded(f"reload: {reload}"), 0.0)
    assert watch.pause == pause
    (tmp_path / "dragoman.yaml").write_text("strict: true")
    assert [watch.look(1.0), watch.look(2.0)] == looks


def test_the_files_of_the_next_configuration_are_followed(
    found: Loaded, loaded: Load, tmp_path: Path
) -> None:
    watch = Watch(found, 0.0)
    (tmp_path / "other").write_text("another-key-of-ours")
    watch.follow(loaded("auth: {keys: [{file: other}]}"))
    (tmp_path / "key").write_text("nobody reads it any more")
    assert [watch.look(1.0), watch.look(2.0)] == [False, True], "the file itself was written"
    assert [watch.look(3.0), watch.look(4.0)] == [False, False]
    (tmp_path / "other").write_text("a-third-key-of-ours")
    assert [watch.look(5.0), watch.look(6.0)] == [False, True]


def test_another_version_of_what_was_added_is_noticed(
    found: Loaded, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    versions: dict[Path, int | None] = {tmp_path / "state.db": 3}

    def version(file: Path) -> int:
        if (stated := versions[file]) is None:
            raise StoreFailed("it is locked")
        return stated

    def write(number: int | None) -> None:
        versions[tmp_path / "state.db"] = number
        with (tmp_path / "state.db").open("ab") as file:
            file.write(b"more")

    def with_version(number: int) -> Loaded:
        return msgspec.structs.replace(found, added=Added(tmp_path / "state.db", number))

    monkeypatch.setattr(added_file, "version", version)
    watch = Watch(with_version(3), 0.0)
    assert watch.pause == LOOK
    assert [watch.look(now) for now in (1.0, 2.0, 4.0)] == [False] * 3
    write(4)
    assert [watch.look(now) for now in (5.0, 6.0)] == [False, True]
    # While it cannot be used it is tried again, later each time.
    assert [now for now in range(7, 40) if watch.look(float(now))] == [10, 18, 34]
    watch.follow(with_version(4))
    assert not watch.look(42.0)
    write(None)
    assert not watch.look(44.0)
    versions[tmp_path / "state.db"] = 5  # it was written before, and could not be read
    assert watch.look(46.0)


def test_a_server_is_asked_each_time_and_less_often_while_it_does_not_answer(
    loaded: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = loaded("reload: {poll: 0}")
    asked, now, there = list[float](), 0.0, True

    def version(_: object) -> int:
        asked.append(now)
        if not there:
            raise StoreFailed("connection timeout expired")
        return 3

    monkeypatch.setattr(added_file, "version", version)
    place = database("postgresql://host/name")
    assert isinstance(place, PostgresUrl)
    watch = Watch(msgspec.structs.replace(found, added=Added(place, 3)), now)
    for now in (float(second) for second in range(1, 91)):
        there = not 10 <= now < 60
        assert not watch.look(now)
    assert asked == [2, 4, 6, 8, 10, 14, 22, 38, 54, 70, 72, 74, 76, 78, 80, 82, 84, 86, 88, 90]


def test_a_database_is_asked_when_it_was_written_and_each_minute(
    loaded: Load, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = loaded("reload: {poll: 0}")
    file, asked = tmp_path / "state.db", list[float]()
    database = sqlite3.connect(file, isolation_level=None)
    database.execute("PRAGMA journal_mode = wal")
    database.execute("CREATE TABLE added (version)")
    read = added_file.version
    now = 0.0

    def version(file: Path) -> int:
        asked.append(now)
        return read(file)

    monkeypatch.setattr(added_file, "version", version)
    watch = Watch(msgspec.structs.replace(found, added=Added(file, 0)), now)
    noticed: list[float] = []
    for now in (float(second) for second in range(1, 131)):
        if now == 101:
            database.execute("INSERT INTO added VALUES (1)")  # into the log of changes: `state.db` stays
        if watch.look(now):
            noticed.append(now)
            watch.follow(msgspec.structs.replace(found, added=Added(file, 1)))
    database.close()
    assert noticed == [102]
    assert asked == [2, 62, 102, 104]


def test_a_database_alone_is_asked_at_intervals(loaded: Load, tmp_path: Path) -> None:
    still = loaded("reload: {watch: false, poll: 0}")
    assert Watch(still, 0.0).pause == float("inf")
    assert Watch(msgspec.structs.replace(still, added=Added(tmp_path / "none.db", 0)), 0.0).pause == ASK
