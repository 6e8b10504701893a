"""Ids of calls that Anthropic refuses, as those of Kimi: each provider gets a form that it takes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.answers.anthropic import anthropic
from tests.e2e.answers.said import Said
from tests.e2e.conftest import Provide, Visit

REPORT = {"anthropic-version": "2023-06-01", "x-dragoman-report": "1"}


def asked(model: str, id_: str) -> dict[str, Any]:
    call = {"type": "tool_use", "id": id_, "name": "look", "input": {}}
    result = {"type": "tool_result", "tool_use_id": id_, "content": "rain"}
    return {
        "model": model,
        "max_tokens": 64,
        "tools": [{"name": "look", "input_schema": {"type": "object"}}],
        "messages": [
            {"role": "user", "content": "Hello!"},
            {"role": "assistant", "content": [call]},
            {"role": "user", "content": [result]},
        ],
    }


@pytest.mark.parametrize(
    ("provider", "id_", "sent", "mode"),
    [
        ("anthropic", "toolu_1", "toolu_1", "relay"),
        ("anthropic", "functions.look:0", "functions_look_0_", "translate"),
        ("kimi", "functions.look:0", "functions.look:0", "relay"),
    ],
)
async def test_the_id_of_a_call(
    visit: Visit, provide: Provide, provider: str, id_: str, sent: str, mode: str
) -> None:
    """Kimi's own server knows its ids; Anthropic gets others, the same for the call and its result."""
    upstream = await provide(anthropic(Said("It rains.")))
    row = {"base_url": upstream.url, "keys": ["up-key"], "apis": []}
    site = await visit({"providers": {"anthropic": row, "kimi": {**row, "dialect": "anthropic"}}})
    body = asked(f"{provider}/claude-sonnet-5", id_)
    async with site.session.post(site.base + "/v1/messages", json=body, headers=REPORT) as answer:
        assert answer.status == 200, await answer.text()
        report = answer.headers["x-dragoman-report"]
    _, call, result = upstream.last.body["messages"]
    [named], [answered] = call["content"], result["content"]
    assert named["id"] == answered["tool_use_id"], report
    assert named["id"].startswith(sent), report
    assert (named["id"] == id_) == (mode == "relay")
    assert f'"{mode}"' in report
