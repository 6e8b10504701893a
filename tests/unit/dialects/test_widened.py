"""What the author of a protocol refuses and others take: refused, and taken with the word for it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from dragoman.dialects.quirks import AUTHOR, EVERYTHING, STANDARD, USUALLY_WIDER, Wider
from dragoman.dialects.request import WireRequest
from dragoman.dialects.table import DIALECTS
from dragoman.errors import WireError

Members = dict[str, Any]
USER: Members = {"role": "user", "content": "Hello!"}
CALL: Members = {"type": "function", "function": {"name": "look", "arguments": "{}"}}
OPEN: Members = {"type": "object", "properties": {"a": {"type": "string"}}}
BODIES: dict[str, Members] = {
    "openai_chat": {"model": "m", "messages": [USER]},
    "openai_completions": {"model": "m", "prompt": "Hello!"},
    "openai_responses": {"model": "m", "input": "Hello!"},
    "anthropic": {"model": "m", "max_tokens": 9, "messages": [USER]},
    "ollama": {"model": "m", "messages": [USER]},
}


def tool(**members: Any) -> Members:
    return {"type": "function", "function": {"name": "look", "parameters": OPEN, **members}}


def picture(address: Any) -> Members:
    return {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": address}]}]}


FORM: Members = {"type": "json_schema", "json_schema": {"name": "a", "strict": True, "schema": OPEN}}
BEYOND: list[tuple[str, Wider, Members, str, str | None]] = [
    ("openai_chat", "stop", {"stop": list("abcde")}, "stop", "array_above_max_length"),
    ("openai_chat", "tools", {"tools": []}, "tools", "empty_array"),
    ("openai_chat", "tools", {"functions": []}, "functions", "empty_array"),
    (
        "openai_chat",
        "response_format",
        {"response_format": {"type": "grammar", "grammar": "x"}},
        "response_format.type",
        "invalid_value",
    ),
    (
        "openai_chat",
        "reasoning_effort",
        {"reasoning_effort": "ultra"},
        "reasoning_effort",
        "invalid_value",
    ),
    ("openai_chat", "logprobs", {"logprobs": 10}, "logprobs", "invalid_type"),
    (
        "openai_chat",
        "image_url",
        picture("https://a/b.png"),
        "messages[0].content[0].image_url",
        "invalid_type",
    ),
    (
        "openai_chat",
        "tool_choice",
        {"tools": [tool()], "tool_choice": {"function": {"name": "look"}}},
        "tool_choice.type",
        "missing_required_parameter",
    ),
    (
        "openai_chat",
        "strict",
        {"tools": [tool(strict=True)]},
        "tools[0].function.parameters",
        "invalid_function_parameters",
    ),
    (
        "openai_chat",
        "strict",
        {"response_format": FORM},
        "response_format.json_schema.schema.additionalProperties",
        None,
    ),
    ("openai_chat", "max_tokens", {"max_tokens": -1}, "max_tokens", "integer_below_min_value"),
    (
        "openai_chat",
        "max_tokens",
        {"max_completion_tokens": 0},
        "max_completion_tokens",
        "integer_below_min_value",
    ),
    (
        "openai_chat",
        "call_ids",
        {"messages": [USER, {"role": "assistant", "tool_calls": [CALL]}]},
        "messages[1].tool_calls[0].id",
        "missing_required_parameter",
    ),
    (
        "openai_chat",
        "call_ids",
        {"messages": [USER, {"role": "tool", "content": "x"}]},
        "messages[1].tool_call_id",
        "missing_required_parameter",
    ),
    ("openai_completions", "stop", {"stop": list("abcde")}, "stop", "array_above_max_length"),
    ("openai_completions", "max_tokens", {"max_tokens": -1}, "max_tokens", "integer_below_min_value"),
    (
        "openai_responses",
        "response_format",
        {"text": {"format": {"type": "grammar"}}},
        "text.format.type",
        "invalid_value",
    ),
    (
        "openai_responses",
        "reasoning_effort",
        {"reasoning": {"effort": "ultra"}},
        "reasoning.effort",
        "invalid_value",
    ),
    (
        "openai_responses",
        "strict",
        {"tools": [{"type": "function", "name": "look", "strict": True, "parameters": OPEN}]},
        "tools[0].parameters",
        "invalid_function_parameters",
    ),
    (
        "openai_responses",
        "strict",
        {"text": {"format": {"type": "json_schema", "name": "a", "strict": True, "schema": OPEN}}},
        "text.format.schema",
        "invalid_json_schema",
    ),
    (
        "openai_responses",
        "max_output_tokens",
        {"max_output_tokens": 1},
        "max_output_tokens",
        "integer_below_min_value",
    ),
    ("anthropic", "temperature", {"temperature": 1.5}, "temperature", "invalid_value"),
    (
        "anthropic",
        "budget_tokens",
        {"thinking": {"type": "enabled", "budget_tokens": 100}},
        "thinking.budget_tokens",
        "invalid_value",
    ),
    ("ollama", "options", {"options": {"temperature": -1}}, "options.temperature", "invalid_value"),
    ("ollama", "options", {"options": {"num_predict": -9}}, "options.num_predict", "invalid_value"),
]


@pytest.mark.parametrize(("dialect", "word", "members", "path", "code"), BEYOND)
def test_it_is_refused_without_the_word_and_taken_with_it(
    dialect: str, word: Wider, members: Members, path: str, code: str | None
) -> None:
    face = DIALECTS[dialect]
    wire = WireRequest("chat", deepcopy({**BODIES[dialect], **members}))
    for widens in (frozenset[Wider](), EVERYTHING - {word}):
        with pytest.raises(WireError) as caught:
            face.check_widely(wire, widens)
        assert (caught.value.path, caught.value.code) == (path, code)
    face.check_widely(wire, frozenset({word}))
    assert wire.body == {**BODIES[dialect], **members}, "nothing is changed by looking"


STILL_WRONG: list[tuple[str, Members, str]] = [
    ("openai_chat", {"stop": ["a", 5]}, "stop[1]"),
    ("openai_chat", {"tools": {}}, "tools"),
    ("openai_chat", {"response_format": {"type": 5}}, "response_format.type"),
    ("openai_chat", {"reasoning_effort": 5}, "reasoning_effort"),
    ("openai_chat", {"logprobs": -1}, "logprobs"),
    ("openai_chat", picture(5), "messages[0].content[0].image_url"),
    ("openai_chat", {"tool_choice": {"function": {"name": "look"}}}, "tool_choice"),
    ("openai_chat", {"tools": [tool(strict="yes")]}, "tools[0].function.strict"),
    ("openai_chat", {"max_tokens": 1.5}, "max_tokens"),
    ("openai_chat", {"temperature": 9}, "temperature"),
    ("openai_chat", {"tools": [], "temperature": 9}, "temperature"),
    ("openai_responses", {"reasoning": {"effort": 5}}, "reasoning.effort"),
    ("openai_responses", {"max_output_tokens": 0}, "max_output_tokens"),
    ("anthropic", {"temperature": 2.5}, "temperature"),
    ("anthropic", {"thinking": {"type": "enabled", "budget_tokens": "x"}}, "thinking.budget_tokens"),
    ("ollama", {"options": {"temperature": "hot"}}, "options.temperature"),
]


@pytest.mark.parametrize(("dialect", "members", "path"), STILL_WRONG)
def test_what_nobody_takes_is_refused_all_the_same(dialect: str, members: Members, path: str) -> None:
    with pytest.raises(WireError) as caught:
        DIALECTS[dialect].check_widely(WireRequest("chat", {**BODIES[dialect], **members}), EVERYTHING)
    assert caught.value.path == path


def test_an_author_takes_nothing_more_and_others_most_of_it() -> None:
    assert AUTHOR.widens == frozenset()
    assert STANDARD.widens == USUALLY_WIDER == EVERYTHING - {"max_tokens", "call_ids"}


def test_the_authors_relay_as_quickly_as_ever() -> None:
    """What a vendor takes says nothing about whether its requests need the codec."""
    for quirks in (AUTHOR, STANDARD):
        assert quirks.relays({"messages": [USER]})
