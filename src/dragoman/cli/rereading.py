"""The messages of `dragoman serve` after it has read the secret files again (SIGHUP)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from dragoman.cli.terminal import Channel, Terminal, clean
from dragoman.seams.clock import SYSTEM

if TYPE_CHECKING:
    from dragoman.config.reread import Outcome, Reading

_COUNTED: dict[Outcome, str] = {
    "changed": "changed",
    "unchanged": "as before",
    "failed": "not usable",
    "restart": "waiting for a restart",
}


def tell(terminal: Terminal, readings: Sequence[Reading], worker: int | None = None) -> None:
    """Print the result for each secret. Only the last characters of a secret are shown.

    worker: the number of the worker, None = there is only one process. With `--quiet`, nothing is printed if
    each secret is changed or unchanged.
    """
    if terminal.quiet and all(one.outcome in {"changed", "unchanged"} for one in readings):
        return
    if terminal.for_people:
        terminal.insist("".join(f"{line}\n" for line in for_people(readings, terminal.err, worker)))
    else:
        terminal.insist(json.dumps(for_programs(readings, worker)) + "\n")


def for_people(readings: Sequence[Reading], channel: Channel, worker: int | None) -> Iterator[str]:
    """A line with the counts, and a line for each secret except the unchanged ones."""
    outcomes = [one.outcome for one in readings]
    counts = [f"{many} {word}" for name, word in _COUNTED.items() if (many := outcomes.count(name))]
    who = "" if worker is None else f"worker {worker}: "
    yield f"{who}secrets read again: " + (", ".join(counts) or "no setting reads one from a file")
    for one in readings:
        setting, file = clean(one.setting), clean(str(one.file))
        kept = f"keeps …{one.tail}" if one.tail else "keeps what it was"
        match one.outcome:
            case "changed":
                now = f"is now …{one.tail}" if one.tail else "has changed"
                yield f" {channel.mark('ok')} {setting} {now} ({file})"
            case "failed":
                yield f" {channel.mark('bad')} {setting} {kept}: {file} {clean(one.reason or '')}"
            case "restart":
                yield f" {channel.mark('warn')} {setting} {kept} until a restart: {file} has changed"
            case "unchanged":
                pass


def for_programs(readings: Sequence[Reading], worker: int | None) -> dict[str, Any]:
    """One JSON event with the settings, grouped by their outcome."""
    told: dict[str, list[dict[str, Any]]] = {name: [] for name in _COUNTED}
    for one in readings:
        row: dict[str, Any] = {"setting": one.setting, "file": str(one.file), "tail": one.tail or None}
        told[one.outcome].append(row if one.reason is None else {**row, "reason": one.reason})
    return {"at": round(SYSTEM.now(), 3), "event": "secrets", "worker": worker or 1, **told}
