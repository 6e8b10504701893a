"""Places of the IR in a client's request."""

from __future__ import annotations

import pytest

from dragoman.dialects.cohere.locate import locate, place
from tests.unit.dialects.cohere.speaking import wire


@pytest.mark.parametrize(
    ("where", "path"),
    [
        ("sampling.top_p", "$.p"),
        ("sampling.seed", "$.seed"),
        ("max_output", "$.max_tokens"),
        ("output.schema", "$.response_format.json_schema"),
        ("reasoning.budget", "$.thinking.token_budget"),
        ("messages[2].blocks[1].text", "$.messages[2]"),
        ("tools[0].strict", "$.strict_tools"),
        ("tools[0].description", "$.tools[0].function.description"),
        ("safety_mode", "$.safety_mode"),
    ],
)
def test_without_a_request(where: str, path: str) -> None:
    assert locate(where) == path


def test_in_a_request() -> None:
    request = wire(thinking={"type": "enabled"}, p=0.5)
    assert place(request, "sampling.top_p") == "$.p"
    assert place(request, "reasoning.budget") == "$.thinking"
    assert place(request, "messages[0].blocks[0].text") == "$.messages[0]"
