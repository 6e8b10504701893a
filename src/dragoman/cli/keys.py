"""`dragoman keys`: creates client keys at a running gateway, lists, shows, changes, rotates and revokes them,
and computes the SHA-256 of a key.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any, Final

import click

from dragoman.cli.asked import asked_of, gateway_options
from dragoman.cli.command import Group
from dragoman.cli.confirming import confirm
from dragoman.cli.entries import ask, belongs, every, seen, tell, warn
from dragoman.cli.permissions import permission_options, stated
from dragoman.cli.terminal import MISUSE, Failure, Terminal, clean

_PATH: Final = "/admin/keys"
_STATES: Final = {
    "valid": "ok",
    "disabled": "off",
    "expired": "warn",
    "revoked": "bad",
    "shadowed": "warn",
    "unreadable": "bad",
}
_SCOPES: Final = ("inference", "read", "admin")
_SETTABLE: Final = (
    *("models", "faces", "operations", "providers", "regions", "tags", "limits", "metadata", "disabled"),
    *("tenant", "scopes", "team", "user", "expires"),
)
"""The settings that `update` sends. It sends all of them, because a change replaces all settings of a key."""

command = Group(
    "keys",
    help="Make client keys, list, change, rotate and revoke them.",
    examples=("dragoman keys create ci-agent --expires 90d", "dragoman keys revoke ci-agent"),
)


def _key_options(function: Any) -> Any:
    """Add `--user`, `--team`, `--tenant`, `--expires`, `--scope` and the options of `permission_options` to a
    command. It takes them as keyword arguments, and gives these to `_stated`.
    """
    for option, text in (
        ("user", "The user that it belongs to, by name; `none` = nobody."),
        ("team", "The team that it belongs to, by name; `none` = none."),
        ("tenant", "The tenant that it belongs to, by name; `none` = none."),
        ("expires", "When it expires: `90d`, a date, a time with its zone, or `never`."),
    ):
        function = click.option(f"--{option}", metavar="NAME" if option != "expires" else "WHEN", help=text)(
            function
        )
    function = click.option(
        "--scope", "scopes", multiple=True, type=click.Choice(_SCOPES), help="What it may call; repeatable."
    )(function)
    return permission_options(function)


@command.command("create", examples=("dragoman keys create ci-agent --model 'openai/*' --expires 90d",))
@click.argument("name")
@click.option("--hash", "hash_", metavar="SHA256", help="Of a key that exists already; `dragoman keys hash`.")
@_key_options
@gateway_options
@click.pass_obj
def create(
    terminal: Terminal,
    /,
    *,
    name: str,
    hash_: str | None,
    file: Path | None,
    url: str | None,
    key: str | None,
    **options: Any,
) -> None:
    """Create a key. Only the key is printed to stdout, and it is never shown again. With --hash nothing is
    printed there. With --json, the key and all its settings are printed.
    """
    body = {"name": name, **_stated(options)}
    if hash_ is not None:
        body["hash"] = hash_
    asked = asked_of(terminal, file, url, key)
    made = ask(asked, _PATH, method="POST", body=body)
    _show_made(terminal, made, f"{clean(name)} is made")
    warn(terminal, made)
    looks = not {"read", "admin"}.isdisjoint(made["scopes"])
    if looks and made["tenant"] is None and (owner := belongs(made)) is not None:
        # The gateway does not say here whether the team or the user belongs to a tenant.
        terminal.note("warn", f"unless {owner} is part of a tenant, it may look at the whole gateway")


@command.command("list", examples=("dragoman keys list", "dragoman keys list --json"))
@gateway_options
@click.pass_obj
def list_(terminal: Terminal, file: Path | None, *, url: str | None, key: str | None) -> None:
    """List all keys, in the order of their names, also those of the configuration. With a key that belongs to
    a tenant, only the keys of this tenant are listed.
    """
    found = list(every(asked_of(terminal, file, url, key), _PATH))
    if terminal.as_json:
        terminal.result({"data": found})
        return
    rows = [
        [
            one["name"],
            one["state"],
            one["shown"],
            " ".join(one["scopes"]),
            "all" if one["models"] is None else " ".join(one["models"]),
            belongs(one),
            one["last_used"],
            one["expires"],
            "configuration" if one["declared"] else one["created_by"],
        ]
        for one in found
    ]
    titles = ["key", "state", "begins", "may", "models", "of", "last used", "expires", "from"]
    terminal.table(titles, rows, names=1)


@command.command("show", examples=("dragoman keys show ci-agent",))
@click.argument("name")
@gateway_options
@click.pass_obj
def show(terminal: Terminal, name: str, file: Path | None, *, url: str | None, key: str | None) -> None:
    """Show one key: its settings and its state, without the key itself."""
    found = ask(asked_of(terminal, file, url, key), _PATH, name)
    mark = terminal.out.mark(_STATES[found["state"]])
    tell(terminal, found, f"{mark} {clean(name)}: {found['state']}")


@command.command("update", examples=("dragoman keys update ci-agent --model fast --model 'openai/*'",))
@click.argument("name")
@click.option("--disable/--enable", "disabled", default=None, help="Refuse it until it is enabled again.")
@_key_options
@gateway_options
@click.pass_obj
def update(
    terminal: Terminal,
    /,
    *,
    name: str,
    disabled: bool | None,
    file: Path | None,
    url: str | None,
    key: str | None,
    **options: Any,
) -> None:
    """Change settings of a key. Settings that are not stated stay, and so does the key itself.

    Stated models, limits, metadata and the like replace all old ones of the same kind.
    """
    changes = _stated(options)
    if disabled is not None:
        changes["disabled"] = disabled
    if not changes:
        raise Failure(MISUSE, "nothing to change", hint="dragoman keys update NAME --model fast")
    asked = asked_of(terminal, file, url, key)
    known, tag = seen(asked, _PATH, name)
    body = {setting: known[setting] for setting in _SETTABLE} | changes
    changed = ask(asked, _PATH, name, method="PUT", body=body, tag=tag)
    if terminal.as_json:
        terminal.result(changed)
    else:
        terminal.note("ok", f"{clean(name)} is changed: {', '.join(changes)}")
        warn(terminal, changed)


@command.command("rotate", examples=("dragoman keys rotate ci-agent --keep 24h",))
@click.argument("name")
@click.option(
    "--keep", default="0s", help="How long the old key stays valid, at most 30d.", show_default=True
)
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
@gateway_options
@click.pass_obj
def rotate(
    terminal: Terminal,
    name: str,
    *,
    keep: str,
    yes: bool,
    file: Path | None,
    url: str | None,
    key: str | None,
) -> None:
    """Create a new key with the same name. Everything that the old key has stored belongs to the new one.

    The old key is refused within a second; with --keep, it stays valid for that time. Only the new key is
    printed to stdout; with --json, also its settings.
    """
    asked = asked_of(terminal, file, url, key)
    known = ask(asked, _PATH, name)
    if keep in {"0", "0s"}:
        _confirm(terminal, known, "rotating", yes=yes)
    made = ask(asked, _PATH, name, "rotate", method="POST", body={"keep": keep})
    until = f"; the old key is valid until {made['old_until']}" if made["old_until"] else ""
    _show_made(terminal, made, f"{clean(name)} has a new key{until}")
    if known["expires"] is not None and made["expires"] is None:
        text = f"it had expired, and has no expiry now: dragoman keys update {clean(name)} --expires 90d"
        terminal.note("warn", text)


@command.command("revoke", examples=("dragoman keys revoke ci-agent --yes",))
@click.argument("name")
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
@gateway_options
@click.pass_obj
def revoke(
    terminal: Terminal, name: str, *, yes: bool, file: Path | None, url: str | None, key: str | None
) -> None:
    """Refuse a key permanently, within a second on all servers. Running requests may finish."""
    asked = asked_of(terminal, file, url, key)
    if not yes:
        _confirm(terminal, ask(asked, _PATH, name), "revoking", yes=yes)
    gone = ask(asked, _PATH, name, method="DELETE")
    if terminal.as_json:
        terminal.result(gone)
        return
    terminal.note("ok", f"{clean(name)} is revoked")
    if gone["shadowed"]:
        text = (
            "the configuration declares a key of this name (`auth.keys`), which stays valid: remove it there"
        )
        terminal.note("warn", text)


@command.command("hash", examples=("dragoman keys hash < key.txt",))
@click.pass_obj
def hash_(terminal: Terminal) -> None:
    """Print the SHA-256 of the key on stdin, for `auth.keys[].hash` or `keys create --hash`."""
    from dragoman.accounts.minting import digest

    text = sys.stdin.readline().strip()
    if not text:
        raise Failure(MISUSE, "there is no key on stdin", hint="dragoman keys hash < key.txt")
    terminal.result(digest(text).hex())


def _stated(options: dict[str, Any]) -> dict[str, Any]:
    found = stated(options)
    for owner in ("tenant", "team", "user"):
        if (name := options[owner]) is not None:
            found[owner] = None if name == "none" else name
    if options["scopes"]:
        found["scopes"] = list(options["scopes"])
    if (expires := options["expires"]) is not None:
        found["expires"] = _moment(expires)
    return found


def _moment(stated: str) -> str | None:
    """Return the text for `expires` in the administration API, a date or a time in ISO 8601; None = never.
    stated: a duration from now ("90d"), a date, a time with its zone, or "never". Raises Failure for any
    other text.
    """
    from dragoman.config.scalars import Moment
    from dragoman.seams.clock import SYSTEM

    if stated == "never":
        return None
    try:
        return str(Moment.from_now(stated, SYSTEM.now()))
    except ValueError:
        text = f"--expires: expected 90d, {Moment.expected}, or never"
        raise Failure(MISUSE, text, hint="--expires 90d") from None


def _confirm(terminal: Terminal, known: dict[str, Any], doing: str, *, yes: bool) -> None:
    """Ask whether a key shall stop working; if the answer is no, the command ends (`confirm`). known: the
    key's entry, as the gateway sends it. doing: "rotating" or "revoking". yes: True = do not ask.
    """
    name = clean(known["name"])
    used = f"last used {known['last_used']}" if known["last_used"] else "never used, as far as is known"
    question = f"{name} was {used}. Its key will be refused everywhere within a second. Go on {doing} it?"
    confirm(terminal, f"{doing} {name}", question, yes=yes, hint=f"add --yes ({used})")


def _show_made(terminal: Terminal, made: dict[str, Any], said: str) -> None:
    if terminal.as_json:
        terminal.result(made)
        return
    if made["key"] is None:
        terminal.note("ok", said)
        return
    terminal.note("ok", f"{said}; this is shown only now:")
    terminal.result(made["key"])
