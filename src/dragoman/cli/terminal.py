"""The output of all commands: results (and the help) go to stdout, everything else goes to stderr.

Only the 16 basic colours are used, and never without a sign or a word with the same meaning.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, TextIO

from dragoman.cli.table import Cell, aligned
from dragoman.errors import DragomanError

if TYPE_CHECKING:
    from dragoman.observe.lines import Lines

DONE, ANSWER_IS_NO, MISUSE, CONFIGURATION, UNREACHABLE, NO_RIGHT = range(6)
"""Exit codes. ANSWER_IS_NO: a check failed, or the work could not be done. MISUSE: wrong arguments, or a
confirmation is needed but there is no terminal to ask on. CONFIGURATION: the configuration is wrong, or the
gateway cannot start with it. UNREACHABLE: a gateway or a database does not answer, or `serve` cannot listen.
NO_RIGHT: a key was refused or is missing.
"""
INTERRUPTED: Final = 130
"""The exit code if Ctrl-C, or the end of stdin at a question, ends a command, as a shell reports a program
that SIGINT has ended. A `serve` that finishes its requests first ends with `DONE`.
"""
CLOSED_PIPE: Final = 141
"""The exit code if the reader of stdout has closed the pipe, as a shell reports a program that SIGPIPE has
ended.
"""

_WORDS = ("done", "failed", "usage", "configuration", "unreachable", "forbidden")
_STYLES = {"ok": "36", "warn": "33", "bad": "1;31", "off": "2", "command": "1"}
_MARKS = {"ok": "●", "warn": "▲", "bad": "✕", "off": "○"}
_ASCII = str.maketrans(
    {"●": "ok", "▲": "!", "✕": "x", "○": "-", "·": "-", "→": "->", "–": "-", "…": "...", "×": "x"}
    | {"━": "#", "─": "."}
)


class Failure(DragomanError):
    """The error that ends a command.

    code: the exit code. message: what went wrong. hint: what the user can do next, None = no hint. lines:
    details that are printed before the message, but not with `--json`. fields: further fields of the error
    object that is printed with `--json`.
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
    """One of the two output streams, with its abilities. is_terminal: whether it is a terminal. utf8: whether
    its encoding is UTF-8. moves: whether the cursor can be moved, so that a line can be printed over.
    colours: whether texts get colours. The stream is changed: it escapes characters that its encoding does
    not have.
    """

    def __init__(self, stream: TextIO) -> None:
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # an unencodable character is escaped
        self.stream = stream
        self.is_terminal = stream.isatty()
        self.utf8 = (stream.encoding or "").lower().replace("-", "") == "utf8"
        self.moves = self.is_terminal and os.environ.get("TERM") != "dumb"
        self.colours = _wants_colours(moves=self.moves)

    @property
    def width(self) -> int:
        """The width of the terminal in columns; 80 if it is unknown."""
        try:
            return os.get_terminal_size(self.stream.fileno()).columns or 80
        except (OSError, ValueError):
            return 80

    def styled(self, text: str, style: str) -> str:
        """Return the text in a style (`ok`, `warn`, `bad`, `off`, `command`), or unchanged if the stream has
        no colours.
        """
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.colours else text

    def mark(self, state: str) -> str:
        """Return the sign of a state (ok, warn, bad, off), coloured if the stream has colours."""
        return self.styled(self.plain(_MARKS[state]), state)

    def plain(self, text: str) -> str:
        """Return the text; if the stream is not UTF-8, the usual signs in it (`●`, `→`, `…` and others in
        `_ASCII`) are replaced by ASCII. Other characters stay.
        """
        return text if self.utf8 else text.translate(_ASCII)

    def encoded(self, text: str) -> bytes:
        """Return the bytes of a text for this stream, as `write` writes them: signs may be replaced
        (`plain`), and characters that the stream's encoding does not have are escaped.
        """
        return self.plain(text).encode(self.stream.encoding or "utf-8", "backslashreplace")

    def write(self, text: str) -> None:
        self.stream.write(self.plain(text))
        self.stream.flush()


class Terminal:
    """The output of one command: results and messages.

    as_json: whether to print one JSON value and no messages. quiet: whether to print no messages. Failures
    and what `insist` writes are printed in any case. verbose: whether to print tracebacks. lines: writes the
    messages in the background, so that the process does not wait for the reader of stderr; None = messages
    are written directly.
    """

    def __init__(self, out: TextIO, err: TextIO) -> None:
        self.out = Channel(out)
        self.err = Channel(err)
        self.as_json = False
        self.quiet = False
        self.verbose = False
        self.lines: Lines | None = None

    @property
    def for_people(self) -> bool:
        """Whether stderr, to which messages go, is a terminal, and `--json` is not set."""
        return self.err.is_terminal and not self.as_json

    def say(self, line: str = "") -> None:
        """Print a message line, unless `--json` or `--quiet` is set."""
        self.narrate(line + "\n")

    def note(self, state: str, line: str) -> None:
        """Print a message line with the sign of a state (ok, warn, bad, off), unless `--json` or `--quiet` is
        set.
        """
        self.say(f"{self.err.mark(state)} {line}")

    def narrate(self, text: str) -> None:
        """Print a part of a message as it is, without a line end, unless `--json` or `--quiet` is set."""
        if not self.as_json and not self.quiet:
            self.insist(text)

    def insist(self, text: str) -> None:
        """Write to stderr even if `--json` or `--quiet` is set. An OSError of the write is ignored."""
        if self.lines is not None:
            self.lines.put(self.err.encoded(text), urgent=True)
            return
        with contextlib.suppress(OSError):
            self.err.write(text)

    def result(self, value: Any) -> None:
        """Print a result and a line end on stdout: a text unchanged, any other value as indented JSON. If
        stdout is not UTF-8, signs in the text are replaced (`Channel.plain`). Raises OSError.
        """
        self.out.write((value if isinstance(value, str) else self._json(value)) + "\n")

    def table(
        self, titles: Sequence[str], rows: Sequence[Sequence[Cell]], *, names: int = 0, wraps: bool = False
    ) -> None:
        """Print a table on stdout. On a terminal it is aligned, and long values are shortened or the last
        columns left out if it is too wide. Otherwise each row is a line of complete values, separated by
        tabs. The titles are the first line in both cases. The cells are cleaned (`clean`).

        names: how many columns, from the left, are shortened only after the others. wraps: True = on a
        terminal, the last column may use more lines.
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
        """Print a failure on stderr, even if `--quiet` is set: its lines, message and hint. With `--json`:
        one line {"error": {"code": its exit code in a word, "message", "hint", and its `fields`}}.
        """
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
        """Return the value as JSON. Characters that are not printable are escaped, because a terminal could
        execute them. If stdout is not UTF-8, all characters outside ASCII are escaped.
        """
        text = json.dumps(value, indent=indent, ensure_ascii=not self.out.utf8)
        if text.replace("\n", "").isprintable():
            return text
        return "".join(c if c == "\n" or c.isprintable() else json.dumps(c)[1:-1] for c in text)


def clean(text: str, *, lines: bool = False) -> str:
    """Return a text from outside as one line without unprintable characters: line ends and tabs become one
    blank each, the line end at the end of the text and other unprintable characters are removed. lines: True
    = line feeds stay, also the last one, and other line ends are removed.
    """
    if text.isprintable():
        return text
    spaced = text.expandtabs(1) if lines else " ".join(text.splitlines()).expandtabs(1)
    return "".join(c for c in spaced if c.isprintable() or c == "\n")


def _wants_colours(*, moves: bool) -> bool:
    """Whether the stream should have colours: False if NO_COLOR is set (no-color.org); else True if
    FORCE_COLOR is set to anything but "0"; else `moves`. An empty variable counts as not set.
    """
    if os.environ.get("NO_COLOR"):
        return False
    return os.environ.get("FORCE_COLOR", "0") not in {"", "0"} or moves
