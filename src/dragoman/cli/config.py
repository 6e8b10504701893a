"""`dragoman config`: shows the schema of all settings and the current settings, approves files, and creates
client keys.
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from dragoman.cli.command import Group
from dragoman.cli.options import config_option, loaded, with_kept
from dragoman.cli.terminal import CONFIGURATION, MISUSE, Failure, Terminal, clean

command = Group(
    "config",
    help="Show the current settings, or list all settings; choose where API keys may be sent.",
    examples=("dragoman config show", "dragoman config schema > dragoman.schema.json"),
)


@command.command(examples=("dragoman config schema", "dragoman config schema > dragoman.schema.json"))
@click.pass_obj
def schema(terminal: Terminal) -> None:
    """Print the JSON Schema of the configuration file, for editors."""
    from dragoman.config.schema import json_schema

    terminal.result(json_schema())


@command.command(
    examples=(
        "dragoman config show",
        "dragoman config show --all",
        "dragoman config show -c team.yaml --json",
    )
)
@config_option
@click.option("--all", "everything", is_flag=True, help="The defaults too, with what they come to here.")
@click.option("--changed", is_flag=True, help="Only what is stated somewhere, as without it.")
@click.pass_obj
def show(terminal: Terminal, file: Path | None, *, everything: bool, changed: bool) -> None:
    """Show the settings that are stated, in a file, in the environment or by an added entry, and where each
    is stated. Secrets are masked.

    With --all, show every setting, also those that have their default.
    """
    from dragoman.config.show import Shown, shown
    from dragoman.config.show import changed as stated

    if everything and changed:
        raise Failure(MISUSE, "--all and --changed exclude each other", hint="leave one out")
    found = with_kept(terminal, loaded(terminal, file))
    if everything:
        from dragoman.server.admin.effective import effective
        from dragoman.stores.open import unstated

        rows = list(shown(found, effective(found, unstated(found.home))))
    else:
        rows = list(stated(found))
    if terminal.as_json:
        terminal.result([row._asdict() for row in rows])
        return
    if rows:
        terminal.table(Shown._fields, rows, names=1)
    if not everything:
        rest = "everything else has its default" if rows else "nothing is stated: everything has its default"
        terminal.say(f"{rest}; dragoman config show --all lists it")


@command.command(examples=("dragoman config trust", "dragoman config trust team.yaml"))
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.pass_obj
def trust(terminal: Terminal, file: Path | None) -> None:
    """Approve that FILE sends keys of the environment to the hosts that it names. Without FILE: the file that
    `dragoman serve` would read here.

    A file that is only found in the working directory may use such keys for their own vendors without
    approval. Each approved pair of a key and a host is printed and stored, so that a later change of the file
    needs a new approval only if it sends a key to another host.
    """
    from dragoman.config.locate import find
    from dragoman.config.trust import trust as keep

    named = file if file is not None else find(os.environ, Path())
    if named is None:
        raise Failure(
            MISUSE, "there is no dragoman.yaml in this directory", hint="dragoman config trust FILE"
        )
    found = loaded(terminal, named)
    try:
        kept = keep(found.home, [lead.pair for lead in found.leads])
    except OSError as error:
        raise Failure(CONFIGURATION, f"{found.home} cannot be written: {error.strerror}") from None
    if terminal.as_json:
        trusted = [{"secret": lead.secret, "target": lead.target} for lead in found.leads]
        terminal.result({"file": str(named), "kept": str(kept), "trusted": trusted})
        return
    for secret, where in sorted({(lead.secret, lead.where) for lead in found.leads}):
        terminal.note("ok", f"{clean(secret)} may be sent to {clean(where)}")
    if not found.leads:
        terminal.note("ok", f"{clean(str(named))} sends no keys to other servers: nothing to trust")


@command.command(examples=("dragoman config key", "DRAGOMAN_API_KEY=$(dragoman config key) dragoman serve"))
@click.pass_obj
def key(terminal: Terminal) -> None:
    """Print a new random key for a client. The key is not stored."""
    from dragoman.cli.client_key import fresh

    terminal.result(fresh())
