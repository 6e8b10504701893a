"""The settings of prices.

A price has a setting for each unit. USD per million: tokens (`input`, `output` and the units of
`ir.units.TOKENS`) and `characters`. USD per minute: `input_minutes`, `output_minutes` (of audio that is sent,
or generated). USD for one: `images`, also by quality and size as `images/hd/1024x1792`. USD per thousand:
everything else.
"""

from __future__ import annotations

from typing import Annotated, ClassVar

from dragoman.config.scalars import Amount, Day
from dragoman.config.section import Section, about


class UnitPrices(Section, frozen=True):
    """Prices in one service tier, which replace the usual prices of the same units."""

    rest: ClassVar[str | None] = "units"

    input: Annotated[Amount | None, about(unit="USD per million tokens", default="the usual one")] = None
    """The price of the input."""
    output: Annotated[Amount | None, about(unit="USD per million tokens", default="the usual one")] = None
    """The price of the output."""
    units: dict[str, Amount] = {}
    """The price of another unit, by its name."""


class LongPrompts(Section, frozen=True):
    """Prices for requests with long prompts, which replace the usual prices of the same units.

    They also replace those of service tiers, and apply to all tokens of such a request. What a section does
    not state is as in the section with the next smaller `above`.
    """

    rest: ClassVar[str | None] = "units"

    above: Annotated[int, about(unit="tokens", ge=0)]
    """Prompts with more tokens than this are long."""
    input: Annotated[Amount | None, about(unit="USD per million tokens", default="the usual one")] = None
    """The price of the input."""
    output: Annotated[Amount | None, about(unit="USD per million tokens", default="the usual one")] = None
    """The price of the output."""
    units: dict[str, Amount] = {}
    """The price of another unit, by its name."""


class Price(Section, frozen=True):
    """The price of a deployment.

    A unit that is not listed has the price of a listed one where providers' pages agree (`reasoning` that of
    `output`, `cache_read` that of `input`). The price of every other unit is unknown, not zero.
    """

    rest: ClassVar[str | None] = "units"

    input: Annotated[Amount | None, about(unit="USD per million tokens", default="not known")] = None
    """The price of the input."""
    output: Annotated[Amount | None, about(unit="USD per million tokens", default="not known")] = None
    """The price of the output; 0 for embeddings."""
    long_prompts: tuple[LongPrompts, ...] = ()
    """Other prices for requests with long prompts."""
    tiers: dict[str, UnitPrices] = {}
    """Other prices in a service tier, such as `batch`, `flex` or `priority`. Other tiers have the usual
    price."""
    confirm: bool = False
    """True = the price is meant, although it is at least ten times the price in `prices` or in the packaged
    table, or at most a tenth of it.
    """
    units: dict[str, Amount] = {}
    """The price of another unit, by its name: `cache_read: 0.125`, `images: 0.04`. See
    [Units](prices.md#units)."""


class LaterPrice(Section, frozen=True):
    """A price that holds from a day on, until the next one in the list `later` begins."""

    rest: ClassVar[str | None] = "units"

    since: Day
    """The first day, which begins at 00:00 UTC."""
    input: Annotated[Amount | None, about(unit="USD per million tokens", default="not known")] = None
    """The price of the input."""
    output: Annotated[Amount | None, about(unit="USD per million tokens", default="not known")] = None
    """The price of the output; 0 for embeddings."""
    long_prompts: tuple[LongPrompts, ...] = ()
    """Other prices for requests with long prompts."""
    tiers: dict[str, UnitPrices] = {}
    """Other prices in a service tier."""
    units: dict[str, Amount] = {}
    """The price of another unit, by its name."""


class PriceEntry(Section, frozen=True):
    """The price of the deployments that the entry's name fits.

    The name is `provider/model`, `vendor/model`, or one of these with `*`.
    """

    rest: ClassVar[str | None] = "units"

    since: Annotated[Day | None, about(default="always")] = None
    """The first day of this price, which begins at 00:00 UTC. Before that day the packaged table applies."""
    input: Annotated[Amount | None, about(unit="USD per million tokens", default="not known")] = None
    """The price of the input."""
    output: Annotated[Amount | None, about(unit="USD per million tokens", default="not known")] = None
    """The price of the output; 0 for embeddings."""
    long_prompts: tuple[LongPrompts, ...] = ()
    """Other prices for requests with long prompts."""
    tiers: dict[str, UnitPrices] = {}
    """Other prices in a service tier."""
    later: tuple[LaterPrice, ...] = ()
    """Prices from later days on."""
    confirm: bool = False
    """True = the price is meant, although it is at least ten times the price in the packaged table, or at
    most a tenth of it.
    """
    units: dict[str, Amount] = {}
    """The price of another unit, by its name."""
