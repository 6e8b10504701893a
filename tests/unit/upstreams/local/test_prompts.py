from __future__ import annotations

import json
from typing import Any

import pytest

from dragoman.upstreams.local.prompts import alternating, call_text, plain, structured
from dragoman.upstreams.local.protocol import Invocation, PromptTurn, ToolSpec

CITY = {"type": "object", "properties": {"city": {}}}
WEATHER = ToolSpec("weather", "Tells the weather.", json.dumps(CITY))
NOW = ToolSpec("now")
HISTORY = (
    PromptTurn("user", "And in Paris?"),
    PromptTurn("assistant", "I look.", (Invocation("weather", '{"city": "Paris"}', "call_1"),)),
    PromptTurn("tool", "sunny", name="weather", id="call_1"),
)


def test_a_template_with_tools_gets_calls_and_results_as_they_are() -> None:
    messages, tools = structured(HISTORY, [WEATHER, NOW])
    assert messages == [
        {"role": "user", "content": "And in Paris?"},
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [
                {
                    "id": "call_1",
                    "type": "function",
                    "function": {"name": "weather", "arguments": {"city": "Paris"}},
                }
            ],
        },
        {"role": "tool", "content": "sunny", "name": "weather", "tool_call_id": "call_1"},
    ]
    assert tools[0]["function"] == {
        "name": "weather",
        "description": "Tells the weather.",
        "parameters": CITY,
    }
    assert tools[1]["function"]["parameters"] == {"type": "object", "properties": {}}


_DEEP = "[" * 200_000 + "]" * 200_000


@pytest.mark.parametrize(
    ("written", "given"), [("", {}), ("[1", "[1"), ('{"a": 1}', {"a": 1}), (_DEEP, _DEEP)], ids=range(4)
)
def test_arguments_are_given_to_a_template_as_what_they_mean(written: str, given: object) -> None:
    messages, _ = structured([PromptTurn("assistant", calls=(Invocation("f", written),))], [])
    assert messages[0]["tool_calls"][0]["function"]["arguments"] == given


def test_a_template_without_tools_gets_everything_as_text() -> None:
    messages = plain(HISTORY, [WEATHER, NOW])
    assert [message["role"] for message in messages] == ["system", "user", "assistant", "user"]
    described = messages[0]["content"]
    assert call_text("TOOL", '{"PARAMETER": "VALUE"}') in described
    assert "- weather: Tells the weather.\n  Parameters: {" in described
    assert described.endswith("- now\n  Parameters: none")
    assert messages[2]["content"] == 'I look.\n{"name": "weather", "arguments": {"city": "Paris"}}'
    assert messages[3]["content"] == "Result of weather:\nsunny"


def test_tools_are_described_below_the_system_message_that_is_there() -> None:
    messages = plain([PromptTurn("system", "Be kind."), PromptTurn("user", "Hi")], [NOW])
    assert [message["role"] for message in messages] == ["system", "user"]
    assert messages[0]["content"].startswith("Be kind.\n\nYou can use these tools.")


def test_without_tools_nothing_is_added() -> None:
    assert plain([PromptTurn("user", "Hi")], []) == [{"role": "user", "content": "Hi"}]


def message(role: str, content: str, **keys: Any) -> dict[str, Any]:
    return {"role": role, "content": content, **keys}


@pytest.mark.parametrize(
    ("messages", "turned"),
    [
        ([message("system", "s"), message("user", "u")], [message("user", "s\n\nu")]),
        (
            [message("system", "s"), message("assistant", "a")],
            [message("user", "s"), message("assistant", "a")],
        ),
        (
            [message("user", "u"), message("assistant", "a"), message("system", "s"), message("user", "v")],
            [message("user", "u"), message("assistant", "a"), message("user", "s\n\nv")],
        ),
        (
            [
                message("assistant", "a"),
                message("assistant", "b", tool_calls=[1]),
                message("tool", "1"),
                message("tool", "2"),
            ],
            [
                message("assistant", "a"),
                message("assistant", "b", tool_calls=[1]),
                message("tool", "1"),
                message("tool", "2"),
            ],
        ),
    ],
)
def test_roles_are_made_to_alternate(messages: list[dict[str, Any]], turned: list[dict[str, Any]]) -> None:
    before = [dict(one) for one in messages]
    assert alternating(messages) == turned
    assert messages == before
