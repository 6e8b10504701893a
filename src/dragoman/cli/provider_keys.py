"""`dragoman provider-keys`: keeps, lists, removes and re-encrypts the keys that tenants have brought for
providers.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Final

import click

from dragoman.cli.asked import asked_of, from_gateway, gateway_options, nobody
from dragoman.cli.command import Group
from dragoman.cli.confirming import confirm
from dragoman.cli.entries import ask
from dragoman.cli.terminal import ANSWER_IS_NO, MISUSE, Failure, Terminal, clean

_LIST: Final = "/admin/provider-keys"
_TENANTS: Final = "/admin/tenants"

command = Group(
    "provider-keys",
    help="Keep, list and remove keys of providers that tenants have brought.",
    examples=("dragoman provider-keys set acme openai < key.txt", "dragoman provider-keys list"),
)


@command.command("set", examples=("dragoman provider-keys set acme openai < key.txt",))
@click.argument("tenant")
@click.argument("provider")
@gateway_options
@click.pass_obj
def set_(
    terminal: Terminal, tenant: str, provider: str, *, file: Path | None, url: str | None, key: str | None
) -> None:
    """Keep a tenant's own key for a provider, encrypted. Only the tenant's requests call the provider with
    it.

    The key is asked for at a terminal; otherwise it is the first line of stdin.
    """
    secret = _secret(terminal, tenant, provider)
    asked = asked_of(terminal, file, url, key)
    kept = ask(asked, _TENANTS, tenant, "provider-keys", provider, method="PUT", body={"key": secret})
    if terminal.as_json:
        terminal.result(kept)
    else:
        terminal.note(
            "ok", f"{clean(tenant)} calls {clean(provider)} with its own key {clean(kept['key'])} now"
        )


@command.command("list", examples=("dragoman provider-keys list",))
@gateway_options
@click.pass_obj
def list_(terminal: Terminal, file: Path | None, *, url: str | None, key: str | None) -> None:
    """List all keys that tenants have brought. Only the last characters of a key are shown."""
    found = from_gateway(asked_of(terminal, file, url, key), _LIST)
    if found is None:
        raise nobody()
    if terminal.as_json:
        terminal.result(found)
        return
    members = ("tenant", "provider", "key", "master", "created", "created_by")
    titles = ["tenant", "provider", "key", "master key", "kept", "by"]
    terminal.table(titles, [[one[name] for name in members] for one in found["data"]], names=2)


@command.command("remove", examples=("dragoman provider-keys remove acme openai --yes",))
@click.argument("tenant")
@click.argument("provider")
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
@gateway_options
@click.pass_obj
def remove(
    terminal: Terminal,
    tenant: str,
    provider: str,
    *,
    yes: bool,
    file: Path | None,
    url: str | None,
    key: str | None,
) -> None:
    """Remove a tenant's own key. Requests of the tenant call the provider with your keys again."""
    asked = asked_of(terminal, file, url, key)
    named = f"{clean(tenant)} at {clean(provider)}"
    question = f"Requests of {named} will cost your money. Remove its key?"
    confirm(terminal, f"removing the key of {named}", question, yes=yes)
    gone = ask(asked, _TENANTS, tenant, "provider-keys", provider, method="DELETE")
    if terminal.as_json:
        terminal.result(gone)
    else:
        terminal.note("ok", f"the key of {named} is removed")


@command.command("reencrypt", examples=("dragoman provider-keys reencrypt",))
@gateway_options
@click.pass_obj
def reencrypt(terminal: Terminal, file: Path | None, *, url: str | None, key: str | None) -> None:
    """Encrypt all keys with the current master key: exit code 1 if some cannot be decrypted.

    Put the old master key into `auth.old_encryption_keys` before this command; afterwards, remove it there. A
    key that cannot be decrypted stays as it is.
    """
    done = ask(asked_of(terminal, file, url, key), _LIST, "reencrypt", method="POST", body={})
    if terminal.as_json:
        terminal.result(done)
    else:
        terminal.note("ok", f"{done['changed']} keys are encrypted anew with the master key {done['master']}")
        for why in done["failed"]:
            terminal.note("bad", clean(why))
    if done["failed"]:
        raise click.exceptions.Exit(ANSWER_IS_NO)


def _secret(terminal: Terminal, tenant: str, provider: str) -> str:
    """Return the key that a person types at a terminal, which does not show it. If stdin or stderr is not a
    terminal, or with `--json`: the first line of stdin. Raises Failure if that line is empty.
    """
    if terminal.for_people and sys.stdin.isatty():
        asked: str = click.prompt(
            f"The key of {clean(tenant)} for {clean(provider)}", hide_input=True, err=True
        )
        return asked.strip()
    text = sys.stdin.readline().strip()
    if not text:
        hint = f"dragoman provider-keys set {clean(tenant)} {clean(provider)} < key.txt"
        raise Failure(MISUSE, "there is no key on stdin", hint=hint)
    return text
