"""Bodies at the very bounds: while one is read and translated, the loop goes on serving everybody else."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dragoman.config.load import load
from dragoman.gateway import Gateway
from dragoman.testing.provider import FakeProvider, Seen, Whole
from dragoman.testing.serving import serving

VALUES = 310_000
"""Of JSON in a body; the default bound is 320,000."""
TURN = 0.3
"""Seconds of the processor that a turn of the loop may take. Three of these took more where their
steps ran on the loop, and take 0.06 now; a long text takes up to 0.2 to be copied and sent.
"""


def turns(count: int) -> list[dict[str, str]]:
    return [{"role": ("user", "assistant")[place % 2], "content": "a"} for place in range(count)]


def contents(count: int) -> list[dict[str, Any]]:
    return [{"role": ("user", "model")[place % 2], "parts": [{"text": "a"}]} for place in range(count)]


def calls(count: int) -> list[dict[str, Any]]:
    made = [
        {"id": f"c{place}", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}
        for place in range(count)
    ]
    told = [{"role": "tool", "tool_call_id": f"c{place}", "content": "x"} for place in range(count)]
    return [
        {"role": "user", "content": "a"},
        {"role": "assistant", "content": None, "tool_calls": made},
        *told,
    ]


BODIES: dict[str, tuple[str, Callable[[], dict[str, Any]]]] = {
    "chat to gemini": ("/v1/chat/completions", lambda: {"model": "gem/m", "messages": turns(VALUES // 4)}),
    "calls to anthropic": (
        "/v1/chat/completions",
        lambda: {"model": "ant/m", "messages": calls(VALUES // 12)},
    ),
    "responses to anthropic": ("/v1/responses", lambda: {"model": "ant/m", "input": turns(VALUES // 4)}),
    "gemini to anthropic": (
        "/v1beta/models/ant%2Fm:generateContent",
        lambda: {"contents": contents(VALUES // 6)},
    ),
    "counting": (
        "/v1/messages/count_tokens",
        lambda: {"model": "simulate/lorem", "messages": turns(VALUES // 4)},
    ),
    "vectors": ("/v1/embeddings", lambda: {"model": "gem/m", "input": ["a"] * (VALUES // 10)}),
    "a long text": (
        "/v1/chat/completions",
        lambda: {"model": "ant/m", "messages": [{"role": "user", "content": "lorem ipsum " * 4_000_000}]},
    ),
}
"""By what becomes of it: where a body is sent, and what makes it."""


def answer(seen: Seen) -> Whole:
    if seen.path.endswith(":batchEmbedContents"):
        return Whole({"embeddings": [{"values": [0.5]}] * seen.raw.count(b'"content"')})
    if seen.path.endswith(":generateContent"):
        told = {"content": {"role": "model", "parts": [{"text": "Hi"}]}, "finishReason": "STOP"}
        return Whole({"candidates": [told]})
    return Whole(
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "model": "m",
            "content": [{"type": "text", "text": "Hi"}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 1, "output_tokens": 1},
        }
    )


@asynccontextmanager
async def turning() -> AsyncIterator[list[float]]:
    """The longest turn of the loop, in seconds of its own thread's processor."""
    longest = [0.0]

    async def turn() -> None:
        while True:
            began = time.thread_time()
            await asyncio.sleep(0)
            longest[0] = max(longest[0], time.thread_time() - began)

    task = asyncio.ensure_future(turn())
    try:
        yield longest
    finally:
        task.cancel()


@pytest.fixture(autouse=True)
def collector() -> Iterator[None]:
    """What other tests left is none of a turn's time: the collector is set as a served gateway sets it."""
    thresholds = gc.get_threshold()
    gc.collect()
    gc.freeze()
    gc.set_threshold(10_000, 20, 20)
    yield
    gc.set_threshold(*thresholds)


@pytest.mark.parametrize("name", BODIES)
async def test_the_loop_goes_on(tmp_path: Path, name: str) -> None:
    path, body = BODIES[name]
    data = json.dumps(body(), separators=(",", ":")).encode()

    async def pieces() -> AsyncIterator[bytes]:
        for start in range(0, len(data), 1 << 16):
            yield data[start : start + (1 << 16)]

    async with FakeProvider(answer) as provider:
        file = tmp_path / "dragoman.yaml"
        file.write_text(
            "providers:\n"
            f"  ant: {{catalog: anthropic, base_url: '{provider.url}', keys: [sk-aaaaaaaaaaaaaaaa]}}\n"
            f"  gem: {{catalog: gemini, base_url: '{provider.url}', keys: [sk-aaaaaaaaaaaaaaaa]}}\n"
            "  simulate: {enabled: true}\n"
        )
        async with (
            serving(Gateway(load(file, {}))) as base,
            aiohttp.ClientSession() as session,
            turning() as longest,
            session.post(
                base + path, data=pieces(), headers={"content-type": "application/json"}
            ) as answered,
        ):
            text = await answered.read()
            assert answered.status == 200, text[:300]
    assert longest[0] < TURN
