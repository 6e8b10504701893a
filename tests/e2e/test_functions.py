"""Clients of before tools (`functions`, `function_call`) before servers that know tools alone (row 0.9)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.testing.provider import Answer, FakeProvider, Streamed, Whole
from tests.e2e.conftest import Provide, Visit

Wire = dict[str, Any]
NAME, ARGUMENTS = "get_weather", '{"city":"Paris"}'
CALL = {"name": NAME, "arguments": ARGUMENTS}
FUNCTION = {"name": NAME, "parameters": {"type": "object", "properties": {"city": {"type": "string"}}}}
ASKED: Wire = {
    "model": "up/some-model",
    "functions": [FUNCTION],
    "function_call": {"name": NAME},
    "messages": [
        {"role": "user", "content": "The weather?"},
        {"role": "assistant", "content": None, "function_call": CALL},
        {"role": "function", "name": NAME, "content": "Sunny."},
        {"role": "user", "content": "And tomorrow?"},
    ],
}
HEAD: Wire = {"id": "c1", "created": 1, "model": "some-model"}


def calling(*, stream: bool) -> Answer:
    """A tool call, of a server that has never heard of functions."""
    function: Wire = {"name": NAME, "arguments": ARGUMENTS}
    if not stream:
        call = {"id": "call_1", "type": "function", "function": function}
        message = {"role": "assistant", "content": None, "tool_calls": [call]}
        choice: Wire = {"index": 0, "message": message, "finish_reason": "tool_calls"}
        return Whole({**HEAD, "object": "chat.completion", "choices": [choice]})
    begun = {"index": 0, "id": "call_1", "type": "function", "function": {"name": NAME, "arguments": ""}}
    deltas: list[Wire] = [
        {"role": "assistant", "content": None, "tool_calls": [begun]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ARGUMENTS[:5]}}]},
        {"tool_calls": [{"index": 0, "function": {"arguments": ARGUMENTS[5:]}}]},
    ]
    choices: list[Wire] = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    choices.append({"index": 0, "delta": {}, "finish_reason": "tool_calls"})
    chunks = [{**HEAD, "object": "chat.completion.chunk", "choices": [choice]} for choice in choices]
    return Streamed([*chunks, "data: [DONE]\n\n"])


async def heard(visit: Visit, provider: FakeProvider, settings: Wire, *, stream: bool) -> tuple[Wire, str]:
    """The message that the client gets, put together, and its finish reason."""
    up = {"base_url": provider.url, "keys": ["up-key"], **settings}
    site = await visit({"providers": {"up": up}, "retries": {"attempts": 1}})
    url = f"{site.base}/v1/chat/completions"
    async with site.session.post(url, json={**ASKED, "stream": stream}) as answer:
        assert answer.status == 200, await answer.text()
        if not stream:
            (choice,) = (await answer.json())["choices"]
            return choice["message"], choice["finish_reason"]
        message: Wire = {"function_call": {"name": "", "arguments": ""}}
        finish = ""
        async for line in answer.content:
            if not line.startswith(b"data: {"):
                continue
            for choice in json.loads(line[6:])["choices"]:
                delta = choice["delta"]
                assert "tool_calls" not in delta
                for member, text in (delta.get("function_call") or {}).items():
                    message["function_call"][member] += text
                finish = choice["finish_reason"] or finish
        return message, finish


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
@pytest.mark.parametrize("settings", [{"dialect": "openai_chat"}, {"catalog": "vllm"}], ids=["server", "row"])
async def test_they_go_as_tools_and_come_back_as_functions(
    visit: Visit, provide: Provide, settings: Wire, stream: bool
) -> None:
    provider = await provide(calling(stream=stream))
    message, finish = await heard(visit, provider, settings, stream=stream)
    assert (message["function_call"], finish) == (CALL, "function_call")
    assert "tool_calls" not in message
    sent = provider.last.body
    assert sent.keys().isdisjoint({"functions", "function_call"})
    assert sent["tools"] == [{"type": "function", "function": FUNCTION}]
    assert sent["tool_choice"] == {"type": "function", "function": {"name": NAME}}
    _, answer, result, _ = sent["messages"]
    (call,) = answer["tool_calls"]
    assert "function_call" not in answer
    assert (call["type"], call["function"]) == ("function", CALL)
    assert result == {"role": "tool", "tool_call_id": call["id"], "content": "Sunny."}


@pytest.mark.parametrize(
    "settings",
    [{"catalog": "openai"}, {"dialect": "openai_chat", "quirks": {"functions": True}}],
    ids=["row", "setting"],
)
async def test_who_takes_functions_gets_them(visit: Visit, provide: Provide, settings: Wire) -> None:
    message = {"role": "assistant", "content": None, "function_call": CALL}
    choice = {"index": 0, "message": message, "finish_reason": "function_call"}
    provider = await provide(Whole({**HEAD, "object": "chat.completion", "choices": [choice]}))
    told = await heard(visit, provider, settings, stream=False)
    assert told == (message, "function_call")
    sent = provider.last.body
    assert {member: sent[member] for member in ("functions", "function_call", "messages")} == {
        member: ASKED[member] for member in ("functions", "function_call", "messages")
    }


async def test_a_history_of_functions_beside_tools(visit: Visit, provide: Provide) -> None:
    provider = await provide(calling(stream=False))
    up = {"base_url": provider.url, "keys": ["up-key"], "dialect": "openai_chat"}
    site = await visit({"providers": {"up": up}, "retries": {"attempts": 1}})
    asked = {
        "model": "up/some-model",
        "tools": [{"type": "function", "function": FUNCTION}],
        "messages": ASKED["messages"],
    }
    async with site.session.post(f"{site.base}/v1/chat/completions", json=asked) as answer:
        (choice,) = (await answer.json())["choices"]
    assert choice["message"]["tool_calls"], "its client knows tools"
    roles = [message["role"] for message in provider.last.body["messages"]]
    assert roles == ["user", "assistant", "tool", "user"]
