"""Every mistake of a client is told with its place."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.openai_responses.check import check
from dragoman.dialects.request import WireRequest
from dragoman.errors import WireError
from tests.unit.dialects.openai_responses.asking import wire

LOOK = {"type": "function", "name": "look", "parameters": {"type": "object"}, "strict": None}
CALL = {"type": "function_call", "call_id": "c1", "name": "look", "arguments": "{}"}
RESULT = {"type": "function_call_output", "call_id": "c1", "output": "a cat"}
THOUGHT = {"type": "reasoning", "id": "rs_1", "summary": []}


def said(*parts: Any) -> list[Any]:
    return [{"role": "user", "content": list(parts)}]


CLOSED = {"type": "object", "additionalProperties": False}
GOOD: list[dict[str, Any]] = [
    {"temperature": 2, "top_p": 0, "top_logprobs": 20, "max_output_tokens": 16, "max_tool_calls": 1},
    {"temperature": None, "tools": None, "unknown": object()},
    {"input": [{"role": "user", "content": "x"}, {"type": "message", "role": "assistant", "content": []}]},
    {"input": [CALL, RESULT]},
    {"input": [RESULT], "previous_response_id": "resp_1"},
    {"input": [RESULT], "conversation": {"id": "conv_1"}},
    {"input": None, "previous_response_id": "resp_1"},
    {"input": [], "prompt": {"id": "pmpt_1"}},
    {"input": [{"id": "msg_1"}, {"type": "something_new", "value": 1}]},
    {"input": [{"type": "reasoning", "id": "rs_1", "summary": [{"type": "summary_text", "text": "x"}]}]},
    {
        "input": [
            {**THOUGHT, "content": None},
            {**THOUGHT, "content": [{"type": "reasoning_text", "text": "x"}]},
        ]
    },
    {"input": said({"type": "input_image", "image_url": "data:image/png;base64,AAAA", "detail": "low"})},
    {"input": said({"type": "input_file", "file_data": "AAAA"}, {"type": "input_file", "file_id": "f"})},
    {"input": said({"type": "input_audio", "input_audio": {"data": "AAAA", "format": "wav"}})},
    {"tools": [LOOK], "tool_choice": {"type": "function", "name": "look"}},
    {"tools": [{"type": "mcp"}], "tool_choice": {"type": "function", "name": "theirs"}},
    {
        "tools": [LOOK],
        "tool_choice": {
            "type": "allowed_tools",
            "mode": "auto",
            "tools": [{"type": "function", "name": "look"}],
        },
    },
    {"tools": [{"type": "namespace", "name": "n", "description": "d", "tools": [LOOK]}]},
    {"text": {"format": {"type": "json_schema", "name": "a", "schema": CLOSED, "strict": True}}},
    {"text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "object"}}}},
    {"tools": [{**LOOK, "strict": True, "parameters": CLOSED}]},
    {"metadata": {"a": "b"}, "reasoning": {"effort": "max", "summary": "auto"}},
]


@pytest.mark.parametrize("members", GOOD)
def test_what_the_specification_allows(members: dict[str, Any]) -> None:
    check(wire(**members))


BAD: list[tuple[dict[str, Any], str, str]] = [
    ({"input": None}, "input", "missing_required_parameter"),
    (
        {"input": [{"role": "assistant", "content": "x", "tool_calls": [{"id": "c1"}]}]},
        "input[0].tool_calls",
        "unknown_parameter",
    ),
    ({"input": 1}, "input", "invalid_type"),
    ({"input": []}, "input", "empty_array"),
    ({"input": ["x"]}, "input[0]", "invalid_type"),
    ({"input": [{"content": "x"}]}, "input[0].role", "missing_required_parameter"),
    ({"input": [{"role": "tool", "content": "x"}]}, "input[0].role", "invalid_value"),
    ({"input": [{"role": "user"}]}, "input[0].content", "missing_required_parameter"),
    ({"input": [{"role": "user", "content": 1}]}, "input[0].content", "invalid_type"),
    ({"input": [{"type": 1}]}, "input[0].type", "invalid_type"),
    ({"input": said("x")}, "input[0].content[0]", "invalid_type"),
    ({"input": said({"text": "x"})}, "input[0].content[0].type", "missing_required_parameter"),
    ({"input": said({"type": "input_text"})}, "input[0].content[0].text", "missing_required_parameter"),
    ({"input": said({"type": "input_text", "text": 1})}, "input[0].content[0].text", "invalid_type"),
    ({"input": said({"type": "refusal"})}, "input[0].content[0].refusal", "missing_required_parameter"),
    (
        {"input": said({"type": "input_image"})},
        "input[0].content[0].image_url",
        "missing_required_parameter",
    ),
    (
        {"input": said({"type": "input_image", "image_url": {"url": "https://x"}})},
        "input[0].content[0].image_url",
        "invalid_type",
    ),
    (
        {"input": said({"type": "input_image", "image_url": "https://x", "file_id": "f"})},
        "input[0].content[0].file_id",
        "mutually_exclusive_parameters",
    ),
    (
        {"input": said({"type": "input_image", "image_url": "https://x", "detail": "most"})},
        "input[0].content[0].detail",
        "invalid_value",
    ),
    (
        {"input": said({"type": "input_audio", "input_audio": {"data": "A?", "format": "wav"}})},
        "input[0].content[0].input_audio.data",
        "invalid_value",
    ),
    ({"input": [{**CALL, "arguments": {}}]}, "input[0].arguments", "invalid_type"),
    ({"input": [{**CALL, "call_id": None}]}, "input[0].call_id", "missing_required_parameter"),
    ({"input": [RESULT]}, "input", "invalid_value"),
    ({"input": [RESULT, CALL]}, "input", "invalid_value"),
    ({"input": [CALL, {**RESULT, "output": 1}]}, "input[1].output", "invalid_type"),
    ({"input": [CALL, {**RESULT, "output": [1]}]}, "input[1].output[0]", "invalid_type"),
    ({"input": [{"type": "reasoning"}]}, "input[0].summary", "missing_required_parameter"),
    ({"input": [{**THOUGHT, "content": "x"}]}, "input[0].content", "invalid_type"),
    ({"input": [{**THOUGHT, "content": ["x"]}]}, "input[0].content[0]", "invalid_type"),
    ({"input": [{**THOUGHT, "content": [{}]}]}, "input[0].content[0].text", "missing_required_parameter"),
    ({"input": said({"type": "input_text", "text": "a"}, "x")}, "input[0].content[1]", "invalid_type"),
    ({"input": [{"type": "item_reference"}]}, "input[0].id", "missing_required_parameter"),
    (
        {"previous_response_id": "resp_1", "conversation": "conv_1"},
        "previous_response_id",
        "mutually_exclusive_parameters",
    ),
    ({"model": 1}, "model", "invalid_type"),
    ({"instructions": 1}, "instructions", "invalid_type"),
    ({"temperature": 2.5}, "temperature", "decimal_above_max_value"),
    ({"top_p": -1}, "top_p", "decimal_below_min_value"),
    ({"top_logprobs": 21}, "top_logprobs", "integer_above_max_value"),
    ({"max_output_tokens": 15}, "max_output_tokens", "integer_below_min_value"),
    ({"max_tool_calls": 0}, "max_tool_calls", "integer_below_min_value"),
    ({"stream": "yes"}, "stream", "invalid_type"),
    ({"truncation": "some"}, "truncation", "invalid_value"),
    ({"include": [1]}, "include[0]", "invalid_type"),
    ({"metadata": {"a": 1}}, "metadata.a", "invalid_type"),
    ({"moderation": ["m"]}, "moderation", "invalid_type"),
    ({"moderation": {}}, "moderation.model", "missing_required_parameter"),
    ({"metadata": {str(n): "" for n in range(17)}}, "metadata", "object_above_max_properties"),
    ({"metadata": {"a": "x" * 513}}, "metadata.a", "string_above_max_length"),
    ({"reasoning": {"summary": "long"}}, "reasoning.summary", "invalid_value"),
    ({"text": {"verbosity": "loud"}}, "text.verbosity", "invalid_value"),
    ({"text": {"format": {"type": "xml"}}}, "text.format.type", "invalid_value"),
    ({"text": {"format": {"type": "json_schema"}}}, "text.format.name", "missing_required_parameter"),
    (
        {"text": {"format": {"type": "json_schema", "name": "a b", "schema": {}}}},
        "text.format.name",
        "invalid_value",
    ),
    (
        {"text": {"format": {"type": "json_schema", "name": "a", "schema": {"type": "thing"}}}},
        "text.format.schema",
        "invalid_json_schema",
    ),
    ({"conversation": 1}, "conversation", "invalid_type"),
    ({"tools": {}}, "tools", "invalid_type"),
    ({"tools": ["x"]}, "tools[0]", "invalid_type"),
    ({"tools": [{"name": "x"}]}, "tools[0].type", "missing_required_parameter"),
    ({"tools": [{"type": "function"}]}, "tools[0].name", "missing_required_parameter"),
    ({"tools": [{**LOOK, "name": "a b"}]}, "tools[0].name", "invalid_value"),
    ({"tools": [{**LOOK, "strict": "yes"}]}, "tools[0].strict", "invalid_type"),
    ({"tools": [{**LOOK, "parameters": []}]}, "tools[0].parameters", "invalid_type"),
    (
        {"tools": [{**LOOK, "parameters": {"type": "thing"}}]},
        "tools[0].parameters",
        "invalid_function_parameters",
    ),
    (
        {"tools": [{"type": "namespace", "name": "n", "tools": [{"type": "function"}]}]},
        "tools[0].tools[0].name",
        "missing_required_parameter",
    ),
    ({"tool_choice": "any"}, "tool_choice", "invalid_value"),
    ({"tool_choice": "required"}, "tool_choice", "invalid_value"),
    ({"tool_choice": 1}, "tool_choice", "invalid_type"),
    ({"tool_choice": {"type": "function"}}, "tool_choice.name", "missing_required_parameter"),
    (
        {"tools": [LOOK], "tool_choice": {"type": "function", "name": "see"}},
        "tool_choice.name",
        "invalid_value",
    ),
    (
        {"tools": [LOOK], "tool_choice": {"type": "allowed_tools", "mode": "all", "tools": []}},
        "tool_choice.mode",
        "invalid_value",
    ),
    *(
        (
            {"tools": [LOOK], "tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [tool]}},
            f"tool_choice.tools[0].{param}",
            code,
        )
        for tool, param, code in (
            ({"type": "function", "name": "see"}, "name", "invalid_value"),
            ({"type": "function", "name": ["look"]}, "name", "invalid_type"),
            ({"type": "custom"}, "name", "missing_required_parameter"),
            ({"type": ["function"], "name": "look"}, "type", "invalid_type"),
        )
    ),
]


@pytest.mark.parametrize(("members", "param", "code"), BAD)
def test_mistakes_are_told_with_their_place(members: dict[str, Any], param: str, code: str) -> None:
    with pytest.raises(WireError) as raised:
        check(wire(**members))
    assert (raised.value.path, raised.value.code) == (param, code)


def test_an_input_is_needed() -> None:
    with pytest.raises(WireError) as raised:
        check(WireRequest("chat", {"model": "gpt-5"}))
    assert raised.value.path == "input"
