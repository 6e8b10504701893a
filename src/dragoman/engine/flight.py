"""The upstream side of a running exchange: the attempts, one after another, as `routing.attempts` says. When
the client disconnects, the task is cancelled, and with it the upstream call.
"""

from __future__ import annotations

import asyncio
import logging

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.engine.asked import Asked
from dragoman.engine.attempt import Attempt
from dragoman.engine.delivery import Delivery
from dragoman.engine.media import Media
from dragoman.engine.places import located
from dragoman.engine.plan import Plan
from dragoman.engine.runtime import Runtime
from dragoman.engine.sealing import Seals
from dragoman.engine.ways import Prospect, Way
from dragoman.errors import DragomanError, RequestFailed
from dragoman.exchange import AttemptRecord, Reason
from dragoman.hooks import EndedByHook
from dragoman.net.connected import CONNECTED
from dragoman.routing import attempts as machine
from dragoman.routing.outcome import for_client, is_absent, refuses_seals
from dragoman.routing.route import Deployment
from dragoman.upstreams.answers import silent
from dragoman.upstreams.backend import Backend
from dragoman.upstreams.upstream import Call, Stopwatch

log = logging.getLogger("dragoman.engine.flight")

_BEGIN = machine.Begin()


class Candidate(msgspec.Struct, frozen=True):
    """A deployment with one of its provider's credentials. account: the index of that credential."""

    deployment: Deployment
    account: int


def _pool(candidate: Candidate) -> str:
    """The pool of a candidate's connections: all credentials of a provider share one."""
    return candidate.deployment.provider


class Flight:
    """One round of attempts for one exchange. way: the functions for its operation."""

    def __init__(self, runtime: Runtime, way: Way, asked: Asked, plan: Plan, delivery: Delivery) -> None:
        self._runtime = runtime
        self._way = way
        self._asked = asked
        self._plan = plan
        self._delivery = delivery
        self._exchange = asked.exchange
        self._now = runtime.seams.monotonic
        self._media = Media(runtime.fetcher, asked.exchange.client or "")
        self._seals: Seals | None = None
        candidates = [
            Candidate(deployment, account)
            for deployment in plan.route.deployments
            for account in range(len(runtime.backends[deployment.provider].accounts))
        ]
        self._round: machine.Attempts[Candidate] = machine.Attempts(
            candidates, runtime.policy, runtime.seams.uniform, _pool
        )
        delivery.begin_round(self._round)

    async def run(self) -> None:
        """Follow the state machine's commands until an answer is delivered, or raise RequestFailed."""
        round_ = self._round
        CONNECTED.set(self._exchange.connected)
        try:
            commands = round_.on(_BEGIN, self._now())
            while commands:
                command = commands.pop(0)
                if isinstance(command, machine.Start):
                    fault = await self._ask(command.candidate)
                    if fault is None:
                        return
                    if not self._delivery.committed:
                        self._delivery.cost_so_far = None  # the failed attempt delivered nothing
                    commands = round_.on(machine.Failed(fault), self._now())
                elif isinstance(command, machine.WakeAt):
                    self._exchange.phase = "route"
                    pause = max(0.0, command.at - self._now())
                    await asyncio.sleep(pause)
                    self._exchange.waited += pause
                    commands = round_.on(machine.Timer(), self._now())
                else:
                    provider = (self._exchange.answered or "").partition("/")[0]
                    named = self._plan.names_deployment
                    raise RequestFailed(for_client(command.fault, provider, named_by_client=named))
        except (Exception, asyncio.CancelledError):
            await self._delivery.broken_off()
            raise
        finally:
            self._media.close()

    async def _ask(self, candidate: Candidate) -> ir.Fault | None:
        """Call one candidate; if its refusal shows how, again: in another protocol, without seals, or without
        thinking. Returns None if the answer is delivered, else the last fault; but the first one of another
        protocol, if the last says only that the model or endpoint does not exist.
        """
        tried: list[Backend] = []
        first: ir.Fault | None = None
        asked, deployment = self._asked, candidate.deployment
        model = deployment.model
        backend = self._choose(deployment) if asked.light else await asked.look(self._choose, deployment)
        plain = False  # True: the model was called again without thinking, because it has nothing to seal
        while True:
            tried.append(backend)
            fault = await self._attempt(candidate, backend)
            if fault is None or self._delivery.committed or not self._way.learns:
                return fault
            told = first if first is not None and is_absent(fault) else fault
            if refuses_seals(fault) and backend.dialect is not None and not self._asked.sealless:
                self._asked = self._asked.without_seals()
                continue
            if not plain and backend.learns_thoughtless(model, fault):
                plain = True
                continue
            if not backend.learns(model, fault):
                return told
            first = first or fault
            backend = await asked.look(self._choose, deployment)
            if backend in tried:
                return told

    def _choose(self, deployment: Deployment) -> Backend:
        backend = self._runtime.backends[deployment.provider]
        return self._way.choose(backend, deployment, self._asked, self._plan)

    async def _attempt(self, candidate: Candidate, backend: Backend) -> ir.Fault | None:
        """Make one call. None = delivered; a fault = it failed, maybe after content. Raises final errors."""
        asked, exchange, delivery, way = self._asked, self._exchange, self._delivery, self._way
        deployment = candidate.deployment
        facts = backend.facts(deployment.model, deployment.facts)
        prospect = Prospect(self._runtime, asked, self._plan, backend, deployment.model, facts)
        reasons = way.against(prospect) if asked.light else await asked.look(way.against, prospect)
        record = self._record(candidate, backend, reasons)
        watch = Stopwatch(self._now)
        call = Call(
            attempt=record.id,
            model=deployment.model,
            report=Report(backend.name if backend.dialect is None else backend.dialect.name),
            watch=watch,
            timers=deployment.timers,
            facts=facts,
            account=candidate.account,
            headers=deployment.headers,
            body=deployment.body,
            client=exchange.client or "",
        )
        silence, total = _silence(backend, deployment), deployment.timers.total
        limit = self._runtime.deadlines.within(total if silence is None else silence)
        delivery.begin_attempt(record, deployment, backend.success, limit=limit, silence=silence, total=total)
        try:
            with limit:
                seals = None
                if way.seals and (vault := self._runtime.vault) is not None and self._may_have_seals(reasons):
                    exchange.phase = "encode" if reasons else exchange.phase
                    self._seals = self._seals or Seals(vault, self._runtime.kept, asked)
                    seals = await self._seals.of(backend)
                attempt = Attempt(
                    runtime=self._runtime,
                    asked=asked,
                    plan=self._plan,
                    deployment=deployment,
                    backend=backend,
                    call=call,
                    record=record,
                    delivery=delivery,
                    media=self._media,
                    seals=seals,
                )
                await (way.translate if reasons else way.relay)(attempt)
        except EndedByHook:
            raise  # a hook has decided, so no other attempt is made
        except RequestFailed as failed:
            fault = backend.told(failed.fault, call, lambda fault: located(asked, fault))
            record.fault, record.status = fault, fault.status
            return fault
        except Exception as error:
            if limit.expired:
                record.fault = _too_late(deployment, None if delivery.committed else silence)
            elif self._is_final(error):
                raise
            else:
                log.exception("the attempt at %s failed", deployment.name)
                record.fault = _unexpected(backend.name)
            return record.fault
        finally:
            exchange.waited += watch.take()
            record.ended = self._now()
        return None

    def _may_have_seals(self, reasons: tuple[Reason, ...]) -> bool:
        """Whether an attempt may have seals to find or to store. A relayed request cannot get seals back, so
        it needs them only to report what it lacks.
        """
        return bool(reasons) or self._runtime.kept.has(self._exchange.client or "", self._asked.face.name)

    def _record(self, candidate: Candidate, backend: Backend, reasons: tuple[Reason, ...]) -> AttemptRecord:
        """Begin an attempt's record in the exchange, which drops the losses and usage of earlier attempts."""
        exchange, deployment = self._exchange, candidate.deployment
        record = AttemptRecord(
            f"{exchange.id}-{len(exchange.attempts) + 1}",
            deployment.name,
            backend.accounts[candidate.account].tail,
            "translate" if reasons else "relay",
            self._now(),
            reasons=reasons,
        )
        exchange.attempts.append(record)
        exchange.phase, exchange.mode, exchange.answered = "connect", record.mode, record.deployment
        exchange.losses, exchange.changes = exchange.taken
        exchange.usage = None
        return record

    def _is_final(self, error: Exception) -> bool:
        """Whether an unexpected error ends the exchange instead of the attempt: one of Dragoman's own, one
        while the request was encoded, or the client's broken connection.
        """
        if isinstance(error, DragomanError) or self._exchange.phase == "encode":
            return True
        return self._delivery.committed and isinstance(error, OSError)  # the client's connection broke


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
