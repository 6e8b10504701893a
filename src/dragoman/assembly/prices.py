"""The prices of one configuration, as the engine asks for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from dragoman.accounts.grants import remember
from dragoman.config.load import Loaded
from dragoman.config.pricing import Pricing
from dragoman.providers.provider import Provider
from dragoman.providers.rates import Rates

PricesOf: TypeAlias = Callable[[str], Rates | None]
"""What a deployment (`provider/model`) costs; None = unknown."""

_UNSEEN = object()


def prices_of(loaded: Loaded) -> PricesOf:
    """What the deployments of a configuration cost. Each is looked up once, when it is first asked for (about
    a millisecond); then it is one look into a dict. Also for names that nothing configures, such as those of
    models that an answer has used besides.
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
    """The deployments (`provider/model`) that a configuration names: those of models and prices, and the
    models that its providers are known to have.
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
