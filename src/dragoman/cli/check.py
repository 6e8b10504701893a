"""`dragoman check`: is this configuration good? Nothing is opened and nobody is called."""

from __future__ import annotations

from pathlib import Path

import click

from dragoman.cli.options import loaded
from dragoman.cli.terminal import Terminal


@click.command()
@click.argument("file", required=False, type=click.Path(path_type=Path))
@click.pass_obj
def check(terminal: Terminal, file: Path | None) -> None:
    """Check a configuration: exit code 0 when it can be used, 3 with every problem when not.

    \b
    dragoman check
    dragoman check team.yaml
    """
    found = loaded(terminal, file)
    summary = {
        "file": str(found.file) if found.file else None,
        "providers": sorted(found.providers),
        "models": sorted(found.config.models),
        "aliases": sorted(found.config.aliases),
        "warnings": [str(warning) for warning in found.warnings],
    }
    if terminal.as_json:
        terminal.result(summary)
        return
    where = summary["file"] or "the environment alone"
    terminal.say(f"{terminal.mark('ok')} {where} is good")
    for name in ("providers", "models", "aliases"):
        terminal.result(f"{name}\t{', '.join(summary[name] or []) or '–'}")
