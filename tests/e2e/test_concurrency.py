"""Limits on what runs at once: what providers see of them, and what becomes of those who wait."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest

from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.testing.provider import Answer, FakeProvider, Seen, Streamed, Whole
from dragoman.testing.serving import serving
from tests.e2e import command, stubs
from tests.e2e.conftest import Provide
from tests.e2e.stubs import Said

CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello!"}]


class Busy:
    """A provider's answers, each of which takes a while. most: how many ran at once."""

    def __init__(self, seconds: float = 0.05, *, status: int = 200) -> None:
        self.seconds = seconds
        self.status = status
        self.provider: FakeProvider | None = None
        self.most = 0

    def __call__(self, seen: Seen) -> Answer:
        assert self.provider is not None
        self.most = max(self.most, self.provider.open + 1)
        if self.status != 200:
            refused = stubs.refusal("openai_chat", self.status, "busy", "Busy.")
            return msgspec.structs.replace(refused, delay=self.seconds)
        if seen.path.endswith("/embeddings"):
            vector = {"object": "embedding", "index": 0, "embedding": [0.5]}
            return Whole({"object": "list", "model": "e", "data": [vector]}, delay=self.seconds)
        made = stubs.openai_chat(Said("word"))
        answer = made(seen) if callable(made) else made
        if isinstance(answer, Streamed):
            return msgspec.structs.replace(answer, pause=self.seconds / 4)
        return msgspec.structs.replace(answer, delay=self.seconds)


class House:
    """A gateway and its client."""

    def __init__(self, gateway: Gateway, base: str, session: aiohttp.ClientSession) -> None:
        self.gateway = gateway
        self.base = base
        self.session = session
        self.exchanges: list[Exchange] = []

    async def ask(self, model: str = "m", path: str = CHAT, key: str = "", **fields: Any) -> tuple[int, Any]:
        body = {"model": model, **({"messages": HELLO} if path == CHAT else {}), **fields}
        headers = {"authorization": f"Bearer {key}"} if key else {}
        async with self.session.post(self.base + path, json=body, headers=headers) as response:
            read = await response.read()
            return response.status, read if fields.get("stream") else json.loads(read)

    def free(self) -> bool:
        return all(not gate.running and not gate.waiting for gate in self.gateway.gates.named.values())


@asynccontextmanager
async def opened(settings: dict[str, Any]) -> AsyncIterator[House]:
    exchanges: list[Exchange] = []
    gateway = Gateway({"retries": {"attempts": 1}, **settings}, observers=[exchanges.append])
    async with serving(gateway) as base, aiohttp.ClientSession() as session:
        house = House(gateway, base, session)
        house.exchanges = exchanges
        yield house


async def busy(provide: Provide, seconds: float = 0.05, **more: Any) -> tuple[Busy, str]:
    answers = Busy(seconds, **more)
    answers.provider = await provide(answers)
    return answers, answers.provider.url


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(60):
        while not true():  # noqa: ASYNC110 - the gateway tells nobody
            await asyncio.sleep(0.01)


def one(url: str, **more: Any) -> dict[str, Any]:
    return {"base_url": url, "keys": ["key-of-the-provider"], **more}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize(
    ("model", "provider"), [({"concurrency": 2}, {}), ({}, {"concurrency": {"limit": 2}})]
)
async def test_twenty_at_once_are_two_at_the_provider(
    provide: Provide, model: dict[str, Any], provider: dict[str, Any], stream: bool
) -> None:
    answers, url = await busy(provide)
    settings = {"providers": {"up": one(url, **provider)}, "models": {"m": {"use": "up/gpt", **model}}}
    async with opened(settings) as house:
        told = await asyncio.gather(*(house.ask(stream=stream) for _ in range(20)))
        assert [status for status, _ in told] == [200] * 20
        assert answers.most == 2
        assert house.free()
        assert sum(exchange.queued > 0 for exchange in house.exchanges) == 18


async def test_operations_and_counts_need_a_place_too(provide: Provide) -> None:
    answers, url = await busy(provide)
    settings = {"providers": {"up": one(url, concurrency=1)}}
    async with opened(settings) as house:
        told = await asyncio.gather(
            *(house.ask("up/e", "/v1/embeddings", input="Hello") for _ in range(4)),
            *(house.ask("up/gpt") for _ in range(4)),
        )
        assert [status for status, _ in told] == [200] * 8
        assert answers.most == 1
        assert house.free()


async def test_beyond_the_queue_is_429(provide: Provide) -> None:
    _, url = await busy(provide, 0.3)
    limits = {"limit": 1, "queue": 2}
    settings = {"providers": {"up": one(url)}, "models": {"m": {"use": "up/gpt", "concurrency": limits}}}
    async with opened(settings) as house:
        told = await asyncio.gather(*(house.ask() for _ in range(5)))
        assert sorted(status for status, _ in told) == [200, 200, 200, 429, 429]
        refused = next(body for status, body in told if status == 429)
        assert refused["error"]["code"] == "queue_full"
        assert "models.m" in refused["error"]["message"]
        assert house.gateway.observers.bounds.counts == {"queue_full": 2}


async def test_who_waits_for_too_long_is_told_so(provide: Provide) -> None:
    _, url = await busy(provide, 1.5)
    limits = {"limit": 1, "wait": "100ms"}
    settings = {"providers": {"up": one(url)}, "models": {"m": {"use": "up/gpt", "concurrency": limits}}}
    async with opened(settings) as house:
        told = await asyncio.gather(house.ask(), house.ask())
        assert sorted((status, body.get("error", {}).get("code")) for status, body in told) == [
            (200, None),
            (429, "queue_timeout"),
        ]
        assert house.free()


async def test_a_full_provider_is_passed_over(provide: Provide) -> None:
    first, url = await busy(provide, 0.3)
    second, other = await busy(provide, 0.3)
    settings = {
        "providers": {"one": one(url, concurrency=1), "two": one(other, concurrency=1)},
        "models": {"m": {"deployments": ["one/gpt", "two/gpt"]}},
    }
    async with opened(settings) as house:
        told = await asyncio.gather(*(house.ask() for _ in range(4)))
        assert [status for status, _ in told] == [200] * 4
        assert first.provider is not None
        assert second.provider is not None
        assert (len(first.provider.seen), len(second.provider.seen)) == (2, 2)
        assert (first.most, second.most) == (1, 1)


async def test_a_failure_moves_on_with_its_place(provide: Provide) -> None:
    failing, url = await busy(provide, 0.01, status=503)
    answers, other = await busy(provide, 0.02)
    settings = {
        "providers": {"one": one(url, concurrency=2), "two": one(other, concurrency=1)},
        "models": {"m": {"deployments": ["one/gpt", "two/gpt"], "concurrency": 3}},
        "breaker": {"failures": 0},
    }
    async with opened(settings) as house:
        told = await asyncio.gather(*(house.ask() for _ in range(12)))
        assert [status for status, _ in told] == [200] * 12
        assert (failing.most <= 2, answers.most) == (True, 1)
        assert house.free()


async def test_clients_that_leave_give_their_places_back(provide: Provide) -> None:
    answers, url = await busy(provide, 0.2)
    settings = {"providers": {"up": one(url)}, "models": {"m": {"use": "up/gpt", "concurrency": 2}}}
    async with opened(settings) as house:
        requests = [asyncio.ensure_future(house.ask(stream=number % 2 == 0)) for number in range(30)]
        await asyncio.sleep(0.05)
        for number, request in enumerate(requests):
            if number % 3:
                request.cancel()
        await asyncio.wait(requests)
        kept = [request.result()[0] for request in requests if not request.cancelled()]
        assert kept == [200] * 10
        assert answers.most <= 2
        await until(house.free)


async def test_one_client_does_not_keep_another_from_its_turn(provide: Provide) -> None:
    _, url = await busy(provide, 0.1)
    settings = {
        "providers": {"up": one(url)},
        "models": {"m": {"use": "up/gpt", "concurrency": 1}},
        "auth": {
            "keys": [{"key": "key-of-ann-1234", "name": "ann"}, {"key": "key-of-bob-1234", "name": "bob"}]
        },
    }
    async with opened(settings) as house:
        many = [asyncio.ensure_future(house.ask(key="key-of-ann-1234")) for _ in range(10)]
        await until(lambda: house.gateway.gates.named["models.m"].waiting == 9)
        assert (await house.ask(key="key-of-bob-1234"))[0] == 200
        assert sum(one.done() for one in many) <= 5
        await asyncio.gather(*many)


async def test_starts_are_apart(provide: Provide) -> None:
    answers, url = await busy(provide, 0.0)
    settings = {
        "providers": {"up": one(url)},
        "models": {"m": {"use": "up/gpt", "concurrency": {"delay": "50ms"}}},
    }
    async with opened(settings) as house:
        loop = asyncio.get_running_loop()
        began = loop.time()
        told = await asyncio.gather(*(house.ask() for _ in range(5)))
        assert [status for status, _ in told] == [200] * 5
        assert loop.time() - began >= 0.19
        assert answers.provider is not None


async def test_a_key_that_rests_meanwhile_is_not_asked_by_those_who_waited(provide: Provide) -> None:
    limited = msgspec.structs.replace(
        stubs.refusal("openai_chat", 429, "rate_limit_exceeded", "Slow down."),
        headers={"retry-after": "60"},
        delay=0.2,
    )
    provider = await provide(limited)
    settings = {"providers": {"up": one(provider.url, concurrency=1)}}
    async with opened(settings) as house:
        told = await asyncio.gather(*(house.ask("up/gpt") for _ in range(6)))
        assert [status for status, _ in told] == [429] * 6
        assert len(provider.seen) == 1
        assert house.free()


async def test_more_requests_than_a_worker_may_have_get_503_before_their_body_is_read(
    provide: Provide,
) -> None:
    _, url = await busy(provide, 2.0)
    settings = {"providers": {"up": one(url)}, "server": {"max_requests": 3}}
    async with opened(settings) as house:
        told = await asyncio.gather(*(house.ask("up/gpt") for _ in range(5)))
        assert sorted(status for status, _ in told) == [200, 200, 200, 503, 503]
        refused = next(body for status, body in told if status == 503)
        assert refused["error"]["code"] == "too_many_requests_together"
        running = [asyncio.ensure_future(house.ask("up/gpt")) for _ in range(3)]
        await asyncio.sleep(0.2)
        async with house.session.get(house.base + "/health") as response:
            assert response.status == 200
        reader, writer = await asyncio.open_connection(*house.base.removeprefix("http://").split(":"))
        writer.write(
            f"POST {CHAT} HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            "content-length: 1000000\r\n\r\n".encode()
        )
        async with asyncio.timeout(60):
            head = await reader.readuntil(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 503")
        assert b"retry-after: 1\r\n" in head.lower()
        writer.close()
        assert [status for status, _ in await asyncio.gather(*running)] == [200] * 3


@pytest.mark.skipif(sys.platform == "win32", reason="workers are forks")
@pytest.mark.skipif(find_spec("sqlalchemy") is None, reason="workers share a database: extra `sql`")
async def test_two_workers_keep_the_limit_together(
    environment: dict[str, str], tmp_path: Path, provide: Provide
) -> None:
    answers, url = await busy(provide)
    settings = {"providers": {"up": one(url)}, "models": {"m": {"use": "up/gpt", "concurrency": 2}}}
    (tmp_path / "dragoman.yaml").write_text(json.dumps(settings))

    async def ask(base: str) -> int:
        async with (
            aiohttp.ClientSession() as session,
            session.post(base + CHAT, json={"model": "m", "messages": HELLO}) as response,
        ):
            await response.read()
            return response.status

    start: Callable[..., Any] = command.Serving
    server = await asyncio.to_thread(start, environment, tmp_path, "--workers", "2")
    try:
        told = await asyncio.gather(*(ask(server.url) for _ in range(20)))
        assert told == [200] * 20
        assert answers.most == 2
    finally:
        code, _, lines = await asyncio.to_thread(server.stop)
    assert code == 0
    assert len([line for line in lines if line["event"] == "exchange"]) == 20
