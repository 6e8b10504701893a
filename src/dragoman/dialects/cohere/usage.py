"""Token counts (`usage`), decoded and encoded.

Cohere states two kinds of numbers: `tokens` that the model has read and written, and `billed_units` that the
account pays for. Only `tokens` include the prompt that Cohere itself adds, so the two may differ by a factor
of thirty. The counts of the IR are those of `tokens`; `billed_units` are in `Usage.detail` (`billed_input`,
`billed_output`, `search_units`). `reasoning_tokens` are part of the output tokens; `image_tokens` are not
part of the input tokens, as recorded answers show; `cached_tokens` are part of the input tokens.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.chat.usage import lose_counts, rest_of
from dragoman.dialects.cohere.terms import NAME, restore
from dragoman.dialects.estimate import ESTIMATED
from dragoman.dialects.loss import Report
from dragoman.dialects.typed import counted

_NONE: Final[dict[str, Any]] = {}
_BILLED: Final = {"input_tokens": "billed_input", "output_tokens": "billed_output"}
"""Member of `billed_units` -> its name in `Usage.detail`."""
_UNITS: Final = "search_units"
_INCLUDED: Final = ("cache_write", "cache_write_5m", "cache_write_1h", "tool_input")
"""Counts of the IR that this protocol states only as part of another count."""
_IMAGES: Final = "input_image"
_KNOWN: Final = frozenset({*_BILLED.values(), _UNITS, _IMAGES})


def decode_usage(wire: dict[str, Any]) -> ir.Usage:
    """Decode the object `usage` (`wire`). If `tokens` is missing or has no counts, the numbers of
    `billed_units` are the counts, and `Usage.form` is "billed". Members that the encoder would not write
    again become leftovers.
    """
    tokens, billed = _counts(wire, "tokens"), _counts(wire, "billed_units")
    used = tokens or billed
    detail = {name: billed[member] for member, name in _BILLED.items() if member in billed}
    if _UNITS in billed:
        detail[_UNITS] = billed[_UNITS]
    cached = counted(wire).get("cached_tokens")
    entered, written, thought = (used.get(f"{kind}_tokens") for kind in ("input", "output", "reasoning"))
    images = tokens.get("image_tokens")
    if images is not None:
        detail[_IMAGES] = images
        entered = (entered or 0) + images
    if entered is not None:
        entered = max(entered - (cached or 0), 0)
    if written is not None and thought is not None:
        written = max(written - thought, 0)
    usage = ir.Usage(
        entered,
        cached,
        output=written,
        reasoning=thought,
        detail=detail or None,
        form=None if tokens else "billed",
    )
    if rest := rest_of(wire, _encode(usage, own=True)):
        return msgspec.structs.replace(usage, extra={NAME: rest})
    return usage


def _counts(wire: dict[str, Any], member: str) -> dict[str, int]:
    """Return the counts (whole numbers >= 0) in the object `member` of the usage `wire`; {} = there is no
    such object, or it has no counts.
    """
    inner = wire.get(member)
    if type(inner) is not dict:
        return {}
    return {key: value for key, value in counted(inner).items() if type(value) is int}


def encode_usage(usage: ir.Usage, report: Report, *, own: bool) -> dict[str, Any]:
    """Return the member `usage` for token counts. own: True = the counts came in this dialect, and get their
    original form. If not, missing input and output counts become 0, and counts for which Cohere has no member
    are reported as lost.
    """
    out = _encode(usage, own=own)
    if not own:
        out.setdefault("tokens", {}).setdefault("input_tokens", 0)
        out["tokens"].setdefault("output_tokens", 0)
        known = _KNOWN if _images(usage) is not None else _KNOWN - {_IMAGES}
        lose_counts(usage, report, _INCLUDED, known, "the Cohere API")
    restore(out, usage.extra, report, "usage")
    if usage.estimated:
        out[ESTIMATED] = True
    return out


def _encode(usage: ir.Usage, *, own: bool) -> dict[str, Any]:
    detail = usage.detail or _NONE
    out: dict[str, Any] = {}
    billed = {member: detail[name] for member, name in _BILLED.items() if name in detail}
    if _UNITS in detail:
        billed[_UNITS] = detail[_UNITS]
    if billed:
        out["billed_units"] = billed
    tokens: dict[str, Any] = {}
    if not (own and usage.form == "billed"):
        _add_tokens(tokens, usage, _images(usage))
    if tokens:
        out["tokens"] = tokens
    if usage.cache_read is not None:
        out["cached_tokens"] = usage.cache_read
    return out


def _images(usage: ir.Usage) -> int | None:
    """Return the number of input tokens that are images, for `image_tokens`; None = the usage does not state
    it, or states more than the number of all input tokens.
    """
    images = (usage.detail or _NONE).get(_IMAGES)
    return images if images is not None and images <= usage.input_total else None


def _add_tokens(tokens: dict[str, Any], usage: ir.Usage, images: int | None) -> None:
    if usage.input_total or not (usage.input is usage.cache_read is None):
        tokens["input_tokens"] = usage.input_total - (images or 0)
    if usage.output is not None or usage.reasoning is not None:
        tokens["output_tokens"] = usage.output_total
    if usage.reasoning is not None:
        tokens["reasoning_tokens"] = usage.reasoning
    if images is not None:
        tokens["image_tokens"] = images
