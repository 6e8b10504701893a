"""The processes of a server that start together after a crash."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from dragoman.assembly import journaling
from dragoman.state.usage import UsageRecord
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
