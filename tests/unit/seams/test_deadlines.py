"""Deadlines run out for the task that waits, and for nobody else."""

from __future__ import annotations

import asyncio

import pytest

from dragoman.seams.deadlines import TICK, Deadlines


@pytest.fixture
async def deadlines() -> Deadlines:
    return Deadlines(asyncio.get_running_loop())


async def test_a_block_that_takes_too_long_ends_in_a_timeout(deadlines: Deadlines) -> None:
    began = deadlines.time()
    with pytest.raises(TimeoutError), deadlines.within(0.05):
        await asyncio.sleep(60)
    assert 0.05 <= deadlines.time() - began < 30
    await asyncio.sleep(0)  # the task itself is not left cancelled
    assert deadlines.entries == {}


async def test_a_block_that_ends_in_time_costs_nothing_later(deadlines: Deadlines) -> None:
    with deadlines.within(0.05):
        await asyncio.sleep(0)
    await asyncio.sleep(3 * TICK)
    assert deadlines.entries == {}


async def test_no_limit(deadlines: Deadlines) -> None:
    with deadlines.within(None) as limit:
        limit.push(0.01)
        await asyncio.sleep(2 * TICK)
    assert not limit.expired


async def test_pushing_and_resting(deadlines: Deadlines) -> None:
    with deadlines.within(0.05) as limit:
        for _ in range(4):
            limit.push(0.08)
            await asyncio.sleep(0.04)
        limit.rest()
        await asyncio.sleep(0.1 + 2 * TICK)
    assert not limit.expired


async def test_resting_after_the_end_leaves_nothing_behind(deadlines: Deadlines) -> None:
    with deadlines.within(5.0) as limit:
        pass
    limit.rest()
    limit.lift()
    assert deadlines.entries == {}


async def test_somebody_elses_cancellation_is_not_a_timeout(deadlines: Deadlines) -> None:
    async def work() -> None:
        with deadlines.within(5):
            await asyncio.sleep(5)

    task = asyncio.get_running_loop().create_task(work())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_cancellation_that_comes_together_with_the_deadline_wins(deadlines: Deadlines) -> None:
    async def work() -> None:
        with deadlines.within(TICK):
            await asyncio.sleep(5)

    task = asyncio.get_running_loop().create_task(work())
    await asyncio.sleep(0)
    for deadline in list(deadlines.entries):
        deadline.run_out()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_limit_that_runs_out_twice_is_one_timeout(deadlines: Deadlines) -> None:
    """Whoever waits again after the limit has run out, within a new limit, is not left cancelled by it."""

    async def work() -> None:
        with deadlines.within(0.01) as limit:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                limit.push(0.01)
                await asyncio.sleep(60)

    task = asyncio.current_task()
    assert task is not None
    with pytest.raises(TimeoutError):
        await work()
    assert task.cancelling() == 0
    await asyncio.sleep(0)


async def test_somebody_elses_cancellation_between_two_of_the_limit_wins(deadlines: Deadlines) -> None:
    async def work() -> None:
        with deadlines.within(0.01) as limit:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                limit.push(0.01)
                await asyncio.sleep(60)

    task = asyncio.get_running_loop().create_task(work())
    await asyncio.sleep(0)
    for deadline in list(deadlines.entries):
        deadline.lift()
        deadline.run_out()
    await asyncio.sleep(0)
    task.cancel()
    for deadline in list(deadlines.entries):
        deadline.run_out()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert task.cancelling() == 1


async def test_nested_limits_each_end_their_own_block(deadlines: Deadlines) -> None:
    with deadlines.within(5):
        with pytest.raises(TimeoutError), deadlines.within(0.01):
            await asyncio.sleep(5)
        await asyncio.sleep(0)


async def test_a_limit_that_is_set_again_after_its_block_expires(deadlines: Deadlines) -> None:
    """Also if the table was empty in between, when its timer does not run."""
    with deadlines.within(60.0) as limit:
        pass
    await asyncio.sleep(3 * TICK)
    limit.push(0.05)
    with pytest.raises(asyncio.CancelledError):
        await asyncio.sleep(1.0)
    assert limit.expired
    task = asyncio.current_task()
    assert task is not None
    task.uncancel()
