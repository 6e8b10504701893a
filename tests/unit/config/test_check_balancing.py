"""Policies, weights and rotations that do not fit together are refused where they are written."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from dragoman.config.load import Loaded
from dragoman.errors import ConfigError

HEAD = "providers: {a: {base_url: 'http://127.0.0.1:1', keys: []}}\nmodels:\n  m:\n"


@pytest.mark.parametrize(
    ("settings", "place", "said"),
    [
        (
            "policy: fastest, deployments: [a/x, a/y]",
            "models.m.policy",
            "expected one of ordered, round_robin",
        ),
        (
            "deployments: [{use: a/x, weight: 3}, a/y]",
            "models.m.deployments[0].weight",
            "`policy: ordered`, the default, does not use weights",
        ),
        (
            "policy: cost, deployments: [a/x, {use: a/y, weight: 0.5}]",
            "models.m.deployments[1].weight",
            "`policy: cost` does not use weights",
        ),
        ("use: a/x, hedge: p95", "models.m.hedge", "there is only one deployment"),
        ("deployments: [a/x, a/x], hedge: p95", "models.m.hedge", "there is only one deployment"),
        ("deployments: [a/x, a/y], hedge: 0s", "models.m.hedge.after", "must be longer than 0 s"),
        ("deployments: [a/x, a/y], hedge: p99", "models.m.hedge", "expected p95 or a duration"),
        (
            "deployments: [a/x, a/y], hedge: {at_most: 0%}",
            "models.m.hedge.at_most",
            "never lets a second deployment be asked",
        ),
        (
            "deployments: [a/x, a/y], hedge: {at_most: 150%}",
            "models.m.hedge.at_most",
            "expected a share such as 5% or 0.05",
        ),
        (
            "deployments: [a/x, {use: a/y, weight: 0}]",
            "models.m.deployments[1].weight",
            "the order alone decides",
        ),
        (
            "policy: weighted, deployments: [{use: a/x, weight: 0}, {use: a/y, weight: 0}]",
            "models.m.deployments",
            "all weights are 0",
        ),
        (
            "policy: weighted, deployments: [{use: a/x, weight: -1}, a/y]",
            "models.m.deployments[0].weight",
            "expected a number such as 3",
        ),
        (
            "policy: cost, deployments: [{use: a/x, price: {input: 3}}]",
            "models.m.deployments[0].price",
            "`output` is required",
        ),
        ("use: a/x, concurrency: {queue: 3}", "models.m.concurrency", "limits nothing without `limit`"),
        ("use: a/x, concurrency: 0", "models.m.concurrency", "must be at least 1"),
        (
            "policy: wieghted, deployments: [{use: a/x, weight: 3}, a/y]",
            "models.m.policy",
            "expected one of ordered",
        ),
        ("rotate: {}, deployments: [a/x, a/y]", "models.m.rotate", "either `every` or `requests`"),
        (
            "rotate: {every: 1m, requests: 3}, deployments: [a/x, a/y]",
            "models.m.rotate",
            "either `every` or `requests`",
        ),
        ("rotate: 0s, deployments: [a/x, a/y]", "models.m.rotate.every", "longer than 0 s"),
        ("rotate: {requests: 0}, deployments: [a/x, a/y]", "models.m.rotate.requests", "at least 1"),
        ("rotate: 1m, use: a/x", "models.m.rotate", "only one deployment"),
        ("rotate: 1m, deployments: [a/x, {use: a/y, weight: 0}]", "models.m.rotate", "only one deployment"),
        (
            "rotate: 1m, policy: latency, deployments: [a/x, a/y]",
            "models.m.rotate",
            "`policy: latency` already says",
        ),
    ],
)
def test_what_does_not_fit_is_refused(
    loaded: Callable[..., Loaded], settings: str, place: str, said: str
) -> None:
    with pytest.raises(ConfigError) as raised:
        loaded(HEAD + f"    {{{settings}}}\n")
    (problem,) = raised.value.problems
    assert problem.path == place
    assert said in problem.message


@pytest.mark.parametrize(
    "settings",
    [
        "policy: weighted, deployments: [{use: a/x, weight: 3}, a/y, {use: a/z, weight: 0}]",
        "policy: least_busy, deployments: [a/x, {use: a/y, weight: 0}]",
        "policy: affinity, use: a/x",
        "use: a/x, concurrency: {delay: 1s, queue: 3}",
        "rotate: 1m, deployments: [a/x, a/y, {use: a/z, weight: 0}]",
        "deployments: [{use: a/x, price: {input: 1, output: 2}}, {use: a/y, weight: 1}]",
    ],
)
def test_what_fits_is_accepted(loaded: Callable[..., Loaded], settings: str) -> None:
    assert not loaded(HEAD + f"    {{{settings}}}\n").warnings
