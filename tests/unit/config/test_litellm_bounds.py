"""LiteLLM's limits and tags as ours."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.config.litellm_bounds import bound_of, conditions


@pytest.mark.parametrize(
    ("name", "value", "section", "settings"),
    [
        ("allowed_fails", 3, "breaker", {"failures": 4}),
        ("allowed_fails", 0, "breaker", {"failures": 1}),
        ("cooldown_time", 30, "breaker", {"pause": 30}),
        ("cooldown_time", 600, "breaker", {"pause": 600, "pause_max": 600}),
        ("disable_cooldowns", True, "breaker", {"failures": 0}),
        ("retry_after", 2, "retries", {"backoff": 2}),
        ("retry_after", 10, "retries", {"backoff": 10, "backoff_max": 10}),
        ("global_max_parallel_requests", 50, "server", {"max_requests": 50}),
    ],
)
def test_general_limits(name: str, value: Any, section: str, settings: dict[str, Any]) -> None:
    bound = bound_of(name, value)
    assert bound is not None
    assert (bound.section, bound.settings) == (section, settings)


@pytest.mark.parametrize(
    ("name", "value"),
    [("allowed_fails", "3"), ("cooldown_time", 0), ("disable_cooldowns", False), ("num_retries", 3)],
)
def test_what_is_no_such_limit(name: str, value: Any) -> None:
    assert bound_of(name, value) is None


@pytest.mark.parametrize(
    ("tags", "when"),
    [
        ([[], []], [{}, {}]),
        ([["default"], []], [{}, {}]),
        ([["free"], ["paid", "vip"]], [{"tags": ["free"]}, {"tags": ["paid", "vip"]}]),
        ([["free"], []], [{"tags": ["free"]}, {"without_tags": ["free"]}]),
        ([["free"], ["default", "x"]], [{"tags": ["free"]}, {"without_tags": ["free"]}]),
    ],
)
def test_tags_become_conditions(tags: list[list[str]], when: list[dict[str, list[str]]]) -> None:
    assert conditions(tags) == when
