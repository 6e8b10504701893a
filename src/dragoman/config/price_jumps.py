"""Compares the prices of an entry with those that held before: a price that is ten times another one, or a
tenth of it, is probably a mistake.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

from dragoman.config.prices import LaterPrice, PriceEntry
from dragoman.config.pricing import OWN, prices_in
from dragoman.config.tree import join
from dragoman.providers.rates import Levels, Rates

JUMP: Final = 10
"""A price that is so many times another one, or such a part of it, is probably a mistake."""

_SETTINGS: Final = {unit: name for name, unit in OWN.items()}


class Jump(NamedTuple):
    """One price that is far from the one before. place: where in the entry it is stated. price, before:
    nano-USD for the amount `per(unit)`.
    """

    place: str
    unit: str
    price: int
    before: int


def jumps(stated: Mapping[str, int], usual: Mapping[str, int]) -> Iterator[tuple[str, int, int]]:
    """The units whose price is ten times the usual one or more, or a tenth or less: (unit, the stated price,
    the usual one). Prices of 0 are not compared, because something that is free was given so on purpose.
    """
    for unit, price in stated.items():
        before = usual.get(unit, 0)
        if before and price and (price >= JUMP * before or price * JUMP <= before):
            yield unit, price, before


def jumps_of(entry: PriceEntry, before: Rates, now: float) -> Iterator[Jump]:
    """All prices of an entry that are far from those that hold otherwise when they begin: also those of later
    days, of service tiers and of long prompts. A tier that had no price is compared with the usual one. now:
    Unix seconds.
    """
    yield from _of_section("", entry, before, now)
    for index, later in enumerate(entry.later):
        yield from _of_section(f"later[{index}].", later, before, now)


def _of_section(within: str, section: PriceEntry | LaterPrice, before: Rates, now: float) -> Iterator[Jump]:
    """The jumps of one section. within: the beginning of all its places."""
    period = before.at(max(float(section.since or 0), now))
    compared = [(within, prices_in(section), period.usual[0].prices)]
    for index, one in enumerate(section.long_prompts):
        where = f"{within}long_prompts[{index}]."
        compared.append((where, prices_in(one), _level(period.usual, one.above)))
    for tier, prices in section.tiers.items():
        levels = period.tiers.get(tier, period.usual)
        compared.append((f"{within}{join('tiers', tier)}.", prices_in(prices), levels[0].prices))
    for where, stated, usual in compared:
        for unit, price, other in jumps(stated, usual):
            yield Jump(where + _SETTINGS.get(unit, unit), unit, price, other)


def _level(levels: Levels, above: int) -> Mapping[str, int]:
    """The prices of a prompt with more tokens than `above`."""
    return [level for level in levels if level.above <= above][-1].prices
