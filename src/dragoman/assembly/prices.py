"""Looks up the prices of deployments in one configuration, for the engine."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from dragoman.accounts.grants import remember
from dragoman.config.load import Loaded
from dragoman.config.pricing import Pricing
from dragoman.providers.provider import Provider
from dragoman.providers.rates import Rates

PricesOf: TypeAlias = Callable[[str], Rates | None]
"""Returns the prices of a deployment (`provider/model`); None = unknown."""

_UNSEEN = object()


def prices_of(loaded: Loaded) -> PricesOf:
    """Return a function that returns the prices of a deployment (`provider/model`); None = unknown. It caches
    results. It also accepts deployments that the configuration does not have, such as further models that an
    answer has used.
    """
    pricing = Pricing(loaded.config, loaded.providers)
    known: dict[str, Rates | None] = {}

    def rates(deployment: str) -> Rates | None:
        found = known.get(deployment, _UNSEEN)
        if found is _UNSEEN:
            found = pricing.rates(deployment)
            pricing.forget()
            remember(known, deployment, found)
        return found  # type: ignore[return-value]

    return rates


def uses_of(loaded: Loaded) -> list[str]:
    """Return the deployments (`provider/model`) of a configuration: those of its models and prices, and for
    each provider its configured models, or else its vendor's well-known ones. Patterns with `*` are left out.
    """
    config = loaded.config
    uses = {
        f"local/{name}" if target.file is not None else target.use: None
        for name, model in config.models.items()
        for target in model.targets
        if "*" not in target.use
    }
    uses |= {f"{name}/{model}": None for name, one in loaded.providers.items() for model in _known(one)}
    return list(uses | {name: None for name in config.prices if "*" not in name})


def _known(provider: Provider) -> tuple[str, ...]:
    models = provider.models
    if models is None:
        return tuple(provider.vendor.known) if provider.vendor is not None else ()
    return tuple(model for model in models if "*" not in model)
