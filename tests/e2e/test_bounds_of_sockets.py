"""Hostile clients on a WebSocket: each bound of a message and of its memory holds, and is counted."""

from __future__ import annotations

import asyncio
import json
import tracemalloc
from contextlib import AsyncExitStack
from typing import Any
from urllib.parse import urlsplit

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from tests.e2e.house import BODY, Line
from tests.e2e.test_backpressure import MB
from tests.e2e.test_server import until


async def test_pings_are_not_answered_into_memory(house: Any) -> None:
    """A client that sends pings and reads no pongs is read no further, and cut off in the end."""
    site = await house(write_timeout="1s", heartbeat=0)
    parts = urlsplit(site.base)
    line = await site.line()
    line.writer.transport.pause_reading()
    await line.send(
        b"GET /v1/responses HTTP/1.1\r\nhost: %b\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        % parts.netloc.encode()
    )
    await until(lambda: bool(site.gateway.requests))
    ping = b"\x89\xfd\0\0\0\0" + b"p" * 125
    tracemalloc.start()
    try:
        async with asyncio.timeout(60):
            while site.gateway.requests and line.sent < 200 * MB:
                await line.send(ping * 500)
                await asyncio.sleep(0)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert not site.gateway.requests
    assert peak < 5 * MB
    assert site.counts["write_timeout"] == 1


async def test_silent_sockets_make_room_for_others(house: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("dragoman.server.websocket_protocol._BRIEFLY", 0.2)
    site = await house(max_connections=3)
    async with AsyncExitStack() as opened:
        url = site.base.replace("http", "ws") + "/v1/responses"
        sockets = [await opened.enter_async_context(connect(url)) for _ in range(3)]
        assert await (await site.line()).refused() == (503, "too_many_connections")
        await asyncio.sleep(0.3)
        await site.healthy()
        await until(lambda: len(site.gateway.requests) == 2)
        await asyncio.wait_for(sockets[0].wait_closed(), 60)


async def test_messages_ahead_wait_in_the_network(house: Any) -> None:
    """One read may hold thousands of small messages: they wait as the bytes that they are."""
    site = await house()
    async with connect(site.base.replace("http", "ws") + "/v1/responses") as socket:
        frame = b"\x81\x82\0\0\0\0{}"
        tracemalloc.start()
        try:
            socket.transport.write(frame * 30_000)
            for _ in range(20):
                assert json.loads(await asyncio.wait_for(socket.recv(), 60))["type"] == "error"
            assert tracemalloc.get_traced_memory()[1] < 8 * MB
        finally:
            tracemalloc.stop()


async def test_a_message_in_endless_fragments_ends(house: Any) -> None:
    site = await house()
    async with connect(site.base.replace("http", "ws") + "/v1/responses") as socket:
        socket.transport.write(b"\x01\x80\0\0\0\0" + b"\x00\x80\0\0\0\0" * 20_000)
        await asyncio.wait_for(socket.wait_closed(), 60)
    assert socket.close_code == 1009
    assert site.counts["websocket_fragments"] == 1


async def _half(site: Any, size: int) -> Line:
    """A socket on which half of a message has been sent."""
    line = await site.line()
    await line.send(
        b"GET /v1/responses HTTP/1.1\r\nhost: 127.0.0.1\r\nupgrade: websocket\r\nconnection: upgrade\r\n"
        b"sec-websocket-version: 13\r\nsec-websocket-key: YWFhYWFhYWFhYWFhYWFhYQ==\r\n\r\n"
    )
    assert b" 101 " in await line.reader.readuntil(b"\r\n\r\n")
    await line.send(b"\x81\xff" + (2 * size).to_bytes(8) + b"\0\0\0\0" + b" " * size)
    return line


async def test_messages_of_sockets_count_in_what_bodies_take_together(house: Any) -> None:
    site = await house(body_space="500kB", max_body="1MB")
    first = await _half(site, 300_000)
    await asyncio.sleep(0.2)
    second = await _half(site, 300_000)
    await second.ended()
    assert site.counts == {"bodies_too_large_together": 1}
    first.writer.transport.abort()
    await asyncio.sleep(0.2)
    third = await _half(site, 300_000)  # what the first held is free
    await asyncio.sleep(0.2)
    assert not third.reader.at_eof()
    assert site.counts == {"bodies_too_large_together": 1}


async def test_a_message_that_stands_still_ends_its_socket(house: Any) -> None:
    site = await house(body_timeout="1s", min_rate=0)
    line = await _half(site, 1000)
    await line.ended()
    assert site.counts == {"request_timeout": 1}


async def test_answered_messages_give_their_memory_back(house: Any) -> None:
    site = await house(body_space="300kB", max_body="1MB")
    async with connect(site.base.replace("http", "ws") + "/v1/chat/completions") as socket:
        for _ in range(6):
            await socket.send(BODY.decode() + " " * 200_000)
            while "usage" not in (text := await socket.recv()) and "error" not in text:
                pass
            assert "error" not in text
    assert site.counts == {}


async def test_values_of_messages_count_too(house: Any) -> None:
    site = await house(body_space="2MB", max_body="1MB")
    holder = await _half(site, 50_000)
    await asyncio.sleep(0.2)
    async with connect(site.base.replace("http", "ws") + "/v1/chat/completions") as socket:
        await socket.send(json.dumps({"model": "simulate/echo", "stop": [[]] * 40_000}))
        with pytest.raises(ConnectionClosed) as closed:
            await socket.recv()
    assert closed.value.rcvd is not None
    assert closed.value.rcvd.code == 1013
    assert not holder.reader.at_eof()
    assert site.counts == {"bodies_too_large_together": 1}
