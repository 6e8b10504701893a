"""A process reads the journals of others only while it is the reader."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from dragoman.accounts.segments import FileJournal
from dragoman.assembly import journaling
from dragoman.state.usage import UsageRecord
from tests.unit.assembly.test_journaling import Database, Place, eventually, kill, place, record

__all__ = ["place"]


async def test_who_gives_up_the_lock_looks_at_no_journal_afterwards(place: Place) -> None:
    """As the task that watches for processes that end, when it waits for the files meanwhile."""
    one = place.process()
    assert await one.drain()
    one._keeps = False
    assert one._chains is not None
    async with one._files:
        releasing = asyncio.create_task(one._release(one._chains))
        await asyncio.sleep(0)
        looking = asyncio.create_task(one._look())
        await asyncio.sleep(0)
    await releasing
    with pytest.raises(journaling._NotReader):
        await looking
    assert one._chains.chains == {}


async def test_a_draining_that_outlives_its_process_reads_no_further(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journaling, "_FAREWELL", 0.05)
    killed = place.process(keeps=False)
    assert isinstance(killed.journal, FileJournal)
    killed.journal.closed(record("a"))
    kill(killed)
    back, kept = asyncio.Event(), asyncio.Event()

    async def slow(records: Sequence[UsageRecord]) -> int:
        await back.wait()
        try:
            return await Database.keep(place.database, records)
        finally:
            kept.set()

    monkeypatch.setattr(place.database, "keep", slow)
    first, second = place.process(), place.process()
    draining = asyncio.create_task(first.drain())
    await eventually(lambda: first._lock.locked() and first._reads)
    await first.close()
    assert second._chains is not None
    assert second._chains.hold(), "the lock is free"
    second._chains.close()
    back.set()
    assert await draining is False
    assert kept.is_set()
    assert not await first.drain()
    assert second._chains.hold(), "it was not taken again"
    assert list(place.folder.glob(f"{killed.journal.mark}*")), "and the journal waits for the next reader"
