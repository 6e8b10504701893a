"""Finds the prices of a configuration's deployments: from the deployments' own setting `price`, from the
section `prices`, or from the packaged table.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import TYPE_CHECKING, Final, TypeAlias

from dragoman.config.prices import LaterPrice, LongPrompts, Price, PriceEntry, UnitPrices
from dragoman.config.settings import Config
from dragoman.ir.units import MEASURES, TOKENS, TOOLS
from dragoman.providers.provider import Provider
from dragoman.providers.rates import Levels, Period, Rates, free, levels_of, nano
from dragoman.seams.clock import SYSTEM

if TYPE_CHECKING:
    from dragoman.providers.prices import PriceTable

OWN: Final = {"input_minutes": "input_audio_ms", "output_minutes": "output_audio_ms"}
"""Units that have another name in the settings: {name in the settings: name in `ir.units`}."""
UNITS: Final = (*(unit for unit in (*TOKENS, *MEASURES, *TOOLS) if not unit.endswith("_ms")), *OWN)
"""The units whose prices can be set, except images by quality or size (`images/hd`) and tools with other
names.
"""
HIGHEST: Final = Decimal(10_000)
"""The highest price that can be set, in USD for the amount that the setting's unit names."""
_PICTURES: Final = re.compile(r"images(/[a-z]{1,16})?(/[1-9]\d{0,4}x[1-9]\d{0,4})?")
_TOOL: Final = re.compile(r"[a-z][a-z_]{0,39}_requests")
_UNKNOWN: Final = Period(levels_of({-1: {}}))
_FREE: Final = {
    "local": "the model runs on this machine",
    "simulate": "the simulator calls nobody",
}

_Stated: TypeAlias = Price | PriceEntry | LaterPrice | UnitPrices | LongPrompts


def is_unit(name: str) -> bool:
    """Whether the settings accept a price for a unit with this name. The names are those of the settings:
    `input_minutes`, not `input_audio_ms`.
    """
    return name in UNITS or bool(_PICTURES.fullmatch(name) or _TOOL.fullmatch(name))


def counted(name: str, amount: object) -> int:
    """Return a price in nano-USD for the amount `ir.units.per(unit)`: a million tokens or characters, an hour
    of sound, a thousand of everything else. name: the unit's name in the settings. amount: the price in USD,
    as the setting states it.
    """
    scale = 60 if name in OWN else 1_000 if name.partition("/")[0] == "images" else 1
    return nano(Decimal(str(amount)) * scale)


def prices_in(section: _Stated) -> dict[str, int]:
    """Return the prices that a section states, by the unit's name in `ir.units`, in nano-USD for the amount
    `ir.units.per(unit)`.
    """
    stated = {"input": section.input, "output": section.output, **section.units}
    return {
        OWN.get(name, name): counted(name, amount) for name, amount in stated.items() if amount is not None
    }


def period_of(section: Price | PriceEntry | LaterPrice) -> Period:
    """Return the prices of a section, with those of its long prompts and service tiers. They hold from its
    day `since` on; without that day, always.
    """
    usual = prices_in(section)
    longer = {one.above: prices_in(one) for one in section.long_prompts}
    since = None if isinstance(section, Price) or section.since is None else float(section.since)
    return Period(
        _levels(usual, longer),
        {tier: _levels({**usual, **prices_in(one)}, longer) for tier, one in section.tiers.items()},
        since,
    )


def _levels(usual: Mapping[str, int], longer: Mapping[int, Mapping[str, int]]) -> Levels:
    return levels_of({-1: usual, **longer})


class Pricing:
    """Finds the prices of the deployments of one configuration.

    providers: the enabled accounts by name. opened: a function that opens the packaged table when it is first
    needed; None = open the table of this package.
    """

    def __init__(
        self,
        config: Config,
        providers: Mapping[str, Provider],
        opened: Callable[[], PriceTable] | None = None,
    ) -> None:
        self._providers = providers
        self._opened = opened or _packaged
        self._table: PriceTable | None = None
        self._entries = config.prices
        self._patterns = sorted(
            (name for name in config.prices if "*" in name), key=lambda one: (-len(one.replace("*", "")), one)
        )
        self._own: dict[str, Price] = {}
        for name, model in config.models.items():
            for target in model.targets:
                if target.price is not None:
                    use = f"local/{name}" if target.file is not None else target.use
                    self._own.setdefault(use, target.price)

    def forget(self) -> None:
        """Free the memory of the packaged table. It is opened again when it is needed."""
        self._table = None

    def rates(self, deployment: str) -> Rates | None:
        """Return the prices of a deployment (`provider/model`; for a model of the configuration that is a
        local file, `local/` and the model's name); None = unknown. The setting `price` of the deployment
        comes first (if it is stated several times, the first one), then `listed`.
        """
        if (own := self._own.get(deployment)) is not None:
            return Rates([period_of(own)], f"models: the price of {deployment}")
        return self.listed(deployment)

    def listed(self, deployment: str) -> Rates | None:
        """Return the prices that a deployment (`provider/model`) has if it states none itself: those of
        `prices`, or else of the packaged table; None = unknown. Before the day `since` of an entry of
        `prices`, the prices of the packaged table apply.
        """
        name = self.entry(deployment)
        if name is None:
            return self.packaged(deployment)
        entry = self._entries[name]
        periods = [period_of(entry), *sorted(map(period_of, entry.later), key=_since)]
        if periods[0].since is None:
            return Rates(periods, f"prices: {name}")
        before = self.packaged(deployment)
        if before is None:
            return Rates([_UNKNOWN, *periods], f"prices: {name}; until then unknown")
        return Rates([*before.periods, *periods], f"prices: {name}; until then {before.source}")

    def entry(self, deployment: str) -> str | None:
        """Return the name in `prices` that applies to a deployment (`provider/model`): the deployment's name;
        or else `vendor/model`; or else the pattern with the most characters besides `*` that matches one of
        these two names. None = no name applies.
        """
        names = self._names(deployment)
        for name in names:
            if name in self._entries:
                return name
        for pattern in self._patterns:
            if any(_matches(pattern, name) for name in names):
                return pattern
        return None

    def packaged(self, deployment: str) -> Rates | None:
        """Return the prices that a deployment (`provider/model`) has if neither its own setting nor `prices`
        states one: zero at the built-in providers `local` and `simulate`, otherwise those of the packaged
        table; None = unknown.
        """
        provider, _, model = deployment.partition("/")
        if provider in _FREE:
            return free(_FREE[provider])
        account = self._providers.get(provider)
        if account is None:
            return None
        model = account.base_models.get(model, model)
        if self._table is None:
            self._table = self._opened()
        found = None if account.vendor is None else self._table.find(account.vendor.name, model)
        if found is None and (vendor := self._table.vendor_at(account.base_url)) is not None:
            found = self._table.find(vendor, model)
        return found

    def _names(self, deployment: str) -> tuple[str, ...]:
        provider, _, model = deployment.partition("/")
        account = self._providers.get(provider)
        vendor = None if account is None or account.vendor is None else account.vendor.name
        return (deployment,) if vendor in {None, provider} else (deployment, f"{vendor}/{model}")


def _packaged() -> PriceTable:
    from dragoman.providers.prices import PriceTable  # few starts need it

    return PriceTable()


class Priced:
    """The deployments (`provider/model`) with a price of the input that is known now. Use it with `in`;
    `"local"`, which stands for any local file, is always in it.
    """

    def __init__(self, pricing: Pricing) -> None:
        self._pricing = pricing

    def __contains__(self, use: object) -> bool:
        if use == "local":
            return True  # a file of the operator's, on this machine
        rates = self._pricing.rates(use) if isinstance(use, str) else None
        return rates is not None and rates.usual(SYSTEM.now()) is not None


def _since(period: Period) -> float:
    return 0.0 if period.since is None else period.since


def _matches(pattern: str, name: str) -> bool:
    expression = ".*".join(map(re.escape, re.split(r"\*+", pattern)))
    return re.fullmatch(expression, name, re.DOTALL) is not None
