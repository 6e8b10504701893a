"""A reload that changes a limit while requests of the earlier configuration still ask for it."""

from __future__ import annotations

import asyncio
import random
import time

from dragoman.accounts.ledger import Reservation
from dragoman.accounts.shared.blocks import Blocks
from dragoman.state.counters import Resource
from tests.unit.accounts.shared.world import claim, granted, world
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
    blocks.of(new)
    assert (block.granted, block.free) == (1, 0)
    blocks.settle(first, {})
    assert block.free == 1
    blocks.of(new)
    assert block.free == 0


async def test_nobody_is_granted_more_than_its_own_limit_whatever_is_reloaded(valkey: ValkeyServer) -> None:
    """Of several processes, at random: some requests under the first limit, then some under the first and
    some under the second one at once, then some under the second one alone.
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
                asked = (
                    chance.choice(using).ask([claim(name, most, 10, resource=resource)], time.time())
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
