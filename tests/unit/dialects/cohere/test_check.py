"""What Cohere refuses of a request."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.cohere.check import check
from dragoman.errors import WireError
from tests.unit.dialects.cohere.speaking import SCHEMA, USER, wire

TOOL = {"type": "function", "function": {"name": "f", "parameters": SCHEMA}}
CALL = {"id": "a", "type": "function", "function": {"name": "f", "arguments": "{}"}}


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"tools": [TOOL], "tool_choice": "REQUIRED", "strict_tools": True},
        {"documents": ["a", {"id": "b", "data": {"text": "c"}}], "citation_options": {"mode": "FAST"}},
        {"response_format": {"type": "json_object", "json_schema": SCHEMA}, "p": 0.99, "k": 500},
        {"thinking": {"type": "enabled", "token_budget": 1}, "new_member": [1]},
        {"messages": [USER, {"role": "assistant", "tool_calls": [CALL], "tool_plan": "p"}]},
    ],
)
def test_what_is_taken(members: dict[str, Any]) -> None:
    check(wire(**members))


@pytest.mark.parametrize(
    ("members", "path", "code"),
    [
        ({"model": None}, "model", "missing_required_parameter"),
        ({"messages": []}, "messages", "empty_array"),
        ({"messages": [{"role": "developer", "content": "a"}]}, "messages[0].role", "invalid_value"),
        ({"messages": [{"role": "user"}]}, "messages[0].content", "missing_required_parameter"),
        (
            {"messages": [{"role": "tool", "content": "a"}]},
            "messages[0].tool_call_id",
            "missing_required_parameter",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "text"}]}]},
            "messages[0].content[0].text",
            "missing_required_parameter",
        ),
        (
            {"messages": [{"role": "assistant", "tool_calls": [{**CALL, "id": None}]}]},
            "messages[0].tool_calls[0].id",
            "missing_required_parameter",
        ),
        ({"p": 1}, "p", "decimal_above_max_value"),
        ({"k": 501}, "k", "integer_above_max_value"),
        ({"presence_penalty": -0.5}, "presence_penalty", "decimal_below_min_value"),
        ({"stop_sequences": list("abcdef")}, "stop_sequences", "array_above_max_length"),
        ({"tool_choice": "auto"}, "tool_choice", "invalid_value"),
        ({"tool_choice": "REQUIRED"}, "tool_choice", "invalid_value"),
        (
            {"thinking": {"type": "enabled", "token_budget": 0}},
            "thinking.token_budget",
            "integer_below_min_value",
        ),
        ({"documents": [{"id": "a"}]}, "documents[0].data", "missing_required_parameter"),
        ({"safety_mode": "NONE"}, "safety_mode", "invalid_value"),
        ({"response_format": {"type": "json_schema"}}, "response_format.type", "invalid_value"),
        (
            {"response_format": {"type": "text", "json_schema": {}}},
            "response_format.json_schema",
            "invalid_value",
        ),
        (
            {"response_format": {"type": "json_object", "json_schema": {"type": 5}}},
            "response_format.json_schema.type",
            None,
        ),
    ],
)
def test_what_is_refused(members: dict[str, Any], path: str, code: str | None) -> None:
    with pytest.raises(WireError) as refused:
        check(wire(**members))
    assert (refused.value.path, refused.value.code) == (path, code)
