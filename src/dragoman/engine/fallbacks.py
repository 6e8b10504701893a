"""Finds the routes that a request turns to when its own deployments cannot answer: before the first attempt,
because none of them can do what is asked, or after their attempts have failed.
"""

from __future__ import annotations

import msgspec

from dragoman import ir
from dragoman.engine.affinity import circumstances
from dragoman.engine.asked import Asked
from dragoman.engine.plan import Plan
from dragoman.engine.runtime import Runtime
from dragoman.engine.ways import Way, through
from dragoman.errors import RequestFailed
from dragoman.routing.attempts import More, NoMore
from dragoman.routing.fallbacks import Why, why_of
from dragoman.routing.health import Asking
from dragoman.routing.reasons import weighed
from dragoman.routing.route import Candidate, Deployment


def fitted(runtime: Runtime, way: Way, asked: Asked, plan: Plan) -> Plan:
    """Return the plan after the stages of its way. If a stage refuses the request (it leaves no deployment,
    for example), return the plan of the first fallback route whose stages do not refuse it; the kind of the
    refusal decides which list of fallbacks is used (`why_of`). Raises RequestFailed with the first refusal if
    there is no such route.
    """
    try:
        return through(runtime, way, asked, plan)
    except RequestFailed as failed:
        why = why_of(failed.fault)
        if (following := onward(runtime, way, asked, plan, why)) is None:
            raise
        return _refused(following, failed.fault, why)


def onward(runtime: Runtime, way: Way, asked: Asked, plan: Plan, why: Why) -> Plan | None:
    """Return the plan with the next route of the list `why` of the fallbacks ("context", "content" or "any"),
    after the stages of the way. A route whose stages refuse the request is skipped. None = no route is left
    in the list. The deployments of each route that is tried are added to `exchange.deployments`.
    """
    while plan.route.fallbacks.of(why):
        plan = _next(plan, why)
        exchange = asked.exchange
        exchange.deployments = (*exchange.deployments, *plan.route.deployments)
        if not (plan.route.selects or way.selects(asked)):
            return plan
        try:
            return through(runtime, way, asked, plan)
        except RequestFailed:
            continue
    return None


def _next(plan: Plan, why: Why) -> Plan:
    """Return the plan with the first route of the list `why` of the fallbacks, which must not be empty; its
    stages have not run yet. `check_output` and `max_cost` stay those of the route before, because they belong
    to the request's own route.
    """
    before = plan.route
    chosen = before.fallbacks.of(why)[0]
    route = msgspec.structs.replace(
        chosen,
        asked=chosen.asked or before.asked,
        check_output=before.check_output,
        max_cost=before.max_cost,
        fallbacks=before.fallbacks.after(why),
    )
    return msgspec.structs.replace(plan, route=route, form=None, reasons=())


def _refused(plan: Plan, fault: ir.Fault, why: Why) -> Plan:
    """Return the plan `plan` of a fallback route, with the refusal `fault` that has led to this route. If the
    plan has a refusal already, it stays. The client is told this refusal if the fallbacks fail too. If `why`
    is "any", the plan is returned unchanged.
    """
    return plan if why == "any" else msgspec.structs.replace(plan, refused=plan.refused or fault)


# After the first failure ---------------------------------------------------------------------------------


class Turned:
    """The routes that one request has used so far: first its own route, then its fallbacks. plans: a list
    with one plan for each route. A candidate's `tier` is the index of its route in this list.
    """

    def __init__(self, runtime: Runtime, way: Way, plan: Plan) -> None:
        self.plans = [plan]
        self._runtime = runtime
        self._way = way
        self._met: list[tuple[Deployment, int]] = []
        """The deployment and account of every candidate so far."""

    def begun(self, asking: Asking, now: float) -> More[Candidate]:
        """Begin with the request's own route, whose candidates are those of `asking`, and return them; those
        that `health` doubts are in a separate list. The fallback routes used so far, and all candidates so
        far, are forgotten. now: monotonic seconds.
        """
        del self.plans[1:]
        self._met.clear()
        return self._sorted(asking, now)

    def more(self, asked: Asked, why: Why, now: float) -> More[Candidate] | NoMore:
        """Return the candidates of the next fallback route of the list `why` that accepts the request,
        without those that were candidates before; NoMore = no such route is left in the list. The route's
        plan is added to `plans`, and its candidates to `exchange.weighed`. now: monotonic seconds.
        """
        plan = onward(self._runtime, self._way, asked, self.plans[-1], why)
        if plan is None:
            return NoMore()
        self.plans.append(plan)
        request = circumstances(asked, plan.route, self._runtime.seams)
        asking = self._runtime.health.order(plan.route, now, request)
        exchange, named = asked.exchange, {(one.deployment, one.key_tail) for one in asked.exchange.weighed}
        joining = weighed(self._runtime.health, plan.route, asking, now)
        exchange.weighed += tuple(one for one in joining if (one.deployment, one.key_tail) not in named)
        return self._sorted(asking, now)

    def _sorted(self, asking: Asking, now: float) -> More[Candidate]:
        health, tier = self._runtime.health, len(self.plans) - 1
        ready: list[Candidate] = []
        doubtful: list[Candidate] = []
        for candidate in filter(self._is_new, asking.ready):
            listed = doubtful if health.doubts(candidate, now) else ready
            listed.append(_of_tier(candidate, tier))
        resting = [(at, _of_tier(one, tier)) for at, one in asking.resting if self._is_new(one)]
        return More(ready, resting, doubtful)

    def _is_new(self, candidate: Candidate) -> bool:
        """Whether this deployment with this key was not a candidate before. Afterwards it counts as one."""
        for deployment, account in self._met:
            if account == candidate.account and candidate.deployment.is_same(deployment):
                return False
        self._met.append((candidate.deployment, candidate.account))
        return True


def _of_tier(candidate: Candidate, tier: int) -> Candidate:
    return msgspec.structs.replace(candidate, tier=tier) if tier else candidate
