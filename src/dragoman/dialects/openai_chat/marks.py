"""Adds cache marks (cache breakpoints) and leftovers to wire objects."""

from __future__ import annotations

from typing import Any

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.openai.terms import restore


def finish(
    draft: Draft, out: dict[str, Any], mark: ir.CacheMark | None, extra: ir.Extra, where: str
) -> dict[str, Any]:
    """Add a cache mark and leftovers to the wire object `out`, and return `out`. A mark of a client of this
    dialect is written in the client's form, any other mark in the vendor's form (`Quirks.cache_marks`). What
    cannot be written, such as leftovers of other dialects, is reported as lost.

    mark, extra: None = there are none. where: the IR path of the value that `out` is made from.
    """
    if mark is not None:
        _write_mark(draft, out, mark, where + ".cache")
    if extra is not None:
        restore(out, extra, draft.report, where)
    return out


def _write_mark(draft: Draft, out: dict[str, Any], mark: ir.CacheMark, where: str) -> None:
    form = mark.form if draft.own else None
    word = form or draft.quirks.cache_marks
    if word == "none":
        draft.report.lose(where, "the provider has no cache breakpoints", "hint")
        return
    kind = {"mode": "explicit"} if word == "prompt_cache_breakpoint" else {"type": "ephemeral"}
    wire: dict[str, Any] = dict(kind)
    if mark.ttl is not None:
        if form is not None or word == "cache_control":
            wire["ttl"] = mark.ttl
        else:
            draft.report.lose(where + ".ttl", "the lifetime of a cache breakpoint cannot be set", "hint")
    out[word] = wire
    restore(wire, mark.extra, draft.report, where)
