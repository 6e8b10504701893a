"""Decodes and encodes `generationConfig.thinkingConfig`, which is `ir.Reasoning` in the IR.

Older models accept a budget in tokens, newer models a level. The API answers 400 to a request with both. If
it is unknown what the model accepts, a request of this dialect is sent as its client stated it, and in a
request of another dialect a level replaces a budget.

https://ai.google.dev/gemini-api/docs/thinking
"""

from __future__ import annotations

from typing import Any, Final

from dragoman import ir
from dragoman.dialects.efforts import lose_effort
from dragoman.dialects.gemini.terms import NAME, leftovers, restore, spelled
from dragoman.dialects.request import MADE, Target

_THINKING: Final = frozenset({"includeThoughts", "thinkingBudget", "thinkingLevel"})
_ORDER: Final = ("minimal", "low", "medium", "high", "xhigh")
_CONFIG: Final = "generationConfig.thinkingConfig"

BUDGETS: Final = {"minimal": 512, "low": 1024, "medium": 2048, "high": 4096, "xhigh": 8192, "max": 16384}
"""Effort word -> the thinking budget in tokens that stands for it. Source: LiteLLM's table."""
DYNAMIC: Final = -1
"""The value of `thinkingBudget` that lets the model decide."""


def decode_reasoning(value: Any) -> ir.Reasoning | None:
    """Decode a `thinkingConfig` that has passed the checks; None = the object states nothing. A level other
    than minimal, low, medium, high and xhigh becomes a leftover. The budget -1 becomes the mode "adaptive".
    """
    thinking = spelled(value)
    level = thinking.get("thinkingLevel")
    extra = leftovers(thinking, _THINKING)
    effort = None
    if level is not None:
        effort = level.lower()
        if effort not in _ORDER:
            effort, extra = None, ir.merge(extra, {NAME: {"thinkingLevel": level}})
    budget = thinking.get("thinkingBudget")
    wish = ir.Reasoning(
        mode="adaptive" if budget == DYNAMIC else None,
        effort=effort,
        budget=None if budget == DYNAMIC else budget,
        visible=thinking.get("includeThoughts"),
        extra=extra,
    )
    return None if wish == ir.Reasoning() else wish


def encode_reasoning(request: ir.Request, target: Target, config: dict[str, Any]) -> None:
    """Write `thinkingConfig` into `config` (`generationConfig`), and report losses and changes. Nothing is
    written if the request states no reasoning, or if what it states cannot be written for the model.

    What a client of this dialect stated is written as it is, unless it has a level and the model is known to
    accept no levels. Everything else is written in a form that the model accepts; so is reasoning that the
    configuration states.
    """
    wish = request.reasoning
    if wish is None:
        return
    own = request.dialect == NAME
    out = _verbatim(wish, target) if own and wish.form != MADE else None
    if out is None:
        out = _Fitting(wish, target, own=own).fit()
    restore(out, wish.extra, target.report, "reasoning")
    if out:
        config["thinkingConfig"] = out


def _verbatim(wish: ir.Reasoning, target: Target) -> dict[str, Any] | None:
    """Return the `thinkingConfig` of a request of this dialect, without adapting it to the model; None = it
    has a level, and the model is known to accept no levels.
    """
    modes = target.facts.thinking
    if wish.effort is not None and modes is not None and "level" not in modes:
        return None
    out: dict[str, Any] = {}
    if wish.visible is not None:
        out["includeThoughts"] = wish.visible
    if wish.budget is not None or wish.mode == "adaptive":
        out["thinkingBudget"] = DYNAMIC if wish.budget is None else wish.budget
    if wish.effort is not None:
        out["thinkingLevel"] = wish.effort.upper()
    return out


class _Fitting:
    """Finds the `thinkingConfig` that the model accepts and that is nearest to the reasoning in a request
    (`wish`). Differences are reported. own: True = the client speaks this dialect, so thoughts are not asked
    for on the client's behalf.
    """

    def __init__(self, wish: ir.Reasoning, target: Target, *, own: bool) -> None:
        self.wish = wish
        self.report = target.report
        self.facts = target.facts
        self.own = own
        modes = target.facts.thinking
        self.levels = modes is None or "level" in modes
        self.budgets = modes is not None and "enabled" in modes
        self.never = target.facts.reasoning is False or modes == ()

    def fit(self) -> dict[str, Any]:
        """Return the `thinkingConfig`; {} = nothing is written."""
        wish = self.wish
        off = wish.mode == "off" or wish.effort == "none" or wish.budget == 0
        if self.never:
            if not off:
                self.report.lose("reasoning", "the model does not support reasoning", "quality")
            return {}
        if off:
            lose_effort(wish, self.report)
            out = self._off()
        elif self.levels:
            out = self._level()
        elif self.budgets:
            out = self._budget()
        else:
            self.report.lose("reasoning", "the model does not support this kind of thinking", "quality")
            return {}
        self._visible(out, off=off)
        return out

    def _visible(self, out: dict[str, Any], *, off: bool) -> None:
        wish = self.wish
        if wish.visible is not None:
            out["includeThoughts"] = wish.visible
        elif not off and not self.own:
            out["includeThoughts"] = True
            self.report.add(f"{_CONFIG}.includeThoughts", "reasoning is requested, so it is returned")
        if wish.summary is not None:
            said = "the Gemini API has only one kind of reasoning summary"
            self.report.change("reasoning.summary", f"{_CONFIG}.includeThoughts", said)

    def _off(self) -> dict[str, Any]:
        modes = self.facts.thinking or ()
        least = self.facts.thinking_budget[0] if self.facts.thinking_budget is not None else 0
        if self.budgets and ("disabled" in modes or least == 0):
            self.report.change("reasoning", f"{_CONFIG}.thinkingBudget", "written as a budget of 0")
            return {"thinkingBudget": 0}
        self.report.lose("reasoning", "thinking cannot be disabled for this model", "quality")
        if self.budgets and not self.levels:
            return {"thinkingBudget": least}
        known = self._known()
        return {"thinkingLevel": known[0].upper()}

    def _known(self) -> tuple[str, ...]:
        """Return the model's levels, from the weakest to the strongest; if they are unknown, all levels; if
        none of them is a level of this API, "low". The result is never empty.
        """
        efforts = self.facts.efforts
        known = _ORDER if efforts is None else tuple(word for word in _ORDER if word in efforts)
        return known or ("low",)

    def _level(self) -> dict[str, Any]:
        wish = self.wish
        effort = wish.effort
        if effort is None and wish.budget is not None and wish.budget > 0:
            effort = min(self._known(), key=lambda word: abs(BUDGETS[word] - (wish.budget or 0)))
            said = f"the budget of {wish.budget} tokens is written as the level {effort}"
            self.report.change("reasoning.budget", f"{_CONFIG}.thinkingLevel", said)
        elif wish.budget is not None:
            said = "expressed by the thinking level"
            self.report.change("reasoning.budget", f"{_CONFIG}.thinkingLevel", said)
        if effort is None:  # the model's default
            if wish.mode is not None:
                self.report.change("reasoning.mode", _CONFIG, "the model chooses its thinking budget")
            return {}
        return {"thinkingLevel": self._nearest(effort).upper()}

    def _nearest(self, effort: str) -> str:
        """Return the model's level for an effort: the same word, if the model has this level; otherwise the
        next weaker level that it has; if it has none, its weakest level. If the result is another word, this
        is reported. An effort that is no level of this API ("max") counts as stronger than all levels.
        """
        known = self._known()
        if effort in known:
            return effort
        rank = _ORDER.index(effort) if effort in _ORDER else len(_ORDER)
        weaker = [word for word in known if _ORDER.index(word) < rank]
        chosen = weaker[-1] if weaker else known[0]
        self.report.change("reasoning.effort", f"{_CONFIG}.thinkingLevel", f"{effort} is written as {chosen}")
        if weaker:
            why = f"the model does not support the thinking level {effort}"
            self.report.lose("reasoning.effort", why, "quality")
        return chosen

    def _budget(self) -> dict[str, Any]:
        wish = self.wish
        budget, where = wish.budget, "reasoning.budget"
        if budget is None and wish.effort is None:
            return {"thinkingBudget": DYNAMIC}
        if budget is None:
            where = "reasoning.effort"
            budget = BUDGETS.get(wish.effort or "", BUDGETS["medium"])
            said = f"the effort {wish.effort} is written as a budget of {budget} tokens"
            self.report.change(where, f"{_CONFIG}.thinkingBudget", said)
        elif wish.effort is not None:
            said = "expressed by the thinking budget"
            self.report.change("reasoning.effort", f"{_CONFIG}.thinkingBudget", said)
        if self.facts.thinking_budget is not None and budget != DYNAMIC:
            least, most = self.facts.thinking_budget
            fitting = max(least, min(most, budget))
            if fitting != budget:
                said = f"the model accepts {least} to {most} tokens"
                self.report.change(where, f"{_CONFIG}.thinkingBudget", said)
            if fitting < budget:
                self.report.lose(where, f"limited to {fitting} tokens", "quality")
            budget = fitting
        return {"thinkingBudget": budget}
