"""Patterns of the models that a vendor has in one of its protocols."""

from __future__ import annotations

import pytest

from dragoman.providers.vendor import expression


@pytest.mark.parametrize(
    ("patterns", "matched"),
    [
        (["a*", "b"], {"a", "ab", "b"}),
        (["!a*", "!c"], {"b", "d"}),
        (["b", "!a*"], {"b", "c", "d"}),
    ],
)
def test_patterns_name_the_models_that_are_asked_or_those_that_are_not(
    patterns: list[str], matched: set[str]
) -> None:
    assert {name for name in ("a", "ab", "b", "c", "d") if expression(patterns).match(name)} == matched
