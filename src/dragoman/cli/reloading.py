"""The messages of `dragoman serve` after it has loaded its configuration again (a reload)."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from dragoman.cli.terminal import Channel, Terminal, clean
from dragoman.observe.lines import begun

if TYPE_CHECKING:
    from dragoman.assembly.reload import Outcome
    from dragoman.config.differences import Difference
    from dragoman.errors import Problem

_SHOWN = 20
"""The most changed settings that are listed for people one by one."""


def tell(terminal: Terminal, outcome: Outcome) -> None:
    """Print the outcome of a reload on stderr: lines for people, or one JSON line with `--json` or if stderr
    is not a terminal. Of secrets, at most the last characters are printed. With `--quiet`, the outcome is
    printed only if the reload failed or a setting needs a restart.
    """
    if terminal.quiet and not outcome.failed and not outcome.restart:
        return
    if terminal.for_people:
        terminal.insist("".join(f"{line}\n" for line in for_people(outcome, terminal.err)))
    else:
        terminal.insist(json.dumps(for_programs(outcome)) + "\n")


def for_people(outcome: Outcome, channel: Channel) -> Iterator[str]:
    """Yield a line that says whether the configuration was loaded. After a failed reload, yield a line for
    each problem; otherwise, for each change (at most 20, then one line for the rest), each setting that needs
    a restart, and each warning. channel: the stream for which the signs are made.
    """
    if outcome.failed:
        count = len(outcome.problems)
        yield f"configuration not loaded: {count} problem{'s' * (count > 1)}; the one in use stays"
        for problem in outcome.problems:
            yield f" {channel.mark('bad')} {clean(str(problem))}"
        return
    count = len(outcome.changed)
    yield "configuration loaded again: " + (
        f"{count} setting{'s' * (count > 1)} changed" if count else "nothing has changed"
    )
    for difference in outcome.changed[:_SHOWN]:
        yield f" {channel.mark('ok')} {_words(difference)}"
    if count > _SHOWN:
        yield f" … and {count - _SHOWN} more"
    for setting in outcome.restart:
        yield f" {channel.mark('warn')} {clean(setting)} has changed, but needs a restart"
    for warning in outcome.warnings:
        yield f" {channel.mark('warn')} {clean(str(warning))}"


def _words(difference: Difference) -> str:
    now = f" (now …{difference.tail})" if difference.tail else ""
    return f"{clean(difference.setting)} {difference.change}{now}"


def for_programs(outcome: Outcome) -> dict[str, Any]:
    """Return the outcome of a reload as one JSON object. `used`:
    True = the new configuration is used; `hash`: the mark of the configuration that is used now.
    """
    return {
        **begun("reload", "error" if outcome.failed else "info"),
        "used": not outcome.failed,
        "hash": outcome.hash,
        "changed": [_row(difference) for difference in outcome.changed],
        "restart": list(outcome.restart),
        "problems": [_shown(problem) for problem in outcome.problems],
        "warnings": [_shown(warning) for warning in outcome.warnings],
    }


def _row(difference: Difference) -> dict[str, Any]:
    row: dict[str, Any] = {"setting": difference.setting, "change": difference.change}
    return {**row, "tail": difference.tail} if difference.tail else row


def _shown(problem: Problem) -> dict[str, Any]:
    return {name: value for name, value in problem._asdict().items() if value is not None}
