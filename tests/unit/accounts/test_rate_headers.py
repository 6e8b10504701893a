"""What headers tell clients about their limits."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from dragoman.accounts.caller import Caller
from dragoman.accounts.claims import Applied, Limits
from dragoman.accounts.counters import MemoryLedger
from dragoman.accounts.limits import Limit
from dragoman.seams.clock import Seams

NOW = datetime(2026, 11, 23, 15, 4, 38, 500_000, tzinfo=UTC).timestamp()


def after(used: dict[str, int], *limits: Limit, form: Any) -> dict[str, str]:
    """The headers when so much was used of each limit, by its name."""
    ledger = MemoryLedger(Seams(now=lambda: NOW))
    found = Limits(limits).found(Caller("ci"), ("m",), None)
    assert found is not None
    applied = Applied(found)
    claims = applied.standing_claims(NOW)
    ledger.seed({one.counter: used.get(one.limit.name, 0) for one in claims})
    told = applied.rate_headers(form, NOW).add([], ledger.standing, NOW)
    return {name.decode(): value.decode() for name, value in told}


LIMITS = (
    Limit("wide", "requests", 1000, "day"),
    Limit("narrow", "requests", 60, "minute"),
    Limit("tokens", "tokens", 200_000, "minute"),
    Limit("input", "input_tokens", 100_000, "minute"),
)
USED = {"wide": 10, "narrow": 20, "tokens": 150_000, "input": 90_000}


def test_headers_of_openai() -> None:
    assert after(USED, *LIMITS, form="openai") == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "40",
        "x-ratelimit-reset-requests": "22s",
        "x-ratelimit-limit-tokens": "100000",
        "x-ratelimit-remaining-tokens": "10000",
        "x-ratelimit-reset-tokens": "22s",
    }


def test_the_limit_that_leaves_least_is_told() -> None:
    assert after({"wide": 990, "narrow": 20}, *LIMITS[:2], form="openai") == {
        "x-ratelimit-limit-requests": "1000",
        "x-ratelimit-remaining-requests": "10",
        "x-ratelimit-reset-requests": "8h55m22s",
    }


def test_soft_limits_refuse_nothing_so_they_leave_no_remainder() -> None:
    soft = Limit("soft", "requests", 5, "day", hard=False)
    assert after({"soft": 9}, soft, form="openai") == {}
    told = after({"soft": 9, "narrow": 20}, soft, LIMITS[1], form="standard")
    assert told["ratelimit-remaining"] == "40"


def test_headers_of_anthropic() -> None:
    assert after(USED, *LIMITS, form="anthropic") == {
        "anthropic-ratelimit-requests-limit": "60",
        "anthropic-ratelimit-requests-remaining": "40",
        "anthropic-ratelimit-requests-reset": "2026-11-23T15:05:00Z",
        "anthropic-ratelimit-tokens-limit": "200000",
        "anthropic-ratelimit-tokens-remaining": "50000",
        "anthropic-ratelimit-tokens-reset": "2026-11-23T15:05:00Z",
        "anthropic-ratelimit-input-tokens-limit": "100000",
        "anthropic-ratelimit-input-tokens-remaining": "10000",
        "anthropic-ratelimit-input-tokens-reset": "2026-11-23T15:05:00Z",
    }


def test_headers_of_others() -> None:
    assert after(USED, *LIMITS, form="standard") == {
        "ratelimit-limit": "60",
        "ratelimit-remaining": "40",
        "ratelimit-reset": "22",
    }
    assert after(USED, LIMITS[2], form="standard") == {
        "ratelimit-limit": "200000",
        "ratelimit-remaining": "50000",
        "ratelimit-reset": "22",
    }


def test_what_is_overdrawn_leaves_nothing_and_a_lifetime_has_no_reset() -> None:
    assert after({"x": 70}, Limit("x", "requests", 60, "lifetime"), form="openai") == {
        "x-ratelimit-limit-requests": "60",
        "x-ratelimit-remaining-requests": "0",
    }
    assert (
        after({}, Limit("x", "money", 60, "month"), Limit("c", "concurrency", 1, None), form="openai") == {}
    )
