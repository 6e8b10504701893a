"""Remembers, between requests, the state of the providers' keys, which deployments have failed, and what
policies and hedged requests have measured.

All of this is stored by names, so a key or deployment that stays configured keeps its state over a reload.
From this and a route's deployments, `Health.order` makes the order in which a request asks them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from typing import Final, NamedTuple
from weakref import WeakSet

import msgspec

from dragoman import ir
from dragoman.routing.breaker import Breakers
from dragoman.routing.event import Event
from dragoman.routing.hedging import HedgeMemory
from dragoman.routing.outcome import Outcome, classify
from dragoman.routing.policy import Circumstances, Memory, choose
from dragoman.routing.policy_affinity import by_affinity
from dragoman.routing.policy_latency import FAILURE, Load
from dragoman.routing.pool import Key, Pool
from dragoman.routing.repeats import Repeats
from dragoman.routing.route import Candidate, Deployment, Route

_SLOW: Final = frozenset({Outcome.SERVER, Outcome.CROWDED, Outcome.KEY_TRANSIENT, Outcome.DEPLOYMENT})
"""Outcomes that cost a request time at its deployment. A refused key is recorded in its pool instead."""
_NOTHING_KNOWN: Final = Circumstances()


class Asking(msgspec.Struct, frozen=True):
    """The candidates of a request. ready: candidates to ask one after another, best first. resting:
    candidates that may only be asked later, each with the time (monotonic seconds) from which it may be.
    """

    ready: Sequence[Candidate]
    resting: Sequence[tuple[float, Candidate]] = ()

    @property
    def _all(self) -> list[Candidate]:
        return [*self.ready, *(candidate for _, candidate in self.resting)]

    @property
    def deployments(self) -> tuple[str, ...]:
        """The names of the deployments of all candidates, in order, each once."""
        return tuple(dict.fromkeys(one.deployment.name for one in self._all))

    def keys(self, deployment: Deployment, count: int) -> Sequence[int]:
        """Return the indexes of the keys that a deployment's provider has: first those of this deployment's
        candidates, in their order here, then the others. count: the number of the provider's keys.
        """
        asked = [one.account for one in self._all if one.deployment.name == deployment.name]
        return list(dict.fromkeys([*asked, *range(count)]))


class Calling(NamedTuple):
    """A running attempt. key: None = its provider has no pool of keys. load: the load of its deployment, None
    = none is recorded. began: monotonic seconds. streamed: whether it asks for a stream. trial: the number
    of the trial of the deployment's breaker that this attempt is; 0 = it is no trial.
    """

    deployment: Deployment
    key: Key | None
    load: Load | None = None
    began: float = 0.0
    streamed: bool = False
    trial: int = 0

    def end(self) -> None:
        """Record that the attempt has ended: its key and its deployment have one running request less."""
        if self.key is not None:
            self.key.end()
        if self.load is not None:
            self.load.running -= 1


class Health:
    """What one process remembers of providers.

    pools: the keys of each provider. An upstream made in code has no pool, and only one account. breakers:
    the deployments that have failed, and the providers that did not answer a check. disabled: the providers
    that an operator has disabled. calm: True = nothing is known against any key or deployment, no key and no
    configured provider is disabled, and no pool's keys take turns. Then a request whose route has neither a
    policy nor a hedge may be sent without a call of `order`. memory: what policies remember. hedging: what
    hedged requests remember.
    """

    def __init__(self) -> None:
        self.pools: dict[str, Pool] = {}
        self.breakers = Breakers()
        self.disabled: set[str] = set()
        self.others: frozenset[str] = frozenset()
        """The configured providers without a pool (those that were made in code)."""
        self.memory = Memory()
        self.words = Repeats()
        """Decides which events are written to the log."""
        self.hedging = HedgeMemory()
        self._views: WeakSet[Health] = WeakSet([self])
        self.calm = True
        self._whole = self
        self.share: Callable[[Calling | None], None] | None = None
        """Tells the other workers what an attempt has taught; None as its argument = all that has changed.
        The attribute itself is None if there are no other workers.
        """
        self.own: Mapping[str, Mapping[str, Key]] = {}
        """The keys that tenants have brought: by provider, then by the key's id."""
        self.recall: Callable[[], None] | None = None
        """Applies again the marks from other workers, because they may concern keys that were unknown here
        before. None = there are no other workers.
        """

    def __setattr__(self, name: str, value: object) -> None:
        if name != "calm":
            super().__setattr__(name, value)
            return
        for view in self._views:  # each request reads it, so each view has its own
            view.__dict__[name] = value

    def view(self) -> Health:
        """Return a view of this memory for the requests of one configuration. Requests name a key by its
        index in a pool, so the view keeps its pools when a later configuration has others. What is known of
        keys, deployments and providers, and `calm`, are shared with this memory.
        """
        view = copy(self)
        view.pools = dict(self.pools)
        self._views.add(view)
        return view

    def with_keys(self, keys: Mapping[str, Key]) -> Health:
        """Return a view of this memory for requests that are sent with keys of the client or of its tenant.
        keys: {provider: the key}; it replaces all of the operator's keys for the provider. What is known of
        other keys, of deployments and of providers is shared with this memory. The view is never calm.
        """
        view = copy(self)
        view.pools = self.pools | {provider: Pool((key,)) for provider, key in keys.items()}
        view.__dict__["calm"] = False
        return view

    def bring(self, own: Mapping[str, Mapping[str, Key]]) -> None:
        """Use these keys that tenants have brought, in place of the former ones, and record in them what
        other workers have found about them. own: {provider: {id of the key: key}}.
        """
        self.own = own
        if self.recall is not None:
            self.recall()

    def revive(self, provider: str | None = None, key: str | None = None) -> None:
        """Forget what is known against keys (also those that tenants have brought), deployments and
        providers, and tell the other workers. Disabled keys and providers stay disabled. provider: only what
        belongs to this provider; None = to any provider, and what was measured is forgotten too. key: only
        the key with this id, and no deployments; the caller must then state its provider.
        """
        for name, pool in self.pools.items():
            for one in (*pool.keys, *self.own.get(name, {}).values()):
                if provider in {None, name} and key in {None, one.id}:
                    one.revive()
        if provider is None:
            self.breakers.states.clear()
            self.breakers.down.clear()
            self.memory.revive()
            self.hedging.revive()
        elif key is None:
            self.breakers.down.pop(provider, None)
            for name in self.breakers.known(provider):
                del self.breakers.states[name]
        self.settle(0.0)
        if self.share is not None:
            self.share(None)

    def checked(self, provider: str, now: float, until: float | None) -> bool:
        """Record whether a provider answered a check. until: None = it answered; otherwise it counts as down
        until this time (monotonic seconds), or until one of its deployments answers. Returns whether the
        result is new: the provider did not answer and was not recorded as down, or it answered and was. now:
        monotonic seconds. What an answer does to open breakers: `Breakers.checked`.
        """
        news = self.breakers.checked(provider, now, until)
        self.settle(now)
        if self.share is not None:
            self.share(None)
        return news

    def enable(self, provider: str, key: str | None = None, *, enabled: bool = True) -> None:
        """Enable a provider, or one of the operator's keys for it; with `enabled=False` disable it. A request
        that has its candidates already may still call them. key: the key's id; None = the provider itself.
        The id of an unknown key changes nothing; an unknown provider stays disabled when it is configured.
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
        """Whether a provider, or its first key, is disabled. A caller that can only use the first key cannot
        ask the provider then.
        """
        pool = self.pools.get(provider)
        return provider in self.disabled or (pool is not None and pool.keys[0].disabled)

    def settle(self, now: float) -> None:
        """Compute `calm` again, also for the views that `view` has made, for example after the pools or
        settings have changed. Facts about keys whose time is over may be forgotten. now: monotonic seconds.
        """
        whole = self._whole  # of the latest configuration, also in a view
        pools = whole.pools
        # A disabled provider may have left the configuration. It is still disabled when it comes back.
        disabled = any(name in pools or name in whole.others for name in self.disabled)
        self.calm = not disabled and self.breakers.calm and all(pool.calm(now) for pool in pools.values())

    def order(
        self,
        route: Route,
        now: float,
        request: Circumstances = _NOTHING_KNOWN,
        before: Asking | None = None,
    ) -> Asking:
        """Return the candidates of a route: deployments in the order of its policy, keys in the order of
        their pools (with the policy `affinity` by the request's digest). now: monotonic seconds.

        A deployment fails while its breaker is open or its provider counts as down (`Breakers.is_open`). A
        key is spent for a model until the time at which, as an answer's headers have said, its used-up limit
        is renewed. It rests for a model after a 429, for the time that the provider has stated. It is refused
        if the provider has refused it, or does not let it use the model.

        In `ready`, usable keys at deployments that do not fail come first, then the spent keys of these, then
        usable and then spent keys at deployments that fail. Refused keys are in `ready` only if there is no
        other candidate, ready or resting. Disabled providers and keys are left out, so the result may be
        empty. request: what the policy uses. before: the result for the same request before it waited in a
        queue, so that it takes no second turn; None = this is the first order.
        """
        if before is not None:
            request = msgspec.structs.replace(request, before=before.deployments)
        self.breakers.forget(now)
        self.settle(now)
        ready: list[Candidate] = []
        spent: list[Candidate] = []
        failing: list[Candidate] = []
        failing_and_spent: list[Candidate] = []
        resting: list[tuple[float, Candidate]] = []
        refused: list[Candidate] = []
        sticks = request.digest if route.spread is not None and route.spread.policy == "affinity" else b""
        for deployment in self._deployments(route, now, request):
            shown = route.shown(deployment)
            able, less_able = ready, spent
            if self.breakers.is_open(deployment.name, now):
                able, less_able = failing, failing_and_spent
            pool = self.pools.get(deployment.provider)
            if pool is None:
                able.append(Candidate(deployment, 0, shown))
                continue
            places: Sequence[int] | None = None
            if sticks:
                places = by_affinity(sticks, [key.id for key in pool.keys])
            elif before is not None and pool.choice != "health_aware":
                places = before.keys(deployment, len(pool.keys))
            keys = pool.order(deployment.model, now, places)
            able += [Candidate(deployment, place, shown) for place in keys.ready]
            less_able += [Candidate(deployment, place, shown) for place in keys.spent]
            resting += [(until, Candidate(deployment, place, shown)) for until, place in keys.resting]
            refused += [Candidate(deployment, place, shown) for place in keys.refused]
        ready += [*spent, *failing, *failing_and_spent]
        if not ready and not resting:
            ready = refused
        return Asking(ready, resting)

    def _deployments(self, route: Route, now: float, request: Circumstances) -> Sequence[Deployment]:
        """Return the deployments of a route whose providers are enabled. With a policy: first those that can
        be asked now, as `policy.choose` orders them, then those without a usable key, then those that fail.
        Without a policy: in the configured order, those that fail last.
        """
        deployments: Sequence[Deployment] = route.deployments
        if self.disabled:
            deployments = [one for one in deployments if one.provider not in self.disabled]
        if len(deployments) > 1:
            places = self.breakers.order([one.name for one in deployments], now)
            deployments = [deployments[place] for place in places]
        if route.spread is None:
            return deployments
        able = deployments if self.calm else [one for one in deployments if self._able(one, now)]
        chosen = choose(route, able, self.memory, now, request)
        taken = {id(one) for one in chosen}
        return [*chosen, *(one for one in deployments if id(one) not in taken)]

    def _able(self, deployment: Deployment, now: float) -> bool:
        pool = self.pools.get(deployment.provider)
        return not self.breakers.is_open(deployment.name, now) and (
            pool is None or pool.able(deployment.model, now)
        )

    def doubts(self, candidate: Candidate, now: float) -> bool:
        """Whether a candidate is asked only after others: its deployment fails (`Breakers.is_open`), its
        provider has refused the key or does not let it use the model, or the key is spent (a limit of it is
        used up). now: monotonic seconds.
        """
        deployment = candidate.deployment
        pool = self.pools.get(deployment.provider)
        if pool is not None:
            key, model = pool.keys[candidate.account], deployment.model
            if key.comes_last(model, now) or key.spent_until(model, now) is not None:
                return True
        return self.breakers.is_open(deployment.name, now)

    def is_ready(self, candidate: Candidate, now: float) -> bool:
        """Whether nothing is known against asking a candidate now: its deployment does not fail, its key
        neither rests nor is refused, spent or barred from the model, and no operator has disabled the key or
        its provider. now: monotonic seconds.
        """
        deployment = candidate.deployment
        if deployment.provider in self.disabled or self.doubts(candidate, now):
            return False
        pool = self.pools.get(deployment.provider)
        if pool is None:
            return True
        key = pool.keys[candidate.account]
        return not key.disabled and key.rests_until(deployment.model, now) is None

    def began(self, candidate: Candidate, now: float, *, streamed: bool = False) -> Calling:
        """Record that an attempt begins, and return it. One call of `answered`, `learn` or `abandoned` with
        the result must follow. streamed: whether the attempt asks for a stream. now: monotonic seconds.
        """
        deployment = candidate.deployment
        trial = self.breakers.began(deployment.name, now)
        pool = self.pools.get(deployment.provider)
        key = None if pool is None else pool.keys[candidate.account]
        if key is not None:
            key.begin(now)
        load = self.memory.loads.get(deployment.name)
        if load is not None:
            load.running += 1
        calling = Calling(deployment, key, load, now, streamed, trial)
        if trial and self.share is not None:
            self.share(calling)
        return calling

    def answered(self, calling: Calling, first: float | None = None) -> Sequence[Event]:
        """Record that an attempt was answered. first: when the first content of a stream, or a complete
        answer, came (monotonic seconds); None = the time is not measured. Returns events for the operator if
        the deployment or its provider counted as failing and answers again.
        """
        calling.end()
        deployment, news = calling.deployment, list[Event]()
        if calling.load is not None and first is not None:
            calling.load.latency(streamed=calling.streamed).measure(first - calling.began, first)
        if calling.key is not None:
            calling.key.works(deployment.model, calling.began)
        name, provider = deployment.name, deployment.provider
        if self.breakers.succeeded(name):
            news.append(Event("recovery", provider, f"{name}: answers again", name))
        if self.breakers.overrules(provider, calling.began):
            news.append(Event("recovery", provider, f"{provider}: answers again"))
        if self.share is not None:
            self.share(calling)
        return news

    def learn(self, calling: Calling, fault: ir.Fault, now: float) -> Sequence[Event]:
        """Record that an attempt has failed. Returns the events that are new to the operator; [] = none. A
        failure that is the caller's fault (`Outcome.CALLER`) counts as an answer. now: monotonic seconds.
        """
        outcome = classify(fault)
        if outcome is Outcome.CALLER:
            return self.answered(calling)
        self.calm = False
        deployment, key = calling.deployment, calling.key
        provider, name, told = deployment.provider, deployment.name, list[Event]()
        calling.end()
        if calling.load is not None and outcome in _SLOW:
            slow = max(FAILURE, now - calling.began)
            calling.load.latency(streamed=calling.streamed).measure(slow, now)
        if key is not None:
            pool = self.pools.get(provider)
            before = pool is None or key.lent or pool.exhausted(deployment.model, now)
            if key.fails(deployment.model, outcome, fault.retry_after, now) and not key.lent:
                text = f"the key …{key.tail} is asked only where nobody else can be: {outcome.value}"
                told.append(Event("key_refused", provider, f"{name}: {text}", name, key.tail))
            if not before and pool is not None and pool.exhausted(deployment.model, now):
                text = "every key is at its rate limit, was refused, or has no access to the model"
                told.append(Event("keys_exhausted", provider, f"{name}: {text}", name))
        if self.breakers.failed(name, outcome, now, calling.trial):
            text = f"failed {self.breakers.limits.failures} times in a row, so it is asked after others"
            told.append(Event("outage", provider, f"{name}: {text}", name))
        if self.share is not None:
            self.share(calling)
        return told

    def spent(self, provider: str, key: str, model: str, pause: float, now: float) -> None:
        """Record that an answer has said: nothing is left of a key's limit on a model for `pause` seconds.
        Ignored are an unknown key and a pause below 0.1 s (`pool.SHORTEST`). key: the key's id. now:
        monotonic seconds.
        """
        pool = self.pools.get(provider)
        for one in () if pool is None else pool.keys:
            if one.id == key and one.spends(model, pause, now):
                self.calm = False
                if self.share is not None:
                    self.share(Calling(Deployment(provider, model), one))

    def abandoned(self, calling: Calling, first: float | None = None) -> None:
        """Record that an attempt has ended and tells nothing about its deployment (its client has
        disconnected, for example). first: when its first content came, or when it ended without content
        (monotonic seconds); if this took longer than the deployment's average latency, the average is raised
        to it. None = unknown.
        """
        calling.end()
        if calling.load is not None and first is not None:
            calling.load.latency(streamed=calling.streamed).exceed(first - calling.began, first)
        self.breakers.abandoned(calling.deployment.name, calling.trial)
        if self.share is not None:
            self.share(calling)
