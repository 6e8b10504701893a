"""WebSockets to providers: handshakes, refusals, messages, ends, and places in the pool."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from http import HTTPStatus
from typing import Any

import pytest
from multidict import CIMultiDict
from websockets.asyncio.server import ServerConnection, serve
from yarl import URL

from dragoman.errors import RequestFailed
from dragoman.net.client import Head
from dragoman.net.connected import CONNECTED
from dragoman.net.failures import Refused, Truncated
from dragoman.net.transport import Pool, Transport
from dragoman.routing.route import Timers

MB = 1_000_000
USUAL = Timers()


@asynccontextmanager
async def server(handler: Callable[[ServerConnection], Any], **options: Any) -> AsyncIterator[str]:
    async with serve(handler, "127.0.0.1", 0, max_size=None, **options) as served:
        yield f"http://127.0.0.1:{next(iter(served.sockets)).getsockname()[1]}/path?a=b%2Fc"


def head(url: str, **headers: str) -> Head:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return Head("GET", URL(url, encoded=True), CIMultiDict(named))


async def echo(connection: ServerConnection) -> None:
    async for message in connection:
        await connection.send(message)


async def code(transport: Transport, url: str, timers: Timers = USUAL) -> str | None:
    with pytest.raises(RequestFailed) as caught:
        await transport.websocket(head(url), timers, MB)
    return caught.value.fault.code


async def test_messages_pass_in_both_directions() -> None:
    requests: list[Any] = []

    def note(connection: ServerConnection, request: Any) -> None:
        requests.append(request)

    connected: list[int] = []
    CONNECTED.set(lambda: connected.append(1))
    transport = Transport()
    async with server(echo, process_request=note) as url:
        one = await transport.websocket(
            head(url, authorization="Bearer k", content_type="application/json", user_agent="dragoman"),
            Timers(),
            MB,
        )
        for message in ("text", b"\x00binary", "é" * 100_000):
            await one.send(message)
            assert await one.receive() == message
        await one.close(4001, "bye")
        await one.close()
        assert await one.receive() is None
        with pytest.raises(Truncated):
            await one.send("late")
    (request,) = requests
    assert request.path == "/path?a=b%2Fc"
    assert request.headers["Authorization"] == "Bearer k"
    assert request.headers["User-Agent"] == "dragoman"
    assert "Content-Type" not in request.headers
    assert "Sec-WebSocket-Extensions" not in request.headers
    assert connected == [1]


async def test_the_provider_closes() -> None:
    async def close(connection: ServerConnection) -> None:
        await connection.close(4000, "over")

    async def vanish(connection: ServerConnection) -> None:
        connection.transport.abort()

    transport = Transport()
    async with server(close) as url:
        one = await transport.websocket(head(url), Timers(), MB)
        assert await one.receive() is None
        assert (one.code, one.reason) == (4000, "over")
    async with server(vanish) as url:
        one = await transport.websocket(head(url), Timers(), MB)
        assert await one.receive() is None
        assert (one.code, one.reason) == (1006, "")


@pytest.mark.parametrize("status", [401, 404, 302, 200])
async def test_another_status_is_a_refusal(status: int) -> None:
    def refuse(connection: ServerConnection, request: Any) -> Any:
        answer = connection.respond(HTTPStatus(status), "no")
        answer.headers["Location"] = "http://127.0.0.1:1/elsewhere"
        answer.headers["Retry-After"] = "2"
        answer.headers["Retry-After"] = "3"
        answer.headers["RateLimit"] = "a;r=1"
        answer.headers["RateLimit"] = "b;r=2"
        return answer

    async with server(echo, process_request=refuse) as url:
        with pytest.raises(Refused) as caught:
            await Transport().websocket(head(url), Timers(), MB)
    assert (caught.value.status, caught.value.body) == (status, b"no")
    assert caught.value.headers["retry-after"] == "3"
    assert caught.value.headers["ratelimit"] == "a;r=1, b;r=2"


async def test_a_message_may_be_too_large() -> None:
    async def flood(connection: ServerConnection) -> None:
        await connection.send("a" * 2 * MB)
        await connection.wait_closed()

    async with server(flood) as url:
        one = await Transport().websocket(head(url), Timers(), MB)
        assert await one.receive() is None
        assert one.code == 1006
        assert "limit of 1000000 bytes" in one.reason
        await one.close()


async def test_failures_have_codes() -> None:
    transport = Transport(name="up")
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        assert await code(transport, f"http://127.0.0.1:{closed.getsockname()[1]}/") == "connect_failed"

    async def silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async def garbage(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"SSH-2.0\r\n\r\n")
        await reader.read()
        writer.close()

    async def end(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    for answer, expected in (
        (silent, "first_byte_timeout"),
        (garbage, "connection_broken"),
        (end, "connection_broken"),
    ):
        listening = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with listening:
            port = listening.sockets[0].getsockname()[1]
            timers = Timers(connect=60.0, first_byte=0.2 if answer is silent else 60.0)
            assert await code(transport, f"http://127.0.0.1:{port}/", timers) == expected
    assert await code(transport, "ftp://127.0.0.1/") == "connect_failed"


async def test_a_header_cannot_make_another_one() -> None:
    async with server(echo) as url:
        with pytest.raises(ValueError, match="not allowed"):
            await Transport().websocket(head(url, openai_beta="a\r\nx: y"), Timers(), MB)


async def test_a_session_holds_a_place_until_it_ends() -> None:
    transport = Transport(Pool(size=1, wait=0.1), name="up")
    async with server(echo) as url:
        one = await transport.websocket(head(url), Timers(), MB)
        assert await code(transport, url) == "pool_exhausted"
        await one.close()
        two = await transport.websocket(head(url), Timers(), MB)
        await two.close()
        with pytest.raises(ValueError, match="not allowed"):
            await transport.websocket(head(url, bad="\n"), Timers(), MB)
        three = await transport.websocket(head(url), Timers(), MB)
        await three.close()


async def test_none_are_opened_through_a_proxy() -> None:
    transport = Transport(proxy="http://127.0.0.1:1", name="up")
    assert await code(transport, "http://127.0.0.1:2/") == "realtime_over_proxy"
    await transport.close()


async def test_a_slow_reader_holds_up_the_provider() -> None:
    sent = 0

    async def flood(connection: ServerConnection) -> None:
        nonlocal sent
        while True:
            await connection.send(b"a" * 100_000)
            sent += 1

    async with server(flood) as url:
        one = await Transport().websocket(head(url), Timers(), MB)
        before = -1
        while before != sent:  # until nothing moves any more
            before = sent
            await asyncio.sleep(0.3)
        assert sent < 200
        for _ in range(sent + 10):
            assert await one.receive() == b"a" * 100_000
        await one.close()
