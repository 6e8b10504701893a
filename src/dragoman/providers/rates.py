"""What one model costs, and the bills that follow from it. Exact: whole nano-USD (10⁻⁹ USD), no float. Pure.

A price is stated for a certain amount of its unit (`ir.units.per`). Each line of a bill is rounded once, half
to even. All vendors that charge more for long prompts charge the whole request at the higher price, not only
what is above the bound, so this is the only form of such tiers here.
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
"""Service tiers that cost as usual. `scale` is capacity that was paid before."""
TEXT: Final = frozenset(
    {"input", "cache_write", "cache_write_5m", "cache_write_1h", "tool_input", "output", "reasoning"}
)
"""The units that a token of text can be billed as; one from a cache costs less."""
ANSWERS: Final = TEXT | frozenset(OUTPUT)
"""`TEXT`, and the units of everything that an answer can be made of."""
EVERYTHING: Final = TEXT | frozenset(TOKENS)
"""The units of everything that can be asked and answered, in tokens."""

Prices: TypeAlias = Mapping[str, int]
"""nano-USD by unit, for the amount `per(unit)`."""

_Bound: TypeAlias = tuple[int, int, int, int]
"""For prompts with more tokens than the first number: the dearest price of input and of output, and what the
request itself costs.
"""
_INPUT: Final = frozenset(INPUT)
_MILLION: Final = 1_000_000
_MOST_BOUNDS: Final = 64
_TOKENS: Final = frozenset(TOKENS)


class Level(NamedTuple):
    """The prices of requests whose prompt has more tokens than `above`."""

    above: int
    prices: Prices


Levels: TypeAlias = tuple[Level, ...]
"""By rising `above`; the first one's is -1."""


class Period(msgspec.Struct, frozen=True):
    """Prices that hold from a time on. usual: those of the usual service tier. tiers: those of others. since:
    Unix seconds; None = always. hours: (start, end) in minutes of the day in UTC, if they hold only then.
    strict: whether a service tier without a price of its own is unknown; False = it costs as usual. least,
    most: {unit: the smallest, the largest amount that one answer is billed}.
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
    """One unit of a bill. price: nano-USD for the amount `per(unit)`; None = unknown. cost: nano-USD; None =
    unknown, which is not 0.
    """

    unit: str
    amount: int
    price: int | None
    cost: int | None


class Bill(msgspec.Struct, frozen=True):
    """What an answer cost, in nano-USD. cost: None = a price is unknown. priced: the part that is known.
    price: where the prices are from, for people; a guess is named here.
    """

    cost: int | None
    priced: int
    lines: tuple[BillLine, ...] = ()
    price: str = ""


class Rates:
    """What one model costs at one provider.

    periods: at least one; of those that hold at a time, the last one counts, or else the first. source: where
    the prices are from, for people. told: whether the provider's answers state what they cost, which counts
    more than these prices (`ir.units.told_cost`).
    """

    def __init__(self, periods: Iterable[Period], source: str, *, told: bool = False) -> None:
        self.periods = tuple(periods)
        self.source = source
        self.told = told
        self._bounds: dict[tuple[int, str | None, frozenset[str]], tuple[_Bound, ...]] = {}
        self._only = self.periods[0] if len(self.periods) == 1 else None
        self._each = dict(_each_of(self.periods))

    def at(self, at: float) -> Period:
        """The prices that hold at a time, in Unix seconds."""
        if self._only is not None:
            return self._only
        for period in reversed(self.periods):
            if period.holds(at):
                return period
        return self.periods[0]

    def bill(self, units: Mapping[str, int], *, at: float, tier: str | None = None) -> Bill:
        """The bill for one answer. units: amounts by unit, as `ir.units` names them. at: Unix seconds. tier:
        the service tier that the provider states, None = the usual one.
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
        """`cost`, `priced` and `price` of the bill for one answer, without its lines. The arguments are those
        of `bill`.
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
        """The most nano-USD that a request can cost, as far as prices are known: what is to be reserved.

        at: None = whenever it is. tier: None = in any service tier. kinds: the units of tokens that it may
        use; with sound or pictures also theirs. Uses of a provider's tools are not included.
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
        """Whether the unit has a price, at any time and in any tier."""
        return any(
            unit in level.prices
            or (unit.startswith("images") and _of_picture(unit, level.prices) is not None)
            for period in self.periods
            for levels in (period.usual, *period.tiers.values())
            for level in levels
        )

    def usual(self, at: float) -> tuple[float, float] | None:
        """USD per million tokens of input and of output, for short prompts in the usual tier; None = at least
        the price of the input is unknown. A model without a price of the output (embeddings) has 0.
        """
        prices = self.at(at).usual[0].prices
        if "input" not in prices:
            return None
        return prices["input"] / NANO, prices.get("output", 0) / NANO


FREE: Final = dict.fromkeys((*TOKENS, "images", "characters", "input_audio_ms", "output_audio_ms"), 0) | {
    "search_units": 0
}
"""The prices of what costs nothing but electricity: models on this machine."""


def free(source: str) -> Rates:
    """The rates of a model that costs nothing. source: why, for people."""
    return Rates((Period((Level(-1, FREE),)),), source)


def nano(usd: Decimal | str) -> int:
    """nano-USD for an amount in USD, rounded half to even."""
    return int((Decimal(usd) * NANO).to_integral_value())


def levels_of(steps: Mapping[int, Mapping[str, int]]) -> Levels:
    """The levels for {above so many tokens: prices}. A level also has the prices of lower ones that it does
    not state. The lowest key is -1.
    """
    found: list[Level] = []
    prices: dict[str, int] = {}
    for above, stated in sorted(steps.items()):
        prices = {**prices, **stated}
        found.append(Level(above, completed(prices)))
    return tuple(found)


def completed(stated: Prices) -> Prices:
    """The stated prices, and those of units that pages do not price apart.

    Without a price of their own, tokens from a cache cost what new ones do, those written to it too, those
    of tools what other input does, pictures and films that are sent what text does, and reasoning what other
    output does. There is no such rule for sound, for what is made of pictures, films or sound, and for a
    cache of an hour: their prices are unknown then.
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
    """What one of each unit costs, by the level's identity: of those units whose cost is a whole number, as
    it nearly always is, and whose amount is billed as it is. Levels with a price of the request itself have
    none, because it is no unit's price.
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
    """The amounts that are billed for these."""
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
    """The dearest prices of a period, in one tier (or the usual one, if it is dearer) or in all."""
    listed = [period.usual, *(levels for name, levels in period.tiers.items() if tier in {None, name})]
    return tuple({_dearest(level, kinds): None for levels in listed for level in levels})


def _dearest(level: Level, kinds: frozenset[str]) -> _Bound:
    prices = level.prices
    asked = max([prices[unit] for unit in INPUT if unit in kinds and unit in prices], default=0)
    said = max([prices[unit] for unit in OUTPUT if unit in kinds and unit in prices], default=0)
    return level.above, asked, said, -(-prices.get("requests", 0) // per("requests"))


def _above(levels: Levels, tokens: int) -> Level:
    """The level for a prompt of so many tokens."""
    return levels[max(bisect_left(levels, tokens, key=_start) - 1, 0)]


def _start(level: Level) -> int:
    return level.above


def _lines(units: Mapping[str, int], prices: Prices) -> tuple[tuple[BillLine, ...], bool]:
    """The lines of a bill, and whether all that was used has a price.

    Providers bill the same work by tokens or by another measure, such as pictures or seconds, and answers may
    state both. So a measure without a price is left out if anything else of the work has one, and tokens
    without a price are left out if another measure has one.
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
    """The price of pictures: of this quality and size, of this quality, of this size, or of any."""
    first, *words = unit.split("/")
    for name in (*(f"{first}/{word}" for word in words), first):
        if (price := prices.get(name)) is not None:
            return price
    return None


def _rounded(amount: int, divisor: int) -> int:
    """`amount / divisor`, rounded half to even."""
    whole, rest = divmod(amount, divisor)
    if 2 * rest > divisor or (2 * rest == divisor and whole % 2):
        whole += 1
    return whole
