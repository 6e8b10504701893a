"""Decodes and encodes token counts: https://ai.google.dev/api/generate-content#UsageMetadata

`promptTokenCount` includes cached tokens. `candidatesTokenCount` excludes thinking, unless `totalTokenCount`
shows that it includes thinking. A count that cannot be computed again from the IR's counts becomes a
leftover.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dragoman import ir
from dragoman.dialects.estimate import ESTIMATED
from dragoman.dialects.gemini.searches import UNIT
from dragoman.dialects.gemini.terms import NAME, restore
from dragoman.dialects.loss import Report

INPUT = "input_"
_DETAILS = {
    "promptTokensDetails": INPUT,
    "candidatesTokensDetails": "output_",
    "toolUsePromptTokensDetails": "tool_input_",
    "cacheTokensDetails": "cache_read_",
}
_MODALITIES = {word: word.lower() for word in ("TEXT", "IMAGE", "AUDIO", "VIDEO", "DOCUMENT")}
_MEMBERS = {
    prefix + small: (key, word) for key, prefix in _DETAILS.items() for word, small in _MODALITIES.items()
}
"""Name in `Usage.detail` -> (the wire's list of counts, the modality of the count in this list)."""
_TOOLS = "toolUsePromptTokenCount"
_ANSWER = "candidatesTokenCount"
_COUNT = frozenset({"modality", "tokenCount"})
_COUNTS = (
    *("promptTokenCount", "cachedContentTokenCount", _TOOLS),
    *("candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount"),
)
_NUMBERS = frozenset({int, type(None)})
_KNOWN = frozenset({*_COUNTS, "serviceTier", *_DETAILS})
_INSIDE = "thoughts_inside"

TIERS = {"standard": "default"}
TIER_WORDS = {"default": "standard", "priority": "priority", "flex": "flex"}
_PLAIN = (None, "auto", "default")


def decode_usage(value: Mapping[str, Any]) -> ir.Usage:
    """Decode a `usageMetadata` object, except its service tier (`decode_tier`). Unknown members, members of
    wrong types, negative counts and inconsistent sums become leftovers.
    """
    detail, rest = _detail(value)
    counts = list(map(value.get, _COUNTS))
    if not _NUMBERS.issuperset(map(type, counts)) or min(filter(None, counts), default=0) < 0:
        for place, count in enumerate(counts):
            if count is not None and (type(count) is not int or count < 0):
                rest[_COUNTS[place]], counts[place] = count, None
    prompt, cached, used, answered, thoughts, total = counts
    entered, asked, form = prompt, prompt or 0, None
    if cached:
        entered = max(asked - cached, 0)
        asked = entered + cached
        if prompt is not None and asked != prompt:
            rest["promptTokenCount"] = prompt
    outside = asked + (answered or 0) + (used or 0)
    if thoughts and answered and total == outside and thoughts <= answered:
        answered -= thoughts
        form = _INSIDE
    elif total is not None and total != outside + (thoughts or 0):
        rest["totalTokenCount"] = total
    if not value.keys() <= _KNOWN:
        rest.update((key, kept) for key, kept in value.items() if key not in _KNOWN)
    return ir.Usage(
        entered,
        cached,
        tool_input=used,
        output=answered,
        reasoning=thoughts,
        detail=detail or None,
        extra={NAME: rest} if rest else None,
        form=form,
    )


def carried(before: Any, usage: Any) -> Any:
    """Return the usage of a chunk that ends an answer, with the answer's tokens of an earlier chunk's usage
    (`before`) if it does not state them: the last chunk may leave them out, if it has no text. Usages that
    are not objects are not looked at.
    """
    if type(before) is not dict or type(usage) is not dict or _ANSWER in usage or _ANSWER not in before:
        return usage
    return {**usage, _ANSWER: before[_ANSWER]}


def _detail(value: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return (the counts by modality, as `Usage.detail`; the leftovers). A list of unknown form becomes a
    leftover as a whole.
    """
    detail: dict[str, Any] = {}
    rest: dict[str, Any] = {}
    for key, prefix in _DETAILS.items():
        listed = value.get(key)
        if listed is None:
            continue
        if (found := by_modality(listed, prefix)) is None:
            rest[key] = listed
        else:
            detail |= found
    return detail, rest


def by_modality(listed: Any, prefix: str) -> dict[str, int] | None:
    """Return the counts in `listed`, a list of `{"modality", "tokenCount"}`, as `Usage.detail` has them:
    {"input_text": 5}. None = the list is empty, its form is unknown, or it has a negative count or a modality
    twice. prefix: the beginning of the names in the result, such as `INPUT` ("input_").
    """
    found: dict[str, int] = {}
    if type(listed) is not list or not listed:
        return None
    for one in listed:
        if type(one) is not dict or one.keys() != _COUNT or type(one["tokenCount"]) is not int:
            return None
        word = _MODALITIES.get(str(one["modality"]))
        if word is None or one["tokenCount"] < 0 or prefix + word in found:
            return None
        found[prefix + word] = one["tokenCount"]
    return found


def modalities(detail: Mapping[str, Any], prefix: str) -> list[dict[str, Any]]:
    """Return the list of `{"modality", "tokenCount"}` for the counts in a `Usage.detail` whose names are
    `prefix` and a modality ("input_text"); [] = there are none.
    """
    return [
        {"modality": word, "tokenCount": detail[prefix + small]}
        for word, small in _MODALITIES.items()
        if prefix + small in detail
    ]


def decode_tier(value: Mapping[str, Any] | None) -> str | None:
    """Return the IR's word for the service tier in a `usageMetadata` object (`value`): "default" for
    "standard"; any other word stays unchanged. None = there is no object, no tier is stated, or it is not a
    text.
    """
    tier = None if value is None else value.get("serviceTier")
    return TIERS.get(tier, tier) if isinstance(tier, str) else None


def encode_usage(usage: ir.Usage | None, tier: str | None, report: Report, *, own: bool) -> dict[str, Any]:
    """Encode `usageMetadata`, which also states the service tier, and report losses. The result is {} if
    `usage` is None; a tier other than "default" and "auto" is then reported as lost. An estimated usage is
    marked by one more member (`ESTIMATED`).

    tier: the IR's word, None = unknown. own: True = the answer comes from this dialect.
    """
    if usage is None:
        if tier not in _PLAIN:
            report.lose("tier", "the service tier is part of the usage, and there is no usage", "hint")
        return {}
    out = _counts(usage)
    _encode_detail(out, usage.detail or {}, report, own=own)
    if not own:
        _lose(usage, report)
    if tier is not None:
        if own or tier in TIER_WORDS:
            out["serviceTier"] = TIER_WORDS.get(tier, tier)
        else:
            report.lose("tier", f"the Gemini API has no service tier {tier}", "hint")
    restore(out, usage.extra, report, "usage")
    if usage.estimated:
        out[ESTIMATED] = True
    return out


def _counts(usage: ir.Usage) -> dict[str, Any]:
    out: dict[str, Any] = {}
    stated = (usage.input, usage.cache_read, usage.cache_write)
    if any(count is not None for count in stated):
        out["promptTokenCount"] = sum(count or 0 for count in stated)
    if usage.output is not None:
        inside = (usage.reasoning or 0) if usage.form == _INSIDE else 0
        out["candidatesTokenCount"] = usage.output + inside
    if out:
        out["totalTokenCount"] = usage.total
    if usage.cache_read is not None:
        out["cachedContentTokenCount"] = usage.cache_read
    if usage.tool_input is not None:
        out[_TOOLS] = usage.tool_input
    if usage.reasoning is not None:
        out["thoughtsTokenCount"] = usage.reasoning
    return out


def _encode_detail(out: dict[str, Any], detail: Mapping[str, Any], report: Report, *, own: bool) -> None:
    for key, count in detail.items():
        member = _MEMBERS.get(key)
        if member is None:
            if count and not (own and key == UNIT):  # searches stand in the grounding metadata
                report.lose(f"usage.detail.{key}", "the Gemini API has no such token count", "hint")
        elif count or own:
            out.setdefault(member[0], []).append({"modality": member[1], "tokenCount": count})


def _lose(usage: ir.Usage, report: Report) -> None:
    for field in ("cache_write", "cache_write_5m", "cache_write_1h"):
        if getattr(usage, field):
            report.lose(f"usage.{field}", "included in the prompt tokens", "hint")
    for index in range(len(usage.others)):
        why = "the Gemini API does not report the tokens of other models"
        report.lose(f"usage.others[{index}]", why, "hint")
