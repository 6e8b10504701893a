"""Answers of fake upstreams in each dialect, for one conversation: the same facts in several ways."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from dragoman.testing.provider import Script, Seen, Streamed, Whole
from tests.e2e.answers.anthropic import anthropic
from tests.e2e.answers.gemini import gemini
from tests.e2e.answers.mistral import mistral
from tests.e2e.answers.openai_chat import openai_chat
from tests.e2e.answers.said import Call, Said

__all__ = ["Call", "Said", "anthropic", "gemini", "mistral", "openai_chat"]

DIALECTS: dict[str, Callable[[Said], Script]] = {
    "openai_chat": openai_chat,
    "anthropic": anthropic,
    "gemini": gemini,
    "mistral": mistral,
}

PATHS = {
    "openai_chat": "/v1/chat/completions",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/gemini-2.5-flash:generateContent",
    "mistral": "/v1/chat/completions",
}
"""Where a whole answer is asked for, with the models of `tests.e2e.calls`."""


OPENING = {"openai_chat": 1, "anthropic": 3, "gemini": 0, "mistral": 1}
"""How many frames of a stream come before its first content."""


def frames(dialect: str, text: str, *, usage: bool = False) -> list[Any]:
    """The frames of a good answer. usage: as if it had been asked for."""
    asked = {"stream": True, "stream_options": {"include_usage": usage}}
    path = PATHS[dialect].replace(":generateContent", ":streamGenerateContent")
    answer = DIALECTS[dialect](Said(text))
    assert callable(answer)
    made = answer(Seen("POST", path, {}, {}, json.dumps(asked).encode()))
    assert isinstance(made, Streamed)
    return list(made.frames)


def streamed(dialect: str, sent: list[Any], **options: Any) -> Streamed:
    """These frames as this dialect's provider frames them."""
    line_end = "\r\n" if dialect == "gemini" else "\n"
    return Streamed(sent, named=dialect == "anthropic", line_end=line_end, **options)


def joined(dialect: str, sent: list[Any]) -> bytes:
    """These frames in one piece."""
    line_end = "\r\n" if dialect == "gemini" else "\n"
    texts = [
        f"data: {json.dumps(frame)}{line_end * 2}" if isinstance(frame, dict) else frame.decode()
        for frame in sent
    ]
    if dialect == "anthropic":
        texts = [f"event: {frame['type']}\n{text}" for frame, text in zip(sent, texts, strict=True)]
    return "".join(texts).encode()


_GOOGLE = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    413: "INVALID_ARGUMENT",
    422: "INVALID_ARGUMENT",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


def refusal(dialect: str, status: int, code: str, message: str, param: str | None = None) -> Whole:
    """An error as this dialect's provider words it. code: OpenAI's, or Anthropic's error type."""
    if dialect == "anthropic":
        return Whole(
            {"type": "error", "error": {"type": code, "message": message}, "request_id": "req_up"}, status
        )
    if dialect == "gemini":
        return Whole(
            {"error": {"code": status, "message": message, "status": _GOOGLE.get(status, "UNKNOWN")}}, status
        )
    if dialect == "mistral":
        said = {"object": "error", "message": message, "type": code, "param": param, "code": None}
        return Whole(said, status)
    error = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    return Whole({"error": error}, status)
