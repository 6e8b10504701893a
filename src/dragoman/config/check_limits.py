"""Checks the limits of a configuration: that each limit can be enforced, that no two limits of one list share
a counter, and that names in them are valid.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from typing import Final, TypeAlias

from dragoman.accounts.grants import Grants
from dragoman.accounts.limits import OF_ATTEMPTS, Subject
from dragoman.config.decode import suggest
from dragoman.config.limits import Bounds, LimitEntry
from dragoman.config.misfit import Misfit
from dragoman.config.settings import Config
from dragoman.errors import has_part, setting_path

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", re.ASCII)
_QUEUED: Final[dict[Subject, str]] = {
    "model": "models.NAME.concurrency",
    "deployment": "providers.NAME.concurrency",
    "provider": "providers.NAME.concurrency",
}
"""The settings that limit how many requests run at once for a model or provider, with a queue."""
_INVENTED: Final = frozenset[Subject]({"end_user", "tag", "address"})
"""The subjects whose names come from requests, so that their number has no limit."""
Stated: TypeAlias = tuple[str, Subject, tuple[Bounds, ...]]
"""(path of a setting, the subjects that its limits count separately, the limits)."""


def limit_misfits(config: Config, unread: Collection[str], providers: Collection[str]) -> Iterator[Misfit]:
    """Yield the mistakes in all limits of a configuration. Each `place` is a complete path. unread: the paths
    of the settings that could not be decoded; `unkept` is left out for limits with such a setting. providers:
    the names of all providers.
    """
    for path, subject, stated in _places(config):
        if not has_part(path, unread):
            yield from unkept(stated, subject, path)
    for name, entry in config.limits.items():
        path = setting_path("limits", name)
        if not _NAME.fullmatch(name):
            said = "a limit's name has letters, digits, `.`, `_` and `-`, at most 64 in all"
            yield Misfit(path, said)
        if entry.scope == "global" and entry.only:
            yield Misfit(f"{path}.only", "`scope: global` counts all requests together", "leave `only` out")
        yield from _unknown(entry, path, providers)
    yield from _deployments(config)


def stated_models(config: Config) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield, for each limit, (the path of its setting `models`, the model names and patterns in it; () = all
    models).
    """
    for path, _, stated in _places(config):
        single = path.startswith("limits")
        for index, bounds in enumerate(stated):
            yield (f"{path}.models" if single else f"{path}[{index}].models"), bounds.models


def empty_lists(config: Config, written: Collection[str]) -> Iterator[Misfit]:
    """Yield a warning for each `only: []` and `models: []` of a limit. written: the paths of all settings
    that are written; those of a single limit without a list may have no index.
    """
    for path, _, stated in _places(config):
        for index, bounds in enumerate(stated):
            for place in (path, f"{path}[{index}]"):
                if not bounds.models and f"{place}.models" in written:
                    said = "an empty list counts requests for all models"
                    yield Misfit(f"{place}.models", said, "leave it out, or name models", odd=True)
                if isinstance(bounds, LimitEntry) and not bounds.only and f"{place}.only" in written:
                    said = "an empty list counts everybody, as without `only`"
                    yield Misfit(f"{place}.only", said, "leave it out, or state names", odd=True)


def unkept(stated: Sequence[Bounds], subject: Subject, path: str = "limits") -> Iterator[Misfit]:
    """Yield the mistakes in the limits of one key, model, …, or in one entry of `limits`. subject: what has a
    counter of its own in these limits: each key, each model, …. path: the path of the list `stated`, or of
    the entry of `limits`; each `place` begins with it.
    """
    seen: set[object] = set()
    for index, bounds in enumerate(stated):
        place = path if isinstance(bounds, LimitEntry) else f"{path}[{index}]"
        limits = bounds.limits("", subject)
        if not limits:
            yield Misfit(place, "limits nothing", "requests: 60/min")
        if bounds.concurrency is not None and subject in _QUEUED:
            said = "requests for models and providers wait in a queue instead"
            yield Misfit(f"{place}.concurrency", said, f"set {_QUEUED[subject]}")
        if bounds.models and subject in OF_ATTEMPTS:
            said = "a limit of a deployment or provider counts the attempts for all models"
            yield Misfit(f"{place}.models", said, "state it at a deployment")
        if bounds.unknown_price != "allow" and not bounds.money:
            yield Misfit(f"{place}.unknown_price", "there is no limit on `money`", odd=True)
        named = isinstance(bounds, LimitEntry) and bounds.only and not any("*" in one for one in bounds.only)
        if subject in _INVENTED and not named and any(one.window == "lifetime" for one in limits):
            said = f"each {subject.replace('_', ' ')} that ever comes has a counter that is never forgotten"
            yield Misfit(place, said, "use a month, or `only`", odd=True)
        for limit in limits:
            counter = (limit.resource, limit.window, limit.every, limit.models)
            if counter in seen:
                said = "two limits for the same window of time: the smaller one alone would count"
                yield Misfit(f"{place}.{limit.resource}", said, "keep the smaller one")
            seen.add(counter)


def _places(config: Config) -> Iterator[Stated]:
    for name, entry in config.limits.items():
        yield setting_path("limits", name), entry.scope, (entry,)
    for index, key in enumerate(config.auth.keys):
        yield f"auth.keys[{index}].limits", "key", key.limits
    for tenant, owner in config.tenants.items():
        yield f"{setting_path('tenants', tenant)}.limits", "tenant", owner.limits
    for team, part in config.teams.items():
        yield f"{setting_path('teams', team)}.limits", "team", part.limits
    for user, person in config.users.items():
        yield f"{setting_path('users', user)}.limits", "user", person.limits
    for name, provider in config.providers.named.items():
        yield f"{setting_path('providers', name)}.limits", "provider", provider.limits
    for name, model in config.models.items():
        yield f"{setting_path('models', name)}.limits", "model", model.limits
        for index, deployment in enumerate(model.deployments):
            yield (
                f"{setting_path('models', name)}.deployments[{index}].limits",
                "deployment",
                deployment.limits,
            )


def _unknown(entry: LimitEntry, path: str, providers: Collection[str]) -> Iterator[Misfit]:
    """Yield a mistake for each name in `only` whose provider is not in `providers`, or that is written in the
    wrong form. Models are not checked. Nothing is yielded if the scope of `entry` is neither `deployment` nor
    `provider`.
    """
    if entry.scope not in OF_ATTEMPTS:
        return
    for index, name in enumerate(entry.only):
        wanted = Grants([name.partition("/")[0]])
        if not any(provider in wanted for provider in providers):
            yield Misfit(f"{path}.only[{index}]", f"there is no provider {name}", suggest(name, providers))
        elif ("/" in name) != (entry.scope == "deployment") and "*" not in name:
            form = "`provider/model`" if entry.scope == "deployment" else "a provider's name alone"
            yield Misfit(f"{path}.only[{index}]", f"expected {form}, found `{name}`")


def _deployments(config: Config) -> Iterator[Misfit]:
    """Yield a mistake for each deployment whose limits differ from those of the first deployment with the
    same `use` and limits of its own, because both count the same requests.
    """
    found: dict[str, tuple[str, tuple[Bounds, ...]]] = {}
    for name, model in config.models.items():
        for index, deployment in enumerate(model.deployments):
            if deployment.limits:
                place = f"{setting_path('models', name)}.deployments[{index}].limits"
                where, first = found.setdefault(deployment.use, (place, deployment.limits))
                if first != deployment.limits:
                    said = f"differs from {where}, and both are for {deployment.use}"
                    yield Misfit(place, said, "state the limits of a deployment once")
