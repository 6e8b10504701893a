"""The sound that a model transcribes is reserved before it is sent, and charged once."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from dragoman import ir
from dragoman.accounts.limits import NANO, Limit
from dragoman.dialects.live import Heard, Spoken, Used
from dragoman.engine.hearing import Sent
from dragoman.engine.meter import EndedByLimit
from dragoman.engine.replies import Replies
from dragoman.providers.rates import Level, Period, Rates, completed
from tests.unit.engine import accounts
from tests.unit.engine.test_replies import House as Session

TIME = {"input_audio_ms": 36 * NANO // 100}
"""As whisper-1: USD 0.36 for an hour."""
TOKENS = {"input": 2 * NANO, "output": 10 * NANO, "input_audio": 6 * NANO}
"""For a million tokens."""


class House(Session):
    """One session at `one/gpt`. only: whether it only transcribes; otherwise `one/ears` transcribes."""

    def __init__(self, *limits: Limit, only: bool = True, **more: Any) -> None:
        super().__init__(*limits, **more)
        self.by = None if only else "ears"
        self.replies = Replies(self.replies._attempt, transcribes=only)
        self.admitted = 0

    def admit(self) -> None:
        self.admitted += 1

    async def say(self, seconds: float, *, commits: bool = False, by: str | None = None) -> None:
        await self.replies.listen(Spoken("", seconds * 1000, by or self.by, commits), self.admit)

    async def hears(self, speech: Any = "heard") -> None:
        await self.replies.heard(Heard("{}", speech=speech))

    async def wrote(self, text: int = 3, **stated: Any) -> None:
        """A transcript comes. text: its tokens, if nothing is stated."""
        stated = stated or {"usage": ir.Usage(output=text, estimated=True)}
        used = Used(model=self.by, transcript=True, **stated)
        await self.replies.heard(Heard("{}", used=(used,)))

    def records(self) -> list[Any]:
        return [(one.id, one.units, one.cost, one.estimated) for one in self.book.closes]

    @property
    def held(self) -> tuple[int, int]:
        """(used, reserved) of the only counter."""
        return next(iter(self.standing().values()), (0, 0))


def priced(monkeypatch: pytest.MonkeyPatch, prices: Any, name: str = "one/gpt") -> None:
    rates = Rates((Period((Level(-1, completed(prices)),)),), "a test")
    monkeypatch.setitem(accounts.PRICES, name, rates)


MONEY = Limit("budget", "money", NANO, "day")
COUNTED = Limit("l", "tokens", 100_000, "day")


async def test_sound_without_stated_usage_is_charged_by_its_length(monkeypatch: Any) -> None:
    priced(monkeypatch, TIME)
    house = House(MONEY)
    await house.say(4)
    assert house.held == (0, 1_000_000)  # ten seconds
    assert [record.id for record in house.book.opens] == ["ex_1.1"]
    await house.say(5.5)
    assert house.held == (0, 2_000_000)
    await house.wrote(text=7)
    assert house.records() == [("ex_1.1", {"input_audio_ms": 9500, "output": 7}, 950_000, True)]
    assert house.held == (950_000, 0)
    await house.say(1)
    await house.wrote(text=1)
    assert house.records()[1] == ("ex_1.2", {"input_audio_ms": 1000, "output": 1}, 100_000, True)
    assert (house.replies.books.cost, house.admitted) == (1_050_000, 3)


async def test_a_model_that_bills_tokens_is_charged_tokens(monkeypatch: Any) -> None:
    priced(monkeypatch, TOKENS)
    house = House(MONEY)
    await house.say(3)
    ((_, reserved),) = house.standing().values()
    assert reserved >= 321 * 6_000 + 61 * 10_000
    await house.wrote(text=9)
    units = {"input_audio_ms": 3000, "input_audio": 31, "output": 9}
    assert house.records() == [("ex_1.1", units, 31 * 6_000 + 9 * 10_000, True)]


async def test_a_model_without_a_price_for_sound_counts_its_tokens_as_text() -> None:
    house = House(COUNTED)
    await house.say(3)
    assert house.held == (0, 321 + 61)
    await house.wrote(text=9)
    assert house.records() == [
        ("ex_1.1", {"input_audio_ms": 3000, "input": 31, "output": 9}, 31_000 + 90_000, True)
    ]
    assert house.held == (40, 0)


async def test_stated_usage_replaces_what_was_reserved(monkeypatch: Any) -> None:
    priced(monkeypatch, TIME)
    house = House(MONEY)
    await house.say(30)
    assert house.held == (0, 3_000_000)
    await house.wrote(units={"input_audio_ms": 12_000})
    assert house.records() == [("ex_1.1", {"input_audio_ms": 12_000}, 1_200_000, False)]
    assert house.held == (1_200_000, 0)
    await house.say(3)
    await house.wrote(usage=ir.Usage(5, output=2))
    assert house.records()[1][1] == {"input": 5, "output": 2}
    await house.say(3)
    await house.wrote(units={})
    assert house.records()[2] == ("ex_1.3", {}, 0, False)
    assert house.held[1] == 0


async def test_a_limit_refuses_sound_before_it_is_sent(monkeypatch: Any) -> None:
    priced(monkeypatch, TIME)
    house = House(Limit("budget", "money", 2_500_000, "day"))
    await house.say(12)
    with pytest.raises(EndedByLimit):
        await house.say(20)
    assert house.exchange.refused_by == "budget"
    house.replies.close()
    assert house.records() == [("ex_1.1", {"input_audio_ms": 12_000, "output": 37}, 1_200_000, True)]
    assert house.held == (1_200_000, 0)
    again = House(Limit("budget", "money", 900_000, "day"))
    with pytest.raises(EndedByLimit):
        await again.say(1)
    again.replies.close()
    assert (again.records(), again.book.opens, again.held) == ([], [], (0, 0))
    assert again.exchange.refused_by == "budget"


async def test_limits_of_the_deployment_hold_too(monkeypatch: Any) -> None:
    priced(monkeypatch, TIME, "one/ears")
    house = House(Limit("budget", "money", 2_500_000, "day", "deployment"), only=False)
    await house.say(5)
    await house.hears()
    await house.say(12)
    assert house.held == (0, 2_000_000)
    with pytest.raises(EndedByLimit):
        await house.say(12)
    house.replies.close()
    assert house.held == (1_700_000, 0)


async def test_a_client_that_may_not_go_on_is_not_heard() -> None:
    def refuse() -> None:
        raise EndedByLimit(ir.Fault("authentication", "revoked"))

    house = House(COUNTED)
    await house.say(7)
    house.admit = refuse  # type: ignore[method-assign]
    await house.say(0.5)  # nothing more has to be reserved
    with pytest.raises(EndedByLimit):
        await house.say(5)
    house.replies.close()
    assert house.records()[0][1]["input_audio_ms"] == 7500


async def test_a_journal_that_fails_refuses_sound() -> None:
    house = House(COUNTED)
    house.book.failing = True
    with pytest.raises(EndedByLimit) as caught:
        await house.say(1)
    assert caught.value.fault.kind == "unavailable"
    house.replies.close()
    assert (house.records(), house.held) == ([], (0, 0))


async def test_a_session_that_ends_before_a_transcript_is_charged() -> None:
    house = House(COUNTED)
    await house.say(20)
    house.replies.close()
    assert house.records()[0][1] == {"input_audio_ms": 20_000, "input": 201, "output": 61}
    house.replies.close()
    assert (len(house.records()), house.held) == (1, (262, 0))


async def test_silence_after_stated_usage_is_not_charged() -> None:
    house = House(COUNTED)
    await house.say(3)
    await house.wrote(usage=ir.Usage(5, output=2))
    await house.say(600)
    assert house.held == (7, 382)  # of silence only a bit is reserved
    house.replies.close()
    assert (len(house.records()), house.held) == (1, (7, 0))
    assert [record.id for record in house.book.opens] == ["ex_1.1"]


async def test_speech_after_stated_usage_is_charged_if_its_transcript_does_not_come() -> None:
    house = House(COUNTED)
    await house.say(3)
    await house.wrote(usage=ir.Usage(5, output=2))
    await house.say(600)
    await house.hears()
    await house.say(20)
    assert house.held[1] >= 30 * (32 + 6)
    house.replies.close()
    assert house.records()[1][1]["input_audio_ms"] == 30_000  # ten seconds of the silence, too


async def test_sound_that_the_client_commits_counts_as_a_whole() -> None:
    house = House(COUNTED, only=False)
    await house.say(60)
    await house.say(0, commits=True)
    house.replies.close()
    assert house.records()[0][1]["input_audio_ms"] == 60_000


async def test_silence_in_a_conversation_is_not_charged() -> None:
    house = House(COUNTED, only=False)
    await house.say(60)
    house.replies.close()
    assert house.records() == [("ex_1.1", {}, 0, False)]  # the journal knew of it
    assert house.held == (0, 0)


async def test_a_transcript_of_a_conversation_is_charged_from_where_speech_was_heard() -> None:
    house = House(COUNTED, only=False)
    await house.say(60)
    await house.hears()
    await house.say(5)
    await house.hears()
    await house.say(1)
    await house.wrote(text=4)
    assert house.records()[0][1] == {"input_audio_ms": 16_000, "input": 161, "output": 4}
    await house.say(40)
    await house.wrote(text=4)  # the provider does not tell when it hears speech
    assert house.records()[1][1]["input_audio_ms"] == 40_000
    assert {record.deployment for record in house.book.closes} == {"one/ears"}


async def test_a_transcript_that_fails_is_not_charged() -> None:
    house = House(COUNTED)
    await house.say(30)
    await house.hears()
    await house.hears("failed")
    await house.say(2)
    await house.wrote(text=4)
    assert house.records()[0][1]["input_audio_ms"] == 2000


async def test_another_model_that_transcribes_has_a_record_of_its_own() -> None:
    house = House(COUNTED, only=False)
    await house.say(5)
    await house.hears()
    await house.say(5, by="other")
    await house.hears()
    house.replies.close()
    assert [(one.deployment, one.units["input_audio_ms"]) for one in house.book.closes] == [
        ("one/ears", 5000),
        ("one/other", 5000),
    ]


async def test_a_transcript_without_sound_is_charged_by_its_text() -> None:
    house = House(COUNTED)
    await house.say(0)
    await house.say(0, commits=True)
    assert house.book.opens == []
    await house.wrote(text=4)
    await house.wrote(units={})
    await house.wrote(text=0)
    assert house.records() == [("ex_1.1", {"output": 4}, 40_000, True)]


async def test_a_transcript_within_a_reply_is_no_part_of_the_reply() -> None:
    house = House(COUNTED)
    await house.say(3)
    await house.replies.begin("r")
    await house.wrote(text=4)
    await house.wrote(text=4)
    await house.replies.heard(Heard("{}", ends=True, reply="r", used=(Used(ir.Usage(1, output=1)),)))
    assert [units for _, units, _, _ in house.records()] == [
        {"input_audio_ms": 3000, "input": 31, "output": 4},
        {"output": 4},
        {"input": 1, "output": 1},
    ]


async def test_a_limit_refuses_a_model_without_a_price() -> None:
    house = House(Limit("budget", "money", NANO, "day", unknown_price="refuse"), only=False)
    with pytest.raises(EndedByLimit) as caught:
        await house.say(1)
    assert (caught.value.fault.code, house.exchange.refused_by) == ("unknown_price", "budget")


async def test_without_accounts_only_the_sum_is_known() -> None:
    house = House(accounts=False)
    await house.say(30)
    await house.say(30)
    await house.wrote(text=2)
    assert house.replies.books.usage == ir.Usage(601, output=2, estimated=True)
    assert house.admitted == 2


async def test_a_transcript_that_comes_while_more_is_reserved_frees_all(monkeypatch: Any) -> None:
    house = House(COUNTED)
    await house.say(8)
    ledger, reserve = house.ledger, house.ledger.reserve

    async def ask(claims: Any, now: float, onto: Any = None) -> Any:
        await asyncio.sleep(0)
        return reserve(claims, now, onto)

    monkeypatch.setattr(ledger, "reserve", lambda *_: None)
    monkeypatch.setattr(ledger, "ask", ask)
    await asyncio.gather(house.say(8), house.wrote(text=4))
    assert house.records()[0][1]["input_audio_ms"] == 16_000
    assert house.held[1] == 0


def test_sound_counts_from_where_speech_was_heard() -> None:
    one = Sent(whole=False)
    one.speech()  # nobody transcribes yet
    one.total = 3000
    assert (one.sure, one.length) == (3000, 3000)
    one.total = 30_000
    assert (one.sure, one.length) == (10_000, 30_000)
    one.speech()
    one.total += 5000
    one.speech()
    assert (one.sure, one.length) == (15_000, 15_000)
    one.commit()
    assert one.length == 35_000
    whole = Sent(whole=True)
    whole.total = 30_000
    whole.speech()
    assert (whole.sure, whole.length) == (30_000, 30_000)


async def test_a_failed_transcript_is_not_charged_at_the_end_either() -> None:
    house = House(COUNTED)
    await house.say(4)
    await house.hears("failed")
    house.replies.close()
    assert house.records() == [("ex_1.1", {}, 0, False)]
    assert house.held == (0, 0)
