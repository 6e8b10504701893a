"""The meter of one exchange: exactly once, whatever goes wrong. Its transcripts are in `test_accounted`."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dragoman import ir
from dragoman.accounts.counters import MemoryLedger
from dragoman.accounts.limits import Limit
from dragoman.engine.accounting import Expected
from dragoman.engine.meter import EndedByLimit, metered
from dragoman.errors import RequestFailed
from dragoman.exchange import AttemptRecord, Exchange
from tests.unit.engine.accounts import NOW, SEAMS, Book, meter, standing


def test_nothing_is_metered_without_accounts() -> None:
    exchange = Exchange("ex_1", "req_1", "openai_chat", "POST", "/", 1.0, NOW)
    assert metered(None, exchange, SEAMS) is None


def test_it_closes_once() -> None:
    book = Book()
    found, _, exchange = meter(journal=book)
    exchange.attempts = [AttemptRecord("a", "one/gpt", None, "relay", 1.0, usage=ir.Usage(input=1))]
    found.close(200)
    found.close(500, gone=True)
    assert [record.status for record in book.closes] == [200]


def test_a_journal_that_ends_with_the_process_is_told_of_the_end_alone() -> None:
    book = Book()
    book.outlives = False
    found, _, exchange = meter(journal=book)
    exchange.attempts = [AttemptRecord("a", "one/gpt", None, "relay", 1.0, usage=ir.Usage(input=1))]
    found.began(exchange.attempts[0])
    found.close(200)
    assert (len(book.opens), len(book.closes)) == (0, 1)


async def test_a_bill_that_cannot_be_made_still_frees_what_was_reserved(caplog: Any) -> None:
    def failing(_: str) -> None:
        raise ValueError("no")

    found, ledger, exchange = meter(Limit("l", "requests", 5, "day"), rates=failing)
    assert found.applies("m")
    await found.admit()
    exchange.attempts = [AttemptRecord("a", "one/gpt", None, "relay", 1.0, usage=ir.Usage(input=1))]
    found.close()
    assert list(standing(ledger).values()) == [(1, 0)]
    assert "could not be billed" in caplog.text


async def test_a_reservation_grows_with_the_answer_and_is_settled_as_one() -> None:
    found, ledger, exchange = meter(Limit("l", "tokens", 1000, "day"), Limit("m", "money", 10**9, "day"))
    assert found.applies("m")
    await found.admit()
    await found.expect(Expected(10, 100, 7))
    await found.extend(Expected(0, 50), "one/gpt")
    assert found.expected == Expected(10, 150, 7 + 50 * 10_000)
    assert list(standing(ledger).values()) == [(0, 160), (0, 7 + 500_000)]
    exchange.attempts = [AttemptRecord("a", "one/gpt", None, "relay", 1.0, usage=ir.Usage(input=9, output=2))]
    found.close()
    assert list(standing(ledger).values()) == [(11, 0), (29_000, 0)]


async def test_a_journal_that_fails_ends_a_longer_answer_and_blames_no_deployment() -> None:
    book = Book()
    found, _, exchange = meter(Limit("l", "tokens", 1000, "day"), journal=book)
    assert found.applies("m")
    await found.admit()
    await found.expect(Expected(10, 100, 7))
    exchange.attempts = [AttemptRecord("a", "one/gpt", None, "relay", 1.0)]
    found.began(exchange.attempts[0])
    book.failing = True
    with pytest.raises(EndedByLimit) as ended:
        await found.extend(Expected(0, 50), "one/gpt")
    assert ended.value.fault.kind == "unavailable"
    assert not await found.affords_twice("one/gpt")


class Asking(MemoryLedger):
    """Its counters are shared, so that each reservation takes a moment."""

    def reserve(self, claims: Any, now: float, onto: Any = None) -> Any:
        return None

    async def ask(self, claims: Any, now: float, onto: Any = None) -> Any:
        await asyncio.sleep(0)
        return MemoryLedger.reserve(self, claims, now, onto)


async def test_a_second_attempt_holds_nothing_if_the_answer_comes_while_it_is_asked_for() -> None:
    book = Book()
    found, ledger, exchange = meter(Limit("l", "tokens", 1000, "day"), journal=book, ledger=Asking(SEAMS))
    assert found.applies("m")
    await found.expect(Expected(10, 100, 7))
    exchange.attempts = [AttemptRecord("a", "one/gpt", None, "relay", 1.0, usage=ir.Usage(3, output=2))]
    found.began(exchange.attempts[0])
    second = asyncio.create_task(found.affords_twice("one/gpt"))
    await asyncio.sleep(0)
    found.close()
    assert not await second
    assert list(standing(ledger).values()) == [(5, 0)]
    assert (len(book.opens), len(book.closes)) == (1, 1)


async def test_limits_that_cannot_be_checked_forbid_a_second_attempt_and_do_not_end_the_first() -> None:
    found, ledger, _ = meter(Limit("l", "tokens", 1000, "day"))
    assert found.applies("m")
    await found.expect(Expected(10, 100, 7))
    ledger.wait("the store is away", refuse=True)
    assert not await found.affords_twice("one/gpt")
    assert list(standing(ledger).values()) == [(0, 110)]


async def test_an_attempt_of_a_limited_deployment_is_charged_apart() -> None:
    limits = [
        Limit("d", "tokens", 100, "day", "deployment", only=frozenset({"one/gpt"})),
        Limit("p", "requests", 2, "day", "provider"),
    ]
    found, ledger, exchange = meter(*limits)
    assert not found.applies("m")
    assert found.bounded("one/gpt")
    found.expected = Expected(10, 20)
    held = await found.enter("one/gpt")
    first = AttemptRecord("a-1", "one/gpt", None, "relay", 1.0, usage=ir.Usage(input=10))
    exchange.attempts = [first]
    found.began(first, held)
    assert sorted(standing(ledger).values()) == [(0, 1), (0, 30)]
    first.fault = ir.Fault("timeout", "Late.")
    found.left(first)
    assert sorted(standing(ledger).values()) == [(1, 0), (10, 0)]
    found.left(first)
    unmade = await found.enter("one/gpt")
    assert unmade is not None
    found.release(unmade)
    assert sorted(standing(ledger).values()) == [(1, 0), (10, 0)]
    found.close()
    assert sorted(standing(ledger).values()) == [(1, 0), (10, 0)]


async def test_the_journal_knows_what_attempts_hold_but_no_places() -> None:
    book = Book()
    limits = [
        Limit("k", "concurrency", 5, None),
        Limit("k", "requests", 5, "day"),
        Limit("p", "tokens", 100, "day", "provider"),
    ]
    found, _, exchange = meter(*limits, journal=book)
    assert found.applies("m")
    await found.admit()
    found.expected = Expected(10, 20)
    for name in ("one/gpt", "two/gpt"):
        record = AttemptRecord(name, name, None, "relay", 1.0)
        found.began(record, await found.enter(name))
        exchange.attempts.append(record)
    settled = [
        sorted((name.split("|")[1], name.split("|")[4], amount) for name, amount in one.settled)
        for one in book.opens
    ]
    one, two, request = ("tokens", "one", 30), ("tokens", "two", 30), ("requests", "ci", 1)
    assert settled == [[request, one], [request, one, two]]


async def test_a_limit_of_a_provider_may_refuse_what_has_no_price() -> None:
    limit = Limit("p", "money", 10**12, "day", "provider", unknown_price="refuse")
    found, _, exchange = meter(limit)
    found.expected = Expected(10, 20)
    with pytest.raises(RequestFailed) as refused:
        await found.enter("nobody/knows")
    assert refused.value.fault.code == "unknown_price"
    assert exchange.refused_by == "p"
    assert await found.enter("one/gpt") is not None


async def test_a_refusal_reserves_nothing_and_names_its_limit() -> None:
    found, ledger, exchange = meter(Limit("l", "requests", 0, "minute"))
    assert found.applies("m")
    with pytest.raises(RequestFailed) as failed:
        await found.admit()
    assert failed.value.fault.code == "rate_limit_exceeded"
    assert exchange.refused_by == "l"
    assert standing(ledger) == {}


def test_headers_of_the_cost_are_only_those_of_whole_answers() -> None:
    found, _, exchange = meter()
    exchange.attempts = [AttemptRecord("a", "one/gpt", None, "relay", 1.0, usage=ir.Usage(input=1))]
    assert found.headers([]) == []
    found.close(200)
    assert found.headers([]) == [(b"x-dragoman-cost", b"0.000001"), (b"x-litellm-response-cost", b"0.000001")]
