"""What one worker learns of keys and deployments, the others know; and what the keeper's death changes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import AbstractContextManager, ExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dragoman.testing.provider import Answer, FakeProvider, Seen, Whole
from tests.e2e import stubs
from tests.e2e.command import Serving, serving
from tests.e2e.conftest import Provide
from tests.e2e.stubs import Said

pytestmark = [
    pytest.mark.skipif(sys.platform == "win32", reason="workers are forks"),
    pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="workers share a database: extra `sql`"),
]

Start = Callable[..., Serving]
FIRST, SECOND = "key-of-the-first", "key-of-the-other"
GOOD: Any = stubs.openai_chat(Said())


@pytest.fixture
def start(environment: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Start a gateway of four workers with this configuration."""
    with ExitStack() as stack:

        def begin(settings: Mapping[str, Any], workers: int = 4) -> Serving:
            (tmp_path / "dragoman.yaml").write_text(json.dumps(settings))
            context: AbstractContextManager[Serving] = serving(
                environment, tmp_path, "--workers", str(workers)
            )
            return stack.enter_context(context)

        yield begin


def asked_with(provider: FakeProvider, key: str) -> int:
    """How many calls came with a key."""
    return sum(seen.headers["authorization"] == f"Bearer {key}" for seen in provider.seen)


async def ask(server: Serving, **fields: Any) -> tuple[int, bytes]:
    """A chat over a connection of its own, so that any worker may take it: status and body."""
    body = {"model": "up/gpt", "messages": [{"role": "user", "content": "Hello!"}], **fields}
    timeout = aiohttp.ClientTimeout(total=60)
    async with (
        aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(force_close=True)) as session,
        session.post(f"{server.url}/v1/chat/completions", json=body) as response,
    ):
        return response.status, await response.read()


async def health(server: Serving) -> dict[str, Any]:
    connector = aiohttp.TCPConnector(force_close=True)
    async with (
        aiohttp.ClientSession(connector=connector) as session,
        session.get(f"{server.url}/health") as response,
    ):
        told: dict[str, Any] = await response.json()
        return told


async def until(true: Callable[[], Awaitable[bool]], seconds: float = 20) -> None:
    """Wait until something is true."""
    end = time.monotonic() + seconds
    while not await true():
        assert time.monotonic() < end
        await asyncio.sleep(0.05)


def limited(seen: Seen) -> Answer:
    """The first key is at its limit."""
    if seen.headers["authorization"] == f"Bearer {FIRST}":
        refused = stubs.refusal("openai_chat", 429, "rate_limit_exceeded", "Slow down.")
        return Whole(refused.body, 429, {"retry-after": "600"})
    answer: Answer = GOOD(seen)
    return answer


def two_keys(url: str) -> dict[str, Any]:
    return {
        "providers": {"up": {"base_url": url, "keys": [FIRST, SECOND]}},
        "retries": {"attempts": 1},
    }


async def test_a_resting_key_is_left_alone_by_all_workers(provide: Provide, start: Start) -> None:
    provider = await provide(limited)
    server = start(two_keys(provider.url))
    assert (await ask(server))[0] == 200
    await asyncio.sleep(1)
    answers = await asyncio.gather(*(ask(server, stream=True) for _ in range(100)))
    assert [status for status, _ in answers] == [200] * 100
    assert all(body.rstrip().endswith(b"data: [DONE]") for _, body in answers)
    assert asked_with(provider, FIRST) <= 4
    assert asked_with(provider, SECOND) == 101
