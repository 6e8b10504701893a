"""What `dragoman setup` asks a gateway, and how it reads what comes."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.cli import checks
from dragoman.cli.asking import NotThere, Refused, ask, models
from dragoman.cli.clients import CLIENTS, Gateway
from dragoman.testing.provider import FakeProvider, Whole

ANSWERS: dict[str, tuple[str, Any]] = {
    "openai_chat": (
        "/v1/chat/completions",
        {
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": "Hi."}, "finish_reason": "stop"}
            ]
        },
    ),
    "openai_responses": (
        "/v1/responses",
        {
            "id": "resp_1",
            "object": "response",
            "status": "completed",
            "output": [
                {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "Hi."}]}
            ],
        },
    ),
    "anthropic": (
        "/v1/messages",
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "content": [{"type": "text", "text": "Hi."}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 1, "output_tokens": 1},
        },
    ),
    "gemini": (
        "/v1beta/models/m:generateContent",
        {"candidates": [{"content": {"role": "model", "parts": [{"text": "Hi."}]}, "finishReason": "STOP"}]},
    ),
    "ollama": (
        "/api/chat",
        {
            "model": "m",
            "created_at": "2026-11-21T12:00:00Z",
            "message": {"role": "assistant", "content": "Hi."},
            "done": True,
            "done_reason": "stop",
        },
    ),
}


def test_every_client_has_a_question() -> None:
    assert {client.dialect for client in CLIENTS.values()} == set(ANSWERS)


@pytest.mark.parametrize("dialect", list(ANSWERS))
async def test_the_question_and_its_answer(dialect: str) -> None:
    path, answer = ANSWERS[dialect]
    async with FakeProvider(Whole(answer)) as gateway:
        assert await ask(dialect, Gateway(gateway.url, "m", "K")) == "Hi."
        assert gateway.last.path == path
        assert gateway.last.headers["authorization"] == "Bearer K"
        assert "Say hello" in gateway.last.raw.decode()


async def test_a_thought_alone_is_an_answer_too() -> None:
    answer = {
        "choices": [
            {"index": 0, "message": {"role": "assistant", "content": None}, "finish_reason": "length"}
        ]
    }
    async with FakeProvider(Whole(answer)) as gateway:
        assert await ask("openai_chat", Gateway(gateway.url, "m")) == "…"


@pytest.mark.parametrize(
    ("answer", "status", "message"),
    [
        (Whole({"error": {"message": "no such model"}}, 404), 404, "no such model"),
        (Whole({"error": "not here"}, 404), 404, "not here"),
        (Whole("<html>", 502), 502, "status 502"),
        (Whole([], 200), 200, "status 200"),
        (Whole({"choices": 5}, 200), 200, "the response cannot be parsed"),
    ],
)
async def test_what_is_no_answer(answer: Whole, status: int, message: str) -> None:
    async with FakeProvider(answer) as gateway:
        with pytest.raises(Refused, match=message) as refused:
            await ask("openai_chat", Gateway(gateway.url, "m"))
    assert refused.value.status == status


async def test_the_models() -> None:
    async with FakeProvider(Whole({"object": "list", "data": [{"id": "a"}, {"id": "b/c"}, 5]})) as gateway:
        assert await models(Gateway(gateway.url, None)) == ["a", "b/c"]
        assert gateway.last.path == "/v1/models"


async def test_names_that_would_tell_a_terminal_something_are_left_out() -> None:
    rows = [{"id": name} for name in ("a", "b\x1b[2J", "c\x9b2J", "d\u202e", "e" * 600, None, {"x": 1})]
    async with FakeProvider(Whole({"object": "list", "data": rows})) as gateway:
        assert await models(Gateway(gateway.url, None)) == ["a"]


async def test_an_answer_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checks, "LARGEST", 1000)
    rows = [{"id": "a" * 100} for _ in range(100)]
    async with FakeProvider(Whole({"object": "list", "data": rows})) as gateway:
        with pytest.raises(NotThere, match="larger than"):
            await models(Gateway(gateway.url, None))


async def test_no_models() -> None:
    async with FakeProvider(Whole({"error": {"message": "who are you?"}}, 401)) as gateway:
        with pytest.raises(PermissionError, match="who are you"):
            await models(Gateway(gateway.url, None))
    async with FakeProvider(Whole("Ollama is running")) as gateway:
        with pytest.raises(NotThere, match="does not answer with a model list"):
            await models(Gateway(gateway.url, None))
    with pytest.raises(NotThere):
        await models(Gateway(gateway.url, None))
