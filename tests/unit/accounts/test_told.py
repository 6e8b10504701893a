"""What clients read about their limits."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest

from dragoman.accounts.ledger import Refused
from dragoman.accounts.limits import NANO, Claim, Limit, Standing
from dragoman.accounts.told import fault, lasting, unpriced, usd
from dragoman.accounts.windows import prefix_of
from dragoman.state.counters import span

NOW = datetime(2026, 11, 23, 15, 4, 38, 500_000, tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0s"),
        (-1, "0s"),
        (0.0201, "21ms"),
        (0.998, "998ms"),
        (0.9999, "1s"),
        (1, "1s"),
        (62.5, "1m3s"),
        (3600, "1h0m0s"),
        (7205, "2h0m5s"),
        (86_400 * 6 + 86_340, "6d23h59m0s"),
    ],
)
def test_durations_as_openai_writes_them(seconds: float, text: str) -> None:
    assert lasting(seconds) == text


@pytest.mark.parametrize(
    ("nano", "text"),
    [(5 * NANO, "5.00"), (NANO // 4, "0.25"), (120_000, "0.00012"), (1_234_567_000, "1.234567"), (1, "0.00")],
)
def test_money(nano: int, text: str) -> None:
    assert usd(nano) == text


def refused(
    limit: Limit, value: str, amount: int, standing: tuple[int, int], again: float | str | None = "ends"
) -> Refused:
    start, ends = span(limit.window, limit.every, NOW)
    claim = Claim(limit, f"{prefix_of(limit, value)}{start}", ends, amount)
    return Refused(claim, Standing(*standing), ends if again == "ends" else again)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("found", "kind", "code", "wait", "message"),
    [
        (
            refused(Limit("each", "requests", 60, "minute"), "ci", 1, (58, 2)),
            *("rate_limit", "rate_limit_exceeded", 21.5),
            (
                "The rate limit `each` of key ci is reached. Of 60 requests per minute, 58 requests are"
                " used and 2 requests reserved by running requests. Try again in 22s."
            ),
        ),
        (
            refused(Limit("key ci", "money", 5 * NANO, "day"), "ci", NANO // 50, (4_990_000_000, 0)),
            *("quota", "insufficient_quota", 32_121.5),
            (
                "The budget of key ci is used up. Of 5.00 USD per day, 4.99 USD are used; this request may"
                " need 0.02 USD. It starts again at 2026-11-24T00:00:00Z."
            ),
        ),
        (
            refused(Limit("key ci", "money", 5 * NANO, "month"), "ci", 3 * NANO, (NANO, 2 * NANO), NOW + 1),
            *("quota", "insufficient_quota", 1.0),
            (
                "The budget of key ci has no room for this request beside those that run. Of 5.00 USD per"
                " month, 1.00 USD are used and 2.00 USD reserved by running requests; this request may need"
                " 3.00 USD. Try again in 1s."
            ),
        ),
        (
            refused(Limit("each", "requests", 2, "minute"), "ci", 1, (1, 1)),
            *("rate_limit", "rate_limit_exceeded", 21.5),
            (
                "The rate limit `each` of key ci is reached. Of 2 requests per minute, 1 request is"
                " used and 1 request reserved by running requests. Try again in 22s."
            ),
        ),
        (
            refused(Limit("tenant acme", "tokens", 100, "lifetime", "tenant"), "acme", 7, (99, 0), None),
            *("quota", "insufficient_quota", None),
            (
                "The budget of tenant acme is used up. Of 100 tokens in all, 99 tokens are used; this request"
                " may need 7 tokens. It does not start again by itself; whoever runs this gateway can"
                " raise it."
            ),
        ),
        (
            refused(Limit("all", "money", 5 * NANO, "month", "global"), "*", 9, (5 * NANO, 0)),
            *("quota", "insufficient_quota", 636_921.5),
            "The budget `all` is used up. It is 5.00 USD per month. It starts again at 2026-12-01T00:00:00Z.",
        ),
        (
            refused(Limit("each", "concurrency", 8, None), "ci", 1, (0, 8), None),
            *("rate_limit", "rate_limit_exceeded", 1.0),
            "The limit `each` of key ci is reached. It is 8 requests at once, and 8 run. Try again in 1s.",
        ),
        (
            refused(Limit("each", "tokens", 1000, "minute", every=5), "ci", 1200, (0, 0), None),
            *("rate_limit", "rate_limit_exceeded", None),
            (
                "The rate limit `each` of key ci is smaller than this request. It is 1000 tokens per 5"
                " minutes,"
                " and this request may need 1200 tokens. Ask for less output (max_tokens), or shorten"
                " the prompt."
            ),
        ),
        (
            refused(Limit("per-tag", "requests", 1, "second", "tag"), "batch", 1, (1, 0)),
            *("rate_limit", "rate_limit_exceeded", 0.5),
            (
                "The rate limit `per-tag` of tag batch is reached. It is 1 request per second. Try again in"
                " 500ms."
            ),
        ),
        (
            refused(Limit("day", "requests", 10, "day"), "ci", 1, (10, 0)),
            *("rate_limit", "rate_limit_exceeded", 32_121.5),
            (
                "The rate limit `day` of key ci is reached. Of 10 requests per day, 10 requests are used. It"
                " starts again at 2026-11-24T00:00:00Z."
            ),
        ),
    ],
)
def test_why_a_request_is_refused(
    found: Refused, kind: str, code: str, wait: float | None, message: str
) -> None:
    told = fault(found, NOW)
    assert (told.kind, told.code, told.http_status, told.blame) == (kind, code, 429, "client")
    assert told.message == message
    assert told.retry_after == wait


def test_a_price_that_is_not_known() -> None:
    told = unpriced(Limit("each", "money", 5, "day", unknown_price="refuse"))
    assert (told.kind, told.code, told.http_status) == ("permission", "unknown_price", 403)
    assert "budget `each`" in told.message


def test_of_a_long_name_a_part_of_its_hash_is_shown() -> None:
    found = refused(Limit("each", "requests", 60, "minute"), "x" * 100, 1, (60, 0))
    assert re.search("of key #[0-9a-f]{12} is reached", fault(found, NOW).message)
