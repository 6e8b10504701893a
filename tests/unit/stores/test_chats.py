"""Chat completions that last, in both stores."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.state.store import PAGE_SIZE, ChatQuery, Store, StoredChat, StoreFull
from tests.unit.stores.conftest import NOW, Clock, Make


def chat(id_: str, tenant: str = "t", **fields: Any) -> StoredChat:
    given = {"created": NOW, "model": "m", "body": b'{"id":"%b"}' % id_.encode(), "messages": b'["said"]'}
    return StoredChat(id=id_, tenant=tenant, **{**given, **fields})


async def ids(store: Store, tenant: str = "t", **wanted: Any) -> tuple[list[str], bool]:
    page = await store.chats.page(tenant, ChatQuery(**{"limit": 10, **wanted}))
    return [one.id for one in page.chats], page.more


async def test_what_was_kept_is_found_by_its_tenant_alone(store: Store) -> None:
    made = chat("a", metadata={"team": "x"})
    await store.chats.save(made)
    assert await store.chats.get("t", "a") == made
    assert await store.chats.get("u", "a") is None
    assert not await store.chats.update("u", "a", {})
    assert not await store.chats.delete("u", "a")
    assert await ids(store, "u") == ([], False)
    await store.chats.save(chat("a", "u", body=b"{}"))
    assert await store.chats.get("t", "a") == made


async def test_pages_are_in_order_and_go_on_where_one_ended(store: Store) -> None:
    for name in "abcde":
        await store.chats.save(chat(name))
    assert await ids(store, limit=2) == (["a", "b"], True)
    assert await ids(store, limit=2, after="b") == (["c", "d"], True)
    assert await ids(store, limit=2, after="d") == (["e"], False)
    assert await ids(store, newest=True, limit=3) == (["e", "d", "c"], True)
    assert await ids(store, newest=True, after="c") == (["b", "a"], False)
    with pytest.raises(KeyError):
        await ids(store, after="z")
    page = await store.chats.page("t", ChatQuery(limit=1))
    assert page.chats[0].messages == b"[]"


async def test_a_page_holds_only_so_many_bytes(store: Store) -> None:
    for name in "ab":
        await store.chats.save(chat(name, body=b"x" * (PAGE_SIZE - 10)))
    assert await ids(store) == (["a"], True)


async def test_filters_hold_together(store: Store) -> None:
    await store.chats.save(chat("a", metadata={"team": "x", "run": "1"}))
    await store.chats.save(chat("b", metadata={"team": "x"}, model="other"))
    await store.chats.save(chat("c", metadata={"team": "y"}))
    assert await ids(store, metadata={"team": "x"}) == (["a", "b"], False)
    assert await ids(store, metadata={"team": "x", "run": "1"}) == (["a"], False)
    assert await ids(store, metadata={"team": "x"}, model="other") == (["b"], False)
    assert await ids(store, metadata={"run": "2"}) == ([], False)
    assert await ids(store, metadata={"team": "x"}, limit=1, after="a") == (["b"], False)


async def test_metadata_is_replaced(store: Store) -> None:
    await store.chats.save(chat("a", metadata={"team": "x", "run": "1"}))
    assert await store.chats.update("t", "a", {"team": "z"})
    found = await store.chats.get("t", "a")
    assert found is not None
    assert found.metadata == {"team": "z"}
    assert await ids(store, metadata={"run": "1"}) == ([], False)
    assert not await store.chats.update("t", "b", {})


async def test_one_with_the_id_of_another_takes_its_place(store: Store) -> None:
    """Servers of one's own draw ids of three digits."""
    await store.chats.save(chat("a", metadata={"run": "1"}))
    await store.chats.save(chat("b"))
    await store.chats.save(chat("a", body=b"{}"))
    assert await ids(store) == (["b", "a"], False)
    found = await store.chats.get("t", "a")
    assert found is not None
    assert (found.body, found.metadata) == (b"{}", {})


async def test_what_is_forgotten_or_over_is_gone(store: Store, clock: Clock) -> None:
    await store.chats.save(chat("a", expires=NOW + 10, metadata={"run": "1"}))
    await store.chats.save(chat("b", expires=None))
    assert await store.chats.delete("t", "b")
    assert not await store.chats.delete("t", "b")
    clock.now += 11
    assert await store.chats.get("t", "a") is None
    assert await ids(store) == ([], False)
    assert not await store.chats.update("t", "a", {})
    await store.sweep(clock.now)
    clock.now = NOW
    assert await store.chats.get("t", "a") is None


async def test_the_least_recently_used_make_room(make: Make, clock: Clock) -> None:
    """They share their room with answers, conversations and sessions; who takes most gives."""
    store = make(size=20_000)
    for name in ("a", "b", "c"):
        await store.chats.save(chat(name, body=b"x" * 4000))
        clock.now += 1
    assert await store.chats.get("t", "a") is not None
    clock.now += 1
    await store.chats.save(chat("d", body=b"x" * 8000))
    assert await store.chats.get("t", "b") is None
    assert await store.chats.get("t", "a") is not None
    with pytest.raises(StoreFull):
        await store.chats.save(chat("e", messages=b"x" * 30_000))
