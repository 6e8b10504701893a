"""The connect timeout of both HTTP clients covers every step until the connection is there."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from multidict import CIMultiDict
from yarl import URL

from dragoman.errors import RequestFailed
from dragoman.net.client import Head
from dragoman.net.transport import Transport
from dragoman.routing.route import Timers
from tests.unit.net.h1.peer import Peer, serving

TIMERS = Timers(connect=0.3, first_byte=5, idle=5)


async def fails(transport: Transport, url: str) -> str | None:
    """The code of the fault of a GET, which must come long before the first byte's timer ends."""
    began = time.monotonic()
    try:
        with pytest.raises(RequestFailed) as caught:
            await transport.send(Head("GET", URL(url), CIMultiDict()), None, TIMERS)
    finally:
        await transport.close()
    assert time.monotonic() - began < 3
    return caught.value.fault.code


@asynccontextmanager
async def proxy(answer: bytes) -> AsyncGenerator[tuple[str, list[bytes]]]:
    """A proxy that reads a request's head, sends `answer`, and then is silent. Gives its URL and the heads
    that it has read.
    """
    heads: list[bytes] = []

    async def serve(peer: Peer) -> None:
        heads.append(await peer.reader.readuntil(b"\r\n\r\n"))
        await peer.say(answer)
        await peer.reader.read()  # until the client leaves

    async with serving(serve) as server:
        yield str(server.url), heads


@pytest.fixture
async def hanging_resolver(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[None]:
    """The system's look-up of names does not answer until the test has ended."""
    ended = threading.Event()

    def look_up(*_: Any, **__: Any) -> list[Any]:
        ended.wait(20)
        raise socket.gaierror(socket.EAI_AGAIN, "no name server answered")

    monkeypatch.setattr(socket, "getaddrinfo", look_up)
    yield
    ended.set()


@pytest.mark.usefixtures("each_client", "hanging_resolver")
async def test_a_look_up_that_hangs_ends_with_the_connect_timeout() -> None:
    assert await fails(Transport(), "http://provider.example/") == "connect_timeout"


@pytest.mark.usefixtures("hanging_resolver")
async def test_the_look_up_of_a_proxys_name_ends_with_the_connect_timeout() -> None:
    transport = Transport(proxy="http://proxy.example:3128")
    assert await fails(transport, "https://provider.example/") == "connect_timeout"


@pytest.mark.parametrize("answer", [b"", b"HTTP/1.1 200 OK\r\n\r\n"], ids=["no answer", "no TLS"])
async def test_a_proxy_that_opens_no_tunnel_ends_with_the_connect_timeout(answer: bytes) -> None:
    async with proxy(answer) as (url, heads):
        assert await fails(Transport(proxy=url), "https://provider.example/") == "connect_timeout"
    assert heads[0].startswith(b"CONNECT provider.example:443 ")


async def test_the_connect_timeout_does_not_limit_the_wait_for_an_answer() -> None:
    async with proxy(b"") as (url, heads):
        transport = Transport(proxy=url)
        head = Head("GET", URL("http://provider.example/"), CIMultiDict())
        with pytest.raises(RequestFailed) as caught:
            await transport.send(head, None, Timers(connect=0.1, first_byte=0.3, idle=5))
        await transport.close()
    assert caught.value.fault.code == "first_byte_timeout"
    assert heads[0].startswith(b"GET http://provider.example/ ")
