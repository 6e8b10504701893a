"""Clients that ask without a pause, and what became of each of their requests."""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp

PIECE = re.compile(r"(soak-\d+-[0-9a-f]{8})/(\d+):(\d+) ")
MODELS = ("even", "pinned", "fast", "stepped", "tight", "flaky/m", "limited/m")
LEAVING = ("even", "pinned", "stepped", "limited/m")
"""Models without `narrow`, whose places are counted exactly: who leaves keeps a call for a moment."""


@dataclass
class Asked:
    """One request. began, ended: monotonic seconds. left: its client left in the middle of the answer."""

    marker: str
    key: str
    model: str
    began: float
    ended: float = 0.0
    status: int = 0
    text: str = ""
    error: dict[str, Any] | None = None
    complete: bool = False
    left: bool = False
    lost: str = ""
    request_id: str = ""
    traced: dict[str, Any] | None = field(default=None, repr=False)

    def calls(self) -> set[int]:
        """The numbers of the calls that the pieces of this answer name."""
        return {int(call) for _, call, _ in PIECE.findall(self.text)}

    def fault(self) -> str:
        """What is wrong with the text itself: pieces of another request, missing or joined ones."""
        pieces = PIECE.findall(self.text)
        if "".join(f"{marker}/{call}:{n} " for marker, call, n in pieces) != self.text:
            return "text that no provider has said"
        if any(marker != self.marker for marker, _, _ in pieces):
            return "pieces of another request"
        if len(self.calls()) > 1:
            return "pieces of two calls"
        if [int(n) for _, _, n in pieces] != list(range(len(pieces))):
            return "pieces are missing, doubled or in another order"
        return ""


class Clients:
    """Clients of one gateway, each with one request at a time. keys: what they call with. seed: of their
    choices, and of the markers.
    """

    def __init__(self, session: aiohttp.ClientSession, url: str, keys: list[str], seed: int) -> None:
        self.asked: list[Asked] = []
        self.running = 0
        self.stopped = False
        self._session = session
        self._url = url
        self._keys = keys
        self._random = random.Random(seed)
        self._numbers = itertools.count()

    async def run(self, trace: Callable[[Asked], Any] | None = None) -> None:
        """Ask until stopped. trace: what is awaited for one of twenty requests after its end."""
        while not self.stopped:
            one = await self.ask(self._random.choice(self._keys), self._random.choice(MODELS))
            if one.status in {401, 429} or one.lost:
                await asyncio.sleep(0.1)
            if trace and self._random.random() < 0.05:
                one.traced = await trace(one)

    async def ask(self, key: str, model: str) -> Asked:
        marker = f"soak-{next(self._numbers)}-{self._random.getrandbits(32):08x}"
        one = Asked(marker, key, model, time.monotonic())
        self.asked.append(one)
        streamed = self._random.random() < 0.8
        leaves = streamed and model in LEAVING and self._random.random() < 0.05
        face = "messages" if self._random.random() < 0.2 else "chat/completions"
        body: dict[str, Any] = {"model": model, "stream": streamed, "max_tokens": 100}
        body["messages"] = [{"role": "user", "content": f"Repeat {marker}"}]
        headers = {"authorization": f"Bearer {key}"}
        if face == "chat/completions" and self._random.random() < 0.3:
            body["prompt_cache_key"] = f"session-{self._random.randrange(50)}"
        self.running += 1
        try:
            async with self._session.post(f"{self._url}/v1/{face}", json=body, headers=headers) as response:
                one.status = response.status
                one.request_id = response.headers.get("x-request-id", "")
                if streamed and response.status == 200:
                    await _read(one, response, leaves=leaves)
                else:
                    _whole(one, await response.json())
        except (aiohttp.ClientError, OSError, ValueError) as error:
            one.lost = repr(error)
        finally:
            self.running -= 1
            one.ended = time.monotonic()
        return one


async def _read(one: Asked, response: aiohttp.ClientResponse, *, leaves: bool) -> None:
    async for line in response.content:
        if line.startswith(b"data: [DONE]"):
            one.complete = True
        if not line.startswith(b"data: {"):
            continue
        event = json.loads(line[6:])
        if "error" in event:
            one.error = event["error"]
        elif event.get("type") == "message_stop":
            one.complete = True
        elif "choices" in event:
            one.text += "".join(choice["delta"].get("content") or "" for choice in event["choices"])
        elif event.get("type") == "content_block_delta":
            one.text += event["delta"]["text"]
        if leaves and one.text:
            one.left = True
            response.close()
            return


def _whole(one: Asked, answer: Any) -> None:
    if one.status != 200:
        one.error = answer["error"]
    elif "choices" in answer:
        one.text = answer["choices"][0]["message"]["content"]
        one.complete = True
    else:
        one.text = "".join(block["text"] for block in answer["content"])
        one.complete = True
