"""The way to a provider: every timer and every failure has a code of its own, and pools are bounded."""

from __future__ import annotations

import asyncio
import errno
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from multidict import CIMultiDict
from yarl import URL

from dragoman.errors import RequestFailed
from dragoman.net.aio import reason
from dragoman.net.client import Head
from dragoman.net.transport import Pool, Transport
from dragoman.routing.route import Timers
from dragoman.testing.provider import FakeProvider, Streamed, Whole
from tests.unit.net.h1.peer import Peer, serving

pytestmark = pytest.mark.usefixtures("each_client")

HEADERS: CIMultiDict[str] = CIMultiDict({"content-type": "application/json"})
QUICK = Timers(connect=0.3, first_byte=0.2, idle=0.2)

Open = Callable[..., Awaitable[Transport]]


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    opened = Transport()
    yield opened
    await opened.close()


async def read(transport: Transport, url: str, timers: Timers) -> bytes:
    """All that a call brings."""
    answer = await transport.send(Head("POST", URL(url), HEADERS), b"{}", timers)
    try:
        data = b""
        while chunk := await answer.chunk():
            data += chunk
    finally:
        answer.close()
    return data


async def fails(transport: Transport, url: str, timers: Timers = QUICK) -> str:
    """The code of the fault that a call ends with."""
    with pytest.raises(RequestFailed) as caught:
        await read(transport, url, timers)
    assert caught.value.fault.blame == "upstream"
    return caught.value.fault.code or ""


async def test_a_closed_port_is_said_to_be_unreachable(transport: Transport) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        assert await fails(transport, f"http://127.0.0.1:{port}/") == "connect_failed"


async def test_silence_before_the_first_byte_has_its_own_timer(transport: Transport) -> None:
    async with FakeProvider(Whole({}, delay=5)) as provider:
        assert await fails(transport, provider.url) == "first_byte_timeout"
        await asyncio.sleep(0.05)
        assert len(provider.cut) == 1


async def test_silence_within_a_stream_has_its_own_timer(transport: Transport) -> None:
    async with FakeProvider(Streamed([b"data: 1\n\n", b"data: 2\n\n"], pause=5)) as provider:
        assert await fails(transport, provider.url) == "idle_timeout"


async def test_a_slow_stream_that_keeps_talking_is_not_cut(transport: Transport) -> None:
    frames = [b"data: %d\n\n" % n for n in range(6)]
    async with FakeProvider(Streamed(frames, pause=0.1)) as provider:
        assert await read(transport, provider.url, QUICK) == b"".join(frames)


async def test_a_connection_that_breaks_mid_stream_is_a_fault(transport: Transport) -> None:
    async with FakeProvider(Streamed([b"data: 1\n\n"], die=True)) as provider:
        assert await fails(transport, provider.url) == "connection_broken"


async def test_redirects_are_never_followed(transport: Transport) -> None:
    moved = Whole({}, 307, {"location": "http://127.0.0.1:1/elsewhere"})
    async with FakeProvider(moved) as provider:
        assert await fails(transport, provider.url) == "upstream_redirected"
        assert len(provider.seen) == 1


async def test_a_repeated_header_has_one_value_whoever_reads_it(transport: Transport) -> None:
    """The lines of a list are one list (RFC 9110, section 5.3); of other headers the last one counts."""
    head = (
        b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nRetry-After: 1\r\nVary: Accept\r\nX-Name: gr\xf6\xdfe\r\n"
        b"retry-after: 2\r\nRateLimit: a;r=1\r\nvary: Origin\r\nratelimit: b;r=2\r\n\r\n"
    )

    async def serve(peer: Peer) -> None:
        await peer.request()
        await peer.say(head)

    async with serving(serve) as server:
        answer = await transport.send(Head("GET", server.url, HEADERS), None, Timers())
        assert dict(answer.headers) == {
            "content-length": "0",
            "retry-after": "2",
            "vary": "Accept, Origin",
            "x-name": "größe",
            "ratelimit": "a;r=1, b;r=2",
        }
        answer.close()


async def test_connections_are_reused_and_bounded() -> None:
    transport = Transport(Pool(size=2))
    peers: set[int] = set()

    async def call(provider: FakeProvider) -> None:
        answer = await transport.send(Head("POST", URL(provider.url), HEADERS), b"{}", Timers())
        assert await answer.read() == b'{"ok": 1}'
        answer.close()

    async with FakeProvider(Whole({"ok": 1}, delay=0.01)) as provider:
        await asyncio.gather(*(call(provider) for _ in range(20)))
        peers = provider.peers
    await transport.close()
    assert len(provider.seen) == 20
    assert len(peers) <= 2


async def test_leaving_early_closes_the_upstreams_connection(transport: Transport) -> None:
    async with FakeProvider(Streamed([b"data: x\n\n"] * 100, pause=0.05)) as provider:
        answer = await transport.send(Head("POST", URL(provider.url), HEADERS), b"{}", Timers())
        assert await answer.chunk()
        answer.close()
        await asyncio.sleep(0.2)
        assert len(provider.cut) == 1
        assert provider.open == 0


@pytest.mark.parametrize(
    ("cause", "said"),
    [
        (
            ConnectionRefusedError(errno.ECONNREFUSED, "Connect call failed ('10.0.0.5', 9)"),
            "Connection refused",
        ),
        (
            OSError("Multiple exceptions: [Errno 111] Connect call failed ('10.0.0.5', 9)"),
            "none of its IP addresses can be reached",
        ),
        (
            ssl.SSLError(1, "[SSL: WRONG_VERSION_NUMBER] wrong version number (_ssl.c:1006)"),
            "wrong version number",
        ),
        (socket.gaierror(-3, "Temporary failure in name resolution"), "Temporary failure in name resolution"),
        (ssl.SSLCertVerificationError(1, "certificate verify failed"), "certificate verify failed"),
    ],
)
def test_a_failed_connection_says_why_and_not_where(cause: OSError, said: str) -> None:
    assert reason(cause) == said
