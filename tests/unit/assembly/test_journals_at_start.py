"""The processes of a server that start together after a crash."""

from __future__ import annotations

import asyncio
import fcntl
from collections.abc import Sequence

import msgspec
import pytest

from dragoman.accounts.chains import READER, Chains
from dragoman.accounts.entries import CLOSED, OPENED, entry_of
from dragoman.accounts.segments import FileJournal
from dragoman.assembly import journaling
from dragoman.state.usage import UsageRecord
from tests.unit.assembly.test_adopting import Counts
from tests.unit.assembly.test_journaling import Database, Place, kill, place, record

__all__ = ["place"]


async def test_all_who_start_together_wait_until_what_was_left_is_stored(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of them then reads from the database how far limits are used."""
    monkeypatch.setattr(journaling, "_RECOVERY", 60.0)
    first = place.process()
    first.journal.closed(record("a"))
    first.journal.closed(record("b"))
    kill(first)
    back = asyncio.Event()

    async def slow(records: Sequence[UsageRecord]) -> int:
        await back.wait()
        return await Database.keep(place.database, records)

    monkeypatch.setattr(place.database, "keep", slow)
    started = [place.process(keeps=number == 0) for number in range(3)]
    seen: list[list[str]] = []

    async def start(process: journaling.Journaling) -> None:
        await process.recover()
        seen.append(list(place.database.rows))

    starting = asyncio.gather(*map(start, started))
    await asyncio.sleep(3 * journaling._LOOK)
    assert seen == []
    back.set()
    await starting
    assert seen == [["a", "b"]] * 3


async def test_what_a_killed_reader_has_stated_last_does_not_count(place: Place) -> None:
    """The next reader deletes it a moment after it has become the reader."""
    first = place.process()
    first.journal.closed(record("a"))
    assert await first.drain()
    assert first._chains is not None
    first._chains.close()
    first.journal.opened(record("cut"))
    kill(first)
    with (place.folder / READER).open("r+b") as other:
        fcntl.flock(other, fcntl.LOCK_EX)
        second = place.process(keeps=False)
        recovering = asyncio.create_task(second.recover())
        await asyncio.sleep(3 * journaling._LOOK)
        assert not recovering.done()
    assert await recovering
    assert list(place.database.rows) == ["a", "cut"]


async def test_a_start_deletes_the_chains_of_killed_processes_when_limits_are_charged(place: Place) -> None:
    first = place.process()
    first.journal.opened(record("cut"))
    kill(first)
    second = place.process(keeps=False)

    counts = second.adopting.ledger = Counts()
    counts.holds.clear()
    asyncio.get_running_loop().call_later(0.01, counts.holds.set)
    assert await second.recover()
    assert isinstance(second.journal, FileJournal)
    others = [path for path in place.folder.glob("*.journal") if second.journal.mark not in path.name]
    assert others == []


async def test_a_clock_that_is_set_delays_no_start(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The times of two processes are compared by a clock that nobody sets."""
    keeper, second = place.process(), place.process(keeps=False)
    assert await keeper.drain()
    ahead = msgspec.structs.replace(second._seams, now=lambda: keeper._seams.now() + 30_000)
    monkeypatch.setattr(second, "_seams", ahead)
    recovering = asyncio.create_task(second.recover())
    await asyncio.sleep(3 * journaling._LOOK)
    assert not recovering.done()
    assert await keeper.drain()
    assert await recovering
    assert not second._reads


DEEP = b"\xdc\xff\xff\xa1a" + b"\x91" * 5000
"""The body of a record with values that are nested too deeply."""


async def test_records_that_cannot_be_read_stop_no_start(place: Place) -> None:
    first = place.process()
    assert isinstance(first.journal, FileJournal)
    first.journal.closed(record("a"))
    first.journal._write(entry_of(CLOSED, DEEP))
    first.journal._write(entry_of(OPENED, DEEP))
    first.journal._write(b"\xff\xfeJ\x01 is torn")
    kill(first)
    (place.folder / READER).write_bytes(b"[" * 4000)
    second = place.process()
    second.adopting.ledger = Counts()
    assert await second.recover()
    assert list(place.database.rows) == ["a"]
    assert (second.damaged, second.torn > 0) == (2, True)
    assert [path.name for path in place.folder.glob("*.damaged")] == [
        f"{first.journal.mark}-00000001.journal.damaged"
    ]
    assert await second.drain()
    assert second.state()["damaged"] == 2


async def test_no_failure_of_the_journal_stops_a_start(
    place: Place, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    kill(place.process())
    look = Chains.look

    def fail(self: Chains) -> None:
        raise KeyError("a mistake of ours")

    monkeypatch.setattr(Chains, "look", fail)
    second = place.process()
    assert not await second.recover()
    assert "a mistake of ours" in caplog.text
    monkeypatch.setattr(Chains, "look", look)
    assert await second.recover()
