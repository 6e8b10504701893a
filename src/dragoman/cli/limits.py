"""`dragoman limits`: shows how full the limits of a running gateway are, and adds and removes limits."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from dragoman.cli.adding import Stated, entry_of, removing
from dragoman.cli.asked import Asked, asked_of, from_gateway, gateway_options, nobody
from dragoman.cli.command import Group
from dragoman.cli.confirming import confirm
from dragoman.cli.terminal import Terminal, clean

_LIST: Final = "/admin/limits"
_MARKS: Final = {"ok": "ok", "warning": "warn", "reached": "bad"}

command = Group(
    "limits",
    help="Show how full the limits of a running gateway are; add and remove limits.",
    examples=("dragoman limits list", "dragoman limits set all scope=global 'money=500 USD/month'"),
)


@command.command("list", examples=("dragoman limits list", "dragoman limits list --json"))
@gateway_options
@click.pass_obj
def list_(terminal: Terminal, file: Path | None, *, url: str | None, key: str | None) -> None:
    """List all limits, the fullest first: what is used, and what running requests have reserved. A limit that
    counts for each key (or user, …) has one row for each of them that has used it.
    """
    rows = _rows(asked_of(terminal, file, url, key))
    if terminal.as_json:
        terminal.result({"data": rows})
        return
    out = terminal.out
    terminal.table(
        ("limit", "whose", "allows", "used", "reserved", "full", "resets", "refused 24 h", "from"),
        [
            (
                clean(row["name"]),
                f"{row['scope']} {clean(row['whose'])}"
                if row["whose"]
                else f"each {row['scope']}"
                if row["scope"] != "global"
                else "all",
                _allowed(row),
                _amount(row, "used"),
                _amount(row, "reserved"),
                f"{out.plain(_MARKS[row['state']])} {row['percent']:g} %",
                row["resets"] or "never",
                row["refused"],
                clean(row["source"] or "–"),
            )
            for row in rows
        ],
        names=2,
    )


@command.command("set", examples=("dragoman limits set trial only=trial requests=20/day concurrency=1",))
@click.argument("name")
@click.argument("settings", nargs=-1, required=True, metavar="SETTING=VALUE...")
@click.option("--yes", "-y", is_flag=True, help="Also if more is used already than the limit allows.")
@gateway_options
@click.pass_obj
def set_(
    terminal: Terminal,
    name: str,
    settings: tuple[str, ...],
    *,
    yes: bool,
    file: Path | None,
    url: str | None,
    key: str | None,
) -> None:
    """Add a limit, or replace the one with this name that was added before. SETTING: as below `limits.NAME`
    in the configuration file. The limit applies at once in all workers, and after a restart. Counters are not
    reset. If more is used already than the limit allows, the command asks first.
    """
    entry, asked = entry_of(Stated(settings, None)), asked_of(terminal, file, url, key)
    above = [row for row in _rows(asked) if row["name"] == name and _below(row, entry)]
    if above and not yes:
        _confirm(terminal, name, above)
    found = from_gateway(asked, _LIST, name, method="PUT", body=entry)
    if terminal.as_json:
        terminal.result(found)
    else:
        terminal.note("ok", f"{clean(name)} is set, version {found['version']}")


removing(command, "limits", "Remove a limit that was added; what a file declares stays.", "trial")


def _rows(asked: Asked) -> list[dict[str, Any]]:
    """Return the counters of all limits, from all pages: each row is one counter, for example that of one
    key; a limit that nobody has used yet has one row. Raises Failure if no gateway answers, or if the gateway
    answers with an error.
    """
    rows: list[dict[str, Any]] = []
    while True:
        after = f"&after={_quoted(rows[-1]['id'])}" if rows else ""
        found = from_gateway(asked, f"{_LIST}?limit=1000{after}")
        if found is None:
            raise nobody()
        rows += found["data"]
        if not found["has_more"]:
            return rows


def _quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")


def _below(row: Mapping[str, Any], entry: Any) -> bool:
    """Whether the new limit allows less than what is already used and reserved. False if it has no value for
    the counter's resource and window. row: the counter, as the gateway sends it. entry: the new limit's
    settings; values that cannot be read are skipped.
    """
    from dragoman.accounts.limits import NANO
    from dragoman.config.quotas import Budget, Quota

    taken = row["used"] + row["reserved"]
    stated = entry.get(row["resource"]) if isinstance(entry, dict) else None
    for one in stated if isinstance(stated, list) else [stated]:
        try:
            if row["resource"] == "concurrency":
                if one is not None and int(one) < taken:
                    return True
                continue
            quota = Budget.parse(one) if row["resource"] == "money" else Quota.parse(one)
        except (TypeError, ValueError):
            continue  # the gateway refuses it, and says why
        most = quota.most / NANO if row["resource"] == "money" else quota.most
        if (quota.window, quota.every) == (row["window"], row["every"]) and most < taken:
            return True
    return False


def _confirm(terminal: Terminal, name: str, above: list[dict[str, Any]]) -> None:
    """Ask whether a limit may be set below what is used; if the answer is no, the command ends (`confirm`).
    name: the limit's name. above: the rows of its counters that have used more than the new limit allows; the
    question names the first, which is the fullest.
    """
    one = above[0]
    whose = f" by {one['scope']} {clean(one['whose'])}" if one["whose"] else ""
    said = f"{_amount(one, 'used')} {one['unit']} are used already{whose}, so further requests are refused"
    confirm(terminal, f"setting {clean(name)}", f"{said}. Set it?", yes=False, hint=f"add --yes ({said})")


def _allowed(row: Mapping[str, Any]) -> str:
    text = f"{_amount(row, 'limit')} {row['resource'].replace('_', ' ') if row['unit'] != 'USD' else 'USD'}"
    if row["window"] is None:
        text = f"{_amount(row, 'limit')} at once"
    elif row["window"] == "lifetime":
        text += " in all"
    else:
        text += (
            f" / {row['every'] if row['every'] > 1 else ''}{' ' if row['every'] > 1 else ''}{row['window']}"
        )
    return text if row["hard"] else f"{text} (soft)"


def _amount(row: Mapping[str, Any], name: str) -> str:
    value = row[name]
    if row["unit"] == "USD":
        return f"{value:,.2f}" if value >= 1 or not value else f"{value:.9f}".rstrip("0")
    return f"{int(value):,}"
