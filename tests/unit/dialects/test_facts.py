"""What the facts of a model say of a body, and when they can make it fail."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.facts import UNKNOWN, Facts


@pytest.mark.parametrize(
    ("facts", "body", "takes"),
    [
        (UNKNOWN, {"temperature": 0.5, "max_tokens": 1}, True),
        (Facts(sampling=False), {"temperature": 1, "top_p": None}, True),
        (Facts(sampling=False), {"top_p": 0.5}, False),
        (Facts(max_tokens=False), {"max_tokens": 1}, False),
        (Facts(max_tokens=False), {"max_completion_tokens": 1, "max_tokens": None}, True),
    ],
)
def test_a_body_that_the_model_takes(facts: Facts, body: dict[str, Any], takes: bool) -> None:
    assert facts.takes(body) is takes


def test_only_what_a_model_cannot_do_restricts() -> None:
    assert not UNKNOWN.restricts
    assert not Facts(tools=True, reasoning=False).restricts
    assert Facts(images=False).restricts
