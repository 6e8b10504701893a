"""LiteLLM's limits and tags as ours."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.config.litellm_bounds import bound_of, budgets_of, conditions, limits_of
from dragoman.config.quotas import Budget, Quota


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


@pytest.mark.parametrize(
    ("stated", "limits"),
    [
        ({"rpm": 60, "tpm": 100_000}, {"requests": "60/min", "tokens": "100000/min"}),
        ({"max_budget": 0.5, "budget_duration": "1d"}, {"money": "0.5 USD/day"}),
        ({"max_budget": 100, "budget_duration": "30d"}, {"money": "100 USD/month"}),
        ({"max_budget": 100}, {"money": "100 USD"}),
        ({"max_budget": 1e-7, "budget_duration": "30s"}, {"money": "0.0000001 USD/30s"}),
        ({"max_budget": 1, "budget_duration": "12h"}, {"money": "1 USD/12h"}),
        ({"max_budget": 1, "budget_duration": "90m"}, {"money": "1 USD/90min"}),
        ({"max_budget": 1, "budget_duration": "weekly"}, {"money": "1 USD/week"}),
        ({"max_budget": 1, "budget_duration": "14d"}, {}),
        ({"rpm": "60", "tpm": 0, "max_budget": -1}, {}),
        ({}, {}),
    ],
)
def test_limits_of_a_deployment(stated: dict[str, Any], limits: dict[str, str]) -> None:
    assert limits_of(stated) == limits
    for resource, text in limits.items():
        (Budget if resource == "money" else Quota).parse(text)


def test_general_budgets() -> None:
    stated = {
        "max_budget": 10,
        "budget_duration": "30d",
        "max_internal_user_budget": 5,
        "internal_user_budget_duration": "1mo",
        "max_end_user_budget": 0.0001,
    }
    assert budgets_of(stated) == {
        "litellm-budget": {"scope": "global", "money": "10 USD/month"},
        "litellm-user-budget": {"scope": "user", "money": "5 USD/month"},
        "litellm-end-user-budget": {"scope": "end_user", "money": "0.0001 USD"},
    }
    assert budgets_of({"max_budget": 10, "budget_duration": "40d"}) == {}
