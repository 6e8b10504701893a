"""A provider's key in a file: a new one is used without an order, and at once if the old one is refused."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dragoman.assembly import keyfiles
from dragoman.gateway import Gateway
from dragoman.testing.provider import Answer, FakeProvider, Seen, Whole
from dragoman.testing.serving import serving
from tests.e2e import stubs
from tests.e2e.conftest import Provide
from tests.e2e.stubs import Said

CHAT = "/v1/chat/completions"
OLD, NEW = "sk-provider-before-1111", "sk-provider-after-2222"
GOOD: Any = stubs.openai_chat(Said())


class Strict:
    """A provider that knows one key."""

    def __init__(self, key: str) -> None:
        self.key = key

    def __call__(self, seen: Seen) -> Answer:
        if key_of(seen) != self.key:
            return stubs.refusal("openai_chat", 401, "invalid_api_key", "Incorrect API key provided.")
        if seen.method == "GET":
            return Whole({"object": "list", "data": []})
        if seen.path.endswith("/embeddings"):
            vector = {"object": "embedding", "index": 0, "embedding": [0.5]}
            return Whole({"object": "list", "model": "e", "data": [vector]})
        answer: Answer = GOOD(seen)
        return answer


def key_of(seen: Seen) -> str:
    return seen.headers["authorization"].removeprefix("Bearer ")


def keys_seen(provider: FakeProvider) -> list[str]:
    return [key_of(seen) for seen in provider.seen]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    file = tmp_path / "key"
    file.write_text(OLD)
    return file


def settings(url: str, file: Path, **more: Any) -> dict[str, Any]:
    provider = {"base_url": url, "keys": {"file": str(file)}, "passthrough": ["files"], **more}
    return {"providers": {"up": provider}, "retries": {"attempts": 1}}


def write(file: Path, key: str | None) -> None:
    if key is None:
        file.unlink()
    else:
        file.write_text(key)


async def ask(base: str, path: str = CHAT, **fields: Any) -> int:
    said: dict[str, Any] = {"messages": [{"role": "user", "content": "Hello!"}]}
    body = {"model": "up/gpt", **(said if path == CHAT else {}), **fields}
    async with aiohttp.ClientSession() as session, session.post(base + path, json=body) as response:
        await response.read()
        return response.status


async def test_a_key_that_is_refused_is_read_again_and_nobody_notices(provide: Provide, file: Path) -> None:
    knows = Strict(OLD)
    provider = await provide(knows)
    gateway = Gateway(settings(provider.url, file))
    async with serving(gateway) as base:
        assert await ask(base) == 200
        write(file, NEW)
        knows.key = NEW
        told = await asyncio.gather(
            *(ask(base, stream=True) for _ in range(10)),
            *(ask(base) for _ in range(5)),
            *(ask(base, "/v1/embeddings", input="Hello") for _ in range(5)),
        )
        assert told == [200] * 20
        assert keys_seen(provider).count(NEW) == 20
        (key,) = gateway.providers_health.pools["up"].keys
        assert (key.tail, key.retired, key.running) == ("2222", None, 0)
        (account,) = gateway.running.providers["up"].accounts
        assert account.tail == "2222"
        async with aiohttp.ClientSession() as session, session.get(f"{base}/v1/files") as files:
            assert files.status == 200


async def test_a_new_key_is_noticed_though_the_old_one_still_works(
    provide: Provide, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(keyfiles, "_EVERY", 0.0)
    provider = await provide(GOOD)
    async with serving(Gateway(settings(provider.url, file))) as base:
        assert await ask(base) == 200
        write(file, NEW)
        async with asyncio.timeout(60):
            while NEW not in keys_seen(provider):
                assert await ask(base) == 200


async def test_a_key_that_stays_refused_is_asked_once_and_said_to_be_refused(
    provide: Provide, file: Path
) -> None:
    provider = await provide(Strict(NEW))
    async with serving(Gateway(settings(provider.url, file))) as base:
        assert await ask(base) == 502
        assert keys_seen(provider) == [OLD]


async def test_a_new_key_that_is_refused_too_is_tried_once(provide: Provide, file: Path) -> None:
    provider = await provide(Strict("neither"))
    async with serving(Gateway(settings(provider.url, file))) as base:
        write(file, NEW)
        assert await ask(base) == 502
        assert keys_seen(provider) == [OLD, NEW]


async def test_a_file_that_is_gone_leaves_the_key(provide: Provide, file: Path) -> None:
    provider = await provide(Strict(OLD))
    async with serving(Gateway(settings(provider.url, file))) as base:
        write(file, None)
        assert await ask(base) == 200
