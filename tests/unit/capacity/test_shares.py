"""Places that clients share: bounded in all and for each, in order, and none is lost."""

from __future__ import annotations

import asyncio

from dragoman.capacity.shares import Shares


async def waiting(shares: Shares, *clients: str) -> list[asyncio.Task[None]]:
    tasks = [asyncio.ensure_future(shares.take(client)) for client in clients]
    await asyncio.sleep(0)
    return tasks


async def test_a_client_waits_when_its_own_share_is_taken_and_others_do_not() -> None:
    shares = Shares(4, 2)
    mine = await waiting(shares, "a", "a", "a")
    assert [task.done() for task in mine] == [True, True, False]
    other = await waiting(shares, "b", "b", "b")
    assert [task.done() for task in other] == [True, True, False]
    shares.give_back("b")
    await asyncio.sleep(0)
    assert not mine[2].done()
    assert other[2].done()
    shares.give_back("a")
    await asyncio.sleep(0)
    assert mine[2].done()
    assert shares.taken == 4


async def test_the_first_that_waits_is_the_next() -> None:
    shares = Shares(1, 1)
    first, second, third = await waiting(shares, "a", "b", "c")
    shares.give_back("a")
    await asyncio.sleep(0)
    assert (first.done(), second.done(), third.done()) == (True, True, False)
    third.cancel()


async def test_no_place_is_lost_with_those_that_leave() -> None:
    shares = Shares(1, 1)
    _, gone, late = await waiting(shares, "a", "b", "c")
    gone.cancel()
    await asyncio.sleep(0)
    shares.give_back("a")
    late.cancel()  # in the same moment as it is given the place
    await asyncio.gather(gone, late, return_exceptions=True)
    assert shares.taken == 0
    await asyncio.wait_for(shares.take("d"), 1)


async def test_a_place_passes_over_a_request_that_is_cancelled_in_the_same_moment() -> None:
    shares = Shares(1, 1)
    _, gone, late = await waiting(shares, "a", "b", "c")
    gone.cancel()  # its task has not run since, so it still stands in the queue
    shares.give_back("a")
    await asyncio.sleep(0)
    assert (gone.cancelled(), late.done(), shares.taken) == (True, True, 1)
    shares.give_back("c")
    assert shares.taken == 0
