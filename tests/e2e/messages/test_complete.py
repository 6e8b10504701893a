"""Anthropic's legacy text completions, with its official client, before models of every protocol."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest
from anthropic import APIError, AsyncAnthropic, AsyncStream, BadRequestError

from dragoman.testing.provider import FakeProvider, Streamed, Whole
from tests.e2e import stubs
from tests.e2e.calls import MODELS
from tests.e2e.conftest import Provide, Serve, up
from tests.e2e.stubs import Said

PROMPT = "Be brief.\n\nHuman: Hello!\n\nAssistant: Hi.\n\nHuman: How are you?\n\nAssistant:"


async def complete(client: AsyncAnthropic, **fields: Any) -> dict[str, Any]:
    """Ask; the client has no method for it any more, but still reads its answers and streams."""
    body = {"prompt": PROMPT, "max_tokens_to_sample": 99, **fields}
    return await client.post("/v1/complete", cast_to=dict[str, Any], body=body)


async def streamed(client: AsyncAnthropic, model: str) -> list[Any]:
    body = {"model": model, "prompt": PROMPT, "max_tokens_to_sample": 9, "stream": True}
    stream: Any = await client.post(
        "/v1/complete", cast_to=object, body=body, stream=True, stream_cls=AsyncStream[object]
    )
    return [piece async for piece in stream]


Start = Callable[..., Awaitable[tuple[AsyncAnthropic, FakeProvider]]]


@pytest.fixture(params=["", "/anthropic"])
def start(request: pytest.FixtureRequest, serve: Serve, provide: Provide, stack: AsyncExitStack) -> Start:
    async def begin(dialect: str, *answers: Any, **more: Any) -> tuple[AsyncAnthropic, FakeProvider]:
        provider = await provide(*answers)
        base = await serve(json.dumps(up(provider.url, dialect) | more))
        client = AsyncAnthropic(base_url=base + request.param, api_key="k", max_retries=0)
        return await stack.enter_async_context(client), provider

    return begin


@pytest.mark.parametrize("dialect", ["anthropic", "openai_chat", "gemini"])
async def test_a_prompt_is_a_conversation(start: Start, dialect: str) -> None:
    client, provider = await start(dialect, stubs.DIALECTS[dialect](Said("Well, thanks.")))
    told = await complete(client, model=MODELS[dialect], temperature=0.5)
    assert (told["type"], told["completion"]) == ("completion", "Well, thanks.")
    assert told["id"].startswith("compl_")
    assert (told["stop_reason"], told["stop"]) == ("stop_sequence", "\n\nHuman:")
    sent = json.dumps(provider.last.body)
    for text in ("Be brief.", "Hello!", "Hi.", "How are you?"):
        assert text in sent
    if dialect == "anthropic":
        body = provider.last.body
        assert body["system"] == "Be brief."
        assert [message["role"] for message in body["messages"]] == ["user", "assistant", "user"]
        assert (body["max_tokens"], body["temperature"]) == (99, 0.5)


@pytest.mark.parametrize("dialect", ["anthropic", "openai_chat"])
async def test_a_stream_is_pieces_of_a_completion(start: Start, dialect: str) -> None:
    client, _ = await start(dialect, stubs.DIALECTS[dialect](Said("Well, thanks.")))
    pieces = await streamed(client, MODELS[dialect])
    assert "".join(piece["completion"] for piece in pieces) == "Well, thanks."
    assert [piece["stop_reason"] for piece in pieces[:-1]] == [None] * (len(pieces) - 1)
    assert pieces[-1]["stop_reason"] == "stop_sequence"
    assert len({piece["id"] for piece in pieces}) == 1


async def test_a_stream_that_breaks_off_says_so(start: Start) -> None:
    broken = Streamed([b'data: {"id":"c","choices":[{"index":0,"delta":{"content":"a"}}]}\n\n'], die=True)
    client, _ = await start("openai_chat", broken)
    with pytest.raises(APIError, match="error"):
        await streamed(client, MODELS["openai_chat"])


async def test_the_last_turn_may_begin_the_answer(start: Start) -> None:
    client, provider = await start("anthropic", stubs.anthropic(Said(" three.")))
    await complete(client, model=MODELS["anthropic"], prompt="\n\nHuman: Count.\n\nAssistant: One, two,")
    assert provider.last.body["messages"][-1] == {"role": "assistant", "content": "One, two,"}


async def test_what_cut_it_is_told(start: Start) -> None:
    answer = {
        "id": "c",
        "object": "chat.completion",
        "created": 1,
        "model": "m",
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": "a"}, "finish_reason": "length"}
        ],
    }
    client, _ = await start("openai_chat", Whole(answer))
    told = await complete(client, model=MODELS["openai_chat"], max_tokens_to_sample=1)
    assert (told["stop_reason"], told["stop"]) == ("max_tokens", None)


@pytest.mark.parametrize(
    ("fields", "where"),
    [
        ({"prompt": "Hello"}, "prompt"),
        ({"prompt": "\n\nHuman: Hello"}, "prompt"),
        ({"prompt": "\n\nAssistant: Hello"}, "prompt"),
        ({"prompt": "\n\nHuman:\n\nAssistant:"}, "prompt"),
        ({"prompt": 1}, "prompt"),
        ({"max_tokens_to_sample": 0}, "max_tokens_to_sample"),
        ({"max_tokens_to_sample": None}, "max_tokens_to_sample"),
        ({"temperature": 2}, "temperature"),
        ({"stop_sequences": "a"}, "stop_sequences"),
    ],
)
async def test_mistakes_are_named(start: Start, fields: dict[str, Any], where: str) -> None:
    client, provider = await start("anthropic")
    with pytest.raises(BadRequestError) as refused:
        await complete(client, model=MODELS["anthropic"], **fields)
    assert isinstance(refused.value.body, dict)
    error = refused.value.body["error"]
    assert error["type"] == "invalid_request_error"
    assert error["param"] == where
    assert provider.seen == []
