"""Places in IR terms, as a client of Anthropic's reads them."""

from __future__ import annotations

import pytest

from dragoman.dialects.anthropic import DIALECT
from tests.unit.dialects.anthropic.saying import wire


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ("messages[0].blocks[1]", "$.messages[0].content[1]"),
        ("messages[0].blocks[1].cache", "$.messages[0].content[1].cache_control"),
        ("messages[0].blocks[1].caller", "$.messages[0].content[1].caller"),
        ("messages[0].blocks[1].arguments", "$.messages[0].content[1].input"),
        ("messages[0].blocks[1].sealed", "$.messages[0].content[1]"),
        ("messages[0].blocks[1].source.etag", "$.messages[0].content[1].source.etag"),
        ("messages[0].blocks[1].content[2].name", "$.messages[0].content[1].content[2].title"),
        ("messages[0].blocks[1].citable", "$.messages[0].content[1].citations"),
        ("messages[0].blocks[1].citations[0]", "$.messages[0].content[1].citations[0]"),
        ("messages[0].blocks[1].citations[0].source", "$.messages[0].content[1].citations[0]"),
        ("system[0].cache", "$.system[0].cache_control"),
        ("tools[2].parameters", "$.tools[2].input_schema"),
        ("tools[2].defer_loading", "$.tools[2].defer_loading"),
        ("tools[2].options.location", "$.tools[2].user_location"),
        ("tools[2].options.max_uses", "$.tools[2].max_uses"),
        ("tool_choice", "$.tool_choice"),
        ("tool_choice.names", "$.tool_choice.name"),
        ("tool_choice.mode", "$.tool_choice.type"),
        ("parallel", "$.tool_choice.disable_parallel_tool_use"),
        ("sampling.top_k", "$.top_k"),
        ("sampling.stop", "$.stop_sequences"),
        ("max_output", "$.max_tokens"),
        ("reasoning", "$.thinking"),
        ("reasoning.mode", "$.thinking.type"),
        ("reasoning.budget", "$.thinking.budget_tokens"),
        ("reasoning.visible", "$.thinking.display"),
        ("reasoning.effort", "$.output_config.effort"),
        ("reasoning.depth", "$.thinking.depth"),
        ("output", "$.output_config.format"),
        ("output.strict", "$.output_config.format"),
        ("output.schema.properties.x", "$.output_config.format.schema.properties.x"),
        ("output.task_budget", "$.output_config.task_budget"),
        ("user", "$.metadata.user_id"),
        ("user_profile_id", "$.user_profile_id"),
        ("metadata.team", "$.metadata.team"),
        ("tier", "$.service_tier"),
        ("cache.mark", "$.cache_control"),
        ("container", "$.container"),
    ],
)
def test_a_place_is_written_as_in_the_request(place: str, path: str) -> None:
    assert DIALECT.request.locate(place) == path


@pytest.mark.parametrize(
    ("place", "path"),
    [
        ("messages[0].blocks[0].cache", "$.messages[0].content"),
        ("messages[1].blocks[0].cache", "$.messages[1].content[0].cache_control"),
        ("messages[1].blocks[0].content[0].text", "$.messages[1].content[0].content"),
        ("messages[9].blocks[0].cache", "$.messages[9].content[0].cache_control"),
        ("system[0].cache", "$.system"),
        ("output.strict", "$.output_format"),
        ("output.schema", "$.output_format.schema"),
        ("reasoning.effort", "$.output_config.effort"),
        ("reasoning", "$.output_config.effort"),
    ],
)
def test_a_place_is_written_as_this_request_spells_it(place: str, path: str) -> None:
    result = {"type": "tool_result", "tool_use_id": "t", "content": "seen"}
    request = wire(
        system="S",
        messages=[{"role": "user", "content": "Hi"}, {"role": "user", "content": [result]}],
        output_format={"type": "json_schema", "schema": {}},
    )
    assert DIALECT.locator(request)(place) == path
