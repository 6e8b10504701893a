"""`dragoman models`: what can be asked for, and the embedded weights."""

from __future__ import annotations

import shutil
import sys
from typing import TYPE_CHECKING

import click

from dragoman.cli.options import config_option, loaded
from dragoman.cli.terminal import ANSWER_IS_NO, MISUSE, Terminal
from dragoman.errors import DragomanError

if TYPE_CHECKING:
    from pathlib import Path

    from dragoman.upstreams.local.weights import Progress, Weights


@click.group()
def models() -> None:
    """List, install and verify models.

    \b
    dragoman models list
    dragoman models install smollm2:135m
    """


@models.command("list")
@config_option
@click.pass_obj
def list_(terminal: Terminal, config: Path | None) -> None:
    """Every model name that answers, and who answers it."""
    from dragoman.assembly import naming

    entries = naming(loaded(terminal, config)).entries()
    if terminal.as_json:
        terminal.result(
            [{"id": e.id, "provider": e.provider, "capabilities": e.capabilities} for e in entries]
        )
        return
    if not terminal.out.isatty():
        terminal.result("model\tprovider\tcontext\tcapabilities")
    for entry in entries:
        context = str(entry.context_window or "–")
        can = " ".join(entry.capabilities)
        if terminal.out.isatty():
            terminal.result(f"{entry.id:<44} {entry.provider:<14} {context:>9}  {can}")
        else:
            terminal.result(f"{entry.id}\t{entry.provider}\t{context}\t{can}")


@models.command()
@click.argument("name", default="smollm2:135m")
@click.option("--yes", "-y", is_flag=True, help="Do not ask.")
@click.pass_obj
def install(terminal: Terminal, name: str, *, yes: bool) -> None:
    """Install embedded weights, by hash."""
    from dragoman.upstreams.local import weights as local

    row = _row(terminal, name)
    size, memory = row.size / 1e6, row.memory / 2**20
    terminal.say(f"{row.id}  {row.licence}  {size:.1f} MB  needs {memory:.0f} MB of memory")
    if local.find(row) is None and not yes:
        if not sys.stdin.isatty():
            terminal.fail(MISUSE, "installing needs a yes and this is not a terminal", hint="add --yes")
        click.confirm("Install?", default=True, abort=True, err=True)
    try:
        path = local.install(row, _teller(terminal))
    except DragomanError as error:
        terminal.fail(ANSWER_IS_NO, str(error), hint=f"dragoman models install {row.id} tries again")
    terminal.say(f"{terminal.mark('ok')} {row.id} is installed and verified")
    terminal.result({"id": row.id, "path": str(path)} if terminal.as_json else str(path))


@models.command()
@click.argument("name", default="smollm2:135m")
@click.pass_obj
def verify(terminal: Terminal, name: str) -> None:
    """Check installed weights against their sha256."""
    from dragoman.upstreams.local import weights as local

    row = _row(terminal, name)
    try:
        path = local.verify(row, progress=_teller(terminal))
    except DragomanError as error:
        terminal.fail(ANSWER_IS_NO, str(error), hint=f"dragoman models install {row.id}")
    terminal.say(f"{terminal.mark('ok')} {row.id}  sha256 {row.sha256[:12]}…")
    terminal.result(
        {"id": row.id, "path": str(path), "sha256": row.sha256} if terminal.as_json else str(path)
    )


def _row(terminal: Terminal, name: str) -> Weights:
    from dragoman.upstreams.local import weights as local

    row = local.known(name)
    if row is None:
        terminal.fail(
            MISUSE,
            f"there is no embedded model {name!r}",
            hint=f"one of: {', '.join(known.id for known in local.WEIGHTS)}",
        )
    return row


class _teller:  # noqa: N801 - used like a function
    """Shows progress: one line that is written over on a terminal, a line a step elsewhere."""

    def __init__(self, terminal: Terminal) -> None:
        self._terminal = terminal
        self._last = ""

    def __call__(self, progress: Progress) -> None:
        """Show one step."""
        if progress.total and progress.done is not None:
            text = f"{progress.text} {progress.done / 1e6:.1f} of {progress.total / 1e6:.1f} MB"
        else:
            text = progress.text
        if self._terminal.for_people:
            width = shutil.get_terminal_size().columns - 1
            end = "\n" if progress.done is not None and progress.done == progress.total else ""
            print(f"\r{text[:width]:<{width}}", end=end, file=self._terminal.err, flush=True)
        elif progress.text != self._last:
            self._terminal.say(progress.text)
        self._last = progress.text
