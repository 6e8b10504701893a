"""The bound on what other deployments may cost for a request when the first choice fails. Pure.

The first choice is who would be called if nothing failed. A deployment whose price is not known is not called
instead of it: a bound that does not know the cost does not bind.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from dragoman.routing.spread import Price, Spread


class MaxCost(msgspec.Struct, frozen=True):
    """What another deployment may cost. times: as a multiple of what the first choice costs. usd: how many
    USD more, for one request with a prompt. None = no such limit. prices: by `provider/model`, for
    deployments that state none themselves.
    """

    times: float | None = None
    usd: float | None = None
    prices: Mapping[str, Price] = {}


class Offer(NamedTuple):
    """What is compared of a deployment. name: `provider/model`. price: None = unknown. weight: as in
    `Deployment`.
    """

    name: str
    price: Price | None
    weight: float = 1.0


class Tokens(NamedTuple):
    """The tokens of a request: those of its prompt, and the most that its answer may have."""

    input: int
    output: int


def first_choice(offers: Sequence[Offer], spread: Spread | None) -> Offer:
    """The deployment with whose cost the others are compared: who is called if nothing fails. If a policy
    chooses among several, this is the dearest of those with a weight and a known price, as each of them may
    be called without a failure; with `policy: cost` it is the cheapest. offers: at least one.
    """
    if spread is None:
        return offers[0]
    sharing = [one for one in offers if one.weight] or list(offers)
    known = [one for one in sharing if one.price is not None] or sharing
    return (min if spread.policy == "cost" else max)(known, key=_mixed)


def too_dear(bound: MaxCost, first: Offer, other: Offer, count: Callable[[], Tokens] | None) -> str | None:
    """Why a deployment is not called instead of the first choice, for the trace; None = it may be.

    count: counts the tokens, and is called only if the prices alone do not decide. None = the request has no
    prompt: then prices are compared as `policy: cost` does, and `usd` is not looked at.
    """
    if other.name == first.name:
        return None
    usual, price = first.price, other.price
    if price is None:
        return "`max_cost`: its price is not known"
    if usual is None:
        return f"`max_cost`: the price of the first choice, {first.name}, is not known"
    if bound.times is not None and not _within(price, usual, bound.times):
        least, cost = (usual.mixed, price.mixed) if count is None else _costs(usual, price, count())
        if cost > bound.times * least:
            return f"`max_cost`: more than {bound.times:g} times the cost of the first choice, {first.name}"
    if bound.usd is not None and count is not None and not _within(price, usual, 1.0):
        least, cost = _costs(usual, price, count())
        if cost - least > bound.usd:
            return f"`max_cost`: about {cost - least:.2g} USD more than the first choice, {first.name}"
    return None


def _within(price: Price, usual: Price, times: float) -> bool:
    """Whether both prices, of input and of output, are at most `times` the usual ones, so that no count of
    tokens can cost more.
    """
    return price.input <= times * usual.input and price.output <= times * usual.output


def _costs(usual: Price, price: Price, tokens: Tokens) -> tuple[float, float]:
    return usual.of(tokens.input, tokens.output), price.of(tokens.input, tokens.output)


def _mixed(offer: Offer) -> float:
    return 0.0 if offer.price is None else offer.price.mixed
