"""Amounts for each window of time, as people write them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.config.quotas import Budget, Quota, usd

NANO = 1_000_000_000


@pytest.mark.parametrize(
    ("written", "quota", "shown"),
    [
        ("60/min", Quota(60, "minute"), "60/min"),
        ("60 per minute", Quota(60, "minute"), "60/min"),
        ("200k/min", Quota(200_000, "minute"), "200k/min"),
        ("1.5M/day", Quota(1_500_000, "day"), "1500k/day"),
        ("5/s", Quota(5, "second"), "5/s"),
        ("100/5min", Quota(100, "minute", 5), "100/5min"),
        ("100 / 5 min", Quota(100, "minute", 5), "100/5min"),
        ("1000/week", Quota(1000, "week"), "1k/week"),
        ("2G/month", Quota(2_000_000_000, "month"), "2G/month"),
        ("1000/lifetime", Quota(1000, "lifetime"), "1k/lifetime"),
        ("0/h", Quota(0, "hour"), "0/h"),
        ("24/24h", Quota(24, "hour", 24), "24/24h"),
    ],
)
def test_a_quota(written: str, quota: Quota, shown: str) -> None:
    assert Quota.parse(written) == quota
    assert str(quota) == shown
    assert Quota.parse(shown) == quota


@pytest.mark.parametrize(
    "written",
    [
        "",
        "60",
        "60/",
        "/min",
        "-1/min",
        "60/fortnight",
        "1.5/min",
        "60/0min",
        "60/25h",
        "5/2week",
        "9" * 17 + "/s",
        60,
        "60 min",
        "60perx",
        "60/min/s",
        "\uff16\uff10/min",
    ],
)
def test_no_quota(written: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the decoder's own sentence is shown
        Quota.parse(written)


@pytest.mark.parametrize(
    ("written", "budget", "shown"),
    [
        ("50 USD/month", Budget(50 * NANO, "month"), "50 USD/month"),
        ("$50/month", Budget(50 * NANO, "month"), "50 USD/month"),
        ("100 usd", Budget(100 * NANO), "100 USD"),
        ("100 USD/lifetime", Budget(100 * NANO), "100 USD"),
        ("$ 0.25 / 5min", Budget(NANO // 4, "minute", 5), "0.25 USD/5min"),
        ("0.000000001 USD/day", Budget(1, "day"), "0.000000001 USD/day"),
        ("9007199 USD", Budget(9_007_199 * NANO), "9007199 USD"),
    ],
)
def test_a_budget(written: str, budget: Budget, shown: str) -> None:
    assert Budget.parse(written) == budget
    assert str(budget) == shown
    assert Budget.parse(shown) == budget


@pytest.mark.parametrize(
    "written",
    [
        "",
        "50",
        "50/month",
        "$50 USD",
        "50 EUR/month",
        "50k USD",
        "0.0000000001 USD",
        "9007200 USD",
        "-1 USD",
        50,
    ],
)
def test_no_budget(written: object) -> None:
    with pytest.raises(ValueError):  # noqa: PT011
        Budget.parse(written)


@given(st.integers(0, 2**53 - 1))
def test_money_is_shown_exactly(nano: int) -> None:
    assert Budget.parse(f"{usd(nano)} USD").most == nano
