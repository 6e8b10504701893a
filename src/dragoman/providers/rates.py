"""The prices of one model, and the bills that follow from them. The amounts of bills are whole nano-USD (10⁻⁹
USD), never floats. Pure.

A price is stated for a certain amount of its unit (`ir.units.per`). Each line of a bill is rounded once, half
to even. A higher price for long prompts holds for the whole request, not only for the tokens above the limit.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Final, NamedTuple, TypeAlias

import msgspec

from dragoman.ir.units import INPUT, KINDS, OUTPUT, TOKENS, is_tool, per

NANO: Final = 1_000_000_000
"""nano-USD in one USD."""
USUAL_TIERS: Final = frozenset({"auto", "default", "on_demand", "scale", "standard", "standard_only"})
"""Service tiers with the usual prices. `scale` is capacity that was paid for in advance."""
TEXT: Final = frozenset(
    {"input", "cache_write", "cache_write_5m", "cache_write_1h", "tool_input", "output", "reasoning"}
)
"""The units as which a token of text can be billed, except `cache_read`, which usually costs less than the
others.
"""
ANSWERS: Final = TEXT | frozenset(OUTPUT)
"""`TEXT`, and the units of all content that an answer can consist of."""
EVERYTHING: Final = TEXT | frozenset(TOKENS)
"""All units of tokens of prompts and answers."""

Prices: TypeAlias = Mapping[str, int]
"""Unit -> its price in nano-USD for the amount `per(unit)`."""

_Bound: TypeAlias = tuple[int, int, int, int]
"""(above, input, output, request): for prompts with more than `above` tokens, the highest price of input and
of output in nano-USD for a million tokens, and the price of the request itself in nano-USD.
"""
_INPUT: Final = frozenset(INPUT)
_MILLION: Final = 1_000_000
_MOST_BOUNDS: Final = 64
_TOKENS: Final = frozenset(TOKENS)


class Level(NamedTuple):
    """The prices of requests whose prompts have more tokens than `above`, up to the `above` of the next
    level.
    """

    above: int
    prices: Prices


Levels: TypeAlias = tuple[Level, ...]
"""Levels in the order of their `above`, which is -1 for the first level. A prompt has the prices of the last
level whose `above` it exceeds.
"""


class Period(msgspec.Struct, frozen=True):
    """Prices that hold from a certain time on. usual: the prices in the usual service tier (`USUAL_TIERS` has
    its names). tiers: the prices in other service tiers, by the tier's name. since: Unix seconds; None = the
    period has no beginning. hours: (start, end) in minutes of the day in UTC, if the prices hold only from
    start until before end; an end before the start is on the next day; if both are equal, the prices never
    hold. None = all day. strict: whether the price in a service tier that is not in `tiers` is unknown; False
    = such a tier has the usual prices. least, most: {unit: amount}; an answer whose units have this one is
    billed at least `least` and at most `most` of it.
    """

    usual: Levels
    tiers: Mapping[str, Levels] = {}
    since: float | None = None
    hours: tuple[int, int] | None = None
    strict: bool = False
    least: Mapping[str, int] = {}
    most: Mapping[str, int] = {}

    def holds(self, at: float) -> bool:
        if self.since is not None and at < self.since:
            return False
        if self.hours is None:
            return True
        start, end = self.hours
        minute = int(at // 60) % 1440
        return start <= minute < end if start <= end else minute >= start or minute < end


class BillLine(NamedTuple):
    """One unit of a bill. amount: the billed amount. price: nano-USD for the amount `per(unit)`; None =
    unknown. cost: nano-USD; None = unknown, which does not mean 0.
    """

    unit: str
    amount: int
    price: int | None
    cost: int | None


class Bill(msgspec.Struct, frozen=True):
    """The cost of an answer, in nano-USD. cost: None = at least one price, or that of the service tier, is
    unknown. priced: the sum of the lines whose cost is known. price: where the prices are from, a text for
    people; it says so if the price is a guess or the price of a service tier is unknown.
    """

    cost: int | None
    priced: int
    lines: tuple[BillLine, ...] = ()
    price: str = ""


class Rates:
    """The prices of one model at one provider.

    periods: at least one. Of several periods that hold at a time, the last one is used; if none holds, the
    first one. source: where the prices are from, a text for people. told: whether the provider's answers
    state their cost (`ir.units.told_cost`); callers then use a stated cost instead of these prices. The
    methods here ignore `told`.
    """

    def __init__(self, periods: Iterable[Period], source: str, *, told: bool = False) -> None:
        self.periods = tuple(periods)
        self.source = source
        self.told = told
        self._bounds: dict[tuple[int, str | None, frozenset[str]], tuple[_Bound, ...]] = {}
        self._only = self.periods[0] if len(self.periods) == 1 else None
        self._each = dict(_each_of(self.periods))

    def at(self, at: float) -> Period:
        """Return the period whose prices are used at this time: the last period that holds, or the first
        period if none holds. at: Unix seconds.
        """
        if self._only is not None:
            return self._only
        for period in reversed(self.periods):
            if period.holds(at):
                return period
        return self.periods[0]

    def bill(self, units: Mapping[str, int], *, at: float, tier: str | None = None) -> Bill:
        """Return the bill for one answer. units: unit (as `ir.units` names it) -> amount. The sum of all its
        input tokens is the length of the prompt, which decides the level of the prices. at: Unix seconds.
        tier: the service tier that the provider states, None = the usual one. A tier without stated prices
        has the usual ones; if the period is `strict`, the bill's `cost` is then None.
        """
        period = self.at(at)
        levels, known = period.usual, True
        if tier is not None and tier not in USUAL_TIERS:
            found = period.tiers.get(tier)
            if found is None:
                known = not period.strict
            else:
                levels = found
        prices = _level(levels, units).prices
        if period.least or period.most or "requests" in prices:
            units = _billed(units, period, prices)
        lines, whole = _lines(units, prices)
        priced = sum([line.cost for line in lines if line.cost is not None])
        source = self.source if known else f"{self.source}; the price of the tier {tier[:32]!r} is unknown"  # type: ignore[index]
        return Bill(priced if whole and known else None, priced, lines, source)

    def cost(
        self, units: Mapping[str, int], at: float, tier: str | None = None
    ) -> tuple[int | None, int, str]:
        """Return the fields `cost`, `priced` and `price` of the `Bill` that `bill` returns for the same
        arguments. Usually this method is faster, because it makes no lines.
        """
        period = self._only or self.at(at)
        levels = period.usual if tier is None or tier in USUAL_TIERS else period.tiers.get(tier)
        if levels is not None:
            try:
                each = self._each[id(levels[0] if len(levels) == 1 else _level(levels, units))]
                cost = 0
                for unit, amount in units.items():
                    cost += amount * each[unit]
            except KeyError:
                pass
            else:
                return cost, cost, self.source
        bill = self.bill(units, at=at, tier=tier)
        return bill.cost, bill.priced, bill.price

    def at_most(
        self,
        input_tokens: int,
        output_tokens: int,
        *,
        at: float | None = None,
        tier: str | None = None,
        kinds: frozenset[str] = TEXT,
    ) -> int:
        """Return about the highest cost in nano-USD that the tokens of a request and the price of the request
        itself can have, as far as prices are known. This amount is reserved before the request is sent. Not
        included are minimum amounts (`Period.least`), pictures, sound that is billed by time, and uses of a
        provider's tools.

        input_tokens, output_tokens: the most tokens of the prompt and of the answer. at: Unix seconds; None =
        the highest cost in any period. tier: a service tier; the result is the higher one of the costs in
        this tier and in the usual one; None = the highest cost in any tier. kinds: the units of tokens that
        the request may use; each token is taken to be of the dearest one. For sound or pictures, the units of
        their tokens must be among them.
        """
        most = 0
        for period in self.periods if at is None else (self.at(at),):
            key = (id(period), tier, kinds)
            bounds = self._bounds.get(key)
            if bounds is None:
                if len(self._bounds) >= _MOST_BOUNDS:
                    self._bounds.clear()
                bounds = self._bounds[key] = _bounds(period, tier, kinds)
            for above, asked, said, fixed in bounds:
                if input_tokens > above:
                    most = max(most, -(-(input_tokens * asked + output_tokens * said) // _MILLION) + fixed)
        return most

    def prices(self, unit: str) -> bool:
        """Whether any period has a price for the unit in any service tier. A unit of pictures (`images/…`)
        may also have the price of a more general unit.
        """
        return any(
            unit in level.prices
            or (unit.startswith("images") and _of_picture(unit, level.prices) is not None)
            for period in self.periods
            for levels in (period.usual, *period.tiers.values())
            for level in levels
        )

    def usual(self, at: float) -> tuple[float, float] | None:
        """Return USD for a million tokens of (input, output), for the shortest prompts in the usual service
        tier; None = the price of input is unknown. The price of output is 0 if none is stated, as for
        embeddings. at: Unix seconds.
        """
        prices = self.at(at).usual[0].prices
        if "input" not in prices:
            return None
        return prices["input"] / NANO, prices.get("output", 0) / NANO


FREE: Final = dict.fromkeys((*TOKENS, "images", "characters", "input_audio_ms", "output_audio_ms"), 0) | {
    "search_units": 0
}
"""Prices of 0, for models on this machine."""


def free(source: str) -> Rates:
    """Return rates with a price of 0 for everything that models on this machine use (`FREE`). source: why the
    model costs nothing, a text for people.
    """
    return Rates((Period((Level(-1, FREE),)),), source)


def nano(usd: Decimal | str) -> int:
    """Return nano-USD for an amount in USD, rounded half to even."""
    return int((Decimal(usd) * NANO).to_integral_value())


def levels_of(steps: Mapping[int, Mapping[str, int]]) -> Levels:
    """Return the levels for {above so many tokens: prices}, in which the lowest key is -1. A level takes the
    prices that it does not state from the level below, and then the prices that `completed` adds.
    """
    found: list[Level] = []
    prices: dict[str, int] = {}
    for above, stated in sorted(steps.items()):
        prices = {**prices, **stated}
        found.append(Level(above, completed(prices)))
    return tuple(found)


def completed(stated: Prices) -> Prices:
    """Return the stated prices, and prices for units that price pages do not state separately.

    A unit without a stated price gets the price of another unit, if that one is known: `reasoning` that of
    `output`; `tool_input`, `cache_read` and `cache_write` that of `input`; `cache_write_5m` that of
    `cache_write`. Input pictures and films get the price of `input`, and that of `cache_read` if they are
    read from a cache. If input sound, pictures or films have a stated price, they cost the same when they are
    read from a cache. `cache_write_1h` gets the price of `cache_write` only if neither of them is stated. The
    prices of input sound and of pictures, films or sound in an answer stay unknown if they are not stated.
    """
    prices = dict(stated)

    def default(unit: str, *others: str) -> None:
        if unit not in prices:
            price = next((prices[other] for other in others if other in prices), None)
            if price is not None:
                prices[unit] = price

    default("reasoning", "output")
    default("tool_input", "input")
    default("cache_read", "input")
    hour = "cache_write" not in prices
    default("cache_write", "input")
    default("cache_write_5m", "cache_write")
    if hour:
        default("cache_write_1h", "cache_write")
    for kind in KINDS:
        if f"input_{kind}" in prices:
            default(f"cache_read_{kind}", f"input_{kind}")
        elif kind != "audio":
            default(f"input_{kind}", "input")
            default(f"cache_read_{kind}", "cache_read")
    return prices


def _each_of(periods: Iterable[Period]) -> Iterator[tuple[int, Prices]]:
    """Yield (`id` of a level, {unit: nano-USD for an amount of 1}) for each level without a price for the
    request itself. Units are left out if this is no whole number, or if the period bounds their billed
    amounts (`least`, `most`).
    """
    for period in periods:
        bounded = {*period.least, *period.most}
        for levels in (period.usual, *period.tiers.values()):
            for level in levels:
                if "requests" not in level.prices:
                    prices = [one for one in level.prices.items() if one[0] not in bounded]
                    yield (
                        id(level),
                        {unit: price // n for unit, price in prices if not price % (n := per(unit))},
                    )


def _billed(units: Mapping[str, int], period: Period, prices: Prices) -> Mapping[str, int]:
    """Return a copy of `units` with the amounts that the provider bills: units that are in `units` are within
    the period's `least` and `most`; and one request is added if the request itself has a price and `units`
    has no number of requests.
    """
    billed = {unit: max(amount, period.least.get(unit, 0)) for unit, amount in units.items()}
    billed |= {unit: min(billed[unit], most) for unit, most in period.most.items() if unit in billed}
    if "requests" in prices:
        billed.setdefault("requests", 1)
    return billed


def _level(levels: Levels, units: Mapping[str, int]) -> Level:
    if len(levels) == 1:
        return levels[0]
    return _above(levels, sum([amount for unit, amount in units.items() if unit in _INPUT]))


def _bounds(period: Period, tier: str | None, kinds: frozenset[str]) -> tuple[_Bound, ...]:
    """Return the highest prices of each level, without duplicates: of the levels of the usual service tier,
    and of those of `tier`; None = of all tiers.
    """
    listed = [period.usual, *(levels for name, levels in period.tiers.items() if tier in {None, name})]
    return tuple({_dearest(level, kinds): None for levels in listed for level in levels})


def _dearest(level: Level, kinds: frozenset[str]) -> _Bound:
    prices = level.prices
    asked = max([prices[unit] for unit in INPUT if unit in kinds and unit in prices], default=0)
    said = max([prices[unit] for unit in OUTPUT if unit in kinds and unit in prices], default=0)
    return level.above, asked, said, -(-prices.get("requests", 0) // per("requests"))


def _above(levels: Levels, tokens: int) -> Level:
    """Return the last level whose `above` is less than `tokens`."""
    return levels[max(bisect_left(levels, tokens, key=_start) - 1, 0)]


def _start(level: Level) -> int:
    return level.above


def _lines(units: Mapping[str, int], prices: Prices) -> tuple[tuple[BillLine, ...], bool]:
    """Return (the lines of a bill, whether the cost of all lines is known). A unit without a price has a line
    with an unknown cost, with two exceptions, because an answer may state the same work in tokens and in
    another measure (pictures, seconds): tokens, if another measure in `units` has a price; and another
    measure, if tokens or a further measure have one. A price of `requests` or of tools does not count for
    this, and uses of tools without a price always have a line.
    """
    lines: list[BillLine] = []
    odd: list[BillLine] = []
    tokens = measures = False
    for unit, amount in units.items():
        price = prices.get(unit)
        if price is None and unit.startswith("images/"):
            price = _of_picture(unit, prices)
        if price is None:
            odd.append(BillLine(unit, amount, None, None))
            continue
        lines.append(BillLine(unit, amount, price, _rounded(amount * price, per(unit))))
        if unit in _TOKENS:
            tokens = True
        elif unit != "requests" and not is_tool(unit):
            measures = True
    if not odd:
        return tuple(lines), True
    unknown = [
        one
        for one in odd
        if is_tool(one.unit) or not (measures if one.unit in _TOKENS else tokens or measures)
    ]
    return (*lines, *unknown), not unknown


def _of_picture(unit: str, prices: Prices) -> int | None:
    """Return the price of pictures whose exact unit (`images/hd/1024x1792`) has none: the price of this
    quality (`images/hd`), or else of this size (`images/1024x1792`), or else of all pictures (`images`); None
    = there is none of these.
    """
    first, *words = unit.split("/")
    for name in (*(f"{first}/{word}" for word in words), first):
        if (price := prices.get(name)) is not None:
            return price
    return None


def _rounded(amount: int, divisor: int) -> int:
    """Return `amount / divisor`, rounded half to even."""
    whole, rest = divmod(amount, divisor)
    if 2 * rest > divisor or (2 * rest == divisor and whole % 2):
        whole += 1
    return whole
