"""Decodes and encodes token counts.

`input_tokens` excludes cached tokens; `output_tokens` includes thinking. `iterations` also lists work that
these totals exclude (compaction, the advisor, a model that declined before a fallback).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec

from dragoman import ir
from dragoman.dialects.anthropic.terms import NAME, leftovers
from dragoman.dialects.estimate import ESTIMATED
from dragoman.dialects.loss import Report
from dragoman.dialects.typed import Count, Typed

_KNOWN = frozenset(
    {
        *("input_tokens", "output_tokens", "output_tokens_details"),
        *("cache_creation_input_tokens", "cache_read_input_tokens", "cache_creation"),
        *("server_tool_use", "service_tier"),
    }
)
_COUNTS = Typed(
    NAME,
    input_tokens=Count,
    output_tokens=Count,
    cache_creation_input_tokens=Count,
    cache_read_input_tokens=Count,
    service_tier=str,
)
_LIFETIMES = {"ephemeral_5m_input_tokens": "cache_write_5m", "ephemeral_1h_input_tokens": "cache_write_1h"}
_ELSEWHERE = frozenset({"compaction", "advisor_message"})
_FOREIGN = frozenset(
    {
        *("file_search_requests", "image_generation_requests"),
        *("document_search_requests", "x_search_requests"),
    }
)
"""Uses of other providers' tools, which `server_tool_use` has no member for."""
_REQUIRED = {"web_search_requests": 0, "web_fetch_requests": 0}
"""The members of `server_tool_use` that Anthropic's clients take for granted."""


_Number = Annotated[int, msgspec.Meta(ge=0)]


class _Written(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    ephemeral_5m_input_tokens: _Number
    ephemeral_1h_input_tokens: _Number


class _Usual(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    input_tokens: _Number | None = None
    output_tokens: _Number | None = None
    cache_creation_input_tokens: _Number | None = None
    cache_read_input_tokens: _Number | None = None
    cache_creation: _Written | None = None
    server_tool_use: None = None
    service_tier: str | None = None


def counted(before: dict[str, Any], more: dict[str, Any]) -> dict[str, Any]:
    """Return the members of a later `usage` of a stream (`more`) that replace members of the earlier ones
    (`before`): null does not replace a value, and 0 does not replace a count above it. By the protocol counts
    only grow, but some servers state 0 for the input tokens at the end.
    """
    return {
        key: value
        for key, value in more.items()
        if value is not None and not (value == 0 and type(old := before.get(key)) is int and old > 0)
    }


def decode_usage(value: dict[str, Any], model: str | None) -> ir.Usage:
    """Decode a `usage` object. Counts of the wrong type, or below 0, become leftovers, except in
    `server_tool_use`, whose counts are not checked. model: the model that answered; entries of `iterations`
    that name no model count for this model. None = such entries count for the model "".
    """
    try:
        usual = msgspec.convert(value, _Usual)
    except msgspec.ValidationError:
        return _decode_unusual(value, model)
    written = usual.cache_creation
    return ir.Usage(
        usual.input_tokens,
        usual.cache_read_input_tokens,
        usual.cache_creation_input_tokens,
        None if written is None else written.ephemeral_5m_input_tokens,
        None if written is None else written.ephemeral_1h_input_tokens,
        None,
        usual.output_tokens,
    )


def _decode_unusual(value: dict[str, Any], model: str | None) -> ir.Usage:
    value, odd = _COUNTS.sort(value)
    get = value.get
    output = get("output_tokens")
    fields: dict[str, Any] = {}
    raw: dict[str, Any] = {}
    for key, read in _READ:
        if (part := get(key)) is None:
            continue
        found = read(part, output or 0)
        if found is None:
            raw[key] = part
        else:
            fields |= found
    if (iterations := get("iterations")) is not None:
        fields["others"] = _others(iterations, model)
    extra = ir.merge(leftovers(value, _KNOWN), odd)
    reasoning = fields.get("reasoning")
    return ir.Usage(
        input=get("input_tokens"),
        cache_read=get("cache_read_input_tokens"),
        cache_write=get("cache_creation_input_tokens"),
        output=output if reasoning is None or output is None else output - reasoning,
        extra=ir.merge(extra, {NAME: raw}) if raw else extra,
        **fields,
    )


def _lifetimes(part: Any, _output: int) -> dict[str, Any] | None:
    if not isinstance(part, dict) or not part.keys() <= _LIFETIMES.keys():
        return None
    if any(type(count) is not int or count < 0 for count in part.values()):
        return None
    return {_LIFETIMES[key]: count for key, count in part.items()}


def _thinking(part: Any, output: int) -> dict[str, Any] | None:
    if not isinstance(part, dict) or part.keys() != {"thinking_tokens"}:
        return None
    thinking = part["thinking_tokens"]
    return {"reasoning": thinking} if type(thinking) is int and 0 <= thinking <= output else None


def _requests(part: Any, _output: int) -> dict[str, Any] | None:
    if not isinstance(part, dict) or not all(key.endswith("_requests") for key in part):
        return None
    return {"detail": part} if part else None


_READ: tuple[tuple[str, Callable[[Any, int], dict[str, Any] | None]], ...] = (
    ("cache_creation", _lifetimes),
    ("output_tokens_details", _thinking),
    ("server_tool_use", _requests),
)
"""(member of `usage` that is an object, its decoder). The decoder gets the member's value and
`output_tokens`, and returns fields of ir.Usage; None = the value has an unknown form."""


def _others(iterations: Any, model: str | None) -> tuple[tuple[str, ir.Usage], ...]:
    """Return (name of the model, usage) of each iteration that the totals do not include. model: the name for
    iterations that name no model; None = "" is used.
    """
    listed = [one for one in iterations if isinstance(one, dict)] if isinstance(iterations, list) else []
    served = next((one.get("model") for one in listed if one.get("type") == "fallback_message"), None)
    found = []
    for iteration in listed:
        kind, named = iteration.get("type"), iteration.get("model")
        declined = kind == "message" and served is not None and named != served
        if kind in _ELSEWHERE or declined:
            counts = {key: count for key, count in iteration.items() if key in _KNOWN}
            named = named if type(named) is str else None
            found.append((named or model or "", decode_usage(counts, named)))
    return tuple(found)


def encode_usage(usage: ir.Usage | None, report: Report, *, own: bool) -> dict[str, Any]:
    """Encode a `usage` object. Losses and changes are reported. usage: None = the provider stated none; the
    two counts that the API requires are then 0. own: True = the answer comes from this dialect; False =
    members of `server_tool_use` that Anthropic's clients take for granted (`_REQUIRED`) are added to it as 0.
    """
    if usage is None:
        report.change(
            "usage", "usage", "the provider sent no token counts, and the Messages API requires them"
        )
        return {"input_tokens": 0, "output_tokens": 0}
    out: dict[str, Any] = {"input_tokens": (usage.input or 0) + (usage.tool_input or 0)}
    if usage.cache_write is not None:
        out["cache_creation_input_tokens"] = usage.cache_write
    if usage.cache_read is not None:
        out["cache_read_input_tokens"] = usage.cache_read
    if usage.cache_write_5m is not None or usage.cache_write_1h is not None:
        out["cache_creation"] = {
            "ephemeral_5m_input_tokens": usage.cache_write_5m or 0,
            "ephemeral_1h_input_tokens": usage.cache_write_1h or 0,
        }
    out["output_tokens"] = usage.output_total
    if usage.reasoning is not None:
        out["output_tokens_details"] = {"thinking_tokens": usage.reasoning}
    if usage.tool_input:
        report.change("usage.tool_input", "usage.input_tokens", "counted as input tokens")
    if usage.detail:
        _detail(out, usage.detail, report, own=own)
    if usage.others and NAME not in (usage.extra or {}):
        report.lose("usage.others", "the Messages API does not report the tokens of other models", "hint")
    _restore(out, usage.extra, report)
    if usage.estimated:
        out[ESTIMATED] = True
    return out


def _restore(out: dict[str, Any], extra: ir.Extra, report: Report) -> None:
    for dialect, keys in (extra or {}).items():
        if dialect == NAME:
            out.update(keys)
        else:
            for key in keys:
                report.lose(f"usage.{key}", "the Messages API has no such field", "hint")


def _detail(out: dict[str, Any], detail: dict[str, Any], report: Report, *, own: bool) -> None:
    requests = {}
    for key, count in detail.items():
        if key.endswith("_requests") and key not in _FOREIGN:
            requests[key] = count
        elif count:
            report.lose(
                f"usage.detail.{key}", "the Messages API does not report this count separately", "hint"
            )
    if requests:
        out["server_tool_use"] = requests if own else {**_REQUIRED, **requests}
