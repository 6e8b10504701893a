"""A part of a kind that nobody here knows: its own protocol's provider decides, no other one is asked (400).

A model that was asked without it would answer half a question.
"""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.testing.provider import Whole
from tests.e2e.calls import MODELS
from tests.e2e.conftest import Provide, Visit

Wire = dict[str, Any]
PART = {"type": "hologram", "hologram": {"data": "aGk="}}
PIECE = {"hologram": {"data": "aGk="}}
SAID: Wire = {"type": "text", "text": "What is this?"}
CALL: Wire = {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
USE = {"type": "tool_use", "id": "call_1", "name": "look", "input": {}}
CHAT, RESPONSES, MESSAGES = "/v1/chat/completions", "/v1/responses", "/v1/messages"
GENERATE = "/v1beta/models/{model}:generateContent"

ASKED: dict[str, tuple[str, Wire, str]] = {
    "chat": (CHAT, {"messages": [{"role": "user", "content": [SAID, PART]}]}, "messages[0].content[1]"),
    "chat, system": (
        CHAT,
        {"messages": [{"role": "system", "content": [PART]}, {"role": "user", "content": "Hi"}]},
        "messages[0].content[0]",
    ),
    "chat, result": (
        CHAT,
        {
            "messages": [
                {"role": "user", "content": "Look!"},
                {"role": "assistant", "content": None, "tool_calls": [CALL]},
                {"role": "tool", "tool_call_id": "call_1", "content": [SAID, PART]},
            ]
        },
        "messages[2].content[1]",
    ),
    "responses": (
        RESPONSES,
        {"input": [{"role": "user", "content": [{"type": "input_text", "text": "?"}, PART]}]},
        "input[0].content[1]",
    ),
    "responses, lone": (
        RESPONSES,
        {"input": [{"type": "message", "role": "user", "content": [PART]}]},
        "input[0].content[0]",
    ),
    "messages": (
        MESSAGES,
        {"max_tokens": 99, "messages": [{"role": "user", "content": [SAID, PART]}]},
        "messages[0].content[1]",
    ),
    "messages, result": (
        MESSAGES,
        {
            "max_tokens": 99,
            "messages": [
                {"role": "user", "content": "Look!"},
                {"role": "assistant", "content": [USE]},
                {
                    "role": "user",
                    "content": [{"type": "tool_result", "tool_use_id": "call_1", "content": [PART]}],
                },
            ],
        },
        "messages[2].content[0].content[0]",
    ),
    "gemini": (
        GENERATE,
        {"contents": [{"role": "user", "parts": [{"text": "?"}, PIECE]}]},
        "contents[0].parts[1]",
    ),
    "gemini, system": (
        GENERATE,
        {"systemInstruction": {"parts": [PIECE]}, "contents": [{"role": "user", "parts": [{"text": "?"}]}]},
        "systemInstruction.parts[0]",
    ),
}
OWN = {CHAT: "openai_chat", MESSAGES: "anthropic", GENERATE: "gemini", RESPONSES: "openai_responses"}


@pytest.mark.parametrize(
    ("face", "dialect"),
    [
        (face, dialect)
        for face in ASKED
        for dialect in ("openai_chat", "anthropic", "gemini", "simulate")
        if dialect != OWN.get(ASKED[face][0])
    ],
)
async def test_no_other_protocol_is_asked(visit: Visit, provide: Provide, face: str, dialect: str) -> None:
    path, body, place = ASKED[face]
    provider = await provide(Whole({}, status=500))
    up = {"dialect": dialect, "base_url": provider.url, "keys": ["k"]}
    site = await visit({} if dialect == "simulate" else {"providers": {"up": up}, "retries": {"attempts": 1}})
    model = "simulate/echo" if dialect == "simulate" else MODELS[dialect]
    asked = body if "{model}" in path else {"model": model, **body}
    async with site.session.post(site.base + path.replace("{model}", model), json=asked) as answer:
        told = await answer.text()
        assert answer.status == 400, told
    assert "hologram" in told
    assert place in told, "in the client's own words"
    assert provider.seen == [], "before anything upstream happens"


@pytest.mark.parametrize("face", [face for face, (path, *_) in ASKED.items() if path in OWN])
async def test_its_own_provider_decides(visit: Visit, provide: Provide, face: str) -> None:
    path, body, _ = ASKED[face]
    refusal = {"error": {"code": 400, "message": "No holograms.", "type": "invalid_request_error"}}
    provider = await provide(Whole(refusal, status=400))
    up = {"dialect": OWN[path], "base_url": provider.url, "keys": ["k"]}
    site = await visit({"providers": {"up": up}, "retries": {"attempts": 1}})
    asked = body if "{model}" in path else {"model": "up/some-model", **body}
    url = site.base + path.replace("{model}", "up/some-model")
    async with site.session.post(url, json=asked) as answer:
        assert (answer.status, "No holograms." in await answer.text()) == (400, True)
    assert b"hologram" in provider.last.raw


async def test_what_an_earlier_answer_held_is_a_loss(visit: Visit, provide: Provide) -> None:
    site = await visit({})
    messages = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": [SAID, PART]},
        {"role": "user", "content": "And?"},
    ]
    asked = {"model": "simulate/echo", "max_tokens": 99, "messages": messages}
    async with site.session.post(site.base + MESSAGES, json=asked) as answer:
        assert answer.status == 200
