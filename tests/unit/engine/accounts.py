"""Accounts for a stage: a journal that a test reads, counters, limits, and prices that are easy to add up."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from dragoman.accounts.caller import Caller
from dragoman.accounts.claims import Limits
from dragoman.accounts.counters import MemoryLedger
from dragoman.accounts.journal import JournalFailed
from dragoman.accounts.limits import NANO, Limit
from dragoman.engine.accounting import Accounting
from dragoman.engine.meter import Meter, metered
from dragoman.exchange import Exchange
from dragoman.providers.rates import Level, Period, Rates, completed
from dragoman.seams.clock import Seams
from dragoman.state.counters import Resource, Window
from dragoman.state.usage import UsageRecord
from tests.unit.engine.stage import EPOCH, Stage

NOW = 1_700_000_000.0
SEAMS = Seams(lambda: NOW, lambda: 5.0)


class Book:
    """A journal that keeps what it is told. Notes it in the stage, if there is one."""

    outlives = True

    def __init__(self) -> None:
        self.opens: list[UsageRecord] = []
        self.closes: list[UsageRecord] = []
        self.failing = False
        self.stage: Stage | None = None

    def opened(self, record: UsageRecord) -> None:
        if self.failing:
            raise JournalFailed("the disk is full")
        self.opens.append(record)
        self._note(f"opened {record.deployment}")

    def closed(self, record: UsageRecord) -> None:
        self.closes.append(record)
        self._note(f"closed {record.units} {record.end}")

    def state(self) -> dict[str, Any]:
        return {"healthy": True}

    @property
    def record(self) -> UsageRecord:
        """The only record."""
        (record,) = self.closes
        return record

    def _note(self, line: str) -> None:
        if self.stage is not None:
            self.stage.note(line)


def rates_of(input_usd: int, output_usd: int) -> Rates:
    """Prices in USD per million tokens."""
    prices = completed({"input": input_usd * NANO, "output": output_usd * NANO})
    return Rates((Period((Level(-1, prices),)),), "a test")


PRICES = {
    "one/gpt": rates_of(1, 10),
    "two/gpt": rates_of(2, 20),
    "claude/c": rates_of(3, 30),
}


class Accounts:
    """The accounts of one stage, and the stage.

    limits: of the gateway. prices: by deployment. more: what `Stage` takes.
    """

    def __init__(
        self,
        providers: Any = None,
        limits: Iterable[Limit] = (),
        *,
        prices: Mapping[str, Rates] = PRICES,
        **more: Any,
    ) -> None:
        self.book = Book()
        self.ledger = MemoryLedger()
        self.accounting = Accounting(
            rates=prices.get, journal=self.book, limits=Limits(limits), ledger=self.ledger
        )
        self.stage = Stage(providers, accounting=self.accounting, **more)
        self.book.stage = self.stage

    @property
    def standing(self) -> dict[str, tuple[int, int]]:
        """(used, reserved) of all counters, by the name of the limit and whom it counts."""
        return {name: (count.used, count.reserved) for name, count in self.ledger._counts.items()}


def meter(
    *limits: Limit, journal: Any = None, rates: Any = PRICES.get, ledger: MemoryLedger | None = None
) -> tuple[Meter, MemoryLedger, Exchange]:
    """Return the meter of an exchange with these limits, its ledger, and the exchange."""
    ledger = ledger or MemoryLedger(SEAMS)
    accounting = Accounting(rates=rates, journal=journal, limits=Limits(limits), ledger=ledger)
    exchange = Exchange("ex_1", "req_1", "openai_chat", "POST", "/", 1.0, NOW, asked="m", tier="default")
    exchange.called_by(Caller("ci"))
    found = metered(accounting, exchange, SEAMS)
    assert found is not None
    return found, ledger, exchange


def standing(ledger: MemoryLedger) -> Mapping[str, tuple[int, int]]:
    """(used, reserved) of all counters, by name."""
    return {name: (count.used, count.reserved) for name, count in ledger._counts.items()}


def limit(resource: Resource, most: int, window: Window | None = "day", **more: Any) -> Limit:
    """Return a limit of the name `l`."""
    return Limit("l", resource, most, window, **more)


__all__ = ["EPOCH", "NOW", "SEAMS", "Accounts", "Book", "limit", "meter", "rates_of", "standing"]
