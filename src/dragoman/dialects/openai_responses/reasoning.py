"""`reasoning`: how much the model is to think, both directions."""

from __future__ import annotations

from typing import Any, Final

from dragoman import ir
from dragoman.dialects.openai_responses.draft import Draft
from dragoman.dialects.openai_responses.terms import EFFORT_BUDGETS, leftovers, restore

_REASONING: Final = frozenset({"effort", "summary"})
_RANKS: Final = tuple(EFFORT_BUDGETS)


def decode_reasoning(value: dict[str, Any]) -> ir.Reasoning:
    """The member `reasoning`."""
    return ir.Reasoning(
        effort=value.get("effort"), summary=value.get("summary"), extra=leftovers(value, _REASONING)
    )


def encode_reasoning(body: dict[str, Any], wish: ir.Reasoning, draft: Draft) -> None:
    """Write `reasoning`, as near to what was asked as the model can."""
    out: dict[str, Any] = {}
    if draft.facts.reasoning is False and not draft.own:
        if wish.mode != "off" and wish.effort != "none":
            draft.report.lose("reasoning", "the model does not reason", "hint")
        return
    if (effort := _effort(wish, draft)) is not None:
        out["effort"] = effort
    if wish.summary is not None:
        out["summary"] = wish.summary
    elif wish.visible:
        out["summary"] = "auto"
        draft.report.change("reasoning.visible", "reasoning.summary", "thoughts are shown as a summary")
    elif wish.visible is False:
        draft.report.change("reasoning.visible", "", "no summary is asked for, so no thoughts are shown")
    if wish.extra is not None:
        restore(out, wish.extra, draft.report, "reasoning")
    if out or draft.own:
        body["reasoning"] = out


def _effort(wish: ir.Reasoning, draft: Draft) -> str | None:
    """The effort in the field's words, or the nearest that the model knows."""
    if draft.own:
        return wish.effort
    effort = wish.effort or _implied(wish, draft)
    if wish.effort is not None and wish.budget is not None:
        draft.report.lose("reasoning.budget", "the effort is asked for instead", "hint")
    efforts = draft.facts.efforts
    if effort is None or not efforts or effort in efforts:
        return effort
    thinking = [word for word in efforts if word != "none"]  # who asks to think is not told not to
    nearest = min(thinking or efforts, key=lambda word: abs(_rank(word) - _rank(effort)))
    draft.report.lose("reasoning.effort", f"the model knows no {effort}, {nearest} is asked for", "quality")
    draft.report.change("reasoning", "reasoning.effort", f"{nearest} comes nearest to {effort}")
    return nearest


def _implied(wish: ir.Reasoning, draft: Draft) -> str | None:
    """The effort of a request that states a budget, or only whether to think."""
    report = draft.report
    if wish.mode == "off":
        report.change("reasoning.mode", "reasoning.effort", "not to think is an effort here")
        return "none"
    if (budget := wish.budget) is not None:
        if budget < 0:
            report.change("reasoning.budget", "", "the model decides how much it thinks")
            return None
        words = [word for word in EFFORT_BUDGETS if budget == 0 or word != "none"]
        effort = min(words, key=lambda word: abs(EFFORT_BUDGETS[word] - budget))
        report.change("reasoning.budget", "reasoning.effort", f"{budget} tokens come nearest to {effort}")
        return effort
    if wish.mode == "on":
        report.change("reasoning.mode", "reasoning.effort", "reasoning is asked for by its effort")
        return "medium"
    if wish.mode is not None:
        report.lose("reasoning.mode", "the model's own default decides how much it thinks", "hint")
    return None


def _rank(effort: str) -> int:
    return _RANKS.index(effort) if effort in _RANKS else _RANKS.index("medium")
