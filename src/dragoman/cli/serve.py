"""`dragoman serve`: load, listen, say where, answer until told to stop."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import msgspec

from dragoman.cli.options import config_option, loaded
from dragoman.cli.terminal import UNREACHABLE, Terminal
from dragoman.seams import SYSTEM
from dragoman.version import __version__

if TYPE_CHECKING:
    from dragoman.config.load import Loaded
    from dragoman.gateway import Gateway


@click.command(epilog="Ctrl-C finishes what runs; Ctrl-C again stops at once.")
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
    *,
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
    _run(terminal, loaded(terminal, config, overrides), began)


def _run(terminal: Terminal, found: Loaded, began: float) -> None:
    from dragoman.gateway import Gateway
    from dragoman.observe.log import AccessLog
    from dragoman.server.serve import CannotListen, listen, serve

    settings = found.config.server
    found, made = _with_key(found)
    try:
        listener = listen(settings.host, settings.port)
    except CannotListen as error:
        terminal.fail(
            UNREACHABLE, str(error), hint="another server may be running there: dragoman serve --port 0"
        )
    log = AccessLog(sys.stderr.buffer, people=terminal.for_people) if settings.access_log else None
    gateway = Gateway(found, observers=[log] if log is not None else [])
    port = listener.getsockname()[1]

    def ready() -> None:
        seconds = SYSTEM.monotonic() - began
        if terminal.for_people:
            _banner(terminal, gateway, _base(found, port), made, seconds)
        else:
            _announce(found, port, made, seconds)

    serve(gateway, listener, ready)
    if log is not None:
        log.flush()


def _with_key(found: Loaded) -> tuple[Loaded, str | None]:
    """A public host without keys gets one made, kept in the home folder if that can be written."""
    from dragoman.accounts.keys import is_loopback
    from dragoman.config.settings import ClientKey
    from dragoman.secret import Secret

    auth = found.config.auth
    needed = not is_loopback(found.config.server.host) if auth.required is None else auth.required
    if auth.keys or auth.open or not needed:
        return found, None
    kept = found.home / "client-key"
    made = None
    try:
        key = kept.read_text(encoding="ascii").strip()
    except (OSError, ValueError):
        key = made = f"dgm_{SYSTEM.random_id()}{SYSTEM.random_id()}"
        try:
            found.home.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(kept, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
            with os.fdopen(descriptor, "w", encoding="ascii") as file:
                file.write(key + "\n")
        except OSError:
            pass  # a read-only home: the key lasts as long as this process
    keys = (ClientKey(key=Secret(key), name="made at the first start"),)
    config = msgspec.structs.replace(found.config, auth=msgspec.structs.replace(auth, keys=keys))
    return msgspec.structs.replace(found, config=config), made


def _announce(found: Loaded, port: int, made: str | None, seconds: float) -> None:
    """One JSON line for machines. A key that was just made is shown here, once."""
    server = found.config.server
    event: dict[str, Any] = {
        "event": "ready",
        "version": __version__,
        "host": server.host,
        "port": port,
        "seconds": round(seconds, 3),
        "config": str(found.file) if found.file else None,
    }
    if made is not None:
        event["client_key"] = made
    sys.stderr.write(json.dumps(event) + "\n")
    sys.stderr.flush()


def _base(found: Loaded, port: int) -> str:
    server = found.config.server
    return f"http://{_shown(server.host)}:{port}{server.base_path}"


def _banner(terminal: Terminal, gateway: Gateway, base: str, made: str | None, seconds: float) -> None:
    """Where it is, who answers, and three things to paste."""
    entries = gateway.entries()
    model = gateway.example_model()
    key = made or ("KEY" if gateway.client_keys.required else None)

    def row(name: str, text: str) -> None:
        terminal.say(f"  {terminal.styled(f'{name:<10}', 'off')} {text}")

    terminal.say(f"dragoman {__version__} · {base} · ready in {seconds:.2f} s")
    row("providers", "   ".join(f"{terminal.mark('ok')} {text}" for text in gateway.describe()))
    row("models", f"{len(entries)}, for example {model} · config: {gateway.origin}")
    if made is not None:
        row("access", f"this key, shown only now: {terminal.styled(made, 'command')}")
    elif gateway.client_keys.required:
        row("access", "with a key")
    else:
        row("access", "open on this machine · close it: set DRAGOMAN_API_KEY")
    body = json.dumps(
        {"model": model, "messages": [{"role": "user", "content": "Hi"}]}, separators=(",", ":")
    )
    bearer = f"-H 'authorization: Bearer {key}' " if key else ""
    row("curl", f"curl {bearer}--json '{body}' {base}/v1/chat/completions")
    row("python", f'OpenAI(base_url="{base}/v1", api_key="{key or "any"}").chat.completions.create(…)')
    row("list", f"curl {bearer}{base}/v1/models")
    terminal.say("Ctrl-C finishes what runs, Ctrl-C again stops now.")


def _shown(host: str) -> str:
    """The host as a client on this machine writes it."""
    if host in {"0.0.0.0", "::", ""}:  # noqa: S104 - not bound here, only shown
        return "127.0.0.1"
    return f"[{host}]" if ":" in host else host
