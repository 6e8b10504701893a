"""What a hostile provider can do to a running gateway and to its other clients."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
from typing import Self

import pytest

from tests.e2e.calls import MODELS
from tests.e2e.conftest import Visit, up
from tests.e2e.rawprovider import STREAM, RawProvider, sends

WHOLE = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\nconnection: close\r\n"
QUIET = b'data: {"id":"1","object":"chat.completion.chunk","choices":[]}\n\n' * 100


@pytest.mark.parametrize("dialect", ["openai_chat", "anthropic"])
async def test_a_bomb_is_an_answer_that_is_too_large(visit: Visit, dialect: str) -> None:
    packed = gzip.compress(b" " * 4_000_000)
    head = WHOLE + b"content-encoding: gzip\r\n\r\n"
    async with RawProvider(sends(head, packed)) as provider:
        site = await visit(up(provider.url, dialect, answers={"max_size": "1MB"}))
        answer = await site.ask(MODELS[dialect])
        assert answer.status == 502
        assert answer.error["code"] == "answer_too_large"
        assert (await site.get("/health")).body["bounds"] == {"answer_too_large": 1}


async def test_a_stream_that_says_nothing_is_not_held_for_ever(visit: Visit) -> None:
    """Start-up frames wait for the first content, but only some of them."""

    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        while True:
            writer.write(QUIET)
            await writer.drain()

    async with RawProvider(script) as provider:
        site = await visit(up(provider.url))
        answer = await asyncio.wait_for(site.ask(MODELS["openai_chat"], stream=True), 30)
        assert (answer.status, answer.error["code"]) == (502, "answer_without_content")


async def test_a_full_pool_is_said_to_be_full(visit: Visit) -> None:
    """The provider stays healthy, and its other keys, which share the pool, are not tried."""
    release = asyncio.Event()

    async def script(writer: asyncio.StreamWriter) -> None:
        await release.wait()
        await sends(WHOLE + b"\r\n" + answer("hello"))(writer)

    async with RawProvider(script) as provider:
        config = up(provider.url, keys=["one", "two"], pool={"size": 1, "wait": "100ms"})
        config["retries"] = {"attempts": 3}
        site = await visit(config)
        first = asyncio.ensure_future(site.ask(MODELS["openai_chat"]))
        while not provider.requests:  # noqa: ASYNC110 - the provider is a plain counter
            await asyncio.sleep(0.01)
        refused = await site.ask(MODELS["openai_chat"])
        assert refused.status == 503
        assert refused.error["code"] == "pool_exhausted"
        assert int(refused.headers["retry-after"]) >= 1
        release.set()
        assert (await first).status == 200
        assert provider.requests == 1
        health = (await site.get("/health")).body
        assert health["providers"]["up"]["healthy"] is True
        assert health["bounds"] == {"pool_exhausted": 1}


async def test_an_answer_nobody_asked_for_reaches_no_other_client(visit: Visit) -> None:
    """The provider says two answers at once, over a connection that it keeps open."""
    asked: list[int] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection = len(writers)
        writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                await reader.readexactly(int(head.partition(b"content-length:")[2].split(b"\r")[0]))
                asked.append(connection)
                mine = kept(f"for {len(asked)}")
                writer.write(mine[:-1])
                await asyncio.sleep(0.05)
                writer.write(mine[-1:] + kept("STOLEN"))

    writers: list[asyncio.StreamWriter] = []
    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        site = await visit(up(f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        assert [(await site.ask()).text for _ in range(3)] == ["for 1", "for 2", "for 3"]
        assert asked == [0, 1, 2]
        assert (await site.get("/health")).body["bounds"] == {"unasked_answer": 3}
        for writer in writers:
            writer.close()


class Pictures:
    """A web server with one picture at each of its addresses."""

    def __init__(self, picture: bytes) -> None:
        head = f"HTTP/1.1 200 OK\r\ncontent-type: image/png\r\ncontent-length: {len(picture)}\r\n\r\n"
        self._said = head.encode() + picture
        self._server: asyncio.Server
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}/picture.png"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(self._said)
        await writer.drain()
        writer.close()


def answer(text: str) -> bytes:
    message = {"role": "assistant", "content": text}
    choice = {"index": 0, "message": message, "finish_reason": "stop"}
    return json.dumps({"id": "1", "object": "chat.completion", "model": "m", "choices": [choice]}).encode()


def kept(text: str) -> bytes:
    """A whole answer, after which the connection stays open."""
    body = answer(text)
    head = f"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body


async def test_a_stream_without_an_end_is_not_collected(visit: Visit) -> None:
    """A provider that streams to a client that asked for a whole answer."""
    said = {"choices": [{"index": 0, "delta": {"content": "x" * 1000}}]}

    async def script(writer: asyncio.StreamWriter) -> None:
        writer.write(STREAM)
        while True:
            writer.write(b"data: %b\n\n" % json.dumps(said).encode())
            await writer.drain()

    async with RawProvider(script) as provider:
        site = await visit(up(provider.url, answers={"max_stream": "1MB"}))
        answer = await asyncio.wait_for(site.ask(), 30)
        assert (answer.status, answer.error["code"]) == (502, "answer_too_large")


async def test_fetched_bytes_are_held_no_longer_than_their_exchange(visit: Visit) -> None:
    """Both requests would not have room at the same time."""
    picture = b"\x89PNG\r\n\x1a\n" + bytes(4000)
    refused = WHOLE.replace(b"200 OK", b"400 No") + b"\r\n{}"
    async with RawProvider(sends(refused)) as provider, Pictures(picture) as pictures:
        config = up(provider.url, "ollama", keys=[])
        config["egress"] = {"allow": ["127.0.0.1"], "space": "6kB"}
        site = await visit(config)
        part = {"type": "image_url", "image_url": {"url": pictures.url}}
        for count in (1, 2, 3):
            answer = await site.ask("up/llava", messages=[{"role": "user", "content": [part]}])
            assert answer.status == 400
            assert answer.error["code"] != "fetch_busy"
            assert provider.requests == count
