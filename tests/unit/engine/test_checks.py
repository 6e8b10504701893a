"""Providers are asked in the background, one question at a time, and what they answer counts."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, cast

import pytest

from dragoman import ir
from dragoman.dialects.table import DIALECTS
from dragoman.engine.checks import Checked, Checks
from dragoman.errors import RequestFailed
from dragoman.net.connected import CONNECTED
from dragoman.net.transport import CROWDED, Pool, Slots
from dragoman.routing.breaker import State
from dragoman.routing.event import Event
from dragoman.routing.health import Health
from dragoman.seams.clock import Seams
from dragoman.seams.deadlines import Deadlines
from dragoman.upstreams.account import Account
from dragoman.upstreams.upstream import Call
from dragoman.upstreams.wire import WireUpstream


class Up:
    """A provider whose list of models is what `answer` gives, or raises."""

    name = "up"
    dialect = DIALECTS["openai_chat"]
    accounts = (Account({}, "1234", ("secret-key-1234",)),)

    def __init__(self, answer: Callable[[], Any]) -> None:
        self.answer = answer
        self.asked = self.at_once = self.most_at_once = 0

    async def listed(self, call: Call) -> bytes:
        self.asked += 1
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            await asyncio.sleep(0.001)
            if (connected := CONNECTED.get(None)) is not None:
                connected()
            result = self.answer()
            return await result if asyncio.iscoroutine(result) else b"{}"
        finally:
            self.at_once -= 1

    def checked(self, **more: Any) -> Checked:
        return Checked(cast(WireUpstream, self), **{"every": 0.002, "wait": 5.0, **more})


def raises(kind: ir.Kind, message: str = "no") -> Callable[[], Any]:
    def answer() -> Any:
        raise RequestFailed(ir.Fault(kind, message, blame="upstream"))

    return answer


def checks(health: Health, *checked: Checked, told: Callable[[Event], None] | None = None) -> Checks:
    seams = Seams(uniform=lambda: 0.5)
    return Checks(checked, health, Deadlines(asyncio.get_running_loop()), seams, told=told)


async def until(true: Callable[[], object]) -> None:
    end = asyncio.get_running_loop().time() + 10
    while not true():
        await asyncio.sleep(0.001)
        assert asyncio.get_running_loop().time() < end


async def test_a_failure_is_known_until_an_answer_comes(caplog: pytest.LogCaptureFixture) -> None:
    health, up = Health(), Up(raises("unavailable", "overloaded, secret-key-1234"))
    running = checks(health, up.checked(when="always"))
    await until(lambda: up.asked > 3)
    assert set(health.breakers.down) == {"up"}
    assert health.breakers.calm is False
    up.answer = lambda: None
    await until(lambda: not health.breakers.down)
    assert health.calm
    await until(lambda: up.asked > 10)
    running.stop()
    told = [record.getMessage() for record in caplog.records]
    assert told == [
        "up: does not answer a check, so it is asked after others: overloaded, [redacted]",
        "up: answers again",
    ], "each news once"
    assert up.most_at_once == 1
    await asyncio.sleep(0)
    asked = up.asked
    await asyncio.sleep(0.02)
    assert up.asked == asked, "it has stopped"


@pytest.mark.parametrize("kind", ["authentication", "rate_limit", "not_found", "permission"])
async def test_any_answer_is_a_good_one(kind: ir.Kind) -> None:
    health, up = Health(), Up(raises(kind))
    running = checks(health)
    await running.check(up.checked())
    assert health.calm


class Crowded(Up):
    """A provider whose every connection is used by requests that run."""

    def __init__(self, wait: float) -> None:
        super().__init__(lambda: None)
        self._slots = Slots(Pool(size=1, wait=wait), Deadlines(asyncio.get_running_loop()), "provider 'up'")

    async def listed(self, call: Call) -> bytes:
        await self._slots.take()
        return b"{}"


@pytest.mark.parametrize("known", [True, False])
@pytest.mark.parametrize("wait", [0.02, 5.0])
async def test_connections_of_our_own_that_are_busy_say_nothing_of_the_provider(
    wait: float, *, known: bool
) -> None:
    """Neither that it answers, nor that it does not, however long the check may wait for its answer."""
    health, up = Health(), Crowded(wait=0.1)
    await up.listed(cast(Call, None))
    health.breakers.states["up/m"] = State(3, until=1e12, pause=5.0, latest=1e12)
    running = checks(health)
    if known:
        health.checked("up", 0.0, 1e12)
    await running.check(up.checked(wait=wait))
    assert set(health.breakers.down) == ({"up"} if known else set())
    assert health.breakers.states["up/m"].until == 1e12


async def test_nor_does_memory_of_our_own_that_is_full() -> None:
    def answer() -> Any:
        raise RequestFailed(CROWDED)

    health, up = Health(), Up(answer)
    await checks(health).check(up.checked())
    assert health.breakers.down == {}


async def test_an_outage_and_its_end_are_events() -> None:
    health, up, events = Health(), Up(raises("unavailable", "secret-key-1234")), list[Event]()
    running = checks(health, told=events.append)
    await running.check(up.checked())
    await running.check(up.checked())
    up.answer = lambda: None
    await running.check(up.checked())
    await running.check(up.checked())
    text = "up: does not answer a check, so it is asked after others: [redacted]"
    assert events == [Event("outage", "up", text), Event("recovery", "up", "up: answers again")]


async def test_who_does_not_answer_in_time_fails() -> None:
    health, up = Health(), Up(lambda: asyncio.sleep(60))
    running = checks(health)
    await running.check(up.checked(wait=0.01))
    assert set(health.breakers.down) == {"up"}


async def test_who_does_not_fail_is_not_asked_unless_always() -> None:
    health, up = Health(), Up(lambda: None)
    running = checks(health, up.checked())
    await asyncio.sleep(0.05)
    assert up.asked == 0
    health.breakers.states["up/m"] = State(3, until=1e12, pause=5.0, latest=1e12)
    await until(lambda: health.breakers.states["up/m"].until < 1e12)
    running.stop()
    assert list(health.breakers.order(["up/m", "other/m"], 1e11)) == [0, 1], "its pause has ended early"


async def test_a_check_that_fails_in_an_odd_way_is_made_again(caplog: pytest.LogCaptureFixture) -> None:
    def odd() -> Any:
        raise ValueError("a page in place of a list")

    health, up = Health(), Up(odd)
    running = checks(health, up.checked(when="always"))
    await until(lambda: up.asked > 2)
    up.answer = raises("unavailable")
    await until(lambda: health.breakers.down)
    running.stop()
    assert "the check of up failed" in caplog.text
