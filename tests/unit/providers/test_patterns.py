"""Names that stand for many: which match, and what the upstream model is called."""

from __future__ import annotations

import pytest

from dragoman.providers.patterns import Pattern, by_weight, is_pattern, met_by


@pytest.mark.parametrize(
    ("pattern", "name", "matched"),
    [
        ("gpt-*", "gpt-5", "5"),
        ("gpt-*", "gpt-", None),
        ("gpt-*", "o3", None),
        ("gpt-*", "gpt-5/mini", None),
        ("*-mini", "gpt-5-mini", "gpt-5"),
        ("*-mini", "openai/gpt-5-mini", None),
        ("openai/*", "openai/gpt-5", "gpt-5"),
        ("openai/*", "openai/ft:a/b", "ft:a/b"),
        ("a*a", "a", None),
        ("a*a", "aa", None),
    ],
)
def test_what_the_star_stands_for(pattern: str, name: str, matched: str | None) -> None:
    assert Pattern.of(pattern).matched(name) == matched


@pytest.mark.parametrize(
    ("pattern", "use", "name", "upstream"),
    [
        ("openai/*", "azure/*", "openai/gpt-5", "azure/gpt-5"),
        ("gpt-*", "azure/*", "gpt-5", "azure/gpt-5"),
        ("team/gpt-*", "azure/*", "team/gpt-5", "azure/gpt-5"),
        ("claude-*", "bedrock/anthropic.*", "claude-opus", "bedrock/anthropic.opus"),
        ("team/*", "mine/qwen3", "team/x", "mine/qwen3"),
    ],
)
def test_the_upstream_model(pattern: str, use: str, name: str, upstream: str) -> None:
    one = Pattern.of(pattern)
    matched = one.matched(name)
    assert matched is not None
    assert one.upstream(use, name, matched) == upstream
    assert one.asked(use, upstream) == (name if "*" in use else None)
    assert one.asked(use, f"other-{upstream}") is None


def test_which_names_are_patterns() -> None:
    assert [name for name in ("*", "a*", "a*b*", "a", "") if is_pattern(name)] == ["a*"]


def test_the_pattern_that_states_most_counts() -> None:
    names = ["gpt-*", "x", "gpt-5-*", "o*"]
    assert by_weight(names) == ["gpt-5-*", "gpt-*", "o*"]
    assert (met_by("gpt-5-mini", names), met_by("gpt-4", names)) == ("gpt-5-*", "gpt-*")
    assert met_by("claude", names) is None
