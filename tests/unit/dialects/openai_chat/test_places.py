"""Places in IR terms as JSON paths, from the place alone and with the request at hand."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.openai_chat import DIALECT
from dragoman.dialects.openai_chat.places import locate, place
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
WITH: list[tuple[dict[str, Any], str, str]] = [
    ({"max_tokens": 5}, "max_output", "$.max_tokens"),
    ({"max_completion_tokens": 5}, "max_output", "$.max_completion_tokens"),
    ({"reasoning": {"effort": "low"}}, "reasoning.effort", "$.reasoning.effort"),
    ({"thinking": {"type": "enabled"}}, "reasoning.mode", "$.thinking.type"),
    ({"reasoning_effort": "low"}, "reasoning.mode", "$.reasoning_effort"),
    ({"reasoning": {"odd": 1}}, "reasoning.reasoning.odd", "$.reasoning.odd"),
    ({"response_format": {"type": "json_object", "schema": {}}}, "output.schema", "$.response_format.schema"),
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
    ({"stream": True, "stream_options": {"odd": 1}}, "stream_options.odd", "$.stream_options.odd"),
    ({"n": 2}, "sampling.n", "$.n"),
    ({"provider": {}}, "provider", "$.provider"),
]


@pytest.mark.parametrize(("members", "where", "path"), WITH)
def test_a_place_in_a_request(members: dict[str, Any], where: str, path: str) -> None:
    request = wire()
    request.body.update(members)
    assert place(request, where) == path
    assert DIALECT.located(request)(where) == path


def test_a_place_that_the_request_does_not_have_is_as_near_as_can_be() -> None:
    request = wire()
    assert place(request, "web_search.odd") == "$.web_search.odd"
    assert place(request, "messages[5].blocks[0]") == "$.messages"
