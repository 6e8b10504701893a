"""Loads the configuration for several commands: the option `--config`, and the error messages."""

from __future__ import annotations

import difflib
import os
import shlex
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import click

from dragoman.cli.terminal import CONFIGURATION, MISUSE, Failure, Terminal, clean
from dragoman.errors import ConfigError, Problem

if TYPE_CHECKING:
    from dragoman.config.load import Loaded

config_option = click.option(
    "--config",
    "-c",
    "file",
    type=click.Path(path_type=Path),
    help="The configuration file. Default: DRAGOMAN_CONFIG, ./dragoman.yaml, or dragoman.yaml in "
    "Dragoman's folder.",
)


def loaded(
    terminal: Terminal, file: Path | None, overrides: Mapping[str, Any] = MappingProxyType({})
) -> Loaded:
    """Load the configuration, print its warnings, and return it. file: the file to read, None = the one of
    DRAGOMAN_CONFIG (empty = no file), else ./dragoman.yaml, else dragoman.yaml in Dragoman's folder, else no
    file. overrides: settings that replace those of the file, by their paths ({"server.port": 9000}). Raises
    Failure with the first problem of the configuration.
    """
    from dragoman.config.load import load

    try:
        found = load(file, os.environ, overrides)
    except ConfigError as error:
        raise refused(error, file) from None
    warn(terminal, found.warnings)
    return found


def with_kept(terminal: Terminal, found: Loaded) -> Loaded:
    """Return the configuration together with the entries that operators have added, which are in the
    database, as `dragoman serve` adds them at its start. Without the extra for databases (`sql`), `found` is
    returned. Prints the warnings about added entries, and a warning if the database cannot be read. Raises
    Failure with the first problem.
    """
    from dragoman.assembly.added import with_added
    from dragoman.stores.open import installed, located

    if not installed():
        return found
    try:
        database = located(found.config.stores.sql or "sqlite", found.home)
        whole = with_added(found, database, starting=True)
    except ConfigError as error:
        raise refused(error, found.file) from None
    warn(terminal, [one for one in whole.warnings if one not in found.warnings])
    return whole


def refused(error: ConfigError, file: Path | None) -> Failure:
    """Return (not raise) the failure for the first problem of a configuration; its JSON form has all of them.
    Its hint: if there are several problems, the command that lists all of them; if there is only one, the
    hint of that problem, or if that has none, the one of `advice`. file: the configuration file, for that
    command; None = the command finds the file.
    """
    first, *others = error.problems
    if others:
        command = shlex.join(["dragoman", "check", *([str(file)] if file else [])])
        hint: str | None = f"to list all {len(error.problems)} problems: {command}"
    else:
        first, hint = first._replace(hint=None), first.hint or advice(error)
    return Failure(CONFIGURATION, str(first), hint=hint, fields=problems(error))


def require_known(kind: str, name: str, names: Collection[str]) -> None:
    """Raise Failure if `name` is not among `names`. The failure's hint is the most similar name, or all names
    if none is similar. kind: what the name is for ("client").
    """
    if name not in names:
        near = difflib.get_close_matches(name, names, n=1)
        hint = f"did you mean {near[0]}?" if near else f"one of: {', '.join(names)}"
        raise Failure(MISUSE, f"unknown {kind} {name!r}", hint=hint)


def warn(terminal: Terminal, warnings: Iterable[Problem]) -> None:
    """Print warnings about a configuration to stderr; with `--json` or `--quiet`, print nothing."""
    for warning in warnings:
        terminal.note("warn", f"{clean(str(warning))}")


def advice(error: ConfigError) -> str | None:
    """Return a hint that names the command which lists all settings; None if each problem about a setting
    already has a hint of its own.
    """
    unhelped = any(one.path and not one.hint for one in error.problems)
    return "dragoman config schema lists every setting" if unhelped else None


def problems(error: ConfigError) -> dict[str, Any]:
    """Return all problems and warnings of an error, for its JSON form: {"problems": [an object for each],
    "warnings": [a text for each]}.
    """
    return {
        "problems": [problem._asdict() for problem in error.problems],
        "warnings": [str(warning) for warning in error.warnings],
    }
