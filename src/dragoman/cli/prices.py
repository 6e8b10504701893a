"""`dragoman prices`: shows what models cost, sets and removes prices in a running gateway, and checks or
imports files of prices.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote

import click

from dragoman.cli.adding import Stated, entry_of, removing
from dragoman.cli.asked import Asked, asked_of, from_gateway, gateway_options, nobody
from dragoman.cli.command import Group
from dragoman.cli.entries import warn
from dragoman.cli.options import config_option, loaded, with_kept
from dragoman.cli.terminal import ANSWER_IS_NO, MISUSE, Failure, Terminal, clean

if TYPE_CHECKING:
    from dragoman.config.load import Loaded

F = TypeVar("F", bound=Callable[..., Any])
_PATH: Final = "/admin/prices"
_SCALES: Final = {1_000_000: "million", 3_600_000: "hour", 1_000: "thousand"}
_MOST: Final = 50
"""The most problems that `check` prints one by one."""

command = Group(
    "prices",
    help="Show what models cost, set prices of a running gateway, and check or import files of prices.",
    examples=("dragoman prices list", "dragoman prices show openai/gpt-5"),
)


def _local_option(function: F) -> F:
    """Add the option `--local` to a command. With it, the command does not ask the running gateway, but reads
    the configuration.
    """
    return click.option("--local", is_flag=True, help="Read the configuration here; ask no gateway.")(
        function
    )


@command.command("list", examples=("dragoman prices list", "dragoman prices list --local --json"))
@_local_option
@gateway_options
@click.pass_obj
def list_(terminal: Terminal, *, local: bool, file: Path | None, url: str | None, key: str | None) -> None:
    """List what the deployments of the running gateway cost, and the source of each price. If no gateway
    runs, or with --local, list those of the configuration here.
    """
    from dragoman.assembly.prices import uses_of

    asked = None if local else asked_of(terminal, file, url, key)
    rows = None if asked is None else _listed(asked)
    if rows is None:
        rows = _read_here(terminal, file, uses_of)
    if terminal.as_json:
        terminal.result(rows)
        return
    terminal.table(
        ("deployment", "input", "output", "from"),
        [(clean(one["deployment"]), *_usual(one), clean(one["source"] or "unknown")) for one in rows],
        wraps=True,
    )
    terminal.say("USD per million tokens, now, for short prompts in the usual tier; — is unknown, not free")


@command.command(examples=("dragoman prices show openai/gpt-5", "dragoman prices show openai/gpt-5 --json"))
@click.argument("model")
@_local_option
@gateway_options
@click.pass_obj
def show(
    terminal: Terminal, model: str, *, local: bool, file: Path | None, url: str | None, key: str | None
) -> None:
    """Show everything about the price of MODEL (`provider/model`) in the running gateway: all units, tiers
    and dates. If no gateway runs, or with --local, the configuration here is used.
    """
    if "/" not in model:
        raise Failure(MISUSE, f"expected provider/model, found {clean(model)!r}", hint="openai/gpt-5")
    asked = None if local else asked_of(terminal, file, url, key)
    found = None if asked is None else from_gateway(asked, _PATH, model)
    if found is None:
        (found,) = _read_here(terminal, file, lambda _: [model])
    if terminal.as_json:
        terminal.result(found)
        return
    if found["source"] is None:
        raise Failure(
            ANSWER_IS_NO,
            f"the price of {clean(model)} is unknown",
            hint=f"dragoman prices set {clean(model)} input=1.25 output=10",
        )
    terminal.say(f"{clean(model)}: {clean(found['source'])}")
    ends = any(dated["since"] is not None for dated in found["prices"])
    for dated in found["prices"]:
        when = "until then" if ends else "always"
        if dated["since"] is not None:
            when = f"from {dated['since'].partition('T')[0]}"
        if dated["hours"] is not None:
            when += " from {} to {} UTC".format(*dated["hours"].split("-"))
        for tier, units in {"": dated["units"], **dated["tiers"]}.items():
            if not units:
                terminal.say(f"{when}: unknown")
                continue
            terminal.say(" ".join(filter(None, (when, tier and f"tier {clean(tier)}"))))
            terminal.table(
                ("unit", "USD", "per", "prompts above"),
                [
                    (
                        clean(one["unit"]),
                        one["usd"],
                        _SCALES.get(one["per"], f"{one['per']:,}"),
                        "" if one["above"] is None else f"{one['above']:,} tokens",
                    )
                    for one in units
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
    """Set the price of NAME (`provider/model`, or a pattern) in a running gateway. It replaces a price that
    was set before, and stays after a restart.
    """
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
    warn(terminal, found)


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
    """Check a file of prices: ours, or LiteLLM's model_prices_and_context_window.json. The exit code is 1 if
    a price has a problem.

    With --json it prints the prices, in the form of `prices` in a configuration, and the problems.
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
    """Set all prices of a file, one by one, in a running gateway. The file is ours, or LiteLLM's. If some of
    the prices are refused, the others are set, and the exit code is 1.
    """
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
    """Return the entries of a file of prices, by their names (`provider/model`, or a pattern), in the form of
    the setting `prices`. only: patterns as of file names (`*`, `?`, `[…]`); only the entries whose names
    match one of them are returned; () = all. Raises Failure if the file is no file of prices or no entry is
    left.
    """
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
    """Return the problems (not the warnings) that these entries would have in a configuration with the
    providers of `found`, as texts ("setting: message"). entries: as in the setting `prices`.
    """
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


def _listed(asked: Asked) -> list[dict[str, Any]] | None:
    """Return the prices of the gateway, from all pages; None = no gateway answers on this machine. Raises
    Failure if the gateway at a given URL does not answer, or if a gateway answers with an error.
    """
    rows: list[dict[str, Any]] = []
    while True:
        after = f"&after={quote(rows[-1]['deployment'], safe='')}" if rows else ""
        found = from_gateway(asked, f"{_PATH}?limit=1000{after}")
        if found is None:
            return None
        rows += found["data"]
        if not found["has_more"]:
            return rows


def _read_here(
    terminal: Terminal, file: Path | None, uses: Callable[[Loaded], Iterable[str]]
) -> list[dict[str, Any]]:
    """Return the prices of the configuration here, together with those that operators have added: an object
    for each deployment, as the gateway would send it. uses: returns the deployments (`provider/model`) whose
    prices are wanted. Raises Failure if the configuration has a problem.
    """
    import msgspec

    from dragoman.assembly.prices import prices_of
    from dragoman.seams.clock import SYSTEM
    from dragoman.server.admin.prices import price_object

    found = with_kept(terminal, loaded(terminal, file))
    rates, now = prices_of(found), SYSTEM.now()
    rows: list[dict[str, Any]] = msgspec.to_builtins(
        [price_object(use, rates(use), now) for use in uses(found)]
    )
    return rows


def _usual(price: dict[str, Any]) -> tuple[str, str]:
    """Return the prices of input and of output that apply now to short prompts in the usual tier, in USD per
    million tokens, as texts; "—" = unknown. price: one deployment, as the gateway sends it.
    """
    now: list[dict[str, Any]] = next((one["units"] for one in price["prices"] if one["current"]), [])
    prices = {one["unit"]: str(one["usd"]) for one in now if one["above"] is None}
    return prices.get("input", "—"), prices.get("output", "—")
