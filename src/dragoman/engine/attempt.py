"""One attempt: a call of one deployment with one credential, and everything that the call needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from dragoman.dialects.identify import Identify
from dragoman.dialects.loss import Report
from dragoman.dialects.merging import deep_merge
from dragoman.dialects.reply import Reply
from dragoman.dialects.restore import Restorer
from dragoman.dialects.table import DIALECTS
from dragoman.engine.asked import Asked
from dragoman.engine.delivery import Delivery
from dragoman.engine.idempotency import key_for
from dragoman.engine.joint import Joint
from dragoman.engine.media import Media
from dragoman.engine.places import Locate
from dragoman.engine.plan import Plan
from dragoman.engine.runtime import Runtime
from dragoman.engine.sealing import Sealing
from dragoman.engine.steps import Step
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.providers.rates import Rates
from dragoman.routing.route import Candidate, Deployment
from dragoman.state.marks import Scope
from dragoman.upstreams.account import Account
from dragoman.upstreams.backend import Backend
from dragoman.upstreams.upstream import Call, Stopwatch
from dragoman.verify.check import CheckOutput


class Attempt(msgspec.Struct, frozen=True):
    """One attempt. asked, plan: the request, and the plan of the route to which the deployment belongs.
    backend: the upstream in the chosen protocol. account: the credential of the call, as it was when the
    attempt was prepared. call: the parameters of the call. record: the attempt's record, which observers
    read. delivery: sends the answer. media: fetches media by their URLs. shown: the model name in the answer
    for the client; None = the name that the upstream states. seals: restores and stores signatures and
    encrypted reasoning; None = this is not done. joint: joins the answer of this attempt to what the client
    was told before; None = its stream is not continued.
    """

    runtime: Runtime
    asked: Asked
    plan: Plan
    deployment: Deployment
    backend: Backend
    account: Account
    call: Call
    record: AttemptRecord
    delivery: Delivery
    media: Media
    shown: str | None = None
    seals: Sealing | None = None
    joint: Joint | None = None

    @property
    def exchange(self) -> Exchange:
        """The record of the whole exchange. In a race (`engine.race`) it is this attempt's copy of
        the record: of what is set in it, only the fields in `race._NOTED` reach the exchange's own
        record, and only if this attempt decides how the exchange ends.
        """
        return self.asked.exchange

    @property
    def scope(self) -> Scope:
        """The provider and the model that make the seals of this answer (signatures, encrypted reasoning).
        The seals are valid only there.
        """
        return Scope(self.deployment.provider, self.deployment.model)

    @property
    def same_protocol(self) -> bool:
        """Whether the upstream uses the protocol of the client's body. False for a custom upstream."""
        return self.backend.dialect is self.asked.face

    def reply(self, report: Report, *, relayed: bool = False) -> Reply:
        """Return the values that the answer is encoded with. report: gets the losses and changes of the
        encoding. relayed: True = the values have only the short form `brief` of the client's request; False =
        they have the complete request in the IR. Raises RequestFailed if the complete request cannot be
        decoded.
        """
        asked, runtime = self.asked, self.runtime
        request = asked.brief
        if not relayed:
            request = asked.request
            if runtime.always_usage:
                request = msgspec.structs.replace(request, stream_usage=True)
        return asked.reply(report, request=request, model=self.shown, now=runtime.seams.now)

    def addressees(self, members: Collection[str]) -> tuple[set[str], set[str]]:
        """Return (the names of this attempt's provider and of its protocol, the names of all other providers
        and protocols). Under such a name, a client's body may have an object that is only for this provider
        or protocol. members: the members that the client's protocol defines; they are left out of both sets.
        """
        names = {self.deployment.provider}
        if self.backend.dialect is not None:
            names.add(self.backend.dialect.name)
        names.difference_update(members)
        return names, {*self.runtime.backends, *DIALECTS}.difference(names, members)

    def edits(self) -> dict[str, Any]:
        """Return the top-level members to set in a relayed body, by name: `model` with the upstream's model
        name, and the members that the configuration adds. Where the client and the configuration state the
        same member, the configured value is used; two objects are merged.
        """
        call, face = self.call, self.asked.face
        edits: dict[str, Any] = {"model": call.model}
        if not call.body:
            return edits
        body = self.asked.said.wire.body
        added = call.body if face.spelling is None else face.spelling.alike(call.body, body)
        own = {key: body[key] for key in added if key in body}
        return {**edits, **deep_merge(own, added)}

    def rates(self) -> Rates | None:
        """Return the prices of the deployment; None = they are not known, its provider bills the tenant, or
        nothing is accounted for.
        """
        meter = self.delivery.meter
        return None if meter is None else meter.rates(self.deployment.name)

    def note_losses(self, locate: Locate) -> None:
        """Set the losses and changes of the exchange: those that hold for every attempt, and those that the
        call's report has so far. May be called again when the report has more. locate: turns a place in the
        IR into a path of the client's request. Raises RequestFailed if strict mode forbids a loss of the
        exchange.
        """
        self.exchange.account(*self.call.report.located(locate))
        self.plan.hold_strict(self.exchange)

    def steps(self, restorer: Restorer | None = None) -> Sequence[Step]:
        """Return new steps that change or check the answer, in the order in which they get it: `restorer`,
        one that gives ids to tool calls (if the request has tools), one that checks the output against the
        form that was asked for. restorer: undoes what was emulated in the request; None = nothing was.
        """
        steps: list[Step] = [] if restorer is None else [restorer]
        if self.asked.request.tools:
            steps.append(Identify(self.exchange.id.removeprefix("ex_")))
        if self.plan.form is not None:
            steps.append(CheckOutput(self.plan.form, self.delivery.now))
        return steps


def prepared(
    runtime: Runtime,
    asked: Asked,
    plan: Plan,
    candidate: Candidate,
    backend: Backend,
    *,
    delivery: Delivery,
    media: Media,
) -> Attempt:
    """Return the next attempt of an exchange, not yet begun; its record says that it relays, which the caller
    changes if it translates. plan: of the candidate's route. backend: the upstream of the candidate's
    provider in the chosen protocol.
    """
    exchange, deployment = asked.exchange, candidate.deployment
    model, account = deployment.model, backend.accounts[candidate.account]
    call = Call(
        f"{exchange.id}-{len(exchange.attempts) + 1}",
        model,
        Report(backend.language),
        Stopwatch(delivery.now),
        deployment.timers,
        backend.facts(model, deployment.facts),
        candidate.account,
        deployment.headers,
        deployment.body,
        client=exchange.client or "",
        once=None if asked.wished.once is None else key_for(asked, deployment.name),
    )
    record = AttemptRecord(
        call.attempt, deployment.name, account.tail, "relay", 0.0, key_id=account.id, own=account.own
    )
    return Attempt(
        runtime,
        asked,
        plan,
        deployment,
        backend,
        account,
        call,
        record,
        delivery,
        media,
        asked.inbound.shown or candidate.shown,
    )
