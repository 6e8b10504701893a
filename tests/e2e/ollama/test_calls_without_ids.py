"""Histories of Ollama's clients that state an id for a result and none for its call, as LiteLLM does."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.testing.provider import Answer, Seen
from tests.e2e.answers.openai_responses import openai_responses
from tests.e2e.conftest import Provide, Visit, up
from tests.e2e.strict import held
from tests.e2e.stubs import DIALECTS, Said

ANSWERS = {**DIALECTS, "openai_responses": openai_responses}


def result(call_id: str | None, text: str, **more: str) -> dict[str, Any]:
    named = {} if call_id is None else {"tool_call_id": call_id}
    return {"role": "tool", "content": text, **named, **more}


def call(city: str, **more: str) -> dict[str, Any]:
    return {"function": {"name": "get_weather", "arguments": {"city": city}}, **more}


TOOL = {"type": "function", "function": {"name": "get_weather", "parameters": {"type": "object"}}}


def asked(calls: list[dict[str, Any]], results: list[dict[str, Any]]) -> dict[str, Any]:
    question = {"role": "user", "content": "What is the weather in Oslo and Lima?"}
    said = {"role": "assistant", "content": "", "tool_calls": calls}
    return {"tools": [TOOL], "stream": False, "messages": [question, said, *results]}


@pytest.mark.parametrize("dialect", ANSWERS)
async def test_a_result_answers_the_call_that_waits_for_it(
    visit: Visit, provide: Provide, dialect: str
) -> None:
    """Strict providers refuse a result whose id no call has."""
    made = ANSWERS[dialect](Said("Fine."))
    assert callable(made)

    def answer(seen: Seen) -> Answer:
        return made(seen)

    provider = await provide(held(dialect, answer))
    site = await visit(up(provider.url, dialect, models=["m"]))
    body = asked([call("Oslo"), call("Lima")], [result("call_1", "7"), result("call_2", "19")])
    async with site.session.post(f"{site.base}/api/chat", json={"model": "up/m", **body}) as response:
        assert response.status == 200, await response.text()
        assert (await response.json())["message"]["content"] == "Fine."
    assert b"called earlier" not in provider.seen[-1].raw  # as results of no call are told


async def test_results_that_say_their_tool_and_calls_with_ids_are_matched(
    visit: Visit, provide: Provide
) -> None:
    made = DIALECTS["openai_chat"](Said("Fine."))
    provider = await provide(held("openai_chat", made))
    site = await visit(up(provider.url))
    calls = [call("Oslo", id="a"), {"function": {"name": "other", "arguments": {}}}, call("Lima")]
    results = [
        result("y", "19", tool_name="get_weather"),
        result("a", "7"),
        result("x", "0", tool_name="other"),
    ]
    body = {"model": "up/gpt-4o", **asked(calls, results)}
    async with site.session.post(f"{site.base}/api/chat", json=body) as response:
        assert response.status == 200, await response.text()
    sent = provider.seen[-1].body["messages"]
    assert [one["id"] for one in sent[1]["tool_calls"]] == ["a", "x", "y"]
