"""While an answer streams, no bytes of a large request are in memory any more, whichever API was asked."""

from __future__ import annotations

import asyncio
import gc
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from dragoman.gateway import Gateway
from dragoman.testing.serving import serving

SIZE = 3_000_000
TEXT = "lorem " * (SIZE // 6)
CHAT: dict[str, Any] = {"stream": True, "messages": [{"role": "user", "content": TEXT}]}
CLAUDE = {**CHAT, "max_tokens": 9}
GEMINI = {"contents": [{"role": "user", "parts": [{"text": TEXT}]}]}
CASES: dict[str, tuple[str, dict[str, Any]]] = {
    "relayed": ("/v1/chat/completions", {**CHAT, "model": "one/m"}),
    "translated": ("/v1/messages", {**CLAUDE, "model": "one/m"}),
    "responses": ("/v1/responses", {"stream": True, "model": "one/m", "input": TEXT}),
    "gemini": ("/v1beta/models/one%2Fm:streamGenerateContent", GEMINI),
    "ollama": ("/api/chat", {**CHAT, "model": "one/m"}),
    "azure": ("/openai/deployments/one%2Fm/chat/completions", CHAT),
}
PIECE = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
WORD = {**PIECE, "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]}
STOP = {**PIECE, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


class Slow:
    """A provider of chat that keeps nothing of a request, and ends its answers when `go_on` is set."""

    def __init__(self) -> None:
        self.go_on = asyncio.Event()

    async def __call__(self, request: web.BaseRequest) -> web.StreamResponse:
        async for _ in request.content.iter_chunked(65_536):
            pass
        response = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await response.prepare(request)
        await response.write(b"data: %s\n\n" % json.dumps(WORD).encode())
        await self.go_on.wait()
        await response.write(b"data: %s\n\ndata: [DONE]\n\n" % json.dumps(STOP).encode())
        return response


@asynccontextmanager
async def served(handler: Any) -> AsyncIterator[str]:
    runner = web.ServerRunner(web.Server(handler))
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


def large() -> set[int]:
    """The ids of all bytes as large as the request that anything in memory refers to."""
    gc.collect()
    found: set[int] = set()
    seen: set[int] = set()
    waiting = gc.get_objects()
    while waiting:
        for one in gc.get_referents(*waiting[:10_000]):
            if isinstance(one, bytes | bytearray):
                if len(one) >= SIZE:
                    found.add(id(one))
            elif (
                not gc.is_tracked(one) and id(one) not in seen
            ):  # its referents are in no list of the collector
                seen.add(id(one))
                waiting.append(one)
        del waiting[:10_000]
    return found


@pytest.mark.parametrize("case", CASES)
async def test_the_bytes_of_a_large_request_are_free_while_its_answer_streams(case: str) -> None:
    path, body = CASES[case]
    slow = Slow()
    async with served(slow) as url, aiohttp.ClientSession() as session:
        one = {"base_url": f"{url}/v1", "keys": ["key-one"], "dialect": "openai_chat"}
        async with serving(Gateway({"providers": {"one": one}, "trace": {"keep": 0}})) as base:
            before = kept = large()

            async def sent() -> AsyncIterator[bytes]:  # so that the client keeps nothing either
                data = json.dumps(body).encode()
                for place in range(0, len(data), 65_536):
                    yield data[place : place + 65_536]

            async with session.post(base + path, data=sent()) as response:
                assert response.status == 200
                await response.content.readany()
                for _ in range(300):  # a thread that has worked on the body drops it a moment later
                    if not (kept := large() - before):
                        break
                    await asyncio.sleep(0.05)
                slow.go_on.set()
                await response.read()
            assert not kept
