"""`dragoman providers`: shows the providers of a running gateway and their keys; tests, enables, disables and
revives them; adds and removes providers.

`list`, `show` and `test` also work if no gateway runs here: they then use the configuration, unless a URL is
given.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import click

from dragoman.cli.adding import changing
from dragoman.cli.asked import Asked, asked_of, from_gateway, gateway_options, nobody
from dragoman.cli.command import Group
from dragoman.cli.options import loaded, require_known, with_kept
from dragoman.cli.terminal import ANSWER_IS_NO, Failure, Terminal, clean

_LIST: Final = "/admin/providers"
_WORDS: Final = {
    "ready": "ok",
    "resting": "warn",
    "refused": "bad",
    "barred": "warn",
    "disabled": "off",
}
_DONE: Final = {"enable": "is asked again", "disable": "is left out", "revive": "begins anew"}

command = Group(
    "providers",
    help="Show providers and their keys; enable, disable, revive or test them; add and remove them.",
    examples=("dragoman providers list", "dragoman providers test openai"),
)
changing(
    command,
    "providers",
    "a provider",
    ("dragoman providers add acme base_url=https://api.acme.example 'keys=${ACME_KEY}'",),
)


@command.command(
    "list",
    examples=(
        "dragoman providers list",
        "dragoman providers list --json",
        "dragoman providers list --known",
    ),
)
@gateway_options
@click.option("--known", is_flag=True, help="List the vendors that can be configured instead.")
@click.pass_obj
def list_(terminal: Terminal, file: Path | None, *, url: str | None, key: str | None, known: bool) -> None:
    """List all providers, with the state of each. If no gateway runs here and no --url is given, list those
    of the configuration, without states.

    With --known, list every vendor that Dragoman knows: its protocols and operations, the variable of its
    key, whether it is configured, how much of it was tried (passed tests with recorded traffic; cells of the
    feature matrix in which the client gets its answer), and the month in which its documentation was read.
    """
    if known:
        _known(terminal, file)
        return
    asked = asked_of(terminal, file, url, key)
    rows = from_gateway(asked, _LIST)
    if rows is None:
        _configured(terminal, asked)
        return
    if terminal.as_json:
        terminal.result({"gateway": _named(asked), "data": rows["data"]})
        return
    out = terminal.out
    terminal.table(
        ("provider", "state", "keys", "running", "latest error"),
        [
            (one["name"], f"{out.plain(_mark(one))} {_state(one)}", _keys(one), one["running"], _error(one))
            for one in rows["data"]
        ],
        wraps=True,
    )


@command.command("show", examples=("dragoman providers show openai",))
@click.argument("name")
@gateway_options
@click.pass_obj
def show(terminal: Terminal, name: str, file: Path | None, *, url: str | None, key: str | None) -> None:
    """Show one provider: its address, its keys and their state, and deployments that fail. Without a running
    gateway, show its address and keys in the configuration.
    """
    asked = asked_of(terminal, file, url, key)
    found = from_gateway(asked, _LIST, name)
    if found is None:
        _configured(terminal, asked, name)
        return
    if terminal.as_json:
        terminal.result({"gateway": _named(asked), **found})
        return
    _show(terminal, found)


def _order(do: str, help_: str) -> None:
    """Add the command `do` ("enable", "disable", …), which has the gateway do this to a provider or to one of
    its keys. help_: the help text of the command.
    """

    @command.command(do, help=help_, examples=(f"dragoman providers {do} openai",))
    @click.argument("name")
    @click.option("--only-key", "only", metavar="ID", help="Only this key, by its id or its last characters.")
    @gateway_options
    @click.pass_obj
    def give(
        terminal: Terminal,
        name: str,
        file: Path | None,
        *,
        only: str | None,
        url: str | None,
        key: str | None,
    ) -> None:
        asked = asked_of(terminal, file, url, key)
        path = [name] if only is None else [name, "keys", _key_id(asked, name, only)]
        found = from_gateway(asked, _LIST, *path, do, method="POST")
        if found is None:
            raise nobody()
        if terminal.as_json:
            terminal.result(found)
            return
        what = clean(name) if only is None else f"the key {clean(only)} of {clean(name)}"
        until = ", until it is enabled or the gateway restarts" if do == "disable" else ""
        terminal.note("ok", f"{what} {_DONE[do]}{until}")


_order("enable", "Ask a provider, or one of its keys, again.")
_order("disable", "Leave a provider, or one of its keys, out. Running requests go on.")
_order("revive", "Forget what is known against its keys and deployments.")


@command.command("test", examples=("dragoman providers test openai",))
@click.argument("name")
@gateway_options
@click.pass_obj
def test(terminal: Terminal, name: str, file: Path | None, *, url: str | None, key: str | None) -> None:
    """Test each key of a provider with the cheapest request that needs a key: exit code 1 if one fails.

    Without a running gateway this command itself sends the requests.
    """
    asked = asked_of(terminal, file, url, key)
    found = from_gateway(asked, _LIST, name, "test", method="POST", body={}) or _tested_here(
        terminal, asked, name
    )
    if terminal.as_json:
        terminal.result(found)
    else:
        for one in found["keys"]:
            state = "ok" if one["ok"] else "bad"
            key_ = "without a key" if one["key"] is None else f"key {one['key']}"
            told = f"{key_}: {one['state']}, {one['ms']:g} ms · {clean(one['message'])}"
            terminal.result(f"{terminal.out.mark(state)} {terminal.out.plain(told)}")
    if not found["ok"]:
        raise click.exceptions.Exit(ANSWER_IS_NO)


# Asking ------------------------------------------------------------------------------------------


def _key_id(asked: Asked, name: str, only: str) -> str:
    """Return the id of a provider's key. name: the provider. only: the key's id, or its last characters,
    exactly those that the gateway shows (with or without `…`). Raises Failure if no key or several keys
    match, if no gateway runs, or if the gateway answers with an error.
    """
    found = from_gateway(asked, _LIST, name)
    if found is None:
        raise nobody()
    tail = only.removeprefix("…")
    ids = [
        key["id"]
        for key in found["keys"]
        if only == key["id"] or (key["key"] or "").removeprefix("…") == tail
    ]
    if not ids:
        require_known("key", only, [key["key"] or key["id"] for key in found["keys"]])
    if len(ids) != 1:
        raise Failure(ANSWER_IS_NO, f"several keys end so: {', '.join(ids)}", hint="--only-key ID")
    return str(ids[0])


def _tested_here(terminal: Terminal, asked: Asked, name: str) -> dict[str, Any]:
    from dragoman.cli.live import ask

    assert asked.found is not None
    found = with_kept(terminal, asked.found)
    require_known("provider", name, list(found.providers))
    keys = [
        {
            "key": None if row.key is None else f"…{row.key}",
            "ok": row.state == "ok",
            "state": row.state,
            "asked": row.asked,
            "ms": row.ms,
            "message": row.message,
        }
        for row in asyncio.run(ask(found, lambda _line: None, only=name))
    ]
    return {"provider": name, "ok": all(key["ok"] for key in keys), "keys": keys}


def _named(asked: Asked) -> str | None:
    """Return the address of the gateway that is asked, for `--json`; None = no gateway runs here."""
    return None if asked.way is None else asked.way.named


# Showing -----------------------------------------------------------------------------------------


def _known(terminal: Terminal, file: Path | None) -> None:
    from dragoman.cli.vendors import tell

    tell(terminal, with_kept(terminal, loaded(terminal, file)).providers.values())


def _configured(terminal: Terminal, asked: Asked, name: str | None = None) -> None:
    """Say that no gateway runs, and show what the configuration and the entries that operators have added say
    about the provider `name`; None = about all enabled providers. Raises Failure if there is no enabled
    provider with this name, or if the configuration is invalid.
    """
    from dragoman.providers.address import without_keys

    assert asked.found is not None
    found = with_kept(terminal, asked.found)
    providers = found.providers
    if name is not None:
        require_known("provider", name, list(providers))
        providers = {name: providers[name]}
    terminal.say("no gateway runs here: this is what the configuration says")
    if terminal.as_json:
        rows = [
            {
                "name": one.name,
                "vendor": None if one.vendor is None else one.vendor.name,
                "base_url": without_keys(one.base_url),
                "dialects": [api.dialect for api in one.apis],
                "keys": [{"key": str(key.secret)} for key in one.credentials],
            }
            for one in providers.values()
        ]
        terminal.result({"gateway": None, **({"data": rows} if name is None else rows[0])})
    elif providers:
        terminal.table(
            ("provider", "address", "keys"),
            [
                (
                    one.name,
                    without_keys(one.base_url),
                    " ".join(str(key.secret) for key in one.credentials) or "none",
                )
                for one in providers.values()
            ],
            wraps=True,
        )
    else:
        terminal.say(
            "no provider is configured: set a provider's API key; dragoman providers list --known names them"
        )


def _show(terminal: Terminal, one: Mapping[str, Any]) -> None:
    """Print one provider for people. one: the gateway's answer to `GET /admin/providers/NAME`."""
    out = terminal.out
    terminal.result(f"{out.mark(_STATES[_state(one)])} {clean(one['name'])}: {_state(one)}")
    rows = [
        ("vendor", one["vendor"]),
        ("added", one.get("added") and f"while the gateway ran, version {one['added']}"),
        ("address", one["base_url"]),
        ("protocols", ", ".join(one["dialects"])),
        ("models", _some(one["models"])),
        ("running", str(one["running"])),
        ("latest error", _error(one)),
    ]
    for title, text in rows:
        if text:
            terminal.result(f"  {title:<13}{out.plain(clean(str(text)))}")
    for number, key in enumerate(one["keys"]):
        title = "" if number else "keys"
        told = f"{key['key'] or 'none'}  {key['id']}  {key['state']}{_because(key)}"
        terminal.result(f"  {title:<13}{out.mark(_WORDS.get(key['state'], 'ok'))} {out.plain(clean(told))}")
    for number, breaker in enumerate(one["breakers"]):
        title = "" if number else "failing"
        when = f", asked again in {breaker['seconds']:g} s" if breaker["state"] == "open" else ""
        told = f"{breaker['deployment']}: {breaker['failures']} in a row{when}"
        mark = out.mark("bad" if breaker["state"] == "open" else "warn")
        terminal.result(f"  {title:<13}{mark} {out.plain(clean(told))}")
    if seconds := one.get("unanswered_for"):  # an older gateway does not send it
        told = f"did not answer a check, asked after others for {seconds:g} s"
        terminal.result(f"  {'checks':<13}{out.mark('bad')} {told}")


_STATES: Final = {"disabled": "off", "not asked yet": "off", "healthy": "ok", "failing": "bad"}


def _state(one: Mapping[str, Any]) -> str:
    if not one["enabled"]:
        return "disabled"
    if one["healthy"] is None:
        return "not asked yet"
    return "healthy" if one["healthy"] else "failing"


def _mark(one: Mapping[str, Any]) -> str:
    return {"ok": "●", "bad": "✕", "off": "○"}[_STATES[_state(one)]]


def _keys(one: Mapping[str, Any]) -> str:
    """Return how many keys a provider has in each state, as `2 ready, 1 refused`; `none` = it has no keys."""
    states = [key["state"] for key in one["keys"] if key["key"] is not None]
    if not states:
        return "none"
    words = dict.fromkeys([*_WORDS, *states])  # another version of the gateway may have other words
    return ", ".join(f"{states.count(state)} {state}" for state in words if state in states)


def _error(one: Mapping[str, Any]) -> str:
    if one["last_error"] is None:
        return ""
    return f"{one['last_error']}: {one['last_error_message']} ({one['last_error_at']})"


def _because(key: Mapping[str, Any]) -> str:
    if key["refused"] is not None and key["enabled"]:
        return f": {key['refused']}"
    waits = key["resting"] or key["barred"]
    told = ", ".join(f"{model} {seconds:g} s" for model, seconds in list(waits.items())[:3])
    return f" ({told})" if told else ""


def _some(names: list[str]) -> str:
    shown = names[:6]
    more = f" and {len(names) - len(shown)} more" if len(names) > len(shown) else ""
    return ", ".join(shown) + more
