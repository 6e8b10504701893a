"""Chooses the word for the reasoning effort in OpenAI's and similar protocols: the word that stands for the
reasoning settings of the request or, if the model does not support that word, the nearest supported one.
Pure.
"""

from __future__ import annotations

from typing import Final

from dragoman import ir
from dragoman.dialects.facts import Facts
from dragoman.dialects.loss import Report

EFFORT_BUDGETS: Final[dict[str, int]] = {
    "none": 0,
    "low": 1024,
    "medium": 2048,
    "high": 4096,
    "xhigh": 8192,
    "max": 16384,
}
"""Effort word -> the thinking budget in tokens that the gateway takes as its equivalent."""
_RANKS: Final = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def effort_of(wish: ir.Reasoning, facts: Facts, report: Report, member: str) -> str | None:
    """Return the effort word to send; None = no effort is sent. The mode "off" gives "none". Otherwise the
    stated effort comes before the budget, and the budget before the mode "on".

    If the model is known not to support this word (`facts.efforts`), the nearest supported word is returned;
    this is "none" only if the model supports no other word. report: gets the deviations from the wish.
    member: the body's member that will hold the effort, for the report.
    """
    lose_effort(wish, report)
    effort = (wish.effort if wish.mode != "off" else None) or _implied(wish, report, member)
    if wish.effort is not None and wish.budget is not None:
        report.lose("reasoning.budget", "the reasoning effort is sent instead", "hint")
    efforts = facts.efforts
    if effort is None or not efforts or effort in efforts:
        return effort
    thinking = [word for word in efforts if word != "none"]  # a request to think never becomes "none"
    nearest = min(thinking or efforts, key=lambda word: abs(_rank(word) - _rank(effort)))
    report.lose(
        "reasoning.effort", f"the model does not support the effort {effort}: {nearest} is used", "quality"
    )
    return nearest


def lose_effort(wish: ir.Reasoning, report: Report) -> None:
    """Report the effort of a wish as lost if the wish also disables reasoning. In Anthropic's protocol a
    request may do both: the effort is then that of the answer itself.
    """
    if wish.effort not in {None, "none"} and wish.mode == "off":
        report.lose("reasoning.effort", "the request disables reasoning", "hint")


def _implied(wish: ir.Reasoning, report: Report, member: str) -> str | None:
    """Return the effort word for a wish without an effort; None = no effort is sent. The mode "off" gives
    "none". Otherwise the budget decides; if there is none, the mode "on" gives "medium". The budget 0 gives
    "none", a positive budget the other word with the nearest budget in `EFFORT_BUDGETS`, a negative one None.
    member: the body's member that will hold the effort, for the report.
    """
    if wish.mode == "off":
        report.change("reasoning.mode", member, "no reasoning is written as an effort")
        return "none"
    if (budget := wish.budget) is not None:
        if budget < 0:
            report.change("reasoning.budget", "", "the model chooses its reasoning effort")
            return None
        words = [word for word in EFFORT_BUDGETS if budget == 0 or word != "none"]
        effort = min(words, key=lambda word: abs(EFFORT_BUDGETS[word] - budget))
        report.change("reasoning.budget", member, f"a budget of {budget} tokens is the nearest to {effort}")
        return effort
    if wish.mode == "on":
        report.change("reasoning.mode", member, "reasoning is requested by its effort")
        return "medium"
    if wish.mode is not None:
        report.lose("reasoning.mode", "the model's default reasoning effort is used", "hint")
    return None


def _rank(effort: str) -> int:
    return _RANKS.index(effort) if effort in _RANKS else _RANKS.index("medium")
