"""Keys in a database: by version, by name, in pages; of two writers one succeeds."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from dragoman.state.directory import DirectoryStore, OwnKey, Row
from dragoman.state.owned import OwnedObject
from dragoman.state.store import Conversation, Store
from dragoman.stores.address import Location
from dragoman.stores.open import open_store

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")


@pytest.fixture
async def store(place: Location, tmp_path: Path) -> AsyncIterator[Store]:
    made = open_store(
        f"sqlite:///{place}" if isinstance(place, Path) else place.uri.reveal(), tmp_path / "home"
    )
    yield made
    await made.close()


@pytest.fixture
def kept(store: Store) -> DirectoryStore:
    assert store.directory is not None
    return store.directory


def row(name: str, version: int, text: bytes | None = b"{}") -> Row:
    return Row("keys", name, text, version, "me", 1.0, b"d" * 32, None)


async def test_rows_are_read_from_a_version_on(kept: DirectoryStore) -> None:
    assert await kept.change([row("a", 1), row("b", 2)], 0)
    assert await kept.change([row("a", 3, b"[]")], 2)
    assert [(one.name, one.version, one.text) for one in await kept.since(0, 10)] == [
        ("b", 2, b"{}"),
        ("a", 3, b"[]"),
    ]
    assert [one.name for one in await kept.since(2, 10)] == ["a"]
    assert [one.name for one in await kept.since(0, 1)] == ["b"]
    assert await kept.version() == 3
    assert await kept.find("keys", "a") == row("a", 3, b"[]")


async def test_pages_are_in_the_order_of_python(kept: DirectoryStore) -> None:
    names = ["b", "B", "a", "ä", "Z", "_x", "-y", "a b", "ab", "a-b"]
    for number, name in enumerate(names):
        assert await kept.change([row(name, number + 1)], number)
    found: list[str] = []
    while rows := await kept.page("keys", found[-1] if found else "", 3):
        found += [one.name for one in rows]
    assert found == sorted(names)


async def test_who_has_read_an_older_version_changes_nothing(kept: DirectoryStore) -> None:
    assert await kept.change([row("a", 1)], 0)
    assert not await kept.change([row("b", 1)], 0)
    done = await asyncio.gather(*(kept.change([row(f"c{number}", 2)], 1) for number in range(8)))
    assert done.count(True) == 1
    assert await kept.version() == 2


async def test_a_removed_row_is_told_and_not_found(kept: DirectoryStore) -> None:
    await kept.change([row("a", 1), row("b", 2)], 0)
    await kept.change([row("a", 3, None)], 2)
    assert await kept.find("keys", "a") is None
    assert [one.name for one in await kept.page("keys", "", 10)] == ["b"]
    assert [one.text for one in await kept.since(2, 10)] == [None]


async def test_pages_by_name(kept: DirectoryStore) -> None:
    await kept.change([row(name, number) for number, name in enumerate("cab", 1)], 0)
    assert [one.name for one in await kept.page("keys", "", 2)] == ["a", "b"]
    assert [one.name for one in await kept.page("keys", "b", 2)] == ["c"]
    assert await kept.page("teams", "", 2) == []


async def test_the_latest_use_of_a_key_counts(kept: DirectoryStore) -> None:
    await kept.used({"k1": 5.0, "k2": 6.0})
    await kept.used({"k1": 4.0, "k2": 7.0})
    await kept.used({})
    assert await kept.last_used(["k1", "k2", "k3"]) == {"k1": 5.0, "k2": 7.0}
    assert await kept.last_used([]) == {}


async def test_tenants_own_keys(kept: DirectoryStore) -> None:
    key = OwnKey("acme", "openai", b"cipher", "m1", "…1", "me", 1.0)
    await kept.keep_own(key)
    await kept.keep_own(OwnKey("acme", "openai", b"other", "m2", "…2", "you", 2.0))
    (found,) = await kept.own_keys()
    assert (found.cipher, found.master, found.author) == (b"other", "m2", "you")
    assert await kept.drop_own("acme", "openai")
    assert not await kept.drop_own("acme", "openai")
    assert await kept.own_keys() == []


async def test_what_belongs_to_a_client_is_found(store: Store, kept: DirectoryStore) -> None:
    await store.conversations.create(Conversation(id="c", tenant="ann", created=1.0))
    await store.owned.keep(
        [OwnedObject(id="f", owner="ben", provider="p", upstream="u", kind="file", created=1.0)]
    )
    assert store.seals is not None
    await store.seals.open()
    await store.seals.keep([b"k"], b"entry", owner=b"ann")
    assert [await kept.owns(name) for name in ("ann", "ben", "eve", "616E6E")] == [True, True, False, False]
    assert await store.conversations.delete("ann", "c")
    assert await store.owned.remove("ben", "f")
    assert [await kept.owns(name) for name in ("ann", "ben")] == [False, False]
