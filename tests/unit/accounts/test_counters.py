"""The counters in memory obey the laws of ledgers, and forget what is over."""

from __future__ import annotations

import asyncio
from typing import Any, NamedTuple

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, consumes, multiple, rule

from dragoman.accounts.bound import PLACES as AT
from dragoman.accounts.bound import Amounts, Bound, reserving, using
from dragoman.accounts.counters import MemoryLedger
from dragoman.accounts.ledger import SOON, Ledger, Refused, Reservation
from dragoman.accounts.limits import Limit, Standing
from dragoman.errors import RequestFailed
from dragoman.seams.clock import Seams
from tests.unit.accounts.ledger_laws import BEGIN, LIMITS, LedgerLaws, claim

REQUESTS = Limit("r", "requests", 50, "minute")
PLACES = Limit("c", "concurrency", 2, None)
TOKENS = Limit("t", "tokens", 1000, "day")


class Taken(NamedTuple):
    """What was reserved through bound counters. held: how the model knows it."""

    bound: Bound
    amounts: Amounts
    held: Reservation


class MemoryLaws(LedgerLaws):
    """The laws of all ledgers, while other requests take from the same counters without claims."""

    taken = Bundle("taken")

    def __init__(self) -> None:
        super().__init__()
        self.bounds: dict[tuple[str, ...], Bound] = {}

    def make(self) -> Ledger:
        return MemoryLedger(Seams(now=self.clock))

    @rule(
        target=taken,
        limits=st.lists(st.sampled_from(LIMITS), min_size=1, unique=True),
        tokens=st.integers(0, 30),
        nano=st.integers(0, 300),
    )
    def take(self, limits: list[Limit], tokens: int, nano: int) -> Any:
        claims = [claim(one, 0, self.now) for one in limits]
        place = tuple(one.counter for one in claims)
        if place not in self.bounds:
            found = self.ledger.bind(claims)
            assert found is not None
            self.bounds[place] = found
        amounts, bound = reserving(tokens, 0, nano), self.bounds[place]
        wanted = {one.counter: amounts[AT[one.limit.resource]] for one in claims}
        standings = [(one, sum(self.model.standing(one.counter))) for one in claims]
        is_far = all(2 * (stood + wanted[one.counter]) <= one.limit.most for one, stood in standings)
        assert bound.take(amounts, self.now) == is_far
        if not is_far:
            return multiple()
        self.model.held.append((held := Reservation({}), wanted))
        return Taken(bound, amounts, held)

    @rule(one=consumes(taken), share=st.floats(0, 1.5))
    def settle_taken(self, one: Taken, share: float) -> None:
        used = using(int(one.amounts.tokens * share), 0, int(one.amounts.money * share))
        one.bound.settle(one.amounts, used, self.now)
        self._forgotten(one, dict(one.bound.charged(used)))

    @rule(one=consumes(taken))
    def settle_taken_as_a_reservation(self, one: Taken) -> None:
        reservation = Reservation(one.bound.claims(one.amounts))
        assert {name: found.amount for name, found in reservation.claims.items()} == self.model.of(one.held)
        used = dict(one.bound.charged(one.amounts))
        self.ledger.settle(reservation, used, self.now)
        self._forgotten(one, used)

    def _forgotten(self, one: Taken, used: dict[str, int]) -> None:
        reserved = self.model.of(one.held)
        self.model.held = [pair for pair in self.model.held if pair[0] is not one.held]
        for counter, amount in used.items():
            self.model.used[counter] = self.model.used.get(counter, 0) + amount
            more = max(0, amount - reserved[counter])
            self.overrun[counter] = self.overrun.get(counter, 0) + more


TestMemoryLaws = MemoryLaws.TestCase
TestMemoryLaws.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)


def reserved(found: Reservation | Refused) -> Reservation:
    assert isinstance(found, Reservation)
    return found


def test_of_200_requests_at_once_exactly_50_pass() -> None:
    ledger = MemoryLedger()

    async def request() -> bool:
        await asyncio.sleep(0)
        found = ledger.reserve([claim(REQUESTS, 1, BEGIN)], BEGIN)
        await asyncio.sleep(0)
        if isinstance(found, Refused):
            return False
        ledger.settle(found, {claim(REQUESTS, 1, BEGIN).counter: 1}, BEGIN)
        return True

    async def all_of_them() -> list[bool]:
        return await asyncio.gather(*(request() for _ in range(200)))

    assert sum(asyncio.run(all_of_them())) == 50


def test_tokens_and_money_never_exceed_the_limit_by_more_than_what_was_in_flight() -> None:
    """Ten requests reserve 100 tokens each and use 130: the sum of what was not reserved is the overrun."""
    ledger = MemoryLedger()
    running = [reserved(ledger.reserve([claim(TOKENS, 100, BEGIN)], BEGIN)) for _ in range(10)]
    assert isinstance(ledger.reserve([claim(TOKENS, 1, BEGIN)], BEGIN), Refused)
    counter = claim(TOKENS, 0, BEGIN).counter
    for one in running:
        ledger.settle(one, {counter: 130}, BEGIN)
    assert ledger.standing(counter) == Standing(1300, 0)
    assert isinstance(ledger.reserve([claim(TOKENS, 1, BEGIN)], BEGIN), Refused)


def test_all_or_none() -> None:
    ledger = MemoryLedger()
    for _ in range(2):
        reserved(ledger.reserve([claim(PLACES, 1, BEGIN)], BEGIN))
    refused = ledger.reserve([claim(REQUESTS, 1, BEGIN), claim(PLACES, 1, BEGIN)], BEGIN)
    assert isinstance(refused, Refused)
    assert refused.claim.limit is PLACES
    assert ledger.standing(claim(REQUESTS, 1, BEGIN).counter) == Standing(0, 0)


def test_when_to_come_again() -> None:
    ledger = MemoryLedger()
    now = BEGIN + 20
    held = [reserved(ledger.reserve([claim(PLACES, 1, now)], now)) for _ in range(2)]
    busy = ledger.reserve([claim(PLACES, 1, now)], now)
    assert isinstance(busy, Refused)
    assert busy.again == now + SOON
    for one in held:
        ledger.settle(one, {}, now)
    all_of_it = reserved(ledger.reserve([claim(REQUESTS, 50, now)], now))
    waiting = ledger.reserve([claim(REQUESTS, 1, now)], now)
    assert isinstance(waiting, Refused)
    assert waiting.again == BEGIN + 60, "the running requests use what they have reserved"
    ledger.settle(all_of_it, {claim(REQUESTS, 0, now).counter: 50}, now)
    full = ledger.reserve([claim(REQUESTS, 1, now)], now)
    assert isinstance(full, Refused)
    assert full.again == BEGIN + 60
    never = ledger.reserve([claim(REQUESTS, 51, now)], now)
    assert isinstance(never, Refused)
    assert never.again is None


def test_a_lower_limit_counts_what_was_used_under_the_higher_one() -> None:
    """A reload that lowers a limit refuses at once; the running request keeps what it has."""
    ledger = MemoryLedger()
    held = reserved(ledger.reserve([claim(REQUESTS, 30, BEGIN)], BEGIN))
    lower = Limit("r", "requests", 20, "minute")
    assert isinstance(ledger.reserve([claim(lower, 1, BEGIN)], BEGIN), Refused)
    ledger.settle(held, {}, BEGIN)
    reserved(ledger.reserve([claim(lower, 1, BEGIN)], BEGIN))


def test_what_is_over_is_forgotten() -> None:
    now = BEGIN
    ledger = MemoryLedger(Seams(now=lambda: now))
    for index in range(1000):
        found = reserved(ledger.reserve([claim(REQUESTS, 1, now, f"user {index}")], now))
        ledger.settle(found, {claim(REQUESTS, 1, now, f"user {index}").counter: 1}, now)
    lasting = reserved(ledger.reserve([claim(REQUESTS, 1, now, "slow")], now))
    assert ledger.state()["counters"] == 1001
    now = BEGIN + 60
    other = reserved(ledger.reserve([claim(PLACES, 1, now)], now))
    assert ledger.state()["counters"] == 2, "one is held by a running request"
    ledger.settle(lasting, {claim(REQUESTS, 1, BEGIN, "slow").counter: 1}, now)
    ledger.settle(other, {}, now)
    assert ledger.state()["counters"] == 0


def test_settling_twice_changes_nothing() -> None:
    ledger = MemoryLedger()
    counter = claim(REQUESTS, 1, BEGIN).counter
    held = reserved(ledger.reserve([claim(REQUESTS, 1, BEGIN)], BEGIN))
    ledger.settle(held, {counter: 1}, BEGIN)
    ledger.settle(held, {counter: 1}, BEGIN)
    assert ledger.standing(counter) == Standing(1, 0)


def test_a_seed_that_comes_after_the_first_request_counts() -> None:
    ledger = MemoryLedger(Seams(now=lambda: BEGIN + 5))
    first = reserved(ledger.reserve([claim(REQUESTS, 1, BEGIN)], BEGIN + 5))
    counter = claim(REQUESTS, 0, BEGIN).counter
    ledger.settle(first, {counter: 1}, BEGIN + 5)
    ledger.seed({counter: 49})
    assert ledger.standing(counter) == Standing(49, 0)
    ledger.seed({counter: 7})
    assert ledger.standing(counter) == Standing(49, 0)


@pytest.mark.parametrize("seeded", [1, 2])
def test_seeds_count_once(seeded: int) -> None:
    ledger = MemoryLedger(Seams(now=lambda: BEGIN + 5))
    counter = claim(REQUESTS, 0, BEGIN).counter
    over = claim(REQUESTS, 0, BEGIN - 60).counter
    for _ in range(seeded):
        ledger.seed({counter: 49, over: 7, "nonsense": 3})
    assert asyncio.run(ledger.standings()) == {counter: Standing(49, 0)}
    reserved(ledger.reserve([claim(REQUESTS, 1, BEGIN)], BEGIN + 5))
    assert isinstance(ledger.reserve([claim(REQUESTS, 1, BEGIN)], BEGIN + 5), Refused)


def test_nothing_is_reserved_until_it_is_known_what_was_used() -> None:
    ledger = MemoryLedger(Seams(now=lambda: BEGIN))
    running = reserved(ledger.reserve([claim(TOKENS, 5, BEGIN)], BEGIN))
    ledger.wait("the database is away", refuse=True)
    for at in (BEGIN, BEGIN + 86_400):
        with pytest.raises(RequestFailed):
            ledger.reserve([claim(REQUESTS, 1, at)], at)
    counter = claim(TOKENS, 0, BEGIN).counter
    ledger.settle(running, {counter: 7}, BEGIN)
    ledger.seed({counter: 20})
    with pytest.raises(RequestFailed):
        ledger.reserve([claim(REQUESTS, 1, BEGIN)], BEGIN)
    assert (ledger.state()["healthy"], ledger.state()["last_error"]) == (False, "the database is away")
    ledger.wait(None)
    assert (ledger.state()["healthy"], ledger.standing(counter)) == (True, Standing(20, 0))
    reserved(ledger.reserve([claim(REQUESTS, 1, BEGIN)], BEGIN))
    later = BEGIN + 86_400 * 2
    reserved(ledger.reserve([claim(REQUESTS, 1, later)], later))  # windows that are over go again
    assert ledger.standing(counter) == Standing(0, 0)


def test_or_everything_is_as_ever() -> None:
    ledger = MemoryLedger(Seams(now=lambda: BEGIN))
    ledger.wait("the database is away")
    reserved(ledger.reserve([claim(REQUESTS, 1, BEGIN)], BEGIN))
    assert not ledger.state()["healthy"]
