"""Gateways that count limits together, as processes of their own: one, one with workers, or two servers.

The provider's log says what has passed.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import ExitStack, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import aiohttp
import pytest

from dragoman.testing.provider import Answer, FakeProvider, Seen, Streamed, Whole
from tests.e2e.command import Serving, serving
from tests.valkey_server import REDIS, ValkeyServer

KEYS = {"ci": "0123456789-key-of-ci", "ops": "0123456789-key-of-ops"}
MODELS = ("count", "tokens", "money", "beyond", "slow", "many")
PRICES = {f"up/{model}": {"input": 1, "output": 10} for model in MODELS}
"""USD for a million tokens."""
OUTPUT = 20
"""What requests state as `max_tokens`."""
BEYOND = 30
PLACES = (
    "memory",
    pytest.param("workers", id="4 workers"),
    pytest.param("valkey", id="2 servers, Valkey"),
    pytest.param(
        "redis",
        id="2 servers, Redis",
        marks=pytest.mark.skipif(REDIS is None, reason="this system has no redis-server"),
    ),
)


class Told(NamedTuple):
    """What the provider said that a request has used, in tokens."""

    input: int
    output: int

    @property
    def nano(self) -> int:
        """The same by `PRICES`, in nano-USD."""
        return 1_000 * self.input + 10_000 * self.output


class Provider:
    """A provider that answers after some milliseconds. log: what it has told, by model. Of `slow` it
    answers after `delay`; of `beyond` it uses `BEYOND` more tokens of output than requests allow.
    """

    def __init__(self, *, delay: float = 1.0) -> None:
        self.log: defaultdict[str, list[Told]] = defaultdict(list)
        self.delay = delay

    def __call__(self, seen: Seen) -> Answer:
        model = seen.body["model"]
        told = Told(5, OUTPUT + BEYOND * (model == "beyond"))
        self.log[model].append(told)
        delay = self.delay if model == "slow" else 0.01
        usage = {
            "prompt_tokens": told.input,
            "completion_tokens": told.output,
            "total_tokens": sum(told),
        }
        said = {"id": "c", "object": "chat.completion", "created": 1, "model": model}
        if not seen.body.get("stream"):
            message = {"role": "assistant", "content": "Hello"}
            choice = {"index": 0, "message": message, "finish_reason": "stop"}
            return Whole({**said, "choices": [choice], "usage": usage}, delay=delay)
        said["object"] = "chat.completion.chunk"
        frames: list[Any] = [
            {**said, "choices": [{"index": 0, "delta": {"content": word}}]} for word in ("Hel", "lo")
        ]
        frames.append({**said, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]})
        frames.append({**said, "choices": [], "usage": usage})
        return Streamed([*frames, "data: [DONE]\n\n"], delay=delay)


class Answered(NamedTuple):
    """A whole answer. status: 0 = the connection was lost. code: of the error, if it is one."""

    status: int
    code: str | None
    headers: Mapping[str, str]
    message: str = ""


class Fleet:
    """Servers that count together, and a client of theirs. provider: whose log counts."""

    def __init__(
        self, servers: Sequence[Serving], provider: Provider, session: aiohttp.ClientSession
    ) -> None:
        self.servers = servers
        self.provider = provider
        self.session = session
        self._number = 0

    async def ask(self, model: str, key: str = "ci", **fields: Any) -> Answered:
        """Ask the next server; each request has its own connection, so that all workers get some."""
        self._number += 1
        server = self.servers[self._number % len(self.servers)]
        messages = [{"role": "user", "content": "Hi"}]
        body = {"model": model, "messages": messages, "max_tokens": OUTPUT, **fields}
        headers = {"authorization": f"Bearer {KEYS[key]}"}
        try:
            async with self.session.post(
                server.url + "/v1/chat/completions", json=body, headers=headers
            ) as response:
                raw = await response.read()
                if response.status == 200:
                    return Answered(200, None, response.headers)
                error = json.loads(raw)["error"]
                return Answered(response.status, error["code"], response.headers, error["message"])
        except aiohttp.ClientError:
            return Answered(0, None, {})

    async def at_once(self, many: int, model: str) -> Counter[tuple[int, str | None]]:
        """Ask so many times at once. Returns how often there was which status and code. Every other answer
        is streamed.
        """
        told = await asyncio.gather(*(self.ask(model, stream=number % 2 == 1) for number in range(many)))
        return Counter((one.status, one.code) for one in told)

    async def until_refused(self, model: str) -> Answered:
        """Ask one after the other until an answer is refused. Returns that one."""
        async with asyncio.timeout(60):
            while (told := await self.ask(model)).status == 200:
                pass
        return told

    async def get(self, path: str, server: int = 0) -> Any:
        """What this server tells its operators, in JSON."""
        return json.loads(await self.read(path, server))

    async def read(self, path: str, server: int = 0) -> bytes:
        """The bytes of what this server tells its operators."""
        return await self.told("GET", path, server)

    async def told(self, method: str, path: str, server: int = 0, body: Any = None) -> bytes:
        """The answer to an operator, in bytes."""
        headers = {"authorization": f"Bearer {KEYS['ops']}"}
        url = self.servers[server].url + path
        async with self.session.request(method, url, headers=headers, json=body) as response:
            assert response.status == 200, await response.text()
            return await response.read()

    async def status(self, secret: str, server: int = 0) -> int:
        """The status of an answer to this key, on a connection of its own."""
        headers = {"authorization": f"Bearer {secret}"}
        async with self.session.get(self.servers[server].url + "/v1/models", headers=headers) as response:
            await response.read()
            return response.status

    def tokens(self, model: str) -> int:
        """How many the provider's log has of a model."""
        return sum(sum(told) for told in self.provider.log[model])


@contextmanager
def _started(
    place: str, environment: Mapping[str, str], folder: Path, settings: Mapping[str, Any]
) -> Iterator[list[Serving]]:
    with ExitStack() as opened:
        many = 2 if place in {"valkey", "redis"} else 1
        stores = dict(settings.get("stores", {}))
        if many == 2:
            store = ValkeyServer(tcp=True, program=[str(REDIS)] if place == "redis" else None)
            opened.callback(store.close)
            stores["valkey"] = store.url
        servers = []
        for number in range(many):
            home = folder / f"server-{number}"
            home.mkdir()
            (home / "dragoman.yaml").write_text(json.dumps({**settings, "stores": stores}))
            own = {**environment, "HOME": str(home), "DRAGOMAN_HOME": str(home / "home")}
            workers = ("--workers", "4") if place == "workers" else ()
            servers.append(opened.enter_context(serving(own, home, *workers)))
        yield servers


@asynccontextmanager
async def fleet(
    place: str,
    environment: Mapping[str, str],
    folder: Path,
    provider: Provider | None = None,
    **settings: Any,
) -> AsyncIterator[Fleet]:
    """Servers at this place, with these settings, in front of a provider of `MODELS`."""
    provider = provider or Provider()
    async with FakeProvider(provider) as up:
        stated = {
            "providers": {"up": {"dialect": "openai_chat", "base_url": up.url, "keys": ["sk-0123456789"]}},
            "models": {model: f"up/{model}" for model in MODELS},
            "prices": PRICES,
            "auth": {
                "keys": [
                    {"name": "ci", "key": KEYS["ci"]},
                    {"name": "ops", "key": KEYS["ops"], "scopes": ["inference", "admin"]},
                ]
            },
            "retries": {"attempts": 1},
            **settings,
        }
        connector = aiohttp.TCPConnector(limit=0, force_close=True)
        with _started(place, environment, folder, stated) as servers:
            async with aiohttp.ClientSession(
                connector=connector, timeout=aiohttp.ClientTimeout(total=120)
            ) as session:
                yield Fleet(servers, provider, session)
