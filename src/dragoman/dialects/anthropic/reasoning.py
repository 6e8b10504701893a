"""Decodes and encodes `thinking` and `output_config.effort`, which together are `ir.Reasoning`.

The API answers 400 to a mode of thinking that the model does not accept. If it is unknown which modes the
model accepts, reasoning settings that a client of this dialect has stated are sent as they are, and a request
of another dialect that wants thinking gets "adaptive", the mode of the newest models, unless it forces a tool
call or the model is known not to think. It gets "enabled" if it states the mode "on" with a budget. Settings
that are a default of the configuration (`is_default`) are treated like those of another dialect.

https://platform.claude.com/docs/en/build-with-claude/thinking
"""

from __future__ import annotations

from typing import Any

from dragoman import ir
from dragoman.dialects.anthropic.terms import NAME, leftovers, restore
from dragoman.dialects.efforts import lose_effort
from dragoman.dialects.request import Target, is_default

_MODES = {"enabled": "on", "disabled": "off"}
_TYPES = {"on": "enabled", "off": "disabled", "adaptive": "adaptive", "between_tools": "between_tools"}
_THINKING = frozenset({"type", "budget_tokens", "display"})
_DISPLAYS = {"summarized": True, "omitted": False}

BUDGETS = {"minimal": 1024, "low": 1024, "medium": 2048, "high": 4096, "xhigh": 8192, "max": 16384}
"""Effort word -> the thinking budget in tokens that stands for it. Source: LiteLLM's table."""
MIN_BUDGET = 1024
_ROOM = 8192
"""If `max_tokens` must be raised because of a thinking budget, it becomes the budget plus this number of
tokens, or the model's maximum if that is lower."""
_ORDER = ("low", "medium", "high", "xhigh", "max")


def decode_reasoning(thinking: Any, effort: str | None) -> ir.Reasoning | None:
    """Decode `thinking` (an object or None) and `output_config.effort`; None = both are None. A type of
    thinking that the IR does not know is kept as the mode. An unknown `display` and unknown members of
    `thinking` become leftovers.
    """
    if thinking is None:
        return None if effort is None else ir.Reasoning(effort=effort)
    kind = thinking.get("type")
    display = thinking.get("display")
    extra = leftovers(thinking, _THINKING)
    if display is not None and display not in _DISPLAYS:
        extra = ir.merge(extra, {NAME: {"display": display}})
    return ir.Reasoning(
        mode=_MODES.get(kind, kind),
        effort=effort,
        budget=thinking.get("budget_tokens"),
        visible=_DISPLAYS.get(display),
        extra=extra,
    )


def encode_reasoning(
    request: ir.Request, target: Target, body: dict[str, Any], config: dict[str, Any], *, forced: bool
) -> None:
    """Write `thinking` into `body`, and `effort` into `config`, which becomes `output_config`. Changes and
    losses are reported. The body's `max_tokens` may be raised, but only if the client set no limit of output
    tokens. forced: True = the request forces a tool call, so that thinking is in general not enabled.
    """
    wish = request.reasoning
    if wish is None:
        return
    if request.dialect == NAME and not is_default(wish) and target.facts.thinking is None:
        thinking, effort = _verbatim(wish), wish.effort
    else:
        thinking, effort = _Fitting(wish, request, target).fit(forced=forced)
    if thinking is not None:
        _fit_budget(thinking, request, target, body)
        if thinking["type"] in {"enabled", "adaptive"}:
            _display(thinking, wish, target)
        body["thinking"] = thinking
    if effort is not None:
        config["effort"] = effort
    restore(body.get("thinking", {}), wish.extra, target.report, "reasoning")


def _verbatim(wish: ir.Reasoning) -> dict[str, Any] | None:
    if wish.mode is None and wish.budget is None:
        return None
    thinking: dict[str, Any] = {"type": _TYPES.get(wish.mode or "on", wish.mode)}
    if wish.budget is not None:
        thinking["budget_tokens"] = wish.budget
    return thinking


def _display(thinking: dict[str, Any], wish: ir.Reasoning, target: Target) -> None:
    if wish.visible is not None:
        thinking["display"] = "summarized" if wish.visible else "omitted"
    elif wish.summary is not None:
        thinking["display"] = "summarized"
        target.report.change(
            "reasoning.summary", "thinking.display", "the Messages API has only one kind of reasoning summary"
        )


def _fit_budget(thinking: dict[str, Any], request: ir.Request, target: Target, body: dict[str, Any]) -> None:
    """Fit `budget_tokens` in `thinking`, which is changed: at least `MIN_BUDGET`, and below the body's
    `max_tokens`, which is raised first if the client set no limit of output tokens. If there is no room for
    the smallest budget, thinking is disabled. A budget that a client of this dialect has stated is not
    changed. Differences are reported.
    """
    budget = thinking.get("budget_tokens")
    if budget is None or (request.dialect == NAME and not is_default(request.reasoning)):
        return
    if budget < MIN_BUDGET:
        target.report.change(
            "reasoning.budget", "thinking.budget_tokens", f"raised to {MIN_BUDGET}, the minimum"
        )
        thinking["budget_tokens"] = budget = MIN_BUDGET
    limit = body["max_tokens"]
    if budget < limit:
        return
    if request.max_output is None:
        most = target.facts.max_output
        raised = budget + _ROOM if most is None else min(budget + _ROOM, most)
        if raised > limit:
            body["max_tokens"] = limit = raised
            target.report.change(
                "reasoning.budget", "max_tokens", "raised: it must be larger than the thinking budget"
            )
        if budget < limit:
            return
    if limit > MIN_BUDGET:
        thinking["budget_tokens"] = limit - 1
        target.report.change(
            "reasoning.budget", "thinking.budget_tokens", "lowered: it must be smaller than max_tokens"
        )
        target.report.lose(
            "reasoning.budget", f"limited to {limit - 1}: it must be smaller than max_tokens", "quality"
        )
    else:
        thinking.clear()
        thinking["type"] = "disabled"
        target.report.lose("reasoning", f"max_tokens {limit} is too small for a thinking budget", "quality")


class _Fitting:
    """Finds the `thinking` and the effort that the model accepts and that are nearest to a request's
    reasoning. Differences are reported. modes: the modes of thinking that the model accepts; None = unknown.
    own: True = a client of this dialect has stated the settings. place: the field of ir.Reasoning under which
    a refused effort is reported.
    """

    def __init__(self, wish: ir.Reasoning, request: ir.Request, target: Target) -> None:
        self.wish = wish
        self.report = target.report
        self.facts = target.facts
        self.modes = target.facts.thinking
        self.own = request.dialect == NAME and not is_default(wish)
        self.place = "effort" if wish.effort is not None else "budget" if wish.budget is not None else "mode"

    def fit(self, *, forced: bool) -> tuple[dict[str, Any] | None, str | None]:
        """Return (the `thinking` to write, the effort to write); None = it is not written. forced: True = the
        request forces a tool call.
        """
        wish = self.wish
        if self.own and (wish.mode is None or _TYPES.get(wish.mode, wish.mode) in (self.modes or ())):
            return _verbatim(wish), self._effort(wish.effort)
        if wish.mode is None and wish.effort is None and wish.budget is None:
            self._report_display()
            return None, None
        off = wish.mode == "off" or wish.effort == "none" or wish.budget == 0
        if self.facts.reasoning is False or self.modes == ():
            if not off:
                self.report.lose("reasoning", "the model does not support reasoning", "quality")
            return None, None
        if off:
            lose_effort(wish, self.report)
            return self._off()
        if forced:
            self.report.lose("reasoning", "a forced tool call cannot be combined with thinking", "quality")
            return ({"type": "disabled"} if self._takes("disabled", unknown=False) else None), None
        if wish.budget is not None and wish.budget > 0 and self._takes("enabled", unknown=wish.mode == "on"):
            return {"type": "enabled", "budget_tokens": wish.budget}, self._effort(wish.effort)
        if self._takes("adaptive", unknown=True):
            if wish.mode not in {None, "adaptive"}:
                self.report.change("reasoning.mode", "thinking.type", "written as adaptive thinking")
            return {"type": "adaptive"}, self._effort(self._strength())
        if self._takes("enabled", unknown=True):
            effort = self._strength() or "medium"
            budget = BUDGETS.get(effort, BUDGETS["medium"])
            self.report.change(
                "reasoning",
                "thinking.budget_tokens",
                f"the effort {effort} is written as a budget of {budget} tokens",
            )
            return {"type": "enabled", "budget_tokens": budget}, None
        self.report.lose("reasoning", "the model does not support this kind of thinking", "quality")
        return None, None

    def _report_display(self) -> None:
        if self.wish.visible or self.wish.summary is not None:
            self.report.lose(
                "reasoning", "the display of reasoning can be set only if reasoning is requested", "hint"
            )
        elif self.wish.visible is False:
            self.report.change("reasoning.visible", "", "no reasoning was requested, so none is shown")

    def _takes(self, mode: str, *, unknown: bool) -> bool:
        return unknown if self.modes is None else mode in self.modes

    def _off(self) -> tuple[dict[str, Any] | None, str | None]:
        if self._takes("disabled", unknown=True):
            if self.place != "mode":
                self.report.change("reasoning", "thinking.type", "written as disabled")
            return {"type": "disabled"}, None
        self.report.lose("reasoning", "thinking cannot be disabled for this model", "quality")
        if self._takes("between_tools", unknown=False):
            return {"type": "between_tools"}, None
        return None, self._effort("low")

    def _strength(self) -> str | None:
        """Return the requested effort or, if the request states only a budget, the effort whose budget is
        nearest; None = the request states neither, or a negative budget. A budget that becomes an effort is
        reported as a change.
        """
        budget = self.wish.budget
        if self.wish.effort is not None or budget is None or budget < 0:
            return self.wish.effort
        nearest = min(_ORDER, key=lambda word: abs(BUDGETS[word] - budget))
        self.report.change(
            "reasoning.budget",
            "output_config.effort",
            f"the budget of {budget} tokens is written as the effort {nearest}",
        )
        return nearest

    def _effort(self, word: str | None) -> str | None:
        """Return the effort `word` if the model supports it, otherwise another supported effort in `_ORDER`,
        preferably the next weaker one; the difference is reported. None = there is none, or `word` is None or
        an unsupported "none". If it is unknown which efforts the model supports, all in `_ORDER` count as
        supported.
        """
        if word is None:
            return None
        known = _ORDER if self.facts.efforts is None else self.facts.efforts
        if word in known:
            return word
        if word == "minimal" and "low" in known:
            self.report.change(
                "reasoning.effort", "output_config.effort", "the effort minimal is written as low"
            )
            return "low"
        weakest = word in {"none", "minimal"}
        rank = 0 if weakest else _ORDER.index(word) if word in _ORDER else len(_ORDER)
        weaker = [one for one in _ORDER[:rank] if one in known]
        stronger = [] if word == "none" else [one for one in _ORDER[rank:] if one in known]
        self.report.lose(
            f"reasoning.{self.place}", f"the model does not support the effort {word}", "quality"
        )
        return weaker[-1] if weaker else stronger[0] if stronger else None
