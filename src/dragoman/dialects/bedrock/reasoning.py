"""Encodes a request for reasoning, in `additionalModelRequestFields`, and makes the history of a Claude agree
with it (`reconcile`). The members differ by the family of the model:

    Claude     thinking {type, budget_tokens}, output_config {effort}
    Nova 2     reasoningConfig {type, maxReasoningEffort}
    gpt-oss    reasoning_effort
    Qwen 3     reasoning_config: an effort

https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-call.html and the pages of the
models, read in 2026-11; the recordings of pydantic-ai and ruby_llm have each of them.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.bedrock.terms import API, Family, restore
from dragoman.dialects.efforts import EFFORT_BUDGETS, effort_of, lose_effort
from dragoman.dialects.request import Target

MIN_BUDGET: Final = 1024
_MEMBERS: Final[dict[Family, str]] = {
    "nova": "reasoningConfig",
    "gpt_oss": "reasoning_effort",
    "qwen": "reasoning_config",
}
_EFFORTS: Final = ("low", "medium", "high")


def encode_reasoning(
    request: ir.Request,
    target: Target,
    fields: dict[str, Any],
    family: Family,
    *,
    forced: bool,
    limit: int | None,
) -> None:
    """Write into `fields` (the object `additionalModelRequestFields`) whether and how much the model should
    think; report changes and losses.

    forced: True = the request forces a tool call, which Claude refuses while it thinks: a wish to think is
    then reported as lost. It has no effect on other families. limit: the most tokens of the answer, which a
    Claude's thinking budget must stay below; None = unknown.
    """
    wish = request.reasoning
    if wish is None:
        return
    restore({}, wish.extra, target.report, "reasoning")
    off = wish.mode == "off" or wish.effort == "none" or wish.budget == 0
    asked = wish.mode is not None or wish.effort is not None or wish.budget is not None
    lose_effort(wish, target.report)
    if family == "claude":
        _claude(wish, target, fields, forced=forced, off=off, asked=asked, limit=limit)
    elif asked:
        _by_effort(wish, target, fields, family, off=off)
    if wish.visible is not None or wish.summary is not None:
        place = "reasoning.visible" if wish.visible is not None else "reasoning.summary"
        target.report.lose(place, f"{API} has no setting for how reasoning is shown", "hint")


def _by_effort(
    wish: ir.Reasoning, target: Target, fields: dict[str, Any], family: Family, *, off: bool
) -> None:
    report, member = target.report, _MEMBERS.get(family)
    if off:
        report.change("reasoning", "", "no reasoning is requested, which is the default")
        return
    if member is None or target.facts.reasoning is False:
        report.lose("reasoning", f"it is not known how this model at {API} is told to reason", "quality")
        return
    place = f"additionalModelRequestFields.{member}"
    facts = target.facts
    if not facts.efforts:
        facts = msgspec.structs.replace(facts, efforts=_EFFORTS)
    effort = effort_of(wish, facts, report, place) or "medium"
    fields[member] = {"type": "enabled", "maxReasoningEffort": effort} if family == "nova" else effort


def _claude(
    wish: ir.Reasoning,
    target: Target,
    fields: dict[str, Any],
    *,
    forced: bool,
    off: bool,
    asked: bool,
    limit: int | None,
) -> None:
    report, modes = target.report, target.facts.thinking
    if not asked:
        return
    if off or forced:
        if forced and not off:
            report.lose("reasoning", "a forced tool call cannot be combined with thinking", "quality")
        if modes is None or "disabled" in modes:
            fields["thinking"] = {"type": "disabled"}
        elif modes and off:
            report.lose("reasoning", "thinking cannot be disabled for this model", "quality")
        return
    if modes == ():
        report.lose("reasoning", "the model does not support reasoning", "quality")
        return
    budgeted = wish.budget is not None and wish.budget > 0
    if (modes is not None and "enabled" in modes and (budgeted or "adaptive" not in modes)) or (
        modes is None and budgeted
    ):
        _enable(wish, limit, target, fields)
        return
    fields["thinking"] = {"type": "adaptive"}
    effort = effort_of(wish, target.facts, report, "additionalModelRequestFields.output_config.effort")
    if effort is not None:
        fields["output_config"] = {"effort": effort}


def _enable(wish: ir.Reasoning, limit: int | None, target: Target, fields: dict[str, Any]) -> None:
    """Write `thinking` with a budget in tokens into `fields`: the budget in `wish` or, without one, a budget
    for the effort. It is at least `MIN_BUDGET` and less than `limit`; if `limit` is too small for that,
    nothing is written. Changes and losses are reported.
    """
    report = target.report
    budget, place = wish.budget, "additionalModelRequestFields.thinking.budget_tokens"
    if budget is None or budget < 0:
        effort = wish.effort or "medium"
        budget = EFFORT_BUDGETS.get(effort, MIN_BUDGET)
        report.change("reasoning", place, f"the effort {effort} is written as a budget of {budget} tokens")
    else:
        if wish.effort is not None:
            report.lose("reasoning.effort", "the thinking budget is sent instead", "hint")
        if budget < MIN_BUDGET:
            report.change("reasoning.budget", place, f"raised to {MIN_BUDGET}, the minimum")
            budget = MIN_BUDGET
    if limit is not None and limit <= MIN_BUDGET:
        report.lose("reasoning", f"the limit of {limit} tokens is too small for thinking", "quality")
        return
    if limit is not None and budget >= limit:
        budget = limit - 1
        report.lose("reasoning.budget", f"limited to {budget}: it must be smaller than maxTokens", "quality")
    fields["thinking"] = {"type": "enabled", "budget_tokens": budget}


def reconcile(body: dict[str, Any], fields: dict[str, Any], target: Target, *, asked: bool) -> None:
    """Make the history and the thinking of a Claude agree, because otherwise the model refuses the request.
    Removed thinking is reported as a loss, removed blocks as changes.

    With a budget, the assistant's current turn must begin with reasoning: if it does not, `thinking` is
    removed from `fields`. If the model will not think, the reasoning blocks are removed from the messages of
    `body`, except from messages that have no other blocks.

    body: the encoded request. fields: its `additionalModelRequestFields`. asked: the client's request has
    settings for reasoning.
    """
    thinking = fields.get("thinking", {})
    kind = thinking.get("type")
    if kind == "enabled" and not _began_with_thought(body["messages"]):
        del fields["thinking"]
        kind = None
        why = "the turn began without reasoning, so it continues without reasoning"
        target.report.lose("reasoning", why, "quality")
    if kind in {"enabled", "adaptive"} or (kind is None and not asked and target.facts.thinks is not False):
        return
    if kind is None and target.facts.thinks:
        return
    for at, message in enumerate(body["messages"]):
        rest = [block for block in message["content"] if "reasoningContent" not in block]
        if len(rest) < len(message["content"]) and rest:
            message["content"] = rest
            why = "reasoning is disabled, so earlier reasoning is left out"
            target.report.change(f"messages[{at}]", "messages[].content[]", why)


def _began_with_thought(messages: list[dict[str, Any]]) -> bool:
    """Whether the assistant's current turn begins with reasoning. The turn consists of the messages after the
    last user message without tool results. True if the assistant has no message in this turn.
    """
    began = first = True
    for message in messages:
        content = message["content"]
        if message["role"] == "user":
            if not any("toolResult" in block for block in content):
                began = first = True
        elif first:
            began = "reasoningContent" in content[0] if content else False
            first = False
    return began
