"""A reload that changes a limit while requests of the earlier configuration still ask for it."""

from __future__ import annotations

import asyncio
import random
import time
from typing import Any

import pytest

from dragoman.accounts.ledger import Refused, Reservation
from dragoman.accounts.limits import Standing
from dragoman.accounts.shared.blocks import Blocks
from dragoman.state.counters import Resource
from tests.unit.accounts.shared.world import claim, granted, settle, world
from tests.valkey_server import ValkeyServer

RESOURCES: list[Resource] = ["tokens", "concurrency"]


async def test_what_an_earlier_request_is_granted_is_no_block_for_a_lower_limit(valkey: ValkeyServer) -> None:
    """Its answer comes after the first request under the lower limit, with a rest for the higher one."""
    async with world(valkey) as all_of:
        ledger = all_of.ledger(serve_without=False)
        await granted(ledger, claim("l", 1000, 300))
        earlier = asyncio.ensure_future(ledger.ask([claim("l", 1000)], time.time()))
        later = [asyncio.ensure_future(ledger.ask([claim("l", 310)], time.time())) for _ in range(30)]
        found = await asyncio.gather(*later)
        assert isinstance(await earlier, Reservation)
        for _ in range(30):
            found.append(await ledger.ask([claim("l", 310)], time.time()))
        assert sum(isinstance(one, Reservation) for one in found) == 9


def test_a_place_that_an_earlier_request_gives_back_is_no_block_for_a_lower_limit() -> None:
    """Whichever limit the block had last."""
    blocks = Blocks()
    old, new = claim("l", 5, resource="concurrency"), claim("l", 1, resource="concurrency")
    block = blocks.of(old)
    block.grant(2, 5)
    first = blocks.take([old], [block], 0.0, None)
    blocks.usable(new)
    assert (block.granted, block.free) == (1, 0)
    blocks.settle(first, {})
    assert block.free == 1
    blocks.usable(new)
    assert block.free == 0


def test_an_earlier_request_that_ends_gives_nothing_back_of_a_higher_limit() -> None:
    """Its limit says nothing about what later requests may use."""
    blocks = Blocks()
    old, new = claim("l", 10), claim("l", 100)
    block = blocks.of(old)
    block.grant(1, 10)
    first = blocks.take([old], [block], 0.0, None)
    blocks.usable(new).grant(50, 100)
    blocks.settle(first, {old.counter: 1})
    assert (block.free, block.bound) == (50, 100)


@pytest.mark.parametrize("end", ["refused", "again", "cancelled"])
async def test_what_a_request_reserves_while_it_asks_for_more_is_no_block_for_a_lower_limit(
    valkey: ValkeyServer, end: str
) -> None:
    """The request has two limits, and its own process has enough of one of them. This limit becomes lower
    while the store is asked for the other limit, which is used up.
    """
    async with world(valkey) as all_of:
        ledger, other = (all_of.ledger(serve_without=False) for _ in range(2))
        settle(ledger, await granted(ledger, claim("l", 100, 100)), l=0)
        full = await granted(other, claim("full", 1))
        if end == "refused":
            settle(other, full)
        earlier = asyncio.ensure_future(ledger.ask([claim("l", 100, 60), claim("full", 1)], time.time()))
        await asyncio.sleep(0)
        assert ledger.standing("l/all") == Standing(0, 60)
        assert ledger.reserve([claim("l", 10)], time.time()) is None
        if end == "cancelled":
            earlier.cancel()
            await asyncio.wait([earlier])
        else:
            assert isinstance(await earlier, Refused)
        assert not isinstance(ledger.reserve([claim("l", 10, 50)], time.time()), Reservation)
        await granted(ledger, claim("l", 10))
        await granted(ledger, claim("l", 10, 9))
        assert isinstance(await ledger.ask([claim("l", 10)], time.time()), Refused)


async def test_what_is_granted_to_a_request_that_is_cancelled_is_no_block_for_a_lower_limit(
    valkey: ValkeyServer,
) -> None:
    """Both the lower limit and the cancellation come between the store's answer and the request's turn."""
    async with world(valkey) as all_of:
        ledger = all_of.ledger(serve_without=False)
        await granted(ledger, claim("another", 10))
        answered = ledger._answered

        def then_cancel(*arguments: Any) -> None:
            answered(*arguments)
            assert ledger.reserve([claim("l", 10)], time.time()) is None
            earlier.cancel()

        ledger._answered = then_cancel  # type: ignore[assignment, method-assign]
        earlier = asyncio.ensure_future(ledger.ask([claim("l", 100, 60)], time.time()))
        await asyncio.wait([earlier])
        assert earlier.cancelled()
        ledger._answered = answered  # type: ignore[method-assign]
        assert not isinstance(ledger.reserve([claim("l", 10, 50)], time.time()), Reservation)
        await granted(ledger, claim("l", 10, 10))


async def test_nobody_is_granted_more_than_its_own_limit_whatever_is_reloaded(valkey: ValkeyServer) -> None:
    """Of several processes, at random: some requests under the first limit, then some under the first and
    some under the second one at once, then some under the second one alone. Half of the requests are also
    under another limit, which refuses some of them while their process has enough of the first one.
    """
    chance = random.Random(1)
    async with world(valkey) as all_of:
        ledgers = [all_of.ledger(serve_without=False) for _ in range(3)]
        for number in range(80):
            name, limits = f"l{number}", [chance.choice([40, 100, 400, 1000]) for _ in range(2)]
            resource = chance.choice(RESOURCES)

            async def passed(mosts: list[int], name: str = name, resource: Resource = resource) -> list[int]:
                """Return the limits of the requests that were granted."""
                using = chance.sample(ledgers, chance.randrange(1, 4))
                scarce = claim(f"scarce {name}", 50, 10, resource=resource)
                asked = (
                    chance.choice(using).ask(
                        [claim(name, most, 10, resource=resource), *chance.choice([[], [scarce]])],
                        time.time(),
                    )
                    for most in mosts
                )
                found = await asyncio.gather(*asked)
                return [most for most, one in zip(mosts, found, strict=True) if isinstance(one, Reservation)]

            old, new = limits
            begun = len(await passed([old] * chance.randrange(1, 6)))
            mixed = await passed(chance.choices(limits, k=chance.randrange(2, 12)))
            for most in limits:  # those with a higher limit may have come later
                least = begun + sum(one <= most for one in mixed)
                assert most not in mixed or 10 * least <= most, (limits, begun, mixed)
            begun += len(mixed)
            for _ in range(3):
                later = len(await passed([new] * chance.randrange(1, 12)))
                begun += later
                assert not later or 10 * begun <= new, (limits, begun, later)
