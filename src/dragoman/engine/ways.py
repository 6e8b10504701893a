"""The ways in which operations are served: the stages of a request, and the functions that relay and
translate it.

There are four ways: chat, the token count of a chat's prompt, realtime sessions, and all other operations.
The gateway may also count tokens itself (`count`); then nothing is relayed or translated.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Literal, get_args

import msgspec

from dragoman.capacity.heavy import Steps
from dragoman.dialects.facts import Facts
from dragoman.dialects.prompted.request import has_tools
from dragoman.dialects.request import Operation
from dragoman.engine.asked import Asked, Inbound
from dragoman.engine.attempt import Attempt
from dragoman.engine.converse import converse, opened
from dragoman.engine.operate import lacking, operate
from dragoman.engine.pass_on import pass_on
from dragoman.engine.plan import Plan, Stage, allow, hold_to_form, keep_willing, make_room, selects, spoken
from dragoman.engine.relay import relay
from dragoman.engine.runtime import Runtime
from dragoman.engine.selection import keep_affordable, keep_meant
from dragoman.engine.translate import translate
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange, Reason
from dragoman.hooks import Hooks
from dragoman.routing.route import Deployment, Route
from dragoman.upstreams.backend import Backend, over_http


class Way(msgspec.Struct, frozen=True, kw_only=True):
    """How one kind of operation is served. hooked: True = hooks may change its requests. selects: returns
    whether a request needs the stages although its route does not (`Route.selects` is False). stages:
    functions that are applied to the plan before any call, in this order; most of them leave out deployments.
    choose: returns a deployment's upstream in the protocol that suits the request. against: returns the
    reasons why an attempt cannot be relayed; () = it can be. relay, translate: make one attempt. read: makes
    the `Asked` of a request that has no body; None = the stage `decode` makes it from the body. learns: True
    = a refusal may show how to call the same deployment again. seals: True = signatures or encrypted
    reasoning of earlier turns may have to be sent back. reserves: what is reserved in limits before a call:
    "usage" = one request and what it may use; "request" = only one request, because a session reserves each
    of its replies; "nothing" = nothing, because no model runs. continues: True = another deployment may
    continue a broken stream.
    """

    hooked: bool
    selects: Callable[[Asked], bool]
    stages: tuple[Stage, ...]
    choose: Callable[[Backend, Deployment, Asked, Plan], Backend]
    against: Callable[[Attempt], tuple[Reason, ...]]
    relay: Callable[[Attempt], Awaitable[None]]
    translate: Callable[[Attempt], Awaitable[None]]
    read: Callable[[Exchange, Inbound, Steps], Asked] | None = None
    learns: bool = False
    seals: bool = False
    reserves: Literal["usage", "request", "nothing"] = "usage"
    continues: bool = False

    def admits(self, route: Route, hooks: Hooks) -> bool:
        """Whether one request is reserved at its limits before any work is done for it: always if `reserves`
        is "request", never if it is "nothing". If it is "usage", only if hooks may change requests, or the
        route adds something to requests (`fills`) or needs the stages (`selects`); otherwise
        `expected.reserve` reserves the request later, together with its usage.
        """
        if self.reserves == "usage":
            return hooks.change_requests or route.fills or route.selects
        return self.reserves == "request"


# Chat --------------------------------------------------------------------------------------------------


def _against_prompt(attempt: Attempt) -> tuple[Reason, ...]:
    """Return the reasons (`exchange.Reason`) why an attempt at a chat, or at a count of a chat's prompt,
    cannot be relayed; () = it can be.
    """
    asked, backend, runtime = attempt.asked, attempt.backend, attempt.runtime
    said, body = asked.said, asked.said.wire.body
    reasons = asked.reasons + attempt.plan.reasons
    if runtime.hooks.need_events:
        reasons += ("hook",)
    if backend.dialect is not asked.face:
        reasons += ("protocol",)
    else:
        facts, foreign = attempt.call.facts, asked.face.opaque.foreign
        if not backend.quirks.relays(body):
            reasons += ("vendor",)
        if not facts.takes(body) or _emulates(facts, asked):
            reasons += ("model",)
        if (asked.sealed and any(sealed.provider != backend.name for sealed in asked.sealed)) or (
            foreign and any(mark in said.raw for mark in foreign)
        ):
            reasons += ("seals",)
    if asked.codec is None and not runtime.addressees.isdisjoint(body) and _addresses_somebody(attempt):
        reasons += ("addressed",)
    return reasons


def _emulates(facts: Facts, asked: Asked) -> bool:
    """Whether the gateway has to emulate something for the chat, because the model lacks the requested output
    format, writes its reasoning into the text, takes tools only in the prompt, or cannot stream their calls.
    """
    if facts.structured is False and asked.request.output is not None:
        return True
    if facts.reasoning_text in {"tags", "open"}:
        return True
    whole = asked.streamed and facts.streams_tools is False
    return (facts.prompts_tools or whole) and has_tools(asked.request)


def _addresses_somebody(attempt: Attempt) -> bool:
    """Whether the chat has members that are meant for one provider or protocol only. Such members are never
    relayed.
    """
    asked, names = attempt.asked, attempt.runtime.addressees
    body, own = asked.said.wire.body, asked.face.request.members
    return any(type(value) is dict and key in names and key not in own for key, value in body.items())


# Everything else ---------------------------------------------------------------------------------------


def _against_operation(attempt: Attempt) -> tuple[Reason, ...]:
    asked, backend, codec = attempt.asked, attempt.backend, attempt.asked.codec
    assert codec is not None, "chat has a way of its own"
    if backend.dialect is not asked.face:
        return ("protocol",)
    if codec.relay is None:
        return ("operation",)
    if over_http(backend).codec(asked.inbound.operation) is not codec.provider:
        return ("vendor",)
    return () if codec.relays(asked.wire, backend.quirks, attempt.call.model) else ("vendor",)


def _able(backend: Backend, deployment: Deployment, asked: Asked, _: Plan) -> Backend:
    return backend.able(asked.inbound.operation, asked.face.name, deployment.model) or backend


def _keep_able(runtime: Runtime, asked: Asked, plan: Plan) -> Plan:
    """Keep only the deployments with an endpoint for the operation. Raises RequestFailed if none is left."""
    operation = asked.inbound.operation
    kept = tuple(one for one in plan.route.deployments if can(runtime, asked, one))
    if not kept:
        raise RequestFailed(lacking(operation))
    return plan.among(kept)


def can(runtime: Runtime, asked: Asked, deployment: Deployment) -> bool:
    """Whether the deployment has an endpoint for the requested operation."""
    backend = runtime.backends[deployment.provider]
    return backend.able(asked.inbound.operation, asked.face.name, deployment.model) is not None


# Realtime sessions -------------------------------------------------------------------------------------


def _live(backend: Backend, deployment: Deployment, asked: Asked, _: Plan) -> Backend:
    return backend.able("realtime", asked.face.name, deployment.model) or backend


def _keep_live(runtime: Runtime, asked: Asked, plan: Plan) -> Plan:
    """Keep only the deployments with realtime sessions in the client's protocol, because sessions are only
    relayed. Raises RequestFailed if there are none.
    """

    def speaks(one: Deployment) -> bool:
        backend = runtime.backends[one.provider]
        if backend.dialect is None:
            return False
        able = backend.able("realtime", asked.face.name, one.model)
        return able is not None and able.dialect is not None and able.dialect.live is asked.face.live

    kept = tuple(one for one in plan.route.deployments if speaks(one))
    if not kept:
        raise RequestFailed(lacking("realtime"))
    return plan.among(kept)


# The table ---------------------------------------------------------------------------------------------

_CHAT: Final = Way(
    hooked=True,
    selects=selects,
    stages=(keep_willing, keep_meant, allow, make_room, keep_affordable, hold_to_form),
    choose=spoken,
    against=_against_prompt,
    relay=relay,
    translate=translate,
    learns=True,
    seals=True,
    continues=True,
)
_COUNT: Final = Way(
    hooked=True,
    selects=selects,
    stages=(keep_meant, allow),
    choose=_able,
    against=_against_prompt,
    relay=pass_on,
    translate=operate,
    reserves="nothing",
)
_OPERATION: Final = Way(
    hooked=False,
    selects=lambda _asked: True,
    stages=(keep_meant, _keep_able, keep_affordable),
    choose=_able,
    against=_against_operation,
    relay=pass_on,
    translate=operate,
)
_SESSION: Final = Way(
    hooked=False,
    selects=lambda _asked: True,
    stages=(keep_meant, _keep_live, keep_affordable),
    choose=_live,
    against=lambda _attempt: (),
    relay=converse,
    translate=converse,
    read=opened,
    reserves="request",
)
WAYS: Final[Mapping[Operation, Way]] = {
    **dict.fromkeys(get_args(Operation), _OPERATION),
    "chat": _CHAT,
    "count": _COUNT,
    "realtime": _SESSION,
}
"""The way of each operation."""

_DROPS: Final[Mapping[Stage, str]] = {
    keep_willing: "it does not accept what goes beyond the client's protocol",
    allow: "its model cannot do what is asked",
    make_room: "its context window is too small",
    _keep_able: "it has no endpoint for this operation",
    _keep_live: "it has no realtime sessions in this protocol",
}
"""Why a stage removes a deployment, for the exchange's record. A stage that is not in this table records its
own reasons, or removes no deployment.
"""


def through(runtime: Runtime, way: Way, asked: Asked, plan: Plan) -> Plan:
    """Return the plan after the stages of this way. The exchange records in `dropped` which deployments the
    stages have removed, and why. Raises RequestFailed if a stage refuses the request, for example because no
    deployment is left.
    """
    for stage in way.stages:
        before = plan.route.deployments
        try:
            plan = stage(runtime, asked, plan)
        except RequestFailed as failed:
            if failed.fault.kind != "invalid_request":
                _note_dropped(asked.exchange, stage, before, ())
            raise
        if len(plan.route.deployments) < len(before):
            _note_dropped(asked.exchange, stage, before, plan.route.deployments)
    return plan


def _note_dropped(
    exchange: Exchange, stage: Stage, before: Sequence[Deployment], left: Sequence[Deployment]
) -> None:
    """Record in the exchange which deployments a stage has removed, and why. Does nothing for a stage that is
    not in `_DROPS`. before, left: the deployments before and after the stage.
    """
    if stage not in _DROPS:
        return
    kept = {one.name for one in left}
    exchange.dropped += tuple((one.name, _DROPS[stage]) for one in before if one.name not in kept)
