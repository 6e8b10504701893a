"""Writes the log records of the server to stderr: as JSON lines for programs, as short lines for people.

A JSON line begins as all lines of the log do (`observe.lines.begun`). Its `event` is "log" unless the record
has an attribute `event`; the further fields in the record's attribute `fields` follow. Both come from `extra`
of the logging call. The Python warnings of this process, and errors that Python would print itself (in a
destructor, or at the end of a thread), become records too, so that the process does not wait for the reader
of stderr.
"""

from __future__ import annotations

import asyncio
import json
import logging
import sys
import threading
import traceback
from typing import Any

from dragoman.cli.terminal import Terminal, clean
from dragoman.observe.lines import Lines, begun

log = logging.getLogger("dragoman.cli.log")

_TRACEBACK_CHARACTERS = 24_000
"""The most characters of a traceback. Of a longer one the beginning (a quarter of this number) and the end
stay.
"""


class Narrator(logging.Handler):
    """Writes log records to stderr: as lines for people if stderr is a terminal and `--json` is not set, else
    as JSON lines.
    """

    def __init__(self, terminal: Terminal) -> None:
        super().__init__()
        self._terminal = terminal

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record. A record whose exception is CancelledError is dropped. In lines for people, a
        traceback is written only with `--verbose`. If the record's text cannot be made, because the logging
        call was wrong, a line about this is written instead.
        """
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, asyncio.CancelledError):
            return  # the second Ctrl-C cancelled it on purpose
        people = self._terminal.for_people
        try:
            line = self._for_people(record, error) if people else _for_programs(record, error)
        except Exception as failure:  # noqa: BLE001 - a wrong logging call must not end what it tells of
            told = f"{record.name}: {record.msg!r} cannot be logged: {failure!r}"
            line = f"{told if people else json.dumps({**begun('log', 'error'), 'message': told})}\n"
        self._terminal.insist(line)

    def _for_people(self, record: logging.LogRecord, error: BaseException | None) -> str:
        mark = self._terminal.err.mark("bad" if record.levelno >= logging.ERROR else "warn")
        because = "" if error is None else f": {type(error).__name__}: {error}"
        line = f"{mark} {record.name}: {clean(record.getMessage().strip() + because)}\n"
        if error is not None and self._terminal.verbose:
            line += clean(_told(error), lines=True)
        return line


def _for_programs(record: logging.LogRecord, error: BaseException | None) -> str:
    line: dict[str, object] = {
        **begun(getattr(record, "event", "log"), record.levelname.lower(), record.created),
        "logger": record.name,
        "message": record.getMessage().strip(),
        **getattr(record, "fields", {}),
    }
    if error is not None:
        line["traceback"] = _told(error)
    return json.dumps(line) + "\n"


def _told(error: BaseException) -> str:
    """Return the traceback of an error as text. A long one is cut in the middle (`_TRACEBACK_CHARACTERS`)."""
    told = "".join(traceback.format_exception(error))
    if len(told) <= _TRACEBACK_CHARACTERS:
        return told
    first = _TRACEBACK_CHARACTERS // 4
    return f"{told[:first]}\n…\n{told[first - _TRACEBACK_CHARACTERS :]}"


def narrate(terminal: Terminal) -> None:
    """Replace the handlers of the root logger by one that writes to `terminal`: warnings and errors, and with
    `--verbose` also INFO.

    Sets `terminal.lines`: from now on, messages to stderr are written in the background, so that the process
    does not wait for the reader of stderr.
    """
    terminal.lines = Lines(terminal.err.stream.buffer, people=terminal.for_people)
    logging.basicConfig(
        handlers=[Narrator(terminal)], level=logging.INFO if terminal.verbose else logging.WARNING, force=True
    )
    logging.captureWarnings(True)
    sys.unraisablehook = _unraisable
    threading.excepthook = _thread_failed


def _unraisable(what: Any) -> None:
    log.error("%s %r", what.err_msg or "Exception ignored in", what.object, exc_info=what.exc_value)


def _thread_failed(what: Any) -> None:
    if what.exc_type is not SystemExit:
        log.error("thread %s failed", what.thread and what.thread.name, exc_info=what.exc_value)
