"""The writer of the journal: what it writes can be read, and a disk that fails loses nothing."""

from __future__ import annotations

import errno
import os
import resource
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.accounts import segments
from dragoman.accounts.chains import Chains
from dragoman.accounts.entries import CLOSED, HEAD, OPENED, read
from dragoman.accounts.journal import Backlog, JournalFailed
from dragoman.accounts.segments import FileJournal, lock, size_of
from dragoman.seams.clock import SYSTEM, Seams
from dragoman.state.usage import UsageRecord

SIZE = 4_000_000


def record(id_: str, **more: Any) -> UsageRecord:
    return UsageRecord(**{"id": id_, "created": 1.0, "ended": 2.0, **more})


@pytest.fixture
def journals() -> Iterator[list[FileJournal]]:
    made: list[FileJournal] = []
    yield made
    for journal in made:
        journal.close()


@pytest.fixture
def journal(tmp_path: Path, journals: list[FileJournal]) -> FileJournal:
    journals.append(made := FileJournal(tmp_path / "journal", SYSTEM, size=SIZE))
    return made


def written(folder: Path) -> list[tuple[int, str]]:
    """All entries in a folder: their kinds and the ids in them."""
    decode = msgspec.msgpack.Decoder(UsageRecord).decode
    return [
        (entry.kind, decode(entry.body).id if entry.kind in {OPENED, CLOSED} else entry.body.decode())
        for path in sorted(folder.glob("*.journal"))
        for entry in read(path.read_bytes()[HEAD:], final=True).entries
    ]


class Disk:
    """Stands before os.write: `room` bytes are left, None = enough."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.room: int | None = None
        self._write = os.write
        monkeypatch.setattr(os, "write", self.write)

    def write(self, descriptor: int, data: bytes) -> int:
        if self.room is None:
            return self._write(descriptor, data)
        if not self.room:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        number = self._write(descriptor, bytes(data)[: self.room])
        self.room -= number
        return number


def test_open_and_closed_records_are_in_the_file_when_the_call_returns(journal: FileJournal) -> None:
    journal.opened(record("a", cut=True))
    journal.closed(record("a"))
    (path,) = (journal._folder).glob("*.journal")
    assert written(path.parent) == [(OPENED, "a"), (CLOSED, "a")]
    assert path.name == f"{journal.mark}-00000001.journal"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700


def test_the_newest_segment_is_locked_as_long_as_the_process_writes(journal: FileJournal) -> None:
    def locked() -> list[bool]:
        states = []
        for path in sorted(journal._folder.glob("*.journal")):
            with path.open("rb") as file:
                states.append(not lock(file.fileno()))
        return states

    assert locked() == [True]
    journal._renew()
    assert locked()[-1]
    journal.close()
    assert locked() == [False, False]


def test_a_full_segment_is_followed_by_one_that_begins_with_the_open_exchanges(journal: FileJournal) -> None:
    journal.opened(record("long", face="x" * 1000))
    while len(list(journal._folder.glob("*.journal"))) == 1:
        journal.closed(record("short", face="x" * 1000))
    first, second = sorted(journal._folder.glob("*.journal"))
    assert first.stat().st_size >= SIZE // 4
    found = read(second.read_bytes()[HEAD:], final=True).entries
    assert [entry.kind for entry in found] == [OPENED]
    journal.closed(record("long"))
    journal._renew()
    third = max(journal._folder.glob("*.journal"))
    assert third.stat().st_size == HEAD


def test_an_old_segment_is_followed_unless_it_is_empty(tmp_path: Path, journals: list[FileJournal]) -> None:
    now = [0.0]
    journals.append(made := FileJournal(tmp_path, Seams(monotonic=lambda: now[0]), size=SIZE))
    now[0] = segments.AGE
    made.tend()
    assert len(list(tmp_path.glob("*.journal"))) == 1
    made.closed(record("a"))
    made.tend()
    assert len(list(tmp_path.glob("*.journal"))) == 2
    made.tend()
    assert len(list(tmp_path.glob("*.journal"))) == 2


def test_a_full_disk_lets_records_wait_and_they_are_written_when_there_is_room(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    journal.opened(record("a"))
    disk.room = 30  # half of an entry
    journal.closed(record("a"))
    journal.opened(record("b"))
    journal.opened(record("c"))
    journal.closed(record("b"))
    assert written(journal._folder) == [(OPENED, "a")]
    state = journal.state()
    assert (state["healthy"], state["in_memory"], state["lost"]) == (False, 2, 0)
    assert state["last_error"].startswith("No space left on device")
    journal.tend()
    assert journal.state()["in_memory"] == 2
    disk.room = None
    journal.tend()
    assert journal.state() == {
        "kind": "files",
        "healthy": True,
        "last_error": None,
        "in_memory": 0,
        "lost": 0,
    }
    assert written(journal._folder) == [(OPENED, "a"), (OPENED, "c"), (CLOSED, "a"), (CLOSED, "b")]
    assert not list(journal._folder.glob("*.new"))


def test_records_that_the_database_got_from_memory_are_noted_as_such(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    journal.opened(record("a"))
    disk.room = 0
    journal.closed(record("a"))
    journal.stored(["a", "unknown"])
    disk.room = None
    journal.tend()
    assert written(journal._folder)[-1] == (3, "a")


def test_there_is_a_bound_on_what_waits(
    tmp_path: Path, journals: list[FileJournal], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    disk.room = 0
    journals.append(made := FileJournal(tmp_path, SYSTEM, size=SIZE, backlog=Backlog(most=3)))
    for number in range(5):
        made.closed(record(str(number)))
    assert (made.state()["in_memory"], made.state()["lost"]) == (3, 2)
    disk.room = None
    made.tend()
    assert [id_ for _, id_ in written(tmp_path)] == ["0", "1", "2"]
    assert made.state()["healthy"] is False  # some were lost, and that stays visible


def test_an_operator_may_want_no_requests_that_cannot_be_noted(
    tmp_path: Path, journals: list[FileJournal], monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = Disk(monkeypatch)
    journals.append(made := FileJournal(tmp_path, SYSTEM, size=SIZE, refuse=True))
    made.opened(record("a"))
    disk.room = 0
    for _ in range(2):
        with pytest.raises(JournalFailed, match="No space left"):
            made.opened(record("b"))
    made.closed(record("a"))
    disk.room = None
    made.tend()
    made.opened(record("c"))
    assert written(tmp_path) == [(OPENED, "a"), (CLOSED, "a"), (OPENED, "c")]


def test_the_folder_has_a_largest_size(tmp_path: Path, journals: list[FileJournal]) -> None:
    journals.append(made := FileJournal(tmp_path, SYSTEM, size=400_000))
    for number in range(1000):
        made.closed(record(str(number), face="x" * 1000))
    assert size_of(tmp_path) <= 500_000
    state = made.state()
    assert state["last_error"].startswith("the journal has reached stores.journal_size")
    assert state["in_memory"] + len(written(tmp_path)) == 1000
    min(tmp_path.glob("*.journal")).unlink()
    made.tend()
    assert made.state()["last_error"] is None


def test_a_reader_that_takes_a_new_segment_for_a_left_one_does_no_harm(
    tmp_path: Path, journals: list[FileJournal], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It locks and deletes the file between its making and its own process's lock."""
    locking = segments.lock

    def late(descriptor: int) -> bool:
        monkeypatch.setattr(segments, "lock", locking)
        Chains(tmp_path).look()
        return locking(descriptor)

    monkeypatch.setattr(segments, "lock", late)
    journals.append(FileJournal(tmp_path, SYSTEM, size=SIZE))
    journals[0].opened(record("a"))
    assert journals[0].state()["last_error"] is None
    assert len(list(tmp_path.glob(f"*{segments.SUFFIX}"))) == 1


def test_a_folder_that_somebody_deletes_is_made_again(journal: FileJournal) -> None:
    journal.opened(record("a"))
    for path in journal._folder.iterdir():
        path.unlink()
    journal._folder.rmdir()
    journal.tend()
    journal.closed(record("a"))
    assert written(journal._folder) == [(OPENED, "a"), (CLOSED, "a")]


def test_a_sync_that_fails_begins_another_segment(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    monkeypatch.setattr(segments, "_to_disk", broken)
    journal.opened(record("a"))
    journal._syncing._sync()
    assert journal.state()["last_error"] == "not synced to the disk: Input/output error"
    monkeypatch.undo()
    journal.tend()
    assert journal.state()["last_error"] is None
    assert written(journal._folder) == [(OPENED, "a"), (OPENED, "a")]


def test_what_is_written_reaches_the_disk_without_being_asked_for(
    journal: FileJournal, monkeypatch: pytest.MonkeyPatch
) -> None:
    synced = threading.Event()
    monkeypatch.setattr(segments, "_to_disk", lambda _: synced.set())
    journal.closed(record("a"))
    assert synced.wait(60)


def test_a_record_that_cannot_be_written_down_stops_nothing(journal: FileJournal) -> None:
    journal.closed(record("odd", units={"tokens": 2**70}))
    journal.closed(record("a"))
    assert written(journal._folder) == [(CLOSED, "a")]
    assert journal.state()["lost"] == 1


def test_a_journal_that_was_closed_takes_nothing(journal: FileJournal) -> None:
    journal.opened(record("a"))
    journal.close()
    journal.closed(record("a"))
    assert journal.state()["in_memory"] == 1
    journal.tend()
    journal.close()
    assert journal.state()["last_error"] == "the journal is closed"
    assert len(list(journal._folder.iterdir())) == 1, "no segment begins any more"
    assert written(journal._folder) == [(OPENED, "a")]


def test_order_and_names_do_not_depend_on_a_clock(tmp_path: Path, journals: list[FileJournal]) -> None:
    wall, steady = [1e9], [5.0]
    seams = Seams(now=lambda: wall[0], monotonic=lambda: steady[0])
    journals.append(made := FileJournal(tmp_path, seams, size=SIZE))
    for number, jump in enumerate([0.0, 30.0, -60.0, 30.0]):
        wall[0] += jump
        made.closed(record(str(number), ended=wall[0]))
        made._renew()
    assert [id_ for _, id_ in written(tmp_path)] == ["0", "1", "2", "3"]


_LIMITED = """
import resource, sys
from pathlib import Path
from dragoman.accounts.segments import FileJournal
from dragoman.seams.clock import SYSTEM
from dragoman.state.usage import UsageRecord
journal = FileJournal(Path(sys.argv[1]), SYSTEM, size=40_000_000)
resource.setrlimit(resource.RLIMIT_FSIZE, (5_000, resource.RLIM_INFINITY))
failures = 0
for number in range(200):
    journal.closed(UsageRecord(id=str(number), created=1.0, ended=2.0, face="x" * 100))
    if journal.last_error:
        failures += 1
        assert journal.last_error.startswith("File too large"), journal.last_error
        journal.tend()
journal.close()
print(failures, journal.backlog.lost, len(journal.backlog.records))
"""


def test_a_real_limit_on_the_size_of_files(tmp_path: Path) -> None:
    assert resource.RLIMIT_FSIZE is not None
    ran = subprocess.run(
        [sys.executable, "-c", _LIMITED, str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    failures, lost, waiting = map(int, ran.stdout.split())
    assert failures > 3
    assert (lost, waiting) == (0, 0)
    found = [id_ for kind, id_ in written(tmp_path) if kind == CLOSED]
    assert sorted(map(int, found)) == list(range(200))
