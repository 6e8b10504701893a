"""Checks the settings of prices, and formats prices for messages."""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from dragoman.config.decode import suggest
from dragoman.config.misfit import Misfit
from dragoman.config.price_jumps import Jump, jumps_of
from dragoman.config.prices import LaterPrice, LongPrompts, Price, PriceEntry, UnitPrices
from dragoman.config.pricing import HIGHEST, OWN, UNITS, Pricing, is_unit, prices_in
from dragoman.config.settings import Config
from dragoman.errors import setting_path
from dragoman.ir.units import per
from dragoman.providers.rates import NANO, Rates
from dragoman.seams.clock import SYSTEM


def unfit_prices(config: Config, pricing: Pricing) -> Iterator[Misfit]:
    """Yield the mistakes in `prices`, and prices, also of deployments, that contradict each other or the
    packaged table. Other mistakes in the prices of deployments are not looked for. Each `place` is a complete
    path.
    """
    for name, entry in config.prices.items():
        yield from entry_misfits(name, entry)
    yield from contradictory(config)
    yield from far(config, pricing)
    yield from compared(config, pricing)


def price_misfits(price: Price | PriceEntry | LaterPrice, path: str) -> Iterator[Misfit]:
    """Yield the mistakes in one price; the prices in `later` are not checked. path: the path of the price,
    with which each `place` begins.
    """
    yield from _units(price, path)
    if price.input is None and price.output is None and not price.units:
        yield Misfit(path, "states no price", "{input: 1.25, output: 10}")
    if price.input is not None and price.output is None:
        said = "without a price of the output, what an answer with text costs is unknown"
        yield Misfit(path, said, "output: 0 for embeddings", odd=True)
    above: set[int] = set()
    for index, one in enumerate(price.long_prompts):
        yield from _units(one, f"{path}.long_prompts[{index}]")
        if one.above in above:
            yield Misfit(f"{path}.long_prompts[{index}].above", f"{one.above} is stated twice")
        above.add(one.above)
    for tier, prices in price.tiers.items():
        yield from _units(prices, setting_path(f"{path}.tiers", tier))


def entry_misfits(name: str, entry: PriceEntry) -> Iterator[Misfit]:
    """Yield the mistakes in one entry of `prices`, without comparing it with other entries. name: the entry's
    name.
    """
    path = setting_path("prices", name)
    if "/" not in name and "*" not in name:
        yield Misfit(path, "no model has this name", f"provider/model, vendor/model or a pattern: */{name}")
    yield from price_misfits(entry, path)
    before = None if entry.since is None else float(entry.since)
    for index, one in enumerate(entry.later):
        place = f"{path}.later[{index}]"
        yield from price_misfits(one, place)
        if before is not None and float(one.since) <= before:
            yield Misfit(f"{place}.since", f"{one.since} is not after the price before it")
        before = float(one.since)


def contradictory(config: Config) -> Iterator[Misfit]:
    """Yield a warning for each deployment whose price differs from the first one that is stated for the same
    `use`. Bills use the first one.
    """
    first: dict[str, Price] = {}
    for name, model in config.models.items():
        for index, target in enumerate(model.targets):
            if target.price is None or target.file is not None:
                continue
            price = msgspec.structs.replace(target.price, confirm=False)
            if first.setdefault(target.use, price) != price:
                place = f"{setting_path('models', name)}.deployments[{index}].price"
                said = f"another model states another price of {target.use}, which counts in bills"
                yield Misfit(place, said, odd=True)


def far(config: Config, pricing: Pricing) -> Iterator[Misfit]:
    """Yield a warning for each deployment with a setting `price` that is not confirmed, and is far from the
    price that holds for the deployment without this setting: at least ten times as high, or at most a tenth
    (`price_jumps`).
    """
    now = SYSTEM.now()
    for name, model in config.models.items():
        for index, target in enumerate(model.targets):
            price = target.price
            if price is None or price.confirm or target.file is not None:
                continue
            listed = pricing.listed(target.use)
            jump = None if listed is None else next(jumps_of(price, listed, now), None)
            if jump is not None:
                place = f"{setting_path('models', name)}.deployments[{index}].price.{jump.place}"
                yield Misfit(place, jumped(target.use, jump), "confirm: true", odd=True)


def compared(config: Config, pricing: Pricing) -> Iterator[Misfit]:
    """Yield a mistake for each entry of `prices` with a price that is not confirmed and is far from the
    packaged table's (at least ten times as high, or at most a tenth); or else a warning, if the entry states
    a price of the input, but none of `cache_read` although the table has a discount. An entry has at most one
    of them. A pattern is compared for the deployments that the configuration names.
    """
    used = sorted({target.use for model in config.models.values() for target in model.targets})
    for name, entry in config.prices.items():
        names = [name] if "*" not in name else [use for use in used if pricing.entry(use) == name]
        for deployment in names:
            if (usual := pricing.packaged(deployment)) is None:
                continue
            if misfit := _compared(deployment, entry, usual):
                within = setting_path("prices", name)
                yield misfit._replace(place=f"{within}.{misfit.place}" if misfit.place else within)
                break


def _compared(deployment: str, entry: PriceEntry, usual: Rates) -> Misfit | None:
    """Return the mistake in an entry, compared with the packaged price of a deployment; None = there is
    none.
    """
    now = SYSTEM.now()
    if not entry.confirm and (found := next(jumps_of(entry, usual, now), None)):
        return Misfit(found.place, jumped(deployment, found), "confirm: true")
    sections: tuple[PriceEntry | LaterPrice, ...] = (entry, *entry.later)
    for section in sections:
        prices = usual.at(max(float(section.since or 0), now)).usual[0].prices
        stated = prices_in(section)
        discounted = prices.get("cache_read") != prices.get("input")
        if discounted and stated.get("input") and "cache_read" not in stated:
            said = "states no price of `cache_read`, so cached tokens cost as much as others"
            return Misfit("", said, f"cache_read: {amount(prices['cache_read'])}", odd=True)
    return None


def jumped(name: str, jump: Jump) -> str:
    """Return the message that the price `jump.price` is far from `jump.before`, the price that holds without
    it. name: `provider/model`.
    """
    far = f"is far from {usd(jump.before, jump.unit)}, the price without this one"
    return f"{usd(jump.price, jump.unit)} for {jump.unit} of {name} {far}"


def usd(price: int, unit: str) -> str:
    """Return a price as text: `1.25 USD per million`. price: nano-USD for the amount `per(unit)`."""
    scale = {1_000_000: "million", 3_600_000: "hour", 1_000: "thousand"}[per(unit)]
    return f"{amount(price)} USD per {scale}"


def amount(nano: int) -> str:
    """Return an amount of nano-USD (>= 0) in USD, exactly and without needless zeros: `0.0035`."""
    whole, part = divmod(nano, NANO)
    return f"{whole}.{part:09d}".rstrip("0").rstrip(".")


def _units(
    section: Price | PriceEntry | LaterPrice | UnitPrices | LongPrompts, path: str
) -> Iterator[Misfit]:
    for name in section.units:
        if not is_unit(name):
            yield Misfit(setting_path(path, name), "unknown unit", suggest(name, UNITS))
    stated = {"input": section.input, "output": section.output, **section.units}
    billed = prices_in(section)
    for name, price in stated.items():
        if price is not None and price > HIGHEST:
            yield Misfit(
                setting_path(path, name), f"a price of more than {HIGHEST:,} USD is probably a mistake"
            )
        if price and not billed[OWN.get(name, name)]:
            yield Misfit(setting_path(path, name), "is so small that it would count as 0")
