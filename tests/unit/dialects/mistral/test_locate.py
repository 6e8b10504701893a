"""Places in IR terms as JSON paths of a request."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.mistral import DIALECT
from tests.unit.dialects.mistral.speaking import wire


@pytest.mark.parametrize(
    ("where", "path"),
    [
        ("sampling.seed", "$.random_seed"),
        ("sampling.temperature", "$.temperature"),
        ("max_output", "$.max_tokens"),
        ("parallel", "$.parallel_tool_calls"),
        ("tier", "$.service_tier"),
        ("cache.key", "$.prompt_cache_key"),
        ("reasoning.effort", "$.reasoning_effort"),
        ("reasoning.mode", "$.prompt_mode"),
        ("output.schema", "$.response_format.json_schema.schema"),
        ("output.kind", "$.response_format.type"),
        ("output.verbosity", "$.verbosity"),
        ("system", "$.messages[0]"),
        ("messages[2].blocks[1].extra", "$.messages[2]"),
        ("messages[2].name", "$.messages[2].name"),
        ("tools[0].strict", "$.tools[0].function.strict"),
        ("tools[0]", "$.tools[0]"),
        ("safe_prompt", "$.safe_prompt"),
    ],
)
def test_places_by_themselves(where: str, path: str) -> None:
    assert DIALECT.request.locate(where) == path


CHUNKS = {
    "role": "user",
    "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {"url": "u"}}],
}
CALL = {"id": "abcdefghi", "odd": 1, "function": {"name": "f", "arguments": "{}", "odd": 1}}
CALLED = {
    "messages": [
        {"role": "assistant", "content": [{"type": "text", "text": "a"}], "tool_calls": [CALL]},
        {"role": "assistant", "tool_calls": [CALL]},
    ]
}
CITED = {
    "messages": [
        {
            "role": "assistant",
            "content": [
                {"type": "reference", "reference_ids": [0]},
                {"type": "text", "text": "a"},
                {"type": "reference", "reference_ids": [1]},
                {"type": "reference", "reference_ids": [2]},
                {"type": "text", "text": "b"},
            ],
            "tool_calls": [CALL],
        }
    ]
}
"""The first chunk has no text before it and so is a block; the other citations belong to the text."""
TOOLS = [{"type": "function", "function": {"name": "f", "tone": 1}, "note": 2}]


@pytest.mark.parametrize(
    ("members", "where", "path"),
    [
        ({"prompt_mode": "reasoning"}, "reasoning", "$.prompt_mode"),
        ({"reasoning_effort": "low", "prompt_mode": "reasoning"}, "reasoning", "$.reasoning_effort"),
        ({"response_format": {"type": "text"}}, "output", "$.response_format"),
        ({"random_seed": 1}, "sampling.seed", "$.random_seed"),
        ({"top_p": 1}, "sampling.top_p", "$.top_p"),
        ({}, "messages[0].blocks[1].detail", "$.messages[0].content[1]"),
        ({}, "messages[0].blocks[1].image_url.url", "$.messages[0].content[1].image_url.url"),
        ({}, "messages[0].blocks[7]", "$.messages[0].content"),
        ({"response_format": {"type": "json_object", "odd": 1}}, "output.odd", "$.response_format.odd"),
        (CALLED, "messages[0].blocks[0]", "$.messages[0].content[0]"),
        (CALLED, "messages[0].blocks[1].function.odd", "$.messages[0].tool_calls[0].function.odd"),
        (CALLED, "messages[1].blocks[0].odd", "$.messages[1].tool_calls[0].odd"),
        (CALLED, "messages[7].blocks[0]", "$.messages"),
        (CITED, "messages[0].blocks[0]", "$.messages[0].content[0]"),
        (CITED, "messages[0].blocks[1].text", "$.messages[0].content[1].text"),
        (CITED, "messages[0].blocks[2].text", "$.messages[0].content[4].text"),
        (CITED, "messages[0].blocks[3].function.name", "$.messages[0].tool_calls[0].function.name"),
        ({"tools": TOOLS}, "tools[0].tone", "$.tools[0].function.tone"),
        ({"tools": TOOLS}, "tools[0].note", "$.tools[0].note"),
        ({"tools": TOOLS}, "tools[0].strict", "$.tools[0]"),
        ({"safe_prompt": True}, "safe_prompt", "$.safe_prompt"),
        ({}, "max_output", "$.max_tokens"),
        ({}, "sampling.seed", "$.random_seed"),
        ({}, "sampling.top_p", "$.top_p"),
        ({}, "output.schema", "$.response_format.json_schema.schema"),
    ],
)
def test_places_of_a_request(members: dict[str, Any], where: str, path: str) -> None:
    assert DIALECT.locator(wire(CHUNKS, **members))(where) == path
