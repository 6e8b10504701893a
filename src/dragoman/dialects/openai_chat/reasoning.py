"""Decodes and encodes the reasoning settings of requests: OpenAI's effort and the vendors' members.

`Request.forms["reasoning"]` names the members that the client used, joined by "+".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.reasoning import by_effort, lose_visibility
from dragoman.dialects.efforts import EFFORT_BUDGETS, effort_of, lose_effort
from dragoman.dialects.leftovers import shown
from dragoman.dialects.openai.terms import NAME, leftovers, restore

MEMBERS: Final = frozenset(
    {"reasoning_effort", "reasoning", "thinking", "enable_thinking", "thinking_budget", "include_reasoning"}
)
_OBJECT: Final = frozenset({"effort", "max_tokens", "enabled", "exclude", "summary"})
_THINKING: Final = frozenset({"type", "budget_tokens"})
_SWITCHES: Final = {"enabled": "on", "disabled": "off"}
_SWITCH_WORDS: Final = {"on": "enabled", "adaptive": "enabled", "off": "disabled"}
_DEEPSEEK_EFFORTS: Final = {"minimal": "low", "medium": "high", "xhigh": "high"}
"""Effort word that DeepSeek does not have -> the word that is sent instead:
https://api-docs.deepseek.com/guides/thinking_mode."""


def decode_reasoning(body: Mapping[str, Any], forms: dict[str, str]) -> ir.Reasoning | None:
    """Return the reasoning settings in a request's body, from all members that can state them; None if these
    are missing or null. The names of the members with a value are written into `forms`, under "reasoning".

    The members are read in the order of `_READERS`, not in the order of the body. If two members state
    different values for one field, the first value is used, and the other becomes a leftover, under its
    dotted path.
    """
    fields: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    used: list[str] = []
    for member, read in _READERS.items():
        if (value := body.get(member)) is None:
            continue
        used.append(member)
        stated, extra = read(value)
        for field, (path, found) in stated.items():
            if fields.setdefault(field, found) != found:
                rest[path] = value if path == member else value[path.partition(".")[2]]
        if extra is not None:
            rest.update(extra[NAME])
    if not used:
        return None
    forms["reasoning"] = "+".join(used)
    return ir.Reasoning(**fields, extra={NAME: rest} if rest else None)


_Stated = tuple[dict[str, tuple[str, Any]], ir.Extra]
"""({field of Reasoning: (the wire member's dotted name, the field's value)}, the leftovers)."""


def _read_effort(value: Any) -> _Stated:
    return {"effort": ("reasoning_effort", value)}, None


def _read_object(value: dict[str, Any]) -> _Stated:
    stated: dict[str, tuple[str, Any]] = {}
    for field, member in (("effort", "effort"), ("budget", "max_tokens"), ("summary", "summary")):
        if value.get(member) is not None:
            stated[field] = (f"reasoning.{member}", value[member])
    if value.get("enabled") is not None:
        stated["mode"] = ("reasoning.enabled", "on" if value["enabled"] else "off")
    if value.get("exclude") is not None:
        stated["visible"] = ("reasoning.exclude", not value["exclude"])
    return stated, leftovers(value, _OBJECT, "reasoning")


def _read_thinking(value: dict[str, Any]) -> _Stated:
    stated: dict[str, tuple[str, Any]] = {}
    if (kind := value.get("type")) is not None:
        stated["mode"] = ("thinking.type", _SWITCHES.get(kind, kind))
    if value.get("budget_tokens") is not None:
        stated["budget"] = ("thinking.budget_tokens", value["budget_tokens"])
    return stated, leftovers(value, _THINKING, "thinking")


_READERS: Final[dict[str, Callable[[Any], _Stated]]] = {
    "reasoning_effort": _read_effort,
    "reasoning": _read_object,
    "thinking": _read_thinking,
    "enable_thinking": lambda value: ({"mode": ("enable_thinking", "on" if value else "off")}, None),
    "thinking_budget": lambda value: ({"budget": ("thinking_budget", value)}, None),
    "include_reasoning": lambda value: ({"visible": ("include_reasoning", value)}, None),
}


def encode_reasoning(body: dict[str, Any], reasoning: ir.Reasoning, form: str, draft: Draft) -> None:
    """Write the reasoning settings into `body`, and report what is lost.

    form: the members that the client used, joined by "+"; "" = the client speaks another dialect. The
    vendor's member is `Quirks.reasoning_request`. The settings are written into all members that the client
    used, if it used any and the vendor's member is `reasoning_effort` or one of them. In all other cases they
    are written into the vendor's member, with its values; if the vendor has none, they are lost.
    """
    way = draft.quirks.reasoning_request
    used = form.split("+") if form else []
    if used and (way == "reasoning_effort" or way in used):
        for member in used:
            body[member] = _OWN[member](reasoning)
        restore(body, reasoning.extra, draft.report, "reasoning")
        return
    if reasoning.extra is not None:
        restore({}, reasoning.extra, draft.report, "reasoning")
        for key in reasoning.extra.get(NAME, ()):
            draft.report.lose(
                f"reasoning.{shown(key)}", "the provider has another parameter for reasoning", "hint"
            )
    if (write := _WAYS.get(way)) is not None:
        write(body, reasoning, draft)
    else:
        draft.report.lose("reasoning", "the provider has no parameter for reasoning", "quality")


def _own_object(reasoning: ir.Reasoning) -> dict[str, Any]:
    members = {
        "effort": reasoning.effort,
        "max_tokens": reasoning.budget,
        "summary": reasoning.summary,
        "enabled": None if reasoning.mode is None else reasoning.mode != "off",
        "exclude": None if reasoning.visible is None else not reasoning.visible,
    }
    return {member: value for member, value in members.items() if value is not None}


def _own_thinking(reasoning: ir.Reasoning) -> dict[str, Any]:
    out: dict[str, Any] = {}
    if reasoning.mode is not None:
        out["type"] = _SWITCH_WORDS.get(reasoning.mode, reasoning.mode)
    if reasoning.budget is not None:
        out["budget_tokens"] = reasoning.budget
    return out


_OWN: Final[dict[str, Callable[[ir.Reasoning], Any]]] = {
    "reasoning_effort": lambda reasoning: reasoning.effort,
    "reasoning": _own_object,
    "thinking": _own_thinking,
    "enable_thinking": lambda reasoning: reasoning.mode != "off",
    "thinking_budget": lambda reasoning: reasoning.budget,
    "include_reasoning": lambda reasoning: reasoning.visible,
}


def _by_object(body: dict[str, Any], reasoning: ir.Reasoning, draft: Draft) -> None:
    out = _own_object(reasoning)
    lose_effort(reasoning, draft.report)
    if reasoning.mode == "off" and "effort" in out:
        del out["effort"]
    if "effort" in out and "max_tokens" in out:
        draft.report.lose("reasoning.budget", "a reasoning effort and a budget cannot be combined", "hint")
        del out["max_tokens"]
    if out:
        body["reasoning"] = out


def _by_thinking(body: dict[str, Any], reasoning: ir.Reasoning, draft: Draft) -> None:
    off = reasoning.mode == "off" or reasoning.effort == "none"
    body["thinking"] = {"type": "disabled" if off else "enabled"}
    if off:
        lose_effort(reasoning, draft.report)
    effort = None if off else effort_of(reasoning, draft.facts, draft.report, "reasoning_effort")
    if effort is not None:
        known = draft.facts.efforts or ("low", "high", "max")
        word = effort if effort in known else _DEEPSEEK_EFFORTS.get(effort, effort)
        if word != effort:
            draft.report.change("reasoning.effort", "reasoning_effort", f"the provider's value for {effort}")
        body["reasoning_effort"] = word
    lose_visibility(reasoning, draft)


def _by_switch(body: dict[str, Any], reasoning: ir.Reasoning, draft: Draft) -> None:
    off = reasoning.mode == "off" or reasoning.effort == "none"
    body["enable_thinking"] = not off
    if off:
        lose_effort(reasoning, draft.report)
    budget = reasoning.budget
    if budget is None and reasoning.effort is not None and not off:
        budget = EFFORT_BUDGETS.get(reasoning.effort, EFFORT_BUDGETS["low"])
        draft.report.change("reasoning.effort", "thinking_budget", "the provider expects a number of tokens")
    elif budget is not None and reasoning.effort is not None and not off:
        draft.report.lose("reasoning.effort", "the thinking budget is sent instead", "hint")
    if budget is not None and not off:
        body["thinking_budget"] = budget
    lose_visibility(reasoning, draft)


_WAYS: Final[dict[str, Callable[[dict[str, Any], ir.Reasoning, Draft], None]]] = {
    "reasoning_effort": by_effort,
    "reasoning": _by_object,
    "thinking": _by_thinking,
    "enable_thinking": _by_switch,
}
