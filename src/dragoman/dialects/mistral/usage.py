"""Decodes and encodes token counts (`usage`).

Usage.form has words joined by "+", or is None: "num" = `num_cached_tokens` states the number of cached tokens
(without this word, `prompt_tokens_details` does); "details+num" = both members state it; "audio_outside" =
the prompt count does not include the audio tokens. Members that an encoder cannot derive from the counts are
leftovers.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.chat.usage import lose_counts, rest_of, total_up
from dragoman.dialects.estimate import ESTIMATED
from dragoman.dialects.loss import Report
from dragoman.dialects.mistral.terms import NAME, restore
from dragoman.dialects.typed import counted

_NONE: Final[dict[str, Any]] = {}
_TIER: Final = frozenset({"service_tier"})
_INCLUDED: Final = ("cache_write", "cache_write_5m", "cache_write_1h", "tool_input", "reasoning")
"""Counts of the IR that this dialect states only as part of another count."""


def decode_usage(wire: dict[str, Any]) -> ir.Usage:
    """Decode the object `usage` (`wire`) into counts of which none includes another, except those in
    `Usage.detail`. The prompt count does not include the audio tokens if the total is the sum of prompt,
    completion and audio tokens.
    """
    whole, wire = wire, counted(wire)
    get = wire.get
    prompt, completion = get("prompt_tokens"), get("completion_tokens")
    details = get("prompt_tokens_details")
    if type(details) is not dict:
        details = _NONE
    cached, apart = details.get("cached_tokens"), get("num_cached_tokens")
    audio, seconds = details.get("audio_tokens"), get("prompt_audio_seconds")
    words: list[str] = []
    if apart is not None and cached in {None, apart}:
        words.extend(("num",) if cached is None else ("details", "num"))
        cached = apart
    entered = prompt
    if prompt is not None:
        outside = 0
        if audio and get("total_tokens") == prompt + (completion or 0) + audio:
            words.append("audio_outside")
            outside = audio
        entered = max(prompt + outside - (cached or 0), 0)
    detail = {"input_audio": audio, "input_audio_seconds": seconds if isinstance(seconds, int) else None}
    told = {key: value for key, value in detail.items() if value is not None}
    usage = ir.Usage(
        entered, cached, output=completion, detail=told or None, form="+".join(words) if words else None
    )
    stated = {key: value for key, value in whole.items() if key not in _TIER or type(value) is not str}
    if rest := rest_of(stated, _encode(usage, words)):
        return msgspec.structs.replace(usage, extra={NAME: rest})
    return usage


def encode_usage(usage: ir.Usage, report: Report, *, own: bool) -> dict[str, Any]:
    """Encode token counts as the member `usage`; estimated counts get the gateway's own member `estimated`.
    own: True = the counts came in this dialect. If not, missing totals are added, and the counts for which
    Mistral has no member are reported as lost.
    """
    out = _encode(usage, (usage.form or "").split("+") if own else [])
    if not own:
        total_up(out, usage, report)
        lose_counts(usage, report, _INCLUDED, {"input_audio", "input_audio_seconds"}, "the Mistral API")
    restore(out, usage.extra, report, "usage")
    if usage.estimated:
        out[ESTIMATED] = True
    return out


def _encode(usage: ir.Usage, words: list[str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    detail = usage.detail or _NONE
    audio, cached = detail.get("input_audio"), usage.cache_read
    if usage.input_total or not (usage.input is cached is None):
        outside = (audio or 0) if "audio_outside" in words else 0
        out["prompt_tokens"] = usage.input_total - outside
        if usage.output is not None:
            out["total_tokens"] = usage.input_total + usage.output_total
    if usage.output is not None or usage.reasoning is not None:
        out["completion_tokens"] = usage.output_total
    if (seconds := detail.get("input_audio_seconds")) is not None:
        out["prompt_audio_seconds"] = seconds
    if cached is not None and "num" in words:
        out["num_cached_tokens"] = cached
    details: dict[str, Any] = {}
    if cached is not None and ("num" not in words or "details" in words):
        details["cached_tokens"] = cached
    if audio is not None:
        details["audio_tokens"] = audio
    if details:
        out["prompt_tokens_details"] = details
    return out
