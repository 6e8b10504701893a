"""Steps of large requests take turns, leave the loop to others after long ones, and the largest leave it."""

from __future__ import annotations

import asyncio
import itertools
import threading
import time

import pytest

from dragoman.capacity.heavy import LARGE, LONG, MEDIUM, HeavySteps


def busy(seconds: float) -> None:
    until = time.perf_counter() + seconds
    while time.perf_counter() < until:
        pass


async def test_one_step_at_a_time_with_turns_of_others_between() -> None:
    heavy, events = HeavySteps(), list[str]()

    def step() -> None:
        busy(2 * LONG)
        events.append("long")

    async def medium(name: str) -> None:
        for _ in range(3):
            await heavy.run(MEDIUM, name, step)

    async def others() -> None:
        while len(events) < 100:
            await asyncio.sleep(0)
            if events[-1:] == ["long"]:
                events.append("turn")

    task = asyncio.ensure_future(others())
    await asyncio.gather(*(medium(str(place)) for place in range(4)))
    task.cancel()
    assert events.count("long") == 12
    together = itertools.pairwise(events)
    assert ("long", "long") not in together


async def test_the_loop_is_left_to_others_for_some_time_after_a_long_step() -> None:
    heavy, began = HeavySteps(), time.perf_counter()
    await heavy.run(MEDIUM, None, busy, 4 * LONG)
    await heavy.run(MEDIUM, None, busy, 0)
    assert time.perf_counter() - began >= 4.5 * LONG


async def test_small_requests_do_not_wait() -> None:
    heavy = HeavySteps()
    await heavy.run(MEDIUM, "a", busy, 0)
    waiting = asyncio.ensure_future(heavy.run(MEDIUM, "b", busy, 0))
    await asyncio.sleep(0)
    small = heavy.run(MEDIUM - 1, "c", str, 7)
    with pytest.raises(StopIteration) as done:
        small.send(None)
    assert done.value.value == "7"
    await waiting


async def test_short_steps_of_one_request_share_a_turn() -> None:
    heavy = HeavySteps()
    steps = heavy.run(MEDIUM, "a", threading.get_ident), heavy.run(MEDIUM, "a", threading.get_ident)
    assert await steps[0] == threading.get_ident()
    with pytest.raises(StopIteration):  # it does not wait
        steps[1].send(None)


@pytest.mark.parametrize("size", [MEDIUM, LARGE])
async def test_turns_go_round_the_clients(size: int) -> None:
    heavy, order = HeavySteps(), list[str]()
    await asyncio.gather(*(heavy.run(size, client, order.append, client) for client in "aaaaab"))
    assert order.index("b") <= 2


async def test_steps_that_wait_are_counted() -> None:
    heavy, seen = HeavySteps(), list[int]()
    steps = (heavy.run(MEDIUM, client, lambda: seen.append(heavy.waiting)) for client in "abcb")
    await asyncio.gather(*steps)
    assert (seen, heavy.waiting) == ([0, 2, 1, 0], 0), "the first one runs before the others come"


async def test_a_large_step_leaves_the_loop() -> None:
    heavy = HeavySteps()
    running = asyncio.ensure_future(heavy.run(LARGE, "a", busy, 0.3))
    turns = 0
    while not running.done():
        await asyncio.sleep(0)
        turns += 1
    assert turns > 10
    heavy.close()


async def test_large_steps_run_one_at_a_time_and_hold_up_no_medium_one() -> None:
    heavy, running, go = HeavySteps(), list[str](), threading.Event()

    def step() -> None:
        running.append("a")
        assert len(running) == 1
        assert go.wait(5)
        running.pop()

    large = asyncio.gather(*(heavy.run(LARGE, "a", step) for _ in range(4)))
    await asyncio.sleep(0)
    await heavy.run(LARGE - 1, "a", busy, 0)
    assert not large.done()
    go.set()
    await large
    heavy.close()


@pytest.mark.parametrize("size", [1, MEDIUM, LARGE])
async def test_what_a_step_raises_reaches_who_asked_and_the_next_has_its_turn(size: int) -> None:
    heavy = HeavySteps()
    for _ in range(2):
        with pytest.raises(ValueError, match="invalid literal"):
            await heavy.run(size, "a", int, "x")
    heavy.close()


@pytest.mark.parametrize("size", [MEDIUM, LARGE])
async def test_a_client_that_has_gone_takes_no_turn(size: int) -> None:
    heavy, ran = HeavySteps(), list[str]()
    first = asyncio.ensure_future(heavy.run(size, "a", busy, 0.05))
    gone = [asyncio.ensure_future(heavy.run(size, "b", ran.append, "gone")) for _ in range(3)]
    last = asyncio.ensure_future(heavy.run(size, "b", ran.append, "last"))
    await asyncio.sleep(0)
    for task in gone:
        task.cancel()
    async with asyncio.timeout(5):
        await asyncio.gather(first, last)
        await heavy.run(size, "c", ran.append, "c")
    assert ran == ["last", "c"]
    heavy.close()


@pytest.mark.parametrize("size", [MEDIUM, LARGE])
async def test_one_that_goes_as_its_turn_comes_hands_it_on(size: int) -> None:
    heavy = HeavySteps()
    first = asyncio.ensure_future(heavy.run(size, "a", busy, 0))
    second = asyncio.ensure_future(heavy.run(size, "b", busy, 0))
    last = asyncio.ensure_future(heavy.run(size, "c", busy, 0))
    first.add_done_callback(lambda _: asyncio.get_running_loop().call_soon(second.cancel))
    async with asyncio.timeout(5):
        await last
    heavy.close()


async def test_a_large_client_that_goes_leaves_its_turn_behind() -> None:
    heavy = HeavySteps()
    gone = asyncio.ensure_future(heavy.run(LARGE, "a", busy, 0.05))
    await asyncio.sleep(0.01)
    gone.cancel()
    async with asyncio.timeout(5):
        await heavy.run(LARGE, "a", busy, 0)
    heavy.close()


def test_another_loop_starts_anew() -> None:
    heavy = HeavySteps()
    for size in (MEDIUM, MEDIUM, LARGE, LARGE):
        asyncio.run(heavy.run(size, "a", busy, 0))  # its loop ends before its turn does
    heavy.close()
