"""Who owns the objects at providers, in all stores."""

from __future__ import annotations

import asyncio

import pytest

from dragoman.state.owned import OwnedObject
from dragoman.state.store import Store, StoreFull
from dragoman.stores.owned import MemoryOwned
from tests.unit.stores.conftest import NOW, Make


def made(id_: str, owner: str = "ann", upstream: str = "", provider: str = "up") -> OwnedObject:
    return OwnedObject(id_, owner, provider, "file", upstream or f"up-{id_}", NOW)


async def test_only_the_owner_finds_it(store: Store) -> None:
    one, two = made("a"), made("b", "ben")
    assert list(await store.owned.keep([one, two])) == [one, two]
    assert await store.owned.find("ann", ["a", "b", "c"]) == [one]
    assert not await store.owned.find("ann", [])
    assert await store.owned.known("up", ["up-b", "up-x"]) == [two]
    assert not await store.owned.known("other", ["up-b"])
    assert await store.owned.has("ann", "up", "file")
    assert not await store.owned.has("ann", "up", "batch")
    assert not await store.owned.has("ann", "other", "file")
    assert not await store.owned.remove("ann", "b")
    assert await store.owned.remove("ben", "b")
    assert not await store.owned.known("up", ["up-b"])


async def test_a_providers_id_has_one_owner(store: Store) -> None:
    """The first one, also if several processes see the object at once."""
    first = made("a", upstream="x")
    await store.owned.keep([first])
    assert await store.owned.keep([made("b", "ben", "x")]) == [first]
    kept = await asyncio.gather(*(store.owned.keep([made(f"n{n}", upstream="y")]) for n in range(8)))
    assert len({one.id for found in kept for one in found}) == 1
    elsewhere = made("c", "ben", "x", "other")
    assert await store.owned.keep([elsewhere]) == [elsewhere]


async def test_many_at_once(store: Store) -> None:
    many = [made(f"{n:04}") for n in range(1200)]
    assert len(await store.owned.keep(many)) == 1200
    assert len(await store.owned.find("ann", [one.id for one in many])) == 1200
    assert len(await store.owned.known("up", [one.upstream for one in many])) == 1200


async def test_a_second_process_knows_it(make: Make) -> None:
    one, two = make(), make()
    await one.owned.keep([made("a")])
    assert bool(await two.owned.find("ann", ["a"])) is one.shared


async def test_memory_is_bounded_and_loses_nothing() -> None:
    owned = MemoryOwned(2)
    await owned.keep([made("a"), made("b")])
    with pytest.raises(StoreFull):
        await owned.keep([made("c")])
    assert await owned.keep([made("z", upstream="up-a")]) == [made("a")]
