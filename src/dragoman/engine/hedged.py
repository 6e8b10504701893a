"""Hedged requests: if the first attempt is late, a second deployment is called while the first call
continues.

The first of the two that has content answers, and the other call is ended at once. See
docs/decisions/0041-hedged-requests.md.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from copy import copy
from functools import partial
from itertools import chain
from typing import Final

from dragoman import ir
from dragoman.engine.attempt import Attempt
from dragoman.engine.entry import Entry
from dragoman.engine.flight import Flight
from dragoman.engine.limits import SWITCHED
from dragoman.engine.media import Media
from dragoman.engine.race import Contender, Fallen, Race
from dragoman.errors import RequestFailed
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.net.connected import CONNECTED
from dragoman.routing import attempts as machine
from dragoman.routing.health import Calling
from dragoman.routing.hedging import Hedge
from dragoman.routing.route import Candidate
from dragoman.seams.deadlines import Deadline, Unlimited

_HEDGED: Final = frozenset({"chat", "embed", "rerank", "moderation"})
"""The operations that may be hedged. They change nothing at a provider, and their answers are not billed by
the piece.
"""


_MAY_RUN: Final = frozenset({"container", "mcp_servers", "plugins", "preset", "prompt", "search_parameters"})
"""Members of requests, in any protocol, that forbid a second call, because a provider may run something for
them or use something that is stored there: servers of tools (Anthropic), plug-ins, searches, stored prompts.
"""


_SOONEST: Final = 0.01
"""Seconds between two looks at whether the first attempt has begun its call, at least."""


class Lane(Flight, eq=False, kw_only=True):
    """One attempt of a race (attempts of one exchange that run at the same time). It calls one candidate
    only, and may call it again if a refusal shows how (in another protocol, for example). If it fails, `run`
    raises `Fallen`. contender: the delivery of this attempt.
    """

    race: Race
    contender: Contender
    candidate: Candidate
    _record: AttemptRecord | None = None
    """The record of the latest call; None = nothing was called yet."""

    async def _first(self) -> Candidate:
        return self.candidate

    def _begun(self, attempt: Attempt, candidate: Candidate) -> Deadline | Unlimited:
        limit = Flight._begun(self, attempt, candidate)
        self._record = attempt.record
        self._turned_to = True  # another call must not free what the other lane has reserved
        # Not a method, as in `Flight.run`.
        exchange, now, sent = self.asked.exchange, self.delivery.now, self.runtime.sent
        CONNECTED.set(partial(_connected, exchange, attempt.record, now, sent))
        if self.race.winner is None and len(attempt.exchange.attempts) == 1:
            self.race.adopt(self.contender)  # who looks at the running exchange sees the first attempt
        return limit

    def _answered(self, calling: Calling, record: AttemptRecord) -> None:
        Flight._answered(self, calling, record)
        self._took(calling, self._heard(record))

    def _took(self, calling: Calling, until: float) -> None:
        """Remember how long this deployment took until its first content: from the beginning of the call
        until `until` (monotonic seconds). For a call that was ended before its first content, `until` is the
        time of this end.
        """
        times = self.runtime.health.hedging.times(calling.deployment.name, streamed=calling.streamed)
        times.add(until - calling.began)

    def leave(self) -> None:
        """Free what the attempt holds: its places, its reservations, its downloaded media, and its copy of
        the request's body. Called when it has ended, or if it never began. May be called twice.
        """
        self._end()

    def _end(self) -> None:
        Flight._end(self)
        self.asked.said.forget()  # its own; the race may go on for long

    async def _next(self, failed: Candidate, fault: ir.Fault) -> Candidate:
        raise Fallen(failed, fault)

    async def _past(self, candidate: Candidate, refused: ir.Fault) -> Candidate:
        raise Fallen(candidate, refused)

    async def _broken_off(self) -> None:
        winner, record, calling = self.race.winner, self._record, self._calling
        lost = winner is not None and winner is not self.contender
        if record is not None and calling is not None:
            self._calling = None
            self.runtime.health.abandoned(calling, self._heard(record))
            if lost:
                self._took(calling, self.delivery.now())
        if lost:
            self.delivery.cost_so_far = None  # the usage of the exchange is the winner's
        await self._cut(None if lost else record)


class Hedged(Flight, eq=False):
    """Makes the attempts of an exchange as `Flight` does, but hedges the first one if the route has a `hedge`
    and a second call does no harm (`_may_be_raced`): if it is late, a second deployment is called beside it.
    If both fail, further attempts are made one after another.
    """

    _following: Candidate | None = None
    """The candidate that is called after the race; None = the first candidate of the route's order."""

    async def run(self) -> None:
        hedge = self.plan.route.hedge
        if hedge is None or not self._may_be_raced():
            await Flight.run(self)
            return
        try:
            fallen = await self._raced(hedge)
            if fallen is not None:
                self._following = await self._next(fallen.candidate, fallen.fault)
        except (Exception, asyncio.CancelledError):
            self._end()
            raise
        if fallen is None:
            self._end()
        else:
            await Flight.run(self)

    async def _first(self) -> Candidate:
        following, self._following = self._following, None
        return await Flight._first(self) if following is None else following

    def _may_be_raced(self) -> bool:
        """Whether a second call does no harm, as far as this is known without the body. False for an
        operation that is not in `_HEDGED`, for a request whose answer the gateway stores or that has an
        `Idempotency-Key`, if hooks see the answer, or if only one attempt is allowed.
        """
        asked, runtime, turn = self.asked, self.runtime, self.asked.turn
        return (
            asked.inbound.operation in _HEDGED
            and not (turn is not None and (turn.keeps or turn.hears))
            and asked.wished.once is None
            and not runtime.hooks.need_events
            and runtime.policy.attempts != 1
        )

    async def _raced(self, hedge: Hedge) -> Fallen[Candidate] | None:
        """Make the first attempt, and a second one beside it if the first one is late. Returns the failure
        after which the next attempt is made; None = the answer was delivered. Raises the error that ends the
        exchange. hedge: when an attempt is late, and how many second attempts there may be.
        """
        candidate = await self._first()
        if candidate.deployment.gates:
            candidate, _ = await self._admitted(candidate, None)
        hedging, streamed = self.runtime.health.hedging, self.asked.streamed
        hedging.budget(hedge.model).earn(hedge.share)
        late = hedging.late(hedge, candidate.deployment.name, streamed=streamed)
        race = Race(self.delivery, self.asked)
        try:
            first = self._start(race, candidate, self._entry)
            self._entry = None  # the lane gives the places back
            if late is not None:
                await race.wait(late)
                while race.running and first.running is None:
                    # It waits for limits or is prepared: it is not the provider that is late. What the two
                    # attempts reserve at different fallbacks would get in each other's way, too.
                    await race.wait(max(late, _SOONEST))
                if race.running:
                    await self._beside(race, hedge, candidate)
            return await self._last(race)
        finally:
            await race.close()

    def _start(self, race: Race, candidate: Candidate, entry: Entry | None) -> Contender:
        contender = race.contender()
        asked, runtime = contender.asked, self.runtime
        assert asked is not None
        candidates = self._candidates
        candidates.time_over()  # the time of all attempts begins with the race
        lane = Lane(
            runtime,
            self.way,
            asked,
            self.plan,
            contender,
            Media(runtime.fetcher, asked.exchange.client or ""),
            _made_candidates=copy(candidates),
            _entry=entry,
            race=race,
            contender=contender,
            candidate=candidate,
        )
        race.start(contender, lane.run(), lane.leave)
        return contender

    async def _beside(self, race: Race, hedge: Hedge, late: Candidate) -> None:
        """Start a second attempt, if a chat request is harmless (`_is_harmless`), if another deployment is
        ready and has a place at once, and if the number of attempts, the limits and the hedge's budget allow
        it. late: the candidate of the first attempt.
        """
        asked, health = self.asked, self.runtime.health
        if asked.prompts:
            try:
                request = await asked.decoded()
            except RequestFailed:
                return  # it can be relayed, but nobody here knows what it does
            if not _is_harmless(request) or not race.running:
                return
        now = self.delivery.now()
        round_ = self._candidates.begun(asked.exchange, late)
        name = late.deployment.name
        others = [one for one in round_.left if one.deployment.name != name and health.is_ready(one, now)]
        if not others or not round_.may_begin(now):
            return
        entry = Entry(self.runtime.gates, self.runtime.deadlines, asked.exchange)
        found = entry.enters(others)
        if found is None:
            return
        meter = self.delivery.meter
        affords = meter is None or await meter.affords_twice(name)
        if not (affords and race.running and health.hedging.budget(hedge.model).spend()):
            entry.leave()
            return
        round_.on(machine.Beside(found), now)
        self._start(race, found, entry)

    async def _last(self, race: Race) -> Fallen[Candidate] | None:
        """Wait until the race is over. Returns the failure of the attempt that failed last; None = the answer
        was delivered. If one of two attempts fails, the other one goes on. Raises the error that ends the
        exchange.
        """
        while (fallen := await race.fallen()) is not None:
            if not race.open:
                return fallen
            round_ = self._candidates.round
            assert round_ is not None  # there are two attempts
            if fallen.fault.code == SWITCHED:
                round_.defer(partial(_is_at, fallen.candidate.deployment.name))
            round_.on(machine.Failed(fallen.fault, fallen.candidate), self.delivery.now())
        return None


def _is_harmless(request: ir.Request) -> bool:
    """Whether a chat may be sent to two providers. False if the request asks to store its answer or to make
    it in the background, if it names stored messages, if a provider may run tools for it, or if it has one of
    the members in `_MAY_RUN`.
    """
    if request.store or request.background or request.previous is not None:
        return False
    if request.conversation is not None or any(
        _MAY_RUN.intersection(own) for own in (request.extra or {}).values()
    ):
        return False
    tools = chain(request.tools or (), *(message.tools for message in request.messages))
    return all(isinstance(tool, ir.Function) or tool.function is not None for tool in tools)


def _is_at(name: str, candidate: Candidate) -> bool:
    return candidate.deployment.name == name


def _connected(
    exchange: Exchange,
    record: AttemptRecord,
    now: Callable[[], float],
    sent: Callable[[str | None], None],
) -> None:
    """Record that a request of this attempt is about to be sent. The attempt may not be the latest one of the
    exchange, so its record is given.
    """
    exchange.phase = "first_byte"
    record.sent = now()
    sent(exchange.answered)
