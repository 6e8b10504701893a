"""Hedged requests over real sockets: the fast one answers, and the slow one's connection is closed."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest

from dragoman.gateway import Gateway
from dragoman.testing.provider import FakeProvider
from dragoman.testing.serving import serving
from tests.e2e import stubs
from tests.e2e.conftest import Provide
from tests.e2e.stubs import Said

FOREVER = 600.0
"""Seconds; an answer that nobody waits for."""
PATIENCE = 30.0
FACES: dict[str, tuple[str, dict[str, Any]]] = {
    "openai_chat": ("/v1/chat/completions", {}),
    "anthropic": ("/v1/messages", {"max_tokens": 50}),
    "openai_responses": ("/v1/responses", {"store": False}),
}
SLOW, FAST = "It never comes.", "Here it is."


def slow(dialect: str = "openai_chat", seconds: float = FOREVER) -> Any:
    answer: Any = stubs.DIALECTS[dialect](Said(SLOW))
    return lambda seen: msgspec.structs.replace(answer(seen), delay=seconds)


def fast(dialect: str = "openai_chat") -> Any:
    return stubs.DIALECTS[dialect](Said(FAST))


class Served:
    """A served gateway with the model `m`, which is hedged."""

    def __init__(self, gateway: Gateway, base: str, session: aiohttp.ClientSession) -> None:
        self.gateway = gateway
        self.base = base
        self.session = session

    async def ask(self, face: str = "openai_chat", **more: Any) -> tuple[int, dict[str, str], str]:
        path, members = FACES[face]
        asked = {"input": "Hi"} if "responses" in path else {"messages": [{"role": "user", "content": "Hi"}]}
        body = {"model": "m", **asked, **members, **more}
        async with asyncio.timeout(PATIENCE), self.session.post(self.base + path, json=body) as response:
            return response.status, {k.lower(): v for k, v in response.headers.items()}, await response.text()

    async def get(self, path: str) -> str:
        async with self.session.get(self.base + path) as response:
            assert response.status == 200
            return await response.text()


@asynccontextmanager
async def served(*providers: tuple[FakeProvider, str], **model: Any) -> AsyncIterator[Served]:
    named = {
        name: {"base_url": provider.url, "dialect": dialect, "keys": [f"key-of-{name}"]}
        for name, (provider, dialect) in zip("abc", providers, strict=False)
    }
    model = {"deployments": [f"{name}/gpt" for name in named], "hedge": "100ms", **model}
    settings = {
        "providers": named,
        "models": {"m": model},
        "retries": {"attempts": 1},
        "metrics": {"enabled": True},
        "trace": {"keep": 10},
    }
    gateway = Gateway(settings)
    async with serving(gateway) as base, aiohttp.ClientSession() as session:
        yield Served(gateway, base, session)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            if true():
                return
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("second", ["openai_chat", "anthropic"])
async def test_the_fast_one_answers_and_the_slow_one_is_closed(
    provide: Provide, face: str, second: str, stream: bool
) -> None:
    a, b = await provide(slow()), await provide(fast(second))
    async with served((a, "openai_chat"), (b, second)) as gateway:
        status, headers, text = await gateway.ask(face, stream=stream)
        assert (status, headers["x-dragoman-deployment"], headers["x-dragoman-attempts"]) == (
            200,
            "b/gpt",
            "2",
        )
        assert SLOW not in text
        assert FAST in text or stream
        await until(lambda: len(a.cut) == 1)
        assert (len(a.seen), len(b.seen), b.cut) == (1, 1, [])


async def test_both_are_accounted(provide: Provide) -> None:
    a, b = await provide(slow()), await provide(fast())
    async with served((a, "openai_chat"), (b, "openai_chat")) as gateway:
        await gateway.ask()
        await until(lambda: len(a.cut) == 1)
        (one,) = json.loads(await gateway.get("/admin/exchanges"))["data"]
        trace = json.loads(await gateway.get(f"/admin/exchanges/{one['id']}"))
        told = [(row["number"], row["deployment"], row["outcome"]) for row in trace["attempts"]]
        assert told == [(1, "a/gpt", "overtaken"), (2, "b/gpt", "answered")]
        assert one["deployment"] == "b/gpt"
        metrics = await gateway.get("/metrics")
        for provider, outcome in (("a", "overtaken"), ("b", "answered")):
            assert f'outcomes_total{{provider="{provider}",outcome="{outcome}"}} 1' in metrics
        assert 'dragoman_upstream_requests_sent_total{provider="a",model="gpt"} 1' in metrics
        health = gateway.gateway.providers_health
        assert not any(key.running for pool in health.pools.values() for key in pool.keys)
        assert health.calm, "the slow one was not tried to its end, so it has not failed"


async def test_budget(provide: Provide) -> None:
    a, b = await provide(slow(seconds=0.5)), await provide(fast())
    async with served((a, "openai_chat"), (b, "openai_chat")) as gateway:
        said = [(await gateway.ask())[1]["x-dragoman-deployment"] for _ in range(3)]
        assert said == ["b/gpt", "a/gpt", "a/gpt"], "5 % of three requests is not another one"


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_a_client_that_leaves_closes_both(provide: Provide, stream: bool) -> None:
    a, b = await provide(slow()), await provide(slow())
    async with served((a, "openai_chat"), (b, "openai_chat")) as gateway:
        asking = asyncio.ensure_future(gateway.ask(stream=stream))
        await until(lambda: len(b.seen) == 1)
        asking.cancel()
        await until(lambda: len(a.cut) == len(b.cut) == 1)


async def test_both_fail(provide: Provide) -> None:
    refused = stubs.refusal("openai_chat", 503, "busy", "Busy.")
    a = await provide(msgspec.structs.replace(refused, delay=0.4))
    b = await provide(refused)
    async with served((a, "openai_chat"), (b, "openai_chat")) as gateway:
        status, headers, _ = await gateway.ask()
        assert (status, headers["x-dragoman-attempts"]) == (503, "2")
        assert (len(a.seen), len(b.seen)) == (1, 1)


async def test_embeddings(provide: Provide) -> None:
    answer = {
        "object": "list",
        "model": "gpt",
        "data": [{"object": "embedding", "index": 0, "embedding": [0.5]}],
        "usage": {"prompt_tokens": 1, "total_tokens": 1},
    }
    whole: Any = stubs.refusal("openai_chat", 200, "", "")
    good = msgspec.structs.replace(whole, body=answer)
    a, b = await provide(msgspec.structs.replace(good, delay=FOREVER)), await provide(good)
    async with served((a, "openai_chat"), (b, "openai_chat")) as gateway:
        body = {"model": "m", "input": "Hi"}
        async with gateway.session.post(gateway.base + "/v1/embeddings", json=body) as response:
            assert response.status == 200
            assert response.headers["x-dragoman-deployment"] == "b/gpt"
            assert json.loads(await response.read())["data"][0]["embedding"] == [0.5]
        await until(lambda: len(a.cut) == 1)
