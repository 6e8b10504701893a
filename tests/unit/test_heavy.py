"""Steps of large requests take turns, and leave the loop to others after long ones."""

from __future__ import annotations

import asyncio
import itertools
import time

import pytest

from dragoman.heavy import HEAVY, LONG, HeavySteps


def busy(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


@pytest.mark.asyncio
async def test_one_step_at_a_time_with_turns_of_others_between() -> None:
    heavy, events = HeavySteps(), list[str]()

    async def large(name: str) -> None:
        for _ in range(3):
            await heavy.step(HEAVY, name)
            busy(2 * LONG)
            events.append("long")

    async def others() -> None:
        while len(events) < 100:
            await asyncio.sleep(0)
            if events[-1:] == ["long"]:
                events.append("turn")

    task = asyncio.ensure_future(others())
    await asyncio.gather(*(large(str(place)) for place in range(4)))
    task.cancel()
    assert events.count("long") == 12
    together = itertools.pairwise(events)
    assert ("long", "long") not in together


@pytest.mark.asyncio
async def test_the_loop_is_left_to_others_for_some_time_after_a_long_step() -> None:
    heavy = HeavySteps()
    await heavy.step(HEAVY, None)
    busy(4 * LONG)
    began = time.perf_counter()
    await heavy.step(HEAVY, None)
    assert time.perf_counter() - began >= LONG / 2


@pytest.mark.asyncio
async def test_small_requests_do_not_wait() -> None:
    heavy = HeavySteps()
    await heavy.step(HEAVY, "a")
    waiting = asyncio.ensure_future(heavy.step(HEAVY, "b"))
    await asyncio.sleep(0)
    small = heavy.step(HEAVY - 1, "c")
    with pytest.raises(StopIteration):
        small.send(None)
    await waiting


@pytest.mark.asyncio
async def test_turns_go_round_the_clients() -> None:
    heavy, order = HeavySteps(), list[str]()

    async def large(client: str) -> None:
        await heavy.step(HEAVY, client)
        order.append(client)

    await asyncio.gather(*(large(client) for client in "aaaaab"))
    assert order.index("b") <= 2


@pytest.mark.asyncio
async def test_a_client_that_has_gone_takes_no_turn() -> None:
    heavy = HeavySteps()
    await heavy.step(HEAVY, "a")
    gone = [asyncio.ensure_future(heavy.step(HEAVY, "b")) for _ in range(3)]
    last = asyncio.ensure_future(heavy.step(HEAVY, "b"))
    await asyncio.sleep(0)
    for task in gone:
        task.cancel()
    async with asyncio.timeout(5):
        await last
        await heavy.step(HEAVY, "c")


def test_another_loop_starts_anew() -> None:
    heavy = HeavySteps()
    for _ in range(2):
        asyncio.run(heavy.step(HEAVY, "a"))  # its loop ends before the step does
