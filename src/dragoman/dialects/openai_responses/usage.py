"""Decodes and encodes token counts. In the Responses API a total includes its details; in the IR (`ir.Usage`)
input, cached tokens, output and reasoning are separate counts.

`input_tokens` includes tokens that a cache read or wrote, `output_tokens` includes reasoning. Details whose
sum exceeds their total stay unchanged in `extra`, and so does a `total_tokens` that is not the sum of input
and output.

https://platform.openai.com/docs/api-reference/responses/object#responses/object-usage
"""

from __future__ import annotations

from typing import Any

from dragoman import ir
from dragoman.dialects.estimate import ESTIMATED
from dragoman.dialects.loss import Report
from dragoman.dialects.openai_responses.terms import NAME
from dragoman.dialects.openai_responses.tool_uses import UNIT
from dragoman.dialects.typed import Count, Typed

_TOTALS = frozenset({"input_tokens", "output_tokens", "total_tokens"})
_COUNTS = Typed(NAME, input_tokens=Count, output_tokens=Count, total_tokens=Count)
_READ, _WRITTEN, _REASONED = "cached_tokens", "cache_write_tokens", "reasoning_tokens"


def decode_usage(value: dict[str, Any]) -> ir.Usage:
    """Decode a `usage` object. A count that it does not state is None. The cached tokens and the reasoning
    are subtracted from the totals that include them. A total that is no count (a text, for example) becomes a
    leftover.
    """
    value, odd = _COUNTS.sort(value)
    get = value.get
    whole_in, whole_out = get("input_tokens"), get("output_tokens")
    rest = {key: kept for key, kept in value.items() if key not in _TOTALS}
    stated_in = _taken(rest, "input_tokens_details", whole_in, _READ, _WRITTEN)
    stated_out = _taken(rest, "output_tokens_details", whole_out, _REASONED)
    read, written, reasoned = stated_in.get(_READ), stated_in.get(_WRITTEN), stated_out.get(_REASONED)
    if (total := get("total_tokens")) is not None and total != (whole_in or 0) + (whole_out or 0):
        rest["total_tokens"] = total
    return ir.Usage(
        input=None if whole_in is None else whole_in - (read or 0) - (written or 0),
        cache_read=read,
        cache_write=written,
        output=None if whole_out is None else whole_out - (reasoned or 0),
        reasoning=reasoned,
        extra=ir.merge({NAME: rest} if rest else None, odd),
    )


def _taken(rest: dict[str, Any], name: str, whole: int | None, *keys: str) -> dict[str, int]:
    """Take the counts named in `keys` out of the object `name` in `rest`, and return them. Values that are
    not integers >= 0 stay in `rest`. If the sum of the counts exceeds the total (`whole`), nothing is taken
    and {} is returned. whole: None = not stated.
    """
    details = rest.get(name)
    if not isinstance(details, dict) or not details:
        return {}
    parts = {key: count for key in keys if type(count := details.get(key)) is int and count >= 0}
    if whole is not None and sum(parts.values()) > whole:
        return {}
    del rest[name]
    if left := {key: kept for key, kept in details.items() if key not in parts}:
        rest[name] = left
    return parts


def encode_usage(usage: ir.Usage | None, report: Report, *, own: bool) -> dict[str, Any] | None:
    """Encode a `usage` object; None if `usage` is None. Counts that this dialect does not have are reported.
    Totals without any stated part are written as 0. own: True = the counts came in this dialect, and details
    that the provider did not state are left out; False = such details are written as 0.
    """
    if usage is None:
        return None
    read, written, reasoned = usage.cache_read, usage.cache_write, usage.reasoning
    if not own:
        read, written, reasoned = read or 0, written or 0, reasoned or 0
    details_in = _stated({_READ: read, _WRITTEN: written})
    details_out = _stated({_REASONED: reasoned})
    out: dict[str, Any] = {"input_tokens": usage.input_total}
    if details_in:
        out["input_tokens_details"] = details_in
    out["output_tokens"] = usage.output_total
    if details_out:
        out["output_tokens_details"] = details_out
    out["total_tokens"] = usage.total
    _report(usage, report, own=own)
    for dialect, keys in (usage.extra or {}).items():
        for key, value in keys.items():
            if dialect != NAME:
                report.lose(f"usage.{key}", "the Responses API has no such field", "hint")
            elif isinstance(value, dict) and isinstance(out.get(key), dict):
                out[key] = {**out[key], **value}
            else:
                out[key] = value
    if usage.estimated:
        out[ESTIMATED] = True
    return out


def _stated(counts: dict[str, int | None]) -> dict[str, int]:
    return {key: count for key, count in counts.items() if count is not None}


def _report(usage: ir.Usage, report: Report, *, own: bool) -> None:
    """Report counts that this protocol does not show separately: `tool_input` as changed, others as lost.
    own: True = the counts came in this protocol; then uses of tools and tokens of other models are not
    reported, because the answer states them beside the usage (`tool_uses`).
    """
    if usage.tool_input:
        report.change("usage.tool_input", "usage.input_tokens", "counted as input tokens")
    for field in ("cache_write_5m", "cache_write_1h"):
        if getattr(usage, field):
            report.lose(
                f"usage.{field}", "the Responses API does not count cached tokens by lifetime", "hint"
            )
    for key, count in (usage.detail or {}).items():
        if count and not (own and key.endswith(UNIT)):
            report.lose(
                f"usage.detail.{key}", "the Responses API does not report this count separately", "hint"
            )
    if usage.others and not own:
        report.lose("usage.others", "the Responses API does not report the tokens of other models", "hint")
