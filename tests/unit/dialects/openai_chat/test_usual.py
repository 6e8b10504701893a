"""What is usual is correct: `check` never refuses what `is_usual` lets pass."""

from __future__ import annotations

import random
import sys
from copy import deepcopy
from typing import Any

import msgspec
import pytest

from dragoman.dialects import schema
from dragoman.dialects.openai_chat import usual
from dragoman.dialects.openai_chat.check import _ASSISTANT, _RULES, check
from dragoman.dialects.openai_chat.usual import Usual, is_usual
from dragoman.dialects.request import WireRequest
from dragoman.errors import WireError

PARAMETERS = {
    "type": "object",
    "title": "Find",
    "properties": {
        "path": {"type": "string", "description": "Where.", "minLength": 1, "pattern": "^/", "format": "x"},
        "lines": {"type": ["integer", "null"], "minimum": 0, "maximum": 9.5, "multipleOf": 2, "default": 1},
        "kinds": {"type": "array", "items": {"enum": ["a", 1, None]}, "minItems": 0, "maxItems": 3},
        "any": {"anyOf": [{"$ref": "#/$defs/one"}, True], "not": {"type": "null"}},
        "more": {"allOf": [{"if": {}, "then": {}, "else": False}], "additionalProperties": {}},
    },
    "required": ["path", "lines"],
    "additionalProperties": False,
    "$defs": {"one": {"type": "boolean", "oneOf": [{}], "prefixItems": [{}]}},
}
STRICT = {"type": "object", "properties": {"a": {}}, "required": ["a"], "additionalProperties": False}
FULL: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": "Be kind."},
        {"role": "developer", "content": [{"type": "text", "text": "Be brief."}], "name": "dev"},
        {"role": "user", "content": "Hello", "name": None},
        {
            "role": "assistant",
            "content": None,
            "reasoning_content": "Hm.",
            "tool_calls": [
                {"id": "call_1", "type": "function", "function": {"name": "find", "arguments": "{}"}},
                {"id": "call_2", "function": {"name": "look", "arguments": ""}},
            ],
        },
        {"role": "tool", "tool_call_id": "call_1", "content": "found"},
        {"role": "tool", "tool_call_id": "call_2", "content": [{"type": "text", "text": "seen"}]},
        {"role": "assistant", "content": "Done.", "refusal": None, "name": "a", "reasoning": "So."},
    ],
    "tools": [
        {"type": "function", "function": {"name": "find", "description": "x", "parameters": PARAMETERS}},
        {"type": "function", "function": {"name": "look", "strict": True, "parameters": STRICT}},
        {"type": "function", "function": {"name": "go-1_A", "strict": False}},
    ],
    "tool_choice": "required",
    "parallel_tool_calls": True,
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "answer", "strict": True, "schema": STRICT, "description": "x"},
    },
    "max_completion_tokens": 100,
    "temperature": 1,
    "top_p": 0.5,
    "seed": -5,
    "frequency_penalty": -2,
    "presence_penalty": 2.0,
    "n": 1,
    "logprobs": True,
    "top_logprobs": 3,
    "logit_bias": {"5": -100, "6": 1.5},
    "top_k": -1,
    "min_p": 0,
    "repetition_penalty": 1.1,
    "stop": ["a", "b"],
    "stream": True,
    "stream_options": {"include_usage": True, "include_obfuscation": None},
    "modalities": ["text"],
    "verbosity": "low",
    "reasoning_effort": "high",
    "reasoning": {"effort": "low", "max_tokens": 0, "enabled": True},
    "thinking": {"type": "enabled", "budget_tokens": -1},
    "enable_thinking": False,
    "thinking_budget": 5,
    "include_reasoning": True,
    "user": "u",
    "safety_identifier": "s",
    "service_tier": "auto",
    "store": False,
    "prompt_cache_key": "k",
    "prompt_cache_retention": "24h",
    "unknown": {"a": [1]},
}
OTHERS: tuple[Any, ...] = (
    *(None, True, False, 0, 1, -1, 2, 5, 129, 1.0, 2.5, -200.0, 10**30, 2**63, ""),
    *("x", "a b", "a\nb", "x" * 65, "x" * 513, "required", "any", "custom", "system", "user", "tool", "null"),
    *([], {}, [1], ["x"] * 5, {"x": 1}, {"type": "text"}, {"type": "object"}, [{}], [None]),
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    inner = value.items() if type(value) is dict else enumerate(value) if type(value) is list else ()
    return [path, *(found for key, one in inner for found in places(one, (*path, key)))]


def changed(body: dict[str, Any], rnd: random.Random) -> dict[str, Any]:
    """A copy in which one value is missing, replaced by another one, or has a new member."""
    body = deepcopy(body)
    *before, last = rnd.choice(places(body)[1:])
    holder: Any = body
    for key in before:
        holder = holder[key]
    way = rnd.random()
    if way < 0.2:
        del holder[last]
    elif way < 0.4 and type(holder[last]) is dict:
        holder[last][rnd.choice([*usual_names, *_RULES])] = deepcopy(rnd.choice(OTHERS))
    else:
        holder[last] = deepcopy(rnd.choice(OTHERS))
    return body


usual_names = [
    *schema._KEYWORDS,
    *("role", "content", "tool_calls", "function_call", "strict", "name", "type", "refusal", "audio"),
]


def refused(body: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> WireError | None:
    """What the rules say about a body."""
    with monkeypatch.context() as patch:
        patch.setattr(sys.modules[check.__module__], "is_usual", lambda _: False)
        try:
            check(WireRequest("chat", body))
        except WireError as error:
            return error
    return None


def test_what_most_clients_write_is_usual() -> None:
    assert is_usual(FULL)
    assert is_usual({"messages": [{"role": "user", "content": "Hi"}]})


def test_what_is_usual_is_correct(monkeypatch: pytest.MonkeyPatch) -> None:
    rnd = random.Random(7)
    seen = {True: 0, False: 0}
    for _ in range(6_000):
        body = changed(FULL, rnd)
        if rnd.random() < 0.3:
            body = changed(body, rnd)
        if usually := is_usual(body):
            assert (error := refused(body, monkeypatch)) is None, (error, body)
        seen[usually] += 1
    assert min(seen.values()) > 1_000


@pytest.mark.parametrize("name", ["a\nb", "a b", "", "x" * 65, "ä"])
def test_names_with_other_characters_are_not_usual(name: str) -> None:
    tool = {"type": "function", "function": {"name": name}}
    body = {"messages": [{"role": "user", "content": "Hi"}], "tools": [tool]}
    assert not is_usual(body)
    form = {"type": "json_schema", "json_schema": {"name": name}}
    assert not is_usual({"messages": body["messages"], "response_format": form})


def members(kind: type[msgspec.Struct]) -> set[str]:
    return {field.encode_name for field in msgspec.structs.fields(kind)}


def test_each_member_with_a_rule_has_a_field() -> None:
    assert _RULES.keys() <= members(Usual)
    assert _ASSISTANT.keys() <= members(usual._Assistant)
