"""Large bodies go out in pieces: with their length, never joined, and no faster than the provider reads."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from multidict import CIMultiDict
from yarl import URL

from dragoman.errors import RequestFailed
from dragoman.net.client import Head
from dragoman.net.transport import Transport
from dragoman.routing.route import Timers
from dragoman.wire.multipart import Pieces

pytestmark = pytest.mark.usefixtures("each_client")

MIB = 1024 * 1024
HEADERS: CIMultiDict[str] = CIMultiDict({"content-type": "multipart/form-data; boundary=x"})
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}"
Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def provider(serve: Serve) -> AsyncGenerator[URL]:
    """A server that does this with each connection."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await serve(reader, writer)
        except ConnectionError:
            pass  # what the other side closes early, it closes on purpose
        finally:
            writer.close()

    server = await asyncio.start_server(connected, "127.0.0.1", 0)
    async with server:
        yield URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    opened = Transport()
    yield opened
    await opened.close()


async def test_the_length_is_stated_and_the_memory_stays_flat(transport: Transport) -> None:
    heads: list[bytes] = []
    sizes: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in range(2):
            heads.append(await reader.readuntil(b"\r\n\r\n"))
            size = 0
            while size < len(file) + 10:
                size += len(await reader.read(MIB))
            sizes.append(size)
            writer.write(OK)

    file = memoryview(bytes(64 * MIB))
    body = Pieces([b"begin", file, b"the e"], len(file) + 10)
    async with provider(serve) as url:
        tracemalloc.start()
        try:
            for _ in range(2):  # what is sent can be sent again, over the same connection
                answer = await transport.send(Head("POST", url, HEADERS), body, Timers())
                assert await answer.read() == b"{}"
                answer.close()
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    assert peak < 8 * MIB
    assert sizes == [64 * MIB + 10] * 2
    for head in heads:
        assert b"content-length: %d\r\n" % (64 * MIB + 10) in head.lower()
        assert b"transfer-encoding" not in head.lower()
        assert head.lower().count(b"content-type") == 1


async def test_a_provider_that_reads_slowly_is_waited_for(transport: Transport) -> None:
    """Each piece that it takes puts off the deadline of its first byte."""
    timers = Timers(first_byte=1.0)
    body = Pieces([bytes(30 * MIB)], 30 * MIB)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        left = body.size
        for _ in range(15):
            await asyncio.sleep(0.1)
            await reader.readexactly(2 * MIB)
            left -= 2 * MIB
        assert left == 0
        writer.write(OK)
        await writer.drain()

    began = asyncio.get_running_loop().time()
    async with provider(serve) as url:
        answer = await transport.send(Head("POST", url, HEADERS), body, timers)
        assert await answer.read() == b"{}"
        answer.close()
    assert asyncio.get_running_loop().time() - began > 1.2


async def test_a_provider_that_does_not_read_is_left(transport: Transport) -> None:
    gone = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await gone.wait()

    async with provider(serve) as url:
        with pytest.raises(RequestFailed) as caught:
            await transport.send(
                Head("POST", url, HEADERS), Pieces([bytes(32 * MIB)], 32 * MIB), Timers(first_byte=0.3)
            )
        gone.set()
    assert caught.value.fault.code == "first_byte_timeout"


async def test_an_answer_before_the_end_is_read_and_ends_the_upload(transport: Transport) -> None:
    may_read, ended = asyncio.Event(), asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\n\r\nno")
        await writer.drain()
        await may_read.wait()
        try:
            while await reader.read(MIB):
                pass
        finally:
            ended.set()

    async with provider(serve) as url:
        sent = Pieces([bytes(64 * MIB)], 64 * MIB)
        answer = await transport.send(Head("POST", url, HEADERS), sent, Timers(first_byte=0.3))
        assert (answer.status, await answer.read()) == (413, b"no")
        answer.close()
        may_read.set()
        await asyncio.wait_for(ended.wait(), 60)
        await asyncio.sleep(0.4)  # a deadline that was put off after the answer would end this test


async def test_a_refusal_before_the_connection_is_closed_is_read(transport: Transport) -> None:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 413 Too Large\r\ncontent-length: 2\r\nconnection: close\r\n\r\nno")
        await writer.drain()

    async with provider(serve) as url:
        for _ in range(3):
            sent = Pieces([bytes(8 * MIB)], 8 * MIB)
            answer = await transport.send(Head("POST", url, HEADERS), sent, Timers())
            assert (answer.status, await answer.read()) == (413, b"no")
            answer.close()
