"""The operations on prices: show the prices in force, and change those that operators add while the gateway
runs.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Final, Literal

import msgspec

from dragoman.assembly.core import Core
from dragoman.assembly.prices import prices_of, uses_of
from dragoman.config.check_prices import amount
from dragoman.ir.units import per
from dragoman.observe.timestamps import utc
from dragoman.providers.rates import Levels, Period, Rates
from dragoman.server.admin import tags
from dragoman.server.admin.added import AddedApi, AddedObject, Removed, Wish, changes
from dragoman.server.admin.adding import Do
from dragoman.server.admin.operation import Asked, Operation, Told, author
from dragoman.server.admin.pages import Wanted, page
from dragoman.server.admin.price_jumps import refuse_jump_of_entry


class UnitPrice(msgspec.Struct):
    """The price of one unit. usd: the price of `per` units (1000000 for tokens), in USD, as a decimal text.
    above: this price holds for requests whose prompt has more tokens than this number, up to the `above` of
    the next price of the same unit; null = it holds from the first token.
    """

    unit: str
    usd: str
    per: int
    above: int | None = None


class DatedPrice(msgspec.Struct):
    """Prices that hold for a span of time. units: the usual prices. tiers: the prices of other service tiers,
    by the name of the tier. current: true = they hold now. since: when they begin; null = they have no
    beginning, and hold until other prices begin. hours: the time of day when they hold, such as "01:00-04:00"
    in UTC; null = the complete day.
    """

    units: list[UnitPrice]
    tiers: dict[str, list[UnitPrice]]
    current: bool
    since: str | None = None
    hours: str | None = None


class PriceObject(msgspec.Struct):
    """The prices of one deployment (`provider/model`). source: where the prices are from; it says so if they
    are a guess; null = the price is unknown, which does not mean 0. added: the entry that an operator has
    added under exactly this name, null = there is none; always null in lists.
    """

    deployment: str
    source: str | None
    prices: list[DatedPrice]
    added: AddedObject | None = None
    object: Literal["price"] = "price"


class PriceList(msgspec.Struct):
    """A page of the prices of deployments: those that the configuration names in `models` and `prices`,
    without patterns, and the known models of its providers.
    """

    data: list[PriceObject]
    has_more: bool
    object: Literal["list"] = "list"


_PRICE: Final = "/admin/prices/{name}"
OPERATIONS: Final = (
    Operation(
        *("GET", "/admin/prices", "list_prices", "What the configured deployments cost.", PriceList),
        query=Wanted,
    ),
    Operation(
        *("GET", _PRICE, "show_price", "What a deployment costs (`provider/model`)."),
        PriceObject,
        tagged=True,
        slashes=True,
    ),
    *changes("prices", _PRICE, "price"),
)


class PricesApi:
    """The operations on prices of one gateway."""

    def __init__(self, gateway: Core, added: AddedApi) -> None:
        self._gateway = gateway
        self._added = added

    async def list_prices(self, asked: Asked) -> Told:
        uses = uses_of(self._gateway.loaded)
        rates = prices_of(self._gateway.loaded)
        rows, more = page(uses, asked.query, lambda use: use)
        return Told(PriceList([self._told(use, rates(use)) for use in rows], more))

    async def show_price(self, asked: Asked) -> Told:
        name = asked.params["name"]
        found = self._told(name, prices_of(self._gateway.loaded)(name))
        state = self._gateway.loaded.added
        entry = None if state is None else state.find("prices", name)
        if entry is None:
            return Told(found)
        found.added = self._added.told(entry.entry)
        return Told(found, _tag(entry.entry.version))

    async def add_price(self, asked: Asked) -> Told:
        return await self._changed("add", asked)

    async def replace_price(self, asked: Asked) -> Told:
        return await self._changed("replace", asked)

    async def remove_price(self, asked: Asked) -> Told:
        return await self._changed("remove", asked)

    async def _changed(self, do: Do, asked: Asked) -> Told:
        name = asked.params["name"]
        approve = partial(refuse_jump_of_entry, name, self._gateway.loaded, now=self._gateway.seams.now())
        made = await self._added.change(Wish(do, "prices", asked, author(asked.exchange), _tag, approve))
        if made.after is None:
            return Told(Removed("prices", name))
        return Told(self._added.told(made.after), _tag(made.after.version))

    def _told(self, deployment: str, rates: Rates | None) -> PriceObject:
        return price_object(deployment, rates, self._gateway.seams.now())


def price_object(deployment: str, rates: Rates | None, now: float) -> PriceObject:
    """Return the prices of a deployment in the form for clients. rates: None = the price is unknown. now:
    Unix seconds.
    """
    if rates is None:
        return PriceObject(deployment, None, [])
    held = rates.at(now)
    dated = [_dated(period, current=period is held) for period in rates.periods]
    return PriceObject(deployment, rates.source, dated)


def _dated(period: Period, *, current: bool) -> DatedPrice:
    hours = None
    if period.hours is not None:
        hours = "-".join(f"{minute // 60:02d}:{minute % 60:02d}" for minute in period.hours)
    tiers = {tier: _units(levels) for tier, levels in period.tiers.items()}
    since = None if period.since is None else utc(period.since)
    return DatedPrice(_units(period.usual), tiers, current, since, hours)


def _units(levels: Levels) -> list[UnitPrice]:
    found: list[UnitPrice] = []
    below: Mapping[str, int] = {}
    for level in levels:
        above = None if level.above < 0 else level.above
        found += [
            UnitPrice(unit, amount(price), per(unit), above)
            for unit, price in level.prices.items()
            if below.get(unit) != price
        ]
        below = level.prices
    return found


def _tag(version: int) -> str:
    return tags.etag({"version": version})
