"""One call to one deployment with one credential, with everything that the call needs."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import msgspec

from dragoman.dialects.emulate import Emulation
from dragoman.dialects.identify import Identify
from dragoman.dialects.loss import Report
from dragoman.dialects.reply import Reply
from dragoman.dialects.table import DIALECTS
from dragoman.engine.asked import Asked
from dragoman.engine.delivery import Delivery
from dragoman.engine.joint import Joint
from dragoman.engine.media import Media
from dragoman.engine.places import Locate
from dragoman.engine.plan import Plan
from dragoman.engine.runtime import Runtime
from dragoman.engine.sealing import Sealing
from dragoman.engine.steps import Step
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.providers.rates import Rates
from dragoman.routing.route import Deployment, deep_merge
from dragoman.state.marks import Scope
from dragoman.upstreams.backend import Backend
from dragoman.upstreams.upstream import Call
from dragoman.verify.check import CheckOutput


class Attempt(msgspec.Struct, frozen=True):
    """One attempt. backend: the upstream in the chosen protocol. call: the upstream's parameters. record:
    what observers read. shown: the model name that the client reads in the answer, None = the upstream's.
    seals: finds and stores signatures and encrypted reasoning; None = there are none. joint: what joins the
    answer of this attempt to what was said before; None = its stream is not continued.
    """

    runtime: Runtime
    asked: Asked
    plan: Plan
    deployment: Deployment
    backend: Backend
    call: Call
    record: AttemptRecord
    delivery: Delivery
    media: Media
    shown: str | None = None
    seals: Sealing | None = None
    joint: Joint | None = None

    @property
    def exchange(self) -> Exchange:
        """The record of the whole exchange."""
        return self.asked.exchange

    @property
    def scope(self) -> Scope:
        """The provider and model that make the seals of this answer; nobody else can read them."""
        return Scope(self.deployment.provider, self.deployment.model)

    @property
    def same_protocol(self) -> bool:
        """Whether the upstream uses the client's protocol."""
        return self.backend.dialect is self.asked.face

    def reply(self, report: Report, *, relayed: bool = False) -> Reply:
        """The values that the answer is encoded with. They include the client's request: the whole of it, or,
        if `relayed` is True, only its short form `brief`.
        """
        asked, runtime = self.asked, self.runtime
        request = asked.brief
        if not relayed:
            request = asked.request
            if runtime.always_usage:
                request = msgspec.structs.replace(request, stream_usage=True)
        return asked.reply(report, request=request, model=self.shown, now=runtime.seams.now)

    def addressees(self, members: Collection[str]) -> tuple[set[str], set[str]]:
        """The names under which a client may state members for this attempt's provider, and those for others:
        configured providers and protocols. members: the client's own members, which are no names.
        """
        names = {self.deployment.provider}
        if self.backend.dialect is not None:
            names.add(self.backend.dialect.name)
        names.difference_update(members)
        return names, {*self.runtime.backends, *DIALECTS}.difference(names, members)

    def edits(self) -> dict[str, Any]:
        """The members to set in a relayed body: the upstream's model name, and the members that the
        configuration adds. A configured object is merged into the client's object of the same name.
        """
        call, body = self.call, self.asked.said.wire.body
        edits: dict[str, Any] = {"model": call.model}
        if not call.body:
            return edits
        for key, value in call.body.items():
            own = body.get(key)
            edits[key] = (
                deep_merge(own, value) if isinstance(own, dict) and isinstance(value, dict) else value
            )
        return edits

    def rates(self) -> Rates | None:
        """The prices of the deployment; None = they are not known, or nothing is accounted for."""
        meter = self.delivery.meter
        return None if meter is None else meter.rates(self.deployment.name)

    def account(self, locate: Locate) -> None:
        """Record the request's losses so far; raise RequestFailed if strict mode refuses them. locate: turns
        a place in the IR into a path of the client's request. A provider's encoder knows its losses before it
        sends the request, an upstream made in code perhaps only when it has read it.
        """
        self.exchange.account(*self.call.report.located(locate))
        self.plan.hold_strict(self.exchange)

    def steps(self, emulation: Emulation | None = None) -> Sequence[Step]:
        """The steps that change the answer, in order. emulation: None = nothing was emulated."""
        steps: list[Step] = []
        if emulation is not None and (restorer := emulation.restorer()) is not None:
            steps.append(restorer)
        if self.asked.request.tools:
            steps.append(Identify(self.exchange.id.removeprefix("ex_")))
        if self.plan.form is not None:
            steps.append(CheckOutput(self.plan.form, self.delivery.now))
        return steps
