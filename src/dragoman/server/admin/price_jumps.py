"""Refuses a price that is set while the gateway runs and is far from the price that holds without this change
(ten times it, or a tenth), unless the price is confirmed.
"""

from __future__ import annotations

from dragoman import ir
from dragoman.assembly.prices import prices_of, uses_of
from dragoman.config.check_prices import usd
from dragoman.config.load import Loaded
from dragoman.config.price_jumps import Jump, jumps_of
from dragoman.config.pricing import Pricing
from dragoman.errors import RequestFailed


def refuse_jump_of_entry(name: str, before: Loaded, after: Loaded, *, now: float) -> None:
    """Raise RequestFailed (409) if an entry of `prices` has a price, now or for later, that is at least ten
    times the price without the change, or at most a tenth of it, for the deployment that the entry prices, or
    for one of the known deployments that it prices by a pattern. An entry with `confirm: true` is accepted. A
    price of 0, and a deployment whose price is unknown without the change, are not compared. name: of the
    entry. before, after: the configuration without and with the change. now: Unix seconds.
    """
    entry = after.config.prices[name]
    if entry.confirm:
        return
    deployments = [name]
    if "*" in name:
        pricing = Pricing(after.config, after.providers)
        deployments += [use for use in uses_of(after) if pricing.entry(use) == name]
    rates_of = prices_of(before)
    for deployment in deployments:
        rates = rates_of(deployment)
        if rates is not None and (jump := next(jumps_of(entry, rates, now), None)) is not None:
            where = jump.place if deployment == name else f"{jump.place} of {deployment}"
            raise _refused(where, jump, "confirm")


def refuse_jump_of_model(name: str, before: Loaded, after: Loaded, *, now: float) -> None:
    """Raise RequestFailed (409) if a deployment of a model states a price of its own that is at least ten
    times the deployment's price without the change, or at most a tenth of it. A price with `confirm: true` is
    accepted. A price of 0, a deployment whose price is unknown without the change, and a deployment from a
    local file are not compared. name: of the model. before, after: the configuration without and with the
    change. now: Unix seconds.
    """
    rates_of = prices_of(before)
    for index, target in enumerate(after.config.models[name].targets):
        price, path = target.price, f"deployments[{index}].price"
        if price is None or price.confirm or target.file is not None:
            continue
        rates = rates_of(target.use)
        if rates is not None and (jump := next(jumps_of(price, rates, now), None)) is not None:
            raise _refused(f"{path}.{jump.place}", jump, f"{path}.confirm")


def _refused(where: str, jump: Jump, parameter: str) -> RequestFailed:
    price, until = usd(jump.price, jump.unit), usd(jump.before, jump.unit)
    said = f"{price} is far from {until}, the price until now"
    text = f"{where}: {said}. Send `{parameter}: true` if it is meant."
    return RequestFailed(ir.Fault("conflict", text, "price_jumps", parameter))
