"""`dragoman serve`: load, listen, say where, answer until told to stop."""

from __future__ import annotations

import shutil
import sys
import time
from pathlib import Path
from typing import Any

import click
import msgspec

from dragoman.cli.options import config_option, loaded
from dragoman.cli.terminal import UNREACHABLE, Terminal
from dragoman.config.settings import ClientKey, Config
from dragoman.secret import Secret
from dragoman.seams import SYSTEM
from dragoman.version import __version__


@click.command(
    epilog="Ctrl-C finishes what runs; Ctrl-C again stops at once.",
)
@config_option
@click.option("--host", help="The address to listen on.")
@click.option("--port", type=click.IntRange(0, 65535), help="The port; 0 takes a free one.")
@click.option("--preset", multiple=True, help="Ready-made settings to build on.")
@click.option("--no-auth", is_flag=True, help="Answer everybody, on a public host too.")
@click.option("--require-auth", is_flag=True, help="Ask for a key on loopback too.")
@click.pass_obj
def serve(
    terminal: Terminal,
    config: Path | None,
    host: str | None,
    port: int | None,
    preset: tuple[str, ...],
    no_auth: bool,
    require_auth: bool,
) -> None:
    """Answer requests.

    \b
    dragoman serve
    dragoman serve --port 3000 --config team.yaml
    """
    began = SYSTEM.monotonic()
    overrides: dict[str, Any] = {}
    if host is not None:
        overrides["server.host"] = host
    if port is not None:
        overrides["server.port"] = port
    if preset:
        overrides["preset"] = list(preset)
    if no_auth:
        overrides["auth.open"] = True
    if require_auth:
        overrides["auth.required"] = True
    found = loaded(terminal, config, overrides)
    _run(terminal, found, began)
