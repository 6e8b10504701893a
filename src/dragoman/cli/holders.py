"""The commands for tenants, teams and users, to whom client keys belong."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click

from dragoman.cli.asked import asked_of, gateway_options
from dragoman.cli.command import Group
from dragoman.cli.confirming import confirm
from dragoman.cli.entries import ask, every, seen, tell, warn
from dragoman.cli.permissions import permission_options, stated
from dragoman.cli.terminal import Terminal, clean

F = TypeVar("F", bound=Callable[..., Any])
_SETTABLE = (
    *("models", "faces", "operations", "providers", "regions", "tags", "limits", "metadata", "disabled"),
    "tenant",
)


def group_of(kind: str, noun: str) -> Group:
    """Return the group of the commands `list`, `show`, `set` and `remove` for tenants, teams or users. kind:
    the plural ("teams"), which is also the group's name. noun: the singular ("team").
    """
    group = Group(
        kind,
        help=f"List {kind}, make, change and remove them.",
        examples=(f"dragoman {kind} set NAME --limit 'money=500 USD/month'", f"dragoman {kind} list"),
    )
    _add_list(group, kind, noun)
    _add_show(group, kind, noun)
    _add_set(group, kind, noun)
    _add_remove(group, kind, noun)
    return group


def _add_list(group: Group, kind: str, noun: str) -> None:
    path = f"/admin/{kind}"

    @group.command("list", help=f"All {kind}, by name.", examples=(f"dragoman {kind} list",))
    @gateway_options
    @click.pass_obj
    def list_(terminal: Terminal, file: Path | None, *, url: str | None, key: str | None) -> None:
        found = list(every(asked_of(terminal, file, url, key), path))
        if terminal.as_json:
            terminal.result({"data": found})
            return
        rows = [
            [
                one["name"],
                "disabled" if one["disabled"] else "ok",
                "all" if one["models"] is None else " ".join(one["models"]),
                one["tenant"],
                "configuration" if one["declared"] else one["created_by"],
            ]
            for one in found
        ]
        terminal.table([noun, "state", "models", "tenant", "from"], rows, names=1)


def _add_show(group: Group, kind: str, noun: str) -> None:
    @group.command("show", help=f"One {noun} and all its settings.", examples=(f"dragoman {kind} show NAME",))
    @click.argument("name")
    @gateway_options
    @click.pass_obj
    def show(terminal: Terminal, name: str, file: Path | None, *, url: str | None, key: str | None) -> None:
        found = ask(asked_of(terminal, file, url, key), f"/admin/{kind}", name)
        state, word = ("off", "disabled") if found["disabled"] else ("ok", "ok")
        tell(terminal, found, f"{terminal.out.mark(state)} {noun} {clean(name)}: {word}")


def _add_set(group: Group, kind: str, noun: str) -> None:
    path = f"/admin/{kind}"

    @group.command(
        "set",
        help=f"Make a {noun}, or change one. What is not stated stays.",
        examples=(f"dragoman {kind} set NAME --model 'openai/*'",),
    )
    @click.argument("name")
    @_tenant_option(kind)
    @click.option("--disable/--enable", "disabled", default=None, help="Refuse all its keys.")
    @permission_options
    @gateway_options
    @click.pass_obj
    def set_(
        terminal: Terminal,
        /,
        *,
        name: str,
        disabled: bool | None,
        file: Path | None,
        url: str | None,
        key: str | None,
        tenant: str | None = None,
        **options: Any,
    ) -> None:
        from dragoman.cli.operator import NothingThere  # here, because it loads aiohttp

        changes = stated(options)
        if tenant is not None:
            changes["tenant"] = None if tenant == "none" else tenant
        if disabled is not None:
            changes["disabled"] = disabled
        asked = asked_of(terminal, file, url, key)
        known: dict[str, Any] = {}
        tag: str | None = None
        with contextlib.suppress(NothingThere):
            known, tag = seen(asked, path, name)
        body = {setting: known[setting] for setting in _SETTABLE if setting in known} | changes
        made = ask(asked, path, name, method="PUT", body=body, tag=tag)
        if terminal.as_json:
            terminal.result(made)
        else:
            terminal.note("ok", f"{noun} {clean(name)} is {'changed' if known else 'made'}")
            warn(terminal, made)


def _tenant_option(kind: str) -> Callable[[F], F]:
    """Return the decorator that adds the option `--tenant` to a command. For the kind "tenants" it adds
    nothing, because a tenant does not belong to another tenant.
    """
    if kind == "tenants":
        return lambda function: function
    return click.option("--tenant", metavar="NAME", help="The tenant that it belongs to; `none` = none.")


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
        question = f"All keys of {clean(name)} will be refused. Remove it?"
        confirm(terminal, f"removing {clean(name)}", question, yes=yes)
        gone = ask(asked, path, name, method="DELETE")
        if terminal.as_json:
            terminal.result(gone)
        else:
            terminal.note("ok", f"{noun} {clean(name)} is removed")
