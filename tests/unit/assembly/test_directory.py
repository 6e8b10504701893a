"""The directory follows its database: at the start, at each change, and after a loss."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.accounts.minting import digest
from dragoman.assembly import directory
from dragoman.assembly.directory import Following
from dragoman.seams.peers import Peers
from dragoman.state.directory import KeyEntry, Row
from dragoman.state.store import StoreFailed
from dragoman.stores import directory_file

NEVER = 60.0


class Kept:
    """Rows in memory, of which none replaces another. lost: each use fails."""

    def __init__(self, *names: str) -> None:
        self.rows: list[Row] = []
        self.noted: dict[str, float] = {}
        self.lost = False
        self.asked = 0
        for name in names:
            self.add(name)

    def add(self, name: str) -> None:
        entry = KeyEntry(id=f"key_{name}", shown="…", created=1.0, created_by="me")
        text = msgspec.json.encode(entry)
        self.rows.append(Row("keys", name, text, len(self.rows) + 1, "me", 1.0, digest(name)))

    def _use(self) -> None:
        self.asked += 1
        if self.lost:
            raise StoreFailed("gone")

    async def version(self) -> int:
        self._use()
        return len(self.rows)

    async def since(self, version: int, limit: int) -> Sequence[Row]:
        self._use()
        return self.rows[version : version + limit]

    async def used(self, uses: dict[str, float]) -> None:
        self._use()
        self.noted |= uses


class Told(Peers):
    """Notes what the other processes are told."""

    def __init__(self) -> None:
        super().__init__()
        self.told: list[str] = []

    def tell(self, subject: str, value: Any) -> None:
        self.told.append(subject)

    def hear(self) -> None:
        self._receivers["directory"](None)


def following(kept: Kept, file: Path | None = None) -> tuple[Following, list[int]]:
    made = Following(kept, file, lambda: 1_000.0)  # type: ignore[arg-type]
    renewals: list[int] = []
    made.renewed = lambda: renewals.append(1)
    return made, renewals


def names(one: Following) -> list[bool]:
    return [one.directory.knows(digest(name)) for name in ("a", "b", "c")]


async def test_only_what_has_changed_is_read() -> None:
    kept = Kept("a", "b")
    one, renewals = following(kept)
    assert await one.catch_up()
    assert (names(one), len(renewals), one.directory.version) == ([True, True, False], 1, 2)
    kept.asked = 0
    assert await one.catch_up()
    assert (kept.asked, len(renewals)) == (1, 1)  # the version alone
    kept.add("c")
    await one.catch_up()
    assert (names(one), len(renewals)) == ([True, True, True], 2)


async def test_a_file_without_keys_does_not_open_the_store(tmp_path: Path) -> None:
    kept = Kept()
    kept.lost = True
    one, renewals = following(kept, tmp_path / "none.db")
    assert await one.catch_up()
    assert await one.catch_up()
    assert (one.directory.read, kept.asked, len(renewals)) == (True, 0, 1)


async def test_a_file_without_keys_is_opened_again_when_it_was_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, opened = tmp_path / "state.db", list[Path]()
    read = directory_file.version

    def version(file: Path) -> int:
        opened.append(file)
        return read(file)

    monkeypatch.setattr(directory_file, "version", version)
    kept = Kept("a")
    one, _ = following(kept, file)
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("PRAGMA journal_mode = wal")
        database.execute("CREATE TABLE directory (version)")
        for _ in range(3):
            await one.catch_up()
        assert (opened, kept.asked, names(one)[0]) == ([file], 0, False)
        database.execute("INSERT INTO directory VALUES (1)")
        await one.catch_up()
    assert (opened, names(one)[0]) == ([file, file], True)


async def test_a_file_that_was_written_unnoticed_is_opened_within_a_minute(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else a tenant that another server has made would have no limits here until the next change."""
    file, seconds = tmp_path / "state.db", [1_000.0]
    monkeypatch.setattr(directory, "written", lambda _: ())  # it looks the same for ever
    kept = Kept("a")
    one, _ = following(kept, file)
    one._now = lambda: seconds[0]
    with closing(sqlite3.connect(file, isolation_level=None)) as database:
        database.execute("CREATE TABLE directory (version)")
        await one.catch_up()
        database.execute("INSERT INTO directory VALUES (1)")
    seconds[0] += 59
    await one.catch_up()
    assert not names(one)[0]
    seconds[0] += 1
    await one.catch_up()
    assert names(one)[0]


async def test_an_earlier_copy_of_the_database_replaces_all() -> None:
    kept = Kept("a", "b", "c")
    one, renewals = following(kept)
    await one.catch_up()
    del kept.rows[1:]
    await one.catch_up()
    assert (names(one), one.directory.version, len(renewals)) == ([True, False, False], 1, 2)


async def test_a_lost_database_is_told_and_changes_nothing() -> None:
    kept = Kept("a")
    one, _ = following(kept)
    await one.catch_up()
    kept.lost = True
    assert not await one.catch_up()
    assert one.state() == {"healthy": False, "version": 1, "keys": 1, "unreadable_limits": {}}
    assert names(one)[0]
    kept.lost = False
    await one.catch_up()
    assert one.state() == {"healthy": True, "version": 1, "keys": 1, "unreadable_limits": {}}


async def test_a_sibling_that_changes_keys_is_heard_at_once() -> None:
    kept, peers = Kept("a"), Told()
    one, _ = following(kept)
    renewed = asyncio.Event()
    await one.start(peers, renewed.set)
    renewed.clear()
    kept.add("b")
    peers.hear()
    await asyncio.wait_for(renewed.wait(), NEVER)
    assert names(one) == [True, True, False]
    await one.changed()
    assert peers.told == ["directory"]
    await one.close()


async def test_uses_are_noted_and_clients_are_looked_up_again() -> None:
    kept = Kept("a")
    one, renewals = following(kept)
    await one.catch_up()
    one.directory.uses["key_a"] = 7.0
    kept.lost = True
    await one.note_uses()
    assert one.directory.uses == {"key_a": 7.0}
    kept.lost = False
    await one.note_uses()
    assert (kept.noted, one.directory.uses) == ({"key_a": 7.0}, {})
    assert len(renewals) == 3


class Slow(Kept):
    """Takes uses only at its second call; the first one waits for ever. odd: each read fails otherwise than a
    store does.
    """

    def __init__(self, *names: str) -> None:
        super().__init__(*names)
        self.waiting = asyncio.Event()
        self.stuck = False
        self.odd = False

    async def since(self, version: int, limit: int) -> Sequence[Row]:
        if self.odd:
            raise ValueError("a row of another version")
        return await super().since(version, limit)

    async def used(self, uses: dict[str, float]) -> None:
        if self.stuck or not self.waiting.is_set():
            self.waiting.set()
            await asyncio.sleep(NEVER)
        await super().used(uses)


async def test_a_close_writes_the_uses_that_are_being_written(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "EVERY", 0.001)
    monkeypatch.setattr(directory, "_NOTED_EVERY", 0.0)
    kept = Slow("a")
    one, _ = following(kept)
    await one.start(Told(), lambda: None)
    one.directory.uses["key_a"] = 7.0
    await asyncio.wait_for(kept.waiting.wait(), NEVER)
    await one.close()
    assert (kept.noted, one.directory.uses) == ({"key_a": 7.0}, {})


async def test_a_close_waits_for_no_database_that_is_stuck(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(directory, "_FAREWELL", 0.02)
    kept = Slow("a")
    kept.stuck = True
    one, _ = following(kept)
    await one.catch_up()
    one.directory.uses["key_a"] = 7.0
    with caplog.at_level(logging.WARNING, "dragoman"):
        await asyncio.wait_for(one.close(), NEVER / 2)
    assert "when 1 client keys were last used is lost" in caplog.text


async def test_a_close_ends_the_first_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(directory, "_FIRST", 0.01)

    class Endless(Kept):
        async def since(self, version: int, limit: int) -> Sequence[Row]:
            await asyncio.sleep(NEVER)
            return ()

    one, _ = following(Endless("a"))
    await one.start(Told(), lambda: None)
    await one.close()
    assert [task.get_name() for task in asyncio.all_tasks() if "client keys" in task.get_name()] == []


async def test_a_read_that_fails_in_an_odd_way_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(directory, "EVERY", 0.001)
    kept = Slow("a")
    kept.odd = True
    one, _ = following(kept)
    renewed = asyncio.Event()
    with caplog.at_level(logging.WARNING, "dragoman"):
        await one.start(Told(), renewed.set)
        await asyncio.sleep(0.02)
    assert len([line for line in caplog.records if "cannot be read" in line.message]) == 1
    kept.odd = False
    await asyncio.wait_for(renewed.wait(), NEVER)
    assert names(one)[0]
    await one.close()
