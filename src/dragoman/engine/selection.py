"""The stages that leave out deployments by what the operator has stated of them: the requests that they are
for (`when`), and what they may cost instead of the first choice (`max_cost`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache, partial

import msgspec

from dragoman import ir
from dragoman.dialects.capabilities import needs
from dragoman.engine.asked import Asked
from dragoman.engine.plan import Plan
from dragoman.engine.runtime import Runtime
from dragoman.errors import RequestFailed
from dragoman.routing.conditions import Traits, Unmet, for_client, for_operator
from dragoman.routing.costs import MaxCost, Offer, Tokens, first_choice, too_dear
from dragoman.routing.route import Deployment
from dragoman.routing.window import too_long
from dragoman.tokens import ceiling, count

NO_DEPLOYMENT = "no_deployment"
"""The fault's code if no deployment of a model is for a request."""


# The requests that deployments are for -----------------------------------------------------------------


def keep_meant(_: Runtime, asked: Asked, plan: Plan) -> Plan:
    """Keep the deployments that are for this request. Raises RequestFailed if none is."""
    deployments = plan.route.deployments
    if all(one.when is None for one in deployments):
        return plan
    traits = _traits(asked)
    unmet = [None if one.when is None else one.when.unmet(traits, one.model) for one in deployments]
    kept = tuple(one for one, reason in zip(deployments, unmet, strict=True) if reason is None)
    if len(kept) == len(deployments):
        return plan
    _note(asked, [(one, why and for_operator(why)) for one, why in zip(deployments, unmet, strict=True)])
    if not kept:
        raise RequestFailed(_for_others(asked, deployments, [why for why in unmet if why is not None]))
    return plan.among(kept)


def _traits(asked: Asked) -> Traits:
    """The request as conditions see it. It is decoded and counted when a condition asks for that."""
    exchange, inbound = asked.exchange, asked.inbound
    counted = inbound.operation == "count"
    prompt = asked.prompts
    return Traits(
        "chat" if counted else inbound.operation,
        asked.face.name,
        exchange.client,
        exchange.tags,
        inbound.headers,
        None if counted else asked.streamed,
        cache(lambda: needs(asked.request) if prompt else frozenset()),
        partial(_is_over, asked, cache(lambda: ceiling(asked.request))) if prompt else _is_never_over,
    )


def _is_over(asked: Asked, most: Callable[[], int], limit: int, model: str) -> bool:
    """Whether the prompt has more tokens than `limit`. most: an upper bound, which is cheaper to find."""
    return most() > limit and count(asked.request, model).tokens > limit


def _is_never_over(_limit: int, _model: str) -> bool:
    return False


def _for_others(asked: Asked, deployments: Sequence[Deployment], unmet: Sequence[Unmet]) -> ir.Fault:
    """The fault for a request for which no deployment is meant. If only the length of the prompt is the
    reason, the client gets the same words as for a prompt longer than the window. If only the client's name
    is the reason, it gets a 403.
    """
    names = {one.name for one in unmet}
    if names == {"input_up_to"}:
        counted = [count(asked.request, one.model) for one in deployments]
        return too_long(counted, [int(one.stated) for one in unmet])
    model = asked.exchange.asked
    told = dict.fromkeys(map(for_client, unmet))
    text = f"No deployment of the model {model!r} is for this request. They are for: {'; '.join(told)}."
    kind: ir.Kind = "permission" if names == {"clients"} else "unsupported"
    return ir.Fault(kind, text, code=NO_DEPLOYMENT, param="model")


# What they may cost ------------------------------------------------------------------------------------


def keep_affordable(_: Runtime, asked: Asked, plan: Plan) -> Plan:
    """Keep the deployments that cost no more than the bound of the request's own route allows. The first
    choice is always kept. In a fallback route all deployments may be too dear: then RequestFailed is raised.
    """
    bound = plan.route.max_cost
    if bound is None:
        return plan
    deployments = plan.route.deployments
    offers = [_offer(one, bound) for one in deployments]
    usual = plan.usual or first_choice(offers, plan.route.spread)
    plan = msgspec.structs.replace(plan, usual=usual)
    counted = cache(lambda: _tokens(asked.request, usual.name)) if asked.prompts else None
    reasons = [too_dear(bound, usual, offer, counted) for offer in offers]
    kept = tuple(one for one, reason in zip(deployments, reasons, strict=True) if reason is None)
    if len(kept) == len(deployments):
        return plan
    _note(asked, list(zip(deployments, reasons, strict=True)))
    if not kept:
        raise RequestFailed(_TOO_DEAR)
    return plan.among(kept)


def _offer(deployment: Deployment, bound: MaxCost) -> Offer:
    price = bound.prices.get(deployment.name) if deployment.price is None else deployment.price
    return Offer(deployment.name, price, deployment.weight)


def _tokens(request: ir.Request, name: str) -> Tokens:
    """The tokens of the prompt, and those expected of the answer. name: the deployment (`provider/model`) by
    whose model they are counted. An answer is expected to be as long as the request allows; if it states no
    limit, a third as long as the prompt. If several answers are asked for, all are counted.
    """
    asked = count(request, name.partition("/")[2]).tokens
    most = asked // 3 if request.max_output is None else request.max_output
    return Tokens(asked, most * (request.sampling.n or 1))


_TOO_DEAR = ir.Fault("unavailable", "The other models cost more than the gateway may spend.", blame="gateway")
"""Why a route is not turned to. No client is told it: the first failure is."""


def _note(asked: Asked, reasons: Sequence[tuple[Deployment, str | None]]) -> None:
    """Note in the exchange which deployments are left out, and why. None = it is kept."""
    asked.exchange.dropped += tuple((one.name, why) for one, why in reasons if why is not None)
