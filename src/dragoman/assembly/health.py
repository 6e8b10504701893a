"""Brings what is remembered of providers in line with a configuration."""

from __future__ import annotations

from collections.abc import Mapping

from dragoman.config.settings import Config
from dragoman.routing.breaker import Limits
from dragoman.routing.health import Health
from dragoman.routing.pool import Key, Pool
from dragoman.upstreams.wire import WireUpstream


def adopt(health: Health, config: Config, providers: Mapping[str, WireUpstream], now: float) -> None:
    """Use this configuration, with its providers, from now on. What is known of a key that stays is kept.
    now: monotonic seconds.
    """
    breaker = config.breaker
    health.breakers.limits = Limits(breaker.failures, breaker.pause, breaker.pause_max)
    for name in health.pools.keys() - providers.keys():
        del health.pools[name]
    for name, upstream in providers.items():
        keys = [Key(account.id, account.tail) for account in upstream.accounts]
        choice = config.providers.named[name].key_choice
        pool = health.pools.get(name)
        health.pools[name] = Pool(keys, choice) if pool is None else pool.renewed(keys, choice)
    health.settle(now)
