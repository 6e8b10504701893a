"""What a process that has ended has left for the ledger in its journal."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from dragoman.accounts.entries import CLOSED, OPENED, entry_of
from dragoman.accounts.left import records, unreported
from dragoman.accounts.segments import FileJournal
from dragoman.seams.clock import SYSTEM
from tests.unit.accounts.test_chains import SIZE, kill, record

USED = (("k", 3),)


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[FileJournal]:
    made = FileJournal(tmp_path, SYSTEM, size=SIZE)
    yield made
    if made._descriptor >= 0:
        kill(made)


def segments(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.journal"))


def told(folder: Path) -> list[list[tuple[str, bool]]]:
    """The ids of the records of each segment, and of those that were cut; each with `cut`."""
    return [[(one.id, one.cut) for one in portion] for portion in records(segments(folder))]


def test_all_records_that_charge_a_limit(tmp_path: Path, journal: FileJournal) -> None:
    for id_ in ("long", "a", "by memory"):
        journal.opened(record(id_, settled=USED))
    journal.closed(record("a", settled=(("k", 2),)))
    journal.closed(record("free"))
    journal.opened(record("open and free"))
    journal._fail("the disk is full")
    journal.closed(record("by memory", settled=USED))
    journal.stored(["by memory"])
    journal.tend()
    journal.closed(record("b", settled=USED))
    journal._write(entry_of(CLOSED, b"\x93not a record"))
    journal._write(entry_of(OPENED, b"\xa1x"))
    assert told(tmp_path) == [[("a", False)], [("b", False)], [("long", True)]]
    segments(tmp_path)[0].unlink()
    assert told(tmp_path) == [[("b", False)], [("long", True)]]
    assert [len(part) for part in records([tmp_path / "gone", *segments(tmp_path)])] == [1, 1]


def test_the_latest_report_counts(tmp_path: Path, journal: FileJournal) -> None:
    assert unreported(segments(tmp_path)[-1]) == b""
    journal.unreported(b"one")
    journal.unreported(b"two")
    size = journal._size
    journal.unreported(b"two")
    assert journal._size == size
    journal.closed(record("a", settled=USED))
    assert unreported(segments(tmp_path)[-1]) == b"two"
    journal._renew()
    assert [unreported(one) for one in segments(tmp_path)] == [b"two", b"two"]
    journal.unreported(b"")
    assert unreported(segments(tmp_path)[-1]) == b""
    journal._renew()
    assert b"two" not in segments(tmp_path)[-1].read_bytes()


def test_a_report_that_could_not_be_written_comes_with_the_next_segment(
    tmp_path: Path, journal: FileJournal
) -> None:
    journal._fail("the disk is full")
    journal.unreported(b"late")
    assert unreported(segments(tmp_path)[-1]) == b""
    journal.close()
    assert unreported(segments(tmp_path)[-1]) == b"late"
