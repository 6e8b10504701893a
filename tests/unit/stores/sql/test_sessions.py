"""Sessions that get another id, in both stores."""

from __future__ import annotations

from dragoman.state.store import Store
from tests.unit.stores.conftest import NOW, Clock, Make


async def keep(store: Store, id_: str, *turns: bytes, tenant: str = "t") -> None:
    for turn in turns:
        await store.sessions.append(tenant, id_, turn, now=NOW, expires=NOW + 60)


async def test_a_session_goes_on_under_another_id(store: Store) -> None:
    await keep(store, "a", b"1", b"2")
    assert await store.sessions.move("t", "a", "b")
    await keep(store, "b", b"3")
    assert list(await store.sessions.turns("t", "b")) == [b"1", b"2", b"3"]
    assert list(await store.sessions.turns("t", "a")) == []
    assert [(one.id, one.turns, one.size) for one in await store.sessions.listed("t")] == [("b", 3, 3)]
    assert await store.sessions.move("t", "b", "b")
    assert list(await store.sessions.turns("t", "b")) == [b"1", b"2", b"3"]


async def test_it_takes_the_place_of_one_that_has_the_id(store: Store) -> None:
    await keep(store, "a", b"1")
    await keep(store, "b", b"x", b"y")
    assert await store.sessions.move("t", "a", "b")
    assert list(await store.sessions.turns("t", "b")) == [b"1"]
    assert await store.sessions.count() == 1


async def test_there_must_be_one_and_of_this_tenant(store: Store, clock: Clock) -> None:
    await keep(store, "a", b"1")
    assert not await store.sessions.move("u", "a", "b")
    assert not await store.sessions.move("t", "z", "b")
    clock.now += 61
    assert not await store.sessions.move("t", "a", "b")


async def test_it_makes_room_under_its_new_id(make: Make, clock: Clock) -> None:
    store = make(session_count=2)
    await keep(store, "a", b"1")
    await store.sessions.move("t", "a", "b")
    for id_ in ("c", "d"):
        clock.now += 1
        await store.sessions.append("t", id_, b"1", now=clock.now, expires=clock.now + 60)
    assert {one.id for one in await store.sessions.listed("t")} == {"c", "d"}
    assert await store.sessions.delete("c") == 1
