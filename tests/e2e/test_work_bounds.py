"""Numbers and schemas of a request that would be work without end, at a served gateway without any provider.

While each is answered the loop goes on: none of its turns takes longer than a generous bound.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, NamedTuple

import aiohttp
import pytest
import pytest_asyncio

from dragoman.gateway import Gateway
from dragoman.testing.serving import serving

TURN = 2.0
"""Seconds of processor time that one turn of the loop may take. Most of these took minutes, or memory for
hours; the slowest takes half a second now.
"""
CHAT = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello"}]
SCHEMA = "response_format.json_schema.schema"
COMPLEX = "schema_too_complex"


def form(**schema: Any) -> dict[str, Any]:
    whole = {"type": "object", "properties": {"x": schema}, "required": ["x"], "additionalProperties": False}
    form = {"type": "json_schema", "json_schema": {"name": "n", "schema": whole}}
    return {"model": "simulate/lorem", "messages": HELLO, "response_format": form}


def shared(levels: int) -> dict[str, Any]:
    """A schema of arrays of two arrays of two."""
    body = form()
    schema = body["response_format"]["json_schema"]["schema"]
    schema["$defs"] = {"a0": {"type": "string"}}
    for level in range(levels):
        schema["$defs"][f"a{level + 1}"] = {
            "type": "array",
            "prefixItems": [{"$ref": f"#/$defs/a{level}"}] * 2,
            "minItems": 2,
        }
    schema["properties"]["x"] = {"$ref": f"#/$defs/a{levels}"}
    return body


def chat(model: str = "lorem", **more: Any) -> dict[str, Any]:
    return {"model": f"simulate/{model}", "messages": HELLO, **more}


REFUSED: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "letters": (CHAT, form(type="string", minLength=10**10), SCHEMA, COMPLEX),
    "items": (CHAT, form(type="array", minItems=10**9), SCHEMA, COMPLEX),
    "names": (CHAT, form(type="object", minProperties=10**9), SCHEMA, COMPLEX),
    "a schema of shared parts": (CHAT, shared(60), SCHEMA, COMPLEX),
    "candidates of a schema": (CHAT, {**shared(12), "n": 128}, SCHEMA, COMPLEX),
    "calls": (
        CHAT,
        chat("tools:100000", tools=[{"type": "function", "function": {"name": "f"}}]),
        "tools[0]",
        COMPLEX,
    ),
    "candidates": (
        "/v1beta/models/simulate%2Florem:generateContent",
        {
            "contents": [{"role": "user", "parts": [{"text": "Hello"}]}],
            "generationConfig": {"candidateCount": 10**6},
        },
        "",
        "",
    ),
    "speech": (
        "/v1/audio/speech",
        {"model": "simulate/lorem", "voice": "alloy", "input": "word " * 200_000},
        "input",
        "string_above_max_length",
    ),
    "slow speech": (
        "/v1/audio/speech",
        {
            "model": "simulate/lorem",
            "voice": "alloy",
            "response_format": "wav",
            "speed": 0.25,
            "input": "a" * 4096,
        },
        "input",
        "string_above_max_length",
    ),
    "numbers of a vector": (
        "/v1/embeddings",
        {"model": "simulate/lorem", "input": "a", "dimensions": 10**9},
        "dimensions",
        "integer_above_max_value",
    ),
    "vectors": (
        "/v1/embeddings",
        {"model": "simulate/lorem", "input": ["a"] * 2048, "dimensions": 4096},
        "input",
        "array_above_max_length",
    ),
    "documents": (
        "/v1/rerank",
        {"model": "simulate/lorem", "query": "a", "documents": ["a b"] * 20_000},
        "documents",
        "array_above_max_length",
    ),
    "judgements": (
        "/v1/moderations",
        {"model": "simulate/lorem", "input": ["a"] * 20_000},
        "input",
        "array_above_max_length",
    ),
}

ANSWERED: dict[str, tuple[str, dict[str, Any]]] = {
    "tokens": (CHAT, chat(max_tokens=10**9)),
    "the longest text for each candidate": (CHAT, chat("lorem:100000", n=128)),
    "log probabilities": (CHAT, chat("lorem:100000", n=20, logprobs=True, top_logprobs=20)),
    "an echo": (CHAT, {"model": "simulate/echo", "messages": [{"role": "user", "content": "ab " * 300_000}]}),
    "blanks": (
        CHAT,
        {
            "model": "simulate/lorem",
            "messages": [{"role": "user", "content": "simulate: a" + " " * 300_000 + "b"}],
        },
    ),
    "tools and their names": (
        CHAT,
        {
            "model": "simulate/lorem",
            "messages": [{"role": "user", "content": "tool_x " * 50_000}],
            "tools": [{"type": "function", "function": {"name": f"tool_{at}"}} for at in range(2000)],
        },
    ),
    "vectors of many words": (
        "/v1/embeddings",
        {"model": "simulate/lorem", "input": [" ".join(map(str, range(256)))] * 300},
    ),
    "a long text": ("/v1/embeddings", {"model": "simulate/lorem", "input": "w " * 500_000}),
    "speech of a size that is taken": (
        "/v1/audio/speech",
        {"model": "simulate/lorem", "voice": "alloy", "response_format": "wav", "input": "a" * 4096},
    ),
    "the largest pictures": (
        "/v1/images/generations",
        {"model": "simulate/lorem", "prompt": "a", "n": 10, "size": "2048x2048"},
    ),
}


class Stage(NamedTuple):
    gateway: Gateway
    base: str
    session: aiohttp.ClientSession


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def stage() -> AsyncIterator[Stage]:
    gateway = Gateway()
    async with serving(gateway) as base, aiohttp.ClientSession() as session:
        yield Stage(gateway, base, session)


@asynccontextmanager
async def turning() -> AsyncIterator[list[float]]:
    """The longest turn of the loop, in seconds of the processor."""
    longest = [0.0]

    async def turn() -> None:
        while True:
            began = time.process_time()
            await asyncio.sleep(0)
            longest[0] = max(longest[0], time.process_time() - began)

    task = asyncio.ensure_future(turn())
    try:
        yield longest
    finally:
        task.cancel()


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", REFUSED)
async def test_too_much_is_refused_at_its_place(stage: Stage, name: str) -> None:
    path, body, param, code = REFUSED[name]
    before = stage.gateway.observers.bounds.counts.get(COMPLEX, 0)
    async with turning() as longest, stage.session.post(stage.base + path, json=body) as answer:
        assert answer.status == 400
        error = (await answer.json())["error"]
    assert longest[0] < TURN
    if path.startswith("/v1/"):
        assert error["code"] == code
        assert error["param"].startswith(param)
    assert stage.gateway.observers.bounds.counts.get(COMPLEX, 0) == before + (code == COMPLEX)


@pytest.mark.asyncio(loop_scope="module")
@pytest.mark.parametrize("name", ANSWERED)
async def test_much_is_answered_and_others_have_their_turn(stage: Stage, name: str) -> None:
    path, body = ANSWERED[name]
    async with turning() as longest, stage.session.post(stage.base + path, json=body) as answer:
        assert answer.status == 200
        assert await answer.read()
    assert longest[0] < TURN
