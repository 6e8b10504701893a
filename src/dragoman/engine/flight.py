"""Makes the attempts (calls of providers) of a running exchange, one after another, in the order that
`routing.attempts` decides. When the client disconnects, the task is cancelled, and with it the upstream call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from functools import partial

import msgspec

from dragoman import ir
from dragoman.accounts.ledger import Reservation
from dragoman.engine.accounting import UNACCOUNTED
from dragoman.engine.asked import Asked
from dragoman.engine.attempt import Attempt, prepared
from dragoman.engine.candidates import Candidates
from dragoman.engine.delivery import Delivery, Running
from dragoman.engine.entry import Entry
from dragoman.engine.limits import (
    FAIR_SHARE,
    OVERTIME,
    Cause,
    own_time,
    switch_after,
    too_late,
    until_content,
)
from dragoman.engine.media import Media
from dragoman.engine.meter import EndedByLimit
from dragoman.engine.places import located
from dragoman.engine.plan import Plan
from dragoman.engine.refusals import Refusals
from dragoman.engine.runtime import Runtime
from dragoman.engine.sealing import Sealing, begun
from dragoman.engine.spent import note_unanswered, was_sent
from dragoman.engine.ways import Way
from dragoman.errors import DragomanError, RequestFailed
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.hooks import EndedByHook
from dragoman.net.connected import CONNECTED
from dragoman.routing.event import Event
from dragoman.routing.health import Calling
from dragoman.routing.outcome import refuses_seals
from dragoman.routing.route import Candidate, Deployment
from dragoman.seams.deadlines import Deadline, Unlimited
from dragoman.upstreams.backend import Backend

log = logging.getLogger("dragoman.engine.flight")


class Flight(msgspec.Struct, eq=False):
    """Makes the attempts of one exchange. way: the functions for its operation. asked: the request; it is
    replaced by the request without seals (signatures and encrypted reasoning) after a provider has refused
    them. plan: of the request's own route. delivery: sends the answer to the client. media: downloads files
    that the request names; closed when `run` ends.
    """

    runtime: Runtime
    way: Way
    asked: Asked
    plan: Plan
    delivery: Delivery
    media: Media
    _sealing: Sealing | None = None
    _opening: tuple[float | None, Cause] | None = None
    """(The time limit until the first content in seconds, its cause), as `until_content` returns them for the
    running attempt; None = only the provider's `max_silence` limits the time until the first content.
    """
    _calling: Calling | None = None
    """The running attempt, as `health` records it; None = its end need not be recorded."""
    _made_candidates: Candidates | None = None
    """What `_candidates` returns; None = it was not needed so far, as the route's first candidate is called.
    """
    _refusals: Refusals | None = None
    """How the candidate that is called has refused calls; None = it has not refused any."""
    _entry: Entry | None = None
    """The places of this exchange; None = it has needed none so far."""
    _turned_to: bool = False
    """Whether the limits of the only route that this flight may still use hold the exchange already."""
    _held: Reservation | None = None
    """What `Meter.enter` has reserved for the attempt that is about to begin; None = nothing."""

    async def run(self) -> None:
        """Make attempts, one after another, until an answer is delivered. Raises RequestFailed if no attempt
        may be made or may follow a failure, or if a hook or a limit ends the exchange. Another error of an
        attempt is raised only if `_is_final` says that it ends the exchange. However it ends, the places of
        the exchange are given back, and `media` is closed.
        """
        way, delivery, exchange = self.way, self.delivery, self.asked.exchange
        health, backend, route = self.runtime.health, None, self.plan.route
        # Not a method: the task would hold what holds the task, so each request would stay for the collector.
        CONNECTED.set(partial(_connected, exchange, delivery.now, self.runtime.sent))
        try:
            candidate = route.first if health.calm and route.plain else await self._first()
            while True:
                if candidate.deployment.gates or self._entry is not None or self._is_bounded(candidate):
                    candidate, backend = await self._entered(candidate, backend)
                if self.asked.light:
                    attempt = self._prepared(candidate, backend)
                else:
                    attempt = await self.asked.look(self._prepared, candidate, backend)
                record = attempt.record
                limit = self._begun(attempt, candidate)
                if not health.calm or not attempt.plan.route.plain:
                    self._calling = health.began(candidate, record.started, streamed=self.asked.streamed)
                try:
                    with limit:
                        if way.seals and (record.reasons or self.runtime.kept.known):
                            attempt = await self._sealed(attempt)
                        await (way.translate if record.reasons else way.relay)(attempt)
                    if self._calling is not None:
                        self._answered(self._calling, record)
                    return
                except (EndedByHook, EndedByLimit):
                    raise  # a hook or a limit has decided, so no other attempt is made
                except RequestFailed as failed:
                    record.fault = self._told(attempt, failed)
                except Exception as error:
                    if not limit.expired and self._is_final(error):
                        raise
                    record.fault = self._unexpected(attempt, limit, error)
                finally:
                    exchange.waited += attempt.call.watch.take()
                    record.answered = attempt.call.watch.answered
                    record.ended = delivery.now()
                candidate, backend = await self._after(candidate, attempt, record.fault)
        except (Exception, asyncio.CancelledError):
            await self._broken_off()
            raise
        finally:
            self._end()

    def _end(self) -> None:
        meter, held = self.delivery.meter, self._held
        if held is not None and meter is not None:
            meter.release(held)  # the attempt was never made
            self._held = None
        if self._entry is not None:
            self._entry.leave()
        self.media.close()

    @property
    def _candidates(self) -> Candidates:
        """Chooses the candidates (deployment and credential) of this exchange; made at the first use."""
        if self._made_candidates is None:
            self._made_candidates = Candidates(self.runtime, self.way, self.plan, self.delivery.now)
        return self._made_candidates

    async def _first(self) -> Candidate:
        return await self._candidates.first(self.asked)

    def _heard(self, record: AttemptRecord) -> float:
        """Return when an attempt got its first content (monotonic seconds); now, if it has got none."""
        return self.delivery.now() if record.first is None else record.first

    async def _admitted(
        self, candidate: Candidate, backend: Backend | None
    ) -> tuple[Candidate, Backend | None]:
        """Take the candidate's places at its gates (limits on requests that run at once), or those of another
        candidate that can be called earlier; wait in their queues if needed. Return (the candidate that has
        its places, its backend). backend: that of `candidate`. Backend None = not chosen yet, here and in the
        result. Raises RequestFailed if the queues are full or the wait is too long, and no fallback can be
        called.
        """
        runtime, exchange, candidates = self.runtime, self.asked.exchange, self._candidates
        if (entry := self._entry) is None:
            entry = self._entry = Entry(runtime.gates, runtime.deadlines, exchange)
        while True:
            if entry.enters([candidate]) is not None:
                return candidate, backend
            round_ = candidates.begun(exchange, candidate)
            found = entry.enters(round_.left)
            if waits := found is None:
                queued = exchange.queued
                try:
                    found = await entry.wait([candidate, *round_.left])
                except RequestFailed as refused:
                    candidate = await candidates.full(self.asked, candidate, refused.fault)
                    backend = None
                    continue
                finally:
                    candidates.stand_still(exchange.queued - queued)
            if found != candidate:
                round_.swap(found)
                candidate, backend = found, None
            if not waits or runtime.health.calm or exchange.attempts:
                return candidate, backend
            candidates.round = None  # what was learnt while it waited counts, as at the beginning
            candidate = await self._first()

    async def _entered(
        self, candidate: Candidate, backend: Backend | None
    ) -> tuple[Candidate, Backend | None]:
        """Return (the candidate, its backend) as soon as a candidate has its places and no limit refuses it:
        the given one, or another. backend: that of `candidate`. Backend None = not chosen yet, here and in
        the result. Raises RequestFailed if no candidate is left, or if the exchange itself is refused.
        """
        while True:
            if candidate.deployment.gates or self._entry is not None:
                candidate, backend = await self._admitted(candidate, backend)
            if not self._is_bounded(candidate) or (other := await self._limited(candidate)) is None:
                return candidate, backend
            candidate, backend = other, None

    def _is_bounded(self, candidate: Candidate) -> bool:
        """Whether `_limited` has to be called before an attempt at this candidate: it is one of a fallback,
        its deployment or provider has limits, the exchange has turned to another route, or it has to
        reserve something again before its next attempt. Always False if the operation reserves nothing,
        or if the exchange has no meter.
        """
        meter, name = self.delivery.meter, candidate.deployment.name
        if meter is None or self.way.reserves == "nothing":
            return False
        return bool(candidate.tier or meter.owes or meter.turned or meter.lapsed or meter.bounded(name))

    async def _limited(self, candidate: Candidate) -> Candidate | None:
        """Reserve what an attempt at this candidate needs. Returns the candidate to call instead if a limit
        refuses that; None = the attempt may be made. Raises RequestFailed if the journal cannot note the
        reservation or if no candidate is left, and EndedByLimit if the exchange's places have lapsed and
        cannot be reserved again.
        """
        meter, name = self.delivery.meter, candidate.deployment.name
        assert meter is not None
        await meter.renew()
        try:
            if (candidate.tier or meter.turned) and not self._turned_to:
                await meter.turn(self._candidates.plan_of(candidate).route)
            if candidate.tier or meter.owes:
                await meter.afford(name)
            self._held = await meter.enter(name)
        except RequestFailed as refused:
            if refused.fault is UNACCOUNTED:
                raise  # it is the journal that refuses, and it would refuse any other candidate, too
            self.asked.exchange.dropped += ((name, "a limit of it is reached"),)
            return await self._past(candidate, refused.fault)
        return None

    async def _past(self, candidate: Candidate, refused: ir.Fault) -> Candidate:
        """Return the candidate to call instead of one that a limit refuses (with the fault `refused`). Raises
        RequestFailed if no candidate is left.
        """
        return await self._candidates.limited(self.asked, candidate, refused)

    # --- An attempt ------------------------------------------------------------------------------------

    def _prepared(self, candidate: Candidate, backend: Backend | None) -> Attempt:
        """Return the next attempt, not yet begun; its record says whether the attempt relays or translates.
        backend: the upstream of the candidate's provider in the protocol to use; None = choose it here.
        """
        runtime, asked, delivery, way = self.runtime, self.asked, self.delivery, self.way
        plan = self.plan if not candidate.tier else self._candidates.plan_of(candidate)
        if backend is None:
            backend = runtime.backends[candidate.deployment.provider]
            if not backend.sole:
                backend = way.choose(backend, candidate.deployment, asked, plan)
        attempt = prepared(runtime, asked, plan, candidate, backend, delivery=delivery, media=self.media)
        if reasons := way.against(attempt):
            attempt.record.mode, attempt.record.reasons = "translate", reasons
        return attempt

    def _choose(self, attempt: Attempt) -> Backend:
        backend = self.runtime.backends[attempt.deployment.provider]
        return self.way.choose(backend, attempt.deployment, self.asked, attempt.plan)

    def _begun(self, attempt: Attempt, candidate: Candidate) -> Deadline | Unlimited:
        """Record that an attempt begins, and return its time limit, which runs already: for the whole
        attempt, or until its first content if there is an earlier limit for that. Raises RequestFailed if the
        journal cannot note the attempt and the operator wants requests refused then.
        """
        exchange, delivery = self.asked.exchange, self.delivery
        record, deployment, backend = attempt.record, attempt.deployment, attempt.backend
        record.started = now = delivery.now()
        if (meter := delivery.meter) is not None:
            meter.began(record, self._held)
            self._held = None
            if meter.turned:
                meter.called(attempt.plan.route)
        if exchange.attempts:
            self.media.forget(self.asked, needed=bool(record.reasons))
            self._opening = None
        exchange.attempts.append(record)
        exchange.phase, exchange.mode, exchange.answered = "connect", record.mode, record.deployment
        exchange.losses, exchange.changes = exchange.taken
        exchange.usage = None
        total, seconds = deployment.timers.total, backend.silence
        until = None if self.runtime.policy.seconds is None else self._candidates.time_over()
        if total is not None or until is not None or attempt.plan.route.alternates:
            left = None if until is None else max(0.0, until - now)
            self._opening = until_content(total, seconds, self._switch(candidate), left)
            seconds = self._opening[0]
        limit = self.runtime.deadlines.within(total if seconds is None else seconds)
        opening = None if seconds is None else limit
        delivery.running = Running(record, deployment, backend.success, opening, attempt.joint)
        return limit

    def _switch(self, candidate: Candidate) -> float | None:
        """Return the seconds without content after which another deployment is called; None = there is no
        such limit, no other deployment can be called, or only one attempt is allowed.
        """
        seconds = switch_after(candidate.deployment, streamed=self.asked.streamed)
        if seconds is None or self.runtime.policy.attempts == 1:
            return None
        name = candidate.deployment.name
        other = self._candidates.has_other(lambda one: one.name != name and self._has_place(one))
        return seconds if other else None

    def _has_place(self, deployment: Deployment) -> bool:
        """Whether a deployment would get a place at once at its gates (limits on requests that run at once).
        The delay between two starts is not considered.
        """
        held = {} if self._entry is None else self._entry.held
        return not deployment.gates or self.runtime.gates.has_place(held, deployment.gates)

    async def _sealed(self, attempt: Attempt) -> Attempt:
        """Return the attempt with the `Sealing` of its exchange, which restores and stores seals (signatures
        and encrypted reasoning); or unchanged, if there is nothing to restore, store or report.
        """
        runtime, asked, client = self.runtime, self.asked, self.asked.exchange.client or ""
        translated = bool(attempt.record.reasons)
        if runtime.vault is None or not (translated or runtime.kept.has(client, asked.face.name)):
            return attempt
        if translated:
            asked.exchange.phase = "encode"
        if self._sealing is None:
            what = (runtime.vault, runtime.kept, asked, attempt.backend)
            self._sealing = begun(*what) if asked.light else await asked.step(begun, *what)
        return msgspec.structs.replace(attempt, seals=self._sealing)

    def _answered(self, calling: Calling, record: AttemptRecord) -> None:
        self._calling = None  # it has ended, whatever goes wrong afterwards
        for event in self.runtime.health.answered(calling, self._heard(record)):
            self._tell(event)

    def _tell(self, event: Event) -> None:
        """Tell operators of an event about a key or a deployment: log it, unless an equal one was logged
        lately, and pass it to `Runtime.told`, if that is set.
        """
        if (text := self.runtime.health.words.of(event, self.delivery.now())) is not None:
            log.warning("%s", text)
        if self.runtime.told is not None:
            self.runtime.told(event)

    async def _spent(self, record: AttemptRecord) -> None:
        """Estimate what an attempt without a complete answer has used, and set it in its record. Does nothing
        if its request was not sent or was refused, if nothing is accounted for, or if the exchange was
        accounted for already.
        """
        delivery, asked = self.delivery, self.asked
        if delivery.meter is None or delivery.meter.closed or not was_sent(record):
            return
        await note_unanswered(asked, record, delivery.cost_so_far, delivery.meter.rates)

    async def _broken_off(self) -> None:
        """Called when the exchange ends with an error or a cancellation: tell `health` that the running
        attempt, if there is one, was cut off, and estimate what it has used.
        """
        attempts = self.asked.exchange.attempts
        if self._calling is not None:
            self.runtime.health.abandoned(self._calling, self._heard(attempts[-1]))
        await self._cut(attempts[-1] if attempts else None)

    async def _cut(self, record: AttemptRecord | None) -> None:
        """Estimate and record the usage of an answer that breaks off or, if no answer has begun, of the
        running attempt. record: of the latest attempt; None = there was none, or only an answer is to be
        estimated.
        """
        delivery = self.delivery
        await delivery.broken_off()
        if record is not None and record.fault is None and delivery.cost_so_far is None:
            await self._spent(record)
            if record.usage is not None:
                delivery.counted(record.usage)

    # --- Failures --------------------------------------------------------------------------------------

    def _told(self, attempt: Attempt, failed: RequestFailed) -> ir.Fault:
        """Return an attempt's fault, as clients may read it. Sets the status of the attempt's record to that
        of the fault, and the usage if the failure states one.
        """
        told = attempt.backend.told(failed.fault, attempt.call, lambda fault: located(attempt.asked, fault))
        attempt.record.status, attempt.record.usage = told.status, failed.usage or attempt.record.usage
        return told

    def _unexpected(self, attempt: Attempt, limit: Deadline | Unlimited, error: Exception) -> ir.Fault:
        """Return the fault of an attempt whose time `limit` is over, or that failed with an unexpected error,
        which is logged.
        """
        backend, deployment = attempt.backend, attempt.deployment
        if limit.expired:
            seconds, cause = self._opening or (backend.silence, "silence")
            return too_late(deployment, None if self.delivery.committed else seconds, cause)
        log.error("the attempt at %s failed", deployment.name, exc_info=error)
        return _unexpected(backend.name)

    def _is_final(self, error: Exception) -> bool:
        """Whether an error other than RequestFailed ends the exchange instead of the attempt alone: a
        DragomanError, any error while the request was encoded, or an OSError after the first content (the
        client's connection broke).
        """
        if isinstance(error, DragomanError) or self.asked.exchange.phase == "encode":
            return True
        return self.delivery.committed and isinstance(error, OSError)  # the client's connection broke

    async def _after(
        self, candidate: Candidate, attempt: Attempt, fault: ir.Fault
    ) -> tuple[Candidate, Backend | None]:
        """Record that an attempt has failed with `fault`, and return (the candidate to call next, its
        backend): the same candidate, if it can be called with a new credential or in another way
        (`_instead`); otherwise the one that `routing.attempts` chooses, after a wait if it says so. Backend
        None = choose it anew. Raises RequestFailed if no candidate may be called.
        """
        delivery, told, health = self.delivery, fault, self.runtime.health
        attempt.record.classify(attempt.account.source)
        if fault.kind == "authentication" and await self._rotated(attempt):
            return candidate, attempt.backend
        calling, self._calling = self._calling or health.began(candidate, attempt.record.started), None
        if fault.code == OVERTIME and self._opening is not None and not self._had_its_time(attempt):
            health.abandoned(calling, delivery.now())
        else:
            for event in health.learn(calling, fault, delivery.now()):
                self._tell(event)
        if not delivery.committed:
            await self._spent(attempt.record)
            if delivery.meter is not None:
                delivery.meter.left(attempt.record)
            delivery.cost_so_far = None  # the failed attempt delivered nothing
            if self.way.learns:
                backend, told = await self._instead(attempt, fault)
                if backend is not None:
                    return candidate, backend
        self._refusals = None
        return await self._next(candidate, told), None

    def _had_its_time(self, attempt: Attempt) -> bool:
        """Whether an attempt that was ended by the time of all attempts has had at least half (`FAIR_SHARE`)
        of the time that its deployment's own limits allow (`own_time`).
        """
        seconds, _ = self._opening or (None, None)
        streamed = self.asked.streamed
        own = own_time(attempt.deployment, attempt.backend.silence, streamed=streamed)
        return seconds is None or seconds >= FAIR_SHARE * own

    async def _rotated(self, attempt: Attempt) -> bool:
        """Get a new credential in place of the one that the provider has refused in this attempt, if it can
        be renewed (`Refusals.renewed`) and the client has got no content yet. Returns whether there is a new
        one; then the same candidate has to be called again.
        """
        if self.delivery.committed or not await self._refused().renewed(attempt.account):
            return False
        if self._calling is not None:  # what became of the old key says nothing about the new one
            calling, self._calling = self._calling, None
            self.runtime.health.abandoned(calling)
        if self.delivery.meter is not None:  # frees the refused call's place at its limits for the next call
            self.delivery.meter.left(attempt.record)
        return True

    async def _instead(self, attempt: Attempt, fault: ir.Fault) -> tuple[Backend | None, ir.Fault]:
        """Find another way to call the candidate that has failed: in another protocol, without seals, or
        without thinking. Return (the backend with which it is called again, or None if it is not; the fault
        to tell the client: `fault`, or an earlier one that says more). Without seals, `asked` is replaced.
        """
        refusals, backend = self._refused(), attempt.backend
        told = refusals.note(backend, fault)
        if refuses_seals(fault) and backend.dialect is not None and not self.asked.sealless:
            self.asked = self.asked.without_seals()
            return backend, told
        if refusals.ends_thinking(attempt, fault):
            return backend, told
        if not refusals.ends_protocol(attempt, fault):
            return None, told
        return refusals.untried(await self.asked.look(self._choose, attempt)), told

    def _refused(self) -> Refusals:
        self._refusals = self._refusals or Refusals()
        return self._refusals

    async def _next(self, failed: Candidate, fault: ir.Fault) -> Candidate:
        """Return the candidate to call after one that has failed, when its time has come. Raises
        RequestFailed if none may be called, as always after the first content.
        """
        committed = self.delivery.committed
        return await self._candidates.failed(self.asked, failed, fault, committed=committed)


def _connected(exchange: Exchange, now: Callable[[], float], sent: Callable[[str | None], None]) -> None:
    """Record that the running attempt has its connection, so that its request is about to be sent."""
    exchange.connected(now)
    sent(exchange.answered)


def _unexpected(name: str) -> ir.Fault:
    text = f"The request to {name!r} failed unexpectedly; the gateway's log has the details."
    return ir.Fault("upstream", text, code="upstream_failed", blame="upstream")
