"""The policies of a route over real sockets: who was asked stands in the providers' logs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest

from dragoman.gateway import Gateway
from dragoman.testing.provider import FakeProvider, Seen
from dragoman.testing.serving import serving
from tests.e2e import stubs
from tests.e2e.conftest import Provide
from tests.e2e.stubs import Said

GOOD: Any = stubs.openai_chat(Said())
CHAT = "/v1/chat/completions"


def late(seconds: float) -> Any:
    """Answers well, after so many seconds."""
    return lambda seen: msgspec.structs.replace(GOOD(seen), delay=seconds)


class Served:
    """A served gateway with the model `m`, and its clients."""

    def __init__(self, gateway: Gateway, base: str, session: aiohttp.ClientSession) -> None:
        self.gateway = gateway
        self._base = base
        self._session = session

    async def ask(self, text: str = "Hello!", **more: Any) -> tuple[int, str | None]:
        """The status, and the deployment that answered."""
        headers = more.pop("headers", {})
        body = {"model": "m", "messages": [{"role": "user", "content": text}], **more}
        async with self._session.post(self._base + CHAT, json=body, headers=headers) as response:
            await response.read()
            return response.status, response.headers.get("x-dragoman-deployment")

    async def post(self, path: str, body: dict[str, Any]) -> Any:
        """The JSON of an answer."""
        async with self._session.post(self._base + path, json={"model": "m", **body}) as response:
            assert response.status == 200
            return await response.json()

    @property
    def running(self) -> dict[str, int]:
        return {name: load.running for name, load in self.gateway.providers_health.memory.loads.items()}


@asynccontextmanager
async def served(
    *providers: FakeProvider, keys: int = 1, worker: int = 1, **model: Any
) -> AsyncIterator[Served]:
    """worker: the number of this one. model: its settings; its deployments are `a/gpt`, `b/gpt`, …, unless
    stated.
    """
    named = {
        name: {"base_url": provider.url, "keys": [f"key-{number}-of-{name}" for number in range(keys)]}
        for name, provider in zip("abc", providers, strict=False)
    }
    model.setdefault("deployments", [f"{name}/gpt" for name in named])
    settings = {"providers": named, "models": {"m": model}, "retries": {"attempts": 1}}
    gateway = Gateway(settings)
    gateway.worker = worker
    async with serving(gateway) as base, aiohttp.ClientSession() as session:
        yield Served(gateway, base, session)


async def test_weights_are_exact(provide: Provide) -> None:
    a, b = await provide(GOOD), await provide(GOOD)
    deployments = [{"use": "a/gpt", "weight": 3}, {"use": "b/gpt", "weight": 1}]
    async with served(a, b, policy="weighted", deployments=deployments) as gateway:
        for _ in range(10):
            await asyncio.gather(*(gateway.ask() for _ in range(8)))
    assert (len(a.seen), len(b.seen)) == (60, 20)


async def test_workers_begin_at_different_places(provide: Provide) -> None:
    a, b = await provide(GOOD), await provide(GOOD)
    async with served(a, b, worker=2, policy="round_robin") as gateway:
        assert [deployment for _, deployment in [await gateway.ask(), await gateway.ask()]] == [
            "b/gpt",
            "a/gpt",
        ]


async def test_a_virtual_model_that_rotates(provide: Provide) -> None:
    a, b = await provide(GOOD), await provide(GOOD)
    async with served(a, b, rotate={"requests": 1}) as gateway:
        asked = [await gateway.ask() for _ in range(4)]
        direct = [await gateway.ask(model="a/gpt") for _ in range(2)]
        (state,) = gateway.gateway.rotations()
    assert [deployment for _, deployment in asked] == ["a/gpt", "b/gpt", "a/gpt", "b/gpt"]
    assert [deployment for _, deployment in direct] == ["a/gpt"] * 2  # concrete names are unaffected
    assert (state.model, state.current, state.following, state.requests) == ("m", "a/gpt", "b/gpt", 1)


async def test_the_cheapest_one_and_then_the_next(provide: Provide) -> None:
    dear, cheap = await provide(GOOD), await provide(GOOD, stubs.refusal("openai_chat", 503, "busy", "Busy."))
    deployments = [
        {"use": "a/gpt", "price": {"input": 3, "output": 15}},
        {"use": "b/gpt", "price": {"input": 0.3, "output": 2}},
    ]
    async with served(dear, cheap, policy="cost", deployments=deployments) as gateway:
        assert [await gateway.ask() for _ in range(2)] == [(200, "b/gpt"), (200, "a/gpt")]


async def test_least_busy_passes_over_whoever_is_at_work(provide: Provide) -> None:
    slow, fast = await provide(late(1.0)), await provide(GOOD)
    async with served(slow, fast, policy="least_busy") as gateway:
        first = asyncio.ensure_future(gateway.ask())
        async with asyncio.timeout(60):
            while not slow.seen:  # noqa: ASYNC110 - the provider tells nobody
                await asyncio.sleep(0.01)
        assert gateway.running == {"a/gpt": 1, "b/gpt": 0}
        assert [await gateway.ask() for _ in range(3)] == [(200, "b/gpt")] * 3
        assert await first == (200, "a/gpt")
        assert gateway.running == {"a/gpt": 0, "b/gpt": 0}


async def test_the_same_prompt_gets_the_same_key(provide: Provide) -> None:
    provider = await provide(GOOD)
    async with served(provider, keys=5, policy="affinity") as gateway:
        for _ in range(20):
            await gateway.ask("What is the capital of France?")
        keys = [seen.headers["authorization"] for seen in provider.seen]
        assert len(keys) == 20
        assert len(set(keys)) == 1
        for number in range(20):
            await gateway.ask(f"What is {number} + 1?")
        assert len({seen.headers["authorization"] for seen in provider.seen}) > 2


async def test_the_turns_of_a_conversation_stay_together(provide: Provide) -> None:
    provider = await provide(GOOD)
    async with served(provider, keys=7, policy="affinity") as gateway:
        continued: dict[str, Any] = {}
        for text in ("Hello!", "Go on.", "And then?"):
            answer = await gateway.post("/v1/responses", {"input": text, **continued})
            continued = {"previous_response_id": answer["id"]}
        one = {seen.headers["authorization"] for seen in provider.seen}
        assert [len(seen.body["messages"]) for seen in provider.seen] == [1, 3, 5]
        provider.seen.clear()
        for text in ("Hello!", "Something else", "And then?"):
            await gateway.ask(text, headers={"x-session-id": "session-1"})
        other = {seen.headers["authorization"] for seen in provider.seen}
    assert (len(one), len(other)) == (1, 1)


async def test_a_key_that_rests_loses_the_prompt_but_not_the_request(provide: Provide) -> None:
    resting: set[str] = set()

    def says(seen: Seen) -> Any:
        if seen.headers["authorization"] in resting:
            resting.clear()
            refused = stubs.refusal("openai_chat", 429, "rate_limit_exceeded", "Slow down.")
            return msgspec.structs.replace(refused, headers={"retry-after": "1"})
        return GOOD(seen)

    provider = await provide(says)
    async with served(provider, keys=3, policy="affinity") as gateway:
        await gateway.ask()
        home = provider.seen[0].headers["authorization"]
        resting.add(home)
        assert (await gateway.ask())[0] == 200
        keys = [seen.headers["authorization"] for seen in provider.seen]
        assert keys[:2] == [home, home]
        assert keys[2] != home
        await asyncio.sleep(1.1)
        await gateway.ask()
    assert provider.seen[-1].headers["authorization"] == home


async def test_latency_leaves_a_slow_deployment(provide: Provide) -> None:
    slow, fast = await provide(late(0.5)), await provide(GOOD)
    async with served(slow, fast, policy="latency") as gateway:
        for _ in range(20):
            await gateway.ask()
    assert len(slow.seen) <= 3
    assert len(fast.seen) >= 17


@pytest.mark.parametrize("policy", ["least_busy", "latency"])
async def test_clients_that_leave_are_not_counted_for_ever(provide: Provide, policy: str) -> None:
    a, b = await provide(late(60.0)), await provide(late(60.0))
    async with served(a, b, policy=policy) as gateway:
        tasks = [asyncio.ensure_future(gateway.ask(stream=True)) for _ in range(10)]
        async with asyncio.timeout(60):
            while sum(gateway.running.values()) < 10:  # noqa: ASYNC110 - nobody is told
                await asyncio.sleep(0.01)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        async with asyncio.timeout(60):
            while any(gateway.running.values()):  # noqa: ASYNC110
                await asyncio.sleep(0.01)
