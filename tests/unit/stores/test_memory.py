"""The store in memory: what it counts is what it takes, and sessions count too."""

from __future__ import annotations

import gc
import tracemalloc

import pytest

from dragoman.state.store import Item, StoredResponse
from dragoman.stores.limits import Limits
from dragoman.stores.memory import MemoryStore


@pytest.mark.parametrize(("items", "length"), [(0, 100), (2, 100), (50, 300), (2, 20_000)])
async def test_the_limit_is_about_the_memory_that_is_taken(items: int, length: int) -> None:
    limit = 3_000_000
    store = MemoryStore(Limits(size=limit))
    gc.collect()
    tracemalloc.start()
    try:
        for number in range(2 * limit // (700 + (items + 1) * length)):
            given = tuple(Item(f"item_{number:020}_{n:020}", bytes(length)) for n in range(items))
            await store.responses.save(
                StoredResponse(
                    id=f"resp_{number:040}",
                    tenant="t",
                    created=number * 1.5,
                    status="completed",
                    body=bytes(length),
                    input=given,
                )
            )
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert 0.5 * limit < taken < 1.4 * limit
    assert await store.responses.get("t", f"resp_{number:040}") is not None


async def test_an_answer_of_many_items_makes_no_object_for_each() -> None:
    """The loop stands still while they are added, and whatever the collector must look at makes it slower."""
    store = MemoryStore()
    given = tuple(Item(f"item_{n}", b"{}") for n in range(10_000))
    many = StoredResponse(id="r", tenant="t", created=1.0, status="completed", body=b"", output=given)
    gc.collect()
    before = len(gc.get_objects())
    await store.responses.save(many)
    assert len(gc.get_objects()) - before < 100
    assert await store.responses.items("t", ["item_9999"]) == {"item_9999": b"{}"}


async def test_sessions_take_room_too() -> None:
    store = MemoryStore(Limits(size=20_000))
    await store.responses.save(StoredResponse(id="r", tenant="q", created=1, status="completed", body=b""))
    for number in range(50):
        await store.sessions.append("t", f"s{number}", bytes(2000), now=number, expires=9e9)
    assert 5 <= await store.sessions.count() <= 8
    assert await store.sessions.turns("t", "s49") == [bytes(2000)]
    assert await store.responses.get("q", "r") is not None
