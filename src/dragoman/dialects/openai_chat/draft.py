"""What is known while one request is being written."""

from __future__ import annotations

from typing import Any

from dragoman import ir
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_chat.terms import restore
from dragoman.dialects.quirks import STANDARD, Quirks
from dragoman.dialects.reply import Reply


def is_enveloped(reply: Reply) -> bool:
    """Whether the client of an answer reads calls of free-text tools as functions (`Request.forms`)."""
    return (reply.request.forms or {}).get("custom") == "function"


class Draft:
    """The report, the vendor's quirks, the model's facts, and whose request it is.

    own: the request came in this dialect, so that its client's own spelling goes out again. answer: an
    answer is written, not a request. chunked: its messages may be chunks of one (`turns.CHUNKED`). enveloped:
    its client reads calls of free-text tools as functions whose arguments are the text.
    """

    __slots__ = ("answer", "chunked", "enveloped", "facts", "own", "quirks", "report")

    def __init__(
        self,
        report: Report,
        quirks: Quirks = STANDARD,
        facts: Facts = UNKNOWN,
        *,
        own: bool = False,
        answer: bool = False,
        chunked: bool = False,
        enveloped: bool = False,
    ) -> None:
        self.report = report
        self.quirks = quirks
        self.facts = facts
        self.own = own
        self.answer = answer
        self.chunked = chunked
        self.enveloped = enveloped

    def finish(
        self, out: dict[str, Any], mark: ir.CacheMark | None, extra: ir.Extra, where: str
    ) -> dict[str, Any]:
        """Add to a wire object its cache mark and its leftovers. where: the value in IR terms."""
        if mark is not None:
            self._mark(out, mark, where + ".cache")
        if extra is not None:
            restore(out, extra, self.report, where)
        return out

    def leave_seal(self, where: str) -> None:
        """Name a seal that is not written. In an answer that is no loss: the gateway keeps it for its origin.

        where: what is sealed, in IR terms.
        """
        if self.answer:
            self.report.change(
                where + ".sealed",
                "",
                "encrypted reasoning is not sent to the client, but stored by the gateway for the next turn",
            )
        else:
            self.report.lose(
                where + ".sealed", "encrypted reasoning can only be read by its own provider", "quality"
            )

    def _mark(self, out: dict[str, Any], mark: ir.CacheMark, where: str) -> None:
        form = mark.form if self.own else None
        word = form or self.quirks.cache_marks
        if word == "none":
            self.report.lose(where, "the provider has no cache breakpoints", "hint")
            return
        kind = {"mode": "explicit"} if word == "prompt_cache_breakpoint" else {"type": "ephemeral"}
        wire: dict[str, Any] = dict(kind)
        if mark.ttl is not None:
            if form is not None or word == "cache_control":
                wire["ttl"] = mark.ttl
            else:
                self.report.lose(where + ".ttl", "the lifetime of a cache breakpoint cannot be set", "hint")
        out[word] = wire
        if mark.extra is not None:
            restore(wire, mark.extra, self.report, where)
