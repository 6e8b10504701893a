"""The laws of a ledger, by random interleavings of several processes over a real Valkey server.

The model is naive: it has one number for what was used and one for what is reserved, and sees each step when
it happens. A reservation is never granted beyond the limit. A refusal is right if nothing of a process that
has crashed can be in the way.
"""

from __future__ import annotations

import asyncio
import time
from collections import defaultdict
from math import inf
from typing import Any

import msgspec
import pytest
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, run_state_machine_as_test

from dragoman.accounts.ledger import Ledger, Reservation
from dragoman.accounts.limits import Claim, Standing
from dragoman.accounts.shared.ledger import SharedLedger
from dragoman.errors import RequestFailed
from dragoman.seams.clock import SYSTEM
from dragoman.state.counters import Resource
from tests.unit.accounts.ledger_laws import LIMITS, LedgerLaws
from tests.unit.accounts.ledger_laws import claim as law_claim
from tests.unit.accounts.shared.world import (
    World,
    adopt,
    claim,
    cut_off,
    eventually,
    go_on,
    settle,
    stop,
    world,
)
from tests.valkey_server import PATIENCE, ValkeyServer

MOST = {"requests": 12, "tokens": 100, "places": 3}
WITHOUT_SHRINKING = [Phase.explicit, Phase.reuse, Phase.generate]
"""A run that fails may take seconds, and the steps are few anyway."""
RESOURCES: dict[str, Resource] = {"requests": "requests", "tokens": "tokens", "places": "concurrency"}


def wanted(name: str, amount: int) -> Claim:
    """A claim of the limit of this name. amount: of tokens; of the others it is 1."""
    return claim(name, MOST[name], amount if name == "tokens" else 1, resource=RESOURCES[name])


PLACE = wanted("places", 1).counter
STEP = st.one_of(
    st.tuples(
        st.just("ask"),
        st.integers(0, 3),
        st.sets(st.sampled_from(sorted(MOST)), min_size=1),
        st.integers(1, 40),
    ),
    st.tuples(st.just("settle"), st.integers(0, 30), st.integers(0, 60), st.just(0)),
    st.tuples(st.just("together"), st.integers(2, 12), st.sampled_from(sorted(MOST)), st.integers(1, 20)),
    st.tuples(st.just("crash"), st.integers(0, 3), st.just(0), st.just(0)),
    st.tuples(st.just("stop"), st.integers(0, 3), st.integers(0, 4), st.just(0)),
    st.tuples(st.just("renew"), st.integers(0, 30), st.just(0), st.just(0)),
    st.tuples(st.just("leave"), st.integers(0, 3), st.integers(0, 60), st.just(0)),
    st.tuples(st.just("wait"), st.integers(0, 200), st.just(0), st.just(0)),
    st.tuples(st.just("flush"), st.just(0), st.just(0), st.just(0)),
)


class Model:
    def __init__(self, all_of: World) -> None:
        self.world = all_of
        self.processes = [all_of.ledger(serve_without=False) for _ in range(4)]
        self.held: list[tuple[SharedLedger, Reservation]] = []
        self.used: dict[str, int] = defaultdict(int)
        self.reserved: dict[str, int] = defaultdict(int)
        self.over: dict[str, int] = defaultdict(int)
        self.lapsed: list[Reservation] = []
        """What was reserved by processes that were stopped for too long: their places may be used twice."""
        self.crashed = False
        self.left = False
        """Whether a process has left: what it had used, nobody else can put back for sure."""

    def note(self, ledger: SharedLedger, found: Reservation) -> None:
        self.held.append((ledger, found))
        for one in found.claims.values():
            self.reserved[one.limit.name] += one.amount

    def never_over(self) -> None:
        twice = {"places": sum(PLACE in one.claims for one in self.lapsed)}
        for name, most in MOST.items():
            assert self.used[name] + self.reserved[name] <= most + self.over[name] + twice.get(name, 0), name

    async def ask(self, number: int, names: Any, amount: int) -> None:
        ledger = self.processes[number]
        claims = [wanted(name, amount) for name in sorted(names)]
        try:
            found = await ledger.ask(claims, time.time())
        except RequestFailed:
            assert self.crashed
            return
        if isinstance(found, Reservation):
            self.note(ledger, found)
            self.never_over()
        elif not self.crashed:
            name, amount = found.claim.limit.name, found.claim.amount
            assert self.used[name] + self.reserved[name] + amount > MOST[name], "refused without reason"

    async def together(self, number: int, name: str, amount: int) -> None:
        one_claim = wanted(name, amount)
        ledgers = [self.processes[i % 4] for i in range(number)]
        asked = (one.ask([one_claim], time.time()) for one in ledgers)
        found = await asyncio.gather(*asked, return_exceptions=True)
        passed = [(one, got) for one, got in zip(ledgers, found, strict=True) if isinstance(got, Reservation)]
        room = (MOST[name] - self.used[name] - self.reserved[name]) // one_claim.amount
        for one, got in passed:
            self.note(one, got)
        self.never_over()
        if not self.crashed:
            assert len(passed) == min(number, max(0, room))

    def settle(self, number: int, tokens: int) -> None:
        if not self.held:
            return
        ledger, found = self.held.pop(number % len(self.held))
        self.lapsed = [one for one in self.lapsed if one is not found]
        for one in found.claims.values():
            name = one.limit.name
            self.reserved[name] -= one.amount
            if name == "tokens":
                self.used[name] += tokens
                self.over[name] += max(0, tokens - one.amount)
            elif name == "requests":
                self.used[name] += 1
        settle(ledger, found, tokens=tokens)

    async def crash(self, number: int) -> None:
        ledger = self.processes[number]
        await self.world.crash(ledger)
        for one, held in self.held:
            if one is ledger:  # what else it had reserved, its running requests may have used
                self.reserved["places"] -= held.claims[PLACE].amount if PLACE in held.claims else 0
                self.lapsed = [lapsed for lapsed in self.lapsed if lapsed is not held]
        self.held = [(one, held) for one, held in self.held if one is not ledger]
        self.processes[number] = self.world.ledger(serve_without=False)
        self.crashed = True

    async def stop(self, number: int, wanted: int) -> None:
        """A process is stopped until its lease is over, others ask for places, and it goes on."""
        ledger = self.processes[number]
        if not ledger._joined or ledger._recovering:
            return
        await stop(self.world, ledger)
        self.lapsed += [held for one, held in self.held if one is ledger]
        for _ in range(wanted):
            await self.ask((number + 1) % 4, ["places"], 1)
        number = ledger._number
        go_on(self.world, ledger)
        await eventually(lambda: ledger._joined and ledger._number > number + 1)

    async def renew(self, number: int) -> None:
        """A request that has not called its provider yet asks for its place again, if it has lapsed."""
        held = [(one, found) for one, found in self.held if one.lapsed(found, time.time())]
        if not held:
            return
        ledger, found = held[number % len(held)]
        places = ledger.withdraw(found)
        self.reserved["places"] -= len(places)
        try:
            again = await ledger.ask(places, time.time(), found)
        except RequestFailed:
            assert self.crashed
            return
        if again is found:
            self.reserved["places"] += len(places)
            self.lapsed = [one for one in self.lapsed if one is not found]
        elif not self.crashed:
            assert self.reserved["places"] + len(places) > MOST["places"], "refused without reason"
        self.never_over()

    async def leave(self, number: int, tokens: int) -> None:
        """A process loses the store, its requests end, and then so does it. Another one reports for it."""
        ledger = self.processes[number]
        if not ledger._joined or ledger._recovering:
            return
        cut_off(ledger)
        await eventually(lambda: ledger._since is not None)
        while left := [place for place, (one, _) in enumerate(self.held) if one is ledger]:
            self.settle(left[0], tokens)
        await ledger.leave(0.0)
        other = self.processes[(number + 1) % 4]
        await adopt(other, ledger._name, report=ledger.unreported())
        self.world.ledgers.remove(ledger)
        self.processes[number] = self.world.ledger(serve_without=False)
        self.left = True


class SharedLaws(LedgerLaws):
    """The laws of every ledger, held by one process whose counters are in a real server."""

    server: ValkeyServer
    slack = inf  # the server forgets counters by its own clock

    def make(self) -> Ledger:
        self.world = World(self.server)
        return self.world.ledger(seams=msgspec.structs.replace(SYSTEM, now=self.clock))

    @precondition(lambda self: self.run(self.know()))
    @invariant()
    def another_process_knows_what_was_used(self) -> None:
        """What is reserved out of a block, only its holder knows."""
        other = self.world.ledger(seams=msgspec.structs.replace(SYSTEM, now=self.clock))
        try:
            told = self.run(other.standings())
        finally:
            self.run(other.close())
        for one in LIMITS:
            counter = law_claim(one, 0, self.now).counter
            assert told.get(counter, Standing(0, 0)).used == self.model.standing(counter).used, counter

    async def know(self) -> bool:
        """Wait until the server has been told of everything. Returns whether it was asked at all."""
        ledger = self.ledger
        assert isinstance(ledger, SharedLedger)
        if ledger._living is None:
            return False
        ledger._wake.set()
        await eventually(lambda: ledger._joined and not ledger._blocks.changed)
        return True


def test_the_laws_of_every_ledger(valkey: ValkeyServer) -> None:
    class Laws(SharedLaws):
        server = valkey

    run_state_machine_as_test(
        Laws,
        settings=settings(max_examples=30, stateful_step_count=25, deadline=None, phases=WITHOUT_SHRINKING),
    )


@settings(
    max_examples=25, phases=WITHOUT_SHRINKING, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(st.lists(STEP, max_size=20))
@example([("ask", 2, {"requests"}, 1), ("together", 9, "requests", 1)])  # two of them out of a block
@example([("ask", 0, {"places"}, 1), ("stop", 0, 3, 0), ("settle", 0, 0, 0), ("ask", 0, {"places"}, 1)])
@example([("ask", 0, {"places"}, 1), ("stop", 0, 2, 0), ("renew", 0, 0, 0), ("ask", 0, {"places"}, 1)])
@example([("ask", 0, {"places", "tokens"}, 9), ("leave", 0, 8, 0), ("together", 9, "places", 1)])
def test_any_interleaving_of_four_processes(valkey: ValkeyServer, steps: list[Any]) -> None:
    async def run() -> None:
        async with world(valkey) as all_of:
            model = Model(all_of)
            for kind, number, what, amount in steps:
                if kind == "ask":
                    await model.ask(number, what, amount)
                elif kind == "together":
                    await model.together(number, what, amount)
                elif kind == "settle":
                    model.settle(number, what)
                elif kind == "crash":
                    await model.crash(number)
                elif kind == "stop":
                    await model.stop(number, what)
                elif kind == "renew":
                    await model.renew(number)
                elif kind == "leave":
                    await model.leave(number, what)
                elif kind == "wait":
                    await asyncio.sleep(number / 1000)
                elif kind == "flush" and not (model.crashed or model.left):
                    await flush(model)
                    if any(step[0] in {"crash", "stop", "leave"} for step in steps):  # one failure at a time
                        await back(model)
            await agree(model)

    asyncio.run(run())


async def flush(model: Model) -> None:
    """Lose the state of the store, when all that use it know each other."""
    started = [one for one in model.processes if one._living is not None]
    await eventually(
        lambda: all(len(one._peers) == len(started) and not one._blocks.changed for one in started)
    )
    model.world.server.command("EVAL", CLEAR, "0", model.world.prefix)


async def back(model: Model) -> None:
    """Wait until all processes have put back what they know."""
    epochs = {one: one._epoch for one in model.processes if one._living is not None}
    await eventually(lambda: all(one._joined and one._epoch != old for one, old in epochs.items()))
    await eventually(lambda: not any(one._recovering for one in epochs))


CLEAR = "for _, key in ipairs(redis.call('KEYS', ARGV[1] .. '*')) do redis.call('DEL', key) end return 1"


async def agree(model: Model) -> None:
    """In the end the store says what the model says."""
    if model.crashed:
        return
    started = [one for one in model.processes if one._living is not None]
    if not started:
        return
    for one in started:  # what is reserved out of a block, only its holder knows until its next report
        one._blocks.changed.update(dict.fromkeys(one._blocks.by_counter.values()))
        one._wake.set()
    expected = {name: (model.used[name], model.reserved[name]) for name in MOST}
    until = time.monotonic() + PATIENCE
    while True:  # after a loss, they put back what they know one after another
        told = await started[0].standings()
        found = {name: tuple(told.get(wanted(name, 1).counter, (0, 0))) for name in MOST}
        if found == expected:
            return
        assert time.monotonic() < until, (found, expected)
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("most", [1, 2, 7])
async def test_one_place_after_another(valkey: ValkeyServer, most: int) -> None:
    """Never more than `most` run at once, and all of them get their turn."""
    async with world(valkey) as all_of:
        ledgers = [all_of.ledger() for _ in range(4)]
        running, highest, done = 0, 0, 0
        place = claim("places", most, resource="concurrency")

        async def client(ledger: SharedLedger) -> None:
            nonlocal running, highest, done
            for _ in range(5):
                while not isinstance(held := await ledger.ask([place], time.time()), Reservation):  # noqa: ASYNC110
                    await asyncio.sleep(0.002)
                running += 1
                highest = max(highest, running)
                await asyncio.sleep(0.001)
                running -= 1
                settle(ledger, held)
                done += 1

        await asyncio.gather(*(client(ledger) for ledger in ledgers for _ in range(3)))
        assert done == 60
        assert highest <= most  # whether all places were taken at one moment depends on the machine
