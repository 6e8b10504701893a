"""What is known while one request is being written."""

from __future__ import annotations

from typing import Any

from dragoman import ir
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_chat.terms import restore
from dragoman.dialects.quirks import STANDARD, Quirks


class Draft:
    """The report, the vendor's quirks, the model's facts, and whose request it is.

    own: the request came in this dialect, so that its client's own spelling goes out again.
    """

    __slots__ = ("facts", "own", "quirks", "report")

    def __init__(
        self, report: Report, quirks: Quirks = STANDARD, facts: Facts = UNKNOWN, *, own: bool = False
    ) -> None:
        self.report = report
        self.quirks = quirks
        self.facts = facts
        self.own = own

    def finish(
        self, out: dict[str, Any], mark: ir.CacheMark | None, extra: ir.Extra, where: str
    ) -> dict[str, Any]:
        """Add to a wire object its cache mark and its leftovers. where: the value in IR terms."""
        if mark is not None:
            self._mark(out, mark, where + ".cache")
        if extra is not None:
            restore(out, extra, self.report, where)
        return out

    def _mark(self, out: dict[str, Any], mark: ir.CacheMark, where: str) -> None:
        form = mark.form if self.own else None
        word = form or self.quirks.cache_marks
        if word == "none":
            self.report.lose(where, "the prompt cache takes no marks here", "hint")
            return
        kind = {"mode": "explicit"} if word == "prompt_cache_breakpoint" else {"type": "ephemeral"}
        wire: dict[str, Any] = dict(kind)
        if mark.ttl is not None:
            if form is not None or word == "cache_control":
                wire["ttl"] = mark.ttl
            else:
                self.report.lose(where + ".ttl", "the lifetime of a mark cannot be chosen", "hint")
        out[word] = wire
        if mark.extra is not None:
            restore(wire, mark.extra, self.report, where)
