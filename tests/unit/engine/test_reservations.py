"""What one exchange holds at its limits: reserved once, told to the journal as it is, and settled once."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import pytest

from dragoman import ir
from dragoman.accounts.caller import Caller
from dragoman.accounts.claims import Limits
from dragoman.accounts.counters import MemoryLedger
from dragoman.accounts.limits import Claim, Limit
from dragoman.engine.accounting import Accounting, Expected
from dragoman.engine.records import bill
from dragoman.engine.reservations import Reservations, limits_of
from dragoman.errors import RequestFailed
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.routing.route import Deployment, Route
from tests.unit.engine.accounts import NOW, PRICES, SEAMS, standing

Held = tuple[Reservations, MemoryLedger, Exchange]


def reservations(*limits: Limit, ledger: MemoryLedger | None = None) -> Held:
    """Those of an exchange that asks for the model `m`."""
    ledger = ledger or MemoryLedger(SEAMS)
    accounting = Accounting(rates=PRICES.get, limits=Limits(limits), ledger=ledger)
    exchange = Exchange("ex_1", "req_1", "openai_chat", "POST", "/", 1.0, NOW, asked="m", tier="default")
    exchange.called_by(Caller("ci"))
    found = Reservations(accounting, ledger, exchange, SEAMS, alone=False)
    found.applied = limits_of(accounting, exchange, ("m",), "", "m")
    return found, ledger, exchange


def ended(held: Held, *, tokens: int) -> None:
    """Charge the exchange what its one attempt has used."""
    found, _, exchange = held
    usage = ir.Usage(input=tokens)
    exchange.attempts = exchange.attempts or [AttemptRecord("a", "one/gpt", None, "relay", 1.0)]
    exchange.attempts[-1].usage = usage
    billed = bill(exchange, PRICES.get, NOW)
    found.settle(found.charges(billed, billed[0][1]), NOW)


TOKENS = Limit("t", "tokens", 1000, "day")


async def test_what_is_far_from_its_limits_is_taken_at_once_and_no_second_time() -> None:
    held = found, ledger, _ = reservations(TOKENS)
    assert found.take(Expected(10, 100, 7))
    assert list(standing(ledger).values()) == [(0, 110)]
    assert [amount for _, amount in found.amounts()] == [110]
    ended(held, tokens=30)
    assert list(standing(ledger).values()) == [(30, 0)]
    assert found.amounts() == ()


async def test_what_is_near_its_limits_is_claimed() -> None:
    held = found, ledger, _ = reservations(TOKENS, Limit("r", "requests", 9, "day"))
    assert not found.take(Expected(10, 600, 7))
    assert not await found.expect_roughly(Expected(10, 600, 7))
    await found.admit()
    assert not found.take(Expected(1, 1, 1)), "a request is reserved already"
    await found.expect(Expected(10, 600, 7))
    assert sorted(standing(ledger).values()) == [(0, 1), (0, 610)]
    ended(held, tokens=30)
    assert sorted(standing(ledger).values()) == [(1, 0), (30, 0)]


class Uninformed(MemoryLedger):
    """The counters of several processes, of which this one does not know yet what the others have used."""

    def far(self, claims: Iterable[Claim]) -> bool:
        return True

    def bind(self, claims: Sequence[Claim]) -> None:  # type: ignore[override]  # as the ledger of several processes does
        return None


async def test_what_others_have_used_does_not_refuse_a_rough_bound() -> None:
    held = found, ledger, exchange = reservations(TOKENS, ledger=Uninformed(SEAMS))
    rough, counted = Expected(60, 10, 7), Expected(9, 10, 7)
    ledger.reserve(found.claims(Expected(950, 0, 0), NOW), NOW)
    assert not await found.expect_roughly(rough), "the store has no room for it"
    assert exchange.refused_by is None
    await found.expect(counted)
    assert list(standing(ledger).values()) == [(0, 969)]
    ended(held, tokens=9)
    assert list(standing(ledger).values()) == [(9, 950)]


async def test_a_rough_bound_is_refused_without_a_price_where_limits_want_one() -> None:
    found, _, exchange = reservations(Limit("m", "money", 10**12, "day", unknown_price="refuse"))
    with pytest.raises(RequestFailed, match="price"):
        await found.expect_roughly(Expected(1, 1, None))
    assert exchange.refused_by == "m"


async def test_what_was_taken_can_grow() -> None:
    held = found, ledger, _ = reservations(TOKENS)
    assert found.take(Expected(10, 100, 7))
    await found.extend("one/gpt", Expected(0, 50, 7))
    assert [amount for _, amount in found.amounts()] == [160]
    ended(held, tokens=30)
    assert list(standing(ledger).values()) == [(30, 0)]


async def test_a_refusal_names_its_limit_and_leaves_what_is_reserved() -> None:
    found, ledger, exchange = reservations(TOKENS)
    await found.expect(Expected(10, 600, 7))
    with pytest.raises(RequestFailed):
        await found.expect(Expected(10, 600, 7))
    assert exchange.refused_by == "t"
    exchange.refused_by = None
    assert not await found.add_if_free(found.claims(Expected(10, 600, 7), NOW), NOW)
    assert exchange.refused_by is None
    assert list(standing(ledger).values()) == [(0, 610)]


async def test_a_split_reservation_is_settled_by_itself() -> None:
    found, ledger, _ = reservations(
        Limit("r", "requests", 9, "day"), Limit("o", "requests", 9, "day", "global")
    )
    await found.admit()
    assert found._whole is not None
    (first, second) = found._whole.claims
    found.release(found._whole.split({first, "another"}))
    assert standing(ledger) == {first: (0, 0), second: (0, 1)}


async def test_a_fallback_that_is_not_called_is_freed_for_the_next() -> None:
    found, ledger, _ = reservations(
        *(Limit(name, "requests", 9, "day", models=frozenset({name})) for name in ("n", "o"))
    )
    assert found.applied is None
    to_n, to_o = (Route(name, (Deployment("one", "gpt"),), counted=(name,)) for name in ("n", "o"))
    assert await found.turn(to_n, None)
    assert not await found.turn(to_n, None)
    assert await found.turn(to_o, None)
    assert sorted(standing(ledger).values()) == [(0, 0), (0, 1)]
    found.called(to_o)
    assert not await found.turn(to_o, None), "its limits hold the exchange already"
    assert sorted(standing(ledger).values()) == [(0, 0), (0, 1)]
