"""What is remembered of providers between requests: the state of their keys, and which deployments have
failed.

Both are kept by names that do not change with the configuration, so that a reload forgets nothing. From them
and a route's deployments comes the order in which a request asks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from copy import copy
from operator import attrgetter
from typing import NamedTuple

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


class Calling(NamedTuple):
    """An attempt that runs. key: None = its provider has no pool."""

    deployment: Deployment
    key: Key | None


class _Mood:
    """Whether all is calm, for a memory and all its views."""

    __slots__ = ("calm",)

    def __init__(self) -> None:
        self.calm = True


class Health:
    """The memory of one process. pools: by provider; one made in code has none, and a single account.
    disabled: the providers that an operator has said are not to be asked. calm: nothing is known against any
    key or deployment, all are enabled, and no pool takes turns. Then each request asks the first key of its
    first deployment, and as long as it is answered, nothing else need be called.
    """

    def __init__(self) -> None:
        self.pools: dict[str, Pool] = {}
        self.breakers = Breakers()
        self.disabled: set[str] = set()
        self._mood = _Mood()
        self._whole = self
        self.share: Callable[[Calling | None], None] | None = None
        """Tells the other workers what was learnt from an attempt; None as its argument = all that has
        changed. None = there are no other workers.
        """

    def _turn(self, calm: bool) -> None:  # noqa: FBT001 - the setter of a property
        self._mood.calm = calm

    calm = property(attrgetter("_mood.calm"), _turn)  # in C: each request looks at it

    def view(self) -> Health:
        """The same memory for the requests of one configuration, which name a key by its place in a pool:
        other pools of later configurations do not change it. All else is shared.
        """
        view = copy(self)
        view.pools = dict(self.pools)
        return view

    def revive(self, provider: str | None = None, key: str | None = None) -> None:
        """Forget what is known against keys and deployments. provider: only its own; None = all providers'.
        key: only this one of its keys, by id, and no deployments.
        """
        for name, pool in self.pools.items():
            for one in pool.keys:
                if provider in {None, name} and key in {None, one.id}:
                    one.revive()
        if provider is None:
            self.breakers.states.clear()
            self.breakers.down.clear()
        elif key is None:
            self.breakers.down.pop(provider, None)
            for name in self.breakers.known(provider):
                del self.breakers.states[name]
        self.settle(0.0)
        if self.share is not None:
            self.share(None)

    def checked(self, provider: str, now: float, until: float | None) -> bool:
        """A provider was asked whether it answers: see `Breakers.checked`. Returns whether this is news."""
        news = self.breakers.checked(provider, now, until)
        self.settle(now)
        if self.share is not None:
            self.share(None)
        return news

    def enable(self, provider: str, key: str | None = None, *, enabled: bool = True) -> None:
        """Let requests ask a provider, or one of its keys, again; `enabled=False`: not from now on. Running
        requests go on. key: its id; None = the provider. An unknown id changes nothing.
        """
        if key is not None:
            pool = self.pools.get(provider)
            for one in () if pool is None else pool.keys:
                if one.id == key:
                    one.disabled = not enabled
        elif enabled:
            self.disabled.discard(provider)
        else:
            self.disabled.add(provider)
        self.settle(0.0)

    def shut(self, provider: str) -> bool:
        """Whether a provider, or its first key, is disabled: what has no other key cannot be asked then."""
        pool = self.pools.get(provider)
        return provider in self.disabled or (pool is not None and pool.keys[0].disabled)

    def settle(self, now: float) -> None:
        """Find out whether all is calm, as after other pools or settings."""
        pools = self._whole.pools  # of the latest configuration, also in a view
        self.calm = (
            not self.disabled and self.breakers.calm and all(pool.calm(now) for pool in pools.values())
        )

    def order(self, route: Route, now: float) -> Asking:
        """The candidates of a route: deployments that fail come last, keys as their pools say, and those that
        were refused only if there are no others. Who is disabled is left out; if all are, there is nobody.
        """
        self.breakers.forget(now)
        self.settle(now)
        ready: list[Candidate] = []
        resting: list[tuple[float, Candidate]] = []
        refused: list[Candidate] = []
        deployments: Sequence[Deployment] = route.deployments
        if self.disabled:
            deployments = [one for one in deployments if one.provider not in self.disabled]
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
        trial = self.breakers.began(deployment.name, now)
        pool = self.pools.get(deployment.provider)
        key = None if pool is None else pool.keys[candidate.account]
        if key is not None:
            key.begin(now)
        calling = Calling(deployment, key)
        if trial and self.share is not None:
            self.share(calling)
        return calling

    def answered(self, calling: Calling) -> bool:
        """An attempt was answered. Returns whether its deployment was thought to fail."""
        deployment, key = calling
        if key is not None:
            key.end()
            key.works(deployment.model)
        news = self.breakers.succeeded(deployment.name)
        if self.share is not None:
            self.share(calling)
        return news

    def learn(self, calling: Calling, fault: ir.Fault, now: float) -> str | None:
        """Learn from an attempt that has failed. Returns what the operator has to know, if that is new."""
        outcome = classify(fault)
        if outcome is Outcome.CALLER:
            self.answered(calling)
            return None
        self.calm = False
        deployment, key = calling
        told: str | None = None
        if key is not None:
            key.end()
            if key.fails(deployment.model, outcome, fault.retry_after, now):
                told = f"the key …{key.tail} is asked only where nobody else can be: {outcome.value}"
        if self.breakers.failed(deployment.name, outcome, now):
            told = f"failed {self.breakers.limits.failures} times in a row, so it is asked after others"
        if self.share is not None:
            self.share(calling)
        return told

    def abandoned(self, calling: Calling) -> None:
        """An attempt has ended and says nothing, as when its client has gone."""
        deployment, key = calling
        if key is not None:
            key.end()
        self.breakers.abandoned(deployment.name)
        if self.share is not None:
            self.share(calling)
