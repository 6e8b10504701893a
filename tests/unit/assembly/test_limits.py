"""The limits of a configuration, and the counters that go on after a restart."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from dragoman.accounts.counters import MemoryLedger
from dragoman.accounts.limits import Limit, Standing
from dragoman.accounts.watch import LimitEvent
from dragoman.assembly.limits import held_limits, limits_of, restore, seeds, teller
from dragoman.config.load import load
from dragoman.seams.clock import Seams
from dragoman.state.store import StoreFailed
from dragoman.state.usage_archive import Spent
from dragoman.state.usage_sums import Dimension

NOW = datetime(2026, 11, 23, 15, 4, 38, tzinfo=UTC).timestamp()
DAY, MONTH = (int(datetime(2026, 11, day, tzinfo=UTC).timestamp()) for day in (23, 1))


def test_the_limits_of_all_sections_are_found_by_their_names() -> None:
    config = load(
        {
            "providers": {
                "a": {"base_url": "http://127.0.0.1:1", "keys": [], "limits": {"requests": "9/min"}}
            },
            "models": {
                "m": {
                    "limits": {"tokens": "8/day"},
                    "deployments": [{"use": "a/x", "limits": {"money": "7 USD"}}, "a/y"],
                },
                "n": {"deployments": [{"use": "a/x", "limits": {"money": "7 USD"}}]},
            },
            "limits": {"each": {"scope": "tenant", "only": ["acme"], "requests": "6/s"}},
            "auth": {"keys": [{"name": "k", "key": "0123456789abcdef", "limits": {"concurrency": 5}}]},
        },
        {},
    ).config
    assert list(limits_of(config)) == [
        Limit("each", "requests", 6, "second", "tenant", only=frozenset({"acme"})),
        Limit("provider a", "requests", 9, "minute", "provider", only=frozenset({"a"})),
        Limit("model m", "tokens", 8, "day", "model", only=frozenset({"m"})),
        Limit("deployment a/x", "money", 7_000_000_000, "lifetime", "deployment", only=frozenset({"a/x"})),
    ]
    assert list(held_limits(config, None)) == [
        Limit("key k", "concurrency", 5, None, "key", only=frozenset({"k"}))
    ]


class Records:
    """Usage records of a day and of a month. asked: what was asked of them."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, Dimension | None]] = []

    async def spent(self, since: float, dimension: Dimension | None) -> Mapping[str, Spent]:
        self.asked.append((since, dimension))
        if dimension is None:
            return {"": Spent(9, 90, 9, 900, 12)}
        many = since == MONTH
        return {
            "acme": Spent(5, 40, 5, 600 if many else 60, 3),
            "lab": Spent(1, 2, 3, 4, 2),
            "": Spent(7, 7, 7, 7, 7),
        }


async def test_what_was_used_in_running_windows_is_restored() -> None:
    limits = [
        Limit("r", "requests", 9, "day", "tenant"),
        Limit("t", "tokens", 9, "day", "tenant", only=frozenset({"acme"})),
        Limit("o", "output_tokens", 9, "day", "tenant", only=frozenset({"l*"})),
        Limit("m", "money", 9, "month", "tenant", only=frozenset({"acme"})),
        Limit("all", "input_tokens", 9, "lifetime", "global"),
        Limit("here", "requests", 9, "day", "address"),
        Limit("some", "requests", 9, "day", "tenant", models=frozenset({"x"})),
        Limit("now", "concurrency", 9, None, "tenant"),
        Limit("attempts", "requests", 9, "month", "provider"),
    ]
    records = Records()
    assert await seeds(limits, records, NOW) == {
        f"r|requests|1day||acme|{DAY}": 3,
        f"r|requests|1day||lab|{DAY}": 1,
        f"t|tokens|1day||acme|{DAY}": 45,
        f"o|output_tokens|1day||lab|{DAY}": 3,
        f"m|money|1month||acme|{MONTH}": 600,
        "all|input_tokens|1lifetime||*|0": 90,
        f"attempts|requests|1month||acme|{MONTH}": 3,
        f"attempts|requests|1month||lab|{MONTH}": 2,
    }
    assert records.asked == [(DAY, "tenant"), (MONTH, "tenant"), (0, None), (MONTH, "provider")]


async def test_counters_begin_with_it() -> None:
    ledger = MemoryLedger(Seams(now=lambda: NOW))
    await restore(ledger, [Limit("all", "requests", 9, "day", "global")], Records(), NOW)
    assert await ledger.standings() == {f"all|requests|1day||*|{DAY}": Standing(9, 0)}


async def test_without_records_counters_begin_at_zero(caplog: pytest.LogCaptureFixture) -> None:
    class Lost(Records):
        async def spent(self, since: float, dimension: Dimension | None) -> Mapping[str, Spent]:
            raise StoreFailed("the disk is gone")

    ledger = MemoryLedger(Seams(now=lambda: NOW))
    with caplog.at_level(logging.WARNING):
        await restore(ledger, [Limit("all", "requests", 9, "day", "global")], Lost(), NOW)
    assert await ledger.standings() == {}
    assert "the disk is gone" in caplog.text


def test_operators_read_events_in_the_log_and_as_alerts(caplog: pytest.LogCaptureFixture) -> None:
    alerts: list[dict[str, Any]] = []
    event = LimitEvent("limit_warning", "each", "key ci", "5 requests per minute", "the limit is 80 % used")
    with caplog.at_level(logging.WARNING):
        teller(lambda: 12.0, alerts.append)(event)
        teller(lambda: 12.0, None)(event)
    assert caplog.messages == ["the limit is 80 % used"] * 2
    (alert,) = alerts
    assert (alert["type"], alert["at"], alert["whose"]) == ("limit_warning", 12.0, "key ci")
    assert (alert["limit"], alert["message"]) == ("each: 5 requests per minute", "the limit is 80 % used")
