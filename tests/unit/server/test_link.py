"""A lost connection ends its work, once."""

from __future__ import annotations

import asyncio

from dragoman.server.link import Link


async def test_work_is_cancelled_once_so_that_it_can_clean_up() -> None:
    link, cleaned = Link(0.0), False

    async def work() -> None:
        nonlocal cleaned
        link.task = asyncio.current_task()
        try:
            await asyncio.sleep(60)
        finally:
            await asyncio.sleep(0.01)
            cleaned = True

    task = asyncio.ensure_future(work())
    await asyncio.sleep(0)
    link.drop()
    await asyncio.sleep(0)
    link.drop()
    await asyncio.wait([task])
    assert cleaned
    assert link.lost
    assert task.cancelled()


def test_a_connection_without_work_is_only_lost() -> None:
    link = Link(0.0)
    link.drop()
    assert link.lost
