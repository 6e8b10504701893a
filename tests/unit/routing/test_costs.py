"""What another deployment may cost in place of the first choice."""

from __future__ import annotations

import pytest

from dragoman.routing.costs import MaxCost, Offer, Tokens, first_choice, too_dear
from dragoman.routing.spread import PolicyName, Price, Rotation, Spread

CHEAP, EVEN, DEAR = Price(1, 2), Price(2, 1), Price(5, 25)
FIRST = Offer("a/x", CHEAP)


def never() -> Tokens:
    raise AssertionError("the prices alone decide")


@pytest.mark.parametrize(
    ("spread", "first"),
    [
        (None, "cheap"),
        (Spread("m", "cost"), "cheap"),
        (Spread("m", "weighted"), "dear"),
        (Spread("m", "latency"), "dear"),
        (Spread("m", rotation=Rotation(60.0)), "dear"),
    ],
)
def test_the_first_choice(spread: Spread | None, first: str) -> None:
    """Of those that take turns the dearest: a turn is no failure. Who has no weight takes none."""
    offers = [Offer("cheap", CHEAP), Offer("dear", DEAR), Offer("reserve", Price(90, 90), 0.0)]
    assert first_choice(offers, spread).name == first


@pytest.mark.parametrize("policy", ["cost", "round_robin"])
def test_a_price_that_is_not_known_is_no_measure(policy: PolicyName) -> None:
    offers = [Offer("unknown", None), Offer("known", CHEAP)]
    assert first_choice(offers, Spread("m", policy)).name == "known"
    assert first_choice(offers[:1], Spread("m", policy)).name == "unknown"


@pytest.mark.parametrize(
    ("price", "times", "tokens", "kept"),
    [
        (Price(3, 6), 3, None, True),  # at most three times as much, however many tokens
        (Price(1, 5), 3, (100, 100), True),  # 600 against 300
        (Price(1, 9), 3, (100, 100), False),  # 1,000 against 300
        (Price(1, 9), 3, (1000, 10), True),  # 1,090 against 1,020: a long prompt, a short answer
        (DEAR, 3, (100, 100), False),
        (DEAR, 13, None, True),
        (Price(0, 0), 1, None, True),
    ],
)
def test_times_the_first_choice(
    price: Price, times: float, tokens: tuple[int, int] | None, kept: bool
) -> None:
    count = never if tokens is None else lambda: Tokens(*tokens)
    reason = too_dear(MaxCost(times), FIRST, Offer("b/y", price), count)
    assert (reason is None) is kept
    if reason is not None:
        assert reason == "`max_cost`: more than 3 times the cost of the first choice, a/x"


@pytest.mark.parametrize(
    ("tokens", "reason"),
    [
        ((1_000, 100), None),  # 7,500 − 1,200 millionths
        ((10_000, 1_000), "`max_cost`: about 0.063 USD more than the first choice, a/x"),
    ],
)
def test_so_many_usd_more(tokens: tuple[int, int], reason: str | None) -> None:
    bound = MaxCost(usd=0.05)
    assert too_dear(bound, FIRST, Offer("b/y", DEAR), lambda: Tokens(*tokens)) == reason
    assert too_dear(bound, FIRST, Offer("b/y", Price(0.5, 2)), never) is None


def test_both_bounds_hold() -> None:
    both = MaxCost(times=100, usd=0.001)
    reason = too_dear(both, FIRST, Offer("b/y", DEAR), lambda: Tokens(1000, 1000))
    assert reason is not None
    assert "USD" in reason


def test_without_a_prompt_prices_are_compared_as_for_usual_requests() -> None:
    """`EVEN` costs 1.75 for a usual request, `CHEAP` 1.25; there is nothing to count in USD."""
    other = Offer("b/y", EVEN)
    assert too_dear(MaxCost(times=1.5), FIRST, other, None) is None
    assert too_dear(MaxCost(times=1.3), FIRST, other, None) is not None
    assert too_dear(MaxCost(usd=0), FIRST, Offer("b/y", DEAR), None) is None


def test_the_same_deployment_costs_the_same() -> None:
    nobody = Offer("a/x", None)
    assert too_dear(MaxCost(0), nobody, nobody, never) is None


def test_a_price_that_is_not_known_is_too_high() -> None:
    bound, unknown = MaxCost(1000), Offer("b/y", None)
    assert too_dear(bound, FIRST, unknown, never) == "`max_cost`: its price is not known"
    reason = too_dear(bound, unknown, FIRST, never)
    assert reason == "`max_cost`: the price of the first choice, b/y, is not known"
