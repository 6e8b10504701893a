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


def sound(data: str) -> Members:
    part = {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}}
    return {"messages": [{"role": "user", "content": [part]}]}


def called(kind: str, **members: Any) -> Members:
    return {"role": "assistant", "tool_calls": [{"id": "call_1", "type": kind, **members}]}


FUNCTION: Members = {"type": "function", "name": "look", "parameters": OPEN}
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
    (
        "openai_chat",
        "audio_url",
        sound("https://a/b.wav"),
        "messages[0].content[0].input_audio.data",
        "invalid_value",
    ),
    (
        "openai_chat",
        "audio_url",
        sound("data:;base64,UklGRg=="),
        "messages[0].content[0].input_audio.data",
        "invalid_value",
    ),
    (
        "openai_chat",
        "call_types",
        {"messages": [USER, called("builtin_function", function={"name": "$web_search", "arguments": ""})]},
        "messages[1].tool_calls[0].type",
        "invalid_value",
    ),
    (
        "openai_chat",
        "call_types",
        {"messages": [USER, called("mcp", mcp={"name": "a"})]},
        "messages[1].tool_calls[0].type",
        "invalid_value",
    ),
    *(
        ("openai_chat", "content", {"messages": [message]}, "messages[0].content", code)
        for message, code in (
            ({"role": "assistant"}, "missing_required_parameter"),
            ({"role": "user", "content": None}, "missing_required_parameter"),
            ({"role": "tool", "tool_call_id": "c", "content": []}, "empty_array"),
        )
    ),
    *(
        (
            "openai_chat",
            "roles",
            {"messages": [{"role": role, "content": "x"}]},
            "messages[0].role",
            "invalid_value",
        )
        for role in ("user_system", "group", "sample_message_user", "sample_message_ai")
    ),
    ("openai_chat", "metadata", {"metadata": {"tags": ["a"]}}, "metadata.tags", "invalid_type"),
    ("openai_chat", "names", {"tools": [tool(name="a.b")]}, "tools[0].function.name", "invalid_value"),
    (
        "openai_chat",
        "names",
        {"functions": [{"name": "a" * 65}], "function_call": {"name": "a" * 65}},
        "functions[0].name",
        "string_above_max_length",
    ),
    (
        "openai_chat",
        "names",
        {
            "tools": [tool(name="a.b"), tool(name="a.b")],
            "tool_choice": {"type": "function", "function": {"name": "a.b"}},
        },
        "tools[0].function.name",
        "invalid_value",
    ),
    ("openai_chat", "names", {"tools": [tool(), tool()]}, "tools[1].function.name", "invalid_value"),
    (
        "openai_chat",
        "names",
        {"response_format": {"type": "json_schema", "json_schema": {"name": "A[b]", "schema": OPEN}}},
        "response_format.json_schema.name",
        "invalid_value",
    ),
    *(
        (
            "openai_chat",
            "schemas",
            {"tools": [tool(parameters={"type": "object", **odd})]},
            f"tools[0].function.parameters{place}",
            "invalid_function_parameters",
        )
        for odd, place in (
            ({"required": None}, ".required"),
            ({"properties": []}, ".properties"),
            ({"properties": {"a": {"type": "STRING"}}}, ".properties.a.type"),
            ({"type": ["object", "null"]}, ""),
        )
    ),
    ("openai_chat", "schemas", {"guided_json": {"type": "any"}}, "guided_json.type", None),
    ("openai_chat", "stream_options", {"stream_options": {"include_usage": True}}, "stream_options", None),
    ("openai_chat", "verbosity", {"verbosity": "max"}, "verbosity", "invalid_value"),
    ("openai_chat", "reasoning_effort", {"reasoning_effort": 1024}, "reasoning_effort", "invalid_type"),
    ("openai_chat", "reasoning_effort", {"reasoning_effort": False}, "reasoning_effort", "invalid_type"),
    (
        "openai_chat",
        "image_url",
        picture({"url": "https://a/b.png", "detail": "xhigh"}),
        "messages[0].content[0].image_url.detail",
        "invalid_value",
    ),
    ("openai_chat", "logprobs", {"logit_bias": [[1, False]]}, "logit_bias", "invalid_type"),
    ("openai_completions", "stop", {"stop": list("abcde")}, "stop", "array_above_max_length"),
    ("openai_completions", "logprobs", {"logprobs": 20}, "logprobs", "integer_above_max_value"),
    ("openai_completions", "logprobs", {"logprobs": True}, "logprobs", "invalid_type"),
    ("openai_completions", "logprobs", {"logit_bias": []}, "logit_bias", "invalid_type"),
    ("openai_completions", "logprobs", {"logit_bias": {"1": False}}, "logit_bias.1", "invalid_type"),
    (
        "openai_completions",
        "stream_options",
        {"stream_options": {"include_usage": True}},
        "stream_options",
        None,
    ),
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
    (
        "openai_responses",
        "reasoning_effort",
        {"reasoning": {"summary": "none"}},
        "reasoning.summary",
        "invalid_value",
    ),
    (
        "openai_responses",
        "content",
        {"input": [{"type": "reasoning", "content": []}]},
        "input[0].summary",
        "missing_required_parameter",
    ),
    (
        "openai_responses",
        "content",
        {"input": [{"role": "assistant", "content": None}]},
        "input[0].content",
        "missing_required_parameter",
    ),
    ("openai_responses", "metadata", {"metadata": {"a": 5}}, "metadata.a", "invalid_type"),
    (
        "openai_responses",
        "names",
        {"tools": [{**FUNCTION, "name": "a.b"}], "tool_choice": {"type": "function", "name": "a.b"}},
        "tools[0].name",
        "invalid_value",
    ),
    (
        "openai_responses",
        "names",
        {"text": {"format": {"type": "json_schema", "name": "A[b]", "schema": OPEN}}},
        "text.format.name",
        "invalid_value",
    ),
    (
        "openai_responses",
        "names",
        {"tools": [{"type": "namespace", "name": "n", "tools": [{**FUNCTION, "name": "a.b"}]}]},
        "tools[0].tools[0].name",
        "invalid_value",
    ),
    (
        "openai_responses",
        "schemas",
        {"tools": [{"type": "namespace", "tools": [{**FUNCTION, "parameters": {"type": "dict"}}]}]},
        "tools[0].tools[0].parameters",
        "invalid_function_parameters",
    ),
    (
        "openai_responses",
        "schemas",
        {"text": {"format": {"type": "json_schema", "name": "a", "schema": {"required": None}}}},
        "text.format.schema",
        "invalid_json_schema",
    ),
    ("openai_responses", "verbosity", {"text": {"verbosity": "max"}}, "text.verbosity", "invalid_value"),
    ("anthropic", "temperature", {"temperature": 1.5}, "temperature", "invalid_value"),
    (
        "anthropic",
        "budget_tokens",
        {"thinking": {"type": "enabled", "budget_tokens": 100}},
        "thinking.budget_tokens",
        "invalid_value",
    ),
    (
        "anthropic",
        "budget_tokens",
        {"thinking": {"type": "enabled"}},
        "thinking.budget_tokens",
        "missing_required_parameter",
    ),
    (
        "anthropic",
        "content",
        {"messages": [USER, {"role": "assistant", "content": [{"type": "text", "text": ""}]}]},
        "messages[1].content[0].text",
        "invalid_value",
    ),
    (
        "anthropic",
        "content",
        {"messages": [{"role": "user", "content": ""}]},
        "messages[0].content",
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
    ("openai_chat", {"messages": [{"role": "narrator", "content": "x"}]}, "messages[0].role"),
    ("openai_chat", {"response_format": {"type": 5}}, "response_format.type"),
    ("openai_chat", {"reasoning_effort": []}, "reasoning_effort"),
    ("openai_chat", {"tools": [tool(name="")]}, "tools[0].function.name"),
    ("openai_chat", {"tools": [tool(parameters="{}")]}, "tools[0].function.parameters"),
    ("openai_chat", {"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    ("openai_chat", {"messages": [USER, called("mcp", function=5)]}, "messages[1].tool_calls[0].function"),
    (
        "openai_chat",
        {"tools": [tool(name="a.b")], "tool_choice": {"type": "function", "function": {"name": "c"}}},
        "tool_choice",
    ),
    ("openai_chat", {"verbosity": 5}, "verbosity"),
    ("openai_chat", sound("no base64!"), "messages[0].content[0].input_audio.data"),
    ("openai_responses", {"tools": [{**FUNCTION, "name": 5}]}, "tools[0].name"),
    ("openai_responses", {"tools": [{"type": []}]}, "tools[0].type"),
    (
        "openai_responses",
        {"tools": [{"type": "namespace", "name": "a", "tools": [{"type": {}}]}]},
        "tools[0].tools[0].type",
    ),
    ("openai_chat", {"logprobs": -1}, "logprobs"),
    ("openai_chat", {"logit_bias": {"1": 999}}, "logit_bias.1"),
    ("openai_completions", {"logit_bias": {"1": 999}}, "logit_bias.1"),
    ("openai_completions", {"logit_bias": {"1": "hot"}}, "logit_bias.1"),
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
    ("anthropic", {"thinking": {"type": 5}}, "thinking.type"),
    ("anthropic", {"messages": [{"role": "user", "content": 5}]}, "messages[0].content"),
    ("anthropic", {"messages": [USER, 5]}, "messages[1]"),
    ("anthropic", {"messages": {}}, "messages"),
    ("ollama", {"options": {"temperature": "hot"}}, "options.temperature"),
]


@pytest.mark.parametrize(("dialect", "members", "path"), STILL_WRONG)
def test_what_nobody_takes_is_refused_all_the_same(dialect: str, members: Members, path: str) -> None:
    with pytest.raises(WireError) as caught:
        DIALECTS[dialect].check_widely(WireRequest("chat", {**BODIES[dialect], **members}), EVERYTHING)
    assert caught.value.path == path


def test_an_author_takes_nothing_more_and_others_most_of_it() -> None:
    assert AUTHOR.widens == frozenset()
    assert (
        STANDARD.widens
        == USUALLY_WIDER
        == EVERYTHING
        - {
            *("max_tokens", "call_ids", "names", "schemas", "roles"),
        }
    )


def test_the_authors_relay_as_quickly_as_ever() -> None:
    """What a vendor takes says nothing about whether its requests need the codec."""
    for quirks in (AUTHOR, STANDARD):
        assert quirks.relays({"messages": [USER]})
