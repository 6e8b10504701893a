"""Requests of every kind to one gateway, and what they leave in memory.

As a program, `python -m tests.e2e.memory`, it prints what is in the memory of a process that does nothing
else: in one that has run other tests, what those left comes and goes.
"""

from __future__ import annotations

import asyncio
import gc
import json
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp

from dragoman.gateway import Gateway
from dragoman.stores.usage import MemoryUsage
from dragoman.testing.provider import FakeProvider
from dragoman.testing.serving import serving
from tests.e2e import stubs
from tests.e2e.stubs import Said

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

# Between two counts: 4 requests for every model, whole and streamed.
ROUNDS = 4
REQUESTS = ROUNDS * len(MODELS) * 2
COUNTS = 48


@asynccontextmanager
async def asking() -> AsyncIterator[Callable[[str, bool], Awaitable[None]]]:
    """A gateway with `MODELS`. Gives what asks one of them, streamed or not."""
    async with (
        FakeProvider(stubs.refusal("openai_chat", 503, "server_error", "Not now.")) as down,
        FakeProvider(stubs.openai_chat(Said())) as chat,
        FakeProvider(stubs.anthropic(Said())) as messages,
        aiohttp.ClientSession() as session,
    ):
        settings = {
            "providers": {
                "down": {"base_url": down.url, "keys": ["key-of-down"], "dialect": "openai_chat"},
                "chat": {"base_url": chat.url, "keys": ["key-of-chat"], "dialect": "openai_chat"},
                "messages": {
                    "base_url": messages.url,
                    "keys": ["key-of-messages"],
                    "dialect": "anthropic",
                },
            },
            "models": MODELS,
            "breaker": {"failures": 0},
            "retries": {"attempts": 1},
            "trace": {"keep": 0},
        }
        async with serving(Gateway(settings)) as base:

            async def ask(model: str, streamed: bool) -> None:
                body = {"model": model, "messages": HELLO, "stream": streamed}
                async with session.post(f"{base}/v1/chat/completions", json=body) as response:
                    await response.read()
                    assert response.status == (503 if model == "failing" else 200)
                for provider in (down, chat, messages):
                    provider.seen.clear()

            yield ask


async def counted(leaked: list[object] | None) -> list[int]:
    """The objects of Python that are there, `COUNTS` times, each after `REQUESTS` more requests. leaked: gets
    two objects for every request, which a reader of the counts must notice; None = nothing does.
    """
    # The latest usage records stay, up to a bound: here one that the first requests reach.
    MemoryUsage.__init__.__defaults__ = (20_000, 20)
    async with asking() as ask:

        async def many(rounds: int) -> int:
            for _ in range(rounds):
                for model in MODELS:
                    for streamed in (False, True):
                        await ask(model, streamed)
                        if leaked is not None:
                            leaked.extend((object(), object()))
            await asyncio.sleep(0.02)
            gc.collect()
            return sys.getallocatedblocks()

        await many(10 * ROUNDS)
        gc.freeze()  # a collection looks only at what is made from here on, which takes a tenth of the time
        return [await many(ROUNDS) for _ in range(COUNTS)]


def left(counts: list[int]) -> float:
    """The objects that stay for each request. What the interpreter keeps for its next use comes and goes by
    thousands, so the least of the first third is compared with the least of the last.
    """
    third = len(counts) // 3
    return (min(counts[-third:]) - min(counts[:third])) / (REQUESTS * (len(counts) - third))


if __name__ == "__main__":
    print(json.dumps(left(asyncio.run(counted([] if "--leak" in sys.argv else None)))))
