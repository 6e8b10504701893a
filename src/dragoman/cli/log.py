"""Writes the log records of the server to stderr: as JSON lines for programs, as short lines for people.

A record may bring `event`, in place of "log", and `fields`, further members of its JSON line (`extra` of the
logging call).
"""

from __future__ import annotations

import asyncio
import json
import logging
import traceback

from dragoman.cli.terminal import Terminal, clean


class Narrator(logging.Handler):
    """Writes log records to the terminal."""

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record, unless of a cancellation. People see a traceback only with `--verbose`."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, asyncio.CancelledError):
            return  # the second Ctrl-C cancelled it on purpose
        told = "" if error is None else "".join(traceback.format_exception(error))
        if not self._terminal.for_people:
            line: dict[str, object] = {
                "at": round(record.created, 3),
                "event": getattr(record, "event", "log"),
                "level": record.levelname.lower(),
                "logger": record.name,
                "message": record.getMessage().strip(),
                **getattr(record, "fields", {}),
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
    """Send the log records of this process to `terminal`: warnings and errors, with `--verbose` also INFO."""
    logging.basicConfig(
        handlers=[Narrator(terminal)], level=logging.INFO if terminal.verbose else logging.WARNING, force=True
    )
