"""Places in IR terms as places of a request."""

from __future__ import annotations

import pytest

from dragoman.dialects.ollama.locate import locate, place
from tests.unit.dialects.ollama.speaking import USER, asked, wire


@pytest.mark.parametrize(
    ("where", "path"),
    [
        ("sampling.seed", "$.options.seed"),
        ("sampling.repetition_penalty", "$.options.repeat_penalty"),
        ("max_output", "$.options.num_predict"),
        ("sampling.top_logprobs", "$.top_logprobs"),
        ("output", "$.format"),
        ("output.strict", "$.format"),
        ("output.schema.properties.a", "$.format.properties.a"),
        ("reasoning", "$.think"),
        ("reasoning.effort", "$.think"),
        ("truncation", "$.truncate"),
        ("messages[2].blocks[1].arguments", "$.messages[2]"),
        ("messages[2].odd", "$.messages[2].odd"),
        ("tools[1].parameters.properties.a", "$.tools[1].function.parameters.properties.a"),
        ("tools[1]", "$.tools[1]"),
        ("options.num_ctx", "$.options.num_ctx"),
        ("keep_alive", "$.keep_alive"),
    ],
)
def test_places(where: str, path: str) -> None:
    assert locate(where) == path


@pytest.mark.parametrize(
    ("where", "path"),
    [
        ("tools[0].parameters.properties.a.pattern", "$.tools[0].function.parameters"),
        ("tools[0].beside", "$.tools[0].beside"),
        ("messages[0].name", "$.messages[0]"),
        ("sampling.seed", "$.options"),
    ],
)
def test_the_nearest_place_that_a_request_has(where: str, path: str) -> None:
    tool = {"function": {"name": "f", "parameters": {}}, "beside": 1}
    assert place(wire(asked(USER, tools=[tool], options={})), where) == path
