"""The state of a provider and its keys: as one worker sees it, as all workers together see it, and in the
form for clients.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Annotated, Any, Literal

import msgspec

from dragoman.exchange import Exchange
from dragoman.routing.health import Health
from dragoman.routing.pool import Key, Standing, standing

Seconds = dict[str, float]


class KeySeen(msgspec.Struct):
    """A key as one worker sees it. running: the number of running attempts with the key. retired: why the
    provider refuses the key, None = it does not. retired_for: for how many more seconds the refusal counts, 0
    = it does not count. resting: by model, for how many more seconds the key is at its rate limit. barred: by
    model that the key may not use, for how many more seconds it is used for this model only if no other key
    can be.
    """

    running: int = 0
    retired: str | None = None
    retired_for: float = 0.0
    resting: Seconds = {}
    barred: Seconds = {}


class BreakerSeen(msgspec.Struct):
    """The breaker of a deployment as one worker sees it. failed: the number of failures in a row. seconds:
    the time until a request may try the deployment again, 0 = a request may try it now; None = the breaker is
    closed. trying: whether such a request is running.
    """

    failed: int
    seconds: float | None = None
    trying: bool = False


class Seen(msgspec.Struct):
    """A provider as one worker sees it. running: the number of running attempts. keys: by id. breakers: by
    deployment; only those that have failed since they last answered. unanswered: the provider has not
    answered a health check, and counts as down for so many more seconds; 0 = it does not count as down for
    this reason.
    """

    running: int = 0
    keys: dict[str, KeySeen] = {}
    breakers: dict[str, BreakerSeen] = {}
    unanswered: float = 0.0


Look = dict[str, Seen]
"""All providers as one worker sees them, by name."""


def look(names: Iterable[str], health: Health, exchanges: Iterable[Exchange], now: float) -> Look:
    """Return the providers `names` as this process sees them. exchanges: the running ones. now: monotonic
    seconds.
    """
    found: Look = {}
    for name in names:
        pool = health.pools.get(name)
        keys = {} if pool is None else {key.id: _seen(key, now) for key in pool.keys}
        breakers = {one: _breaker(health, one, now) for one in health.breakers.known(name)}
        unanswered = health.breakers.down_until(name) - now
        found[name] = Seen(0, keys, breakers, _rounded(max(0.0, unanswered)))
    for attempt in [one for exchange in exchanges for one in exchange.attempts if one.ended is None]:
        provider = attempt.deployment.partition("/")[0]
        if (seen := found.get(provider)) is None:
            continue
        seen.running += 1
        if (key := seen.keys.get(attempt.key_id)) is not None:
            key.running += 1
    return found


def _seen(key: Key, now: float) -> KeySeen:
    left = key.retired_for(now)
    why = None if left is None else key.retired
    return KeySeen(
        0, why, _rounded(left or 0.0), _all_rounded(key.resting(now)), _all_rounded(key.barred(now))
    )


def _breaker(health: Health, deployment: str, now: float) -> BreakerSeen:
    state = health.breakers.states[deployment]
    return BreakerSeen(
        state.failed, _rounded(max(0.0, state.until - now)) if state.until else None, state.trying
    )


def joined(looks: Sequence[Look], name: str) -> Seen:
    """Return one provider as all workers together see it. The numbers of running attempts are summed. Of each
    state with a time (of a refusal, a rest, a breaker, …), the one with the longest time is taken; a closed
    breaker counts as shorter than an open one. If no worker knows the provider, the result is a `Seen` with
    default values.
    """
    every = [seen for one in looks if (seen := one.get(name)) is not None]
    whole = Seen()
    for seen in every:
        whole.running += seen.running
        whole.unanswered = max(whole.unanswered, seen.unanswered)
        for id_, key in seen.keys.items():
            whole.keys[id_] = _both(whole.keys.get(id_), key)
        for deployment, breaker in seen.breakers.items():
            known = whole.breakers.get(deployment)
            if known is None or _severity(breaker) > _severity(known):
                whole.breakers[deployment] = breaker
    return whole


def _severity(breaker: BreakerSeen) -> tuple[float, int]:
    return -1.0 if breaker.seconds is None else breaker.seconds, breaker.failed


def _both(one: KeySeen | None, other: KeySeen) -> KeySeen:
    if one is None:
        return other
    latest = one if one.retired_for >= other.retired_for else other
    return KeySeen(
        one.running + other.running,
        latest.retired,
        latest.retired_for,
        _longer(one.resting, other.resting),
        _longer(one.barred, other.barred),
    )


def _longer(one: Seconds, other: Seconds) -> Seconds:
    return {name: max(one.get(name, 0.0), other.get(name, 0.0)) for name in {**one, **other}}


def _rounded(seconds: float) -> float:
    return round(seconds, 1)


def _all_rounded(seconds: Mapping[str, float]) -> Seconds:
    return {name: _rounded(value) for name, value in seconds.items()}


# As clients read it ------------------------------------------------------------------------------


class KeyState(msgspec.Struct):
    """One key of a provider. state: the first of these that applies: `disabled` (by an operator), `refused`
    (by the provider), `resting` (at its rate limit for some model), `barred` (may not use some model),
    `ready`.
    """

    id: Annotated[
        str, msgspec.Meta(description="Stays the same while the key does. It does not tell the key.")
    ]
    key: Annotated[str | None, msgspec.Meta(description="The last characters, `…` before them; null = none.")]
    state: Standing
    enabled: bool
    running: Annotated[int, msgspec.Meta(description="Calls that run with it.")]
    resting: Annotated[
        Seconds, msgspec.Meta(description="By model, the seconds for which it is at its rate limit.")
    ]
    refused: Annotated[
        str | None, msgspec.Meta(description="Why the provider refuses it; null = it does not.")
    ]
    refused_for: Annotated[
        float, msgspec.Meta(description="Seconds for which it is asked only if no other is.")
    ]
    barred: Annotated[
        Seconds, msgspec.Meta(description="Models that it may not use, and for how many seconds.")
    ]


class BreakerState(msgspec.Struct):
    """The breaker of a deployment that has failed since it last answered. state: `open` = the deployment is
    asked after the other deployments of a route; `trial` = one request tries it now, or the next request
    will; `closed` = it has not failed often enough to be avoided.
    """

    deployment: str
    state: Literal["closed", "open", "trial"]
    failures: Annotated[int, msgspec.Meta(description="In a row.")]
    seconds: Annotated[float, msgspec.Meta(description="Until its trial.")]


class ProviderState(msgspec.Struct):
    """A provider, with the attempts, failures and times of all workers that answer in time. last_error: the
    code of the latest failure, or its kind if it has no code; null = there was none. last_error_message,
    last_error_at: the message and the time (RFC 3339 in UTC) of the same failure. All three stay after a
    later answer. consecutive_failures: the failures since the latest answer. vendor: the name of the known
    provider behind it, null = none. dialects: its protocols, the main one first.
    """

    name: str
    kind: Annotated[
        Literal["configured", "local", "simulate", "code"],
        msgspec.Meta(description="`code`: an upstream that the program itself registered."),
    ]
    enabled: Annotated[bool, msgspec.Meta(description="False = an operator has disabled it.")]
    vendor: str | None
    base_url: str | None
    dialects: list[str]
    models: Annotated[
        list[str], msgspec.Meta(description="The names in the model list that lead to it first.")
    ]
    healthy: Annotated[bool | None, msgspec.Meta(description="null = it has not been asked yet.")]
    last_error: str | None
    last_error_message: str | None
    last_error_at: str | None
    consecutive_failures: int
    running: Annotated[int, msgspec.Meta(description="Calls that run.")]
    keys: list[KeyState]
    breakers: list[BreakerState]
    unanswered_for: Annotated[
        float,
        msgspec.Meta(
            description="Seconds for which it is asked after others because it did not answer a check."
        ),
    ]
    added: Annotated[
        int | None,
        msgspec.Meta(description="The version of what was added under this name, null = nothing was."),
    ] = None
    object: Literal["provider"] = "provider"


class ProviderList(msgspec.Struct):
    """A page of the providers."""

    data: list[ProviderState]
    has_more: bool
    object: Literal["list"] = "list"


def key_state(key: Key, seen: KeySeen) -> KeyState:
    """Return a key in the form for clients. Whether the key is enabled is taken from `key`, because this is
    the same on all workers; the other facts are taken from `seen`.
    """
    state = standing(disabled=key.disabled, retired=seen.retired, resting=seen.resting, barred=seen.barred)
    return KeyState(
        key.id,
        None if key.tail is None else f"…{key.tail}",
        state,
        not key.disabled,
        seen.running,
        seen.resting,
        seen.retired,
        seen.retired_for,
        seen.barred,
    )


def breaker_state(deployment: str, seen: BreakerSeen) -> BreakerState:
    """Return a deployment's breaker in the form for clients."""
    state: Literal["closed", "open", "trial"] = "closed"
    if seen.seconds is not None:
        state = "open" if seen.seconds > 0 and not seen.trying else "trial"
    return BreakerState(deployment, state, seen.failed, seen.seconds or 0.0)


def changeable(state: ProviderState) -> dict[str, Any]:
    """Return the part of a provider's state that operators change. The provider's ETag is made from this part
    only, so that the traffic of models does not change the ETag.
    """
    keys = {key.id: key.enabled for key in state.keys}
    return {"enabled": state.enabled, "keys": keys, "added": state.added}
