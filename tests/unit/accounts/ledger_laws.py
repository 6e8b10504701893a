"""What every ledger has to obey, whatever it keeps its counters in: a state machine that compares it with a
naive model. A test of a ledger makes a subclass of `LedgerLaws` with its `make`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from math import inf
from typing import Any, Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, invariant, multiple, rule

from dragoman.accounts.ledger import SOON, Ledger, Refused, Reservation
from dragoman.accounts.limits import Claim, Limit, Standing
from dragoman.accounts.windows import prefix_of
from dragoman.state.counters import Resource, Window, read, span

T = TypeVar("T")
BEGIN: Final = 1_764_000_000.0
"""A moment in November 2025, at the beginning of a minute, in Unix seconds."""


def limit(
    name: str, resource: Resource, most: int, window: Window | None, *, hard: bool = True, every: int = 1
) -> Limit:
    return Limit(name, resource, most, window, hard=hard, every=every)


LIMITS: Final = (
    limit("rate", "requests", 5, "minute"),
    limit("tokens", "tokens", 100, "minute", every=5),
    limit("soft", "tokens", 20, "minute", hard=False),
    limit("budget", "money", 1000, "lifetime"),
    limit("month", "money", 10**15, "month"),
    limit("places", "concurrency", 3, None),
)


def claim(one: Limit, amount: int, now: float, value: str = "k") -> Claim:
    """A claim on the counter of the window that `now` is in."""
    start, ends = span(one.window, one.every, now)
    return Claim(one, f"{prefix_of(one, value)}{start}", ends, amount)


class Model:
    """What a ledger should say, in the plainest way: all that is settled, and all that is held."""

    def __init__(self) -> None:
        self.used: dict[str, int] = {}
        self.held: list[tuple[Reservation, dict[str, int]]] = []

    def standing(self, counter: str) -> Standing:
        reserved = sum(amounts.get(counter, 0) for _, amounts in self.held)
        return Standing(self.used.get(counter, 0), reserved)

    def refusing(self, claims: list[Claim]) -> Claim | None:
        for one in claims:
            used, reserved = self.standing(one.counter)
            if one.limit.hard and used + reserved + one.amount > one.limit.most:
                return one
        return None

    def of(self, reservation: Reservation) -> dict[str, int]:
        return next(amounts for one, amounts in self.held if one is reservation)


class LedgerLaws(RuleBasedStateMachine):
    """Requests begin, grow, end and are given up in any order, while the clock goes on."""

    held = Bundle("held")
    slack = 0.0
    """Seconds for which the ledger tells of counters whose windows are over."""

    def __init__(self) -> None:
        super().__init__()
        self.now = BEGIN
        self.model = Model()
        self.overrun: dict[str, int] = {}
        """By counter, by how much settlements exceeded what was reserved for them."""
        self.loop = asyncio.new_event_loop()
        self.ledger = self.make()

    def make(self) -> Ledger:
        """The ledger to test. Its clock is `self.clock`."""
        raise NotImplementedError

    def clock(self) -> float:
        return self.now

    def run(self, call: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(call)

    def teardown(self) -> None:
        self.run(self.ledger.close())
        self.loop.close()

    def reserve(self, claims: list[Claim], onto: Reservation | None = None) -> Reservation | Refused:
        """As a request does: without waiting if the ledger can tell."""
        found = self.ledger.reserve(claims, self.now, onto)
        return self.run(self.ledger.ask(claims, self.now, onto)) if found is None else found

    @rule(target=held, amounts=st.dictionaries(st.sampled_from(LIMITS), st.integers(0, 40), min_size=1))
    def begin(self, amounts: dict[Limit, int]) -> Any:
        return self._reserved(self._claims(amounts))

    @rule(
        reservation=held,
        amounts=st.dictionaries(st.sampled_from(LIMITS[1:5]), st.integers(0, 40), min_size=1),
    )
    def grow(self, reservation: Reservation, amounts: dict[Limit, int]) -> None:
        self._reserved(self._claims(amounts), reservation)

    @rule(reservation=consumes(held), share=st.floats(0, 1.5))
    def settle(self, reservation: Reservation, share: float) -> None:
        amounts = self.model.of(reservation)
        used: dict[str, int] = {}
        for counter, amount in amounts.items():
            found = read(counter)
            if found is not None and found.resource != "concurrency":
                used[counter] = int(amount * share)
                more = max(0, used[counter] - amount)
                self.overrun[counter] = self.overrun.get(counter, 0) + more
        self._settle(reservation, used)

    @rule(reservation=consumes(held))
    def give_up(self, reservation: Reservation) -> None:
        self._settle(reservation, {})

    @rule(seconds=st.sampled_from([0.25, 7.0, 60.0, 300.0, 86_400.0 * 31]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @invariant()
    def the_ledger_knows_what_the_model_knows(self) -> None:
        told = self.run(self.ledger.standings())
        for one in LIMITS:
            counter = claim(one, 0, self.now).counter
            expected = self.model.standing(counter)
            assert self.ledger.standing(counter) == expected
            assert told.get(counter, Standing(0, 0)) == expected
        for counter in told:
            found = read(counter)
            assert found is not None
            assert found.ends + self.slack > self.now

    @invariant()
    def no_hard_limit_is_exceeded_by_more_than_what_was_not_reserved(self) -> None:
        for one in LIMITS:
            counter = claim(one, 0, self.now).counter
            used, reserved = self.ledger.standing(counter)
            if one.hard:
                assert used + reserved <= one.most + self.overrun.get(counter, 0)
            assert used >= 0
            assert reserved >= 0

    def _claims(self, amounts: dict[Limit, int]) -> list[Claim]:
        return [
            claim(one, 1 if one.resource in ("requests", "concurrency") else amount, self.now)
            for one, amount in amounts.items()
        ]

    def _reserved(self, claims: list[Claim], onto: Reservation | None = None) -> Any:
        refusing = self.model.refusing(claims)
        found = self.reserve(claims, onto)
        if refusing is not None:
            assert isinstance(found, Refused)
            assert found.claim == refusing
            assert found.standing == self.model.standing(refusing.counter)
            self._says_when(found)
            return multiple()
        assert isinstance(found, Reservation)
        if onto is None:
            self.model.held.append((found, {}))
        else:
            assert found is onto
        amounts = self.model.of(found)
        for one in claims:
            amounts[one.counter] = amounts.get(one.counter, 0) + one.amount
        assert {name: one.amount for name, one in found.claims.items()} == amounts
        return found if onto is None else multiple()

    def _says_when(self, refused: Refused) -> None:
        """Soon, if running requests may leave enough; else with the next window, if there is one."""
        one, standing, again = refused
        sure = standing.used + (standing.reserved if one.limit.resource == "requests" else 0)
        if one.amount > one.limit.most:
            assert again is None
        elif sure + one.amount > one.limit.most:
            assert again == (None if one.ends == inf else one.ends)
        else:
            assert again == min(self.now + SOON, one.ends)

    def _settle(self, reservation: Reservation, used: dict[str, int]) -> None:
        self.model.held = [pair for pair in self.model.held if pair[0] is not reservation]
        for counter, amount in used.items():
            self.model.used[counter] = self.model.used.get(counter, 0) + amount

        async def settle() -> None:  # a ledger may want the loop that requests run in
            self.ledger.settle(reservation, used, self.now)

        self.run(settle())
