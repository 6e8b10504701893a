"""The upstream side of an exchange while it runs.

A flight owns the attempts: it drives `routing.attempts`, calls one upstream after another, and decides for
each attempt whether frames are relayed or translated, which `relaying` and `translating` carry out. When the
client goes, the task is cancelled, and with it the upstream call.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.pieces import joined
from dragoman.dialects.table import DIALECTS
from dragoman.engine import sealing
from dragoman.engine.delivery import Delivery
from dragoman.engine.operate import Operating, able
from dragoman.engine.relay import Relaying
from dragoman.engine.runtime import Runtime
from dragoman.engine.sealing import Sealing
from dragoman.engine.translate import Translating
from dragoman.engine.work import Work
from dragoman.errors import DragomanError, RequestFailed
from dragoman.exchange import AttemptRecord
from dragoman.hooks import EndedByHook
from dragoman.net.connector import CONNECTED
from dragoman.routing import attempts as machine
from dragoman.routing.outcome import for_client, is_absent, refuses_seals
from dragoman.routing.route import Deployment
from dragoman.upstreams.answers import silent
from dragoman.upstreams.upstream import Call, Stopwatch, Upstream
from dragoman.upstreams.wire import WireUpstream

log = logging.getLogger("dragoman.engine.flight")

_BEGIN = machine.Begin()
_SUCCESS = 200
"""The status of an attempt whose answer a codec has read: it reads no other."""


class Candidate(msgspec.Struct, frozen=True):
    """A deployment with one of its provider's credentials."""

    deployment: Deployment
    account: int


def _pool(candidate: Candidate) -> str:
    """All credentials of a provider share its connections."""
    return candidate.deployment.provider


class Flight:
    """One round of attempts for one exchange."""

    def __init__(self, runtime: Runtime, work: Work) -> None:
        self._runtime = runtime
        self._work = work
        self._exchange = work.exchange
        self._now = runtime.seams.monotonic
        self._sealing: Sealing | None = None
        self._round: machine.Attempts[Candidate] = machine.Attempts(
            self._candidates(), runtime.policy, runtime.seams.uniform, _pool
        )
        self._delivery = Delivery(work, self._round, self._now)

    async def run(self) -> None:
        """Carry out the machine's commands until an answer is delivered. Raises RequestFailed at the end."""
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
                        self._delivery.cost_so_far = None  # nothing of it was delivered
                    commands = round_.on(machine.Failed(fault), self._now())
                elif isinstance(command, machine.WakeAt):
                    self._exchange.phase = "route"
                    pause = max(0.0, command.at - self._now())
                    await asyncio.sleep(pause)
                    self._exchange.waited += pause
                    commands = round_.on(machine.Timer(), self._now())
                else:
                    provider = (self._exchange.answered or "").partition("/")[0]
                    named = self._work.names_deployment
                    raise RequestFailed(for_client(command.fault, provider, named_by_client=named))
        except (Exception, asyncio.CancelledError):
            await self._delivery.broken_off()
            raise
        finally:
            if self._work.fetched is not None:
                self._work.fetched.close()

    def _candidates(self) -> Sequence[Candidate]:
        accounts = self._runtime.accounts
        return [
            Candidate(deployment, account)
            for deployment in self._work.route.deployments
            for account in range(accounts(deployment.provider))
        ]

    async def _ask(self, candidate: Candidate) -> ir.Fault | None:
        """One candidate in the protocol that suits; again where a refusal says what was wrong with that.

        None = the answer is delivered. Where no protocol has the model, the first one's error is told: it is
        the protocol that the client speaks, or the one that the provider knows best.
        """
        asked: list[Upstream] = []
        first: ir.Fault | None = None
        work, deployment = self._work, candidate.deployment
        light, model = work.light, deployment.model
        upstream = self._upstream(deployment) if light else await work.step(self._upstream, deployment)
        if self._work.operation != "chat":
            return await self._attempt(candidate, upstream)
        plain = False  # whether the model has been asked again because it has nothing to seal
        while True:
            asked.append(upstream)
            fault = await self._attempt(candidate, upstream)
            if fault is None or self._delivery.committed or not isinstance(upstream, WireUpstream):
                return fault
            told = first if first is not None and is_absent(fault) else fault
            if refuses_seals(fault) and self._work.unseal():
                continue
            if not plain and upstream.learns_thoughtless(model, fault):
                plain = True
                continue
            if not upstream.learns(model, fault):
                return told
            first = first or fault
            upstream = await work.step(self._upstream, deployment)
            if upstream in asked:
                return told

    def _upstream(self, deployment: Deployment) -> Upstream:
        upstream, work = self._runtime.upstreams[deployment.provider], self._work
        if work.operation != "chat":
            return able(upstream, work.operation, work.face.name, deployment.model) or upstream
        return spoken(upstream, deployment, work)

    async def _attempt(self, candidate: Candidate, upstream: Upstream) -> ir.Fault | None:
        """One call. None = the answer is delivered; a fault = it failed, whether or not content went out."""
        work, exchange, delivery = self._work, self._exchange, self._delivery
        deployment = candidate.deployment
        facts = deployment.facts
        if isinstance(upstream, WireUpstream):
            facts = upstream.facts(deployment.model, facts)
        asked = (upstream, deployment.model, facts)
        relayed = not self._addresses_somebody() and (
            work.can_relay(*asked) if work.light else await work.step(work.can_relay, *asked)
        )
        record = AttemptRecord(
            f"{exchange.id}-{len(exchange.attempts) + 1}",
            deployment.name,
            _tail(upstream, candidate.account),
            "relay" if relayed else "translate",
            self._now(),
        )
        exchange.attempts.append(record)
        work.deployment = deployment
        exchange.phase, exchange.mode, exchange.answered = "connect", record.mode, record.deployment
        exchange.losses, exchange.changes = exchange.taken  # an earlier attempt's own are not this one's
        exchange.usage = None  # nor are its counts those of this answer
        call = Call(
            attempt=record.id,
            model=deployment.model,
            report=Report(upstream.dialect.name if isinstance(upstream, WireUpstream) else upstream.name),
            watch=(watch := Stopwatch(self._now)),
            timers=deployment.timers,
            facts=facts,
            account=candidate.account,
            headers=deployment.headers,
            body=deployment.body,
            client=exchange.client or "",
        )
        silence = _silence(upstream, deployment)
        total = deployment.timers.total
        limit = self._runtime.deadlines.within(total if silence is None else silence)
        success = _SUCCESS if isinstance(upstream, WireUpstream) else None
        delivery.begin_attempt(record, success, limit, silence, total)
        try:
            with limit:
                if work.operation != "chat":
                    passing: Relaying | Translating | Operating = Operating(
                        work,
                        delivery,
                        upstream=upstream,
                        call=call,
                        record=record,
                        relayed=relayed,
                        now=self._now,
                        fetcher=self._runtime.fetcher,
                    )
                elif relayed and isinstance(upstream, WireUpstream):
                    behind = self._may_leave_behind()
                    passing = Relaying(
                        work,
                        delivery,
                        upstream=upstream,
                        call=call,
                        record=record,
                        now=self._now,
                        seals=await work.step(self._seals, upstream) if behind else None,
                    )
                else:
                    exchange.phase = "encode"
                    seals = self._seals(upstream) if work.light else await work.step(self._seals, upstream)
                    passing = Translating(
                        self._runtime,
                        work,
                        delivery,
                        upstream=upstream,
                        call=call,
                        record=record,
                        seals=seals,
                    )
                await passing.run()
        except EndedByHook:
            raise  # somebody decided, and no other attempt may undo it
        except RequestFailed as failed:
            fault = failed.fault
            if isinstance(upstream, WireUpstream):
                fault = upstream.discreet(fault, call)
            else:
                fault = work.located(fault)  # an upstream of our own speaks of the request in IR terms
            record.fault, record.status = fault, fault.status
            return fault
        except Exception as error:
            if limit.expired:
                record.fault = _too_late(deployment, None if delivery.committed else silence)
            elif isinstance(error, DragomanError) or self._exchange.phase == "encode":
                raise
            elif delivery.committed and isinstance(error, OSError):
                raise  # the way to the client broke, which no other attempt would mend
            else:  # an answer that nobody expected, or other people's code: no reason for not trying the next
                log.exception("the attempt at %s failed", deployment.name)
                text = (
                    f"The request to {upstream.name!r} failed unexpectedly; the gateway's log "
                    "has the details."
                )
                record.fault = ir.Fault("upstream", text, code="upstream_failed", blame="upstream")
            return record.fault
        finally:
            exchange.waited += watch.take()
            record.ended = self._now()
        return None

    def _addresses_somebody(self) -> bool:
        """Whether a chat has members that are for one provider, which no provider may get as they are."""
        work, upstreams = self._work, self._runtime.upstreams
        body = work.wire.body
        if work.operation != "chat" or (
            body.keys().isdisjoint(upstreams) and body.keys().isdisjoint(DIALECTS)
        ):
            return False
        return any(
            type(value) is dict
            and (key in upstreams or key in DIALECTS)
            and key not in work.face.request.members
            for key, value in body.items()
        )

    def _may_leave_behind(self) -> bool:
        """Whether the vault may hold what belongs to earlier answers of a conversation that is relayed."""
        runtime, tenant = self._runtime, self._exchange.client or ""
        return runtime.vault is not None and runtime.kept.has(tenant, self._work.face.name)

    def _seals(self, upstream: Upstream) -> Sealing | None:
        """What remembers the seals of this exchange; None where there is nothing to find or to keep."""
        vault = self._runtime.vault
        if vault is not None and self._sealing is None:
            asked = joined(self._work.request).request
            tenant, step = self._exchange.client or "", self._work.step
            self._sealing = sealing.begin(vault, tenant, upstream, asked, step, kept=self._runtime.kept)
        return self._sealing


def spoken(upstream: Upstream, deployment: Deployment, work: Work) -> Upstream:
    """The upstream in the protocol in which this chat would be asked of it now."""
    if not isinstance(upstream, WireUpstream):
        return upstream
    return upstream.spoken(
        work.face.name, deployment.model, deployment.facts, lambda: work.request, work.route.api
    )


def _silence(upstream: Upstream, deployment: Deployment) -> float | None:
    """Seconds in which an attempt must have content, None where its total runs out before."""
    silence = upstream.limits.silence if isinstance(upstream, WireUpstream) else None
    total = deployment.timers.total
    return None if silence is None or (total is not None and total <= silence) else silence


def _too_late(deployment: Deployment, silence: float | None) -> ir.Fault:
    if silence is not None:
        return silent(deployment.name, silence)
    text = f"{deployment.name} did not complete the response within {deployment.timers.total:g} s."
    return ir.Fault("timeout", text, code="total_timeout", blame="upstream")


def _tail(upstream: Any, account: int) -> str | None:
    accounts = getattr(upstream, "accounts", ())
    return accounts[account].tail if account < len(accounts) else None
