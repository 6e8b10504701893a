"""Streams that end in good order, but before their protocol's own end: told in-band, in every face."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from dragoman.config.load import load
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.testing.provider import FakeProvider, Streamed
from dragoman.testing.serving import serving

HELLO = [{"role": "user", "content": "Hello!"}]
USAGE = {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7}


def _chunk(*choices: dict[str, Any]) -> dict[str, Any]:
    return {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [*choices]}


def _chat(index: int, text: str, finish: str | None = None) -> dict[str, Any]:
    return {"index": index, "delta": {"role": "assistant", "content": text}, "finish_reason": finish}


def _event(name: str, **members: Any) -> dict[str, Any]:
    return {"type": name, "sequence_number": 1, **members}


_RESPONSE = {"id": "resp_1", "object": "response", "created_at": 1, "model": "m", "status": "in_progress"}
_ITEM = {"id": "msg_1", "type": "message", "role": "assistant", "status": "in_progress", "content": []}
_PART = {"type": "output_text", "text": "", "annotations": [], "logprobs": []}
_AT = {"item_id": "msg_1", "output_index": 0, "content_index": 0}
_MESSAGE: dict[str, Any] = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "content": [],
    "stop_reason": None,
    "stop_sequence": None,
    "usage": {"input_tokens": 3, "output_tokens": 1},
}
BREAKING: dict[str, list[Any]] = {
    "openai_chat": [_chunk(_chat(0, "Half an"))],
    "openai_responses": [
        _event("response.created", response={**_RESPONSE, "output": []}),
        _event("response.output_item.added", output_index=0, item=_ITEM),
        _event("response.content_part.added", **_AT, part=_PART),
        _event("response.output_text.delta", **_AT, delta="Half an", logprobs=[]),
    ],
    "anthropic": [
        {"type": "message_start", "message": _MESSAGE},
        {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
        {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "Half an"}},
        {"type": "content_block_stop", "index": 0},
    ],
    "gemini": [{"candidates": [{"content": {"role": "model", "parts": [{"text": "Half an"}]}, "index": 0}]}],
    "mistral": [_chunk(_chat(0, "Half an"))],
    "openai_completions": [
        {**_chunk({"index": 0, "text": "Half an", "finish_reason": None}), "object": "text_completion"}
    ],
    "ollama": [
        (
            b'{"model":"m","created_at":"2026-01-01T00:00:00Z",'
            b'"message":{"role":"assistant","content":"Half an"},"done":false}\n'
        )
    ],
}
"""By the provider's protocol: half an answer."""
FACES: dict[str, tuple[str, dict[str, Any]]] = {
    "openai_chat": ("/v1/chat/completions", {"messages": HELLO, "stream": True}),
    "openai_responses": ("/v1/responses", {"input": "Hello!", "stream": True}),
    "anthropic": ("/v1/messages", {"messages": HELLO, "max_tokens": 50, "stream": True}),
    "gemini": (
        "/v1beta/models/up%2Fm:streamGenerateContent?alt=sse",
        {"contents": [{"role": "user", "parts": [{"text": "Hello!"}]}]},
    ),
    "gemini_array": (
        "/v1beta/models/up%2Fm:streamGenerateContent",
        {"contents": [{"role": "user", "parts": [{"text": "Hello!"}]}]},
    ),
    "openai_completions": ("/v1/completions", {"prompt": "Hello!", "stream": True}),
    "ollama": ("/api/chat", {"messages": HELLO}),
    "ollama_generate": ("/api/generate", {"prompt": "Hello!"}),
}


def failure(face: str, raw: bytes) -> str:
    """The words of the failure with which a stream ends, in the face's own form."""
    if face.startswith("ollama"):
        return str(json.loads(raw.splitlines()[-1])["error"])
    if face == "gemini_array":
        return str(json.loads(raw)[-1]["error"]["message"])
    *_, last = [block for block in raw.replace(b"\r", b"").split(b"\n\n") if block and b"[DONE]" not in block]
    name, _, data = last.rpartition(b"data: ")
    told = json.loads(data)
    if face == "anthropic":
        assert (name, told["type"]) == (b"event: error\n", "error")
    elif face == "openai_responses":
        assert (name, told["type"]) == (b"event: response.failed\n", "response.failed")
        told = told["response"]
    return str(told["error"]["message"])


class Site:
    """A gateway before one provider."""

    def __init__(self, tmp_path: Path, provider: FakeProvider) -> None:
        self.file = tmp_path / "dragoman.yaml"
        self.provider = provider
        self.exchanges: list[Exchange] = []

    async def ask(self, face: str, dialect: str, *, pool: bool = False) -> tuple[int, bytes]:
        account = {"base_url": self.provider.url, "dialect": dialect, "keys": ["k"]}
        names = ("up", "second") if pool else ("up",)
        configuration: dict[str, Any] = {
            "providers": dict.fromkeys(names, account),
            "retries": {"attempts": 1},
        }
        if pool:
            configuration["models"] = {"m": {"deployments": ["up/m", "second/m"]}}
        self.file.write_text(json.dumps(configuration), encoding="utf-8")
        gateway = Gateway(load(self.file, {}), observers=[self.exchanges.append])
        path, body = FACES[face]
        path = path.replace("up%2Fm", "m") if pool else path
        async with (
            serving(gateway) as base,
            aiohttp.ClientSession() as session,
            session.post(base + path, json={**body, "model": "m" if pool else "up/m"}) as response,
        ):
            return response.status, await response.read()


@pytest.fixture
async def provider() -> AsyncIterator[FakeProvider]:
    async with FakeProvider() as started:
        yield started


def breaking(dialect: str, frames: list[Any]) -> Streamed:
    kind = {"content-type": "application/x-ndjson"} if dialect == "ollama" else {}
    named = dialect in {"anthropic", "openai_responses"}
    return Streamed(frames, headers=kind, named=named)


@pytest.mark.parametrize("dialect", BREAKING)
@pytest.mark.parametrize("face", FACES)
async def test_half_an_answer_ends_with_a_failure(
    tmp_path: Path, provider: FakeProvider, face: str, dialect: str
) -> None:
    provider.answers.append(breaking(dialect, BREAKING[dialect]))
    site = Site(tmp_path, provider)
    status, raw = await site.ask(face, dialect)
    assert status == 200
    assert b"Half an" in raw
    assert "before" in failure(face, raw)
    fault = site.exchanges[-1].fault
    assert fault is not None
    assert (fault.code, fault.blame) == ("stream_broken", "upstream")
    assert site.exchanges[-1].mode == ("relay" if face == dialect else site.exchanges[-1].mode)


async def test_one_of_two_choices_that_has_not_ended_is_a_failure(
    tmp_path: Path, provider: FakeProvider
) -> None:
    frames = [_chunk(_chat(0, "Whole", "stop")), _chunk(_chat(1, "Half an"))]
    provider.answers.append(breaking("openai_chat", frames))
    site = Site(tmp_path, provider)
    _, raw = await site.ask("openai_chat", "openai_chat")
    assert "ended before the response was complete" in failure("openai_chat", raw)
    assert site.exchanges[-1].mode == "relay"


@pytest.mark.parametrize("dialect", ["openai_chat", "openai_responses", "anthropic", "gemini", "ollama"])
@pytest.mark.parametrize("opening", [0, 1])
async def test_a_stream_that_ends_before_it_says_anything_is_asked_for_elsewhere(
    tmp_path: Path, provider: FakeProvider, dialect: str, opening: int
) -> None:
    held = [] if dialect in {"openai_chat", "gemini", "ollama"} else BREAKING[dialect][:opening]
    provider.answers.append(breaking(dialect, held))
    provider.answers.append(breaking(dialect, BREAKING[dialect]))
    site = Site(tmp_path, provider)
    _, raw = await site.ask(dialect, dialect, pool=True)
    assert b"Half an" in raw
    assert len(site.exchanges[-1].attempts) == 2
