"""What the server's own loggers say, on stderr: JSON lines for programs, a marked line for people.

Only the command sets this up. A gateway that is embedded as a library leaves logging to its host.
"""

from __future__ import annotations

import asyncio
import json
import logging
import traceback

from dragoman.cli.terminal import Terminal, clean


class Narrator(logging.Handler):
    """Passes log records on as narration. Requests and answers are never in them."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record; in JSON with its traceback, for people with it only when they asked for more."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, asyncio.CancelledError):
            return  # somebody stopped it on purpose, at the second Ctrl-C
        told = "" if error is None else "".join(traceback.format_exception(error))
        if not self._terminal.for_people:
            line: dict[str, object] = {
                "at": round(record.created, 3),
                "event": "log",
                "level": record.levelname.lower(),
                "logger": record.name,
                "message": record.getMessage().strip(),
            }
            if told:
                line["traceback"] = told
            self._terminal.insist(json.dumps(line) + "\n")
            return
        channel = self._terminal.err
        mark = channel.mark("bad" if record.levelno >= logging.ERROR else "warn")
        because = "" if error is None else f": {type(error).__name__}: {error}"
        self._terminal.insist(f"{mark} {record.name}: {clean(record.getMessage().strip() + because)}\n")
        if self._terminal.verbose:
            self._terminal.insist(clean(told, lines=True))


def narrate(terminal: Terminal) -> None:
    """Let every logger of this process speak through `terminal`, from warnings on; with -v from INFO on."""
    logging.basicConfig(
        handlers=[Narrator(terminal)], level=logging.INFO if terminal.verbose else logging.WARNING, force=True
    )
