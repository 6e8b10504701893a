"""`dragoman prices`: shows what models cost, sets prices of a running gateway, and reads files of prices."""

from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from dragoman.cli.adding import Stated, entry_of, removing
from dragoman.cli.asked import asked_of, from_gateway, gateway_options, nobody
from dragoman.cli.command import Group
from dragoman.cli.options import config_option, loaded, with_kept
from dragoman.cli.terminal import ANSWER_IS_NO, MISUSE, Failure, Terminal, clean

if TYPE_CHECKING:
    from collections.abc import Mapping

    from dragoman.config.load import Loaded
    from dragoman.providers.rates import Levels, Rates

_PATH: Final = "/admin/prices"
_SCALES: Final = {1_000_000: "million", 3_600_000: "hour", 1_000: "thousand"}
_MOST: Final = 50
"""The most lines that `check` shows of a file without --all."""

command = Group(
    "prices",
    help="Show what models cost, set prices of a running gateway, and check or import files of prices.",
    examples=("dragoman prices list", "dragoman prices show openai/gpt-5"),
)


@command.command("list", examples=("dragoman prices list", "dragoman prices list --config team.yaml --json"))
@config_option
@click.pass_obj
def list_(terminal: Terminal, file: Path | None) -> None:
    """What the deployments of the configuration cost, and where each price is from."""
    from dragoman.assembly.prices import prices_of

    found = with_kept(terminal, loaded(terminal, file))
    rates = prices_of(found)
    rows = [(use, rates(use)) for use in _uses(found)]
    if terminal.as_json:
        terminal.result([_json(use, one) for use, one in rows])
        return
    terminal.table(
        ("deployment", "input", "output", "from"),
        [(use, *_usual(one), "unknown" if one is None else one.source) for use, one in rows],
        wraps=True,
    )
    terminal.say("USD per million tokens, now, for short prompts in the usual tier; — is unknown, not free")


@command.command(examples=("dragoman prices show openai/gpt-5", "dragoman prices show openai/gpt-5 --json"))
@click.argument("model")
@config_option
@click.pass_obj
def show(terminal: Terminal, model: str, file: Path | None) -> None:
    """Everything about the price of MODEL (`provider/model`): all units, tiers and dates."""
    from dragoman.assembly.prices import prices_of

    if "/" not in model:
        raise Failure(MISUSE, f"expected provider/model, found {clean(model)!r}", hint="openai/gpt-5")
    rates = prices_of(with_kept(terminal, loaded(terminal, file)))(model)
    if terminal.as_json:
        terminal.result(_json(model, rates))
        return
    if rates is None:
        raise Failure(
            ANSWER_IS_NO,
            f"the price of {clean(model)} is unknown",
            hint=f"dragoman prices set {clean(model)} input=1.25 output=10",
        )
    terminal.say(f"{clean(model)}: {rates.source}")
    for period in rates.periods:
        when = "always" if period.since is None else f"from {_day(period.since)}"
        if period.hours is not None:
            when += " from {:02d}:{:02d} to {:02d}:{:02d} UTC".format(
                *divmod(period.hours[0], 60), *divmod(period.hours[1], 60)
            )
        for tier, levels in {"": period.usual, **period.tiers}.items():
            terminal.say(" ".join(filter(None, (when, tier and f"tier {tier}"))))
            terminal.table(
                ("unit", "USD", "per", "prompts above"),
                [
                    (unit, usd, _SCALES[per], "" if above is None else f"{above:,} tokens")
                    for unit, usd, per, above in _table(levels)
                ],
            )


@command.command(
    "set",
    examples=(
        "dragoman prices set openai/gpt-5 input=1.25 output=10 cache_read=0.125",
        "dragoman prices set mine/whisper input_minutes=0.006 since=2026-12-01",
    ),
)
@click.argument("name")
@click.argument("settings", nargs=-1, metavar="[SETTING=VALUE]...")
@click.option(
    "--from", "source", type=click.Path(path_type=Path, allow_dash=True), help="A YAML file with them."
)
@click.option("--yes", "-y", is_flag=True, help="Set it, even if it is far from the price until now.")
@gateway_options
@click.pass_obj
def set_(
    terminal: Terminal,
    name: str,
    settings: tuple[str, ...],
    *,
    source: Path | None,
    yes: bool,
    file: Path | None,
    url: str | None,
    key: str | None,
) -> None:
    """Set the price of NAME (`provider/model`, or a pattern) in a running gateway, also for later starts."""
    entry = entry_of(Stated(settings, source))
    if yes and isinstance(entry, dict):
        entry["confirm"] = True
    found = from_gateway(asked_of(terminal, file, url, key), _PATH, name, method="PUT", body=entry)
    if found is None:
        raise nobody()
    if terminal.as_json:
        terminal.result(found)
        return
    terminal.note("ok", f"the price of {clean(name)} is set, version {found['version']}")


removing(
    command,
    "prices",
    "Remove a price that was set; what a file or the packaged table says counts again.",
    "openai/gpt-5",
)


@command.command(examples=("dragoman prices check prices.yaml", "dragoman prices check litellm.json --json"))
@click.argument("prices", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--only", metavar="PATTERN", multiple=True, help="Only these models, such as 'openai/*'.")
@config_option
@click.pass_obj
def check(terminal: Terminal, prices: Path, only: tuple[str, ...], file: Path | None) -> None:
    """Check a file of prices: ours, or LiteLLM's model_prices_and_context_window.json.

    With --json it prints the prices as `prices` of a configuration has them.
    """
    entries = _read(prices, only)
    problems = _problems(loaded(terminal, file), entries)
    if terminal.as_json:
        terminal.result({"prices": entries, "problems": problems})
    else:
        for text in problems[:_MOST]:
            terminal.note("bad", clean(text))
        if len(problems) > _MOST:
            terminal.say(f"… and {len(problems) - _MOST} more")
        terminal.note("bad" if problems else "ok", f"{len(entries)} prices, {len(problems)} with a problem")
    if problems:
        raise click.exceptions.Exit(ANSWER_IS_NO)


@command.command("import", examples=("dragoman prices import litellm.json --only 'mistral/*'",))
@click.argument("prices", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--only", metavar="PATTERN", multiple=True, help="Only these models, such as 'openai/*'.")
@click.option("--yes", "-y", is_flag=True, help="Set also those that are far from the price until now.")
@gateway_options
@click.pass_obj
def import_(
    terminal: Terminal,
    prices: Path,
    only: tuple[str, ...],
    *,
    yes: bool,
    file: Path | None,
    url: str | None,
    key: str | None,
) -> None:
    """Set all prices of a file, one by one, in a running gateway: ours, or LiteLLM's."""
    entries = _read(prices, only)
    asked = asked_of(terminal, file, url, key)
    refused: dict[str, str] = {}
    for name, entry in entries.items():
        body = {**entry, "confirm": True} if yes else entry
        try:
            if from_gateway(asked, _PATH, name, method="PUT", body=body) is None:
                raise nobody()
        except Failure as failure:
            if failure.code != ANSWER_IS_NO:
                raise
            refused[name] = str(failure)
    if terminal.as_json:
        terminal.result({"set": [name for name in entries if name not in refused], "refused": refused})
    else:
        for name, why in refused.items():
            terminal.note("bad", f"{clean(name)}: {clean(why)}")
        terminal.note("bad" if refused else "ok", f"{len(entries) - len(refused)} of {len(entries)} are set")
    if refused:
        raise click.exceptions.Exit(ANSWER_IS_NO)


def _read(file: Path, only: tuple[str, ...]) -> dict[str, dict[str, Any]]:
    """The entries of a file of prices whose names match one of the patterns. Raises Failure."""
    from dragoman.config.foreign_prices import entries_of
    from dragoman.config.load import as_written
    from dragoman.errors import ConfigError

    try:
        entries = entries_of(as_written(file))
    except (ConfigError, ValueError) as error:
        raise Failure(MISUSE, f"{file.name} is no file of prices: {clean(str(error))}") from None
    chosen = {
        name: entry
        for name, entry in entries.items()
        if not only or any(fnmatchcase(name, pattern) for pattern in only)
    }
    if not chosen:
        raise Failure(MISUSE, f"{file.name} has no price of such a model")
    return chosen


def _problems(found: Loaded, entries: dict[str, dict[str, Any]]) -> list[str]:
    """What is wrong with these entries, if they stood in the configuration `found`."""
    from dragoman.config.load import load
    from dragoman.errors import ConfigError

    providers = {
        name: {"base_url": one.base_url, "keys": [], **({"catalog": one.vendor.name} if one.vendor else {})}
        for name, one in found.providers.items()
    }
    try:
        load({"providers": providers, "prices": entries}, {"DRAGOMAN_CONFIG": ""})
    except ConfigError as error:
        return [f"{one.path}: {one.message}" for one in error.problems]
    return []


def _uses(found: Loaded) -> list[str]:
    config = found.config
    uses = {
        f"local/{name}" if target.file is not None else target.use: None
        for name, model in config.models.items()
        for target in model.targets
        if "*" not in target.use
    }
    uses |= {f"{name}/{model}": None for name, one in found.providers.items() for model in _known(one)}
    return list(uses | {name: None for name in config.prices if "*" not in name})


def _known(provider: Any) -> tuple[str, ...]:
    models = provider.models
    if models is None:
        return tuple(provider.vendor.known) if provider.vendor is not None else ()
    return tuple(model for model in models if "*" not in model)


def _usual(rates: Rates | None) -> tuple[str, str]:
    from dragoman.config.check_prices import amount

    if rates is None:
        return "—", "—"
    prices = rates.at(_now()).usual[0].prices
    found = [amount(prices[unit]) if unit in prices else "—" for unit in ("input", "output")]
    return found[0], found[1]


def _now() -> float:
    from dragoman.seams.clock import SYSTEM

    return SYSTEM.now()


def _day(at: float) -> str:
    from dragoman.config.scalars import Day

    return str(Day(at))


def _table(levels: Levels) -> list[tuple[str, str, int, int | None]]:
    """(unit, USD, for so many of it, in prompts with more tokens or None) of each price that differs from the
    one of shorter prompts.
    """
    from dragoman.config.check_prices import amount
    from dragoman.ir.units import per

    rows: list[tuple[str, str, int, int | None]] = []
    before: Mapping[str, int] = {}
    for above, prices in levels:
        rows += [
            (unit, amount(price), per(unit), None if above < 0 else above)
            for unit, price in prices.items()
            if before.get(unit) != price
        ]
        before = prices
    return rows


def _json(use: str, rates: Rates | None) -> dict[str, Any]:
    """A price as JSON: USD as decimal texts, null where it is unknown."""
    if rates is None:
        return {"deployment": use, "source": None, "prices": None}

    def told(levels: Levels) -> list[dict[str, Any]]:
        return [
            {"unit": unit, "usd": usd, "per": per, "above": above} for unit, usd, per, above in _table(levels)
        ]

    return {
        "deployment": use,
        "source": rates.source,
        "prices": [
            {
                "since": None if period.since is None else _day(period.since),
                "units": told(period.usual),
                "tiers": {tier: told(levels) for tier, levels in period.tiers.items()},
            }
            for period in rates.periods
        ],
    }
