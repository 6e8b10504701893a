"""Limits as operators write them, and the limits that they mean."""

from __future__ import annotations

from collections.abc import Callable

from dragoman.accounts.limits import Limit
from dragoman.config.limits import Bounds, LimitEntry
from dragoman.config.load import Loaded
from dragoman.config.quotas import Budget, Quota
from dragoman.config.scalars import Share

HEAD = "providers: {a: {base_url: 'http://127.0.0.1:1', keys: []}}\n"


def test_one_entry_has_several_resources_and_windows(loaded: Callable[..., Loaded]) -> None:
    config = loaded(
        HEAD + "limits:\n  each: {requests: [60/min, 1000/day], money: 5 USD/day, warn_at: 80%, soft: true}\n"
    ).config
    assert config.limits == {
        "each": LimitEntry(
            requests=(Quota(60, "minute"), Quota(1000, "day")),
            money=(Budget(5_000_000_000, "day"),),
            warn_at=Share(0.8),
            soft=True,
        )
    }
    entry = config.limits["each"]
    assert entry.limits("each", entry.scope, None) == (
        Limit("each", "requests", 60, "minute", hard=False, warn_at=0.8),
        Limit("each", "requests", 1000, "day", hard=False, warn_at=0.8),
        Limit("each", "money", 5_000_000_000, "day", hard=False, warn_at=0.8),
    )


def test_limits_stand_where_they_belong(loaded: Callable[..., Loaded]) -> None:
    config = loaded(
        "providers: {a: {base_url: 'http://127.0.0.1:1', keys: [], limits: {requests: 500/min}}}\n"
        "models: {m: {deployments: [{use: a/one, limits: {tokens: 1M/min}}], limits: [{requests: 5/s}]}}\n"
        "auth: {keys: [{name: k, key: 0123456789abcdef0, limits: {concurrency: 2, models: [m, 'a/*']}}]}\n"
    ).config
    assert config.providers.named["a"].limits == (Bounds(requests=(Quota(500, "minute"),)),)
    assert config.models["m"].limits == (Bounds(requests=(Quota(5, "second"),)),)
    assert config.models["m"].deployments[0].limits == (Bounds(tokens=(Quota(1_000_000, "minute"),)),)
    (held,) = config.auth.keys[0].limits
    assert held.limits("key k", "key", ["k"]) == (
        Limit(
            *("key k", "concurrency", 2, None, "key"),
            only=frozenset({"k"}),
            models=frozenset({"m", "a/*"}),
        ),
    )


def test_only_the_limit_on_money_asks_for_a_price(loaded: Callable[..., Loaded]) -> None:
    entry = loaded(
        HEAD + "limits: {m: {scope: tenant, only: [x], money: $1, unknown_price: refuse}}\n"
    ).config.limits["m"]
    (limit,) = entry.limits("m", entry.scope, entry.only)
    assert (limit.unknown_price, limit.subject, limit.only) == ("refuse", "tenant", frozenset({"x"}))
