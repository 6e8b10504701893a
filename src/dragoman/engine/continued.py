"""Continued streams: if the stream of an answer breaks off, another deployment continues the answer.

The client reads one answer (`engine/joint.py`). See docs/decisions/0045-continued-streams.md.
"""

from __future__ import annotations

import asyncio
from typing import Final

import msgspec

from dragoman import ir
from dragoman.engine.asked import Asked
from dragoman.engine.attempt import Attempt
from dragoman.engine.flight import Flight
from dragoman.engine.joint import Joint
from dragoman.engine.limits import too_late
from dragoman.errors import RequestFailed
from dragoman.routing import attempts as machine
from dragoman.routing.outcome import Outcome, classify
from dragoman.routing.route import Candidate
from dragoman.seams.deadlines import Deadline, Unlimited
from dragoman.upstreams.backend import Backend


class Continued(Flight, eq=False):
    """Makes the attempts for a streamed chat whose route says `continues`. If the answer can be continued
    (see `_keep`), the request is kept until the answer has ended, and attempts that could be relayed are
    translated. Otherwise the attempts are made as `Flight` makes them.
    """

    _joint: Joint | None = None
    """What the client has been told so far; None = this answer cannot be continued, so the attempts are made
    as usual.
    """
    _whole: Asked | None = None
    """The request before the beginning of an answer was added to it; None = no answer was continued yet."""
    _broken: tuple[Candidate, ir.Fault] | None = None
    """The candidate and the fault of the latest attempt that has failed after its first content; None = there
    was none.
    """

    async def run(self) -> None:
        try:
            await self._keep()
        except (Exception, asyncio.CancelledError):
            self._end()
            raise
        await Flight.run(self)

    async def _keep(self) -> None:
        """Prepare to continue the answer, if that is possible. Then keep a copy of the request, because a
        delivery empties `said` when the answer begins.
        """
        asked, runtime = self.asked, self.runtime
        if runtime.hooks.need_events or runtime.policy.attempts == 1 or self.plan.form is not None:
            return
        if asked.beyond is not None:
            return  # what only some servers understand has to reach them as it is
        try:
            request = await asked.decoded()
        except RequestFailed:
            return  # it can be relayed, but nobody here knows what it asks for
        if is_continuable(request):
            self._joint = Joint()
            self.asked = msgspec.structs.replace(asked, said=asked.said.with_request(request))

    def _end(self) -> None:
        Flight._end(self)
        if (joint := self._joint) is not None:
            joint.stream = None  # it refers to the attempt, and that to the joint
            self.asked.said.forget()
            if self._whole is not None:
                self._whole.said.forget()

    def _prepared(self, candidate: Candidate, backend: Backend | None) -> Attempt:
        attempt = Flight._prepared(self, candidate, backend)
        if self._joint is None:
            return attempt
        record = attempt.record
        record.continues = self.delivery.committed
        if not record.reasons:
            record.mode, record.reasons = "translate", ("continuing",)
        return msgspec.structs.replace(attempt, joint=self._joint)

    def _begun(self, attempt: Attempt, candidate: Candidate) -> Deadline | Unlimited:
        if attempt.record.continues:  # what the attempts before it have lost or changed stays true
            exchange = self.asked.exchange
            exchange.taken = exchange.losses, exchange.changes
        return Flight._begun(self, attempt, candidate)

    def _unexpected(self, attempt: Attempt, limit: Deadline | Unlimited, error: Exception) -> ir.Fault:
        record = attempt.record
        if limit.expired and record.continues and record.first is None:
            seconds, cause = self._opening or (attempt.backend.silence, "silence")
            return too_late(attempt.deployment, seconds, cause)
        return Flight._unexpected(self, attempt, limit, error)

    async def _next(self, failed: Candidate, fault: ir.Fault) -> Candidate:
        joint = self._joint
        if joint is None or not self.delivery.committed:
            return await Flight._next(self, failed, fault)
        record = self.asked.exchange.attempts[-1]
        if record.first is not None:
            self._broken = failed, fault
            # The time in which an answer was read is none in which one was looked for.
            self._candidates.stand_still(self.delivery.now() - record.first)
        may = joint.begun and (record.continues or classify(fault) is not Outcome.CALLER)
        following = self._following(failed) if may else None
        if following is None:
            raise self._given_up(failed, fault)
        await self._hand_over(joint, following)
        return following

    async def _past(self, candidate: Candidate, refused: ir.Fault) -> Candidate:
        """Return the candidate to call instead of `candidate`, which a limit refuses (with the fault
        `refused`). If the client has the beginning of the answer already, the request is prepared so that the
        returned candidate continues it. Raises RequestFailed if no candidate is left.
        """
        joint = self._joint
        if joint is None or not self.delivery.committed:
            return await Flight._past(self, candidate, refused)
        following = self._following(candidate)
        if following is None:
            raise RequestFailed(refused)
        self._put_beginning(joint, following)
        return following

    def _given_up(self, failed: Candidate, fault: ir.Fault) -> RequestFailed:
        """Return the failure of the exchange: `fault`. But if a stream has broken off before, and `fault`
        says that the continued request is refused as the client's mistake, return the failure that broke the
        stream off.
        """
        if self._broken is not None and classify(fault) is Outcome.CALLER:
            failed, fault = self._broken
        return RequestFailed(self._candidates.told(fault, failed))

    def _following(self, failed: Candidate) -> Candidate | None:
        """Return a candidate at another deployment than `failed` that accepts the beginning of an answer and
        has a place now, and record the choice; None = there is none, or no further attempt is allowed.
        """
        now, health = self.delivery.now(), self.runtime.health
        round_ = self._candidates.begun(self.asked.exchange, failed)
        if not round_.may_begin(now):
            return None
        name = failed.deployment.name
        for one in round_.left:
            deployment = one.deployment
            if (
                deployment.name != name
                and self._goes_on(one)
                and health.is_ready(one, now)
                and self._has_place(deployment)
            ):
                round_.on(machine.GoesOn(one), now)
                return one
        return None

    def _goes_on(self, candidate: Candidate) -> bool:
        """Whether the candidate's model is known to continue a beginning that it has not written itself, and
        is not known to think before it answers. False if its provider uses the legacy completions API.
        """
        deployment = candidate.deployment
        backend = self.runtime.backends[deployment.provider]
        facts = backend.facts(deployment.model, deployment.facts)
        if facts.thinks is True or _named(backend) == "openai_completions":
            return False
        return facts.prefill is True or (facts.prefill is None and _named(backend) in _CONTINUING)

    async def _hand_over(self, joint: Joint, candidate: Candidate) -> None:
        """Estimate the usage of the attempt that broke off, if it has one, charge it to its deployment, and
        prepare the request for `candidate`, which continues the answer.
        """
        asked, cost, record = self.asked, self.delivery.cost_so_far, self.asked.exchange.attempts[-1]
        if cost is not None:
            joint.earlier = cost() if asked.light else await asked.step(cost)
            if record.first is not None:
                record.usage = joint.stated
            self.delivery.cost_so_far = joint.so_far
        if self.delivery.meter is not None:
            self.delivery.meter.left(record)
        self._whole = self._whole or asked
        self._put_beginning(joint, candidate)

    def _put_beginning(self, joint: Joint, candidate: Candidate) -> None:
        """Set `asked` to the request with the beginning of the answer as its last message, so that this
        candidate continues it.
        """
        assert self._whole is not None
        whole = self._whole
        said = joint.join(repeats=_named(self.runtime.backends[candidate.deployment.provider]) in _CONTINUING)
        spent = 0 if joint.earlier is None else joint.earlier.output or 0
        self.asked = whole.with_request(_with_beginning(whole.request, said, spent), "continuing")


_CONTINUING: Final = frozenset({"mistral"})
"""The protocols in which a model continues a beginning, unless its facts say that it does not. The answer
then repeats this beginning.
"""


def _named(backend: Backend) -> str | None:
    """Return the name of a provider's usual protocol (a request may be sent in another one); None = the
    provider is a custom upstream, which has no protocol.
    """
    return None if backend.dialect is None else backend.dialect.name


def is_continuable(request: ir.Request) -> bool:
    """Whether another model could continue the answer to a chat, as far as the request shows. False, for
    example, if it wants thinking, another format than text, several answers or a forced tool call, if it
    names stored earlier messages, or if it offers a provider's own tools.
    """
    output, thinking, messages = request.output, request.reasoning, request.messages
    if output is not None and (output.kind != "text" or (output.modalities or ("text",)) != ("text",)):
        return False
    if thinking is not None and thinking.mode != "off" and (thinking.effort or thinking.mode) != "none":
        return False
    if request.previous is not None or request.conversation is not None or request.background:
        return False
    if not messages or messages[-1].role == "assistant" or (request.sampling.n or 1) > 1:
        return False
    if request.dialect == "openai_completions" and not _is_one_prompt(request):
        return False
    choice = request.tool_choice
    if choice is not None and choice.mode not in {"auto", "none"}:
        return False
    return all(isinstance(tool, ir.Function) or tool.function is not None for tool in request.tools or ())


def _is_one_prompt(request: ir.Request) -> bool:
    """Whether a request of the legacy completions API has one prompt, a text that the answer does not repeat,
    and no suffix.
    """
    blocks = request.messages[0].blocks
    return (
        len(request.messages) == len(blocks) == 1
        and isinstance(blocks[0], ir.Text)
        and (request.forms or {}).get("echo") != "true"
    )


def _with_beginning(request: ir.Request, said: str, spent: int) -> ir.Request:
    """Return the request for the rest of an answer. said: the beginning of the answer. spent: the output
    tokens that the beginning has used; a stated `max_output` is reduced by them, but not below 1.
    """
    form = "prefix" if request.dialect == "mistral" else None
    messages = (*request.messages, ir.Message("assistant", (ir.Text(said),), form=form))
    most = request.max_output
    return msgspec.structs.replace(
        request, messages=messages, max_output=None if most is None else max(1, most - spent)
    )
