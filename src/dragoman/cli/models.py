"""`dragoman models`: lists the available models, fetches the providers' lists of models again, installs and
verifies the weights of embedded models, and adds models to a running gateway or removes them.
"""

from __future__ import annotations

import asyncio
import difflib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from dragoman.cli.adding import changing
from dragoman.cli.asked import Asked, asked_of, from_gateway, gateway_options
from dragoman.cli.command import Group
from dragoman.cli.confirming import confirm
from dragoman.cli.options import config_option, loaded, with_kept
from dragoman.cli.progress import Progress
from dragoman.cli.terminal import ANSWER_IS_NO, MISUSE, Failure, Terminal, clean
from dragoman.errors import DragomanError
from dragoman.seams.extras import command as added_by

if TYPE_CHECKING:
    from dragoman.upstreams.local.weights import Weights

_SMALLEST = "smollm2:135m"

command = Group(
    "models",
    help="List, install and verify models; add models to a running gateway and remove them.",
    examples=("dragoman models list", f"dragoman models install {_SMALLEST}"),
)
changing(command, "models", "a model", ("dragoman models add fast openai/gpt-5-mini",))


@command.command(
    "list",
    examples=(
        "dragoman models list",
        "dragoman models list --config team.yaml --json",
        "dragoman models list --embedded",
    ),
)
@config_option
@click.option(
    "--embedded", is_flag=True, help="List the models that can be installed on this machine instead."
)
@click.pass_obj
def list_(terminal: Terminal, file: Path | None, *, embedded: bool) -> None:
    """List the model names that the gateway shows to clients, each with the provider of its first deployment.

    Clients can use further names: those that fit a pattern of the configuration, `provider/model` for models
    that no list has, and the bare names of known models. The providers' own lists are used as they were
    fetched last, by `dragoman serve` or `dragoman models refresh`.
    """
    from dragoman.assembly.model_lists import ModelLists, addresses_of
    from dragoman.assembly.names import naming

    if embedded:
        _list_embedded(terminal)
        return
    found = with_kept(terminal, loaded(terminal, file))
    lists = ModelLists(found.home, addresses_of(found))
    entries = list(naming(found, lists=lists.facts()).entries())
    if terminal.as_json:
        shown = ("id", "provider", "context_window", "max_output_tokens", "capabilities")
        terminal.result([{name: getattr(entry, name) for name in shown} for entry in entries])
        return
    terminal.table(
        ("model", "provider", "context", "capabilities"),
        [(e.id, e.provider, e.context_window, " ".join(e.capabilities)) for e in entries],
    )
    if not entries:
        terminal.say(
            f"no model is available yet: set a provider's API key, or run dragoman models install {_SMALLEST}"
        )


@command.command(
    examples=(
        "dragoman models refresh",
        "dragoman models refresh openai ollama",
        "dragoman models refresh --url https://gateway.example.com --key $DRAGOMAN_API_KEY",
    )
)
@click.argument("providers", nargs=-1, metavar="[PROVIDER]...")
@gateway_options
@click.pass_obj
def refresh(
    terminal: Terminal, providers: tuple[str, ...], *, file: Path | None, url: str | None, key: str | None
) -> None:
    """Fetch the providers' own lists of models now. The exit code is 1 if one of them fails.

    The gateway that runs here (or at --url) fetches them. If none runs here, this command fetches them, and
    stores them for the next `dragoman serve`. PROVIDER: only the lists of these; without one, all lists.
    """
    asked = asked_of(terminal, file, url, key)
    body = {"providers": list(providers)}
    answer = from_gateway(asked, "/admin/model-lists/refresh", method="POST", body=body)
    rows = _fetched_here(asked, providers) if answer is None else answer["data"]
    if terminal.as_json:
        terminal.result(rows)
    else:
        terminal.table(
            ("provider", "models", "state"),
            [(row["provider"], row["models"], clean(row["error"] or "fetched")) for row in rows],
            wraps=True,
        )
        if not rows:
            terminal.say("no provider is configured whose list of models is fetched")
    if any(row["error"] for row in rows):
        raise click.exceptions.Exit(ANSWER_IS_NO)


def _fetched_here(asked: Asked, providers: tuple[str, ...]) -> list[dict[str, Any]]:
    """Fetch the lists of these providers (of all if `providers` is empty) in this process, and store them.
    Returns a row for each list: {"provider": its name, "models": the number of its known models, "error": why
    the list did not arrive; None = it did}. Raises Failure if `providers` has a name of no provider whose
    list is fetched.
    """
    from dragoman.cli.refreshing import refreshed, unlisted

    assert asked.found is not None  # else a gateway has answered
    if lacking := unlisted(asked.found, providers):
        raise Failure(MISUSE, f"no list of models is fetched from a provider {lacking[0]!r}")
    return asyncio.run(refreshed(asked.found, providers))


def _list_embedded(terminal: Terminal) -> None:
    from dragoman.upstreams.local import weights as local

    rows = [(row, "yes" if local.find(row) is not None else "no", local.lacks(row)) for row in local.WEIGHTS]
    if terminal.as_json:
        shown = ("id", "purpose", "size", "memory", "licence", "page")
        terminal.result(
            [
                {name: getattr(row, name) for name in shown}
                | {"installed": installed == "yes", "missing_extra": row.extra if lacking else None}
                for row, installed, lacking in rows
            ]
        )
        return
    terminal.table(
        ("model", "for", "size", "memory", "licence", "installed", "engine"),
        [
            (
                row.id,
                row.purpose,
                f"{row.size / 1e6:.0f} MB",
                f"{row.memory / 1e6:.0f} MB",
                row.licence,
                installed,
                "missing" if lacking else "here",
            )
            for row, installed, lacking in rows
        ],
    )
    if extras := sorted({row.extra for row, _, lacking in rows if lacking}):
        terminal.say(f"to install the missing engines: {added_by(*extras)}")


@command.command(
    examples=(
        f"dragoman models install {_SMALLEST}",
        "dragoman models install --yes all-minilm hibari-heart whisper-tiny.en",
    )
)
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option("--yes", "-y", is_flag=True, help="Do not ask for confirmation.")
@click.pass_obj
def install(terminal: Terminal, names: tuple[str, ...], *, yes: bool) -> None:
    """Install embedded weights, verified by their SHA-256.

    NAME: as `dragoman models list --embedded` has it; smollm2:135m if none is given. Weights that are already
    there and complete are only verified; damaged ones are installed again.
    """
    for row in [_row(name) for name in names or (_SMALLEST,)]:
        _install(terminal, row, yes=yes)


def _install(terminal: Terminal, row: Weights, *, yes: bool) -> None:
    from dragoman.upstreams.local import weights as local

    if local.find(row) is not None and (path := _genuine(terminal, row)) is not None:
        _tell(terminal, row, path, "installed already")
        return
    terminal.say(
        f"{row.id}  {row.purpose}  {row.licence}  {row.size / 1e6:.1f} MB  "
        f"needs {row.memory / 1e6:.0f} MB of memory"
    )
    confirm(terminal, f"installing {row.id}", "Install?", yes=yes, default=True)
    progress = Progress(terminal)
    try:
        path = local.install(row, progress)
    except DragomanError as error:
        again = f"to try again: dragoman models install {row.id}"
        raise Failure(ANSWER_IS_NO, str(error), hint=again) from None
    finally:
        progress.close()
    _tell(terminal, row, path, "installed and verified")


@command.command(examples=("dragoman models verify", f"dragoman models verify {_SMALLEST} --json"))
@click.argument("name", default=_SMALLEST)
@click.pass_obj
def verify(terminal: Terminal, name: str) -> None:
    """Check installed weights against their SHA-256. The exit code is 1 if they are missing or damaged.

    NAME: as `dragoman models list --embedded` has it; smollm2:135m if none is given.
    """
    row = _row(name)
    try:
        path = _verified(terminal, row)
    except DragomanError as error:
        install_it = f"dragoman models install {row.id}"
        raise Failure(ANSWER_IS_NO, str(error), hint=install_it) from None
    _tell(terminal, row, path, "complete and unchanged")


def _verified(terminal: Terminal, row: Weights) -> Path:
    """Verify the installed weights of `row`, with a progress display, and return their file. Raises
    DragomanError if they are missing or damaged, OSError if the file cannot be read.
    """
    from dragoman.upstreams.local import weights as local

    progress = Progress(terminal)
    try:
        return local.verify(row, progress=progress)
    finally:
        progress.close()


def _genuine(terminal: Terminal, row: Weights) -> Path | None:
    """Return the file of the installed weights of `row`. If they are damaged or missing, print a warning
    (`Terminal.note`), and return None.
    """
    try:
        return _verified(terminal, row)
    except DragomanError as error:
        terminal.note("warn", f"{clean(str(error))}")
        return None


def _tell(terminal: Terminal, row: Weights, path: Path, state: str) -> None:
    from dragoman.upstreams.local import weights as local

    terminal.note("ok", f"{row.id} is {state}: sha256 {row.sha256[:12]}…")
    if local.lacks(row):
        command = added_by(row.extra)
        terminal.note("warn", f"{row.id} cannot run yet: to install its engine: {command}")
    terminal.result(
        {"id": row.id, "path": str(path), "sha256": row.sha256} if terminal.as_json else str(path)
    )


def _row(name: str) -> Weights:
    from dragoman.upstreams.local import weights as local

    row = local.known(name)
    if row is None:
        ids = [known.id for known in local.WEIGHTS]
        near = difflib.get_close_matches(name, ids, n=1)
        hint = f"did you mean {near[0]}?" if near else f"available: {', '.join(ids)}"
        raise Failure(MISUSE, f"unknown embedded model {name!r}", hint=hint)
    return row
