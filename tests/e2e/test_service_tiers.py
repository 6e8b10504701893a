"""The service tier that an answer states decides what it costs, relayed or translated, whole or streamed."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dragoman.testing.provider import Answer, Seen, Streamed, Whole
from tests.e2e.test_accounts import KEYS, Stub, house

PRICES = {
    f"{name}/*": {"input": 1, "output": 1, "tiers": {"priority": {"input": 7, "output": 7}}}
    for name in ("one", "two")
}
GEMINI = {"promptTokenCount": 10, "candidatesTokenCount": 5, "totalTokenCount": 15, "serviceTier": "priority"}
CLAUDE = {"input_tokens": 10, "output_tokens": 5, "service_tier": "priority"}
CHAT = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
MISTRAL = {**CHAT, "service_tier": "priority"}
COUNTS = {"input_tokens": 10, "output_tokens": 5, "total_tokens": 15}


def chat(tier: str | None, usage: Any, stream: bool) -> Answer:
    said = {"id": "c", "object": "chat.completion", "created": 1, "model": "m"}
    stated = {} if tier is None else {"service_tier": tier}
    if not stream:
        choice = {"index": 0, "message": {"role": "assistant", "content": "Hi"}, "finish_reason": "stop"}
        return Whole({**said, "choices": [choice], "usage": usage, **stated})
    chunk = {**said, "object": "chat.completion.chunk", **stated}
    return Streamed(
        [
            {**chunk, "choices": [{"index": 0, "delta": {"role": "assistant", "content": "Hi"}}]},
            {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]},
            {**chunk, "choices": [], "usage": usage},
            "data: [DONE]\n\n",
        ]
    )


def responses(stream: bool) -> Answer:
    content = [{"type": "output_text", "text": "Hi", "annotations": []}]
    item = {"type": "message", "id": "m1", "status": "completed", "role": "assistant", "content": content}
    begun = {
        "id": "r",
        "object": "response",
        "created_at": 1,
        "model": "m",
        "status": "in_progress",
        "output": [],
    }
    done = {**begun, "status": "completed", "output": [item], "usage": COUNTS, "service_tier": "priority"}
    if not stream:
        return Whole(done)
    return Streamed(
        [
            {"type": "response.created", "response": {**begun, "service_tier": "auto"}},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": done},
        ],
        named=True,
    )


def claude(stream: bool) -> Answer:
    message = {"id": "m", "type": "message", "role": "assistant", "model": "m", "content": []}
    said = {"type": "text", "text": "Hi"}
    if not stream:
        return Whole({**message, "content": [said], "stop_reason": "end_turn", "usage": CLAUDE})
    return Streamed(
        [
            {"type": "message_start", "message": {**message, "stop_reason": None, "usage": CLAUDE}},
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Hi"}},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": "end_turn"}, "usage": {"output_tokens": 5}},
            {"type": "message_stop"},
        ],
        named=True,
    )


def gemini(stream: bool) -> Answer:
    content = {"role": "model", "parts": [{"text": "Hi"}]}
    answer = {"candidates": [{"content": content, "finishReason": "STOP"}], "usageMetadata": GEMINI}
    return Streamed([answer], line_end="\r\n") if stream else Whole(answer)


class Tiered(Stub):
    """A provider that answers in a service tier, although nobody has asked for it."""

    def __init__(self, dialect: str) -> None:
        super().__init__()
        self.dialect = dialect

    def __call__(self, seen: Seen) -> Answer:
        stream = bool(seen.body.get("stream")) or "stream" in seen.path
        if self.dialect == "openai_responses":
            return responses(stream)
        if self.dialect == "anthropic":
            return claude(stream)
        if self.dialect == "gemini":
            return gemini(stream)
        if self.dialect == "mistral":
            return chat(None, MISTRAL, stream)
        return chat("priority", CHAT, stream)


FACES: dict[str, tuple[str, dict[str, Any]]] = {
    "openai_chat": ("/v1/chat/completions", {"messages": [{"role": "user", "content": "Hi"}]}),
    "openai_responses": ("/v1/responses", {"input": "Hi"}),
    "anthropic": ("/v1/messages", {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9}),
    "gemini": (
        "/v1beta/models/m:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "Hi"}]}]},
    ),
}


@pytest.mark.parametrize("stream", [False, True])
@pytest.mark.parametrize("face", FACES)
@pytest.mark.parametrize("dialect", [*FACES, "mistral"])
async def test_the_tier_of_the_answer_is_billed(
    tmp_path: Path, dialect: str, face: str, stream: bool
) -> None:
    one = Tiered(dialect)
    more = {"prices": PRICES, "models": {"m": {"deployments": ["one/gpt"]}}}
    async with house(one, Stub(), tmp_path, dialect=dialect, **more) as home:
        path, body = FACES[face]
        if stream and face == "gemini":
            path = path.replace("generateContent", "streamGenerateContent?alt=sse")
        elif stream:
            body = {**body, "stream": True}
        said = body if face == "gemini" else {"model": "m", **body}
        headers = {"authorization": f"Bearer {KEYS['alice']}"}
        async with home.session.post(home.base + path, json=said, headers=headers) as response:
            assert response.status == 200
            await response.read()
        (found,) = await home.records()
        assert (found.units, found.estimated) == ({"input": 10, "output": 5}, False)
        assert found.cost == 7 * 15_000


async def test_another_provider_answers_after_a_malformed_answer(tmp_path: Path) -> None:
    body = {"model": "m", "service_tier": "priority", **FACES["openai_chat"][1]}
    async with house(Malformed(), Stub(), tmp_path, prices=PRICES) as home:
        headers = {"authorization": f"Bearer {KEYS['alice']}"}
        async with home.session.post(
            home.base + FACES["openai_chat"][0], json=body, headers=headers
        ) as response:
            assert response.status == 200, await response.text()


class Malformed(Stub):
    """A provider whose answer breaks off inside its JSON."""

    def __call__(self, seen: Seen) -> Answer:
        return Whole(b'{"service_tier": "priority", "choices": [')
