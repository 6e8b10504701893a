"""`dragoman check`: is this configuration good? Nothing is opened and nobody is called."""

from __future__ import annotations

import os
from pathlib import Path

import click

from dragoman.cli.command import Command
from dragoman.cli.options import advice, problems, warn
from dragoman.cli.terminal import CONFIGURATION, Failure, Terminal, clean
from dragoman.errors import ConfigError
from dragoman.providers.address import without_keys


@click.command("check", cls=Command, examples=("dragoman check", "dragoman check team.yaml"))
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.pass_obj
def command(terminal: Terminal, file: Path | None) -> None:
    """Check a configuration: exit code 0 when it can be used, 3 with every problem when not.

    FILE is the one to check; else DRAGOMAN_CONFIG, ./dragoman.yaml, or the home folder's. Variables of the
    environment count as they do for `dragoman serve`.
    """
    from dragoman.config.load import load
    from dragoman.stores.open import located

    try:
        found = load(file, os.environ)
        located(found.config.stores.sql, found.home)
    except ConfigError as error:
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
        terminal.result(
            {
                "file": str(found.file) if found.file else None,
                "providers": list(found.providers),
                "models": list(config.models),
                "aliases": list(config.aliases),
                "warnings": [str(warning) for warning in found.warnings],
            }
        )
        return
    warn(terminal, found)
    where = clean(str(found.file)) if found.file else "the environment (no configuration file)"
    terminal.say(f"{terminal.err.mark('ok')} {where} is valid")
    rows = [("provider", name, without_keys(account.base_url)) for name, account in found.providers.items()]
    rows += [
        ("model", name, ", ".join(t.use for t in model.targets)) for name, model in config.models.items()
    ]
    rows += [("alias", name, alias.route) for name, alias in config.aliases.items()]
    if rows:
        terminal.table(("kind", "name", "stands for"), rows)
