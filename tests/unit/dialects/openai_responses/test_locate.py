"""Places in IR terms as the paths that a client of this dialect knows."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.openai_responses.locate import locate, place
from tests.unit.dialects.openai_responses.asking import wire


@pytest.mark.parametrize(
    ("where", "path"),
    [
        ("system[1]", "$.instructions"),
        ("messages[2].blocks[0].name", "$.input[2]"),
        ("messages[2]", "$.input[2]"),
        ("max_output", "$.max_output_tokens"),
        ("messages", "$.input"),
        ("parallel", "$.parallel_tool_calls"),
        ("sampling.top_p", "$.top_p"),
        ("sampling.logprobs", "$.include"),
        ("output.kind", "$.text.format.type"),
        ("output.schema.properties.a", "$.text.format.schema.properties.a"),
        ("output.verbosity", "$.text.verbosity"),
        ("output.knob", "$.text.knob"),
        ("reasoning.effort", "$.reasoning.effort"),
        ("cache.key", "$.prompt_cache_key"),
        ("tools[1].options.location.city", "$.tools[1].user_location.city"),
        ("tools[1].options.max_uses", "$.tools[1]"),
        ("tools[0].parameters", "$.tools[0].parameters"),
        ("tool_choice", "$.tool_choice"),
        ("knob", "$.knob"),
    ],
)
def test_a_place_is_a_path(where: str, path: str) -> None:
    assert locate(where) == path


@pytest.mark.parametrize(
    ("more", "path"),
    [
        ({"previous_response_id": "resp_1"}, "$.previous_response_id"),
        ({"conversation": "conv_1"}, "$.conversation"),
        ({}, "$.previous_response_id"),
    ],
)
def test_what_a_request_continues_is_named_as_the_client_did(more: dict[str, Any], path: str) -> None:
    assert place(wire(**more), "previous") == path


CALL = {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "c", "output": [{"type": "input_text", "text": "x"}]}
SAID = {"role": "user", "content": [{"type": "input_text", "text": "x"}]}


@pytest.mark.parametrize(
    ("value", "where", "path"),
    [
        ("Hello", "messages[0].blocks[0]", "$.input"),
        ([{"role": "user", "content": "x"}], "messages[0].blocks[0].cache", "$.input[0].content"),
        ([SAID], "messages[0].blocks[0].cache", "$.input[0].content[0]"),
        ([SAID], "messages[0].name", "$.input[0]"),
        ([SAID], "messages[7].blocks[0]", "$.input[7]"),
        ([CALL], "messages[0].blocks[0].arguments", "$.input[0].arguments"),
        ([CALL], "messages[0].blocks[0].sealed", "$.input[0]"),
        ([CALL, OUTPUT], "messages[1].blocks[0].content[0].cache", "$.input[1].output[0]"),
        ([{**OUTPUT, "output": "x"}], "messages[0].blocks[0].content[0]", "$.input[0].output"),
        ("Hello", "max_output", "$.max_output_tokens"),
    ],
)
def test_a_place_in_one_request(value: Any, where: str, path: str) -> None:
    assert place(wire(input=value), where) == path


def test_what_an_item_states_is_at_the_item() -> None:
    said = {"type": "message", "role": "assistant", "content": [], "phase": "final_answer"}
    request = wire(input=[said])
    assert place(request, "messages[0].blocks[0].item.phase") == "$.input[0].phase"
    assert place(request, "messages[0].blocks[0].item.odd") == "$.input[0]"
