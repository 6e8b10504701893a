"""What becomes of attempts in the usage record: units, costs, charges."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.accounts.caller import Caller
from dragoman.accounts.ledger import Reservation
from dragoman.accounts.limits import NANO, Claim, Limit
from dragoman.engine.accounting import Expected
from dragoman.engine.records import RatesOf, bill, charge_of, closed_record, opened_record
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.providers.rates import Level, Period, Rates, completed
from dragoman.state.counters import Resource
from dragoman.state.usage import UsageLine
from tests.unit.engine.accounts import PRICES, rates_of

RATES = {**PRICES, "one/mini": rates_of(1, 1)}


def lines_of(one: Exchange, rates: RatesOf, at: float) -> tuple[UsageLine, ...]:
    """All lines of an exchange."""
    return tuple(line for _, lines in bill(one, rates, at) for line in lines)


def attempt(deployment: str = "one/gpt", **more: Any) -> AttemptRecord:
    return AttemptRecord("a-1", deployment, None, "relay", 1.0, first=2.0, ended=3.0, **more)


def exchange(*attempts: AttemptRecord, **more: Any) -> Exchange:
    found = Exchange("ex_1", "req_1", "openai_chat", "POST", "/", 0.0, 100.0, **more)
    found.attempts = list(attempts)
    return found


USED = ir.Usage(input=10, cache_read=5, output=3, reasoning=2)


def test_a_line_has_the_units_and_their_price() -> None:
    one = exchange(attempt(usage=USED))
    (line,) = lines_of(one, RATES.get, 100.0)
    assert line.units == {"input": 10, "cache_read": 5, "output": 3, "reasoning": 2}
    assert (line.cost, line.priced, line.price) == (15 * 1_000 + 5 * 10_000, None, "a test")
    assert (one.cost, one.priced, one.attempts[0].cost) == (65_000, 65_000, 65_000)


def test_work_on_other_models_has_lines_of_its_own() -> None:
    other = ir.Usage(input=4, output=1)
    one = exchange(attempt(usage=ir.Usage(input=10, others=(("mini", other), ("huge", other)))))
    lines = lines_of(one, RATES.get, 100.0)
    assert [(line.deployment, line.units, line.cost) for line in lines] == [
        ("one/gpt", {"input": 10}, 10_000),
        ("one/mini", {"input": 4, "output": 1}, 5_000),
        ("one/huge", {"input": 4, "output": 1}, None),
    ]
    assert (one.cost, one.priced, one.attempts[0].cost) == (None, 15_000, None)


def test_impossible_counts_are_removed() -> None:
    one = exchange(attempt(usage=ir.Usage(input=-1)))
    (line,) = lines_of(one, RATES.get, 100.0)
    assert one.attempts[0].usage is None
    assert line.units == {"requests": 1}


@pytest.mark.parametrize(
    ("more", "units", "cost"),
    [
        ({}, {"requests": 1}, None),
        ({"usage": ir.Usage(detail={"input_audio": 0})}, {"requests": 1}, None),
        ({"usage": ir.Usage(0, output=0)}, {}, 0),
        ({"usage": ir.Usage(0)}, {}, 0),
        ({"units": {}}, {}, 0),
        ({"units": {"characters": 9}, "guessed": True}, {"characters": 9}, None),
        ({"fault": ir.Fault("upstream", "It broke.")}, {}, 0),
    ],
)
def test_answers_without_tokens(more: Any, units: dict[str, int], cost: int | None) -> None:
    (line,) = lines_of(exchange(attempt(**more)), RATES.get, 100.0)
    assert (line.units, line.cost) == (units, cost)
    assert line.estimated is more.get("guessed", False)


def test_tokens_that_the_provider_states_in_the_end_are_no_estimate() -> None:
    """They replace those that were measured when the answer began."""
    told = attempt(units={"input_audio": 9}, guessed=True, usage=ir.Usage(3, output=2))
    (line,) = lines_of(exchange(told), RATES.get, 100.0)
    assert (line.units, line.estimated) == ({"input": 3, "output": 2}, False)


@pytest.mark.parametrize(
    ("told", "more", "cost", "price"),
    [
        (True, {}, 5_000_000, "what the provider states"),
        (False, {}, 10_000, "a page"),  # a price of the operator's own
        (True, {"estimated": True}, 10_000, "a page"),
        (True, {"extra": {"openai_chat": {"cost": -1}}}, 10_000, "a page"),
    ],
)
def test_a_bill_of_the_provider_counts_before_the_table(told: bool, more: Any, cost: int, price: str) -> None:
    rates = Rates([Period((Level(-1, completed({"input": NANO})),))], "a page", told=told)
    usage = ir.Usage(10, **{"extra": {"openai_chat": {"cost": 0.005}}, **more})
    one = exchange(attempt(usage=usage))
    (line,) = lines_of(one, lambda _: rates, 100.0)
    assert (line.cost, line.priced, line.price, one.attempts[0].cost) == (cost, None, price, cost)


def test_what_is_known_of_a_cost_is_told_by_model() -> None:
    others = (("gpt", ir.Usage(10)), ("other", ir.Usage(5)))
    one = exchange(attempt(usage=ir.Usage(10, others=others)), attempt(usage=ir.Usage(10)))
    part = exchange(attempt(usage=ir.Usage(10, detail={"web_search_requests": 1})))
    lines_of(one, RATES.get, 100.0)
    lines_of(part, RATES.get, 100.0)
    several, single = one.attempts
    cost = single.cost or 0
    assert cost > 0
    assert (several.cost, several.priced) == (None, (("one/gpt", cost), ("one/gpt", cost), ("one/other", 0)))
    assert single.priced == ()
    (searched,) = part.attempts
    assert (searched.cost, searched.priced) == (None, (("one/gpt", cost),))


def test_the_tier_of_the_answer_counts_before_that_of_the_request() -> None:
    dear = completed({"input": 8 * NANO, "output": 8 * NANO})
    usual = completed({"input": NANO, "output": NANO})
    rates = Rates([Period((Level(-1, usual),), {"priority": (Level(-1, dear),)})], "tiers")
    used = ir.Usage(input=1)
    for stated, cost in ((None, 8_000), ("priority", 8_000), ("default", 1_000)):
        one = exchange(attempt(usage=used, tier=stated), tier="priority")
        (line,) = lines_of(one, lambda _: rates, 1.0)
        assert line.cost == cost
    fast = ir.Usage(input=1, extra={"anthropic": {"speed": "priority"}})
    (line,) = lines_of(exchange(attempt(usage=fast, tier="default")), lambda _: rates, 1.0)
    assert line.cost == 8_000


def claim(resource: Resource, amount: int) -> Claim:
    return Claim(Limit("l", resource, 100, "day"), f"of {resource}", 1000.0, amount)


def test_each_counter_is_charged_what_it_counts() -> None:
    resources: tuple[Resource, ...] = (
        *("requests", "tokens", "input_tokens", "output_tokens", "money", "concurrency"),
    )
    reservation = Reservation({f"of {one}": claim(one, 1) for one in resources})
    unpriced = attempt("no/price", usage=USED)
    lines = lines_of(exchange(attempt(usage=USED), unpriced), RATES.get, 100.0)
    assert charge_of(reservation, lines) == {
        "of requests": 1,
        "of tokens": 40,
        "of input_tokens": 30,
        "of output_tokens": 10,
        "of money": 65_000,
    }


def test_the_record_before_the_call_says_what_is_reserved() -> None:
    caller = Caller("ci", key="key_1", tenant="acme", tags=("a",))
    one = exchange(client="ci", caller=caller, asked="m", tags=("b",), operation="embed")
    record = opened_record(one, "embed", "one/gpt", Expected(7, 9, 5), (("counter", 16),))
    assert (record.units, record.settled, record.cut) == ({"input": 7, "output": 9}, (("counter", 16),), True)
    assert (record.tenant, record.tags, record.provider) == ("acme", ("a", "b"), "one")
    assert (record.cost, record.priced, record.estimated) == (5, 5, True)
    assert (record.id, record.created, record.ended, record.client) == ("ex_1", 100.0, 100.0, "ci")
    assert (record.key, record.face, record.model, record.operation) == ("key_1", "openai_chat", "m", "embed")
    assert (record.deployment, record.end, record.failed) == ("one/gpt", "gateway/killed", True)
    unknown = opened_record(one, "embed", "one/gpt", Expected(7, 9), ())
    assert (unknown.cost, unknown.priced) == (None, 0)


def test_the_record_of_the_end() -> None:
    one = exchange(attempt(usage=USED), asked="m", answered="one/gpt", status=200, first=2.0, streamed=True)
    lines = lines_of(one, RATES.get, 100.0)
    record = closed_record(one, lines, (), operation="chat", status=None, gone=True, now=4.0, ended=104.0)
    assert (record.status, record.end, record.failed) == (200, "client/head", True)
    assert (record.first, record.seconds, record.created, record.ended) == (2.0, 4.0, 100.0, 104.0)
    assert (record.deployment, record.provider, record.attempts) == ("one/gpt", "one", 1)
    assert (record.cost, record.lines) == (65_000, lines)
    assert (record.client, record.key, record.model, record.operation) == (None, None, "m", "chat")
    assert (record.units, record.priced, record.estimated) == (lines[0].units, 65_000, False)
    assert (record.streamed, record.cut, record.overhead, record.settled) == (True, False, 2.0, ())
