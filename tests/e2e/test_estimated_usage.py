"""1.9, 2.11: usage is there wherever it was asked for, and an estimate says that it is one."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from anthropic import AsyncAnthropic

from dragoman.exchange import Exchange
from dragoman.testing.provider import Answer, Seen, Streamed, Whole
from tests.e2e.calls import Site
from tests.e2e.conftest import Provide, Visit, up

TEXT = "Some words that nobody counted. " * 4
SAID = [{"role": "user", "content": "Hello!"}]
CHUNK = {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m"}
ITEM = {
    "type": "message",
    "id": "msg_1",
    "status": "completed",
    "role": "assistant",
    "content": [{"type": "output_text", "text": TEXT, "annotations": []}],
}
RESPONSE = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1,
    "model": "m",
    "status": "completed",
    "output": [ITEM],
}


def _chat(finish: Any = "stop", **delta: Any) -> dict[str, Any]:
    return {**CHUNK, "choices": [{"index": 0, "delta": delta, "finish_reason": finish}]}


def _google(**more: Any) -> dict[str, Any]:
    return {"candidates": [{"index": 0, "content": {"role": "model", "parts": [{"text": TEXT}]}, **more}]}


WHOLE: dict[str, Any] = {
    "openai_chat": {
        **CHUNK,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
    },
    "openai_completions": {
        **CHUNK,
        "object": "text_completion",
        "choices": [{"index": 0, "text": TEXT, "finish_reason": "stop", "logprobs": None}],
    },
    "anthropic": {
        "id": "msg_1",
        "type": "message",
        "role": "assistant",
        "model": "m",
        "content": [{"type": "text", "text": TEXT}],
        "stop_reason": "end_turn",
        "stop_sequence": None,
    },
    "gemini": _google(finishReason="STOP"),
    "openai_responses": RESPONSE,
    "ollama": {
        "model": "m",
        "created_at": "2026-01-01T00:00:00Z",
        "message": {"role": "assistant", "content": TEXT},
        "done": True,
        "done_reason": "stop",
    },
    "mistral": {
        **CHUNK,
        "object": "chat.completion",
        "choices": [{"index": 0, "message": {"role": "assistant", "content": TEXT}, "finish_reason": "stop"}],
    },
}


def _events(*frames: dict[str, Any]) -> list[Any]:
    return list(frames)


def _lines(*values: dict[str, Any]) -> list[Any]:
    return [json.dumps(value) + "\n" for value in values]


STREAMS: dict[str, list[Any]] = {
    "openai_chat": [_chat(None, role="assistant", content=TEXT), _chat(), "data: [DONE]\n\n"],
    "openai_completions": [
        {
            **CHUNK,
            "object": "text_completion",
            "choices": [{"index": 0, "text": TEXT, "finish_reason": "stop", "logprobs": None}],
        },
        "data: [DONE]\n\n",
    ],
    "anthropic": _events(
        {"type": "message_start", "message": {**WHOLE["anthropic"], "content": [], "stop_reason": None}},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": TEXT}},
        {"type": "content_block_stop", "index": 0},
        {"type": "message_delta", "delta": {"stop_reason": "end_turn", "stop_sequence": None}},
        {"type": "message_stop"},
    ),
    "gemini": [_google(), _google(finishReason="STOP")],
    "openai_responses": _events(
        {"type": "response.created", "response": {**RESPONSE, "status": "in_progress", "output": []}},
        {
            "type": "response.output_item.added",
            "output_index": 0,
            "item": {**ITEM, "content": [], "status": "in_progress"},
        },
        {
            "type": "response.content_part.added",
            "output_index": 0,
            "content_index": 0,
            "item_id": "msg_1",
            "part": {"type": "output_text", "text": "", "annotations": []},
        },
        {
            "type": "response.output_text.delta",
            "output_index": 0,
            "content_index": 0,
            "item_id": "msg_1",
            "delta": TEXT,
        },
        {"type": "response.output_item.done", "output_index": 0, "item": ITEM},
        {"type": "response.completed", "response": RESPONSE},
    ),
    "ollama": _lines(
        {**WHOLE["ollama"], "done": False},
        {**WHOLE["ollama"], "message": {"role": "assistant", "content": ""}},
    ),
    "mistral": [_chat(None, role="assistant", content=TEXT), _chat(), "data: [DONE]\n\n"],
}
PATHS = {
    "openai_chat": "/v1/chat/completions",
    "openai_completions": "/v1/completions",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/up%2Fm:generateContent",
    "openai_responses": "/v1/responses",
    "ollama": "/api/chat",
}
NAMES = {
    "openai_chat": ("prompt_tokens", "completion_tokens"),
    "openai_completions": ("prompt_tokens", "completion_tokens"),
    "anthropic": ("input_tokens", "output_tokens"),
    "openai_responses": ("input_tokens", "output_tokens"),
    "gemini": ("promptTokenCount", "candidatesTokenCount"),
    "ollama": ("prompt_eval_count", "eval_count"),
}


def silent(dialect: str) -> Callable[[Seen], Answer]:
    """An upstream of this dialect that tells no usage."""

    def answer(seen: Seen) -> Answer:
        streamed = seen.body.get("stream") is True or "stream" in seen.path
        if not streamed:
            return Whole(WHOLE[dialect])
        kind = {"content-type": "application/x-ndjson"} if dialect == "ollama" else {}
        named = dialect in {"anthropic", "openai_responses"}
        line_end = "\r\n" if dialect == "gemini" else "\n"
        return Streamed(STREAMS[dialect], headers=kind, named=named, line_end=line_end)

    return answer


async def ask(site: Site, face: str, *, stream: bool, **more: Any) -> tuple[dict[str, Any] | None, Any, str]:
    """The usage that the answer states, its headers and its text."""
    body: dict[str, Any] = {"model": "up/m", "messages": SAID, "stream": stream, **more}
    path = PATHS[face]
    if face == "gemini":
        body = {"contents": [{"role": "user", "parts": [{"text": "Hello!"}]}]}
        path = path.replace(":generate", ":streamGenerate") + "?alt=sse" if stream else path
    elif face == "openai_responses":
        body = {"model": "up/m", "input": "Hello!", "stream": stream}
    elif face == "openai_completions":
        body = {"model": "up/m", "prompt": "Hello!", "stream": stream, **more}
    elif face == "anthropic":
        body["max_tokens"] = 99
    if stream and face in {"openai_chat", "openai_completions"} and not more:
        body["stream_options"] = {"include_usage": True}
    async with site.session.post(site.base + path, json=body, headers={"x-dragoman-report": "1"}) as answer:
        text = await answer.text()
        assert answer.status == 200, text
    found = None
    lines = [line.removeprefix("data: ") for line in text.splitlines()] if stream else [text]
    for line in lines:
        if not line.startswith("{"):
            continue
        value = json.loads(line)
        value = value.get("response", value)
        holder = value if face == "ollama" else value.get("usageMetadata") or value.get("usage")
        if holder and NAMES[face][1] in holder:
            found = holder
    return found, answer.headers, text


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("face", PATHS)
async def test_a_relayed_answer_without_usage_gets_an_estimate(
    visit: Visit, provide: Provide, face: str, stream: bool
) -> None:
    exchanges: list[Exchange] = []
    provider = await provide(silent(face))
    site = await visit(up(provider.url, face), observers=[exchanges.append])
    usage, headers, _ = await ask(site, face, stream=stream)
    (exchange,) = exchanges
    assert exchange.mode == "relay"
    asked, answered = NAMES[face]
    assert usage is not None
    assert 1 <= usage[asked] <= 12
    assert 24 <= usage[answered] <= 80  # Gemini's stub says it twice
    assert usage["estimated"] is True
    assert exchange.usage is not None
    assert exchange.usage.estimated
    assert any("estimated" in change.reason for change in exchange.changes)
    if not stream:
        assert headers["x-dragoman-usage"] == "estimated"
        assert "estimated" in headers["x-dragoman-report"]


@pytest.mark.parametrize("dialect", WHOLE)
@pytest.mark.parametrize("stream", [False, True])
async def test_a_translated_answer_says_that_its_usage_is_estimated(
    visit: Visit, provide: Provide, dialect: str, stream: bool
) -> None:
    """1.9: whichever upstream states none; Google's stream with `include_usage` ended without it."""
    face = "anthropic" if dialect == "openai_chat" else "openai_chat"
    exchanges: list[Exchange] = []
    provider = await provide(silent(dialect))
    site = await visit(up(provider.url, dialect), observers=[exchanges.append])
    usage, headers, _ = await ask(site, face, stream=stream)
    assert exchanges[0].mode == "translate"
    assert usage is not None
    assert usage["estimated"] is True
    assert usage[NAMES[face][1]] >= 24
    if not stream:
        assert headers["x-dragoman-usage"] == "estimated"


async def test_what_the_gateway_cannot_read_is_for_its_client_to_judge(
    visit: Visit, provide: Provide
) -> None:
    call = {"id": "c", "type": "function", "function": {"name": 7, "arguments": "{}"}}
    choice = {"index": 0, "message": {"role": "assistant", "tool_calls": [call]}, "finish_reason": "stop"}
    odd = {**WHOLE["openai_chat"], "choices": [choice]}
    provider = await provide(Whole(odd))
    usage, headers, text = await ask(await visit(up(provider.url)), "openai_chat", stream=False)
    assert usage is None
    assert json.loads(text)["choices"] == [choice]
    assert headers["x-dragoman-usage"] == "estimated"  # its prompt is accounted for


async def test_what_an_upstream_states_is_not_touched(visit: Visit, provide: Provide) -> None:
    stated = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    frames = [*STREAMS["openai_chat"][:2], {**CHUNK, "choices": [], "usage": stated}, "data: [DONE]\n\n"]
    provider = await provide(
        lambda seen: (
            Streamed(frames) if seen.body.get("stream") else Whole({**WHOLE["openai_chat"], "usage": stated})
        )
    )
    site = await visit(up(provider.url))
    for stream in (False, True):
        usage, headers, _ = await ask(site, "openai_chat", stream=stream)
        assert usage == stated
        assert "x-dragoman-usage" not in headers


@pytest.mark.parametrize("aliased", [False, True])
async def test_usage_on_the_finish_chunk_reaches_only_those_who_asked(
    visit: Visit, provide: Provide, aliased: bool
) -> None:
    stated = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}
    frames = [STREAMS["openai_chat"][0], {**_chat(), "usage": stated}, "data: [DONE]\n\n"]
    exchanges: list[Exchange] = []
    provider = await provide(Streamed(frames))
    site = await visit(
        {**up(provider.url), "aliases": {"mine": "up/m"}} if aliased else up(provider.url),
        observers=[exchanges.append],
    )
    name = "mine" if aliased else "up/m"
    usage, _, _ = await ask(
        site, "openai_chat", stream=True, model=name, stream_options={"include_usage": True}
    )
    assert usage == stated
    usage, _, text = await ask(site, "openai_chat", stream=True, model=name, temperature=1)
    assert usage is None
    assert '"finish_reason":"stop"' in text.replace(" ", "")
    assert [one.usage.total for one in exchanges if one.usage is not None] == [7, 7]
    assert [one.mode for one in exchanges] == ["relay", "relay"]


@pytest.mark.parametrize("translated", [False, True])
@pytest.mark.parametrize("wish", [{}, {"stream_options": {"include_usage": False}}])
async def test_that_usage_is_asked_for_all_the_same_is_named_as_a_change(
    visit: Visit, provide: Provide, translated: bool, wish: dict[str, Any]
) -> None:
    """0.2: `include_usage: false` became true upstream without a word."""
    provider = await provide(silent("openai_chat"))
    exchanges: list[Exchange] = []
    site = await visit(up(provider.url), observers=[exchanges.append])
    headers = {"x-dragoman-check-output": "0"}
    model = "up/m"
    extra = {"temperature": 1} if not translated else {"temperature": 1, "metadata": {"a": "b"}}
    if translated:
        site = await visit(
            up(provider.url, quirks={"max_tokens_field": "max_tokens"}), observers=[exchanges.append]
        )
        extra["max_completion_tokens"] = 9
    answer = await site.ask(model, stream=True, headers=headers, **wish, **extra)
    assert answer.status == 200
    assert provider.last.body["stream_options"]["include_usage"] is True
    assert exchanges[-1].mode == ("translate" if translated else "relay")
    place = "$.stream_options.include_usage"
    told = [change for change in exchanges[-1].changes if change.to == place]
    assert [change.path for change in told] == [place if wish else None]
    assert exchanges[-1].losses == ()


@pytest.mark.parametrize("stated", [{"prompt_tokens": None, "completion_tokens": None}, {"total_tokens": 9}])
@pytest.mark.parametrize("stream", [False, True])
async def test_members_without_counts_are_no_usage(
    visit: Visit, provide: Provide, stream: bool, stated: dict[str, Any]
) -> None:
    """They were told as 0 to clients of other protocols."""
    frames = [*STREAMS["openai_chat"][:2], {**CHUNK, "choices": [], "usage": stated}, "data: [DONE]\n\n"]
    provider = await provide(Streamed(frames) if stream else Whole({**WHOLE["openai_chat"], "usage": stated}))
    site = await visit(up(provider.url))
    usage, _, _ = await ask(site, "anthropic", stream=stream)
    assert usage is not None
    assert usage["output_tokens"] >= 24
    assert usage["estimated"] is True


async def test_a_relayed_message_begins_with_counts(visit: Visit, provide: Provide) -> None:
    """Anthropic's clients add what the end of a stream counts to what its beginning does."""
    provider = await provide(silent("anthropic"))
    site = await visit(up(provider.url, "anthropic"))
    async with AsyncAnthropic(base_url=site.base, api_key="x", max_retries=0) as client:
        asking: Any = {"model": "up/m", "max_tokens": 99, "messages": SAID}
        async with client.messages.stream(**asking) as stream:
            message = await stream.get_final_message()
    assert message.usage.output_tokens >= 24
