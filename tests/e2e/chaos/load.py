"""The load of the chaos tests: a provider that notes each call with the usage that it states, and clients."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from dragoman.testing.provider import Answer, Seen, Streamed, Whole

MAX_TOKENS = 16
PROMPT = 8
"""Tokens that the provider states for each prompt: fewer than the gateway counts."""
LONGEST = 60
"""Tokens of output that one of sixteen answers states, although its request allows MAX_TOKENS."""
BEYOND = PROMPT + LONGEST - MAX_TOKENS
"""The most tokens by which an answer can exceed what was reserved for it."""
INPUT_PRICE, OUTPUT_PRICE = 1_000, 2_000
"""Nano-USD for a token."""


@dataclass
class Asked:
    """One request. began, ended: by the monotonic clock. lost: its connection broke. called: what the
    provider has stated for each of its calls, tokens of input and of output.
    """

    marker: str
    phase: str
    key: str
    began: float
    streamed: bool
    ended: float = 0.0
    status: int = 0
    complete: bool = False
    error: str = ""
    lost: str = ""
    called: list[tuple[int, int]] = field(default_factory=list)


class Provider:
    """The truth: what was called, and which usage was stated."""

    def __init__(self) -> None:
        self.asked: dict[str, Asked] = {}
        self.calls = 0
        self.unknown: list[str] = []

    def __call__(self, seen: Seen) -> Answer:
        body = seen.body
        self.calls += 1
        given = LONGEST if self.calls % 16 == 0 else 4 + self.calls % 8
        marker = body["messages"][0]["content"]
        if (one := self.asked.get(marker)) is None:
            self.unknown.append(marker)
        else:
            one.called.append((PROMPT, given))
        usage = {"prompt_tokens": PROMPT, "completion_tokens": given, "total_tokens": PROMPT + given}
        said = {"id": "c", "created": 1, "model": "m"}
        if not body.get("stream"):
            message = {"role": "assistant", "content": marker}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            whole = {**said, "object": "chat.completion", "choices": [choice], "usage": usage}
            return Whole(whole, delay=self.calls % 5 / 40)
        said["object"] = "chat.completion.chunk"
        frames: list[Any] = [
            {**said, "choices": [{"index": 0, "delta": {"role": "assistant", "content": word}}]}
            for word in (marker, " and", " an", " end")
        ]
        frames.append({**said, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        frames.append({**said, "choices": [], "usage": usage})
        return Streamed([*frames, "data: [DONE]\n\n"], pause=0.02)


class Clients:
    """Clients that ask without a pause until they are stopped. urls: of the gateways. most: how many of the
    requests of one key ran at the same time, by key.
    """

    def __init__(self, provider: Provider, urls: Sequence[str]) -> None:
        self.urls = list(urls)
        self.most: dict[str, int] = {}
        self._provider = provider
        self._running: dict[str, int] = {}
        self._random = random.Random(18)
        self._stopped = False
        self._tasks: list[asyncio.Task[None]] = []
        self._session: aiohttp.ClientSession | None = None

    def start(self, phase: str, keys: Sequence[str], clients: int) -> None:
        connector = aiohttp.TCPConnector(limit=0)
        self._stopped = False
        self._session = aiohttp.ClientSession(
            connector=connector, timeout=aiohttp.ClientTimeout(total=90), read_bufsize=4096
        )
        self._tasks = [asyncio.create_task(self._run(phase, keys)) for _ in range(clients)]

    async def stop(self) -> None:
        self._stopped = True
        await asyncio.gather(*self._tasks)
        assert self._session is not None
        await self._session.close()

    async def _run(self, phase: str, keys: Sequence[str]) -> None:
        while not self._stopped:
            one = await self._ask(phase, self._random.choice(keys))
            await asyncio.sleep(0.1 if one.lost else 0.03)

    async def _ask(self, phase: str, key: str) -> Asked:
        number = len(self._provider.asked)
        one = Asked(f"chaos-{number}", phase, key, time.monotonic(), self._random.random() < 0.5)
        self._provider.asked[one.marker] = one
        body = {
            "model": "up/m",
            "max_tokens": MAX_TOKENS,
            "stream": one.streamed,
            "user": one.marker,
            "messages": [{"role": "user", "content": one.marker}],
        }
        headers = {"authorization": f"Bearer {secret(key)}"}
        self._running[key] = self._running.get(key, 0) + 1
        self.most[key] = max(self.most.get(key, 0), self._running[key])
        assert self._session is not None
        try:
            url = self._random.choice(self.urls) + "/v1/chat/completions"
            async with self._session.post(url, json=body, headers=headers) as response:
                one.status = response.status
                text = await response.text()
                if one.status != 200:
                    one.error = text[:300]
                elif one.streamed:
                    one.complete = text.endswith("data: [DONE]\n\n")
                    one.error = "" if one.complete else text[-300:]
                else:
                    one.complete = json.loads(text)["choices"][0]["message"]["content"] == one.marker
        except (aiohttp.ClientError, OSError, ValueError) as error:
            one.lost = repr(error)
        finally:
            one.ended = time.monotonic()
            self._running[key] -= 1
        return one


def secret(key: str) -> str:
    """The secret of a key of the configuration."""
    return f"0123456789-key-of-{key}"
