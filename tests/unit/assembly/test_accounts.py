"""When a configuration is accounted for, and what outlives it."""

from __future__ import annotations

from typing import Any

from dragoman.accounts.counters import MemoryLedger
from dragoman.accounts.journal import Journal, MemoryJournal
from dragoman.accounts.watch import Watch
from dragoman.assembly.accounts import accounting_of, ledger_of
from dragoman.config.load import load
from dragoman.engine.accounting import Accounting
from dragoman.seams.clock import SYSTEM

ONE = {"providers": {"one": {"dialect": "openai_chat", "base_url": "https://one.example/v1", "keys": "k"}}}


def accounting(journal: Journal | None = None, **settings: Any) -> Accounting | None:
    return accounting_of(load({**ONE, **settings}, {}), MemoryLedger(), Watch(), journal)


def test_nothing_is_accounted_for_if_nobody_wants_to_know() -> None:
    assert accounting() is None


def test_a_journal_a_price_a_limit_or_a_key_with_a_limit_is_reason_enough() -> None:
    journal = MemoryJournal()
    found = accounting(journal)
    assert found is not None
    assert found.journal is journal
    assert accounting(prices={"one/gpt": {"input": 1, "output": 2}}) is not None
    limited = accounting(limits={"all": {"scope": "global", "requests": "5/min"}})
    assert limited is not None
    assert [limit.name for limit in limited.limits.all] == ["all"]
    key = {"name": "ci", "key": "0123456789-key", "limits": {"requests": "5/min"}}
    assert accounting(auth={"keys": [key]}) is not None


def test_prices_are_those_of_the_configuration() -> None:
    found = accounting(prices={"one/gpt": {"input": 1, "output": 2}})
    assert found is not None
    rates = found.rates("one/gpt")
    assert rates is not None
    assert rates.bill({"input": 1_000_000}, at=0.0).cost == 1_000_000_000
    assert found.rates("one/other") is None


def test_proxies_are_those_of_the_configuration() -> None:
    found = accounting(MemoryJournal(), server={"trusted_proxies": ["10.0.0.0/8"]})
    assert found is not None
    assert found.proxies.client_of("10.1.2.3", "192.0.2.7") == "192.0.2.7"


def test_counters_are_in_memory() -> None:
    assert ledger_of(SYSTEM).state()["kind"] == "memory"
