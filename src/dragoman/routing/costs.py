"""Bounds what other deployments than the first choice may cost for a request. Pure.

`first_choice` finds the deployment with which the others are compared. Another deployment is left out if its
price, or that of the first choice, is not known.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import msgspec

from dragoman.routing.spread import Price, Spread


class MaxCost(msgspec.Struct, frozen=True):
    """How much more another deployment may cost. times: the most, as a multiple of the first choice's cost.
    usd: the most USD in addition to the first choice's cost, for one request with a prompt. If both are
    stated, both must be kept; None = no such limit. prices: by `provider/model`, the prices of deployments
    that do not state their own.
    """

    times: float | None = None
    usd: float | None = None
    prices: Mapping[str, Price] = {}


class Offer(NamedTuple):
    """A deployment whose cost is compared with that of others. name: `provider/model`. price: None = unknown.
    weight: the deployment's share of the requests, relative to the others; 0 = none.
    """

    name: str
    price: Price | None
    weight: float = 1.0


class Tokens(NamedTuple):
    """The tokens of a request. input: the tokens of its prompt. output: the tokens that are expected of its
    answers, together.
    """

    input: int
    output: int


def first_choice(offers: Sequence[Offer], spread: Spread | None) -> Offer:
    """Return the deployment with whose cost the others are compared. Without a policy (`spread` is None) this
    is the first one, with `policy: cost` the cheapest, otherwise the dearest, by `Price.mixed`. With a
    policy, deployments without a weight count only if no deployment has a weight. If no price is known, the
    first deployment that counts is returned. offers: at least one.
    """
    if spread is None:
        return offers[0]
    sharing = [one for one in offers if one.weight] or list(offers)
    known = [one for one in sharing if one.price is not None] or sharing
    return (min if spread.policy == "cost" else max)(known, key=_mixed)


def too_dear(bound: MaxCost, first: Offer, other: Offer, count: Callable[[], Tokens] | None) -> str | None:
    """Return the reason why a deployment may not be called instead of the first choice, in words for the
    trace; None = it may be called. The first choice itself may always be called.

    count: counts the tokens; it is called only if the prices alone do not decide. None = the request has no
    prompt; then `times` is compared with the prices as `Price.mixed` gives them, and `usd` is ignored.
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
    """Whether the prices of input and of output are both at most `times` the usual ones. Then no number of
    tokens can make the cost exceed that multiple.
    """
    return price.input <= times * usual.input and price.output <= times * usual.output


def _costs(usual: Price, price: Price, tokens: Tokens) -> tuple[float, float]:
    return usual.of(tokens.input, tokens.output), price.of(tokens.input, tokens.output)


def _mixed(offer: Offer) -> float:
    return 0.0 if offer.price is None else offer.price.mixed
