"""Decodes and encodes the request's `reasoning`: effort and summary."""

from __future__ import annotations

from typing import Any, Final

from dragoman import ir
from dragoman.dialects.efforts import effort_of, lose_effort
from dragoman.dialects.openai_responses.draft import Draft
from dragoman.dialects.openai_responses.terms import leftovers, restore
from dragoman.dialects.request import MADE

_REASONING: Final = frozenset({"effort", "summary"})


def decode_reasoning(value: dict[str, Any]) -> ir.Reasoning:
    """Decode the member `reasoning` of a request: the effort and the summary as they are stated; other
    members become leftovers.
    """
    return ir.Reasoning(
        effort=value.get("effort"), summary=value.get("summary"), extra=leftovers(value, _REASONING)
    )


def encode_reasoning(body: dict[str, Any], wish: ir.Reasoning, draft: Draft) -> None:
    """Write the reasoning settings (`wish`) into the body; losses and changes are reported. The effort that a
    client of this dialect stated is written as it is; any other becomes the nearest one that the model is
    known to support, and is left out if the model is known to have no reasoning. Without a stated summary, a
    wish for visible reasoning becomes the summary "auto".
    """
    out: dict[str, Any] = {}
    own = draft.own and wish.form != MADE
    if draft.facts.reasoning is False and not own:
        if wish.mode != "off" and wish.effort != "none":
            draft.report.lose("reasoning", "the model does not support reasoning", "hint")
        lose_effort(wish, draft.report)
        return
    effort = wish.effort if own else effort_of(wish, draft.facts, draft.report, "reasoning.effort")
    if effort is not None:
        out["effort"] = effort
    if wish.summary is not None:
        out["summary"] = wish.summary
    elif wish.visible:
        out["summary"] = "auto"
        draft.report.change("reasoning.visible", "reasoning.summary", "reasoning is returned as a summary")
    elif wish.visible is False:
        draft.report.change("reasoning.visible", "", "no summary was requested, so no reasoning is returned")
    if wish.extra is not None:
        restore(out, wish.extra, draft.report, "reasoning")
    if out or own:
        body["reasoning"] = out
