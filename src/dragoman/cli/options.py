"""Options and steps that several commands share: the configuration, and what to say when it is wrong."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from dragoman.cli.terminal import CONFIGURATION, Terminal
from dragoman.errors import ConfigError

if TYPE_CHECKING:
    from dragoman.config.load import Loaded

config_option = click.option(
    "--config",
    "-c",
    type=click.Path(path_type=Path),
    help="The configuration file. Else DRAGOMAN_CONFIG, ./dragoman.yaml, or the home folder's.",
)


def loaded(
    terminal: Terminal, path: Path | None, overrides: Mapping[str, Any] = MappingProxyType({})
) -> Loaded:
    """The configuration in force; ends the command with exit code 3 and every problem when it is wrong."""
    from dragoman.config.load import load

    try:
        found = load(path, os.environ, overrides)
    except ConfigError as error:
        for problem in error.problems[:-1]:
            terminal.say(f"{terminal.styled('error:', 'bad')} {problem}")
        last = error.problems[-1]
        terminal.fail(
            CONFIGURATION,
            str(last._replace(hint=None)),
            hint=last.hint or "dragoman config schema lists every setting",
            word="configuration",
        )
    for warning in found.warnings:
        terminal.say(f"{terminal.mark('warn')} {warning}")
    return found
