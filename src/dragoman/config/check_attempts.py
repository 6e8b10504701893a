"""Checks that the general settings of failover (`retries`, `breaker`), the background checks of providers,
and the settings that depend on them fit together.
"""

from __future__ import annotations

from collections.abc import Iterator

from dragoman.config.misfit import Misfit
from dragoman.config.settings import Breaker, Check, Config, Provider, Retries
from dragoman.errors import setting_path


def general_misfits(config: Config) -> Iterator[Misfit]:
    """Yield mistakes in `retries` and `breaker`, and warnings about settings there, of models and of
    providers that have no effect, for example because of `retries`, `server.max_requests` or the HTTP client
    (`pool.max_age`). Each `place` is a complete path (`retries.attempts`).
    """
    retries, breaker = config.retries, config.breaker
    if retries.backoff != Retries().backoff and retries.backoff > retries.backoff_max:
        said = f"is longer than retries.backoff_max ({retries.backoff_max}), the longest wait"
        yield Misfit("retries.backoff", said, f"retries.backoff_max: {retries.backoff}")
    if retries.attempts == 1 and retries.backoff != Retries().backoff:
        yield Misfit("retries.backoff", "with `retries.attempts: 1` nothing is tried again", odd=True)
    if breaker.pause != Breaker().pause and breaker.pause > breaker.pause_max:
        said = f"is longer than breaker.pause_max ({breaker.pause_max}), the longest pause"
        yield Misfit("breaker.pause", said, f"breaker.pause_max: {breaker.pause}")
    elif breaker.failures and not breaker.pause:
        said = "a pause of 0 puts no deployment last"
        yield Misfit("breaker.pause", said, "breaker.failures: 0 says that nothing is remembered")
    if not breaker.failures and breaker != Breaker(failures=0):
        said = "with `breaker.failures: 0` there are no pauses"
        yield Misfit("breaker.pause", said, odd=True)
    if retries.max_attempts == 1:
        yield from _single(config)
    elif retries.max_attempts is not None and retries.max_attempts < retries.attempts:
        said = f"is less than retries.attempts ({retries.attempts}), which is never reached"
        yield Misfit("retries.max_attempts", said, odd=True)
    if retries.max_time:
        yield from _too_late(config, float(retries.max_time))
    yield from _never_reached(config)
    yield from _never_renewed(config)


def provider_misfits(provider: Provider, breaker: Breaker) -> Iterator[Misfit]:
    """Yield warnings about a provider's background checks (`check`) and choice of keys (`key_choice`) that
    have no effect. Each `place` is relative to the provider.
    """
    check = provider.check
    if not check.every and check != Check():
        yield Misfit("check", "nothing is checked without `every`", "check: {every: 30s}", odd=True)
    elif check.every and check.when == "failing" and not breaker.failures:
        said = "with `breaker.failures: 0` no deployment counts as failing, so nothing is checked"
        yield Misfit("check", said, "check: {when: always}", odd=True)
    if provider.keys is not None and len(provider.keys) < 2 and provider.key_choice != "health_aware":
        many = "one key" if provider.keys else "no key"
        yield Misfit("key_choice", f"there is only {many}, so there is no choice", odd=True)


def _single(config: Config) -> Iterator[Misfit]:
    """Yield warnings about settings without effect if a request has only one attempt: `retries.attempts`,
    further deployments and fallbacks of models, `hedge`. The caller has checked that `retries.max_attempts`
    is 1.
    """
    if config.retries.attempts != Retries().attempts:
        yield Misfit("retries.attempts", "with `retries.max_attempts: 1` nothing is tried again", odd=True)
    following = [
        name for name, model in config.models.items() if len(model.targets) > 1 or model.fallbacks.names
    ]
    if following:
        said = f"nobody is asked after a failure, also for {', '.join(following[:3])}"
        yield Misfit("retries.max_attempts", said, odd=True)
    for name, model in config.models.items():
        if model.hedge is not None:
            said = "with `retries.max_attempts: 1` no second deployment is asked"
            yield Misfit(f"{setting_path('models', name)}.hedge", said, odd=True)


def _never_reached(config: Config) -> Iterator[Misfit]:
    """Yield a warning for each `concurrency.limit` of a model or provider that is never reached, because all
    workers together accept fewer requests.
    """
    most = config.server.max_requests * config.server.workers
    stated = {setting_path("models", name): one.concurrency for name, one in config.models.items()}
    stated |= {
        setting_path("providers", name): one.concurrency for name, one in config.providers.named.items()
    }
    for place, concurrency in stated.items():
        if concurrency.limit is not None and concurrency.limit > most:
            said = f"all workers together take {most} requests (server.max_requests)"
            yield Misfit(f"{place}.concurrency.limit", said, odd=True)


def _too_late(config: Config, seconds: float) -> Iterator[Misfit]:
    """Yield a warning for each `switch_after` and `hedge.after` of a model that has no effect, because it is
    not shorter than `seconds`, the time that all attempts of a request may take.
    """
    said = f"the time of all attempts, retries.max_time ({config.retries.max_time}), ends before"
    for name, model in config.models.items():
        if model.switch_after is not None and model.switch_after >= seconds:
            yield Misfit(f"{setting_path('models', name)}.switch_after", said, odd=True)
        hedge = model.hedge
        if hedge is not None and not isinstance(hedge.after, str) and hedge.after >= seconds:
            yield Misfit(f"{setting_path('models', name)}.hedge.after", said, odd=True)


def _never_renewed(config: Config) -> Iterator[Misfit]:
    """Yield a warning for each `pool.max_age` without effect: the provider is called with aiohttp, whose
    connections have no such limit.
    """
    for name, provider in config.providers.named.items():
        if provider.pool.max_age is None:
            continue
        place = f"{setting_path('providers', name)}.pool.max_age"
        if provider.proxy is not None:
            yield Misfit(place, "has no effect behind a proxy, where aiohttp is the HTTP client", odd=True)
        elif config.server.transport == "aiohttp":
            yield Misfit(place, "has no effect with `server.transport: aiohttp`", odd=True)
