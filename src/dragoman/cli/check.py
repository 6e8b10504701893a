"""`dragoman check`: checks a configuration, or converts one of LiteLLM.

Without `--live` it sends no request, and opens a database only to look up names that the configuration does
not declare.
"""

from __future__ import annotations

import asyncio
import os
import shlex
from pathlib import Path
from typing import TYPE_CHECKING

import click
import msgspec

from dragoman.cli.command import Command
from dragoman.cli.options import advice, problems, warn, with_kept
from dragoman.cli.terminal import ANSWER_IS_NO, CONFIGURATION, MISUSE, Failure, Terminal, clean
from dragoman.errors import ConfigError

if TYPE_CHECKING:
    from dragoman.assembly.probing import Row
    from dragoman.cli.databases import Found
    from dragoman.config.load import Loaded


@click.command(
    "check",
    cls=Command,
    examples=(
        "dragoman check",
        "dragoman check team.yaml",
        "dragoman check --live",
        "dragoman check litellm.yaml --convert > dragoman.yaml",
    ),
)
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.option(
    "--live",
    is_flag=True,
    help="Also ask each provider with each key, by the cheapest call, and the database; 1 if one fails.",
)
@click.option(
    "-c", "--config", "named", metavar="FILE", type=click.Path(path_type=Path), help="The same as FILE."
)
@click.option("--convert", is_flag=True, help="FILE is LiteLLM's: print the file that does the same here.")
@click.pass_obj
def command(terminal: Terminal, file: Path | None, named: Path | None, *, live: bool, convert: bool) -> None:
    """Check a configuration: exit code 0 when it can be used, 3 with every problem when not.

    FILE is the one to check; else DRAGOMAN_CONFIG, ./dragoman.yaml, or dragoman.yaml in Dragoman's folder.
    Variables of the environment count as they do for `dragoman serve`. For LiteLLM's config.yaml, it says
    what to write in place of each setting.
    """
    from dragoman.assembly.names import naming, refuse_unknown
    from dragoman.cli.described import described
    from dragoman.config.load import load
    from dragoman.stores.open import located

    if file is not None and named is not None:
        raise Failure(MISUSE, "FILE and --config both name a file: keep one of them")
    file = file or named
    if file is not None and _is_litellms(terminal, file, convert=convert):
        return
    if convert:
        text = "--convert takes LiteLLM's config.yaml, with model_list, litellm_settings or the like"
        raise Failure(MISUSE, text, hint="dragoman check litellm.yaml --convert > dragoman.yaml")
    try:
        found = load(file, os.environ)
        located(found.config.stores.sql, found.home)
        # Keys may name what operators have added, which is looked at only if such a name is not declared.
        whole = with_kept(terminal, found) if found.doubts else found
        refuse_unknown(whole, naming(whole))
    except ConfigError as error:
        warn(terminal, error.warnings)
        many = len(error.problems)
        raise Failure(
            CONFIGURATION,
            f"the configuration has {many} problem{'s' * (many != 1)}",
            hint=advice(error),
            lines=[str(problem) for problem in error.problems],
            fields=problems(error),
        ) from None
    config = found.config
    if terminal.as_json:
        asked, databases = (_asked(terminal, found), _databases(found)) if live else ([], [])
        terminal.result(
            {
                "file": str(found.file) if found.file else None,
                "providers": list(found.providers),
                "models": list(config.models),
                "aliases": list(config.aliases),
                "described": [one._asdict() for one in described(config, found.providers)],
                "warnings": [str(warning) for warning in found.warnings],
                **({"live": [msgspec.to_builtins(row) for row in asked]} if live else {}),
                **({"databases": [one.as_json() for one in databases]} if live else {}),
            }
        )
        _exit_if_failed(asked, databases)
        return
    warn(terminal, found.warnings)
    where = clean(str(found.file)) if found.file else "the environment (no configuration file)"
    terminal.note("ok", f"{where} is valid")
    if live:
        asked = _asked(terminal, found)
        if asked:
            terminal.table(
                ("provider", "key", "asked for", "state", "in its words"),
                [(row.provider, _key(row), row.asked, row.state, row.message) for row in asked],
                wraps=True,
            )
        databases = _databases(found)
        for one in databases:
            what = f"{one.kind} {one.version}, {one.place.where}, {one.latency} ms, schema {one.state}"
            terminal.note("bad" if one.problem else "ok", clean(f"{one.place.setting}: {what}"))
        _exit_if_failed(asked, databases)
        return
    if rows := described(config, found.providers):
        terminal.table(("kind", "name", "stands for", "how"), rows, wraps=True)


def _is_litellms(terminal: Terminal, file: Path, *, convert: bool) -> bool:
    """Return whether the file is LiteLLM's configuration; if it is, print its conversion. convert: whether
    `--convert` was given; without it, a file of LiteLLM raises Failure with notes about its settings. False
    also if the file cannot be read or is not valid YAML.
    """
    from dragoman.config.litellm import convert as converted
    from dragoman.config.litellm import in_yaml, is_litellms, lines
    from dragoman.config.load import as_written

    try:
        theirs = as_written(file)
    except ConfigError:
        return False  # the normal check reports what is wrong with the file
    if not isinstance(theirs, dict) or not is_litellms(theirs):
        return False
    settings, notes = converted(theirs)
    if not convert:
        named = shlex.quote(str(file))
        raise Failure(
            CONFIGURATION,
            "this is LiteLLM's configuration, which is not read as it is",
            hint=f"dragoman check {named} --convert > dragoman.yaml writes what does the same here",
            lines=list(lines(notes)),
            fields={"notes": [note._asdict() for note in notes]},
        )
    if terminal.as_json:
        terminal.result({"settings": settings, "notes": [note._asdict() for note in notes]})
        return True
    for line in lines([note for note in notes if not note.done]):
        terminal.note("warn", f"{clean(line)}")
    terminal.result(in_yaml(settings).rstrip("\n"))
    return True


def _asked(terminal: Terminal, found: Loaded) -> list[Row]:
    from dragoman.cli.live import ask, asks

    for line in asks(found):
        terminal.say(clean(line))
    if not found.providers:
        terminal.say("no provider is configured, so nobody is asked")
    return asyncio.run(ask(found, lambda line: terminal.say(clean(line))))


def _databases(found: Loaded) -> list[Found]:
    from dragoman.cli.databases import look, places
    from dragoman.stores.open import installed

    return [look(place) for place in places(found)] if installed() else []


def _key(row: Row) -> str:
    return "none" if row.key is None else f"…{row.key}"


def _exit_if_failed(asked: list[Row], databases: list[Found]) -> None:
    if any(row.state != "ok" for row in asked) or any(one.problem is not None for one in databases):
        raise click.exceptions.Exit(ANSWER_IS_NO)
