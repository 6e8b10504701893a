"""A client that has not named its model yet holds a place at the limits that do not depend on the model."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from dragoman.accounts.caller import Caller
from dragoman.accounts.claims import Limits
from dragoman.accounts.counters import MemoryLedger
from dragoman.accounts.limits import Limit
from dragoman.engine.accounting import Accounting
from dragoman.engine.waiting import Waiting
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.seams.clock import SYSTEM
from tests.unit.engine.accounts import PRICES, Book

ONE = Limit("places", "concurrency", 1, None)


class House:
    def __init__(self, *limits: Limit) -> None:
        self.ledger, self.book = MemoryLedger(SYSTEM), Book()
        accounting = Accounting(
            rates=PRICES.get, journal=self.book, limits=Limits(limits), ledger=self.ledger
        )
        self.runtime: Any = SimpleNamespace(accounting=accounting, seams=SYSTEM)

    def waiting(self, name: str = "ci") -> Waiting:
        exchange = Exchange("ex_1", "req_1", "openai_chat", "WS", "/", 1.0, 1.0)
        exchange.called_by(Caller(name))
        self.exchange = exchange
        return Waiting(self.runtime, exchange)

    def reserved(self) -> list[int]:
        return [count.reserved for count in self.ledger._counts.values() if count.reserved]


async def test_a_wait_takes_a_place_and_gives_it_back() -> None:
    house = House(ONE, Limit("rate", "requests", 1, "minute"), Limit("tokens", "tokens", 1, "minute"))
    one = house.waiting()
    await one.enter()
    assert house.reserved() == [1]
    with pytest.raises(RequestFailed) as caught:
        await house.waiting().enter()
    assert (caught.value.fault.kind, house.exchange.refused_by) == ("rate_limit", "places")
    await house.waiting("other").enter()
    one.leave()
    one.leave()
    await house.waiting().enter()
    assert house.book.opens == house.book.closes == []


async def test_limits_of_models_are_asked_later() -> None:
    house = House(
        Limit("each-model", "concurrency", 1, None, "model"),
        Limit("some-models", "concurrency", 1, None, models=frozenset({"*"})),
        Limit("tags", "concurrency", 1, None, "tag"),
    )
    for _ in range(2):
        await house.waiting().enter()
    assert house.reserved() == []


async def test_without_limits_nothing_is_held() -> None:
    one = House().waiting()
    await one.enter()
    one.leave()
    runtime: Any = SimpleNamespace(accounting=None, seams=SYSTEM)
    none = Waiting(runtime, Exchange("ex_1", "req_1", "openai_chat", "WS", "/", 1.0, 1.0))
    await none.enter()
    none.leave()
