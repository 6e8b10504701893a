"""What the command says and how: results on stdout, everything else on stderr.

Colours are the terminal's own 16, never alone; marks are ASCII where the locale is not UTF-8. Control
characters in text that comes from outside are removed before it is shown.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any, NoReturn, TextIO

_STYLES = {"ok": "36", "warn": "33", "bad": "1;31", "off": "2", "command": "1"}
_MARKS = {"ok": ("●", "ok"), "warn": ("▲", "!"), "bad": ("✕", "x"), "off": ("○", "-")}

DONE, ANSWER_IS_NO, MISUSE, CONFIGURATION, UNREACHABLE, NO_RIGHT = range(6)
"""Exit codes."""


class Terminal:
    """One command's voice. as_json: machines read it: one JSON object, no narration."""

    def __init__(
        self, *, as_json: bool = False, out: TextIO | None = None, err: TextIO | None = None
    ) -> None:
        self.as_json = as_json
        self.out = out or sys.stdout
        self.err = err or sys.stderr
        self._utf8 = (getattr(self.err, "encoding", None) or "").lower().replace("-", "") == "utf8"

    @property
    def for_people(self) -> bool:
        """Whether somebody reads stderr on a terminal."""
        return self.err.isatty() and not self.as_json

    def _colours(self, stream: TextIO) -> bool:
        if os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb":
            return False
        return bool(os.environ.get("FORCE_COLOR")) or stream.isatty()

    def styled(self, text: str, style: str, stream: TextIO | None = None) -> str:
        """The text in one of the styles, where the stream shows colours."""
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self._colours(stream or self.err) else text

    def mark(self, state: str, stream: TextIO | None = None) -> str:
        """The mark of a state: ok, warn, bad, off."""
        return self.styled(_MARKS[state][0 if self._utf8 else 1], state, stream)

    def say(self, line: str = "") -> None:
        """A line of narration, to people only."""
        if not self.as_json:
            print(line, file=self.err, flush=True)

    def result(self, value: str | Any) -> None:
        """A result: text as it is, anything else as JSON."""
        text = value if isinstance(value, str) else json.dumps(value, indent=2, ensure_ascii=False)
        print(text, file=self.out, flush=True)

    def fail(self, code: int, message: str, *, hint: str | None = None, word: str = "failed") -> NoReturn:
        """Say what went wrong in at most three lines, and exit."""
        message, hint = clean(message), None if hint is None else clean(hint)
        if self.as_json:
            print(json.dumps({"error": {"code": word, "message": message, "hint": hint}}), file=self.err)
        else:
            print(f"{self.styled('error:', 'bad')} {message}", file=self.err)
            if hint:
                print(f" {self.styled('hint:', 'command')} {hint}", file=self.err)
        raise SystemExit(code)


def clean(text: str) -> str:
    """Without control characters, newlines apart."""
    return "".join(c for c in text if c == "\n" or c.isprintable())
