"""`dragoman config`: the settings that there are, and those in force."""

from __future__ import annotations

from pathlib import Path

import click

from dragoman.cli.command import Group
from dragoman.cli.options import config_option, loaded
from dragoman.cli.terminal import Terminal

command = Group(
    "config",
    help="Show the settings in force, or all that there are.",
    examples=("dragoman config show", "dragoman config schema > dragoman.schema.json"),
)


@command.command(
    examples=("dragoman config schema", "dragoman config schema > dragoman.schema.json"),
)
@click.pass_obj
def schema(terminal: Terminal) -> None:
    """The JSON Schema of the configuration file, for editors."""
    from dragoman.config.schema import json_schema

    terminal.result(json_schema())


@command.command(examples=("dragoman config show", "dragoman config show --config team.yaml --json"))
@config_option
@click.pass_obj
def show(terminal: Terminal, file: Path | None) -> None:
    """Every setting in force with its source; secrets are masked."""
    from dragoman.config.show import Shown, shown

    rows = list(shown(loaded(terminal, file)))
    if terminal.as_json:
        terminal.result([row._asdict() for row in rows])
    else:
        terminal.table(Shown._fields, rows)
