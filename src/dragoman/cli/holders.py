"""The commands for tenants, teams and users, to whom client keys belong."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path
from typing import Any

import click

from dragoman.cli.asked import asked_of, from_gateway, gateway_options, nobody
from dragoman.cli.command import Group
from dragoman.cli.permissions import permission_options, stated
from dragoman.cli.terminal import MISUSE, Failure, Terminal, clean

_SETTABLE = (
    *("models", "faces", "operations", "providers", "regions", "tags", "limits", "metadata", "disabled"),
    "tenant",
)


def group_of(kind: str, noun: str) -> Group:
    """Return the commands `list`, `set` and `remove` for tenants, teams or users. kind: the plural ("teams").
    noun: the singular.
    """
    group = Group(
        kind,
        help=f"List {kind}, make, change and remove them.",
        examples=(f"dragoman {kind} set NAME --limit 'money=500 USD/month'", f"dragoman {kind} list"),
    )
    _add_list(group, kind, noun)
    _add_set(group, kind, noun)
    _add_remove(group, kind, noun)
    return group


def _add_list(group: Group, kind: str, noun: str) -> None:
    path = f"/admin/{kind}"

    @group.command("list", help=f"All {kind}, by name.", examples=(f"dragoman {kind} list",))
    @gateway_options
    @click.pass_obj
    def list_(terminal: Terminal, file: Path | None, *, url: str | None, key: str | None) -> None:
        page = from_gateway(asked_of(terminal, file, url, key), f"{path}?limit=1000")
        if page is None:
            raise nobody()
        if terminal.as_json:
            terminal.result(page)
            return
        rows = [
            [
                one["name"],
                "disabled" if one["disabled"] else "ok",
                "all" if one["models"] is None else " ".join(one["models"]),
                one["tenant"],
                "configuration" if one["declared"] else one["created_by"],
            ]
            for one in page["data"]
        ]
        terminal.table([noun, "state", "models", "tenant", "from"], rows, names=1)
        if page["has_more"]:
            terminal.note("warn", f"there are more; GET {path}?after= has them in pages")


def _add_set(group: Group, kind: str, noun: str) -> None:
    path = f"/admin/{kind}"

    @group.command(
        "set",
        help=f"Make a {noun}, or change one. What is not stated stays.",
        examples=(f"dragoman {kind} set NAME --model 'openai/*'",),
    )
    @click.argument("name")
    @click.option("--tenant", metavar="NAME", help="The tenant that it belongs to; `none` = none.")
    @click.option("--disable/--enable", "disabled", default=None, help="Refuse all its keys.")
    @permission_options
    @gateway_options
    @click.pass_obj
    def set_(
        terminal: Terminal,
        /,
        *,
        name: str,
        tenant: str | None,
        disabled: bool | None,
        file: Path | None,
        url: str | None,
        key: str | None,
        **options: Any,
    ) -> None:
        from dragoman.cli.operator import NothingThere  # here, because it loads aiohttp

        changes = stated(options)
        if tenant is not None:
            changes["tenant"] = None if tenant == "none" else tenant
        if disabled is not None:
            changes["disabled"] = disabled
        asked = asked_of(terminal, file, url, key)
        known: dict[str, Any] | None = {}
        with contextlib.suppress(NothingThere):
            known = from_gateway(asked, path, name)
        if known is None:
            raise nobody()
        body = {setting: known[setting] for setting in _SETTABLE if setting in known} | changes
        made = from_gateway(asked, path, name, method="PUT", body=body)
        if terminal.as_json:
            terminal.result(made)
        else:
            terminal.note("ok", f"{noun} {clean(name)} is {'changed' if known else 'made'}")


def _add_remove(group: Group, kind: str, noun: str) -> None:
    path = f"/admin/{kind}"

    @group.command(
        "remove",
        help=f"Remove a {noun}. Keys that belong to it are refused.",
        examples=(f"dragoman {kind} remove NAME",),
    )
    @click.argument("name")
    @click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
    @gateway_options
    @click.pass_obj
    def remove(
        terminal: Terminal, name: str, *, yes: bool, file: Path | None, url: str | None, key: str | None
    ) -> None:
        asked = asked_of(terminal, file, url, key)
        if not yes:
            if not (terminal.for_people and sys.stdin.isatty()):
                text = f"removing {clean(name)} needs a yes and this is not a terminal"
                raise Failure(MISUSE, text, hint="add --yes")
            if not click.confirm(f"All keys of {clean(name)} will be refused. Remove it?", err=True):
                raise click.Abort
        gone = from_gateway(asked, path, name, method="DELETE")
        if gone is None:
            raise nobody()
        if terminal.as_json:
            terminal.result(gone)
        else:
            terminal.note("ok", f"{noun} {clean(name)} is removed")
