"""Records what was known of each deployment and key when the candidates of a request were put in order.

`routing.health` makes the order. These values explain it later, when the knowledge may have changed.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, TypeAlias

import msgspec

from dragoman.routing.health import Asking, Health
from dragoman.routing.outcome import Outcome
from dragoman.routing.route import Candidate, Route

State: TypeAlias = Literal["ready", "failing", "resting", "refused", "disabled"]
"""What was known of a candidate. "ready": nothing against it. "failing": its deployment has failed several
times in a row, or its provider did not answer a check, so it comes after others. "resting": its key is at the
provider's rate limit, so it has to wait (or comes after others, if this is only a forecast). "refused": its
key was refused, or may not use the model, so it is called only if no other can be. "disabled": an operator
has disabled its provider or its key, so it is not called.
"""

_FORECAST: Final = "its latest answer said that nothing is left, so it is asked after others"


class Weighed(msgspec.Struct, frozen=True):
    """What was known of one candidate. deployment: its name, `provider/model`. key_tail: the last characters
    of its key, None = it has no key. seconds: how long the state still lasts, None = this is unknown or is
    not told for this state. why: the reason for the state, None = nothing is known against the candidate.
    """

    deployment: str
    key_tail: str | None
    state: State
    seconds: float | None = None
    why: str | None = None


def weighed(
    health: Health, route: Route, asking: Asking, now: float, begun: Candidate | None = None
) -> tuple[Weighed, ...]:
    """Return what is known of all candidates of a route (each deployment with each key of its provider), in
    the order of `asking`; those that are not in `asking` come last. asking: the order that `Health.order` has
    made. begun: the candidate that was called before an order was made, because nothing was known against
    any; it comes first, as "ready". None = there was none. now: monotonic seconds.
    """
    first = () if begun is None else (Weighed(begun.deployment.name, _tail(health, begun), "ready"),)
    named = set() if begun is None else {_place(begun)}
    ready = [one for one in asking.ready if _place(one) not in named]
    resting = [rest for rest in asking.resting if _place(rest[1]) not in named]
    named.update(map(_place, (*ready, *(one for _, one in resting))))
    left = [one for one in _all(health, route) if _place(one) not in named]
    return (
        *first,
        *(_standing(health, one, now) for one in ready),
        *(_resting(health, one, until - now) for until, one in resting),
        *(_standing(health, one, now) for one in left),
    )


def _resting(health: Health, candidate: Candidate, seconds: float) -> Weighed:
    why = Outcome.KEY_TRANSIENT.value
    return Weighed(candidate.deployment.name, _tail(health, candidate), "resting", seconds, why)


def _standing(health: Health, candidate: Candidate, now: float) -> Weighed:
    """Return what is known of a candidate that does not rest after a 429."""
    deployment, tail = candidate.deployment, _tail(health, candidate)
    pool = health.pools.get(deployment.provider)
    key = None if pool is None else pool.keys[candidate.account]
    if deployment.provider in health.disabled or (key is not None and key.disabled):
        return Weighed(deployment.name, tail, "disabled", None, "an operator has disabled it")
    if key is not None and key.comes_last(deployment.model, now):
        return Weighed(deployment.name, tail, "refused", None, key.retired or Outcome.KEY_MODEL.value)
    if key is not None and (end := key.spent_until(deployment.model, now)) is not None:
        return Weighed(deployment.name, tail, "resting", end - now, _FORECAST)
    failed = health.breakers.states.get(deployment.name)
    if failed is not None and failed.until and (failed.until > now or failed.trying):
        trying = "; another request tries it now" if failed.trying else ""
        why = f"{failed.failed} failures in a row{trying}"
        left = failed.until - now
        return Weighed(deployment.name, tail, "failing", left if left > 0 else None, why)
    if (until := health.breakers.down_until(deployment.provider)) > now:
        why = "its provider did not answer a check"
        return Weighed(deployment.name, tail, "failing", until - now, why)
    return Weighed(deployment.name, tail, "ready")


def _all(health: Health, route: Route) -> Sequence[Candidate]:
    """Return a candidate for each deployment of a route and each key of its provider."""
    return [
        Candidate(deployment, place)
        for deployment in route.deployments
        for place in range(_keys(health, deployment.provider))
    ]


def _keys(health: Health, provider: str) -> int:
    pool = health.pools.get(provider)
    return 1 if pool is None else len(pool.keys)


def _place(candidate: Candidate) -> tuple[str, int]:
    return candidate.deployment.name, candidate.account


def _tail(health: Health, candidate: Candidate) -> str | None:
    pool = health.pools.get(candidate.deployment.provider)
    return None if pool is None else pool.keys[candidate.account].tail
