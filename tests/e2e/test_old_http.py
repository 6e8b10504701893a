"""Clients of HTTP/1.0, as proxies between and small programs are: no chunks, and the connection's end is the
answer's.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.e2e.conftest import Serve

HELLO = [{"role": "user", "content": "One two three four."}]
ASKED: dict[str, tuple[str, dict[str, Any], bytes]] = {
    "chat": ("/v1/chat/completions", {"messages": HELLO, "stream": True}, b"data: [DONE]\n\n"),
    "responses": ("/v1/responses", {"input": "One two three four.", "stream": True}, b"data: [DONE]\n\n"),
    "completions": (
        "/v1/completions",
        {"prompt": "One two three four.", "stream": True},
        b"data: [DONE]\n\n",
    ),
    "messages": (
        "/v1/messages",
        {"messages": HELLO, "max_tokens": 50, "stream": True},
        b'data: {"type":"message_stop"}\n\n',
    ),
    "gemini": (
        "/v1beta/models/simulate%2Fecho:streamGenerateContent?alt=sse",
        {"contents": [{"role": "user", "parts": [{"text": "One two three four."}]}]},
        b"}\r\n\r\n",
    ),
    "ollama": ("/api/chat", {"messages": HELLO}, b"}\n"),
}


async def spoken(base: str, path: str, body: dict[str, Any], version: str = "1.0", head: str = "") -> bytes:
    """All that is answered until the server ends the connection."""
    host, port = base.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    data = json.dumps({"model": "simulate/echo", **body}).encode()
    writer.write(
        f"POST {path} HTTP/{version}\r\nhost: localhost\r\ncontent-type: application/json\r\n"
        f"content-length: {len(data)}\r\n{head}\r\n".encode()
        + data
    )
    answer = await asyncio.wait_for(reader.read(), 60)
    writer.close()
    return answer


@pytest.mark.parametrize("face", ASKED)
async def test_a_stream_comes_in_no_chunks_and_ends_with_the_connection(serve: Serve, face: str) -> None:
    base = await serve()
    path, body, last = ASKED[face]
    raw = await spoken(base, path, body, head="connection: keep-alive\r\n")
    head, _, streamed = raw.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 200")
    assert b"transfer-encoding" not in head
    assert b"content-length" not in head
    assert b"connection: close" in head
    assert streamed.endswith(last)
    assert streamed.startswith((b"data: ", b"event: ", b'{"model"'))
    chunked = await spoken(base, path, body, "1.1", "connection: close\r\n")
    assert b"transfer-encoding: chunked" in chunked.partition(b"\r\n\r\n")[0]


async def test_a_whole_answer_states_its_length(serve: Serve) -> None:
    base = await serve()
    for fields, status in (({}, b"200"), ({"temperature": 9}, b"400")):
        raw = await spoken(base, "/v1/chat/completions", {"messages": HELLO, **fields})
        head, _, body = raw.partition(b"\r\n\r\n")
        assert head.startswith(b"HTTP/1.1 " + status)
        assert b"content-length: %d\r\n" % len(body) in head + b"\r\n"
        assert json.loads(body)


async def test_a_stream_of_a_slow_model_is_kept_alive_without_chunks(serve: Serve) -> None:
    base = await serve("server: {heartbeat: 100ms}\n")
    body = {"messages": HELLO, "stream": True, "model": "simulate/wait:0.5+echo"}
    raw = await spoken(base, "/v1/chat/completions", body)
    head, _, streamed = raw.partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head
    assert streamed.startswith(b": ping\n\n")
    assert streamed.endswith(b"data: [DONE]\n\n")
