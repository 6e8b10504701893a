"""Counters that are bound once. That they agree with claims on the same counters: `test_counters`."""

from __future__ import annotations

import pytest

from dragoman.accounts.bound import Amounts, reserving, using
from dragoman.accounts.counters import MemoryLedger
from dragoman.accounts.limits import Limit, Standing
from dragoman.errors import RequestFailed
from dragoman.seams.clock import Seams
from tests.unit.accounts.ledger_laws import BEGIN, claim

REQUESTS = Limit("r", "requests", 4, "minute")
TOKENS = Limit("t", "tokens", 1001, "minute")
INPUT = Limit("i", "input_tokens", 1000, "minute")
MONEY = Limit("m", "money", 1000, "lifetime")
PLACES = Limit("c", "concurrency", 4, None)
EVERY = (REQUESTS, TOKENS, INPUT, MONEY, PLACES)


def ledger() -> MemoryLedger:
    return MemoryLedger(Seams(now=lambda: BEGIN))


def test_amounts_by_resource() -> None:
    assert reserving(3, 4, 5) == Amounts(1, 7, 3, 4, 5, 1)
    assert using(3, 4, 5) == Amounts(1, 7, 3, 4, 5, 0)


def test_a_request_is_reserved_and_settled_in_all_counters_or_in_none() -> None:
    kept = ledger()
    claims = [claim(one, 0, BEGIN) for one in EVERY]
    bound = kept.bind(claims)

    def standings() -> list[Standing]:
        return [kept.standing(one.counter) for one in claims]

    assert bound.take(reserving(300, 200, 10), BEGIN)
    taken = [Standing(0, 1), Standing(0, 500), Standing(0, 300), Standing(0, 10), Standing(0, 1)]
    assert standings() == taken
    assert not bound.take(reserving(0, 1, 0), BEGIN)  # 501 tokens are more than half of 1001
    assert not bound.take(reserving(0, 0, 491), BEGIN)
    assert standings() == taken
    bound.settle(reserving(300, 200, 10), using(100, 50, 3), BEGIN)
    settled = [Standing(1, 0), Standing(150, 0), Standing(100, 0), Standing(3, 0), Standing(0, 0)]
    assert standings() == settled


def test_records_are_charged_by_name_without_places() -> None:
    claims = [claim(one, 0, BEGIN) for one in EVERY]
    bound = ledger().bind(claims)
    assert bound.charged(using(1, 2, 3)) == tuple(
        (one.counter, amount) for one, amount in zip(claims[:4], (1, 3, 1, 3), strict=True)
    )
    assert bound.claims(reserving(1, 2, 3)) == {
        one.counter: one._replace(amount=amount) for one, amount in zip(claims, (1, 3, 1, 3, 1), strict=True)
    }


def test_counters_that_the_ledger_has_forgotten_are_found_again() -> None:
    """A place that is free is forgotten. A second object for the same counter must not count for itself."""
    kept = ledger()
    first, second = (kept.bind([claim(PLACES, 0, BEGIN)]) for _ in range(2))
    for one in (first, second, first, second):
        assert one.take(reserving(0, 0, 0), BEGIN)
        one.settle(reserving(0, 0, 0), using(0, 0, 0), BEGIN)
    assert kept.state()["counters"] == 0
    assert first.take(reserving(0, 0, 0), BEGIN)
    assert second.take(reserving(0, 0, 0), BEGIN)
    assert not first.take(reserving(0, 0, 0), BEGIN)
    assert kept.standing(claim(PLACES, 0, BEGIN).counter) == Standing(0, 2)


def test_what_lasts_longer_than_its_window_is_forgotten_with_its_last_request() -> None:
    kept = ledger()
    bound = kept.bind([claim(REQUESTS, 0, BEGIN)])
    assert bound.take(reserving(0, 0, 0), BEGIN)
    kept.reserve([claim(REQUESTS, 1, BEGIN + 60)], BEGIN + 60)
    assert kept.standing(claim(REQUESTS, 0, BEGIN).counter) == Standing(0, 1)
    bound.settle(reserving(0, 0, 0), using(0, 0, 0), BEGIN + 61)
    assert kept.state()["counters"] == 1


def test_nothing_is_reserved_while_it_is_not_known_what_was_used() -> None:
    kept = ledger()
    bound = kept.bind([claim(REQUESTS, 0, BEGIN)])
    kept.wait("the database is away", refuse=True)
    with pytest.raises(RequestFailed):
        bound.take(reserving(0, 0, 0), BEGIN)
    kept.wait(None)
    assert bound.take(reserving(0, 0, 0), BEGIN)
