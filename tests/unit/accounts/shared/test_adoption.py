"""What ended processes have used is charged once, one process after another; what they held is released."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from functools import partial

import pytest

from dragoman.accounts.limits import Standing
from dragoman.accounts.shared import adoption as adoption_module
from dragoman.accounts.shared.adoption import Adoption
from dragoman.accounts.shared.ledger import SharedLedger
from dragoman.accounts.shared.link import Link, LinkFailed
from dragoman.state.usage import UsageRecord
from tests.unit.accounts.shared.world import claim, eventually, granted, world
from tests.valkey_server import ValkeyServer


def _record(id: str, used: int) -> UsageRecord:
    return UsageRecord(id=id, created=0, ended=900.0, settled=(("a/all", used),), cut=True)


def _has_reported(ledger: SharedLedger) -> bool:
    return not ledger._blocks.changed


async def _each(*portions: Sequence[UsageRecord]) -> AsyncIterator[Sequence[UsageRecord]]:
    for portion in portions:
        yield portion


async def test_what_a_process_held_is_released_with_the_last_of_several_messages(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(adoption_module, "_PORTION", 2)
    async with world(valkey) as all_of:
        one, two, other = (all_of.ledger(lease=600.0) for _ in range(3))
        await granted(other, claim("b", 10))
        for dying in (one, two):
            await granted(dying, claim("a", 10, 5))
            await eventually(partial(_has_reported, dying))
            await all_of.crash(dying)
        adoption = Adoption(other._reach, time.time)
        for number in (0, 1):
            name = f"process {number}"
            records = [_record(f"{number} {n}", 1) for n in range(3)]
            assert await adoption.adopt(name, b"", _each(records, [])) == 3
        assert (await other.standings())["a/all"] == Standing(6, 0)
        await granted(other, claim("a", 10, 4))


async def test_it_waits_for_the_store_until_it_is_closed() -> None:
    tried = 0

    async def reach() -> Link:
        nonlocal tried
        tried += 1
        raise LinkFailed("away")

    adoption = Adoption(reach, time.time)
    adopting = asyncio.create_task(adoption.adopt("process 0", b"", _each([_record("a", 1)])))
    await eventually(lambda: tried > 1)
    assert not adopting.done()
    adoption.close()
    assert await adopting is None
