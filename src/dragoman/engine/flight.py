"""The upstream side of a running exchange: the attempts, one after another, as `routing.attempts` says. When
the client disconnects, the task is cancelled, and with it the upstream call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.engine.asked import Asked
from dragoman.engine.attempt import Attempt
from dragoman.engine.delivery import Delivery, Running
from dragoman.engine.media import Media
from dragoman.engine.places import located
from dragoman.engine.plan import Plan
from dragoman.engine.runtime import Runtime
from dragoman.engine.sealing import Sealing, begun
from dragoman.engine.ways import Way
from dragoman.errors import DragomanError, RequestFailed
from dragoman.exchange import AttemptRecord
from dragoman.hooks import EndedByHook
from dragoman.net.connected import CONNECTED
from dragoman.routing import attempts as machine
from dragoman.routing.health import Asking, Calling
from dragoman.routing.outcome import for_client, is_absent, refuses_seals
from dragoman.routing.reasons import weighed
from dragoman.routing.route import Candidate, Deployment
from dragoman.seams.deadlines import Deadline, Unlimited
from dragoman.upstreams.answers import silent
from dragoman.upstreams.backend import Backend
from dragoman.upstreams.upstream import Call, Stopwatch

log = logging.getLogger("dragoman.engine.flight")


def _pool(candidate: Candidate) -> str:
    """The pool of a candidate's connections: all credentials of a provider share one."""
    return candidate.deployment.provider


class _Refusals(msgspec.Struct, eq=False):
    """What one candidate has refused. tried: in which protocols. first: the first fault that spoke of one.
    plain: the model was called again without thinking, because it has nothing to seal.
    """

    tried: list[Backend] = []
    first: ir.Fault | None = None
    plain: bool = False


class Flight(msgspec.Struct, eq=False):
    """One round of attempts for one exchange. way: the functions for its operation. media: is closed in the
    end. The state machine is made at the first failure: before it there is nothing to decide.
    """

    runtime: Runtime
    way: Way
    asked: Asked
    plan: Plan
    delivery: Delivery
    media: Media
    _sealing: Sealing | None = None
    _calling: Calling | None = None
    """The running attempt, if what becomes of it is to be remembered."""
    _asking: Asking | None = None
    """Who is called; None = the route's first, and then as it is found out at the first failure."""
    _round: machine.Attempts[Candidate] | None = None
    _refusals: _Refusals | None = None
    """Of the candidate that is called; None = there are none."""

    async def run(self) -> None:
        """Make attempts until an answer is delivered. Raises RequestFailed if the last one has failed."""
        way, delivery, exchange = self.way, self.delivery, self.asked.exchange
        health, backend = self.runtime.health, None
        CONNECTED.set(partial(exchange.connected, delivery.now))
        try:
            candidate = self.plan.route.first if health.calm else await self._first()
            while True:
                if self.asked.light:
                    attempt = self._prepared(candidate, backend)
                else:
                    attempt = await self.asked.look(self._prepared, candidate, backend)
                record = attempt.record
                limit = self._begun(attempt)
                if not health.calm:
                    self._calling = health.began(candidate, record.started)
                try:
                    with limit:
                        if way.seals and (record.reasons or self.runtime.kept.known):
                            attempt = await self._sealed(attempt)
                        await (way.translate if record.reasons else way.relay)(attempt)
                    if self._calling is not None and health.answered(self._calling):
                        log.warning("%s: answers again", attempt.deployment.name)
                    return
                except EndedByHook:
                    raise  # a hook has decided, so no other attempt is made
                except RequestFailed as failed:
                    record.fault = self._told(attempt, failed.fault)
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
            if self._calling is not None:
                health.abandoned(self._calling)
            await delivery.broken_off()
            raise
        finally:
            self.media.close()

    async def _first(self) -> Candidate:
        """Who is called first, by what is remembered of keys and deployments, once its time has come. Raises
        RequestFailed if all rest for too long.
        """
        now = self.delivery.now()
        self._asking = asking = self.runtime.health.order(self.plan.route, now)
        if not self.runtime.health.calm:
            self._weigh(asking)
        if asking.ready:
            return asking.ready[0]
        self._round = round_ = self._attempts((), asking.resting)
        return await self._follow(round_, round_.on(machine.Begin(), now))

    def _weigh(self, asking: Asking, begun: Candidate | None = None) -> None:
        """Note in the exchange why its candidates stand in this order. begun: who was called before."""
        now, health = self.delivery.now(), self.runtime.health
        self.asked.exchange.weighed = weighed(health, self.plan.route, asking, now, begun)

    # --- An attempt ------------------------------------------------------------------------------------

    def _prepared(self, candidate: Candidate, backend: Backend | None) -> Attempt:
        """The next attempt, without its start. backend: None = chosen here. Looks at the whole request."""
        runtime, asked, plan, delivery, way = self.runtime, self.asked, self.plan, self.delivery, self.way
        exchange, deployment, account = asked.exchange, candidate.deployment, candidate.account
        model = deployment.model
        if backend is None:
            backend = runtime.backends[deployment.provider]
            if not backend.sole:
                backend = way.choose(backend, deployment, asked, plan)
        call = Call(
            f"{exchange.id}-{len(exchange.attempts) + 1}",
            model,
            Report(backend.language),
            Stopwatch(delivery.now),
            deployment.timers,
            backend.facts(model, deployment.facts),
            account,
            deployment.headers,
            deployment.body,
            client=exchange.client or "",
        )
        record = AttemptRecord(call.attempt, deployment.name, backend.accounts[account].tail, "relay", 0.0)
        attempt = Attempt(
            runtime,
            asked,
            plan,
            deployment,
            backend,
            call,
            record,
            delivery,
            self.media,
            asked.inbound.shown or candidate.shown,
        )
        if reasons := way.against(attempt):
            record.mode, record.reasons = "translate", reasons
        return attempt

    def _choose(self, deployment: Deployment) -> Backend:
        backend = self.runtime.backends[deployment.provider]
        return self.way.choose(backend, deployment, self.asked, self.plan)

    def _begun(self, attempt: Attempt) -> Deadline | Unlimited:
        """Start an attempt and its time. The exchange drops the losses and the usage of earlier attempts."""
        exchange, delivery = self.asked.exchange, self.delivery
        record, deployment, backend = attempt.record, attempt.deployment, attempt.backend
        record.started = delivery.now()
        exchange.attempts.append(record)
        exchange.phase, exchange.mode, exchange.answered = "connect", record.mode, record.deployment
        exchange.losses, exchange.changes = exchange.taken
        exchange.usage = None
        total = deployment.timers.total
        silence = backend.silence if total is None else _silence(backend, deployment)
        limit = self.runtime.deadlines.within(total if silence is None else silence)
        opening = None if silence is None else limit
        delivery.running = Running(record, deployment, backend.success, opening)
        return limit

    async def _sealed(self, attempt: Attempt) -> Attempt:
        """The attempt with what finds and stores its seals, if it may have some. A relayed request cannot get
        seals back, so it needs them only to report what it lacks.
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

    # --- Failures --------------------------------------------------------------------------------------

    def _told(self, attempt: Attempt, fault: ir.Fault) -> ir.Fault:
        """A stated failure of an attempt, maybe after content, as clients may read it."""
        told = attempt.backend.told(fault, attempt.call, lambda fault: located(attempt.asked, fault))
        attempt.record.status = told.status
        return told

    def _unexpected(self, attempt: Attempt, limit: Deadline | Unlimited, error: Exception) -> ir.Fault:
        """The fault of an attempt that took too long, or failed for an unknown reason, which is logged."""
        backend, deployment = attempt.backend, attempt.deployment
        if limit.expired:
            silence = None if self.delivery.committed else _silence(backend, deployment)
            return _too_late(deployment, silence)
        log.error("the attempt at %s failed", deployment.name, exc_info=error)
        return _unexpected(backend.name)

    def _is_final(self, error: Exception) -> bool:
        """Whether an unexpected error ends the exchange instead of the attempt: one of Dragoman's own, one
        while the request was encoded, or the client's broken connection.
        """
        if isinstance(error, DragomanError) or self.asked.exchange.phase == "encode":
            return True
        return self.delivery.committed and isinstance(error, OSError)  # the client's connection broke

    async def _after(
        self, candidate: Candidate, attempt: Attempt, fault: ir.Fault
    ) -> tuple[Candidate, Backend | None]:
        """Who is called after a failure: the same candidate, if its refusal shows how, or who the state
        machine says, once its time has come. None = in the usual protocol. Raises RequestFailed if nobody is.
        """
        delivery, told, health = self.delivery, fault, self.runtime.health
        calling, self._calling = self._calling or health.began(candidate, delivery.now()), None
        attempt.record.classify(attempt.backend.accounts[attempt.call.account].source)
        if (news := health.learn(calling, fault, delivery.now())) is not None:
            log.warning("%s: %s", attempt.deployment.name, news)
        if not delivery.committed:
            delivery.cost_so_far = None  # the failed attempt delivered nothing
            if self.way.learns:
                backend, told = await self._instead(attempt, fault)
                if backend is not None:
                    return candidate, backend
        self._refusals = None
        return await self._next(candidate, told), None

    async def _instead(self, attempt: Attempt, fault: ir.Fault) -> tuple[Backend | None, ir.Fault]:
        """How the same candidate is called again: in another protocol, without seals, or without thinking;
        None = not at all. Then also the fault to tell: the last one; but the first one that spoke of another
        protocol, if the last says only that the model or endpoint does not exist.
        """
        refusals = self._refusals = self._refusals or _Refusals()
        backend, model = attempt.backend, attempt.deployment.model
        refusals.tried.append(backend)
        told = refusals.first if refusals.first is not None and is_absent(fault) else fault
        if refuses_seals(fault) and backend.dialect is not None and not self.asked.sealless:
            self.asked = self.asked.without_seals()
            return backend, told
        if not refusals.plain and backend.learns_thoughtless(model, fault):
            refusals.plain = True
            return backend, told
        if not backend.learns(model, fault):
            return None, told
        refusals.first = refusals.first or fault
        other = await self.asked.look(self._choose, attempt.deployment)
        return (None if other in refusals.tried else other), told

    async def _next(self, failed: Candidate, fault: ir.Fault) -> Candidate:
        """The state machine's next candidate, once its time has come. Raises RequestFailed if it gives up."""
        now = self.delivery.now()
        round_ = self._round = self._round or self._new_round(failed)
        if self.delivery.committed:
            round_.on(machine.FirstContent(), now)
        return await self._follow(round_, round_.on(machine.Failed(fault), now))

    async def _follow(
        self, round_: machine.Attempts[Candidate], commands: list[machine.Command[Candidate]]
    ) -> Candidate:
        """Wait as the state machine says. Returns who is called next. Raises RequestFailed if nobody is."""
        while True:
            command = commands.pop(0)
            if isinstance(command, machine.Start):
                return command.candidate
            if isinstance(command, machine.GiveUp):
                provider = (self.asked.exchange.answered or "").partition("/")[0]
                named = self.plan.names_deployment
                raise RequestFailed(for_client(command.fault, provider, named_by_client=named))
            self.asked.exchange.phase = "route"
            pause = max(0.0, command.at - self.delivery.now())
            self.asked.exchange.waits_for(pause, self.delivery.now())
            await asyncio.sleep(pause)
            self.asked.exchange.waited += pause
            commands = round_.on(machine.Timer(), self.delivery.now())

    def _new_round(self, first: Candidate) -> machine.Attempts[Candidate]:
        """The state machine, which has begun with the first candidate, as `run` has."""
        asking = self._asking or self.runtime.health.order(self.plan.route, self.delivery.now())
        if not self.asked.exchange.weighed:
            self._weigh(asking, first)
        others = [candidate for candidate in asking.ready if candidate != first]
        resting = [rest for rest in asking.resting if rest[1] != first]
        round_ = self._attempts((first, *others), resting)
        round_.on(machine.Begin(), self.delivery.now())
        return round_

    def _attempts(
        self, ready: Sequence[Candidate], resting: Sequence[tuple[float, Candidate]]
    ) -> machine.Attempts[Candidate]:
        runtime = self.runtime
        return machine.Attempts(ready, runtime.policy, runtime.seams.uniform, _pool, resting=resting)


def _silence(backend: Backend, deployment: Deployment) -> float | None:
    """The most seconds until the first content; None = only the limit of the whole attempt counts."""
    silence, total = backend.silence, deployment.timers.total
    return None if silence is None or (total is not None and total <= silence) else silence


def _too_late(deployment: Deployment, silence: float | None) -> ir.Fault:
    if silence is not None:
        return silent(deployment.name, silence)
    text = f"{deployment.name} did not complete the response within {deployment.timers.total:g} s."
    return ir.Fault("timeout", text, code="total_timeout", blame="upstream")


def _unexpected(name: str) -> ir.Fault:
    text = f"The request to {name!r} failed unexpectedly; the gateway's log has the details."
    return ir.Fault("upstream", text, code="upstream_failed", blame="upstream")
