"""Both HTTP clients, and WebSockets, refuse the same requests in the same way, and send nothing of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from multidict import CIMultiDict
from yarl import URL

from dragoman.net.aio import AiohttpClient
from dragoman.net.client import Client, Head
from dragoman.net.failures import NotReached
from dragoman.net.h1.client import HTTPClient
from dragoman.net.h1.dial import Dialer
from dragoman.net.websocket import connect
from tests.unit.net.h1.peer import Peer, serving


def _own() -> Client:
    return HTTPClient(Dialer(asyncio.get_running_loop()))


def _aio() -> Client:
    return AiohttpClient(None)


@pytest.fixture(params=[_own, _aio], ids=["own", "aiohttp"])
async def client(request: pytest.FixtureRequest) -> AsyncGenerator[Client]:
    made = request.param()
    yield made
    await made.close()


@asynccontextmanager
async def listening() -> AsyncGenerator[tuple[str, list[bytes]]]:
    """A server that says yes. Gives its URL without a path, and the heads that it has read."""
    heads: list[bytes] = []

    async def serve(peer: Peer) -> None:
        heads.append(await peer.reader.readuntil(b"\r\n\r\n"))
        await peer.say(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")

    async with serving(serve) as server:
        yield str(server.url).rstrip("/"), heads


def head(url: str, headers: dict[str, str] | None = None, method: str = "GET") -> Head:
    return Head(method, URL(url, encoded=True), CIMultiDict(headers or {}))


NAMES = ["a b", "a:b", "", "é", "a\r\nb", "a\x00", "(a)"]
VALUES = ["\ud800", "a\udfffb", "a\nb", "a\rb", "a\x00b", "\x7f"]
TARGETS = ["/a b", "/é", "/a\r\nx: y", "/a\x00", "/a?b= c", "/\x7f"]
URLS = ["http:///x", "/x", "ftp://h/x", "https://.example.com/", "https://a..b/", f"http://{'a' * 64}.test/"]


@pytest.mark.parametrize(
    "headers", [{name: "x"} for name in NAMES] + [{"x": value} for value in VALUES] + [{"host": "\ud800"}]
)
async def test_a_header_that_is_none_is_not_sent(client: Client, headers: dict[str, str]) -> None:
    async with listening() as (url, heads):
        with pytest.raises(ValueError, match="header"):
            await client.request(head(f"{url}/", headers), None)
        if "host" not in headers:
            with pytest.raises(ValueError, match="header"):
                await client.request(head(f"{url}/"), None, headers)
        with pytest.raises(ValueError, match="header"):
            await connect(
                Dialer(asyncio.get_running_loop()),
                URL(url),
                CIMultiDict(headers),
                seconds=5,
                largest=9,
            )
        assert heads == []


async def test_aiohttp_gets_a_head_that_is_checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    client = AiohttpClient(None)
    async with listening() as (url, heads):
        shared = head(f"{url.replace('//', '//user:secret@')}/", {"x": "1", "content-length": "9"})
        (await client.request(shared, None, {"y": "2"})).release()
        monkeypatch.setattr("dragoman.net.aio.place_of", lambda _: pytest.fail("checked again"))
        (await client.request(shared, None, {"z": "3"})).release()
        with pytest.raises(ValueError, match="header"):
            await client.request(shared, None, {"z": "3\r\n"})
        await client.close()
    assert [line for head in heads for line in head.splitlines() if line[1:3] == b": "] == [
        *(b"x: 1", b"y: 2"),
        *(b"x: 1", b"z: 3"),
    ]
    assert not any(b"authorization" in head.lower() or b"content-length" in head.lower() for head in heads)


@pytest.mark.parametrize("target", TARGETS)
async def test_a_target_that_is_none_is_not_sent(client: Client, target: str) -> None:
    async with listening() as (url, heads):
        with pytest.raises(ValueError, match="target"):
            await client.request(head(url + target), None)
        with pytest.raises(ValueError, match="target"):
            await client.request(head(f"{url}/", method="GE T"), None)
        with pytest.raises(ValueError, match="target"):
            await connect(
                Dialer(asyncio.get_running_loop()),
                URL(url + target, encoded=True),
                {},
                seconds=5,
                largest=9,
            )
        assert heads == []


@pytest.mark.parametrize("url", URLS)
async def test_a_url_that_leads_nowhere_is_not_reached(client: Client, url: str) -> None:
    with pytest.raises(NotReached, match=r"its URL") as caught:
        await client.request(head(url), None)
    with pytest.raises(NotReached) as of_socket:
        await connect(Dialer(asyncio.get_running_loop()), URL(url, encoded=True), {}, seconds=5, largest=9)
    assert of_socket.value.meaning == caught.value.meaning


@pytest.mark.parametrize(
    "headers", [{"content-length": "5"}, {"Transfer-Encoding": "chunked"}, {"connection": "close"}]
)
async def test_nobody_else_frames_a_request(client: Client, headers: dict[str, str]) -> None:
    async with listening() as (url, heads):
        (await client.request(head(f"{url}/", headers, "POST"), b"abc")).release()
    (sent,) = heads
    lines = [line.lower() for line in sent.split(b"\r\n")]
    assert [line for line in lines if line.startswith((b"content-length", b"transfer-", b"connection"))] == [
        b"content-length: 3"
    ]


async def test_user_and_fragment_of_a_url_are_not_sent(client: Client) -> None:
    async with listening() as (url, heads):
        (await client.request(head(url.replace("//", "//u:p@") + "/a?b#c"), None)).release()
    assert heads[0].startswith(b"GET /a?b HTTP/1.1\r\n")
    assert b"authorization" not in heads[0].lower()


async def test_a_closed_client_reaches_nobody(client: Client) -> None:
    await client.close()
    with pytest.raises(NotReached, match="stopping"):
        await client.request(head("http://127.0.0.1:1/"), None)


async def test_a_socket_does_not_need_the_fragment() -> None:
    """`websockets` refuses a URL with one by an exception of its own."""
    with pytest.raises(NotReached):
        await connect(
            Dialer(asyncio.get_running_loop()), URL("http://127.0.0.1:1/a#b"), {}, seconds=5, largest=9
        )
