"""A lost connection ends its work, once."""

from __future__ import annotations

import asyncio

from dragoman.server.link import Link


async def test_work_is_cancelled_once_so_that_it_can_clean_up() -> None:
    link, cleaned = Link(0.0), False

    async def work() -> None:
        nonlocal cleaned
        link.task, link.running = asyncio.current_task(), True
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


async def test_work_that_has_not_begun_looks_for_itself() -> None:
    """Cancelled before its first step, it could note nothing, and would be held by its own exception."""
    link = Link(0.0)
    seen: list[bool] = []

    async def work() -> None:
        seen.append(link.lost)

    link.task = asyncio.ensure_future(work())
    link.drop()
    await link.task
    assert seen == [True]
