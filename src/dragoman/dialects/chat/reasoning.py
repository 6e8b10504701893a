"""Writes reasoning settings into requests that have the member `reasoning_effort`."""

from __future__ import annotations

from typing import Any

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.efforts import effort_of, lose_effort


def by_effort(body: dict[str, Any], reasoning: ir.Reasoning, draft: Draft, *, shown: bool = False) -> None:
    """Write `reasoning_effort` into `body`, unless `effort_of` chooses none or the model is known to have no
    reasoning; report what this member cannot express. shown: True = the provider always returns the reasoning
    itself, so fewer settings are lost (`lose_visibility`).
    """
    if draft.facts.reasoning is False:
        if reasoning.mode != "off" and reasoning.effort != "none":
            draft.report.lose("reasoning", "the model does not support reasoning", "hint")
        lose_effort(reasoning, draft.report)
        return
    if (effort := effort_of(reasoning, draft.facts, draft.report, "reasoning_effort")) is not None:
        body["reasoning_effort"] = effort
    lose_visibility(reasoning, draft, shown=shown)


def lose_visibility(reasoning: ir.Reasoning, draft: Draft, *, shown: bool = False) -> None:
    """Report the settings `visible` (show or hide reasoning) and `summary` as lost, because the provider has
    no such settings. shown: True = the provider always returns the reasoning; then the wish to show it, or
    the summary "auto", is reported only as a change.
    """
    if shown and reasoning.summary == "auto":
        draft.report.change("reasoning.summary", "", "the reasoning itself is returned")
    elif reasoning.summary is not None:
        draft.report.lose("reasoning.summary", "the provider has no reasoning summaries", "hint")
    if shown and reasoning.visible:
        draft.report.change("reasoning.visible", "", "the provider always returns reasoning")
    elif reasoning.visible is not None:
        draft.report.lose(
            "reasoning.visible", "the provider has no parameter to show or hide reasoning", "hint"
        )
