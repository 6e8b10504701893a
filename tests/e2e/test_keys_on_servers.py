"""Keys on two servers with one database: a change acts on both, the loss of the database changes nothing."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dragoman.accounts.minting import minted
from dragoman.assembly import directory as following
from dragoman.gateway import Gateway
from dragoman.server.app import App
from dragoman.state.store import StoreFailed
from tests.unit.turns.asking import Talk

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
OPS = "the-key-of-the-operators"
NEVER = 60.0


class Server(NamedTuple):
    """One server, in this process."""

    gateway: Gateway
    app: App

    async def ask(self, method: str, path: str, body: Any = None, key: str | None = OPS) -> Any:
        headers = {} if key is None else {"authorization": f"Bearer {key}"}
        return await Talk(self.app, method, path, body, headers).answer()

    async def status(self, key: str | None) -> int:
        return int((await self.ask("GET", "/v1/models", key=key)).status)

    async def reaches(self, key: str, status: int) -> float:
        """Wait until this key gets this status. Returns the seconds that it took."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        async with asyncio.timeout(NEVER):
            while await self.status(key) != status:  # noqa: ASYNC110 - another process changes it
                await asyncio.sleep(0.01)
        return loop.time() - began


async def server(folder: Path, **auth: Any) -> Server:
    stated = {"keys": [{"name": "ops", "key": OPS, "scopes": ["inference", "admin"]}], **auth}
    settings = {"providers": {"simulate": {"enabled": True}}, "stores": {"sql": "sqlite"}, "auth": stated}
    file = folder / "dragoman.yaml"
    await asyncio.to_thread(file.write_text, json.dumps(settings))
    gateway = Gateway(file)
    await gateway.start()
    return Server(gateway, App(gateway))


@pytest.fixture
async def two(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[tuple[Server, Server]]:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    first, second = await server(tmp_path), await server(tmp_path)
    yield first, second
    await first.gateway.close()
    await second.gateway.close()


async def made(on: Server, name: str, **settings: Any) -> str:
    answer = await on.ask("POST", "/admin/keys", {"name": name, **settings})
    assert answer.status == 200, answer.body
    return str(answer.body["key"])


async def test_a_change_acts_on_the_other_server(two: tuple[Server, Server]) -> None:
    first, second = two
    assert following.EVERY <= 0.5  # with one question in between, less than the second that is promised
    key = await made(first, "ann")
    assert await first.status(key) == 200
    await second.reaches(key, 200)
    await second.ask("DELETE", "/admin/keys/ann")
    assert await second.status(key) == 401
    await first.reaches(key, 401)
    newest = (await first.ask("POST", "/admin/keys/ann/rotate")).body["key"]
    await second.reaches(newest, 200)


async def test_what_was_concluded_from_keys_ends_with_each_change(two: tuple[Server, Server]) -> None:
    """A connection that repeats its head is admitted as long as this object is the same."""
    gateway = two[0].gateway
    seen = [gateway.admitting]
    await made(two[0], "ann")
    seen.append(gateway.admitting)
    await gateway.reload()
    await two[0].ask("DELETE", "/admin/keys/ann")
    seen.append(gateway.admitting)
    assert gateway.admitting is gateway.client_keys
    assert len({id(one) for one in seen}) == len(seen) == 3


async def test_two_servers_that_write_at_once_lose_nothing(two: tuple[Server, Server]) -> None:
    names = [f"client-{number}" for number in range(12)]
    keys = await asyncio.gather(*(made(two[number % 2], name) for number, name in enumerate(names)))
    for one in two:
        for key in keys:
            await one.reaches(key, 200)
    listed = (await two[0].ask("GET", "/admin/keys")).body["data"]
    assert [row["name"] for row in listed] == sorted([*names, "ops"])
    both = await asyncio.gather(*(one.ask("POST", "/admin/keys", {"name": "same"}) for one in two))
    assert sorted(answer.status for answer in both) == [200, 409]


def lose(one: Server) -> None:
    """Let each use of the database fail."""
    found = one.gateway.following
    assert found is not None

    class Lost:
        def __getattr__(self, name: str) -> Any:
            async def fail(*_: Any) -> Any:
                raise StoreFailed("the database: gone")

            return fail

    found.store = Lost()


async def test_what_is_known_holds_while_the_database_is_lost(two: tuple[Server, Server]) -> None:
    first, _ = two
    good, bad = await made(first, "good"), await made(first, "bad")
    late = await made(first, "late", expires="2999-01-01")
    await first.ask("DELETE", "/admin/keys/bad")
    found = first.gateway.following
    assert found is not None
    kept = found.store
    lose(first)
    assert not await found.catch_up()
    assert [await first.status(key) for key in (good, bad, late, minted(bytes(32)))] == [200, 401, 200, 401]
    assert found.state()["healthy"] is False
    refused = await first.ask("POST", "/admin/keys", {"name": "new"})
    assert refused.status == 503
    found.store = kept
    await made(first, "new")
    assert found.state() == {"healthy": True, "version": 5, "keys": 4, "unreadable_limits": {}}


async def test_a_start_without_its_database_knows_only_the_configurations_keys(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    before = await server(tmp_path)
    key = await made(before, "ann")
    await before.gateway.close()

    async def fail(_: Any) -> bool:
        raise StoreFailed("the database: gone")

    with monkeypatch.context() as broken:
        broken.setattr(following.Following, "_read", fail)
        after = await server(tmp_path)
        assert await after.status(OPS) == 200
        answer = await after.ask("GET", "/v1/models", key=key)
        assert (answer.status, answer.body["error"]["code"]) == (503, "keys_unavailable")
        assert int(answer.headers["retry-after"]) >= 1
        assert await after.status(key[:-1] + ("a" if key[-1] != "a" else "b")) == 401
        claude = await Talk(after.app, "POST", "/v1/messages", {}, {"x-api-key": key}).answer()
        assert (claude.status, claude.body["type"]) == (503, "error")
    await after.reaches(key, 200)
    await after.gateway.close()
