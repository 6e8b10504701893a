"""`dragoman usage`: shows the usage in a running gateway, by key, tenant, model and more."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlencode

import click

from dragoman.cli.asked import asked_of, from_gateway, gateway_options, nobody
from dragoman.cli.command import Command
from dragoman.cli.table import Cell
from dragoman.cli.terminal import MISUSE, Failure, Terminal, clean
from dragoman.seams.clock import SYSTEM

_PATH: Final = "/admin/usage"
_FILTERS: Final = (
    "key",
    "tenant",
    "team",
    "user",
    "end_user",
    "tag",
    "model",
    "deployment",
    "provider",
    "face",
    "operation",
    "outcome",
)
_TITLES: Final = ("requests", "failed", "first p95", "in / cached / out", "spend")
_SCALES: Final = ((10**3, "k"), (10**6, "M"), (10**9, "G"), (10**12, "T"))
_THREE_DIGITS: Final = 100
_ONE_SECOND: Final = 1_000_000


@click.command(
    "usage",
    cls=Command,
    examples=("dragoman usage", "dragoman usage --month --by tenant", "dragoman usage --by key,model --csv"),
)
@click.option("--month", is_flag=True, help="This month (UTC), instead of today.")
@click.option("--from", "begin", metavar="TIME", help="A date, a time with its zone, or Unix seconds.")
@click.option("--to", "end", metavar="TIME", help="The end of the span; now unless stated.")
@click.option("--by", default="model", show_default=True, help="One or two dimensions, with a comma between.")
@click.option("--step", type=click.Choice(["hour", "day", "month"]), help="A line for each of them, too.")
@click.option(
    "--only", multiple=True, metavar="NAME=VALUE", help="Only usage with this value, such as key=ci."
)
@click.option("--top", type=click.IntRange(1, 1000), default=10, show_default=True, help="How many lines.")
@click.option(
    "--rank",
    type=click.Choice(["requests", "cost", "tokens", "failed"]),
    default="requests",
    show_default=True,
    help="Which are the first ones.",
)
@click.option("--csv", "as_csv", is_flag=True, help="Print CSV.")
@gateway_options
@click.pass_obj
def command(
    terminal: Terminal,
    *,
    month: bool,
    begin: str | None,
    end: str | None,
    by: str,
    step: str | None,
    only: tuple[str, ...],
    top: int,
    rank: str,
    as_csv: bool,
    file: Path | None,
    url: str | None,
    key: str | None,
) -> None:
    """Show requests, failures, tokens and spend.

    Dimensions are key, tenant, team, user, end_user, tag, model, deployment, provider, face (the client's
    protocol), operation and outcome. A spend with ≥ in front is only its known part: some calls had no price.
    """
    if month and begin is not None:
        raise Failure(
            MISUSE, "--month and --from both say when the span begins", hint="leave one of them out"
        )
    query = {"from": _month() if month else begin, "to": end, "group_by": by, "step": step}
    query |= {"top": str(top), "rank": rank, **_filters(only)}
    stated = {name: value for name, value in query.items() if value is not None}
    told = from_gateway(asked_of(terminal, file, url, key), f"{_PATH}?{urlencode(stated)}")
    if told is None:
        raise nobody()
    if terminal.as_json:
        terminal.result(told)
    elif as_csv:
        from dragoman.observe.usage_told import report_csv

        terminal.result(report_csv(told).removesuffix("\r\n"))
    else:
        _show(terminal, told)


def _month() -> str:
    """Return the first day of this month (UTC), as `2026-11-01`."""
    return datetime.fromtimestamp(SYSTEM.now(), UTC).strftime("%Y-%m-01")


def _filters(stated: Sequence[str]) -> dict[str, str]:
    found = {}
    for one in stated:
        name, equals, value = one.partition("=")
        if not equals or name not in _FILTERS:
            hint = f"--only NAME=VALUE, where NAME is one of {', '.join(_FILTERS)}"
            raise Failure(MISUSE, f"{one!r} says nothing that usage can be chosen by", hint=hint)
        if name in found:
            raise Failure(MISUSE, f"--only states {name} twice", hint="one report has one value of it")
        found[name] = value
    return found


def _show(terminal: Terminal, told: dict[str, Any]) -> None:
    by, step = told["group_by"], told["step"]
    people = terminal.out.is_terminal
    rows: list[tuple[Cell, ...]] = []
    if step is None:
        rows = [(*_names(one, by), *_cells(one, people=people)) for one in told["data"]]
    else:
        for bucket in told["buckets"]:
            at = datetime.fromtimestamp(bucket["t"], UTC).strftime("%Y-%m-%d %H:%M")
            rows += [(at, *_names(one, by), *_cells(one, people=people)) for one in bucket["groups"]]
    if people and not rows:
        terminal.say("nothing was used in this time")
        return
    if people and step is None and len(rows) > 1:
        rows.append(("all", *[""] * (len(by) - 1), *_cells(told["totals"], people=True)))
    titles = (*(["time (UTC)"] if step else []), *by, *_TITLES)
    terminal.table(titles, rows, names=len(by) + bool(step))
    since = told["known_since"]
    if people and since is not None and since > told["from"]:
        at = datetime.fromtimestamp(since, UTC).strftime("%Y-%m-%d %H:%M")
        terminal.say(f"usage before {at} UTC is not kept")


def _names(one: dict[str, Any], by: Sequence[str]) -> list[str]:
    if one["other"]:
        return ["(other)", *[""] * (len(by) - 1)]
    return ["–" if one[name] is None else clean(one[name]) for name in by]


def _cells(one: dict[str, Any], *, people: bool) -> tuple[Cell, ...]:
    requests, p95 = one["requests"], one["ttft_us"]["p95"]
    tokens = one["input_tokens"], one["cached_tokens"], one["output_tokens"]
    if not people:
        return (
            requests,
            one["failed"],
            p95,
            "/".join(map(str, tokens)),
            f"{'' if one['cost_complete'] else '>='}{one['cost_usd']}" if one["cost_usd"] else "unknown",
        )
    failed = f"{100 * one['failed'] / requests:.2f} %" if requests else "–"
    return requests, failed, _seconds(p95), " / ".join(map(_short, tokens)), _spend(one)


def _spend(one: dict[str, Any]) -> str:
    """Return the spend as text for people. `—` = it is unknown; `≥` in front = only a part of it is known. An
    amount below one USD has two to six decimals, any other two.
    """
    if one["cost_usd"] is None:
        return "—"
    known = float(one["cost_usd"])
    shown = f"${known:,.2f}" if not known or abs(known) >= 1 else f"${known:.6f}".rstrip("0").ljust(5, "0")
    return shown if one["cost_complete"] else f"≥ {shown}"


def _seconds(microseconds: int | None) -> str:
    if microseconds is None:
        return "–"
    if (shown := round(microseconds / 1000)) < 1000:
        return f"{shown} ms"
    return f"{microseconds / _ONE_SECOND:.2f} s"


def _short(count: int) -> str:
    """Return a count as short text: `999`, `1.2k`, `21.4M`, `402M`."""
    shown = str(count)
    for scale, letter in _SCALES:
        if round(count / scale * 1000) < 1000:  # a value that rounds to 1000 gets the next letter
            break
        value = count / scale
        shown = f"{value:.1f}{letter}" if round(value, 1) < _THREE_DIGITS else f"{value:.0f}{letter}"
    return shown
