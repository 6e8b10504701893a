"""What is remembered of providers between requests: the state of their keys, and which deployments have
failed.

Both are kept by names that do not change with the configuration, so that a reload forgets nothing. From them
and a route's deployments comes the order in which a request asks.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence

import msgspec

from dragoman import ir
from dragoman.routing.breaker import Breakers
from dragoman.routing.outcome import Outcome, classify
from dragoman.routing.pool import Key, Pool
from dragoman.routing.route import Deployment

log = logging.getLogger("dragoman.routing")


class Candidate(msgspec.Struct, frozen=True):
    """A deployment with one of its provider's credentials. account: the place of that credential."""

    deployment: Deployment
    account: int


class Asking(msgspec.Struct, frozen=True):
    """Whom a request asks. ready: one after another. resting: when (monotonic seconds) others may be."""

    ready: Sequence[Candidate]
    resting: Sequence[tuple[float, Candidate]] = ()


class Health:
    """The memory of one process. pools: by provider; one made in code has none, and a single account."""

    def __init__(self) -> None:
        self.pools: dict[str, Pool] = {}
        self.breakers = Breakers()

    def order(self, deployments: Sequence[Deployment], now: float) -> Asking:
        """The candidates of a route: deployments that fail come last, keys as their pools say."""
        ready: list[Candidate] = []
        resting: list[tuple[float, Candidate]] = []
        if len(deployments) > 1:
            places = self.breakers.order([one.name for one in deployments], now)
            deployments = [deployments[place] for place in places]
        for deployment in deployments:
            pool = self.pools.get(deployment.provider)
            if pool is None:
                ready.append(Candidate(deployment, 0))
                continue
            keys = pool.order(deployment.model, now)
            ready += [Candidate(deployment, place) for place in keys.ready]
            resting += [(until, Candidate(deployment, place)) for until, place in keys.resting]
        return Asking(ready, resting)

    def began(self, candidate: Candidate, now: float) -> Key | None:
        """An attempt begins. Returns its key, for the end; None = the provider has no pool."""
        deployment = candidate.deployment
        self.breakers.began(deployment.name, now)
        pool = self.pools.get(deployment.provider)
        if pool is None:
            return None
        key = pool.keys[candidate.account]
        key.begin(now)
        return key

    def ended(self, deployment: Deployment, key: Key | None, fault: ir.Fault | None, now: float) -> None:
        """An attempt has ended. key: that of its beginning. fault: None = it was answered."""
        outcome = None if fault is None else classify(fault)
        if key is not None:
            key.end()
            if outcome is None or outcome is Outcome.CALLER:
                key.works()
            elif key.fails(deployment.model, outcome, None if fault is None else fault.retry_after, now):
                log.warning(
                    "%s: the key …%s is asked last from now on: %s", deployment.name, key.tail, outcome.value
                )
        if outcome is None or outcome is Outcome.CALLER:
            if self.breakers.succeeded(deployment.name):
                log.info("%s answers again", deployment.name)
        elif self.breakers.failed(deployment.name, outcome, now):
            log.warning("%s has failed %d times in a row", deployment.name, self.breakers.limits.failures)

    def abandoned(self, deployment: Deployment, key: Key | None) -> None:
        """An attempt has ended and says nothing, as when its client has gone."""
        if key is not None:
            key.end()
        self.breakers.abandoned(deployment.name)
