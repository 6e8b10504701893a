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
            "policy: cost, deployments: [{use: a/x, price: {input: 3, outputs: 4}}]",
            "models.m.deployments[0].price.outputs",
            "unknown unit",
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


PRICE = "price: {input: 1, output: 2}"
FREE = "price: {input: 0, output: 0}"


@pytest.mark.parametrize(
    ("settings", "place", "said"),
    [
        ("deployments: [a/x, a/y], max_cost: {}", "models.m.max_cost", "set `times` or `usd`"),
        (
            f"deployments: [{{use: a/x, {PRICE}}}, a/y], max_cost: 3",
            "models.m.deployments[1].price",
            "of a/y",
        ),
        (
            f"deployments: [a/y, {{use: a/x, {PRICE}}}], max_cost: 3",
            "models.m.deployments[0].price",
            "of a/y",
        ),
        ("use: a/x, fallbacks: [b], max_cost: 3", "models.m.max_cost", "the price of a/x"),
        (
            f"deployments: [{{use: a/x, {PRICE}}}], fallbacks: {{content: [a/z]}}, max_cost: 3",
            "models.m.fallbacks.content[0]",
            "the price of a/z",
        ),
        (
            f"deployments: [{{use: a/x, {PRICE}}}], fallbacks: [c], max_cost: 3",
            "models.m.fallbacks.any[0]",
            "the price of a/c",
        ),
        (
            f"deployments: [{{use: a/x, {PRICE}}}, {{use: a/y, {PRICE}}}], max_cost: 0.5",
            "models.m.max_cost.times",
            "less than 1",
        ),
        (
            "use: a/x, concurrency: {delay: 9s, wait: 5s}",
            "models.m.concurrency.wait",
            "as long as `delay` (9s)",
        ),
    ],
)
def test_a_bound_on_the_cost_needs_prices(
    loaded: Callable[..., Loaded], settings: str, place: str, said: str
) -> None:
    others = f"  b: {{deployments: [{{use: a/b, {PRICE}}}]}}\n  c: a/c\n"
    with pytest.raises(ConfigError) as raised:
        loaded(HEAD + f"    {{{settings}}}\n{others}")
    assert place in {problem.path for problem in raised.value.problems}
    assert all(said in problem.message for problem in raised.value.problems if problem.path == place)


def test_an_alias_with_fallbacks_of_its_own_is_bound_as_its_model(loaded: Callable[..., Loaded]) -> None:
    settings = f"deployments: [{{use: a/x, {PRICE}}}, {{use: a/y, {PRICE}}}], max_cost: 3"
    with pytest.raises(ConfigError) as raised:
        loaded(HEAD + f"    {{{settings}}}\naliases: {{n: {{route: m, fallbacks: [a/z]}}}}\n")
    assert [one.path for one in raised.value.problems] == ["aliases.n.fallbacks.any[0]"]


def test_a_price_that_another_model_states_is_known(loaded: Callable[..., Loaded]) -> None:
    settings = f"deployments: [{{use: a/x, {PRICE}}}], fallbacks: [a/b, b], max_cost: {{usd: 0}}"
    others = f"  b: {{deployments: [{{use: a/b, {PRICE}}}]}}\n"
    assert not loaded(HEAD + f"    {{{settings}}}\n{others}").warnings


@pytest.mark.parametrize(
    ("settings", "warning"),
    [
        (
            "use: a/x, policy: weighted",
            "models.m.policy: there is only one deployment, so `weighted` chooses nothing",
        ),
        ("deployments: [a/x, a/y], policy: cost", "models.m.policy: no deployment has a price"),
        (
            f"deployments: [{{use: a/x, {PRICE}}}, a/y, a/z], policy: cost",
            "models.m.policy: asked last, because they have no price: a/y, a/z",
        ),
        ("use: a/x, switch_after: 5s", "models.m.switch_after: there is no other deployment and no fallback"),
        (
            "use: a/x, switch_after: 5s, fallbacks: {context: [a/y]}",
            "models.m.switch_after: there is no other deployment and no fallback",
        ),
        (
            "deployments: [a/x, a/y], hedge: 5s, switch_after: 5s",
            "models.m.hedge.after: the first attempt is left before, by switch_after (5s)",
        ),
        (
            "deployments: [a/x, a/y], hedge: 5s, timeouts: {total: 4s}",
            "models.m.hedge.after: an attempt is ended before, by timeouts.total (4s)",
        ),
        (
            "deployments: [a/x, a/y], switch_after: 5s, timeouts: {total: 5s}",
            "models.m.switch_after: an attempt is ended before, by timeouts.total (5s)",
        ),
        (
            f"max_cost: 3, deployments: [{{use: a/x, {FREE}}}, {{use: a/y, {PRICE}}}]",
            "models.m.max_cost.times: the first choice costs nothing",
        ),
        (
            "use: a/x, context_window: 9000, fallbacks: {context: [w]}",
            "models.m.fallbacks.context[0]: its context window (8000) is no larger than this model's (9000)",
        ),
        ("use: a/x, max_cost: 3", "models.m.max_cost: there is no other deployment and no fallback"),
        ("use: a/x, fallbacks: [a/y, a/z, a/y]", "models.m.fallbacks.any[2]: a/y is listed twice"),
        (
            "use: a/x, concurrency: {limit: 1, queue: 0, wait: 5s}",
            "models.m.concurrency.wait: with `queue: 0` no request waits",
        ),
    ],
)
def test_what_does_nothing_is_a_warning(loaded: Callable[..., Loaded], settings: str, warning: str) -> None:
    others = "  w: {deployments: [{use: a/w, context_window: 8000}]}\n"
    (found,) = loaded(HEAD + f"    {{{settings}}}\n{others}").warnings
    assert str(found).partition(": ")[2].startswith(warning)


@pytest.mark.parametrize(
    "settings",
    [
        "use: a/x, switch_after: 0",
        "deployments: [a/x, a/y], hedge: 5s, switch_after: 6s",
        "deployments: [a/x, a/y], hedge: 5s, switch_after: 0",
        "deployments: [a/x, a/y], hedge: p95, switch_after: 6s",
        "use: a/x, switch_after: 5s, fallbacks: [a/y]",
        f"deployments: [{{use: a/x, {PRICE}}}, {{use: a/y, {PRICE}}}], policy: cost, max_cost: 1",
        f"deployments: [{{use: a/x, {PRICE}}}, {{use: a/y, {PRICE}}}], max_cost: {{times: 2, usd: 0.5}}",
        "use: a/x, fallbacks: {any: [a/y], context: [a/y]}",
        "use: a/x, context_window: 9000, fallbacks: {any: [w], context: [v, a/y]}",
        "use: a/x, concurrency: {limit: 1, queue: 0}",
        "use: a/x, concurrency: {limit: 1, wait: 0}",
    ],
)
def test_what_works_is_accepted_without_a_word(loaded: Callable[..., Loaded], settings: str) -> None:
    others = (
        "  w: {use: a/w, context_window: 8000}\n  v: {deployments: [{use: a/v, context_window: 8000}, a/y]}\n"
    )
    assert not loaded(HEAD + f"    {{{settings}}}\n{others}").warnings
