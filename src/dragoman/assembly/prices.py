"""The prices of one configuration, as the engine asks for them."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

from dragoman.accounts.grants import remember
from dragoman.config.load import Loaded
from dragoman.config.pricing import Pricing
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
