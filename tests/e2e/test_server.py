"""The server itself: connections, disconnects, heartbeats, stops. What is asked and answered is elsewhere."""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from dragoman.config.load import load
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.seams.clock import Seams
from dragoman.testing.provider import Whole
from dragoman.testing.serving import serving
from tests.e2e.calls import CHAT, HELLO
from tests.e2e.conftest import Provide, Serve, up

HEALTH = b"GET /health HTTP/1.1\r\nhost: localhost\r\n\r\n"


def post(**fields: Any) -> bytes:
    """A chat request as it goes over the wire."""
    body = json.dumps({"model": "up/gpt-4o", "messages": HELLO, **fields}).encode()
    head = f"POST {CHAT} HTTP/1.1\r\nhost: localhost\r\ncontent-type: application/json\r\n"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


async def connect(base: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    parts = urlsplit(base)
    return await asyncio.open_connection(parts.hostname, parts.port)


async def until(true: Callable[[], object], seconds: float = 60) -> None:
    """Wait until something is true. Raises TimeoutError."""
    async with asyncio.timeout(seconds):
        while not true():  # noqa: ASYNC110 - what is waited for has no event
            await asyncio.sleep(0.01)


ANSWER = {
    "id": "chatcmpl-up",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": "gpt-4o",
    "choices": [{"index": 0, "message": {"role": "assistant", "content": "Hi!"}, "finish_reason": "stop"}],
}
SLOW = Whole(ANSWER, delay=60)


@pytest.mark.parametrize("behind", [b"", HEALTH, HEALTH * 6, post()], ids=["alone", "health", "many", "chat"])
async def test_whoever_leaves_cancels_all_that_was_asked_on_the_connection(
    provide: Provide, serve: Serve, caplog: pytest.LogCaptureFixture, behind: bytes
) -> None:
    exchanges: list[Exchange] = []
    provider = await provide(SLOW)
    base = await serve(json.dumps(up(provider.url)), observers=[exchanges.append])
    _, writer = await connect(base)
    writer.write(post() + behind)
    await until(lambda: provider.open)
    with caplog.at_level(logging.ERROR):
        writer.close()
        await until(lambda: provider.cut)
        await until(lambda: exchanges)
    assert [exchange.end for exchange in exchanges] == ["client/first_byte"]
    assert caplog.records == []


async def test_a_client_that_leaves_after_a_large_body_is_noticed(provide: Provide, serve: Serve) -> None:
    provider = await provide(SLOW)
    base = await serve(json.dumps(up(provider.url)))
    _, writer = await connect(base)
    writer.write(post(user="x" * 300_000))
    await until(lambda: provider.open)
    writer.close()
    await until(lambda: provider.cut)


async def test_pipelined_requests_are_answered_in_their_order(provide: Provide, serve: Serve) -> None:
    provider = await provide(Whole(ANSWER, delay=0.1))
    base = await serve(json.dumps(up(provider.url)))
    reader, writer = await connect(base)
    writer.write(post() + HEALTH * 20 + post())
    got = b""
    async with asyncio.timeout(60):
        while got.count(b"chat.completion") < 2 or got.count(b'"uptime"') < 20:
            got += await reader.read(65536)
    writer.close()
    assert got.index(b"chat.completion") < got.index(b'"uptime"')
    assert got.rindex(b"chat.completion") > got.rindex(b'"uptime"')


async def test_the_server_and_the_gateway_tell_time_by_one_clock(serve: Serve) -> None:
    exchanges: list[Exchange] = []
    base = await serve(observers=[exchanges.append], seams=Seams(monotonic=lambda: 7.0))
    reader, writer = await connect(base)
    writer.write(HEALTH)
    await reader.read(4096)
    writer.close()
    await until(lambda: exchanges)
    assert (exchanges[0].began, exchanges[0].ended) == (7.0, 7.0)


async def test_a_stop_that_cannot_wait_any_longer_tells_the_client(provide: Provide, tmp_path: Path) -> None:
    exchanges: list[Exchange] = []
    provider = await provide(SLOW)
    (tmp_path / "dragoman.yaml").write_text(json.dumps(up(provider.url)))
    gateway = Gateway(load(tmp_path / "dragoman.yaml", {}), observers=[exchanges.append])
    async with serving(gateway) as base:
        reader, writer = await connect(base)
        writer.write(post())
        await until(lambda: provider.open)
    answer = await reader.read()
    writer.close()
    assert answer.startswith(b"HTTP/1.1 503")
    assert b'"gateway_stopping"' in answer
    assert [exchange.end for exchange in exchanges] == ["gateway/first_byte/gateway_stopping"]
    await until(lambda: provider.cut)
