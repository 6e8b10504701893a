"""What the command says and how: results on stdout, everything else on stderr.

Colours are the terminal's own 16, never alone; signs are ASCII where a stream is not UTF-8. Control
characters in text that comes from outside never reach a terminal: see `clean`.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final, TextIO

from dragoman.cli.table import Cell, aligned
from dragoman.errors import DragomanError

DONE, ANSWER_IS_NO, MISUSE, CONFIGURATION, UNREACHABLE, NO_RIGHT = range(6)
"""Exit codes. NO_RIGHT: a key was refused. MISUSE: also a yes that is needed where nobody can be asked."""
INTERRUPTED: Final = 130
CLOSED_PIPE: Final = 141
"""As a shell reports a program that SIGINT or SIGPIPE ended."""

_WORDS = ("done", "failed", "usage", "configuration", "unreachable", "forbidden")
_STYLES = {"ok": "36", "warn": "33", "bad": "1;31", "off": "2", "command": "1"}
_MARKS = {"ok": "●", "warn": "▲", "bad": "✕", "off": "○"}
_ASCII = str.maketrans(
    {"●": "ok", "▲": "!", "✕": "x", "○": "-", "·": "-", "→": "->", "–": "-", "…": "...", "×": "x"}
    | {"━": "#", "─": "."}
)


class Failure(DragomanError):
    """A command that could not do its work, as one error for a person or a program.

    code: the exit code. hint: the next step. lines: what belongs to the message, one thing a line.
    fields: more for the JSON form.
    """

    def __init__(
        self,
        code: int,
        message: str,
        *,
        hint: str | None = None,
        lines: Sequence[str] = (),
        fields: Mapping[str, Any] = MappingProxyType({}),
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint
        self.lines = lines
        self.fields = fields


class Channel:
    """One of the two streams that a command writes to, and what can be shown there."""

    def __init__(self, stream: TextIO) -> None:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # a letter that cannot be written is no failure
        self.stream = stream
        self.is_terminal = stream.isatty()
        self.utf8 = (stream.encoding or "").lower().replace("-", "") == "utf8"
        self.moves = self.is_terminal and os.environ.get("TERM") != "dumb"
        self.colours = _wants_colours(moves=self.moves)

    @property
    def width(self) -> int:
        """Columns of the terminal; 80 where it does not say."""
        try:
            return os.get_terminal_size(self.stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80

    def styled(self, text: str, style: str) -> str:
        """The text in one of the styles, where colours are shown."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.colours else text

    def mark(self, state: str) -> str:
        """The sign of a state: ok, warn, bad, off."""
        return self.styled(self.plain(_MARKS[state]), state)

    def plain(self, text: str) -> str:
        """The text with our own signs in ASCII where the stream is not UTF-8."""
        return text if self.utf8 else text.translate(_ASCII)

    def write(self, text: str) -> None:
        """Write text as it is, at once."""
        self.stream.write(self.plain(text))
        self.stream.flush()


class Terminal:
    """One command's voice.

    as_json: machines read it: one JSON value, no narration. quiet: no narration either. verbose: tracebacks.
    """

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self.out = Channel(out)
        self.err = Channel(err)
        self.as_json = False
        self.quiet = False
        self.verbose = False

    @property
    def for_people(self) -> bool:
        """Whether somebody reads the narration on a terminal."""
        return self.err.is_terminal and not self.as_json

    def say(self, line: str = "") -> None:
        """A line of narration."""
        self.narrate(line + "\n")

    def narrate(self, text: str) -> None:
        """A piece of narration, without a line end of its own."""
        if not self.as_json and not self.quiet:
            self.insist(text)

    def insist(self, text: str) -> None:
        """What stderr gets in any case. That nobody reads it there stops no work."""
        with contextlib.suppress(OSError):
            self.err.write(text)

    def result(self, value: Any) -> None:
        """A result: text as it is, anything else as JSON."""
        self.out.write((value if isinstance(value, str) else self._json(value)) + "\n")

    def table(
        self,
        titles: Sequence[str],
        rows: Sequence[Sequence[Cell]],
        *,
        names: int = 0,
        wraps: bool = False,
    ) -> None:
        """A table: aligned and within the window on a terminal, else whole values between tabs. names,
        wraps: as `aligned` takes them.
        """
        cleaned = [[clean(cell) if isinstance(cell, str) else cell for cell in row] for row in rows]
        if not self.out.is_terminal:
            for row in (titles, *cleaned):
                self.result("\t".join("" if cell is None else str(cell) for cell in row))
            return
        head, *body = aligned(titles, cleaned, self.out.width, names=names, wraps=wraps)
        self.result(self.out.styled(head, "off"))
        for line in body:
            self.result(line)

    def fail(self, failure: Failure) -> None:
        """Say what went wrong: in at most three lines, unless it is a list."""
        message = clean(failure.message)
        hint = None if failure.hint is None else clean(failure.hint)
        if self.as_json:
            error = {"code": _WORDS[failure.code], "message": message, "hint": hint, **failure.fields}
            self.insist(self._json({"error": error}, indent=None) + "\n")
            return
        for line in failure.lines:
            self.insist(f" {self.err.mark('bad')} {clean(line)}\n")
        self.insist(f"{self.err.styled('error:', 'bad')} {message}\n")
        if hint:
            self.insist(f" {self.err.styled('hint:', 'command')} {hint}\n")

    def _json(self, value: Any, indent: int | None = 2) -> str:
        """JSON that no terminal mistakes for commands: what is not printable is escaped."""
        text = json.dumps(value, indent=indent, ensure_ascii=not self.out.utf8)
        if text.replace("\n", "").isprintable():
            return text
        return "".join(c if c == "\n" or c.isprintable() else json.dumps(c)[1:-1] for c in text)


def clean(text: str, *, lines: bool = False) -> str:
    """Text from outside on one line, without control characters. lines: its line ends stay."""
    if text.isprintable():
        return text
    spaced = text.expandtabs(1) if lines else " ".join(text.splitlines()).expandtabs(1)
    return "".join(c for c in spaced if c.isprintable() or c == "\n")


def _wants_colours(*, moves: bool) -> bool:
    """NO_COLOR (no-color.org) wins over FORCE_COLOR (force-color.org), and either over what the stream is."""
    if os.environ.get("NO_COLOR"):
        return False
    return os.environ.get("FORCE_COLOR", "0") not in {"", "0"} or moves
