"""Usage goes from the journal into the database: each record once, whoever ends or fails meanwhile."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from dragoman.accounts.chains import told
from dragoman.accounts.journal import Backlog, MemoryJournal
from dragoman.accounts.segments import FileJournal
from dragoman.assembly import journaling
from dragoman.assembly.journaling import ALERT_AFTER, Journaling, folder_of, journaling_of
from dragoman.config.load import load
from dragoman.errors import ConfigError
from dragoman.routing.event import Event
from dragoman.seams.clock import SYSTEM, Seams
from dragoman.state.store import DataRefused, StoreFailed
from dragoman.state.usage import UsageRecord

SIZE = 40_000_000
NEVER = 60.0


def record(id_: str, **more: Any) -> UsageRecord:
    return UsageRecord(**{"id": id_, "created": 1.0, "ended": 2.0, **more})


class Database:
    """Keeps records by id. away: it fails. full: it fails if there is anything new. odd: ids of records that
    it does not take.
    """

    def __init__(self) -> None:
        self.rows: dict[str, UsageRecord] = {}
        self.away = self.full = False
        self.odd: set[str] = set()
        self.tries: list[int] = []
        self.repeated = 0

    async def keep(self, records: Sequence[UsageRecord]) -> int:
        self.tries.append(len(records))
        await asyncio.sleep(0)
        if self.away:
            raise StoreFailed("the database is away")
        if any(one.id in self.odd for one in records):
            raise DataRefused("a number is out of range")
        new = {one.id: one for one in records if one.id not in self.rows}
        if new and self.full:
            raise StoreFailed("no space left on device")
        self.repeated += len(records) - len(new)
        self.rows.update(new)
        return len(new)


class Place:
    """One folder, the database behind it, and the processes that write into it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.database = Database()
        self.told: list[Event] = []
        self.seconds = 0.0
        self.seams = msgspec.structs.replace(SYSTEM, monotonic=lambda: SYSTEM.monotonic() + self.seconds)
        self.made: list[Journaling] = []

    def process(self, *, keeps: bool = True, **settings: Any) -> Journaling:
        journal = FileJournal(self.folder, self.seams, size=SIZE, **settings)
        made = Journaling(self.database, journal, self.folder, self.seams)
        made._keeps, made._alert = keeps, self.told.append
        self.made.append(made)
        return made


@pytest.fixture
async def place(tmp_path: Path) -> AsyncIterator[Place]:
    made = Place(tmp_path / "journal")
    yield made
    made.database.away = False
    for one in made.made:
        await one.close()


async def eventually(what: Callable[[], Any]) -> None:
    async with asyncio.timeout(NEVER):
        while not what():  # noqa: ASYNC110 - nobody says so
            await asyncio.sleep(0.005)


def kill(process: Journaling) -> None:
    """What remains of a process after SIGKILL: its files, without the locks."""
    assert isinstance(process.journal, FileJournal)
    process.journal._syncing.end(process.journal._descriptor)
    process.journal._descriptor = -1
    process.journal.close = lambda: None  # type: ignore[method-assign]


async def test_records_of_all_processes_are_stored_by_the_keeper(place: Place) -> None:
    keeper, first, second = place.process(), place.process(keeps=False), place.process(keeps=False)
    first.journal.opened(record("a"))
    first.journal.closed(record("a"))
    second.journal.closed(record("b"))
    assert not await first.drain()
    assert place.database.rows == {}
    assert await keeper.drain()
    assert sorted(place.database.rows) == ["a", "b"]
    assert await keeper.drain()
    assert place.database.repeated == 0
    assert first.state() == {
        "kind": "files",
        "healthy": True,
        "last_error": None,
        "in_memory": 0,
        "lost": 0,
        "waiting": 0,
        "waiting_bytes": 0,
        "oldest": None,
        "processes": 3,
        "ended": 0,
        "stored": 2,
        "adopted": 0,
        "cut": 0,
        "rejected": 0,
        "damaged": 0,
        "torn_bytes": 0,
        "running": True,
        "bytes": first.state()["bytes"],
    }


async def test_health_before_the_reader_has_told_anything(place: Place) -> None:
    process = place.process()
    state = process.state()
    assert (state["running"], state["waiting"]) == (False, None)
    assert (state["healthy"], state["last_error"]) == (False, "no process drains the journal")
    assert process._chains is not None
    process._chains.hold()
    state = process.state()
    assert (state["running"], state["waiting"], state["healthy"]) == (True, None, True)


async def test_records_wait_while_the_database_is_away_and_are_stored_once_when_it_is_back(
    place: Place,
) -> None:
    keeper = place.process()
    place.database.away = True
    for number in range(2000):
        keeper.journal.closed(record(str(number), ended=1000.0 + number))
    for _ in range(6):
        assert not await keeper.drain()
    state = keeper.state()
    assert (state["healthy"], state["last_error"]) == (False, "the database is away")
    assert (state["waiting"], state["oldest"]) == (2000, 1000.0)
    place.database.away = False
    assert await keeper.drain()
    assert sorted(map(int, place.database.rows)) == list(range(2000))
    assert place.database.repeated == 0
    state = keeper.state()
    assert (state["healthy"], state["waiting"], state["stored"]) == (True, 0, 2000)


async def test_a_start_stores_what_was_left_before_anybody_reads_the_database(place: Place) -> None:
    first = place.process()
    first.journal.closed(record("a"))
    first.journal.opened(record("running"))
    kill(first)
    second, other = place.process(keeps=False), place.process(keeps=False)
    await second.recover()
    assert list(place.database.rows) == ["a", "running"]
    await other.recover()  # nobody else is the reader, and nothing is left
    assert place.database.repeated == 0
    keeper = place.process()
    assert await keeper.drain()
    third = place.process()
    recovering = asyncio.create_task(third.recover())
    await asyncio.sleep(0.1)
    assert not recovering.done()  # the keeper is the reader, and may not have looked since
    assert await keeper.drain()
    assert await recovering
    assert not third._reads


async def test_a_start_goes_on_without_a_folder(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken() -> bool:
        raise OSError(13, "Permission denied")

    process = place.process()
    with monkeypatch.context() as patched:
        patched.setattr(process._chains, "hold", broken)
        await process.recover()
    assert await process.drain()


async def test_a_start_does_not_wait_for_a_database_that_is_away(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journaling, "_RECOVERY", 0.01)
    first = place.process()
    first.journal.closed(record("a"))
    kill(first)
    back = asyncio.Event()

    async def slow(records: Sequence[UsageRecord]) -> int:
        await back.wait()
        return await Database.keep(place.database, records)

    monkeypatch.setattr(place.database, "keep", slow)
    second = place.process()
    await second.recover()
    assert place.database.rows == {}
    back.set()
    async with second._lock:
        pass
    assert await second.drain()
    assert list(place.database.rows) == ["a"]


async def test_a_chain_stays_until_the_database_has_its_cut_exchanges(place: Place) -> None:
    keeper, worker = place.process(), place.process(keeps=False)
    worker.journal.opened(record("running"))
    kill(worker)
    place.database.away = True
    assert not await keeper.drain()
    assert len(list(place.folder.glob("*.journal"))) == 2
    place.database.away = False
    assert await keeper.drain()
    assert list(place.database.rows) == ["running"]


async def test_two_servers_that_share_a_folder_store_everything_once(place: Place) -> None:
    first, second = place.process(), place.process()
    for number in range(50):
        first.journal.closed(record(f"first {number}"))
        second.journal.closed(record(f"second {number}"))
        await asyncio.gather(first.drain(), second.drain())
    assert len(place.database.rows) == 100
    assert place.database.repeated == 0
    reader, other = (first, second) if first._reads else (second, first)
    await reader.close()
    other.journal.closed(record("more"))
    assert await other.drain()
    assert len(place.database.rows) == 101


async def test_while_the_journal_cannot_be_written_records_go_from_memory_into_the_database(
    place: Place,
) -> None:
    keeper, worker = place.process(), place.process(keeps=False)
    assert isinstance(worker.journal, FileJournal)
    worker.journal.opened(record("a"))
    worker.journal._fail("the disk is full")
    worker.journal.closed(record("a"))
    worker.journal.closed(record("b"))
    assert worker.state()["healthy"] is False
    await worker.drain()
    assert list(place.database.rows) == ["a", "b"]
    worker.journal.tend()
    assert worker.journal.state()["healthy"]
    kill(worker)
    assert await keeper.drain()
    assert (list(place.database.rows), keeper.cut, place.database.repeated) == (["a", "b"], 0, 0)


async def test_operators_are_told_when_records_wait_too_long(place: Place) -> None:
    keeper = place.process()
    place.database.away = True
    keeper.journal.closed(record("a"))
    await keeper.drain()
    keeper._warn()
    place.seconds += ALERT_AFTER - 1
    keeper._warn()
    assert place.told == []
    place.seconds += 1
    keeper._warn()
    (event,) = place.told
    assert event == Event("usage_waiting", "", "usage waits to be stored: the database is away")
    keeper._warn()
    assert len(place.told) == 1
    place.database.away = False
    await keeper.drain()
    keeper._warn()
    assert keeper._since is None


async def test_a_gateway_that_closes_stores_what_waits(place: Place) -> None:
    keeper = place.process()
    sections: dict[str, Callable[[], Any]] = {}
    keeper.begin(sections, keeps=True, alert=place.told.append)
    assert sections["journal"]()["kind"] == "files"
    keeper.journal.opened(record("a"))
    keeper.journal.closed(record("a"))
    await keeper.close()
    assert list(place.database.rows) == ["a"]
    assert [path.name for path in place.folder.iterdir()] == ["reader"]
    assert told(place.folder) is not None
    state = keeper.state()
    assert state["last_error"] == "the journal is closed"


async def test_what_a_closing_gateway_cannot_store_is_stored_by_the_next_one(place: Place) -> None:
    first = place.process()
    place.database.away = True
    first.journal.closed(record("a"))
    first.journal.opened(record("running"))
    await first.close()
    place.database.away = False
    second = place.process()
    assert await second.drain()
    assert list(place.database.rows) == ["a", "running"]
    assert place.database.rows["running"].cut


async def test_the_tasks_drain_by_themselves(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(journaling, "_PAUSES", (0.01, 0.02))
    monkeypatch.setattr(journaling, "_TICK", 0.01)
    keeper = place.process()
    place.database.away = True
    keeper.begin({}, keeps=True, alert=place.told.append)
    keeper.begin({}, keeps=True, alert=place.told.append)
    keeper.journal.closed(record("a"))
    async with asyncio.timeout(60):
        while keeper.last_error is None:  # noqa: ASYNC110 - nobody says so
            await asyncio.sleep(0.01)
        place.database.away = False
        while not place.database.rows:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
    await keeper.close()


async def test_a_caller_that_is_cancelled_does_not_stop_the_draining(place: Place) -> None:
    keeper = place.process()
    keeper.journal.closed(record("a"))
    caller = asyncio.ensure_future(keeper.drain())
    await asyncio.sleep(0)
    caller.cancel()
    await asyncio.wait([caller])
    assert caller.cancelled()
    assert await keeper.drain()
    assert (list(place.database.rows), place.database.repeated) == (["a"], 0)


async def test_a_hundred_thousand_records(place: Place) -> None:
    keeper = place.process()
    for number in range(100_000):
        keeper.journal.closed(record(str(number)))
    assert await keeper.drain()
    assert len(place.database.rows) == keeper.stored == 100_000
    assert place.database.repeated == 0
    await keeper.drain()
    assert len(list(place.folder.glob("*.journal"))) == 1


async def test_clocks_that_jump_change_nothing(place: Place) -> None:
    wall = [1e9]
    seams = Seams(now=lambda: wall[0], monotonic=lambda: 0.0)
    made = Journaling(place.database, FileJournal(place.folder, seams, size=SIZE), place.folder, seams)
    made._keeps = True
    place.made.append(made)
    for number, jump in enumerate([0.0, 30.0, -60.0, 30.0]):
        wall[0] += jump
        made.journal.closed(record(str(number), ended=wall[0]))
        await made.drain()
    assert list(place.database.rows) == ["0", "1", "2", "3"]
    assert place.database.repeated == 0


async def test_a_folder_that_cannot_be_read_is_told_and_tried_again(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    keeper = place.process()
    keeper.journal.closed(record("a"))
    assert keeper._chains is not None

    def broken() -> Any:
        raise OSError(5, "Input/output error")

    with monkeypatch.context() as patched:
        patched.setattr(keeper._chains, "look", broken)
        assert not await keeper.drain()
        assert keeper.state()["last_error"] == "the journal cannot be read: [Errno 5] Input/output error"
    assert await keeper.drain()
    assert list(place.database.rows) == ["a"]


async def test_metrics_of_the_journal(place: Place) -> None:
    keeper, worker = place.process(), place.process(keeps=False, backlog=Backlog(most=0))
    keeper.journal.closed(record("a"))
    await keeper.drain()
    assert isinstance(worker.journal, FileJournal)
    worker.journal._fail("full")
    worker.journal.closed(record("b"))
    values = {(one.family.name, *one.labels): one.value for one in worker.samples()}
    assert values["dragoman_journal_healthy",] == 0
    assert values["dragoman_journal_waiting_records",] == 0
    assert values["dragoman_journal_records_total", "stored"] == 1
    assert values["dragoman_journal_records_total", "cut"] == 0
    assert values["dragoman_journal_bytes",] > 4000
    assert [one.value for one in worker.own_samples()] == [1]


async def test_a_journal_in_memory(tmp_path: Path) -> None:
    database = Database()
    made = Journaling(database, MemoryJournal(), None, SYSTEM)
    database.away = True
    made.journal.closed(record("a"))
    assert not await made.drain()
    state = made.state()
    assert (state["kind"], state["waiting"], state["last_error"]) == ("memory", 1, "the database is away")
    assert {one.value for one in made.samples()} == {0, 1}
    database.away = False
    assert await made.drain()
    made.journal.closed(record("b"))
    await made.close()
    assert list(database.rows) == ["a", "b"]


def settings(tmp_path: Path, **stores: Any) -> Any:
    return load({"stores": stores}, {"DRAGOMAN_HOME": str(tmp_path / "home")})


def test_where_the_journal_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folder_of(settings(tmp_path)) is None
    assert folder_of(settings(tmp_path, sql="memory")) is None
    assert folder_of(settings(tmp_path, sql="sqlite")) == tmp_path / "home" / "journal"
    assert folder_of(settings(tmp_path, sql="sqlite", journal="memory")) is None
    stated = folder_of(settings(tmp_path, sql="sqlite", journal=str(tmp_path / "a" / "b")))
    assert stated == tmp_path / "a" / "b"
    assert stated.stat().st_mode & 0o777 == 0o700
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(ConfigError, match=r"stores\.journal: cannot be used"):
        folder_of(settings(tmp_path, journal=str(file)))
    with pytest.raises(ConfigError, match=r"stores\.journal: cannot be used"):
        folder_of(settings(tmp_path, journal="~nobody-has-this-name/journal"))
    (tmp_path / "home" / "journal").rmdir()
    (tmp_path / "home" / "journal").touch()
    assert folder_of(settings(tmp_path, sql="sqlite")) is None
    monkeypatch.setattr(journaling, "lockable", lambda: False)
    assert folder_of(settings(tmp_path, sql="sqlite")) is None
    with pytest.raises(ConfigError, match="no locks on open files"):
        folder_of(settings(tmp_path, journal=str(tmp_path / "a")))


async def test_the_journal_that_the_settings_want(tmp_path: Path) -> None:
    keeps_none: Any = SimpleNamespace(usage=None)
    store: Any = SimpleNamespace(usage=Database())
    assert journaling_of(settings(tmp_path), keeps_none, SYSTEM) is None
    in_memory = journaling_of(settings(tmp_path), store, SYSTEM)
    assert in_memory is not None
    assert isinstance(in_memory.journal, MemoryJournal)
    loaded = settings(tmp_path, sql="sqlite", when_lost="closed", journal_size="40MB")
    made = journaling_of(loaded, store, SYSTEM)
    assert made is not None
    assert isinstance(made.journal, FileJournal)
    assert (made.journal._refuse, made.journal._segment) == (True, 5_000_000)
    await made.close()


_SERVER = """
import asyncio, os, sqlite3, sys
from pathlib import Path
from dragoman.accounts.segments import FileJournal
from dragoman.assembly import journaling
from dragoman.assembly.journaling import Journaling
from dragoman.seams.clock import SYSTEM
from dragoman.state.usage import UsageRecord

folder, name, number = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
journaling._PAUSES = 0.01, 0.1
rows = sqlite3.connect(folder.parent / "rows.db", isolation_level=None, timeout=60)

class Database:
    async def keep(self, records):
        rows.execute("begin immediate")
        new = sum(
            rows.execute("insert or ignore into usage values (?, ?)", (one.id, one.cut)).rowcount
            for one in records
        )
        await asyncio.sleep(0)
        rows.execute("commit")
        return new

async def run():
    journal = FileJournal(folder, SYSTEM, size=40_000_000)
    made = Journaling(Database(), journal, folder, SYSTEM)
    made.begin({}, keeps=True, alert=lambda event: None)
    for count in range(number):
        one = UsageRecord(id=f"{name}.{count}", created=1.0, ended=2.0)
        journal.opened(one)
        os.write(1, f"opened {one.id}\\n".encode())
        await asyncio.sleep(0)
        journal.closed(one)
        os.write(1, f"closed {one.id}\\n".encode())
        if count % 20 == 0:
            await asyncio.sleep(0.002)
    await made.close()

asyncio.run(run())
"""


def test_servers_that_are_killed_lose_and_double_nothing(tmp_path: Path) -> None:
    """Pairs of real processes that share a folder; one of each pair is killed, the reader or the other."""
    import sqlite3

    rows = sqlite3.connect(tmp_path / "rows.db")
    rows.execute("pragma journal_mode = wal")
    rows.execute("create table usage (id text primary key, cut integer)")
    rows.commit()
    folder = tmp_path / "journal"
    folder.mkdir()

    def serve(name: str, number: int) -> subprocess.Popen[str]:
        command = [sys.executable, "-c", _SERVER, str(folder), name, str(number)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)

    said: list[str] = []
    for turn in range(3):
        doomed, spared = serve(f"doomed{turn}", 1_000_000), serve(f"spared{turn}", 400)
        assert doomed.stdout is not None
        lines = [doomed.stdout.readline() for _ in range(200 + 300 * turn)]
        os.kill(doomed.pid, signal.SIGKILL)
        said += [*lines, *doomed.stdout.read().splitlines()]
        doomed.wait(60)
        doomed.stdout.close()
        said += spared.communicate(timeout=60)[0].splitlines()
        assert spared.returncode == 0
    last = serve("last", 0)
    assert last.communicate(timeout=60)[0] == ""
    assert last.returncode == 0
    closed = {line.split()[1] for line in said if line.startswith("closed")}
    stored = dict(rows.execute("select id, cut from usage"))
    rows.close()
    opened = {line.split()[1] for line in said if line.startswith("opened")}
    assert closed - stored.keys() == set()
    assert {id_ for id_ in closed if stored[id_]} == set()
    assert sum(id_.startswith("spared") for id_ in stored) == 3 * 400
    assert opened - stored.keys() == set()
    assert len(stored.keys() - closed) <= 3  # what a killed process could not say any more
    assert not list(folder.glob("*-*"))
