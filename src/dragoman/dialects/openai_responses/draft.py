"""The context in which items and parts are encoded, and the members that all items have."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dragoman import ir
from dragoman.dialects.chat.draft import Draft as FamilyDraft
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_responses.terms import restore
from dragoman.dialects.quirks import STANDARD, Quirks


class Draft(FamilyDraft):
    """The context for writing one request or response: the report, the vendor's quirks, the facts about the
    model, whether the content came in this dialect (`own`), and whether a response is written (`answer`). Two
    fields are added to those of the chat family.

    mint: makes the id of an item that has none, from a prefix ("msg", "fc", "rs"); None = such an item stays
    without an id. summarised: True = the raw text of thinking is written as a summary.
    """

    def __init__(
        self,
        report: Report,
        quirks: Quirks = STANDARD,
        facts: Facts = UNKNOWN,
        *,
        own: bool = False,
        answer: bool = False,
        mint: Callable[[str], str] | None = None,
        summarised: bool = False,
    ) -> None:
        super().__init__(report, quirks, facts, own=own, answer=answer)
        self.mint = mint
        self.summarised = summarised

    def item(
        self, kind: str, prefix: str, item: ir.Item | None, where: str, *, status: bool = True
    ) -> dict[str, Any]:
        """Return a new wire item of the type `kind`, with the id, status, phase and leftovers of `item`.
        item: None = there are none of these. where: the IR path of the item's block, for the report. prefix:
        the beginning of the id that `mint` makes if `item` has no id. status: True = if `item` has no status
        and `answer` is set, the status "completed" is written.
        """
        out: dict[str, Any] = {"type": kind}
        stated = item or ir.Item()
        if stated.id is not None:
            out["id"] = stated.id
        elif self.mint is not None:
            out["id"] = self.mint(prefix)
        if stated.status is not None:
            out["status"] = stated.status
        elif self.answer and status:
            out["status"] = "completed"
        if stated.phase is not None:
            out["phase"] = stated.phase
        if stated.extra is not None:
            restore(out, stated.extra, self.report, where)
        return out

    def finish(
        self, out: dict[str, Any], mark: ir.CacheMark | None, extra: ir.Extra, where: str
    ) -> dict[str, Any]:
        """Add a cache mark and leftovers to the wire object `out`, and return it. What this provider or this
        dialect does not have of them is reported as lost. mark, extra: None = there are none. where: the IR
        path of the block that `out` is made from.
        """
        if mark is not None:
            self.mark(out, mark, where + ".cache")
        if extra is not None:
            restore(out, extra, self.report, where)
        return out

    def mark(self, out: dict[str, Any], mark: ir.CacheMark, where: str) -> None:
        """Write the cache mark `mark` into `out`, as `prompt_cache_breakpoint`. The lifetime (`ttl`) of a
        mark of another dialect is reported as lost, and so is the whole mark if the provider has no
        breakpoints. where: the IR path of the mark.
        """
        if not self.own and self.quirks.cache_marks != "prompt_cache_breakpoint":
            self.report.lose(where, "the provider has no cache breakpoints", "hint")
            return
        wire: dict[str, Any] = {"mode": "explicit"}
        if mark.ttl is not None and self.own:
            wire["ttl"] = mark.ttl
        elif mark.ttl is not None:
            self.report.lose(where + ".ttl", "the lifetime of a cache breakpoint cannot be set", "hint")
        if mark.extra is not None:
            restore(wire, mark.extra, self.report, where)
        out["prompt_cache_breakpoint"] = wire
