"""A race of attempts: who wins, and what becomes of the others."""

from __future__ import annotations

import asyncio
import gc
from typing import Any, cast

import pytest

from dragoman.engine.asked import Asked
from dragoman.engine.delivery import Delivery, Running
from dragoman.engine.race import Contender, Fallen, Race
from dragoman.exchange import AttemptRecord
from dragoman.routing.route import Deployment
from tests.unit.engine.stage import Stage, chat, whole


@pytest.fixture
def found() -> Race:
    """A race for an exchange that an engine has decoded."""
    stage = Stage()
    stage.script("one", whole("Hello."))
    kept: list[Delivery] = []
    before = Delivery.expect

    def expect(self: Delivery, asked: Asked) -> None:
        kept.append(self)
        before(self, asked)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Delivery, "expect", expect)
        stage.plays(chat())
    (delivery,) = kept
    assert delivery.asked is not None
    delivery.committed, delivery.running = False, None
    delivery.asked.exchange.attempts.clear()
    delivery.now = lambda: 0.0
    return Race(delivery, delivery.asked)


def running(contender: Contender, name: str) -> Contender:
    assert contender.asked is not None
    record = AttemptRecord("ex_1-1", name, None, "relay", 0.0)
    contender.running = Running(record, Deployment("p", name), 200, None)
    contender.asked.exchange.attempts.append(record)
    return contender


async def forever(ended: list[str], name: str) -> None:
    try:
        await asyncio.Event().wait()
    finally:
        ended.append(name)


def nothing() -> None:
    """Give nothing back."""


async def test_who_commits_first_wins_and_the_others_are_cancelled(found: Race) -> None:
    ended: list[str] = []
    first, second = running(found.contender(), "first"), running(found.contender(), "second")

    async def wins() -> None:
        second._commit()
        assert second.asked is not None
        second.asked.exchange.answered = "p/second"
        second._headers()

    found.start(first, forever(ended, "first"), nothing)
    found.start(second, wins(), nothing)
    assert await found.fallen() is None
    assert (found.winner, found.open) == (second, False)
    await found.close()
    assert ended == ["first"]
    assert found.exchange.answered == "p/second"
    assert [one.deployment for one in found.exchange.attempts] == ["first", "second"]
    assert found._delivery.committed


async def test_the_record_of_the_winner_comes_last(found: Race) -> None:
    first, second = running(found.contender(), "first"), running(found.contender(), "second")
    found.adopt(first)
    assert [one.deployment for one in found.exchange.attempts] == ["second", "first"]
    found.adopt(second)
    assert [one.deployment for one in found.exchange.attempts] == ["first", "second"]


async def test_who_comes_second_cannot_commit(found: Race) -> None:
    first, second = found.contender(), found.contender()
    found.win(first)
    found.win(first)
    with pytest.raises(asyncio.CancelledError):
        found.win(second)


async def test_those_who_fall_come_one_after_another(found: Race) -> None:

    async def falls(name: str) -> None:
        raise Fallen(name, cast("Any", None))

    for name in ("first", "second"):
        found.start(found.contender(), falls(name), nothing)
    fallen = [await found.fallen(), await found.fallen()]
    assert [one and one.candidate for one in fallen] == ["first", "second"]
    await found.close()


async def test_what_ends_the_exchange_is_raised(found: Race) -> None:
    ended: list[str] = []

    async def crashes() -> None:
        raise ZeroDivisionError

    found.start(found.contender(), forever(ended, "first"), nothing)
    found.start(found.contender(), crashes(), nothing)
    with pytest.raises(ZeroDivisionError):
        await found.fallen()
    await found.close()
    assert ended == ["first"]


async def test_all_were_cancelled_from_outside(found: Race) -> None:
    with pytest.raises(asyncio.CancelledError):
        await found.fallen()


async def test_each_has_a_request_of_its_own(found: Race) -> None:
    first, second = found.contender(), found.contender()
    assert first.asked is not None
    assert second.asked is not None
    assert first.asked.said is not second.asked.said
    assert first.asked.exchange is not second.asked.exchange
    assert first.asked.exchange.attempts is found.exchange.attempts


async def test_an_attempt_that_is_overtaken_before_its_first_step_gives_back_what_it_holds(
    found: Race, recwarn: pytest.WarningsRecorder
) -> None:
    ended: list[str] = []
    first, second = running(found.contender(), "first"), found.contender()
    told = asyncio.Event()

    async def wins() -> None:
        await told.wait()
        first._commit()

    found.start(first, wins(), lambda: ended.append("first"))
    await asyncio.sleep(0)
    told.set()  # the first one wins in the next turn of the loop, before the second one's first step
    found.start(second, forever([], "second"), lambda: ended.append("second"))
    assert await found.fallen() is None
    await found.close()
    assert ended == ["first", "second"]
    gc.collect()
    assert [str(one.message) for one in recwarn] == []
