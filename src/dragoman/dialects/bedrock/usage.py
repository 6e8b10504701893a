"""Token counts (`usage`), decoded and encoded.

`inputTokens` usually excludes the tokens that were read from or written to a cache. For some models of
OpenAI's it includes them (https://github.com/anomalyco/opencode/issues/47354): then `totalTokens` is the sum
of `inputTokens` and `outputTokens` alone. Usage.form has words joined by "+": "inclusive" = the input
included the cached tokens; "counts" = the cached tokens were also stated in `cacheReadInputTokenCount` and
`cacheWriteInputTokenCount`, which no page mentions.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.bedrock.terms import API, NAME, restore
from dragoman.dialects.chat.usage import lose_counts
from dragoman.dialects.estimate import ESTIMATED
from dragoman.dialects.loss import Report
from dragoman.dialects.typed import counted

_COUNTS: Final = {
    "cacheReadInputTokenCount": "cacheReadInputTokens",
    "cacheWriteInputTokenCount": "cacheWriteInputTokens",
}
_LIFETIMES: Final = {"5m": "cache_write_5m", "1h": "cache_write_1h"}
_INCLUDED: Final = ("tool_input", "reasoning")
"""Counts of the IR that this protocol states only as part of another count."""


def decode_usage(whole: dict[str, Any]) -> ir.Usage:
    """Decode token counts. In the result, `input` excludes the cached tokens: they are subtracted if
    `totalTokens` shows that `inputTokens` includes them. `output` includes the tokens of reasoning. whole:
    the object `usage`. Members that the encoder would not write again are leftovers, unless they are null or
    {}.
    """
    wire = counted(whole)
    get = wire.get
    entered, output = get("inputTokens"), get("outputTokens")
    read, written = get("cacheReadInputTokens"), get("cacheWriteInputTokens")
    words: list[str] = []
    cached = (read or 0) + (written or 0)
    if cached and entered is not None and cached <= entered and get("totalTokens") == entered + (output or 0):
        words.append("inclusive")
        entered -= cached
    if any(twin in wire and wire[twin] == get(member) for twin, member in _COUNTS.items()):
        words.append("counts")
    usage = ir.Usage(
        entered,
        read,
        written,
        output=output,
        form="+".join(words) or None,
        **_lifetimes(whole.get("cacheDetails")),
    )
    shown = _encode(usage, words)
    rest = {key: value for key, value in whole.items() if shown.get(key) != value and value not in (None, {})}
    return msgspec.structs.replace(usage, extra={NAME: rest}) if rest else usage


def _lifetimes(details: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for one in details if type(details) is list else ():
        if type(one) is dict and (field := _LIFETIMES.get(str(one.get("ttl")))) is not None:
            count = one.get("inputTokens")
            if type(count) is int and count >= 0:
                found[field] = count
    return found


def encode_usage(usage: ir.Usage, report: Report, *, own: bool) -> dict[str, Any]:
    """Return the object `usage` for token counts. own: True = the counts came in this dialect, so only those
    that were stated are written, and the total if input and output are known. Otherwise an unknown input or
    output is written as 0, and the counts that the API has no member for are reported as lost.
    """
    out = _encode(usage, (usage.form or "").split("+") if own else [])
    if not own:
        out = {"inputTokens": 0, "outputTokens": 0, "totalTokens": usage.total, **out}
        lose_counts(usage, report, _INCLUDED, set(), API)
    restore(out, usage.extra, report, "usage")
    if usage.estimated:
        out[ESTIMATED] = True
    return out


def _encode(usage: ir.Usage, words: list[str]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    cached = (usage.cache_read or 0) + (usage.cache_write or 0)
    if usage.input is not None or usage.tool_input is not None:
        out["inputTokens"] = usage.input_total - (0 if "inclusive" in words else cached)
    if usage.output is not None or usage.reasoning is not None:
        out["outputTokens"] = usage.output_total
    if "inputTokens" in out and "outputTokens" in out:
        out["totalTokens"] = usage.total
    if usage.cache_read is not None:
        out["cacheReadInputTokens"] = usage.cache_read
    if usage.cache_write is not None:
        out["cacheWriteInputTokens"] = usage.cache_write
    if "counts" in words:
        out |= {twin: out[member] for twin, member in _COUNTS.items() if member in out}
    details = [
        {"inputTokens": count, "ttl": ttl}
        for ttl, field in _LIFETIMES.items()
        if (count := getattr(usage, field)) is not None
    ]
    if details:
        out["cacheDetails"] = details
    return out
