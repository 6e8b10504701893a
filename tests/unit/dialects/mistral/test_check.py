"""Every mistake of a client is told with its place."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.mistral import DIALECT
from dragoman.errors import WireError
from tests.unit.dialects.mistral.speaking import HELLO, wire

LOOK = {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}}}
CALL = {"id": "q7RtY2mNa", "function": {"name": "look", "arguments": "{}"}}


def assistant(**members: Any) -> dict[str, Any]:
    return {"role": "assistant", **members}


def part(**members: Any) -> dict[str, Any]:
    return {"role": "user", "content": [members]}


GOOD: list[tuple[list[Any], dict[str, Any]]] = [
    ([HELLO], {"temperature": 1.5, "top_p": 1, "max_tokens": 0, "random_seed": 0, "n": 1, "stop": "x"}),
    ([HELLO], {"temperature": None, "tools": None, "tool_choice": None, "unknown": object()}),
    ([HELLO], {"tools": [LOOK, {"function": LOOK["function"]}, {"type": "image_generation"}]}),
    ([HELLO], {"tools": [LOOK], "tool_choice": "any"}),
    ([HELLO], {"tools": [LOOK], "tool_choice": {"function": {"name": "look"}}}),
    ([HELLO], {"tool_choice": "none", "reasoning_effort": "max", "prompt_mode": "reasoning"}),
    ([HELLO], {"response_format": {"type": "json_object"}, "prediction": {"content": "x"}}),
    ([{"role": "system", "content": [{"type": "text", "text": "x"}]}, HELLO], {}),
    ([{"role": "system", "content": "x"}], {}),
    ([assistant(content="x")], {}),
    ([{"role": "user", "content": None}], {}),
    ([HELLO, assistant(tool_calls=[CALL]), {"role": "tool", "content": None}], {}),
    ([HELLO, assistant(content="x", prefix=True)], {}),
    ([HELLO, assistant(tool_calls=[{"function": {"name": "f", "arguments": {}}}])], {}),
    ([HELLO, assistant(content=[{"type": "thinking", "thinking": [{"text": "x"}]}])], {}),
    ([HELLO, assistant(content=[{"type": "thinking", "thinking": [{"type": "tool_reference"}]}])], {}),
    ([part(type="image_url", image_url="https://x")], {}),
    ([part(type="image_url", image_url={"url": "https://x"})], {}),
    ([part(type="input_audio", input_audio="AAAA")], {}),
    ([part(type="input_audio", input_audio={"data": "AAAA"})], {}),
    ([part(type="input_audio", input_audio="https://x")], {}),
    ([part(type="input_audio", input_audio="data:audio/mpeg;base64,AAAA")], {}),
    ([part(type="input_audio", input_audio={"data": "AAAA", "format": None})], {}),
    ([part(type="image_url", image_url="data:image/png;base64,AAAA")], {}),
    ([part(type="document_url", document_url="data:application/pdf;base64,AAAA", document_name="a")], {}),
    ([part(type="reference", reference_ids=[1, "a"])], {}),
    (
        [HELLO],
        {"tools": [{"type": "x", "function": "y"}, LOOK], "tool_choice": {"function": {"name": "look"}}},
    ),
    ([part(type="something_new", value=1)], {}),
]


@pytest.mark.parametrize(("messages", "members"), GOOD)
def test_what_the_specification_allows(messages: list[Any], members: dict[str, Any]) -> None:
    DIALECT.request.check(wire(*messages, **members))


MEMBERS: list[tuple[dict[str, Any], str, str | None]] = [
    ({"model": 5}, "model", "invalid_type"),
    ({"temperature": 1.6}, "temperature", "decimal_above_max_value"),
    ({"temperature": -0.1}, "temperature", "decimal_below_min_value"),
    ({"temperature": True}, "temperature", "invalid_type"),
    ({"top_p": 1.1}, "top_p", "decimal_above_max_value"),
    ({"top_k": 1.5}, "top_k", "invalid_type"),
    ({"max_tokens": -1}, "max_tokens", "integer_below_min_value"),
    ({"min_tokens": -1}, "min_tokens", "integer_below_min_value"),
    ({"random_seed": -1}, "random_seed", "integer_below_min_value"),
    ({"n": 0}, "n", "integer_below_min_value"),
    ({"presence_penalty": 3}, "presence_penalty", "decimal_above_max_value"),
    ({"frequency_penalty": -3}, "frequency_penalty", "decimal_below_min_value"),
    ({"repetition_penalty": -1}, "repetition_penalty", "decimal_below_min_value"),
    ({"top_logprobs": -1}, "top_logprobs", "integer_below_min_value"),
    ({"top_prompt_logprobs": -1}, "top_prompt_logprobs", "integer_below_min_value"),
    ({"stream": "yes"}, "stream", "invalid_type"),
    ({"logprobs": 1}, "logprobs", "invalid_type"),
    ({"prompt_logprobs": 1}, "prompt_logprobs", "invalid_type"),
    ({"safe_prompt": 1}, "safe_prompt", "invalid_type"),
    ({"parallel_tool_calls": 1}, "parallel_tool_calls", "invalid_type"),
    ({"stop": [1]}, "stop[0]", "invalid_type"),
    ({"metadata": []}, "metadata", "invalid_type"),
    ({"prompt_cache_key": 1}, "prompt_cache_key", "invalid_type"),
    ({"prompt_mode": 1}, "prompt_mode", "invalid_type"),
    ({"reasoning_effort": 1}, "reasoning_effort", "invalid_type"),
    ({"service_tier": "flex"}, "service_tier", "invalid_value"),
    ({"guardrails": [1]}, "guardrails[0]", "invalid_type"),
    ({"prediction": "x"}, "prediction", "invalid_type"),
    ({"prediction": {"content": 1}}, "prediction.content", "invalid_type"),
    ({"response_format": {}}, "response_format.type", "missing_required_parameter"),
    ({"tools": {}}, "tools", "invalid_type"),
    ({"tools": [1]}, "tools[0]", "invalid_type"),
    ({"tools": [{"type": 1}]}, "tools[0].type", "invalid_type"),
    ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter"),
    ({"tools": [{}]}, "tools[0].function", "missing_required_parameter"),
    ({"tools": [{"function": {"name": "a b"}}]}, "tools[0].function.name", "invalid_value"),
    (
        {"tools": [{"function": {"name": "a", "parameters": 1}}]},
        "tools[0].function.parameters",
        "invalid_type",
    ),
    ({"tool_choice": "some"}, "tool_choice", "invalid_value"),
    ({"tool_choice": "any"}, "tool_choice", "invalid_value"),
    ({"tool_choice": "required", "tools": []}, "tool_choice", "invalid_value"),
    ({"tool_choice": 5}, "tool_choice", "invalid_type"),
    ({"tool_choice": {}}, "tool_choice.function", "missing_required_parameter"),
    ({"tool_choice": {"function": {}}}, "tool_choice.function.name", "missing_required_parameter"),
    ({"tools": [LOOK], "tool_choice": {"function": {"name": "x"}}}, "tool_choice", "invalid_value"),
]


@pytest.mark.parametrize(("members", "path", "code"), MEMBERS)
def test_mistakes_in_members(members: dict[str, Any], path: str, code: str | None) -> None:
    with pytest.raises(WireError) as caught:
        DIALECT.request.check(wire(**members))
    assert (caught.value.path, caught.value.code) == (path, code)


CONTENT = "messages[0].content"
MESSAGES: list[tuple[Any, str, str]] = [
    (None, "messages", "missing_required_parameter"),
    ("x", "messages", "invalid_type"),
    ([], "messages", "empty_array"),
    (["x"], "messages[0]", "invalid_type"),
    ([{}], "messages[0].role", "missing_required_parameter"),
    ([{"role": 5}], "messages[0].role", "invalid_type"),
    ([{"role": ["user"]}], "messages[0].role", "invalid_type"),
    ([{"role": "developer", "content": "x"}], "messages[0].role", "invalid_value"),
    ([{"role": "user"}], CONTENT, "missing_required_parameter"),
    ([{"role": "tool"}], CONTENT, "missing_required_parameter"),
    ([{"role": "system", "content": None}], CONTENT, "missing_required_parameter"),
    ([{"role": "user", "content": 5}], CONTENT, "invalid_type"),
    ([{"role": "user", "content": ["x"]}], f"{CONTENT}[0]", "invalid_type"),
    ([part(text="x")], f"{CONTENT}[0].type", "missing_required_parameter"),
    ([part(type=["text"])], f"{CONTENT}[0].type", "invalid_type"),
    ([part(type="text")], f"{CONTENT}[0].text", "missing_required_parameter"),
    ([part(type="text", text=1)], f"{CONTENT}[0].text", "invalid_type"),
    ([part(type="image_url", image_url=1)], f"{CONTENT}[0].image_url", "invalid_type"),
    ([part(type="image_url", image_url={})], f"{CONTENT}[0].image_url.url", "missing_required_parameter"),
    ([part(type="input_audio", input_audio=1)], f"{CONTENT}[0].input_audio", "invalid_type"),
    (
        [part(type="input_audio", input_audio={})],
        f"{CONTENT}[0].input_audio.data",
        "missing_required_parameter",
    ),
    ([part(type="image_url", image_url="data:image/png")], f"{CONTENT}[0].image_url", "invalid_value"),
    (
        [part(type="image_url", image_url={"url": "data:image/png;base64,?"})],
        f"{CONTENT}[0].image_url.url",
        "invalid_value",
    ),
    (
        [part(type="image_url", image_url={"url": "https://x", "detail": []})],
        f"{CONTENT}[0].image_url.detail",
        "invalid_type",
    ),
    ([part(type="input_audio", input_audio="not base64")], f"{CONTENT}[0].input_audio", "invalid_value"),
    (
        [part(type="input_audio", input_audio={"data": "?"})],
        f"{CONTENT}[0].input_audio.data",
        "invalid_value",
    ),
    (
        [part(type="input_audio", input_audio={"data": "AAAA", "format": ["wav"]})],
        f"{CONTENT}[0].input_audio.format",
        "invalid_type",
    ),
    ([part(type="document_url")], f"{CONTENT}[0].document_url", "missing_required_parameter"),
    ([part(type="document_url", document_url="data:x")], f"{CONTENT}[0].document_url", "invalid_value"),
    (
        [part(type="document_url", document_url="https://x", document_name=1)],
        f"{CONTENT}[0].document_name",
        "invalid_type",
    ),
    ([part(type="reference", reference_ids=[None])], f"{CONTENT}[0].reference_ids[0]", "invalid_type"),
    ([part(type="thinking", thinking=[], signature=1)], f"{CONTENT}[0].signature", "invalid_type"),
    ([part(type="thinking", thinking=[], closed=1)], f"{CONTENT}[0].closed", "invalid_type"),
    ([part(type="thinking", thinking=[{"type": []}])], f"{CONTENT}[0].thinking[0].type", "invalid_type"),
    ([assistant(tool_calls=[{**CALL, "type": []}])], "messages[0].tool_calls[0].type", "invalid_type"),
    ([assistant(tool_calls=[{**CALL, "index": []}])], "messages[0].tool_calls[0].index", "invalid_type"),
    ([part(type="file")], f"{CONTENT}[0].file_id", "missing_required_parameter"),
    ([part(type="reference", reference_ids=1)], f"{CONTENT}[0].reference_ids", "invalid_type"),
    ([part(type="thinking", thinking="x")], f"{CONTENT}[0].thinking", "invalid_type"),
    ([part(type="thinking", thinking=["x"])], f"{CONTENT}[0].thinking[0]", "invalid_type"),
    ([part(type="thinking", thinking=[{}])], f"{CONTENT}[0].thinking[0].text", "missing_required_parameter"),
    ([assistant(prefix=1)], "messages[0].prefix", "invalid_type"),
    ([assistant(tool_calls={})], "messages[0].tool_calls", "invalid_type"),
    ([assistant(tool_calls=[1])], "messages[0].tool_calls[0]", "invalid_type"),
    ([assistant(tool_calls=[{**CALL, "id": 1}])], "messages[0].tool_calls[0].id", "invalid_type"),
    ([assistant(tool_calls=[{}])], "messages[0].tool_calls[0].function", "missing_required_parameter"),
    (
        [assistant(tool_calls=[{"function": {}}])],
        "messages[0].tool_calls[0].function.name",
        "missing_required_parameter",
    ),
    (
        [assistant(tool_calls=[{"function": {"name": "f"}}])],
        "messages[0].tool_calls[0].function.arguments",
        "missing_required_parameter",
    ),
    (
        [assistant(tool_calls=[{"function": {"name": "f", "arguments": 1}}])],
        "messages[0].tool_calls[0].function.arguments",
        "invalid_type",
    ),
    ([{"role": "tool", "content": "", "tool_call_id": 1}], "messages[0].tool_call_id", "invalid_type"),
    ([{"role": "tool", "content": "", "name": 1}], "messages[0].name", "invalid_type"),
]


@pytest.mark.parametrize(("messages", "path", "code"), MESSAGES)
def test_mistakes_in_messages(messages: Any, path: str, code: str) -> None:
    request = wire()
    request.body["messages"] = messages
    with pytest.raises(WireError) as caught:
        DIALECT.request.check(request)
    assert (caught.value.path, caught.value.code) == (path, code)
