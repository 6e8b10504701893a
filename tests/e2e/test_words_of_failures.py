"""What clients are told of failures: the provider's first sentence, what became of a connection, no more."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from dragoman.testing.provider import FakeProvider, Whole
from tests.e2e.conftest import Serve
from tests.e2e.test_streams_that_break_off import FACES, failure

TRACE = (
    "Worker died. Restarting.\nTraceback (most recent call last):\n"
    '  File "/app/serve.py", line 7, in run\nKeyError: 1'
)
CUT = b"HTTP/1.1 200 OK\r\ncontent-type: %b\r\ntransfer-encoding: chunked\r\n\r\n"
CHUNK = (
    b'data: {"id":"c","object":"chat.completion.chunk","created":1,"model":"m","choices":'
    b'[{"index":0,"delta":{"role":"assistant","content":"Half an"},"finish_reason":null}]}\n\n'
)


async def asked(base: str, face: str, **more: Any) -> tuple[int, bytes]:
    path, body = FACES[face]
    async with (
        aiohttp.ClientSession() as session,
        session.post(base + path, json={**body, "model": "up/m", **more}) as response,
    ):
        return response.status, await response.read()


@asynccontextmanager
async def saying(answer: bytes) -> AsyncGenerator[str]:
    """A provider that says these bytes to whatever it is asked, and hangs up."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = next(line for line in head.lower().splitlines() if line.startswith(b"content-length"))
        await reader.readexactly(int(length.partition(b":")[2]))
        writer.write(answer)
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def settings(url: str, dialect: str = "openai_chat") -> str:
    account = {"base_url": url, "dialect": dialect, "keys": ["k"]}
    return json.dumps({"providers": {"up": account}, "retries": {"attempts": 1}})


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses", "anthropic", "gemini", "ollama"])
@pytest.mark.parametrize("face", FACES)
async def test_a_trace_of_a_provider_reaches_no_client(serve: Serve, face: str, dialect: str) -> None:
    error: Any = TRACE if dialect == "ollama" else {"message": TRACE, "type": "server_error", "code": None}
    async with FakeProvider(Whole({"error": error}, 500)) as provider:
        status, raw = await asked(await serve(settings(provider.url, dialect)), face)
    assert status >= 500
    assert b"Worker died." in raw
    assert b"Traceback" not in raw
    assert b"/app/" not in raw


@pytest.mark.parametrize("face", FACES)
async def test_a_stream_that_is_cut_is_told_in_words(serve: Serve, face: str) -> None:
    cut = CUT % b"text/event-stream" + b"%x\r\n" % len(CHUNK) + CHUNK + b"\r\nff\r\nda"
    async with saying(cut) as url:
        _, raw = await asked(await serve(settings(url)), face)
    assert b"Half an" in raw
    assert failure(face, raw) == (
        "The connection to the provider 'up' was lost: it was closed in the middle of the response"
    )


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (CUT % b"application/json" + b'ff\r\n{"id"', "it was closed in the middle of the response"),
        (
            b'HTTP/1.1 200 OK\r\ncontent-length: 50\r\n\r\n{"id"',
            "it was closed in the middle of the response",
        ),
        (
            b"HTTP/1.1 200 OK\r\ncontent-encoding: gzip\r\ncontent-length: 4\r\n\r\nnope",
            "compressed as its headers",
        ),
        (b"SSH-2.0-OpenSSH_9.6\r\n\r\n", "the response is not valid HTTP"),
        (b"", "it was closed before a response arrived"),
    ],
)
async def test_a_broken_answer_is_told_in_words(serve: Serve, answer: bytes, said: str) -> None:
    async with saying(answer) as url:
        status, raw = await asked(await serve(settings(url)), "openai_chat", stream=False)
    assert status >= 500
    message = json.loads(raw)["error"]["message"]
    assert said in message
    assert "Error" not in message
