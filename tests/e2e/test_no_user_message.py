"""Row 3.10: a history in which nobody asks, or the assistant speaks first, is answered by every upstream.

The providers are strict: what theirs refuses they refuse. What one needs is put in, and named as a change.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from dragoman.testing.provider import Script
from tests.e2e.answers.anthropic import anthropic
from tests.e2e.answers.gemini import gemini
from tests.e2e.answers.mistral import mistral
from tests.e2e.answers.ollama import ollama
from tests.e2e.answers.openai_chat import openai_chat
from tests.e2e.answers.openai_completions import openai_completions
from tests.e2e.answers.openai_responses import openai_responses
from tests.e2e.answers.said import Said
from tests.e2e.conftest import Provide, Visit
from tests.e2e.strict import held

ANSWERS: dict[str, Callable[[Said], Script]] = {
    "openai_chat": openai_chat,
    "openai_responses": openai_responses,
    "openai_completions": openai_completions,
    "anthropic": anthropic,
    "gemini": gemini,
    "mistral": mistral,
    "ollama": ollama,
}
MODELS = {
    "openai_chat": "gpt-4o",
    "openai_responses": "gpt-4o",
    "openai_completions": "gpt-3.5-turbo-instruct",
    "anthropic": "claude-sonnet-4-5",
    "gemini": "gemini-2.5-flash",
    "mistral": "mistral-large-latest",
    "ollama": "llama3.2",
}
DEVELOPER = [{"role": "developer", "content": "Tell a joke."}]
SYSTEM = [{"role": "system", "content": "Tell a joke."}]
OPENED = [
    {"role": "assistant", "content": "Hello, what is it?"},
    {"role": "user", "content": "A joke, please."},
]
CALLED = [
    {"role": "assistant", "content": None, "tool_calls": [
        {"id": "call_1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
    ]},
    {"role": "tool", "tool_call_id": "call_1", "content": "Nothing."},
]  # fmt: skip
TOOLS = [{"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}]
PUT_IN = {
    ("anthropic", "developer"),
    ("anthropic", "assistant"),
    ("anthropic", "calls"),
    ("gemini", "developer"),
    ("gemini", "calls"),
    ("mistral", "developer"),
    ("ollama", "developer"),
}
"""The protocols whose servers refuse such a history as it is."""
HISTORIES: dict[str, dict[str, Any]] = {
    "developer": {"messages": DEVELOPER},
    "assistant": {"messages": OPENED},
    "calls": {"messages": CALLED, "tools": TOOLS},
}
CELLS = [
    (upstream, history)
    for upstream in ANSWERS
    for history in HISTORIES
    if upstream != "openai_completions" or history == "developer"  # a prompt is one text, and no conversation
]


@pytest.mark.parametrize(("upstream", "history"), CELLS)
async def test_a_chat_without_a_user_who_asks_first_is_answered(
    visit: Visit, provide: Provide, upstream: str, history: str
) -> None:
    provider = await provide(held(upstream, ANSWERS[upstream](Said("Ha."))))
    row = {"dialect": upstream, "base_url": provider.url, "keys": ["up-key"]}
    site = await visit({"providers": {"up": row}, "retries": {"attempts": 1}})
    told = await site.ask(f"up/{MODELS[upstream]}", **HISTORIES[history], headers={"x-dragoman-report": "1"})
    assert (told.status, told.raw) == (200, told.raw)
    assert told.text == "Ha."
    report = json.loads(told.headers["x-dragoman-report"])
    added = [
        change
        for change in report["changes"]
        if any(word in change["reason"] for word in ("first", "user message", "asked"))
    ]
    assert bool(added) == ((upstream, history) in PUT_IN)
    assert not [loss for loss in report["losses"] if loss["severity"] == "meaning"]


@pytest.mark.parametrize("messages", [SYSTEM, OPENED])
async def test_it_is_relayed_as_it_is(visit: Visit, provide: Provide, messages: list[Any]) -> None:
    """What a server of the client's own protocol makes of it is that server's business."""
    provider = await provide(openai_chat(Said("Ha.")))
    row = {"dialect": "openai_chat", "base_url": provider.url, "keys": ["up-key"]}
    site = await visit({"providers": {"up": row}})
    told = await site.ask("up/m", messages=messages)
    assert told.text == "Ha."
    assert provider.last.body["messages"] == messages


@pytest.mark.parametrize("upstream", ["anthropic", "gemini", "mistral"])
async def test_ollamas_clients_need_no_user_either(visit: Visit, provide: Provide, upstream: str) -> None:
    provider = await provide(held(upstream, ANSWERS[upstream](Said("Ha."))))
    row = {"dialect": upstream, "base_url": provider.url, "keys": ["up-key"]}
    site = await visit({"providers": {"up": row}})
    body = {"model": f"up/{MODELS[upstream]}", "messages": SYSTEM, "stream": False}
    async with site.session.post(site.base + "/api/chat", json=body) as response:
        assert (await response.json())["message"]["content"] == "Ha."


@pytest.mark.parametrize("upstream", ["anthropic", "gemini", "mistral"])
async def test_a_response_may_begin_with_the_assistant(visit: Visit, provide: Provide, upstream: str) -> None:
    """As Open Responses' own suite begins it."""
    provider = await provide(held(upstream, ANSWERS[upstream](Said("Ha."))))
    row = {"dialect": upstream, "base_url": provider.url, "keys": ["up-key"]}
    site = await visit({"providers": {"up": row}})
    body = {"model": f"up/{MODELS[upstream]}", "input": OPENED, "store": False}
    async with site.session.post(site.base + "/v1/responses", json=body) as response:
        assert (await response.json())["status"] == "completed"


async def test_the_models_of_our_own_answer_it_too(visit: Visit) -> None:
    site = await visit({})
    for messages in (SYSTEM, OPENED):
        told = await site.ask("simulate/echo", messages=messages)
        assert told.status == 200


@pytest.mark.parametrize("missing", [{"messages": []}, {"messages": None}])
async def test_an_empty_history_is_refused(visit: Visit, provide: Provide, missing: dict[str, Any]) -> None:
    provider = await provide(openai_chat(Said()))
    row = {"dialect": "openai_chat", "base_url": provider.url, "keys": ["up-key"]}
    site = await visit({"providers": {"up": row}})
    told = await site.ask("up/m", **missing)
    assert (told.status, told.error["param"]) == (400, "messages")
    assert provider.seen == []
