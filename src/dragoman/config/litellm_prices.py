"""Rounds converted prices to amounts that Dragoman counts. Pure."""

from __future__ import annotations

from typing import Any

from dragoman.config.pricing import counted


def rounded(price: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return a price in which each amount that would count as 0, because it is so small, is 0. price: in the
    form of a deployment's setting `price`, None = there is no price.
    """

    def of(name: str, value: Any) -> Any:
        if isinstance(value, dict):
            return {inner: of(inner, amount) for inner, amount in value.items()}
        if isinstance(value, list):
            return [of(name, one) for one in value]
        return value if name == "above" or counted(name, value) else 0

    return None if price is None else {name: of(name, value) for name, value in price.items()}
