"""Compares the prices of an entry, or of one deployment, with the prices that hold without them. A price that
is at least ten times the other one, or at most a tenth of it, is probably a mistake.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import inf
from typing import Final, NamedTuple

from dragoman.config.prices import LaterPrice, Price, PriceEntry
from dragoman.config.pricing import OWN, prices_in
from dragoman.errors import setting_path
from dragoman.providers.rates import Levels, Period, Rates

JUMP: Final = 10
"""A price that is so many times another one, or such a part of it, is probably a mistake."""

_SETTINGS: Final = {unit: name for name, unit in OWN.items()}


class Jump(NamedTuple):
    """One price of an entry that is far from the price without the entry. place: the path of the price within
    the entry. unit: the unit's name in `ir.units`. price: the entry's price. before: the price without the
    entry. Both are nano-USD for the amount `ir.units.per(unit)`.
    """

    place: str
    unit: str
    price: int
    before: int


def jumps(stated: Mapping[str, int], usual: Mapping[str, int]) -> Iterator[tuple[str, int, int]]:
    """Yield (unit, stated price, usual price) for each unit whose stated price is at least ten times the
    usual price, or at most a tenth of it. stated, usual: by unit, prices in nano-USD for the same amounts. A
    price of 0 is not compared, because such a price is stated on purpose.
    """
    for unit, price in stated.items():
        before = usual.get(unit, 0)
        if before and price and (price >= JUMP * before or price * JUMP <= before):
            yield unit, price, before


def jumps_of(entry: PriceEntry | Price, before: Rates, now: float) -> Iterator[Jump]:
    """Yield the prices of an entry, also of its later dates, service tiers and long prompts, that are far
    (`jumps`: ten times or a tenth) from the prices that hold without the entry, now or later. As these may
    change, one price may be yielded several times. entry: of `prices`, or a deployment's own price. before:
    the prices without the entry. now: Unix seconds.
    """
    sections: list[tuple[str, PriceEntry | LaterPrice | Price]] = [("", entry)]
    begins = [now]
    if isinstance(entry, PriceEntry):
        sections += [(f"later[{index}].", later) for index, later in enumerate(entry.later)]
        begins = [max(float(since or 0), now) for since in (entry.since, *(one.since for one in entry.later))]
    for (within, section), begin, end in zip(sections, begins, [*begins[1:], inf], strict=True):
        if end <= now:
            continue  # the next price has replaced it
        changes = [one.since for one in before.periods if one.since is not None and begin < one.since < end]
        for at in (begin, *changes):
            yield from _of_section(within, section, before.at(at))


def _of_section(within: str, section: PriceEntry | LaterPrice | Price, period: Period) -> Iterator[Jump]:
    """Yield the jumps of one section of an entry, compared with the prices of a period. within: the text with
    which each `Jump.place` begins.
    """
    compared = [(within, prices_in(section), period.usual[0].prices)]
    for index, one in enumerate(section.long_prompts):
        where = f"{within}long_prompts[{index}]."
        compared.append((where, prices_in(one), _level(period.usual, one.above)))
    for tier, prices in section.tiers.items():
        levels = period.tiers.get(tier, period.usual)
        compared.append((f"{within}{setting_path('tiers', tier)}.", prices_in(prices), levels[0].prices))
    for where, stated, usual in compared:
        for unit, price, other in jumps(stated, usual):
            yield Jump(where + _SETTINGS.get(unit, unit), unit, price, other)


def _level(levels: Levels, above: int) -> Mapping[str, int]:
    """Return the prices for a prompt with one token more than `above`."""
    return [level for level in levels if level.above <= above][-1].prices
