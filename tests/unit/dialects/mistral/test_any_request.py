"""Requests that are odd anywhere: refused with a place, or carried to every dialect."""

from __future__ import annotations

import copy
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from dragoman.dialects.mistral import DIALECT
from dragoman.dialects.table import DIALECTS
from dragoman.dialects.translation import translated
from dragoman.errors import WireError
from tests.unit.dialects.openai_chat.test_any_request import ODD, places

FULL: dict[str, Any] = {
    "model": "m",
    "messages": [
        {"role": "system", "content": [{"type": "text", "text": "s"}]},
        {
            "role": "user",
            "content": [
                {"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA", "detail": "low"}},
                {"type": "document_url", "document_url": "data:text/plain,x", "document_name": "a.txt"},
            ],
        },
        {
            "role": "assistant",
            "content": [
                {
                    "type": "thinking",
                    "thinking": [{"type": "text", "text": "t"}, {"type": "reference", "reference_ids": [1]}],
                    "signature": "s",
                    "closed": True,
                },
                {"type": "text", "text": "a"},
                {"type": "reference", "reference_ids": [1, "b"]},
            ],
            "tool_calls": [
                {
                    "id": "aaaaaaaaa",
                    "type": "function",
                    "index": 0,
                    "function": {"name": "look", "arguments": {"a": 1}},
                }
            ],
            "prefix": False,
        },
        {"role": "tool", "tool_call_id": "aaaaaaaaa", "name": "look", "content": "42"},
        {"role": "user", "content": "And now?"},
    ],
    "tools": [
        {"type": "function", "function": {"name": "look", "parameters": {"type": "object"}, "strict": True}}
    ],
    "tool_choice": {"type": "function", "function": {"name": "look"}},
    "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": {"type": "object"}}},
    "prediction": {"type": "content", "content": "x"},
    "reasoning_effort": "low",
    "prompt_mode": "reasoning",
    "stop": ["a"],
    "temperature": 0.5,
    "random_seed": 1,
    "max_tokens": 100,
    "guardrails": [{"block_on_error": True}],
    "metadata": {"a": "b"},
}
PLACES = sorted(places(FULL), key=str)


def refusals(body: dict[str, Any]) -> list[WireError]:
    """Where a request cannot go."""
    refused = []
    for target in DIALECTS.values():
        try:
            translated(body, DIALECT, target)
        except WireError as error:
            refused.append(error)
    return refused


def test_the_request_as_it_is_goes_wherever_documents_go() -> None:
    """Legacy completions take no conversation, Ollama and Cohere no document that is a file."""
    assert len(refusals(FULL)) == 3


@settings(max_examples=100)
@given(st.lists(st.tuples(st.sampled_from(PLACES), st.sampled_from(ODD)), min_size=1, max_size=3))
def test_any_value_in_any_place(changes: list[tuple[tuple[Any, ...], Any]]) -> None:
    body = copy.deepcopy(FULL)
    for (*path, last), value in changes:
        holder: Any = body
        try:
            for key in path:
                holder = holder[key]
            holder[last] = copy.deepcopy(value)
        except (KeyError, IndexError, TypeError):
            continue
    assert all(error.path for error in refusals(body))
