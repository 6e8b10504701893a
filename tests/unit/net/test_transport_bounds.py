"""What a provider may make the gateway hold: answers, refusals, heads. How long its pool is waited for."""

from __future__ import annotations

import asyncio
import tracemalloc
import zlib
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
from multidict import CIMultiDict
from yarl import URL

from dragoman.capacity.space import Space
from dragoman.errors import RequestFailed
from dragoman.net.client import Head
from dragoman.net.transport import CROWDED, Pool, Transport
from dragoman.routing.route import Timers
from tests.packing import packed

pytestmark = pytest.mark.usefixtures("each_client")

MB = 1_000_000
HEADERS: CIMultiDict[str] = CIMultiDict({"content-type": "application/json"})
QUICK = Timers(first_byte=20.0, idle=20.0)


@asynccontextmanager
async def provider(*parts: bytes, endless: bytes = b"") -> AsyncGenerator[URL]:
    """Says the parts to each request, then one more for ever, and closes."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await reader.readuntil(b"\r\n\r\n")
            for part in parts:
                writer.write(part)
                await writer.drain()
            while endless:
                writer.write(endless)
                await writer.drain()
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield URL(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/")
    finally:
        server.close()


def head(status: str = "200 OK", **headers: str) -> bytes:
    lines = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
    return f"HTTP/1.1 {status}\r\nconnection: close\r\n{lines}\r\n".encode()


def bomb(wbits: int, size: int = 200 * MB) -> bytes:
    packer = zlib.compressobj(9, zlib.DEFLATED, wbits)
    return b"".join(packer.compress(bytes(MB)) for _ in range(size // MB)) + packer.flush()


async def read(transport: Transport, url: URL) -> bytes:
    answer = await transport.send(Head("POST", url, HEADERS), b"{}", QUICK)
    try:
        return await answer.read()
    finally:
        answer.close()


async def fault_of(transport: Transport, url: URL) -> RequestFailed:
    with pytest.raises(RequestFailed) as caught:
        await read(transport, url)
    return caught.value


@pytest.mark.parametrize("coding", ["gzip", "deflate", "br", "zstd"])
async def test_a_bomb_takes_no_more_than_the_bound(coding: str) -> None:
    nothing = packed(bytes(200 * MB), coding)
    transport = Transport(max_answer=8 * MB)
    async with provider(head(content_encoding=coding), nothing) as url:
        tracemalloc.start()
        failed = await fault_of(transport, url)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    await transport.close()
    assert (failed.fault.code, failed.fault.blame) == ("answer_too_large", "upstream")
    assert peak < 12 * MB


async def test_answers_share_their_room() -> None:
    space = Space(6 * MB, CROWDED)
    transport = Transport(space=space)
    async with provider(head(content_length=str(4 * MB)), bytes(4 * MB)) as url:
        first, second, third = [
            await transport.send(Head("POST", url, HEADERS), b"{}", QUICK) for _ in range(3)
        ]
        assert len(await first.read()) == 4 * MB
        with pytest.raises(RequestFailed) as caught:
            await second.read()
        assert (caught.value.fault.code, caught.value.fault.blame) == (
            "answers_too_large_together",
            "gateway",
        )
        second.close()
        first.close()
        assert len(await third.read()) == 4 * MB
        third.close()
        space.require(6 * MB, 0)
    await transport.close()


async def test_others_have_their_turn_while_a_bomb_is_read() -> None:
    """All of it is there with the first read, so that nothing is waited for."""
    packed = bomb(31)
    transport = Transport(max_answer=8 * MB)
    turns = 0

    async def count() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    async with provider(head(content_encoding="gzip"), packed) as url:
        answer = await transport.send(Head("POST", url, HEADERS), b"{}", QUICK)
        await answer.chunk()
        counting = asyncio.ensure_future(count())
        with pytest.raises(RequestFailed):
            await answer.read()
        counting.cancel()
        answer.close()
    await transport.close()
    assert turns >= 5


async def test_an_answer_below_the_bound_is_held_once() -> None:
    size = 60 * MB
    transport = Transport(max_answer=size)
    async with provider(head(content_length=str(size)), *[bytes(MB)] * 60) as url:
        tracemalloc.start()
        answer = await transport.send(Head("POST", url, HEADERS), b"{}", QUICK)
        assert len(await answer.read()) == size
        answer.close()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    await transport.close()
    assert peak < 1.25 * size


async def test_a_stream_without_an_end_takes_no_memory() -> None:
    packed = bomb(31)
    transport = Transport(max_answer=MB)
    async with provider(head(content_type="text/event-stream", content_encoding="gzip"), packed) as url:
        tracemalloc.start()
        answer = await transport.send(Head("POST", url, HEADERS), b"{}", QUICK)
        size = 0
        while chunk := await answer.chunk():
            size += len(chunk)
        answer.close()
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    await transport.close()
    assert size == 200 * MB
    assert peak < 8 * MB


@pytest.mark.parametrize(
    ("start", "endless"),
    [
        pytest.param(b"HTTP/1.1 200 OK\r\nx: ", b"y" * 65536, id="a value"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"y" * 65536, id="a name"),
        pytest.param(b"HTTP/1.1 200 ", b"y" * 65536, id="a reason"),
        pytest.param(b"HTTP/1.1 200 OK\r\n", b"name: value\r\n" * 5000, id="fields"),
    ],
)
async def test_a_head_without_an_end_is_refused(start: bytes, endless: bytes) -> None:
    transport = Transport()
    async with provider(start, endless=endless) as url:
        tracemalloc.start()
        failed = await fault_of(transport, url)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    await transport.close()
    assert (failed.fault.code, failed.fault.blame) == ("answer_head_too_large", "upstream")
    assert peak < 4 * MB


@pytest.fixture
def full() -> Callable[[float | None], Transport]:
    return lambda wait: Transport(Pool(size=1, wait=wait), name="acme")


async def test_waiting_for_the_pool_is_not_the_providers_fault(full: Callable[[float], Transport]) -> None:
    transport = full(0.1)
    async with provider(head(content_length="2"), b"o", endless=b"") as url:
        first = await transport.send(Head("POST", url, HEADERS), b"{}", QUICK)
        failed = await fault_of(transport, url)
        fault = failed.fault
        assert (fault.kind, fault.code, fault.blame) == ("overloaded", "pool_exhausted", "gateway")
        assert fault.retry_after is not None
        assert "to the provider 'acme' were busy" in fault.message
        first.close()
        again = await transport.send(Head("POST", url, HEADERS), b"{}", QUICK)
        again.close()
        again.close()  # which gives nothing back a second time
        one = await transport.send(Head("POST", url, HEADERS), b"{}", QUICK)
        await fault_of(transport, url)
        one.close()
    await transport.close()


async def test_a_call_that_fails_gives_its_connection_back(full: Callable[[float], Transport]) -> None:
    transport = full(0.1)
    async with provider() as url:
        for _ in range(3):
            assert (await fault_of(transport, url)).fault.code == "connection_broken"
    await transport.close()


async def test_who_waits_gets_the_connection_when_it_is_free(
    full: Callable[[float | None], Transport],
) -> None:
    transport = full(None)
    async with provider(head(content_length="2"), b"ok") as url:
        first = await transport.send(Head("POST", url, HEADERS), b"{}", QUICK)
        second = asyncio.ensure_future(transport.send(Head("POST", url, HEADERS), b"{}", QUICK))
        gone = asyncio.ensure_future(transport.send(Head("POST", url, HEADERS), b"{}", QUICK))
        await asyncio.sleep(0.05)
        gone.cancel()
        assert not second.done()
        first.close()
        answer = await asyncio.wait_for(second, 60)
        assert await answer.read() == b"ok"
        answer.close()
    await transport.close()
