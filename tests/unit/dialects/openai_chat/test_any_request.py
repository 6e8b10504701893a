"""Requests that are odd anywhere: refused with a place, or carried to every dialect."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from dragoman.dialects.openai_chat import DIALECT
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.table import DIALECTS
from dragoman.dialects.translation import translated
from dragoman.errors import WireError

PICTURE = {"type": "image_url", "image_url": {"url": "data:image/png;base64,iVBORw0KGgo="}}
SCHEMA = {"type": "object", "properties": {"city": {"type": "string"}}}
FULL: dict[str, Any] = {
    "model": "m",
    "messages": [
        {
            "role": "system",
            "content": [{"type": "text", "text": "s", "cache_control": {"type": "ephemeral"}}],
        },
        {
            "role": "user",
            "name": "ann",
            "content": [
                PICTURE,
                {"type": "file", "file": {"file_data": "data:text/plain,hello", "filename": "a.txt"}},
                {"type": "file_url", "file_url": {"url": "https://x.test/a.pdf"}},
            ],
        },
        {
            "role": "assistant",
            "content": "It is.",
            "reasoning": "r",
            "reasoning_details": [
                {"type": "reasoning.text", "text": "r", "signature": "s", "index": 0},
                {"type": "reasoning.encrypted", "data": "AAAA"},
                {"type": "reasoning.summary", "summary": "s"},
            ],
            "images": [{**PICTURE, "index": 0}],
            "audio": {"id": "audio_1"},
            "annotations": [
                {
                    "type": "url_citation",
                    "url_citation": {"url": "u", "title": "t", "start_index": 0, "end_index": 1},
                }
            ],
            "tool_calls": [
                {
                    "id": "c1",
                    "type": "function",
                    "function": {"name": "look", "arguments": "{}"},
                    "extra_content": {"google": {"thought_signature": "AAAA"}},
                },
                {"id": "c2", "type": "custom", "custom": {"name": "sql", "input": "x"}},
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": [{"type": "text", "text": "42"}]},
        {"role": "tool", "tool_call_id": "c2", "content": "42"},
        {"role": "assistant", "content": None, "function_call": {"name": "look", "arguments": "{}"}},
        {"role": "function", "name": "look", "content": "42"},
        {"role": "user", "content": "And now?"},
    ],
    "tools": [
        {"type": "function", "function": {"name": "look", "parameters": SCHEMA}},
        {"type": "custom", "custom": {"name": "sql", "format": {"type": "text"}}},
        {"type": "openrouter:web_search", "parameters": {"max_uses": 2}},
    ],
    "tool_choice": {
        "type": "allowed_tools",
        "allowed_tools": {"mode": "auto", "tools": [{"type": "function", "function": {"name": "look"}}]},
    },
    "web_search_options": {"user_location": {"type": "approximate", "approximate": {"city": "Bern"}}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "answer", "schema": SCHEMA}},
    "reasoning": {"effort": "low", "max_tokens": 2000, "enabled": True, "exclude": False},
    "thinking": {"type": "enabled", "budget_tokens": 2000},
    "prompt_cache_options": {"mode": "implicit", "ttl": "5m"},
    "prediction": {"type": "content", "content": [{"type": "text", "text": "x"}]},
    "stream": True,
    "stream_options": {"include_usage": True},
    "stop": ["a"],
    "logit_bias": {"1": 2},
    "metadata": {"a": "b"},
}
VENDORS = (
    STANDARD,
    Quirks(
        reasoning_field="reasoning_content",
        reasoning_replay="always",
        reasoning_request="thinking",
        cache_marks="cache_control",
        json_schema=False,
        answer_images=True,
    ),
)
ODD: list[Any] = [
    None,
    True,
    0,
    2.5,
    "",
    "x",
    "data:,",
    [],
    {},
    [None],
    [1],
    [{}],
    {"type": "x"},
    {"name": [1]},
    ["x"],
]


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place below the root."""
    pairs = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in pairs:
        yield (*path, key)
        yield from places(inner, (*path, key))


PLACES = sorted(places(FULL), key=str)


def changed(*changes: tuple[tuple[Any, ...], Any]) -> dict[str, Any]:
    """The full request with something else in some of its places, as far as these are still there."""
    body = copy.deepcopy(FULL)
    for (*path, last), value in changes:
        holder: Any = body
        try:
            for key in path:
                holder = holder[key]
            holder[last] = copy.deepcopy(value)
        except (KeyError, IndexError, TypeError):
            continue
    return body


def refusals(body: dict[str, Any]) -> list[WireError]:
    """Where a request cannot go: it is written for every dialect, and what is lost is found in it."""
    refused = []
    for target in DIALECTS.values():
        for quirks in VENDORS if target is DIALECT else VENDORS[:1]:
            try:
                translated(body, DIALECT, target, quirks=quirks)
            except WireError as error:
                refused.append(error)
    return refused


def test_the_request_as_it_is_goes_everywhere() -> None:
    """But to legacy completions, which take no conversation, where no document is read, and to Bedrock, for
    which the gateway downloads media before this.
    """
    assert [refused.message for refused in refusals(FULL)] == [
        "the Cohere API does not accept document",
        "the Converse API does not read URLs",
        "the Ollama API does not accept document",
        "the Completions API accepts only text",
    ]


CRASHED: list[tuple[tuple[Any, ...], Any]] = [
    (("tool_choice",), {"type": "vendor", "allowed_tools": 5}),
    (("tool_choice",), {"type": "vendor", "allowed_tools": {"mode": [], "tools": [{"type": "mcp"}]}}),
    (("tools", 2), {"type": "x", "x": {"name": [1]}}),
    (("web_search_options", "user_location", "approximate"), None),
    (("messages", 0, "content", 0, "cache_control", "ttl"), {}),
    (("messages", 2, "images", 0), "x"),
    (("messages", 2, "reasoning_details", 0, "text"), 5),
    (("messages", 2, "annotations", 0, "url_citation", "start_index"), "0"),
    (("reasoning", "effort"), []),
    (("reasoning", "max_tokens"), "many"),
    (("thinking", "type"), []),
    (("thinking", "budget_tokens"), "many"),
]


@pytest.mark.parametrize("change", CRASHED, ids=[".".join(map(str, change[0])) for change in CRASHED])
def test_what_once_ended_as_our_own_fault(change: tuple[tuple[Any, ...], Any]) -> None:
    assert all(error.path for error in refusals(changed(change)))


@settings(max_examples=150)
@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(ODD)), min_size=1, max_size=3))
@example([(("messages", 2, "audio"), {})])
def test_any_value_in_any_place(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    assert all(error.path for error in refusals(changed(*changes)))
