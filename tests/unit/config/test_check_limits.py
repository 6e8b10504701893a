"""Limits that cannot be kept, or that would share their counters."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dragoman.config.load import Loaded, load
from dragoman.errors import ConfigError

HEAD = "providers: {a: {base_url: 'http://127.0.0.1:1', keys: []}}\n"
AT = "dragoman.yaml:2: "


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("limits: {x: {}}", "limits.x: limits nothing (requests: 60/min)"),
        (
            "limits: {x: {requests: 60}}",
            (
                "limits.x.requests: expected an amount for each window of time, such as 60/min, 200k/5min or"
                " 2M/day, found `60`"
            ),
        ),
        (
            "limits: {x: {request: 60/min, tokens: 1/s}}",
            "limits.x.request: unknown setting (did you mean requests?)",
        ),
        (
            "limits: {a b: {requests: 1/s}}",
            'limits."a b": a limit\'s name has letters, digits, `.`, `_` and `-`, at most 64 in all',
        ),
        (
            "limits: {x: {scope: global, only: [k], requests: 1/s}}",
            "limits.x.only: `scope: global` counts all requests together (leave `only` out)",
        ),
        (
            "limits: {x: {scope: model, concurrency: 3}}",
            (
                "limits.x.concurrency: requests for models and providers wait in a queue instead (set"
                " models.NAME.concurrency)"
            ),
        ),
        (
            "limits: {x: {scope: provider, only: [b], requests: 1/s}}",
            "limits.x.only[0]: there is no provider b (valid names: a, local, simulate)",
        ),
        (
            "limits: {x: {scope: deployment, only: [a], requests: 1/s}}",
            "limits.x.only[0]: expected `provider/model`, found `a`",
        ),
        (
            "auth: {keys: [{name: k, key: 0123456789abcdef0, limits: [{requests: 6/s}, {requests: 7/s}]}]}",
            (
                "auth.keys[0].limits[1].requests: two limits for the same window of time: the smaller"
                " one alone would count (keep the smaller one)"
            ),
        ),
        (
            (
                "models: {m: {deployments: [{use: a/x, limits: {tokens: 1/s}}]},"
                " n: {deployments: [{use: a/x, limits: {tokens: 2/s}}]}}"
            ),
            (
                "models.n.deployments[0].limits: differs from models.m.deployments[0].limits, and both are"
                " for a/x (state the limits of a deployment once)"
            ),
        ),
        (
            "server: {trusted_proxies: [10.0.0.0/8, proxy]}",
            "server.trusted_proxies[1]: expected an address or a network such as 203.0.113.0/24",
        ),
    ],
)
def test_mistakes(mistakes: Callable[..., list[str]], text: str, problem: str) -> None:
    assert mistakes(HEAD + text + "\n") == [AT + problem]


def test_a_mistake_hides_none_of_a_limit_whose_name_its_own_begins_with(
    mistakes: Callable[..., list[str]],
) -> None:
    found = mistakes(HEAD + "limits: {day: {}, days: {requests: 60}}\n")
    assert [one.split(": ")[1] for one in found] == ["limits.day", "limits.days.requests"]
    found = mistakes(HEAD + "limits: {day: {requests: 60}}\n")
    assert [one.split(": ")[1] for one in found] == ["limits.day.requests"]
    found = mistakes(HEAD + "models: {m: {}, mm: {deployments: 5}}\n")
    assert [one.split(": ")[1] for one in found] == ["models.m", "models.mm.deployments[0].use"]


def test_limits_of_different_models_are_two_limits(loaded: Callable[..., Loaded]) -> None:
    text = (
        "auth: {keys: [{name: k, key: 0123456789abcdef0,"
        " limits: [{requests: 6/min}, {requests: 7/min, models: [a/x]}]}]}\n"
    )
    assert len(loaded(HEAD + text).config.auth.keys[0].limits) == 2


def test_a_model_that_no_limit_can_meet(loaded: Callable[..., Loaded]) -> None:
    (doubt,) = loaded(HEAD + "limits: {x: {requests: 1/s, models: [gtp]}}\n").doubts
    assert str(doubt.problem.path) == "limits.x.models[0]"
    assert doubt.problem.message == "there is no model or alias `gtp`"


def test_keys_of_one_name_have_the_same_limits(mistakes: Callable[..., list[str]]) -> None:
    text = (
        "auth: {keys: [{name: k, key: 0123456789abcdef0}, {name: k, key: 0123456789abcdef1,"
        " limits: {requests: 1/s}}]}\n"
    )
    (problem,) = mistakes(HEAD + text)
    assert "the name k is taken by a key with other limits" in problem


def test_a_wish_for_a_price_without_a_limit_on_money_is_odd(loaded: Callable[..., Loaded]) -> None:
    found = loaded(HEAD + "limits: {x: {requests: 1/s, unknown_price: refuse}}\n")
    assert [one.path for one in found.warnings] == ["limits.x.unknown_price"]


def test_a_limit_may_name_an_upstream_of_the_program() -> None:
    limits = {"x": {"scope": "provider", "only": ["mine"], "requests": "60/min"}}
    assert load({"limits": limits}, {}, own=["mine"]).config.limits.keys() == {"x"}


def test_a_provider_that_cannot_be_read_is_reported_once(loaded: Callable[..., Loaded]) -> None:
    with pytest.raises(ConfigError) as failed:
        loaded("providers: {b: [1]}\nlimits: {x: {scope: provider, only: [b], requests: 1/s}}\n")
    (problem,) = failed.value.problems
    assert problem.path == "providers.b"


def test_an_empty_list_of_a_limit_is_odd_because_it_means_all(loaded: Callable[..., Loaded]) -> None:
    text = """
limits:
  x: {requests: 1/s, only: [], models: []}
  y: {requests: 1/s}
models: {m: {use: simulate/x, limits: {requests: 1/s, models: []}}}
auth: {keys: [{name: k, key: "0123456789abcdef0123", limits: [{tokens: 1/s, models: []}]}]}
"""
    found = {problem.path: problem.message for problem in loaded(text).warnings}
    assert found == {
        "limits.x.models": "an empty list counts requests for all models",
        "limits.x.only": "an empty list counts everybody, as without `only`",
        "models.m.limits.models": "an empty list counts requests for all models",
        "auth.keys[0].limits[0].models": "an empty list counts requests for all models",
    }
