"""The numbers that refusals and headers tell of a shared limit, while not everything is reported."""

from __future__ import annotations

import asyncio
import time

import msgspec
import pytest

from dragoman.accounts.ledger import Reservation
from dragoman.accounts.limits import Standing
from dragoman.accounts.shared import ledger as ledger_module
from dragoman.accounts.shared.link import Link
from dragoman.accounts.shared.messages import Outcome, Reply, Request
from tests.unit.accounts.shared.world import claim, eventually, granted, refusal, settle, world
from tests.valkey_server import ValkeyServer


async def test_a_refusal_counts_what_was_not_reported_yet(valkey: ValkeyServer) -> None:
    async with world(valkey) as all_of:
        ledger = all_of.ledger()
        await granted(ledger, claim("a", 10))
        assert isinstance(ledger.reserve([claim("a", 10, 2)], time.time()), Reservation)  # all of its block
        assert (await refusal(ledger, claim("a", 10, 8))).standing == Standing(0, 3)


async def test_a_refusal_counts_what_was_settled_while_the_store_was_asked(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also if the store has decided before the use was reported: the text and `retry-after` tell of it."""
    async with world(valkey) as all_of:
        ledger = all_of.ledger()
        held = [await granted(ledger, claim("a", 10, 4))]
        exchange = Link.exchange

        async def slow(link: Link, request: Request) -> Reply:
            reply = await exchange(link, request)
            if request.asks:
                settle(ledger, held.pop(), a=3)
            return reply

        monkeypatch.setattr(Link, "exchange", slow)
        refused = await refusal(ledger, claim("a", 10, 8))
        assert refused.standing == Standing(3, 0)
        assert refused.again == refused.claim.ends
        assert not held


async def test_a_refusal_after_a_wait_counts_what_was_not_reported_yet(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with world(valkey) as all_of:
        ledger, other = all_of.ledger(), all_of.ledger(lease=600.0)
        settle(other, await granted(other, claim("a", 100, 10)), a=10)
        await all_of.crash(other)  # it never gives back the rest that it holds
        held = await granted(ledger, claim("a", 100, 5))
        assert ledger._blocks.by_counter["a/all"].free >= 7
        assert isinstance(ledger.reserve([claim("a", 100, 2)], time.time()), Reservation)
        further = ledger.reserve([claim("a", 100, 5)], time.time())
        assert isinstance(further, Reservation)
        settle(ledger, further, a=4)
        answers: list[Outcome] = []
        exchange = Link.exchange

        async def without_reports(link: Link, request: Request) -> Reply:
            if request.asks:
                request = msgspec.structs.replace(request, reports=[])
            reply = await exchange(link, request)
            answers.extend(one.outcome for one in reply.asks)
            return reply

        block = ledger._blocks.by_counter["a/all"]
        ledger._blocks.changed.clear()
        monkeypatch.setattr(Link, "exchange", without_reports)
        monkeypatch.setattr(ledger_module, "_UNDECIDED", -1.0)
        refused = await refusal(ledger, claim("a", 100, 89))
        assert answers == [Outcome.AGAIN]
        used, reserved = refused.standing
        assert (used, reserved) == (block.others + 4, 7 + block.promised)
        assert held.claims


async def test_while_a_request_runs_its_process_hears_what_others_have_used(
    valkey: ValkeyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Headers tell clients how much is left. A process that has been idle would tell what was left before."""
    monkeypatch.setattr(ledger_module, "_NEWS", 0.1)
    async with world(valkey) as all_of:
        idle, other = all_of.ledger(), all_of.ledger()
        settle(idle, await granted(idle, claim("a", 1000)))
        for _ in range(30):
            settle(other, await granted(other, claim("a", 1000)))
        await eventually(lambda: not idle._blocks.changed and not other._blocks.changed)
        await asyncio.sleep(0.1)
        assert idle.standing("a/all").used == 1
        held = idle.reserve([claim("a", 1000)], time.time())
        assert isinstance(held, Reservation)
        await eventually(lambda: idle.standing("a/all") == Standing(31, 1))
