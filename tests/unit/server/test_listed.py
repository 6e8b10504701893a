"""Long lists are told entry by entry, and do not hold up anybody."""

from __future__ import annotations

import asyncio

from dragoman.server.listed import in_turns


async def test_every_entry_comes_once_and_in_order() -> None:
    assert [number async for number in in_turns(range(305))] == list(range(305))
    assert [number async for number in in_turns(range(0))] == []


async def test_others_take_turns() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    task = asyncio.create_task(other())
    assert len([number async for number in in_turns(range(1_000))]) == 1_000
    task.cancel()
    assert turns == 10
