"""When a configuration is accounted for, and what outlives it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import pytest

from dragoman.accounts.counters import MemoryLedger
from dragoman.accounts.journal import Journal, MemoryJournal
from dragoman.accounts.ledger import Ledger, Refused, Reservation
from dragoman.accounts.limits import Claim, Limit
from dragoman.accounts.watch import Watch
from dragoman.accounts.windows import prefix_of
from dragoman.assembly.accounts import (
    ALONE,
    Processes,
    accounting_of,
    ledger_of,
    reach_counters,
    shares,
)
from dragoman.config.load import load
from dragoman.engine.accounting import Accounting
from dragoman.errors import ConfigError
from dragoman.seams.clock import SYSTEM
from dragoman.state.counters import span
from tests.valkey_server import ValkeyServer

ONE = {"providers": {"one": {"dialect": "openai_chat", "base_url": "https://one.example/v1", "keys": "k"}}}


@pytest.fixture
def valkey() -> Iterator[ValkeyServer]:
    server = ValkeyServer()
    yield server
    server.close()


def accounting(journal: Journal | None = None, **settings: Any) -> Accounting | None:
    return accounting_of(load({**ONE, **settings}, {}), MemoryLedger(), Watch(), journal, SYSTEM)


def test_nothing_is_accounted_for_if_nobody_wants_to_know() -> None:
    assert accounting() is None


def test_a_journal_a_price_a_limit_or_a_key_with_a_limit_is_reason_enough() -> None:
    journal = MemoryJournal()
    found = accounting(journal)
    assert found is not None
    assert found.journal is journal
    assert accounting(prices={"one/gpt": {"input": 1, "output": 2}}) is not None
    priced = {"use": "one/gpt", "price": {"input": 1, "output": 2}}
    assert accounting(models={"chat": {"deployments": [priced]}}) is not None
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


EACH = {"each": {"scope": "key", "requests": "1/min"}}


def counters(processes: Processes = ALONE, *, name: str = "one-1", **settings: Any) -> Ledger:
    """The counters of the process `name` for these settings, as the assembly of a gateway asks for them."""
    config = load({**ONE, **settings}, {}).config
    shared = shares(config, processes, kept=False)
    return ledger_of(config, SYSTEM, processes, name=name, shared=shared)


def test_counters_of_one_process_are_in_memory() -> None:
    assert counters(limits=EACH).state()["kind"] == "memory"


def test_counters_are_shared_only_if_something_is_counted() -> None:
    several = Processes(workers=2)
    assert counters(several).state()["kind"] == "memory"
    config = load(ONE, {}).config
    assert not shares(config, several, kept=False)
    assert shares(config, several, kept=True)  # a key with a limit may be made at run time
    assert not shares(config, ALONE, kept=True)


def test_several_workers_without_a_server_cannot_count_together() -> None:
    with pytest.raises(ConfigError, match="several workers with limits need the extra `valkey`"):
        counters(Processes(workers=2), limits=EACH)


def test_a_limit_that_may_be_made_later_does_not_prevent_the_start(caplog: pytest.LogCaptureFixture) -> None:
    config = load(ONE, {}).config
    found = ledger_of(config, SYSTEM, Processes(workers=2), name="one-1", shared=True)
    assert found.state()["kind"] == "memory"
    assert "each worker would count limits by itself" in caplog.text


async def test_counters_are_shared_over_a_server(valkey: ValkeyServer) -> None:
    """What one process has counted, another one refuses."""
    one = counters(limits=EACH, stores={"valkey": valkey.url})
    other = counters(name="two-1", limits=EACH, stores={"valkey": valkey.url})
    limit = Limit("each", "requests", 1, "minute")
    now = time.time()
    start, ends = span(limit.window, limit.every, now)
    claims = [Claim(limit, f"{prefix_of(limit, 'ci')}{start}", ends, 1)]
    try:
        found = await one.ask(claims, now)
        assert isinstance(found, Reservation)
        assert isinstance(await other.ask(claims, now), Refused)
        assert (one.state()["held"], other.state()["held"]) == (1, 0)
        assert (one.state()["kind"], one.state()["healthy"]) == ("valkey", True)
    finally:
        await one.close()
        await other.close()


async def test_a_server_that_is_away_is_told_and_does_not_prevent_the_start(
    valkey: ValkeyServer, caplog: pytest.LogCaptureFixture
) -> None:
    config = load({**ONE, "stores": {"valkey": valkey.url}}, {}).config
    await reach_counters(config)
    assert caplog.text == ""
    valkey.kill()
    await reach_counters(config)
    assert "the server of stores.valkey is away" in caplog.text
