"""What becomes of an exchange whose places may have been given to other processes (`Ledger.lapsed`)."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.accounts.counters import MemoryLedger
from dragoman.accounts.ledger import Reservation
from dragoman.accounts.limits import Claim, Limit
from dragoman.engine.meter import EndedByLimit
from dragoman.engine.sole import enter_alone
from dragoman.exchange import AttemptRecord
from tests.unit.engine.accounts import NOW, SEAMS, Accounts, limit, meter, standing
from tests.unit.engine.stage import ONE, chat, refusal, whole

BOTH = {"one": ONE, "two": {**ONE, "base_url": "https://two.example/v1"}}
PAIR = {"models": {"m": {"deployments": ["one/gpt", "two/gpt"]}}}
PLACES = Limit("c", "concurrency", 1, None, "global")


class Lapsing(MemoryLedger):
    """Its counters are shared. lasts: so many looks at a reservation find that it has not lapsed. taken:
    another process gets the place when it is given back.
    """

    lasts = 0
    taken = False

    def bind(self, claims: Any) -> Any:
        return None

    def lapsed(self, reservation: Reservation, now: float) -> bool:
        self.lasts -= 1
        return self.lasts < 0 and any(one.limit is PLACES for one in reservation.claims.values())

    def withdraw(self, reservation: Reservation) -> list[Claim]:
        given = reservation.split([name for name, one in reservation.claims.items() if one.limit is PLACES])
        claims = list(given.claims.values())
        self.settle(given, {}, NOW)
        if self.taken:
            self.reserve(claims, NOW)
        self.lasts = 100
        return claims


def _accounts(lasts: int, *, taken: bool) -> Accounts:
    accounts = Accounts(BOTH, [PLACES, limit("requests", 9)], settings=PAIR)
    accounts.ledger.__class__ = Lapsing
    accounts.ledger.lasts, accounts.ledger.taken = lasts, taken  # type: ignore[attr-defined]
    accounts.stage.script("one", *[refusal(500)] * 5)
    accounts.stage.script("two", whole("Hello"))
    return accounts


@pytest.mark.parametrize("lasts", [0, 1])
def test_a_place_is_asked_for_again_before_an_attempt(lasts: int) -> None:
    accounts = _accounts(lasts, taken=False)
    lines = accounts.stage.plays(chat(model="m"))
    assert lines[-1] == "= done"
    assert accounts.book.record.status == 200
    assert set(accounts.standing.values()) == {(1, 0)}  # the counter of places is gone


@pytest.mark.parametrize("lasts", [0, 1])
def test_no_provider_is_called_if_another_process_has_the_place(lasts: int) -> None:
    accounts = _accounts(lasts, taken=True)
    lines = accounts.stage.plays(chat(model="m"))
    asked = [line for line in lines if line.startswith("ask")]
    assert len(asked) == lasts
    assert accounts.stage.exchange.refused_by == "c"
    assert [line for line in lines if "answer 429 rate_limit_exceeded" in line]
    assert accounts.stage.exchange.dropped == ()  # no deployment is blamed
    ((used, reserved),) = [two for name, two in accounts.standing.items() if "concurrency" in name]
    assert (used, reserved) == (0, 1)


async def test_so_does_a_request_that_is_passed_on() -> None:
    ledger = Lapsing(SEAMS)
    ledger.taken = True
    found, _, exchange = meter(PLACES, ledger=ledger)
    with pytest.raises(EndedByLimit) as refused:
        await enter_alone(found, AttemptRecord("a", "one/files", None, "relay", 1.0))
    assert refused.value.fault.code == "rate_limit_exceeded"
    assert exchange.refused_by == "c"
    found.close()
    assert list(standing(ledger).values()) == [(0, 1)]
