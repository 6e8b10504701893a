"""Places in IR terms as JSON paths, from the place alone and with the request at hand."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.openai_chat import DIALECT
from dragoman.dialects.openai_chat.locate import locate, place
from tests.unit.dialects.openai_chat.speaking import HELLO, wire

ALONE = [
    ("sampling.logit_bias", "$.logit_bias"),
    ("parallel", "$.parallel_tool_calls"),
    ("tier", "$.service_tier"),
    ("max_output", "$.max_completion_tokens"),
    ("output.schema", "$.response_format.json_schema.schema"),
    ("output.schema.properties.a[0]", "$.response_format.json_schema.schema.properties.a[0]"),
    ("output.odd", "$.odd"),
    ("reasoning.effort", "$.reasoning_effort"),
    ("cache.key", "$.prompt_cache_key"),
    ("tools[1].strict", "$.tools[1].function.strict"),
    ("tools[1].odd", "$.tools[1]"),
    ("tools[0]", "$.tools[0]"),
    ("messages[2].blocks[1].cache", "$.messages[2]"),
    ("messages[2].name", "$.messages[2].name"),
    ("provider", "$.provider"),
]


@pytest.mark.parametrize(("where", "path"), ALONE)
def test_a_place_alone(where: str, path: str) -> None:
    assert locate(where) == path


LOOK = {"type": "function", "function": {"name": "look", "strict": True}, "odd": 1}
PARTS = {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "odd": 1}]}
MARKED = {
    "role": "user",
    "content": [
        {"type": "text", "text": "a", "prompt_cache_breakpoint": {"mode": "explicit"}},
        {"type": "image_url", "image_url": {"url": "https://x.test/a.png", "detail": "low"}},
        {"type": "file", "file": {"file_id": "f", "filename": "a.pdf"}},
    ],
}
RESULT = {
    "role": "tool",
    "tool_call_id": "1",
    "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b", "cache_control": {}}],
}
CALL = {"id": "1", "type": "function", "function": {"name": "look", "arguments": "{}"}}
IMAGE = {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}}
SAID = {
    "role": "assistant",
    "reasoning": "Hm.",
    "reasoning_details": [{"type": "reasoning.text", "text": "Well."}],
    "content": "Yes.",
    "refusal": "No.",
    "images": [IMAGE, IMAGE],
    "audio": {"id": "audio_1"},
    "function_call": {"name": "look", "arguments": "{}"},
    "tool_calls": [CALL, {**CALL, "extra_content": {"google": {"thought_signature": "c2ln"}}}],
}
SPOKEN = {
    "role": "assistant",
    "reasoning_content": "Hm.",
    "content": [{"type": "text", "text": "a"}, {"type": "refusal", "refusal": "b"}],
}
CITING: dict[str, Any] = {
    "role": "assistant",
    "content": None,
    "annotations": [{"type": "url_citation", "url_citation": {"url": "https://a.example"}}],
    "tool_calls": [CALL],
}
CITING_BESIDE = CITING | {"content": [{"type": "refusal", "refusal": "b"}]}
WITH: list[tuple[dict[str, Any], str, str]] = [
    ({"max_tokens": 5}, "max_output", "$.max_tokens"),
    ({"max_completion_tokens": 5}, "max_output", "$.max_completion_tokens"),
    ({"reasoning": {"effort": "low"}}, "reasoning.effort", "$.reasoning.effort"),
    ({"thinking": {"type": "enabled"}}, "reasoning.mode", "$.thinking.type"),
    ({"reasoning_effort": "low"}, "reasoning.mode", "$.reasoning_effort"),
    ({"reasoning": {"odd": 1}}, "reasoning.reasoning.odd", "$.reasoning.odd"),
    ({"response_format": {"type": "json_object", "schema": {}}}, "output.schema", "$.response_format.schema"),
    ({"response_format": {"type": "json_object", "value": {}}}, "output.schema", "$.response_format.value"),
    ({"structured_outputs": {"json": {}}}, "output.schema", "$.structured_outputs.json"),
    ({"guided_json": {"items": {}}}, "output.schema.items", "$.guided_json.items"),
    ({"response_format": {"type": "text", "odd": 1}}, "output.odd", "$.response_format.odd"),
    ({"prompt_cache_options": {"odd": 1}}, "cache.odd", "$.prompt_cache_options.odd"),
    ({"response_format": {"schema": {}}}, "output.schema.items.type", "$.response_format.schema.items.type"),
    ({"tools": [LOOK]}, "tools[0].strict", "$.tools[0].function.strict"),
    ({"tools": [LOOK]}, "tools[0].odd", "$.tools[0].odd"),
    ({"tools": [LOOK]}, "tools[0]", "$.tools[0]"),
    ({"tools": [LOOK]}, "tools[0].cache", "$.tools[0]"),
    ({"functions": [{"name": "look"}]}, "tools[0].name", "$.functions[0].name"),
    ({"functions": [{"name": "look"}], "function_call": "auto"}, "tool_choice", "$.function_call"),
    ({"tools": [{"type": "custom", "custom": {"name": "sql"}}]}, "tools[0].name", "$.tools[0].custom.name"),
    (
        {"web_search_options": {"search_context_size": "low"}},
        "tools[0].options.context_size",
        "$.web_search_options.search_context_size",
    ),
    ({"tools": [LOOK], "web_search_options": {}}, "tools[1]", "$.web_search_options"),
    (
        {"tools": [{"type": "x:web_search", "parameters": {"excluded_domains": []}}]},
        "tools[0].options.blocked_domains",
        "$.tools[0].parameters.excluded_domains",
    ),
    ({"messages": [PARTS]}, "messages[0].blocks[1].odd", "$.messages[0].content[1].odd"),
    ({"messages": [PARTS]}, "messages[0].blocks[1].cache", "$.messages[0].content[1]"),
    ({"messages": [HELLO]}, "messages[0].blocks[0]", "$.messages[0].content"),
    (
        {"messages": [MARKED]},
        "messages[0].blocks[0].cache",
        "$.messages[0].content[0].prompt_cache_breakpoint",
    ),
    ({"messages": [MARKED]}, "messages[0].blocks[1].detail", "$.messages[0].content[1].image_url.detail"),
    ({"messages": [MARKED]}, "messages[0].blocks[2].name", "$.messages[0].content[2].file.filename"),
    (
        {"messages": [RESULT]},
        "messages[0].blocks[0].content[1].cache",
        "$.messages[0].content[1].cache_control",
    ),
    ({"messages": [RESULT]}, "messages[0].blocks[0]", "$.messages[0]"),
    ({"tools": [LOOK | {"cache_control": {}}]}, "tools[0].cache", "$.tools[0].cache_control"),
    *(
        ({"messages": [SAID]}, f"messages[0].blocks[{index}]", f"$.messages[0].{member}")
        for index, member in enumerate(
            (
                *("reasoning", "reasoning_details", "content", "refusal", "images[0]", "images[1]", "audio"),
                *("function_call", "tool_calls[0]", "tool_calls[1]"),
            )
        )
    ),
    (
        {"messages": [SAID]},
        "messages[0].blocks[9].sealed",
        "$.messages[0].tool_calls[1].extra_content.google.thought_signature",
    ),
    (
        {"messages": [SAID]},
        "messages[0].blocks[8].arguments",
        "$.messages[0].tool_calls[0].function.arguments",
    ),
    ({"messages": [SPOKEN]}, "messages[0].blocks[0]", "$.messages[0].reasoning_content"),
    ({"messages": [SPOKEN]}, "messages[0].blocks[2]", "$.messages[0].content[1]"),
    ({"messages": [SPOKEN]}, "messages[0].blocks[7]", "$.messages[0].content"),
    ({"messages": [CITING]}, "messages[0].blocks[0]", "$.messages[0].annotations"),
    ({"messages": [CITING]}, "messages[0].blocks[1]", "$.messages[0].tool_calls[0]"),
    ({"messages": [CITING_BESIDE]}, "messages[0].blocks[0]", "$.messages[0].content[0]"),
    ({"messages": [CITING_BESIDE]}, "messages[0].blocks[1]", "$.messages[0].annotations"),
    ({"messages": [CITING_BESIDE]}, "messages[0].blocks[2]", "$.messages[0].tool_calls[0]"),
    ({"messages": [CITING | {"content": "a"}]}, "messages[0].blocks[1]", "$.messages[0].tool_calls[0]"),
    (
        {"messages": [SPOKEN | CITING | {"content": SPOKEN["content"]}]},
        "messages[0].blocks[3]",
        "$.messages[0].tool_calls[0]",
    ),
    ({"messages": [{"role": "assistant", "content": 7}]}, "messages[0].blocks[0]", "$.messages[0].content"),
    ({}, "parallel", "$.parallel_tool_calls"),
    ({"stream": True, "stream_options": {"odd": 1}}, "stream_options.odd", "$.stream_options.odd"),
    ({"n": 2}, "sampling.n", "$.n"),
    ({"provider": {}}, "provider", "$.provider"),
]


@pytest.mark.parametrize(("members", "where", "path"), WITH)
def test_a_place_in_a_request(members: dict[str, Any], where: str, path: str) -> None:
    request = wire()
    request.body.update(members)
    assert place(request, where) == path
    assert DIALECT.locator(request)(where) == path


def test_a_place_that_the_request_does_not_have_is_as_near_as_can_be() -> None:
    request = wire()
    assert place(request, "web_search.odd") == "$.web_search.odd"
    assert place(request, "messages[5].blocks[0]") == "$.messages"
    assert place(request, "sampling.seed") == "$.seed"


def test_a_leftover_is_at_its_own_object_if_another_one_has_its_name() -> None:
    function = {"name": "f", "odd": 1}
    body: dict[str, Any] = {
        "odd": 1,
        "response_format": {"type": "text", "odd": 1},
        "tools": [{"type": "function", "function": function, "odd": 1}],
    }
    request = wire(**body)
    assert place(request, "output.odd") == "$.response_format.odd"
    assert place(request, "odd") == "$.odd"
    assert place(request, "tools[0].odd") == "$.tools[0].odd"
    assert place(request, "tools[0].function.odd") == "$.tools[0].function.odd"
    assert place(request, "tools[0].name") == "$.tools[0].function.name"
