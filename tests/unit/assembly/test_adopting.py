"""What ended processes have left in their journals goes to the ledger, whatever the database does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterable, Iterator, Sequence

import pytest

from dragoman.accounts.journal import MemoryJournal
from dragoman.accounts.left import unreported
from dragoman.accounts.segments import FileJournal
from dragoman.assembly import journaling
from dragoman.assembly.adopting import Adopting
from dragoman.assembly.journaling import Journaling
from dragoman.seams.clock import SYSTEM
from dragoman.state.usage import UsageRecord
from tests.unit.assembly.test_journaling import NEVER, Database, Place, eventually, kill, place, record

__all__ = ["place"]


def _mark(process: Journaling) -> str:
    assert isinstance(process.journal, FileJournal)
    return process.journal.mark


class Counts:
    """A ledger. adopted: of ended processes, the mark, the report, and the ids of the records in the journal
    with whether they were cut. holds: until it is set, nobody is adopted. left: what it could not report.
    """

    def __init__(self) -> None:
        self.adoptions: list[tuple[str, bytes, list[tuple[str, bool]]]] = []
        self.holds = asyncio.Event()
        self.holds.set()
        self.left = b""
        self.patience: list[float] = []

    async def adopted(
        self, process: str, report: bytes, records: AsyncIterable[Sequence[UsageRecord]]
    ) -> int | None:
        await self.holds.wait()
        found = [(one.id, one.cut) async for portion in records for one in portion]
        self.adoptions.append((process, report, found))
        return len(found)

    def unreported(self) -> bytes:
        return self.left

    async def leave(self, patience: float) -> None:
        self.patience.append(patience)


LIMITED = (("k", 3),)
"""What a record has charged to limits."""


async def until_adopted(process: Journaling) -> None:
    """Wait until what ended processes have left was passed on, and delete their journals."""
    assert await process.drain()
    await process.adopting.wait(NEVER)
    assert await process.drain()


async def test_a_killed_process_is_adopted_and_limits_are_told(place: Place) -> None:
    keeper, worker = place.process(), place.process(keeps=False)
    counts = keeper.adopting.ledger = Counts()
    worker.journal.closed(record("without limits"))
    worker.journal.closed(record("before", settled=LIMITED))
    await keeper.drain()
    worker.journal.closed(record("last", settled=LIMITED))
    worker.journal.opened(record("running", units={"input": 7}, settled=LIMITED))
    kill(worker)
    await until_adopted(keeper)
    # One that the database has already may not be reported: the process was killed a moment later.
    told = [("before", False), ("last", False), ("running", True)]
    assert counts.adoptions == [(_mark(worker), b"", told)]
    cut = place.database.rows["running"]
    assert (cut.cut, cut.end, cut.units, cut.settled) == (True, "gateway/killed", {"input": 7}, (("k", 3),))
    assert (keeper.stored, keeper.adopted, keeper.cut) == (4, 1, 1)
    assert isinstance(keeper.journal, FileJournal)
    left = [path.name for path in place.folder.glob("*.journal")]
    assert left == [f"{keeper.journal.mark}-00000001.journal"]


async def test_a_ledger_that_fails_keeps_no_journal(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    keeper, worker = place.process(), place.process(keeps=False)
    counts = keeper.adopting.ledger = Counts()
    counts.holds = None  # type: ignore[assignment]
    kill(worker)
    await until_adopted(keeper)
    assert "could not be charged" in caplog.text
    assert len(list(place.folder.glob("*.journal"))) == 1


async def test_a_chain_stays_until_limits_are_charged_and_they_are_charged_by_another_keeper(
    place: Place,
) -> None:
    """With all of its segments, also those that the database has."""
    keeper, worker = place.process(), place.process(keeps=False)
    assert isinstance(worker.journal, FileJournal)
    counts = keeper.adopting.ledger = Counts()
    counts.holds.clear()
    worker.journal.closed(record("first", settled=LIMITED))
    worker.journal._renew()
    worker.journal.closed(record("last", settled=LIMITED))
    worker.journal.opened(record("running", settled=LIMITED))
    kill(worker)
    assert await keeper.drain()
    assert await keeper.drain()
    assert (list(place.database.rows), counts.adoptions) == (["first", "last", "running"], [])
    assert len(list(place.folder.glob("*.journal"))) == 3
    await keeper.close()
    second = place.process()
    second.adopting.ledger = counts
    counts.holds.set()
    await until_adopted(second)
    told = [("first", False), ("last", False), ("running", True)]
    assert counts.adoptions == [(_mark(worker), b"", told)]
    assert (second.stored, place.database.repeated) == (0, 1)  # the one that was cut
    assert [path.name for path in place.folder.glob("*.journal")] == [f"{_mark(second)}-00000001.journal"]


async def test_limits_do_not_wait_for_the_database(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither while it fails nor while it does not answer."""
    monkeypatch.setattr(journaling, "_PAUSES", (0.01, 60.0))
    keeper = place.process()
    counts = keeper.adopting.ledger = Counts()
    first, second = place.process(keeps=False), place.process(keeps=False)
    keeper.begin({}, keeps=True, alert=place.told.append)
    place.database.away = True
    keeper.journal.closed(record("a"))
    await eventually(lambda: keeper.last_error is not None)
    kill(first)
    await eventually(lambda: [mark for mark, _, _ in counts.adoptions] == [_mark(first)])
    hangs = asyncio.Event()

    async def slow(records: Sequence[UsageRecord]) -> int:
        await hangs.wait()
        return await Database.keep(place.database, records)

    monkeypatch.setattr(place.database, "keep", slow)
    draining = asyncio.create_task(keeper.drain())
    await eventually(keeper._lock.locked)
    keeper.last_error = None
    second.journal.closed(record("last"))
    kill(second)
    await eventually(lambda: [mark for mark, _, _ in counts.adoptions] == [_mark(first), _mark(second)])
    place.database.away = False
    hangs.set()
    await draining
    assert await keeper.drain()
    assert sorted(place.database.rows) == ["a", "last"]


async def test_what_a_ledger_could_not_report_is_passed_on(place: Place) -> None:
    """Of a process that was killed, and of one that has ended in good order."""
    keeper, killed, ended = place.process(), place.process(keeps=False), place.process(keeps=False)
    counts = keeper.adopting.ledger = Counts()
    for worker in (killed, ended):
        worker.adopting.ledger = Counts()
        worker.adopting.ledger.left = b"at first"
        worker.adopting.note(worker.journal)
        worker.journal.closed(record(f"of {_mark(worker)}", settled=LIMITED))
    assert isinstance(ended.adopting.ledger, Counts)
    ended.adopting.ledger.left = b"at last"
    kill(killed)
    await ended.close()
    assert ended.adopting.ledger.patience == [5.0]
    await until_adopted(keeper)
    assert sorted(counts.adoptions) == sorted(
        (_mark(one), report, [(f"of {_mark(one)}", False)])
        for one, report in ((killed, b"at first"), (ended, b"at last"))
    )
    assert (keeper.adopted, len(list(place.folder.glob("*.journal")))) == (1, 1)


async def test_a_large_report_is_written_less_often(place: Place) -> None:
    worker = place.process()
    counts = worker.adopting.ledger = Counts()
    (segment,) = place.folder.glob("*.journal")
    noted = []
    for number in range(4):
        place.seconds = 10.0 * number
        counts.left = bytes([number]) * 300_000
        worker.adopting.note(worker.journal)
        noted.append(unreported(segment)[0])
    assert noted == [0, 0, 2, 2]
    counts.left = b""
    place.seconds = 40.0
    worker.adopting.note(worker.journal)
    assert unreported(segment) == b""


async def test_a_journal_in_memory_keeps_no_report() -> None:
    made = Journaling(Database(), MemoryJournal(), None, SYSTEM)
    counts = made.adopting.ledger = Counts()
    counts.left = b"lost"
    await made.close()
    assert counts.patience == [5.0]


async def test_a_killed_process_without_running_requests_is_over_too(place: Place) -> None:
    """Else the places and the rests of limits that it held would stay taken."""
    keeper, worker = place.process(), place.process(keeps=False)
    counts = keeper.adopting.ledger = Counts()
    worker.journal.opened(record("a"))
    worker.journal.closed(record("a"))
    await keeper.drain()
    kill(worker)
    await until_adopted(keeper)
    assert counts.adoptions == [(_mark(worker), b"", [])]


async def test_a_process_that_ends_in_good_order_charges_nobody(place: Place) -> None:
    keeper, worker = place.process(), place.process(keeps=False)
    counts = keeper.adopting.ledger = Counts()
    worker.journal.opened(record("a"))
    worker.journal.closed(record("a"))
    await worker.close()
    await until_adopted(keeper)
    assert list(place.database.rows) == ["a"]
    assert counts.adoptions == []


class Left:
    """What an ended process has left, as one of several chains of the same journal."""

    def __init__(self) -> None:
        self.mark, self.charged, self.report = "a-mark", False, b""

    def to_charge(self) -> Iterator[list[UsageRecord]]:
        return iter(())


@pytest.mark.parametrize("ledger", ["answers", "was closed"])
async def test_a_journal_that_comes_again_is_charged_or_asked_for_again(ledger: str) -> None:
    adopting, counts = Adopting(SYSTEM), Counts()
    adopting.ledger = counts
    if ledger == "was closed":
        adopting.ledger = Closed()
    first, again = Left(), Left()
    adopting.begin([first])  # type: ignore[list-item]
    assert await adopting.wait(5)
    adopting.ledger = counts
    adopting.begin([again])  # type: ignore[list-item]
    await adopting.wait(5)
    assert (len(counts.adoptions), again.charged) == (1, True)


class Closed(Counts):
    async def adopted(self, *_: object) -> int | None:
        return None
