"""Bodies that flow through: whose silence counts, and that nothing is kept of them."""

from __future__ import annotations

import asyncio
import tracemalloc
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import pytest
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from dragoman.errors import RequestFailed
from dragoman.net.client import Flow, Head
from dragoman.net.transport import Transport
from dragoman.routing.route import Timers

pytestmark = pytest.mark.usefixtures("each_client")

MIB = 1024 * 1024
HEADERS: CIMultiDict[str] = CIMultiDict({"content-type": "x/y"})


@asynccontextmanager
async def provider(*, silent: bool = False, deaf: bool = False) -> AsyncGenerator[tuple[URL, list[int]]]:
    """A server that counts what it gets. silent: it then says nothing; deaf: it answers without reading."""
    sizes: list[int] = []

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        if deaf:
            return web.Response(status=413, text="no")
        size = 0
        async for chunk in request.content.iter_any():
            size += len(chunk)
        sizes.append(size)
        if silent:
            await asyncio.sleep(60)
        return web.Response(text="ok")

    runner = web.ServerRunner(web.Server(handle), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    try:
        yield URL(f"http://{host}:{port}/"), sizes
    finally:
        await runner.cleanup()


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    opened = Transport()
    yield opened
    await opened.close()


async def pieces(count: int, size: int, pause: float = 0.0) -> AsyncIterator[bytes]:
    for _ in range(count):
        await asyncio.sleep(pause)
        yield bytes(size)


@pytest.mark.parametrize("stated", [True, False])
async def test_nothing_is_kept_of_what_flows_through(transport: Transport, stated: bool) -> None:
    count = 64
    async with provider() as (url, sizes):
        flow = Flow(pieces(count, MIB), count * MIB if stated else None)
        tracemalloc.start()
        answer = await transport.send(Head("POST", url, HEADERS), flow, Timers())
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        assert await answer.read() == b"ok"
        answer.close()
        assert sizes == [count * MIB]
        assert peak < 16 * MIB


async def test_a_slow_client_is_not_the_providers_silence(transport: Transport) -> None:
    async with provider() as (url, sizes):
        flow = Flow(pieces(1, 30, pause=1.3))
        answer = await transport.send(Head("POST", url, HEADERS), flow, Timers(first_byte=1.0))
        assert await answer.read() == b"ok"
        answer.close()
        assert sizes == [30]


async def test_a_provider_that_says_nothing_after_it_has_all_is_late(transport: Transport) -> None:
    async with provider(silent=True) as (url, _):
        with pytest.raises(RequestFailed) as caught:
            await transport.send(Head("POST", url, HEADERS), Flow(pieces(1, 10)), Timers(first_byte=0.2))
    assert caught.value.fault.code == "first_byte_timeout"


async def test_a_connection_with_a_body_that_is_still_on_its_way_is_not_used_again(
    transport: Transport,
) -> None:
    async with provider(deaf=True) as (url, _):
        for _ in range(2):
            waits = asyncio.Event()

            async def endless(waits: asyncio.Event = waits) -> AsyncIterator[bytes]:
                yield bytes(10)
                await waits.wait()

            answer = await transport.send(Head("POST", url, HEADERS), Flow(endless()), Timers())
            assert (answer.status, await answer.read()) == (413, b"no")
            answer.close()
            waits.set()


async def test_what_goes_wrong_on_the_other_side_ends_the_call(transport: Transport) -> None:
    async def broken() -> AsyncIterator[bytes]:
        yield bytes(10)
        raise RuntimeError("the client has gone")

    async with provider() as (url, sizes):
        with pytest.raises(RequestFailed) as caught:
            await transport.send(Head("POST", url, HEADERS), Flow(broken(), 1000), Timers())
        assert caught.value.fault.code == "connection_broken"
        assert not sizes
