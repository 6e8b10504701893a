"""A log that nobody reads: stderr is a full pipe, and everything goes on but the log."""

from __future__ import annotations

import asyncio
import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dragoman.testing.provider import Answer, Seen, Whole
from tests.e2e import stubs
from tests.e2e.command import COMMAND, SECONDS
from tests.e2e.conftest import Provide
from tests.e2e.test_workers import children

if sys.platform == "linux":
    import fcntl

pytestmark = [
    pytest.mark.skipif(sys.platform != "linux", reason="the size of a pipe can be set on Linux alone"),
    pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="workers share a database: extra `sql`"),
]


class Unread:
    """A `dragoman serve` whose log goes into a small pipe. Only its first line is read."""

    def __init__(
        self, environment: dict[str, str], folder: Path, workers: int, stack: AsyncExitStack
    ) -> None:
        self.log, self._full = os.pipe()
        fcntl.fcntl(self._full, fcntl.F_SETPIPE_SZ, 4096)
        command = [*COMMAND, "serve", "--port", "0", "--workers", str(workers)]
        self.process = subprocess.Popen(command, stderr=self._full, env=environment, cwd=folder)
        stack.callback(self._end)
        line = b""
        while not line.endswith(b"\n"):
            assert select.select([self.log], [], [], SECONDS)[0]
            line += os.read(self.log, 1)
        self.url: str = json.loads(line)["url"]

    def _end(self) -> None:
        os.close(self.log)
        os.close(self._full)
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    async def full(self) -> bool:
        """Whether the pipe takes nothing any more."""
        return not select.select([], [self._full], [], 0)[1]


async def fetch(method: str, url: str, body: Any = None) -> tuple[int, Any]:
    """One answer on a connection of its own, so that any worker may give it: status and body."""
    async with (
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=SECONDS)) as session,
        session.request(method, url, json=body) as response,
    ):
        return response.status, await response.json()


async def until(true: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is true."""
    end = time.monotonic() + SECONDS
    while not await true():
        assert time.monotonic() < end
        await asyncio.sleep(0.02)


class Provider:
    """Fails each chat, and every other time that it is asked for its models."""

    def __init__(self) -> None:
        self.lists = 0

    def __call__(self, seen: Seen) -> Answer:
        if seen.method != "GET":
            return stubs.refusal("openai_chat", 500, "server_error", "Broken.")
        self.lists += 1
        return Whole({"object": "list", "data": []}, 200 if self.lists % 2 else 503)


@pytest.mark.parametrize("workers", [1, 2])
async def test_everything_goes_on_while_nobody_reads_the_log(
    environment: dict[str, str], tmp_path: Path, provide: Provide, stack: AsyncExitStack, workers: int
) -> None:
    """Requests and checks log warnings into the full pipe: in the workers, in the keeper, in the parent."""
    answers = Provider()
    up = {
        "base_url": (await provide(answers)).url,
        "keys": ["up-key"],
        "check": {"every": "1s", "when": "always"},
    }
    settings = {"providers": {"up": up}, "retries": {"attempts": 1}, "breaker": {"failures": 1}}
    (tmp_path / "dragoman.yaml").write_text(json.dumps(settings))
    server = await asyncio.to_thread(Unread, environment, tmp_path, workers, stack)

    async def ask(number: int) -> int:
        """Ask for a model that nobody has asked for before: its failure is news for the log."""
        body = {"model": f"up/m{number}", "messages": [{"role": "user", "content": "Hi"}]}
        status, _ = await fetch("POST", f"{server.url}/v1/chat/completions", body)
        return status

    assert [await ask(number) for number in range(30)] == [502] * 30
    await until(server.full)
    assert [await ask(number) for number in range(30, 60)] == [502] * 30
    lists = answers.lists
    await until(lambda: asked(answers, lists + 3))
    for process in children(server.process.pid):
        os.kill(process, signal.SIGKILL)

    async def all_there() -> bool:
        try:
            status, told = await fetch("GET", f"{server.url}/health")
        except aiohttp.ClientError:
            return False
        return status == 200 and (
            workers == 1 or (told["reporting"] == workers and told["keeper"]["state"] == "running")
        )

    await until(all_there)
    assert await ask(60) == 502
    assert await server.full()
    server.process.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(server.process.wait, SECONDS) == 0


async def asked(answers: Provider, times: int) -> bool:
    return answers.lists >= times
