"""`dragoman config`: the settings that there are, and those in force."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click
import msgspec

from dragoman.cli.options import config_option, loaded
from dragoman.cli.terminal import Terminal


@click.group()
def config() -> None:
    """Show the settings in force.

    \b
    dragoman config show
    dragoman config schema > dragoman.schema.json
    """


@config.command()
@click.pass_obj
def schema(terminal: Terminal) -> None:
    """The JSON Schema of the configuration file, for editors."""
    from dragoman.config.schema import json_schema

    terminal.result(json_schema())


@config.command()
@config_option
@click.pass_obj
def show(terminal: Terminal, config: Path | None) -> None:
    """Every setting in force with its source; secrets are masked."""
    found = loaded(terminal, config)
    rows = [(path, value, found.source(path)) for path, value in _leaves("", found.config)]
    if terminal.as_json:
        terminal.result([{"setting": p, "value": v, "source": s} for p, v, s in rows])
        return
    if not terminal.out.isatty():
        terminal.result("setting\tvalue\tsource")
    wide = max(len(path) for path, _, _ in rows)
    for path, value, source in rows:
        if terminal.out.isatty():
            terminal.result(f"{path:<{wide}}  {value}  {terminal.styled(source, 'off', terminal.out)}")
        else:
            terminal.result(f"{path}\t{value}\t{source}")


def _leaves(path: str, value: Any) -> list[tuple[str, str]]:
    if isinstance(value, msgspec.Struct):
        entries: dict[str, Any] = {name: getattr(value, name) for name in value.__struct_fields__}
    elif isinstance(value, dict) and value:
        entries = value
    else:
        return [(path, str(value))]
    found: list[tuple[str, str]] = []
    for name, inner in entries.items():
        flat = path if name == "named" else f"{path}.{name}" if path else str(name)
        found.extend(_leaves(flat, inner))
    return found
