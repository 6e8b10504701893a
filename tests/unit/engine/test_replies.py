"""Each reply of a session is reserved when it begins and charged when it ends, exactly once."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.accounts.caller import Caller
from dragoman.accounts.claims import Limits
from dragoman.accounts.counters import MemoryLedger
from dragoman.accounts.limits import Limit
from dragoman.dialects.live import Heard, Used
from dragoman.engine.accounting import Accounting
from dragoman.engine.meter import EndedByLimit, metered
from dragoman.engine.replies import Replies
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.providers.rates import Level, Period, Rates
from dragoman.routing.route import Deployment
from dragoman.seams.clock import Seams
from tests.unit.engine.accounts import PRICES, Book

NOW = 1_700_000_040.0


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def time(self) -> float:
        return self.now


class House:
    """One session at `one/gpt`, with its journal and its counters."""

    def __init__(self, *limits: Limit, accounts: bool = True, route: str = "m", model: str = "gpt") -> None:
        self.clock = Clock()
        seams = Seams(self.clock.time, lambda: 5.0)
        self.ledger, self.book = MemoryLedger(seams), Book()
        accounting = Accounting(
            rates=PRICES.get, journal=self.book, limits=Limits(limits), ledger=self.ledger
        )
        self.exchange = Exchange("ex_1", "req_1", "openai_chat", "WS", "/", 1.0, NOW, asked="m")
        self.exchange.called_by(Caller("ci"))
        self.exchange.operation = "realtime"
        meter = metered(accounting if accounts else None, self.exchange, seams)
        if meter is not None:
            meter.applies("m")
        attempt: Any = SimpleNamespace(
            exchange=self.exchange,
            deployment=Deployment("one", model),
            record=AttemptRecord("ex_1-1", "one/gpt", "tail", "relay", 1.0, key_id="key"),
            delivery=SimpleNamespace(now=lambda: 9.0, meter=meter),
            runtime=SimpleNamespace(seams=seams),
            plan=SimpleNamespace(route=SimpleNamespace(counted=(route,), bare="")),
        )
        self.replies = Replies(attempt)

    def standing(self) -> dict[str, tuple[int, int]]:
        return {name: (count.used, count.reserved) for name, count in self.ledger._counts.items()}

    def units(self) -> list[Any]:
        return [(record.id, record.deployment, record.units, record.cost) for record in self.book.closes]


def stated(taken: int, given: int, **more: Any) -> Used:
    return Used(ir.Usage(taken, output=given), **more)


def done(*used: Used) -> Heard:
    return Heard("{}", ends=True, used=used)


async def test_a_reply_is_reserved_and_charged() -> None:
    house = House(Limit("per-key", "tokens", 10_000, "minute"))
    await house.replies.probe()
    assert house.book.opens == house.book.closes == []
    assert [count for count in house.standing().values() if count != (0, 0)] == []
    await house.replies.begin()
    await house.replies.begin()
    assert list(house.standing().values()) == [(0, 1024)]
    assert [record.id for record in house.book.opens] == ["ex_1.2"]
    await house.replies.heard(done(stated(10, 5)))
    assert list(house.standing().values()) == [(15, 0)]
    assert house.units() == [("ex_1.2", "one/gpt", {"input": 10, "output": 5}, 10_000 + 50_000)]
    assert (house.replies.running, house.replies.books.cost) == (False, 60_000)
    await house.replies.begin()  # as much as the reply before has used
    assert list(house.standing().values()) == [(15, 15)]


async def test_a_reply_is_charged_to_the_window_in_which_it_began() -> None:
    house = House(Limit("per-key", "tokens", 10_000, "minute"))
    await house.replies.begin()
    await house.replies.heard(done(stated(10, 5)))
    house.clock.now += 60.0
    await house.replies.begin()
    await house.replies.heard(done(stated(100, 50)))
    assert list(house.standing().values()) == [(150, 0)]  # the window before is over and forgotten


def ended(reply: str | None, *used: Used) -> Heard:
    return Heard("{}", ends=True, used=used, reply=reply)


async def test_replies_at_once_are_reserved_and_charged_each() -> None:
    house = House(Limit("per-key", "tokens", 10_000, "minute"))
    replies = house.replies
    for name in ("a", "b", "b"):
        await replies.begin(name)
    assert list(house.standing().values()) == [(0, 2048)]
    assert (replies.runs("a"), replies.runs("c"), replies.runs(None)) == (True, False, False)
    for _ in range(3):
        await replies.heard(Heard("word", reply="a"))
    await replies.heard(ended("b", stated(10, 5)))
    assert (list(house.standing().values()), replies.running) == ([(15, 1024)], True)
    await replies.heard(ended("c", stated(1, 1)))  # nobody has said that it began
    assert list(house.standing().values()) == [(17, 1024)]
    replies.close()
    assert [(name, units) for name, _, units, _ in house.units()] == [
        ("ex_1.2", {"input": 10, "output": 5}),
        ("ex_1.3", {"input": 1, "output": 1}),
        ("ex_1.1", {"output": 3}),
    ]
    assert (list(house.standing().values()), replies.running) == ([(20, 0)], False)


async def test_a_limit_refuses_one_of_several_replies_at_once() -> None:
    house = House(Limit("per-key", "tokens", 3_000, "minute"))
    await house.replies.begin("a")
    await house.replies.begin("b")
    with pytest.raises(EndedByLimit):
        await house.replies.begin("c")
    house.replies.close()
    assert [name for name, *_ in house.units()] == ["ex_1.1", "ex_1.2"]


@pytest.mark.parametrize(("begun", "told"), [(None, "a"), ("a", None), (None, None)])
async def test_a_reply_ends_also_if_only_one_event_has_its_id(begun: str | None, told: str | None) -> None:
    house = House()
    await house.replies.begin(begun)
    await house.replies.heard(ended(told, stated(10, 5)))
    assert not house.replies.running
    assert [units for _, _, units, _ in house.units()] == [{"input": 10, "output": 5}]


async def test_usage_that_comes_after_the_end_of_its_reply_counts_once() -> None:
    house = House(Limit("per-key", "tokens", 10_000, "minute"))
    await house.replies.begin()
    await house.replies.heard(Heard("word"))
    await house.replies.heard(Heard("{}", owed=True))
    assert (house.replies.running, house.units()) == (False, [])
    await house.replies.heard(Heard("{}", used=(stated(7, 3, model="whisper"),)))
    assert [name for name, *_ in house.units()] == ["ex_1.2"]
    await house.replies.heard(done(stated(10, 5)))
    assert house.units()[1:] == [("ex_1.1", "one/gpt", {"input": 10, "output": 5}, 60_000)]
    assert list(house.standing().values()) == [(25, 0)]
    await house.replies.heard(done(stated(1, 1)))  # of a reply that nobody has begun
    assert [name for name, *_ in house.units()] == ["ex_1.2", "ex_1.1", "ex_1.3"]


async def test_two_replies_at_once_may_be_owed_one_after_the_other() -> None:
    house = House(Limit("per-key", "tokens", 10_000, "minute"))
    for name in ("a", "b"):
        await house.replies.begin(name)
    for name in ("a", "b"):
        await house.replies.heard(Heard("word", reply=name))
        await house.replies.heard(Heard("{}", owed=True, reply=name))
    assert [(name, units) for name, _, units, _ in house.units()] == [("ex_1.1", {"output": 2})]
    await house.replies.heard(done(stated(10, 5)))
    assert [(name, units) for name, _, units, _ in house.units()[1:]] == [
        ("ex_1.2", {"input": 10, "output": 5})
    ]
    assert list(house.standing().values()) == [(17, 0)]


@pytest.mark.parametrize("next_one", [True, False])
async def test_a_reply_whose_usage_never_comes_is_estimated(next_one: bool) -> None:
    house = House(Limit("per-key", "tokens", 10_000, "minute"))
    await house.replies.begin()
    await house.replies.heard(Heard("word"))
    await house.replies.heard(Heard("{}", owed=True))
    if next_one:
        await house.replies.begin()
    else:
        house.replies.close()
    assert [(name, units) for name, _, units, _ in house.units()] == [("ex_1.1", {"output": 2})]
    house.replies.close()


async def test_a_model_that_bills_time_is_reserved_and_charged_by_it(monkeypatch: Any) -> None:
    rates = Rates((Period((Level(-1, {"input_audio_ms": 3_600_000_000}),)),), "a test")  # 1,000 for 1 ms
    monkeypatch.setitem(PRICES, "one/gpt", rates)
    house = House(Limit("budget", "money", 30_000_000, "day"))
    await house.replies.begin()
    assert list(house.standing().values()) == [(0, 10_000_000)]
    await house.replies.heard(done(stated(10, 5, units={"input_audio_ms": 16_000})))
    assert list(house.standing().values()) == [(16_000_000, 0)]
    assert house.replies.books.cost == 16_000_000
    with pytest.raises(EndedByLimit):  # as much as before
        await house.replies.begin()


@pytest.mark.parametrize("subject", ["key", "deployment"])
async def test_a_limit_may_refuse_a_transcriber_without_a_price(subject: Any) -> None:
    limit = Limit("budget", "money", 10**12, "day", subject, unknown_price="refuse")
    house = House(limit)
    house.replies.admit("gpt")
    with pytest.raises(EndedByLimit) as caught:
        house.replies.admit("whisper")
    assert (caught.value.fault.code, house.exchange.refused_by) == ("unknown_price", "budget")
    assert house.book.closes == house.book.opens == []
    assert set(house.standing().values()) <= {(0, 0)}
    await house.replies.begin("a")
    assert [record.id for record in house.book.opens] == ["ex_1.1"]
    House(msgspec.structs.replace(limit, unknown_price="allow")).replies.admit("whisper")
    House(accounts=False).replies.admit("whisper")


async def test_impossible_counts_are_estimated() -> None:
    house = House()
    await house.replies.begin("a")
    await house.replies.heard(Heard("word", reply="a"))
    await house.replies.heard(ended("a", stated(10**30, 5)))
    assert [units for _, _, units, _ in house.units()] == [{"output": 2}]


async def test_a_provider_that_ends_no_reply_does_not_fill_the_memory() -> None:
    house = House()
    for number in range(100):
        await house.replies.begin(f"r{number}")
    assert len(house.replies._running) == 64
    house.replies.close()
    assert len(house.units()) == 100


@pytest.mark.parametrize("subject", ["key", "deployment", "provider"])
async def test_a_limit_may_refuse_a_session_whose_model_has_no_price(subject: Any) -> None:
    limit = Limit("budget", "money", 10**12, "day", subject, unknown_price="refuse")
    house = House(limit, model="unpriced")
    with pytest.raises(EndedByLimit) as caught:
        await house.replies.probe()
    assert (caught.value.fault.code, house.exchange.refused_by) == ("unknown_price", "budget")
    await House(msgspec.structs.replace(limit, unknown_price="allow"), model="unpriced").replies.probe()


async def test_a_limit_refuses_a_reply() -> None:
    house = House(Limit("per-key", "tokens", 1100, "minute"))
    await house.replies.begin()
    await house.replies.heard(done(stated(500, 200)))
    with pytest.raises(EndedByLimit):
        await house.replies.begin()
    assert house.exchange.refused_by == "per-key"
    assert list(house.standing().values()) == [(700, 0)]
    assert len(house.book.closes) == 1


async def test_a_journal_that_fails_ends_the_session_and_blames_no_deployment() -> None:
    house = House(Limit("per-key", "tokens", 1100, "minute"))
    house.book.failing = True
    with pytest.raises(EndedByLimit) as ended:
        await house.replies.begin()
    assert ended.value.fault.kind == "unavailable"
    assert list(house.standing().values()) == [(0, 0)]
    assert not house.replies.running


async def test_limits_of_the_deployment_hold_too() -> None:
    house = House(Limit("per-model", "tokens", 1100, "minute", subject="deployment"))
    await house.replies.begin()
    assert list(house.standing().values()) == [(0, 1024)]
    await house.replies.heard(done(stated(90, 10)))
    assert list(house.standing().values()) == [(100, 0)]
    house.replies._expected = house.replies._expected._replace(input=1000)
    with pytest.raises(EndedByLimit):
        await house.replies.probe()
    assert list(house.standing().values()) == [(100, 0)]


SOUND = Heard("A" * 1280 * 450)
"""A message with sound of 450 tokens."""


@pytest.mark.parametrize("subject", ["key", "deployment"])
async def test_a_reply_that_becomes_longer_than_expected_reserves_more(subject: Any) -> None:
    house = House(Limit("l", "tokens", 10_000, "minute", subject))
    await house.replies.begin()
    assert list(house.standing().values()) == [(0, 1024)]
    await house.replies.heard(SOUND)
    assert list(house.standing().values()) == [(0, 1536)]
    assert [sum(dict(record.settled).values()) for record in house.book.opens] == [1024, 1536]
    for _ in range(3):
        await house.replies.heard(SOUND)
    ((_, reserved),) = house.standing().values()
    assert reserved > 4 * 450 + 512
    await house.replies.heard(done(stated(10, 700)))
    assert list(house.standing().values()) == [(710, 0)]


@pytest.mark.parametrize("subject", ["key", "deployment"])
async def test_a_hard_limit_ends_a_reply_that_outgrows_it(subject: Any) -> None:
    house = House(Limit("l", "tokens", 1_100, "minute", subject))
    await house.replies.begin()
    with pytest.raises(EndedByLimit):
        await house.replies.heard(SOUND)
    house.replies.close()
    assert list(house.standing().values()) == [(450, 0)]
    (record,) = house.book.closes
    assert (record.units, record.estimated) == ({"output": 450}, True)


async def test_the_last_message_of_a_reply_reserves_nothing() -> None:
    house = House(Limit("l", "tokens", 1_100, "minute"))
    await house.replies.begin()
    await house.replies.heard(msgspec.structs.replace(SOUND, ends=True, used=(stated(10, 400),)))
    assert list(house.standing().values()) == [(410, 0)]


async def test_a_session_at_a_fallback_counts_for_both_models() -> None:
    house = House(Limit("each", "tokens", 10_000, "minute", "model"), route="big")
    await house.replies.begin()
    assert sorted(house.standing().values()) == [(0, 1024)] * 2
    await house.replies.heard(done(stated(90, 10)))
    assert {name.split("|")[4]: used for name, (used, _) in house.standing().items()} == {
        "m": 100,
        "big": 100,
    }
    await house.replies.heard(Heard("{}", used=(stated(3, 2),)))
    assert [used for used, _ in house.standing().values()] == [105, 105]


async def test_another_models_work_has_a_record_of_its_own() -> None:
    house = House()
    await house.replies.heard(Heard("{}", used=(Used(units={"input_audio_ms": 3000}, model="whisper"),)))
    assert house.units() == [("ex_1.1", "one/whisper", {"input_audio_ms": 3000}, None)]
    assert house.replies.books.cost is None
    assert house.replies.books.usage is None


async def test_usage_without_a_beginning_counts() -> None:
    house = House()
    await house.replies.heard(done(stated(3, 4)))
    assert house.units() == [("ex_1.1", "one/gpt", {"input": 3, "output": 4}, 43_000)]


@pytest.mark.parametrize("subject", ["key", "provider"])
@pytest.mark.parametrize("model", [None, "other"])
async def test_work_that_was_not_reserved_is_charged_also_beyond_a_limit(
    subject: Any, model: str | None
) -> None:
    """A session that only transcribes has no replies to reserve."""
    house = House(Limit("l", "tokens", 10, "minute", subject))
    for _ in range(2):
        await house.replies.heard(done(stated(6, 2, model=model)))
    assert list(house.standing().values()) == [(16, 0)]
    assert [sum(amount for _, amount in record.settled) for record in house.book.closes] == [8, 8]
    with pytest.raises(EndedByLimit):
        await house.replies.begin()


async def test_a_session_that_only_transcribes_learns_that_a_limit_is_reached() -> None:
    house = House(Limit("l", "tokens", 1_030, "minute"))
    await house.replies.probe()
    for _ in range(2):
        await house.replies.probe(again=True)
        await house.replies.heard(Heard("{}", used=(stated(4, 0, model="other"),)))
    assert [record.id for record in house.book.closes] == ["ex_1.2", "ex_1.3"]
    with pytest.raises(EndedByLimit):
        await house.replies.probe(again=True)
    assert list(house.standing().values()) == [(8, 0)]


async def test_usage_that_comes_after_its_reply_begins_no_other() -> None:
    """Else the next reply would neither be reserved nor ask whether the client may have it."""
    house = House(Limit("l", "tokens", 1_040, "minute"))
    await house.replies.begin()
    await house.replies.heard(done(stated(6, 2)))
    await house.replies.heard(Heard("{}", used=(stated(30, 2),)))
    assert not house.replies.running
    assert list(house.standing().values()) == [(40, 0)]
    await house.replies.begin()
    assert list(house.standing().values()) == [(40, 8)]


async def test_work_is_accounted_for_if_its_limits_cannot_be_reached(caplog: Any) -> None:
    house = House(Limit("l", "tokens", 10, "minute"))
    house.ledger.wait("the store is away", refuse=True)
    await house.replies.heard(done(stated(6, 2, model="other")))
    assert len(house.book.closes) == 1
    assert "is not counted by limits" in caplog.text


async def test_a_reply_whose_usage_nobody_states_is_estimated() -> None:
    house = House()
    await house.replies.begin()
    await house.replies.heard(Heard("short", begins=True))
    await house.replies.heard(Heard("A" * 12_800))
    house.replies.close()
    house.replies.close()
    (record,) = house.book.closes
    assert (record.units, record.estimated) == ({"output": 11}, True)
    assert house.replies.books.usage == ir.Usage(output=11, estimated=True)


async def test_without_accounts_only_the_sum_is_known() -> None:
    house = House(accounts=False)
    await house.replies.probe()
    await house.replies.begin()
    await house.replies.heard(done(stated(1, 2)))
    await house.replies.heard(done(stated(10, 20)))
    assert house.replies.books.usage == ir.Usage(11, output=22)
    assert house.book.closes == []
