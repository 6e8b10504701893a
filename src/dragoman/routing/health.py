"""What is remembered of providers between requests: the state of their keys, and which deployments have
failed.

Both are kept by names that do not change with the configuration, so that a reload forgets nothing. From them
and a route's deployments comes the order in which a request asks.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal, NamedTuple, TypeAlias

import msgspec

from dragoman import ir
from dragoman.routing.breaker import Breakers
from dragoman.routing.outcome import Outcome, classify
from dragoman.routing.pool import Key, Pool
from dragoman.routing.route import Candidate, Deployment, Route


class Asking(msgspec.Struct, frozen=True):
    """Whom a request asks. ready: one after another. resting: when (monotonic seconds) others may be."""

    ready: Sequence[Candidate]
    resting: Sequence[tuple[float, Candidate]] = ()


Kind: TypeAlias = Literal["key_refused", "keys_exhausted", "outage", "recovery"]
"""What an operator has to know: a key was refused, or its quota is used up; no key can be asked for a model;
a deployment has failed several times in a row; it answers again.
"""


class Event(msgspec.Struct, frozen=True):
    """Something that an operator has to know. message: one sentence for a person, which begins with the name
    of the deployment. key: the last characters of the key, None = it is about none.
    """

    kind: Kind
    deployment: Deployment
    message: str
    key: str | None = None


class Calling(NamedTuple):
    """An attempt that runs. key: None = its provider has no pool."""

    deployment: Deployment
    key: Key | None


class Health:
    """The memory of one process. pools: by provider; one made in code has none, and a single account. calm:
    nothing is known against any key or deployment, and no pool takes turns. Then each request asks the first
    key of its first deployment, and as long as it is answered, nothing else need be called.
    """

    def __init__(self) -> None:
        self.pools: dict[str, Pool] = {}
        self.breakers = Breakers()
        self.calm = True

    def revive(self) -> None:
        """Forget what is known against keys and deployments."""
        for pool in self.pools.values():
            for key in pool.keys:
                key.revive()
        self.breakers.states.clear()
        self.settle(0.0)

    def settle(self, now: float) -> None:
        """Find out whether all is calm, as after other pools or settings."""
        self.calm = not self.breakers.states and all(pool.calm(now) for pool in self.pools.values())

    def order(self, route: Route, now: float) -> Asking:
        """The candidates of a route: deployments that fail come last, keys as their pools say, and those that
        were refused only if there are no others.
        """
        self.breakers.forget(now)
        self.settle(now)
        ready: list[Candidate] = []
        resting: list[tuple[float, Candidate]] = []
        refused: list[Candidate] = []
        deployments: Sequence[Deployment] = route.deployments
        if len(deployments) > 1:
            places = self.breakers.order([one.name for one in deployments], now)
            deployments = [deployments[place] for place in places]
        for deployment in deployments:
            shown = route.shown(deployment)
            pool = self.pools.get(deployment.provider)
            if pool is None:
                ready.append(Candidate(deployment, 0, shown))
                continue
            keys = pool.order(deployment.model, now)
            ready += [Candidate(deployment, place, shown) for place in keys.ready]
            resting += [(until, Candidate(deployment, place, shown)) for until, place in keys.resting]
            refused += [Candidate(deployment, place, shown) for place in keys.refused]
        if not ready and not resting:
            ready = refused
        return Asking(ready, resting)

    def began(self, candidate: Candidate, now: float) -> Calling:
        """An attempt begins. One of the three below has to follow."""
        deployment = candidate.deployment
        self.breakers.began(deployment.name, now)
        pool = self.pools.get(deployment.provider)
        key = None if pool is None else pool.keys[candidate.account]
        if key is not None:
            key.begin(now)
        return Calling(deployment, key)

    def answered(self, calling: Calling) -> bool:
        """An attempt was answered. Returns whether its deployment was thought to fail."""
        deployment, key = calling
        if key is not None:
            key.end()
            key.works(deployment.model)
        return self.breakers.succeeded(deployment.name)

    def learn(self, calling: Calling, fault: ir.Fault, now: float) -> Sequence[Event]:
        """Learn from an attempt that has failed. Returns what the operator has to know and is new."""
        outcome = classify(fault)
        if outcome is Outcome.CALLER:
            self.answered(calling)
            return ()
        self.calm = False
        deployment, key = calling
        name, told = deployment.name, list[Event]()
        if key is not None:
            key.end()
            pool = self.pools.get(deployment.provider)
            before = pool is None or pool.exhausted(deployment.model, now)
            if key.fails(deployment.model, outcome, fault.retry_after, now):
                text = f"the key …{key.tail} is asked only where nobody else can be: {outcome.value}"
                told.append(Event("key_refused", deployment, f"{name}: {text}", key.tail))
            if not before and pool is not None and pool.exhausted(deployment.model, now):
                text = "every key is at its rate limit, was refused, or has no access to the model"
                told.append(Event("keys_exhausted", deployment, f"{name}: {text}"))
        if self.breakers.failed(name, outcome, now):
            text = f"failed {self.breakers.limits.failures} times in a row, so it is asked after others"
            told.append(Event("outage", deployment, f"{name}: {text}"))
        return told

    def abandoned(self, calling: Calling) -> None:
        """An attempt has ended and says nothing, as when its client has gone."""
        deployment, key = calling
        if key is not None:
            key.end()
        self.breakers.abandoned(deployment.name)
