"""The stages that leave out deployments by the operator's statements: the requests that a deployment is for
(`when`), and what it may cost compared with the first choice (`max_cost`).
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
"""The fault's code if none of a model's deployments is for this request."""


# The requests that deployments are for -----------------------------------------------------------------


def keep_meant(_: Runtime, asked: Asked, plan: Plan) -> Plan:
    """Return the plan with only those deployments that have no condition `when` or whose condition holds for
    this request. The exchange records the others in `dropped`, with reasons. Raises RequestFailed if no
    deployment is left.
    """
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
    """Return the request as conditions see it. The request is decoded, and its tokens are counted, only when
    a condition needs this.
    """
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
    """Whether the prompt has more tokens than `limit`, counted for `model`. most: returns an upper bound,
    which takes less time than a count.
    """
    return most() > limit and count(asked.request, model).tokens > limit


def _is_never_over(_limit: int, _model: str) -> bool:
    return False


def _for_others(asked: Asked, deployments: Sequence[Deployment], unmet: Sequence[Unmet]) -> ir.Fault:
    """Return the fault for a request that no deployment is for. If all of them refuse its length, the client
    gets the same words as for a prompt that is longer than the window. If all of them refuse the client's
    name, the status is 403. unmet: for each deployment, the condition that does not hold.
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
    """Return the plan with only those deployments whose cost the bound `max_cost` allows, compared with the
    cost of the first choice (`Plan.usual`, which is set here if it is None). Both are those of the request's
    own route, also for its fallbacks. The exchange records the others in `dropped`, with reasons. Raises
    RequestFailed if no deployment is left, as can happen for a fallback.
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
    """Return the tokens of the prompt and the expected tokens of the answers. name: the deployment
    (`provider/model`) whose model counts the tokens. An answer is expected to be as long as the request
    allows or, if the request states no limit, a third as long as the prompt. If several answers are
    requested, the tokens of all are expected.
    """
    asked = count(request, name.partition("/")[2]).tokens
    most = asked // 3 if request.max_output is None else request.max_output
    return Tokens(asked, most * (request.sampling.n or 1))


_TOO_DEAR = ir.Fault("unavailable", "The other models cost more than the gateway may spend.", blame="gateway")
"""The fault if all deployments of a fallback route cost too much. Then the next route is tried; no client
gets this fault.
"""


def _note(asked: Asked, reasons: Sequence[tuple[Deployment, str | None]]) -> None:
    """Record in the exchange which deployments are left out, and why. reasons: each deployment with its
    reason; reason None = the deployment stays.
    """
    asked.exchange.dropped += tuple((one.name, why) for one, why in reasons if why is not None)
