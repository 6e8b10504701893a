"""Adapts what a process remembers about the keys and deployments of providers to a configuration."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

from dragoman.config.settings import Config
from dragoman.routing.breaker import Limits
from dragoman.routing.health import Health
from dragoman.routing.pool import Key, Pool
from dragoman.upstreams.backend import all_over_http
from dragoman.upstreams.credential import Lease
from dragoman.upstreams.upstream import Upstream
from dragoman.upstreams.wire import WireUpstream


def adopt(health: Health, config: Config, upstreams: Mapping[str, Upstream], now: float) -> None:
    """Use the keys and settings of this configuration from now on. What is remembered of a key stays if the
    configuration still has the key. Pools of providers that are gone are dropped. upstreams: those of the
    configuration, by the provider's name. now: monotonic seconds.
    """
    settings = config.providers.named
    providers = {name: one for name, one in all_over_http(upstreams).items() if name in settings}
    health.others = frozenset(upstreams).difference(providers)
    breaker = config.breaker
    # As plain numbers: a pause is told to the other workers, and JSON has no durations.
    health.breakers.limits = Limits(breaker.failures, float(breaker.pause), float(breaker.pause_max))
    for name in health.pools.keys() - providers.keys():
        del health.pools[name]
    for name, upstream in providers.items():
        keys = _keys(upstream)
        for spoken in upstream.dialects:
            spoken.spent = partial(health.spent, name)
        for account in upstream.accounts:
            if account.renewal is not None:
                account.renewal.credential.follow("health", partial(_follow, health, name, upstream))
        choice = settings[name].key_choice
        pool = health.pools.get(name)
        health.pools[name] = Pool(keys, choice) if pool is None else pool.renewed(keys, choice)
    health.settle(now)


def _keys(upstream: WireUpstream) -> list[Key]:
    return [Key(account.id, account.tail) for account in upstream.accounts]


def _follow(health: Health, name: str, upstream: WireUpstream, _: Lease) -> None:
    """Replace the keys in a provider's pool by the keys that its upstream has now. What is remembered of a
    key stays if the upstream still has the key.
    """
    if (pool := health.pools.get(name)) is not None:
        pool.exchange(_keys(upstream))
