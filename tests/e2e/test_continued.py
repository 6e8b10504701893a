"""Continued streams over real sockets: a provider dies after five words, and the client reads one answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from dragoman.gateway import Gateway
from dragoman.testing.provider import FakeProvider, Streamed
from dragoman.testing.serving import serving
from tests.e2e import stubs
from tests.e2e.conftest import Provide

PATIENCE = 60.0
HELLO = [{"role": "user", "content": "Count!"}]
WORDS = ("One ", "two ", "three ", "four ", "five ")
WHOLE = "One two three four five six seven."
FACES: dict[str, tuple[str, dict[str, Any]]] = {
    "openai_chat": ("/v1/chat/completions", {"model": "m", "messages": HELLO, "stream": True}),
    "openai_responses": ("/v1/responses", {"model": "m", "input": "Count!", "stream": True}),
    "anthropic": ("/v1/messages", {"model": "m", "messages": HELLO, "max_tokens": 50, "stream": True}),
    "gemini": (
        "/v1beta/models/m:streamGenerateContent?alt=sse",
        {"contents": [{"role": "user", "parts": [{"text": "Count!"}]}]},
    ),
    "gemini_array": (
        "/v1beta/models/m:streamGenerateContent",
        {"contents": [{"role": "user", "parts": [{"text": "Count!"}]}]},
    ),
    "openai_completions": ("/v1/completions", {"model": "m", "prompt": "Count!", "stream": True}),
    "ollama": ("/api/chat", {"model": "m", "messages": HELLO}),
    "ollama_generate": ("/api/generate", {"model": "m", "prompt": "Count!"}),
}
CONTINUING: dict[str, str] = {
    "openai_chat": "gpt",
    "anthropic": "claude-sonnet-4-5",
    "mistral": "mistral-large-latest",
}
"""The second provider's model, by its protocol."""


def chunk(**delta: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": None}
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "gpt", "choices": [choice]}


def dying(*words: str, **more: Any) -> Streamed:
    """A stream that breaks off after these words."""
    frames = [chunk(role="assistant", content=""), *(chunk(content=word) for word in words), *more.values()]
    return Streamed(frames, die=True)


def going_on(dialect: str, text: str) -> Streamed:
    """What a provider says when it is given a beginning: Mistral repeats it."""
    if dialect == "mistral":
        text = "".join(WORDS).rstrip() + text
    return stubs.streamed(dialect, stubs.frames(dialect, text))


def texts(face: str, raw: bytes) -> str:
    """The text that a client of a protocol reads in a stream."""
    if face.startswith("ollama"):
        lines = [json.loads(line) for line in raw.splitlines()]
        assert [line["done"] for line in lines].count(True) == 1
        return "".join(
            line["message"]["content"] if "message" in line else line["response"] for line in lines
        )
    if face == "gemini_array":
        events = json.loads(raw)
    else:
        data = [line[6:] for line in raw.splitlines() if line.startswith(b"data: {")]
        events = [json.loads(one) for one in data]
    assert not any("error" in event and event["error"] for event in events)
    if face.startswith("gemini"):
        candidates = [event["candidates"][0] for event in events]
        assert sum("finishReason" in one for one in candidates) == 1
        return "".join(part["text"] for one in candidates for part in one["content"].get("parts", []))
    if face == "anthropic":
        kinds = [event["type"] for event in events]
        assert [kinds.count(kind) for kind in ("message_start", "content_block_start", "message_stop")] == [
            1
        ] * 3
        return "".join(event["delta"].get("text", "") for event in events if "delta" in event)
    if face == "openai_responses":
        return responses(events)
    assert len({(event["id"], event["model"]) for event in events}) == 1
    choices = [choice for event in events for choice in event["choices"]]
    assert [one["finish_reason"] for one in choices].count("stop") == 1
    if face == "openai_completions":
        return "".join(one["text"] for one in choices)
    return "".join(one["delta"].get("content") or "" for one in choices)


def responses(events: list[dict[str, Any]]) -> str:
    """The text of a stream of the Responses API, whose events all say the same."""
    kinds = [event["type"] for event in events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    for kind in ("response.created", "response.output_item.added", "response.completed"):
        assert kinds.count(kind) == 1
    text = "".join(event["delta"] for event in events if event["type"] == "response.output_text.delta")
    (done,) = [event["text"] for event in events if event["type"] == "response.output_text.done"]
    (item,) = events[-1]["response"]["output"]
    assert text == done == item["content"][0]["text"]
    return text


class Served:
    """A served gateway with the model `m`, whose streams are continued."""

    def __init__(self, base: str, session: aiohttp.ClientSession) -> None:
        self.base = base
        self.session = session

    async def ask(self, face: str, **more: Any) -> bytes:
        path, body = FACES[face]
        sent = {**body, **more}
        async with asyncio.timeout(PATIENCE), self.session.post(self.base + path, json=sent) as response:
            assert response.status == 200
            return await response.read()

    async def get(self, path: str) -> Any:
        async with self.session.get(self.base + path) as response:
            assert response.status == 200, await response.text()
            read = await response.text()
        return json.loads(read) if read.startswith("{") else read

    async def outcomes(self) -> list[tuple[str, str]]:
        one = (await self.get("/admin/exchanges"))["data"][0]
        trace = await self.get(f"/admin/exchanges/{one['id']}")
        return [(row["deployment"], row["outcome"]) for row in trace["attempts"]]


@asynccontextmanager
async def served(*providers: tuple[FakeProvider, str]) -> AsyncIterator[Served]:
    named = {
        name: {"base_url": provider.url, "dialect": dialect, "keys": [f"key-of-{name}"]}
        for name, (provider, dialect) in zip("abc", providers, strict=False)
    }
    uses: list[dict[str, Any]] = [
        {"use": f"{name}/{CONTINUING[str(one['dialect'])]}"} for name, one in named.items()
    ]
    for use in uses[1:]:
        use["supports"] = {"prefill": True}
    settings = {
        "providers": named,
        "models": {"m": {"deployments": uses, "continue_streams": True}},
        "metrics": {"enabled": True},
        "trace": {"keep": 10},
    }
    async with serving(Gateway(settings)) as base, aiohttp.ClientSession() as session:
        yield Served(base, session)


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(PATIENCE):
        while True:
            if true():
                return
            await asyncio.sleep(0.01)


def beginnings(provider: FakeProvider) -> list[Any]:
    """What a provider was given as the beginning."""
    return [seen.body["messages"][-1] for seen in provider.seen]


@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("second", CONTINUING)
async def test_the_text_has_no_gap_and_no_repeat(provide: Provide, face: str, second: str) -> None:
    a, b = await provide(dying(*WORDS)), await provide(going_on(second, " six seven."))
    async with served((a, "openai_chat"), (b, second)) as gateway:
        assert texts(face, await gateway.ask(face)) == WHOLE
        (given,) = beginnings(b)
        assert given["role"] == "assistant"
        content = given["content"]
        assert content in ("One two three four five", [{"type": "text", "text": "One two three four five"}])


async def test_observers(provide: Provide) -> None:
    a, b = await provide(dying(*WORDS)), await provide(going_on("openai_chat", " six seven."))
    async with served((a, "openai_chat"), (b, "openai_chat")) as gateway:
        await gateway.ask("openai_chat")
        assert await gateway.outcomes() == [("a/gpt", "server"), ("b/gpt", "continued")]
        metrics = await gateway.get("/metrics")
        assert 'dragoman_failovers_total{provider="a",' in metrics
        assert 'outcomes_total{provider="b",outcome="answered"} 1' in metrics


async def test_a_stored_response_has_the_whole_text(provide: Provide) -> None:
    a, b = await provide(dying(*WORDS)), await provide(going_on("openai_chat", " six seven."))
    async with served((a, "openai_chat"), (b, "openai_chat")) as gateway:
        raw = await gateway.ask("openai_responses", store=True)
        assert texts("openai_responses", raw) == WHOLE
        name = json.loads(next(line for line in raw.splitlines() if line.startswith(b"data: "))[6:])
        stored = await gateway.get(f"/v1/responses/{name['response']['id']}")
        assert stored["output"][0]["content"][0]["text"] == WHOLE
        assert stored["status"] == "completed"
        await gateway.ask("openai_responses", previous_response_id=stored["id"], input="And then?")
        history = b.seen[-1].body["messages"]
        assert [one["content"] for one in history if one["role"] == "assistant"][:1] == [WHOLE]


@pytest.mark.parametrize("face", ["openai_chat", "anthropic", "openai_responses"])
async def test_a_session_keeps_the_whole_text(provide: Provide, face: str) -> None:
    good = going_on("openai_chat", " six seven.")
    a, b = await provide(dying(*WORDS), good), await provide(good)
    async with served((a, "openai_chat"), (b, "openai_chat")) as gateway:
        path, body = FACES[face]
        for _ in range(2):
            headers = {"x-session-id": "s1"}
            async with gateway.session.post(gateway.base + path, json=body, headers=headers) as response:
                await response.read()
        history = a.seen[-1].body["messages"]
        assert [one["content"] for one in history if one["role"] == "assistant"] == [WHOLE]


async def test_a_request_that_is_worked_on_beside_the_loop(provide: Provide) -> None:
    a, b = await provide(dying(*WORDS)), await provide(going_on("openai_chat", " six seven."))
    async with served((a, "openai_chat"), (b, "openai_chat")) as gateway:
        messages = [{"role": "user", "content": "Count! " * 100_000}]
        assert texts("openai_chat", await gateway.ask("openai_chat", messages=messages)) == WHOLE
        assert beginnings(b)[0]["content"] == "One two three four five"


async def test_it_dies_twice(provide: Provide) -> None:
    a, b = await provide(dying(*WORDS)), await provide(dying(" six"))
    c = await provide(going_on("openai_chat", " seven."))
    async with served((a, "openai_chat"), (b, "openai_chat"), (c, "openai_chat")) as gateway:
        assert texts("anthropic", await gateway.ask("anthropic")) == WHOLE
        assert beginnings(c)[0]["content"] == "One two three four five six"


async def test_the_second_one_refuses_the_beginning(provide: Provide) -> None:
    a = await provide(dying(*WORDS))
    b = await provide(stubs.refusal("openai_chat", 400, "bad", "The last message must be the user's."))
    async with served((a, "openai_chat"), (b, "openai_chat")) as gateway:
        raw = await gateway.ask("openai_chat")
        error = json.loads(raw.splitlines()[-1 if raw.splitlines()[-1] else -2].removeprefix(b"data: "))[
            "error"
        ]
        assert error["code"] == "connection_broken"
        assert "must be" not in error["message"]
        assert await gateway.outcomes() == [("a/gpt", "server"), ("b/gpt", "caller")]


async def test_a_tool_call_that_has_begun_is_not_continued(provide: Provide) -> None:
    call = {"index": 0, "id": "call_1", "type": "function", "function": {"name": "look", "arguments": '{"a'}}
    a = await provide(dying("One ", call=chunk(tool_calls=[call])))
    b = await provide(going_on("openai_chat", " two."))
    async with served((a, "openai_chat"), (b, "openai_chat")) as gateway:
        tools = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
        assert b"connection_broken" in await gateway.ask("openai_chat", tools=tools)
        assert b.seen == []


async def test_the_client_leaves_meanwhile(provide: Provide) -> None:
    frames = stubs.frames("openai_chat", " six seven.")
    a, b = await provide(dying(*WORDS)), await provide(Streamed(frames, delay=600.0))
    async with served((a, "openai_chat"), (b, "openai_chat")) as gateway:
        asking = asyncio.ensure_future(gateway.ask("openai_chat"))
        await until(lambda: len(b.seen) == 1)
        asking.cancel()
        await until(lambda: len(b.cut) == 1)
