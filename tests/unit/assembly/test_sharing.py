"""Workers tell each other what they learn, and who comes later asks."""

from __future__ import annotations

import asyncio
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.assembly import sharing
from dragoman.assembly.sharing import share
from dragoman.routing.health import Health
from dragoman.routing.pool import Key, Pool
from dragoman.routing.route import Candidate, Deployment, Route
from dragoman.seams.clock import Seams
from dragoman.seams.peers import Peers

ONE = Deployment("one", "m")
SEAMS = Seams(monotonic=lambda: 1.0)
LIMIT = ir.Fault("rate_limit", "Slow down.", retry_after=20.0, blame="upstream")


class Wire(Peers):
    """Passes each message on to all others at once."""

    alone = False

    def __init__(self, all_: list[Wire], *, keeps: bool = False) -> None:
        super().__init__()
        self.keeps = keeps
        self.told: list[str] = []
        self.lost = False
        """Whether messages of this process are lost."""
        self._all = all_
        all_.append(self)

    def hear(self, subject: str, value: Any) -> Any:
        return self._receivers[subject](value) if subject in self._receivers else None

    def tell(self, subject: str, value: Any) -> None:
        self.told.append(subject)
        if self.lost:
            return
        for other in self._all:
            if other is not self:
                other.hear(subject, msgspec.json.decode(msgspec.json.encode(value)))

    async def ask(self, subject: str, value: Any = None) -> list[Any]:
        answers = [other.hear(subject, value) for other in self._all if other is not self]
        return [msgspec.json.decode(msgspec.json.encode(one)) for one in answers if one is not None]


def health() -> Health:
    made = Health()
    made.pools = {"one": Pool([Key("1a"), Key("1b")])}
    return made


def first(made: Health) -> int:
    return made.order(Route("m", (ONE,)), 2.0).ready[0].account


def test_what_one_learns_all_know_and_who_comes_later_too() -> None:
    async def run() -> None:
        wires: list[Wire] = []
        one, two, three, keeper = (health() for _ in range(4))
        await share(one, Wire(wires), SEAMS)
        await share(two, Wire(wires), SEAMS)
        one.learn(one.began(Candidate(ONE, 0), 1.0), LIMIT, 1.0)
        assert [first(one), first(two)] == [1, 1]
        await share(three, Wire(wires), SEAMS)
        assert first(three) == 1
        heard: list[Any] = []
        wires.append(Wire([]))
        wires[-1].receive("health", heard.append)
        repeating = await share(keeper, Wire(wires, keeps=True), SEAMS)
        assert repeating is not None
        repeating.cancel()
        assert first(keeper) == 1
        assert [mark[1] for mark in heard[0]] == ["1a"], "the keeper tells all what all know"

    asyncio.run(run())


@pytest.mark.parametrize("loses", ["worker", "keeper"])
def test_what_was_lost_on_the_way_is_told_again(loses: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sharing, "EVERY", 0.01)

    async def run() -> None:
        wires: list[Wire] = []
        one, two, keeper = (health() for _ in range(3))
        first_wire, second_wire, third_wire = (Wire(wires, keeps=place == 2) for place in range(3))
        assert await share(one, first_wire, SEAMS) is None
        await share(two, second_wire, SEAMS)
        repeating = await share(keeper, third_wire, SEAMS)
        assert repeating is not None
        lost = first_wire if loses == "worker" else third_wire
        learner = one if loses == "worker" else keeper
        lost.lost = True
        learner.learn(learner.began(Candidate(ONE, 0), 1.0), LIMIT, 1.0)
        assert first(two) == 0
        lost.lost = False
        async with asyncio.timeout(60):
            while first(two) == 0:  # noqa: ASYNC110 - it is told by another task, which knows no event
                await asyncio.sleep(0.01)
        repeating.cancel()

    asyncio.run(run())


def test_alone_nothing_is_shared() -> None:
    async def run() -> None:
        alone = health()
        await share(alone, Peers(), SEAMS)
        assert alone.share is None

    asyncio.run(run())
