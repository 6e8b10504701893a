"""A request leaves nothing that only the garbage collector can free: a circle stays in memory until its next
full run, a prompt of 100 kB too.
"""

from __future__ import annotations

import asyncio
import gc
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import aiohttp
import pytest

from dragoman.gateway import Gateway
from dragoman.stores.usage import MemoryUsage
from dragoman.testing.serving import serving
from tests.e2e import stubs
from tests.e2e.conftest import Provide
from tests.e2e.stubs import Said

REQUESTS = 10
HELLO = [{"role": "user", "content": "Hello!"}]
MODELS: dict[str, Any] = {
    "relayed": {"use": "chat/m"},
    "translated": {"use": "messages/m"},
    "next": {"deployments": ["down/m", "chat/m"]},
    "fallback": {"use": "down/m", "fallbacks": ["relayed"]},
    "limited": {"use": "chat/m", "concurrency": 1},
    "sticky": {"policy": "affinity", "deployments": ["chat/m", "messages/m"]},
    "failing": {"use": "down/m"},
}


@contextmanager
def kept() -> Iterator[list[str]]:
    """Names what the block has left to the collector, by type, afterwards."""
    left: list[str] = []
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        yield left
        gc.collect()
        ours = Counter(
            type(one).__qualname__ for one in gc.garbage if type(one).__module__.startswith("dragoman")
        )
        left += [f"{name} {count}" for name, count in ours.most_common() if count >= REQUESTS]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@asynccontextmanager
async def asking(provide: Provide) -> AsyncIterator[Callable[[str, bool], Awaitable[None]]]:
    """A gateway with `MODELS`. Gives what asks one of them, streamed or not."""
    down = await provide(stubs.refusal("openai_chat", 503, "server_error", "Not now."))
    chat = await provide(stubs.openai_chat(Said()))
    messages = await provide(stubs.anthropic(Said()))
    settings = {
        "providers": {
            "down": {"base_url": down.url, "keys": ["key-of-down"], "dialect": "openai_chat"},
            "chat": {"base_url": chat.url, "keys": ["key-of-chat"], "dialect": "openai_chat"},
            "messages": {"base_url": messages.url, "keys": ["key-of-messages"], "dialect": "anthropic"},
        },
        "models": MODELS,
        "breaker": {"failures": 0},
        "retries": {"attempts": 1},
        "trace": {"keep": 0},
    }
    async with serving(Gateway(settings)) as base, aiohttp.ClientSession() as session:

        async def ask(model: str, streamed: bool) -> None:
            body = {"model": model, "messages": HELLO, "stream": streamed}
            async with session.post(f"{base}/v1/chat/completions", json=body) as response:
                await response.read()
                assert response.status == (503 if model == "failing" else 200)
            for provider in (down, chat, messages):
                provider.seen.clear()

        yield ask


@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
@pytest.mark.parametrize("model", MODELS)
async def test_a_request_leaves_no_circle(provide: Provide, model: str, *, streamed: bool) -> None:
    async with asking(provide) as ask:
        for _ in range(3):
            await ask(model, streamed)
        with kept() as left:
            for _ in range(REQUESTS):
                await ask(model, streamed)
            await asyncio.sleep(0.05)
        assert left == []


async def test_requests_leave_nothing_in_memory(provide: Provide, monkeypatch: pytest.MonkeyPatch) -> None:
    """Less than one object for each request, neither in a circle nor in a list that only grows. The latest
    usage records stay, up to a bound, which is so small here that the first requests reach it.
    """
    monkeypatch.setattr(MemoryUsage.__init__, "__defaults__", (20_000, 20))
    async with asking(provide) as ask:

        async def many(rounds: int) -> int:
            """The objects of Python that are there after so many requests for each model."""
            for _ in range(rounds):
                for model in MODELS:
                    for streamed in (False, True):
                        await ask(model, streamed)
            await asyncio.sleep(0.05)
            gc.collect()
            return sys.getallocatedblocks()

        await many(10)
        rounds, there = 20, [await many(5)]
        for _ in range(10):
            # What leaves something does so every time. What else lives in this process comes and goes, in
            # steps of thousands after some tests, so that several rises in a row prove nothing yet.
            there.append(await many(rounds))
            if there[-1] - there[-2] < rounds * len(MODELS):
                return
        raise AssertionError(there)
