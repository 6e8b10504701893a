"""The plan for a request, and the stages between decoding the request and calling an upstream.

`route` makes the plan. `fill_in` changes the request. Each other stage gets the request and the plan, and
returns the plan for the next stage. A stage raises `RequestFailed` if the request cannot be answered.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Final, TypeAlias

import msgspec

from dragoman import ir
from dragoman.accounts.caller import ANYTHING, NO_PROVIDER, Caller, Permits
from dragoman.accounts.grants import Grants
from dragoman.dialects.capabilities import DEMANDED, refuse
from dragoman.dialects.defaults import opens_with_system, with_defaults
from dragoman.dialects.request import Operation
from dragoman.dialects.table import DIALECTS
from dragoman.engine.asked import Asked, blamed
from dragoman.engine.places import located
from dragoman.engine.runtime import Runtime
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import Exchange, Reason
from dragoman.hooks import HookFailed, Resolved
from dragoman.routing.costs import Offer
from dragoman.routing.fallbacks import Fallbacks
from dragoman.routing.route import Deployment, Route, Strict
from dragoman.routing.table import Table
from dragoman.routing.window import room
from dragoman.upstreams.backend import Backend
from dragoman.verify.bounds import available
from dragoman.verify.check import Form, form_of


class Plan(msgspec.Struct, frozen=True):
    """How a request is answered. route: the deployments that may be called, in order. strict: which losses
    make the request fail; False = none, True = those of meaning, "all" = all. form: the output format against
    which the answer is checked; None = no check. reasons: why every attempt must translate the request; () =
    the plan does not forbid to relay it. refused: the fault to tell if the request has turned to a fallback
    because its prompt is too long or its content was refused, and the fallbacks fail too; None = there is no
    such fault. usual: the first choice, with whose cost other deployments are compared; None = they are not
    compared, or not yet.
    """

    route: Route
    strict: Strict = False
    form: Form | None = None
    reasons: tuple[Reason, ...] = ()
    refused: ir.Fault | None = None
    usual: Offer | None = None

    @property
    def names_deployment(self) -> bool:
        """Whether the client asked for the first deployment by its own name: by `provider/model`, or by the
        name of the upstream's model.
        """
        return self.route.shown(self.route.deployments[0]) is None

    def among(self, deployments: tuple[Deployment, ...]) -> Plan:
        """Return the same plan with only these deployments."""
        return msgspec.structs.replace(
            self, route=msgspec.structs.replace(self.route, deployments=deployments)
        )

    def without_fallbacks(self) -> Plan:
        """Return the same plan without fallback routes."""
        return msgspec.structs.replace(self, route=msgspec.structs.replace(self.route, fallbacks=Fallbacks()))

    def translated(self, reason: Reason) -> Plan:
        """Return the same plan with one more reason why every attempt must translate the request."""
        return msgspec.structs.replace(self, reasons=(*self.reasons, reason))

    def hold_strict(self, exchange: Exchange) -> None:
        """Raise RequestFailed if the exchange has losses that `strict` forbids: any loss if it is "all",
        losses of meaning if it is True. Does nothing if `strict` is False.
        """
        if not self.strict:
            return
        lost = [loss for loss in exchange.losses if self.strict == "all" or loss.severity == "meaning"]
        if lost:
            named = "; ".join(f"{loss.path}: {loss.reason}" for loss in lost)
            target = exchange.answered
            done = "sent" if target is None else f"translated for {target}"
            raise RequestFailed(
                ir.Fault(
                    "untranslatable",
                    f"the request cannot be {done} without loss: {named}",
                    code="untranslatable",
                    param=lost[0].path.removeprefix("$."),
                )
            )


Stage: TypeAlias = "Callable[[Runtime, Asked, Plan], Plan]"


# What the name stands for ------------------------------------------------------------------------------


def route(table: Table, asked: Asked, resolved: Resolved | None = None) -> Plan:
    """Return the first plan: the route of the model, and how strict the request is. resolved: the models that
    a hook has chosen; None = no hook has chosen any.

    Raises RequestFailed if the request names no model and there is no default, if it names an unknown model,
    if the client has no right to a model, to the operation or to at least one provider of the model, if
    `x-dragoman-strict` is invalid, or if `strict` forbids a loss that is known already. Raises HookFailed if
    a hook has chosen an unknown model.
    """
    exchange, inbound = asked.exchange, asked.inbound
    exchange.phase = "route"
    if resolved is not None:
        found = _as_resolved(table, asked, resolved)
    elif inbound.models is None:
        found = table.resolve(exchange.asked, inbound.operation, exchange.caller)
    else:
        found = _granted(table, exchange, inbound.models, inbound.operation)
    if asked.others and resolved is None:
        found = _with_others(table, asked, found)
    if inbound.may is not ANYTHING:
        found = _permitted(found, inbound.may, inbound.operation)
    if asked.inner:
        found = _with_inner(table, asked, found)
    wished, strict = asked.wished.strict, found.strict
    plan = Plan(found, strict if wished is None else _stricter(wished, strict))
    if exchange.losses:
        plan.hold_strict(exchange)
    return plan


def _granted(table: Table, exchange: Exchange, granted: Grants, operation: Operation) -> Route:
    """Return the route of the exchange's model, or of the default model if the client names none. Raises
    RequestFailed if the model is not in `granted`, if there is no default model for this client, or if the
    name has no route for this client.
    """
    model = exchange.asked
    if model is not None and model not in granted:
        # checked before the name is looked up, so that the error says nothing about other names
        raise RequestFailed(_not_granted(model, granted))
    found = table.resolve(model, operation, exchange.caller)
    if found.asked not in granted:
        exchange.asked = found.asked
        raise RequestFailed(_not_granted(found.asked, granted))
    return found


def _permitted(route: Route, may: Permits, operation: Operation) -> Route:
    """Return the route with only those deployments, its own and those of its fallbacks, whose providers the
    client may use. Raises RequestFailed if the route itself has none left, or if the client may not use the
    operation.
    """
    if (fault := may.bars(operation)) is not None:
        raise RequestFailed(fault)
    if (providers := may.providers) is None:
        return route
    kept = _only(route, providers.__contains__)
    if kept is None:
        raise RequestFailed(may.otherwise or NO_PROVIDER)
    return kept


def _only(route: Route, allowed: Callable[[str], bool]) -> Route | None:
    """Return the route with only those deployments, its own and those of its fallbacks, whose providers are
    allowed; None = the route itself has none left. allowed: says it for the name of a provider.
    """

    def left(one: Route) -> tuple[Deployment, ...]:
        return tuple(each for each in one.deployments if allowed(each.provider))

    if not (kept := left(route)):
        return None
    others: dict[int, Route | None] = {}  # a route may stand in several lists, and stays the same in all
    for why in route.fallbacks.stated:
        for one in route.fallbacks.of(why):
            if id(one) not in others:
                few = left(one)
                others[id(one)] = msgspec.structs.replace(one, deployments=few) if few else None

    def listed(routes: tuple[Route, ...]) -> tuple[Route, ...]:
        return tuple(few for one in routes if (few := others[id(one)]) is not None)

    lists = route.fallbacks
    fallbacks = Fallbacks(listed(lists.any), listed(lists.context), listed(lists.content))
    return msgspec.structs.replace(route, deployments=kept, fallbacks=fallbacks)


def _with_inner(table: Table, asked: Asked, route: Route) -> Route:
    """Return the route for a request that lets its provider use further models (`asked.inner`): only those
    deployments are left, also of fallbacks, at whose providers the client may use all of these models. Limits
    count the request for these models, too. Raises RequestFailed if the route itself has no deployment left.
    """
    granted, inner = asked.inbound.models, asked.inner
    if granted is not None:
        for one in inner:
            kept = route if one.model in granted else _only(route, partial(_is_granted, granted, one.model))
            if kept is None:
                fault = _not_granted(one.model, granted)
                raise RequestFailed(fault.changed(param=one.place))
            route = kept
    counted = dict.fromkeys(route.counted)
    for provider in dict.fromkeys(one.provider for one in route.deployments):
        for one in inner:
            counted |= dict.fromkeys(table.counted(f"{provider}/{one.model}"))
    return msgspec.structs.replace(route, counted=tuple(counted))


def _is_granted(granted: Grants, model: str, provider: str) -> bool:
    return f"{provider}/{model}" in granted


def _as_resolved(table: Table, asked: Asked, resolved: Resolved) -> Route:
    """Return the route of the first model that a hook has chosen, with the hook's other models as its
    fallbacks; if there are none, with its configured fallbacks. Raises RequestFailed if the client has no
    grant for the name that it has sent (if it has sent none, for the first of the hook), and HookFailed for
    an unknown name.
    """
    exchange, inbound = asked.exchange, asked.inbound
    name = exchange.asked or resolved.names[0]
    if inbound.models is not None and name not in inbound.models:
        raise RequestFailed(_not_granted(name, inbound.models))
    try:
        first, *others = [table.resolve(one, inbound.operation) for one in resolved.names]
    except RequestFailed as failed:
        raise HookFailed(resolved.hook, "resolve") from failed
    listed = tuple(msgspec.structs.replace(one, asked=name, fallbacks=Fallbacks()) for one in others)
    fallbacks = Fallbacks(listed, listed, listed) if listed else first.fallbacks
    return msgspec.structs.replace(first, asked=name, stands_for=first.model, fallbacks=fallbacks)


def withdrawn(caller: Caller, model: str, provider: str, operation: Operation) -> ir.Fault | None:
    """Return the fault if the client may no longer use what it was allowed to use before (in a running
    session, for example); None = it still may. model: the name that the client has sent. provider: the
    provider that answers.
    """
    if not caller.may_use(model):
        assert caller.models is not None
        return _not_granted(model, caller.models)
    if (fault := caller.may.bars(operation)) is not None:
        return fault
    providers = caller.may.providers
    return None if providers is None or provider in providers else NO_PROVIDER


def _with_others(table: Table, asked: Asked, found: Route) -> Route:
    """Return the route with the other models that the request names as its fallbacks, in place of the
    configured ones. These fallbacks are used after every failure that allows fallbacks, also after a prompt
    that is too long or a refusal of the content. Raises RequestFailed if a name is unknown or not granted.
    """
    inbound = asked.inbound
    others: list[Route] = []
    for named in asked.others:
        try:
            if inbound.models is not None and named.model not in inbound.models:
                raise RequestFailed(_not_granted(named.model, inbound.models))
            other = table.resolve(named.model, inbound.operation, asked.exchange.caller)
        except RequestFailed as failed:
            raise RequestFailed(failed.fault.changed(param=named.place)) from failed
        others.append(msgspec.structs.replace(other, fallbacks=Fallbacks()))
    listed = tuple(others)
    return msgspec.structs.replace(found, fallbacks=Fallbacks(listed, listed, listed))


def fill_in(asked: Asked, plan: Plan) -> Asked:
    """Return the request with what its route adds: the opening messages, unless the request has system text
    or begins with a system or developer message; the system prompt and the default values where the client
    has stated nothing (`with_defaults`). `wire.continued`, the range of the messages that the client has not
    sent, is changed in place.
    """
    route = plan.route
    if route.opening and not opens_with_system(asked.request):
        request, added = asked.request, len(route.opening)
        # Continued messages come after the alias's messages, unless the client has a system message.
        asked.wire.continued = (0, asked.wire.continued[1] + added)
        sealed = tuple(
            msgspec.structs.replace(sealed, start=sealed.start + added, stop=sealed.stop + added)
            for sealed in asked.sealed
        )
        asked = asked.with_request(
            msgspec.structs.replace(request, messages=route.opening + request.messages), "alias"
        )
        asked = msgspec.structs.replace(asked, sealed=sealed)
    if route.defaults or route.system_prompt is not None:
        asked = asked.with_request(with_defaults(asked.request, route.defaults, route.system_prompt), "alias")
    return asked


# Which deployments are left --------------------------------------------------------------------------


def selects(asked: Asked) -> bool:
    """Whether the request itself gives the stages that drop deployments (`keep_willing` and those after it)
    something to do. If not, and the route does not say `selects`, these stages do not change the plan.
    """
    return asked.beyond is not None or bool(asked.brief.forms) or asked.wished.check is not None


def keep_willing(runtime: Runtime, asked: Asked, plan: Plan) -> Plan:
    """If the protocol's author would refuse the request (`Asked.beyond`), keep only the deployments whose
    upstream speaks the client's protocol and may accept the request (`Quirks.widens`). Raises RequestFailed
    with the author's reason if there are none.
    """
    if asked.beyond is None:
        return plan
    kept = tuple(
        one
        for one in plan.route.deployments
        if _takes(spoken(runtime.backends[one.provider], one, asked, plan), asked)
    )
    if not kept:
        raise RequestFailed(blamed(asked.beyond))
    return plan.among(kept)


def _takes(backend: Backend, asked: Asked) -> bool:
    """Whether the upstream uses the client's protocol and may accept this request."""
    if backend.dialect is not asked.face:
        return False
    try:
        asked.face.check_widely(asked.wire, backend.quirks.widens)
    except WireError:
        return False
    return True


def spoken(backend: Backend, deployment: Deployment, asked: Asked, plan: Plan) -> Backend:
    """Return the provider's upstream in the protocol in which this chat is sent to the deployment: that of
    the route's setting `api` (without it, one for which the request has members of its own), else the
    client's protocol, else any other. `Backend.spoken` has the exceptions.
    """
    wish, facts = plan.route.api or _addressed_api(asked), deployment.facts
    return backend.spoken(asked.face.name, deployment.model, facts, lambda: asked.request, wish)


def _addressed_api(asked: Asked) -> str | None:
    """Return the name of a protocol for which the request has members of its own (`dialects.addressed`), as
    only this protocol can carry them; None = there are no such members.
    """
    body = asked.wire.body
    if DIALECTS.keys().isdisjoint(body):
        return None
    own = asked.face.request.members
    found = (name for name, value in body.items() if type(value) is dict and name not in own)
    return next((name for name in found if name in DIALECTS), None)


def allow(_: Runtime, asked: Asked, plan: Plan) -> Plan:
    """Keep only the deployments whose models can do what the request demands. Raises RequestFailed with the
    fault of the first deployment if there are none.
    """
    deployments = plan.route.deployments
    thinks = (asked.brief.forms or {}).get("reasoning") == DEMANDED
    if not thinks and True not in [deployment.facts.restricts for deployment in deployments]:
        return plan
    refused = [refuse(asked.request, deployment.facts) for deployment in deployments]
    able = tuple(d for d, fault in zip(deployments, refused, strict=True) if fault is None)
    if not able and (fault := refused[0]) is not None:
        raise RequestFailed(located(asked, fault))
    return plan.among(able)


def make_room(_: Runtime, asked: Asked, plan: Plan) -> Plan:
    """Keep only the deployments whose window is large enough for the prompt, or whose window is not stated.
    If there are none and the request has `truncation: auto`, plan to shorten the prompt, and keep those that
    can get the shortened prompt. Raises RequestFailed if no deployment is left.
    """
    deployments = plan.route.deployments
    rooms = [deployment.room for deployment in deployments if deployment.room is not None]
    if not rooms:
        return plan
    if _surely_fits(asked, min(rooms)) and all(deployment.window is None for deployment in deployments):
        return plan
    try:
        found = room(asked.request, deployments)
    except RequestFailed as failed:
        raise RequestFailed(located(asked, failed.fault)) from failed
    plan = plan.among(found.deployments)
    return plan.translated("truncation") if found.shortened else plan


def _surely_fits(asked: Asked, room: int) -> bool:
    """Whether the size of the client's body shows that the request's texts have at most `room` tokens,
    because a token has at least one byte. Then the request need not be decoded. False if the request has
    other texts than the body: it may continue earlier messages, or an alias or a hook has changed it. Tokens
    of media that are named by URL are not considered.
    """
    return asked.inbound.turn is None and not asked.reasons and len(asked.said.raw) <= room


def hold_to_form(_: Runtime, asked: Asked, plan: Plan) -> Plan:
    """Plan a check of the answer against the requested JSON format, if the client wants one, or if the route
    wants one and the client does not forbid it. A plan with a check means translation. Raises RequestFailed
    if a check is wanted but the extra `schema` is not installed, or if the schema cannot be used for checks.
    """
    wished = asked.wished.check
    if wished == "0" or not (wished == "1" or plan.route.check_output):
        return plan
    if not available():
        raise RequestFailed(_NO_CHECKS)
    try:
        form = form_of(asked.request.output)
    except RequestFailed as failed:
        raise RequestFailed(located(asked, failed.fault)) from failed
    if form is None:
        return plan
    return msgspec.structs.replace(plan.translated("output_check"), form=form)


_CHECK: Final = "x-dragoman-check-output"
_NO_CHECKS: Final = ir.Fault(
    "unsupported",
    "Structured output cannot be validated: this gateway was installed without the extra `schema`.",
    code="unsupported_value",
    param=_CHECK,
)
_STRICTNESS: Final[list[Strict]] = [False, True, "all"]
_WISHES: Final[dict[str, Strict]] = {"0": False, "false": False, "1": True, "true": True, "all": "all"}
_UNKNOWN_WISH: Final = ir.Fault(
    "invalid_request",
    "Invalid value for the header 'x-dragoman-strict': expected 1, 0 or all.",
    code="invalid_value",
    param="x-dragoman-strict",
)
_NAMED_GRANTS: Final = 8


def _not_granted(model: str, granted: Grants) -> ir.Fault:
    named = sorted(granted.entries)
    more = ", …" if len(named) > _NAMED_GRANTS else ""
    allowed = f" It may use: {', '.join(named[:_NAMED_GRANTS])}{more}." if named else ""
    text = f"This API key is not allowed to use the model {model!r}.{allowed}"
    return ir.Fault("permission", text, "model_not_granted", "model")


def _stricter(header: str, strict: Strict) -> Strict:
    """Return the stricter of the client's header and the model's setting. Raises RequestFailed if the header
    has an unknown value.
    """
    wished = _WISHES.get(header.lower())
    if wished is None:
        raise RequestFailed(_UNKNOWN_WISH)
    return max(wished, strict, key=_STRICTNESS.index)
