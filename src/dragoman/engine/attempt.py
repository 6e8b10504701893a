"""One call to one deployment with one credential: everything that whoever carries it out needs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from dragoman.dialects.emulate import Emulation
from dragoman.dialects.identify import Identify
from dragoman.dialects.loss import Report
from dragoman.dialects.reply import Reply
from dragoman.engine.asked import Asked
from dragoman.engine.delivery import Delivery
from dragoman.engine.media import Media
from dragoman.engine.places import Locate
from dragoman.engine.plan import Plan
from dragoman.engine.runtime import Runtime
from dragoman.engine.sealing import Sealing
from dragoman.engine.steps import Step
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.routing.route import Deployment, deep_merge
from dragoman.state.marks import Scope
from dragoman.upstreams.backend import Backend
from dragoman.upstreams.upstream import Call
from dragoman.verify.check import CheckOutput


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """One attempt.

    backend: the upstream in the protocol that is asked. call: what the upstream is told of it. record: what
    observers read of it. seals: those of earlier turns, None = there are none to find or to keep.
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
    seals: Sealing | None = None

    @property
    def exchange(self) -> Exchange:
        """The record of the whole exchange."""
        return self.asked.exchange

    @property
    def scope(self) -> Scope:
        """Who can read what this attempt's answer seals."""
        return Scope(self.deployment.provider, self.deployment.model)

    @property
    def shown(self) -> str | None:
        """What the answer calls the model, None = as the upstream does."""
        return self.asked.inbound.shown or self.plan.route.shown(self.deployment)

    @property
    def same_protocol(self) -> bool:
        """Whether the upstream speaks the client's protocol."""
        return self.backend.dialect is self.asked.face

    def reply(self, report: Report, *, relayed: bool = False) -> Reply:
        """What the answer is encoded for. relayed: the answer needs no more than the request's brief."""
        asked, runtime = self.asked, self.runtime
        request = asked.brief
        if not relayed:
            request = asked.request
            if runtime.always_usage:
                request = msgspec.structs.replace(request, stream_usage=True)
        return asked.reply(report, request=request, model=self.shown, now=runtime.seams.now)

    def edits(self) -> dict[str, Any]:
        """The named edits of a relayed request: the model, and what the configuration adds."""
        call, body = self.call, self.asked.wire.body
        edits: dict[str, Any] = {"model": call.model}
        for key, value in (call.body or {}).items():
            own = body.get(key)
            edits[key] = (
                deep_merge(own, value) if isinstance(own, dict) and isinstance(value, dict) else value
            )
        return edits

    def account(self, locate: Locate) -> None:
        """Note what has been lost by now, and refuse it in strict mode.

        A provider's encoder knows before anything is sent. An upstream of our own may know only once it
        has looked at the request, which is before it has computed anything.
        """
        self.exchange.account(*self.call.report.located(locate))
        self.plan.hold_strict(self.exchange)

    def steps(self, emulation: Emulation | None = None) -> Sequence[Step]:
        """What happens to the answer, in order. Most answers need none of it."""
        steps: list[Step] = []
        if emulation is not None and (restorer := emulation.restorer()) is not None:
            steps.append(restorer)
        if self.asked.request.tools:
            steps.append(Identify(self.exchange.id.removeprefix("ex_")))
        if self.plan.form is not None:
            steps.append(CheckOutput(self.plan.form, self.delivery.now))
        return steps
