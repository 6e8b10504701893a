"""Decodes and encodes the token counts of OpenAI's chat (`usage`).

Usage.form has words joined by "+", or is None. Three words name the members that state the cached tokens:
"details" (OpenAI's member, in `prompt_tokens_details`), "cached_tokens" (a member of `usage` itself),
"hit_miss" (`prompt_cache_hit_tokens`). Without one of these words, only OpenAI's member states them.
"cache_outside" = the prompt count does not include cached tokens. "reasoning_outside" = the completion count
does not include reasoning.

Members that an encoder cannot derive from the counts, such as a total that is not the sum, are leftovers.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.chat.usage import lose_counts, rest_of, total_up
from dragoman.dialects.estimate import ESTIMATED
from dragoman.dialects.loss import Report
from dragoman.dialects.openai.terms import NAME, leftovers, restore
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.typed import counted

_INPUT: Final = {
    "audio_tokens": "input_audio",
    "text_tokens": "input_text",
    "image_tokens": "input_image",
    "video_tokens": "input_video",
}
_OUTPUT: Final = {
    "audio_tokens": "output_audio",
    "text_tokens": "output_text",
    "image_tokens": "output_image",
    "accepted_prediction_tokens": "accepted_prediction",
    "rejected_prediction_tokens": "rejected_prediction",
}
_DETAILS: Final = frozenset({*_INPUT.values(), *_OUTPUT.values()})
_NONE: Final[dict[str, Any]] = {}
_ODD_TOTAL: Final = (list, dict, str, bool)
_INCLUDED: Final = ("cache_write_5m", "cache_write_1h", "tool_input")

_Count = Annotated[int, msgspec.Meta(ge=0)]


class _Inputs(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    cached_tokens: _Count | None = None
    cache_write_tokens: _Count | None = None
    audio_tokens: _Count | None = None
    text_tokens: _Count | None = None
    image_tokens: _Count | None = None
    video_tokens: _Count | None = None


class _Outputs(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    reasoning_tokens: _Count | None = None
    audio_tokens: _Count | None = None
    text_tokens: _Count | None = None
    image_tokens: _Count | None = None
    accepted_prediction_tokens: _Count | None = None
    rejected_prediction_tokens: _Count | None = None


class _Counts(msgspec.Struct, gc=False):
    """OpenAI's own form of `usage`. Nearly every response has this form, so it is decoded in one step."""

    prompt_tokens: _Count
    completion_tokens: _Count
    total_tokens: _Count
    prompt_tokens_details: _Inputs | None = None
    completion_tokens_details: _Outputs | None = None


class _OnlyCounts(_Counts, forbid_unknown_fields=True):
    pass


_COUNTS: Final = frozenset(_Counts.__struct_fields__)
_NO_INPUTS: Final = _Inputs()
_NO_OUTPUTS: Final = _Outputs()
_decode: Final = msgspec.json.Decoder().decode
_decode_counts: Final = msgspec.json.Decoder(_OnlyCounts).decode


def read_usage(raw: msgspec.Raw, quirks: Quirks) -> ir.Usage | None:
    """Decode the JSON value of `usage`, like `decode_usage`. None for null, an empty object or list, "", 0
    and false. Raises AttributeError for any other value that is not an object, and msgspec.ValidationError
    for a number that is too large. quirks: the provider's.
    """
    try:
        usage = _disjoint(_decode_counts(raw))
    except msgspec.ValidationError:
        usage = None
    if usage is not None:
        return usage
    wire = _decode(raw)
    return decode_usage(wire, quirks) if wire else None


def decode_usage(wire: dict[str, Any], quirks: Quirks) -> ir.Usage:
    """Decode the object `usage` (`wire`) into counts of which none includes another, except those in
    `Usage.detail`. A count that is missing is None. A member that is not a count (a whole number from 0)
    becomes a leftover, but a `total_tokens` that is not a number is dropped. quirks: the provider's.

    Some vendors do not include cached tokens in the prompt count: a cached count above the prompt count shows
    this. Some vendors do not include reasoning in the completion count. The total shows this: it is the sum
    of prompt, completion and reasoning. If the total is neither this sum nor the sum of prompt and
    completion, or is missing, the vendor's quirk decides (`Quirks.reasoning_tokens`).
    """
    try:
        usage = _disjoint(msgspec.convert(wire, _Counts))
    except msgspec.ValidationError:
        usage = None
    if usage is None:
        return _decode_odd(wire, quirks)
    if (extra := leftovers(wire, _COUNTS)) is None:
        return usage
    if not _BESIDE.isdisjoint(wire):
        return _decode_odd(wire, quirks)
    return msgspec.structs.replace(usage, extra=extra)


def _disjoint(counts: _Counts) -> ir.Usage | None:
    """Return the usage with these counts, so that no count includes another, except those in `Usage.detail`.
    None = the counts must be decoded the slow way: they contradict each other, or an object of details states
    no count.
    """
    prompt, completion = counts.prompt_tokens, counts.completion_tokens
    inputs, outputs = counts.prompt_tokens_details, counts.completion_tokens_details
    if counts.total_tokens != prompt + completion:
        return None
    cached = written = reasoning = None
    detail: dict[str, int] = {}
    if inputs is not None:
        cached, written = inputs.cached_tokens, inputs.cache_write_tokens
        if cached is None and inputs == _NO_INPUTS:
            return None
        prompt -= (cached or 0) + (written or 0)
        _add_inputs(detail, inputs)
    if outputs is not None:
        reasoning = outputs.reasoning_tokens
        if reasoning is None and outputs == _NO_OUTPUTS:
            return None
        completion -= reasoning or 0
        _add_outputs(detail, outputs)
    if prompt < 0 or completion < 0:
        return None
    return ir.Usage(prompt, cached, written, None, None, None, completion, reasoning, detail or None)


# A loop over names would take longer than all the rest of the usage.


def _add_inputs(detail: dict[str, int], inputs: _Inputs) -> None:
    if inputs.audio_tokens is not None:
        detail["input_audio"] = inputs.audio_tokens
    if inputs.text_tokens is not None:
        detail["input_text"] = inputs.text_tokens
    if inputs.image_tokens is not None:
        detail["input_image"] = inputs.image_tokens
    if inputs.video_tokens is not None:
        detail["input_video"] = inputs.video_tokens


def _add_outputs(detail: dict[str, int], outputs: _Outputs) -> None:
    if outputs.audio_tokens is not None:
        detail["output_audio"] = outputs.audio_tokens
    if outputs.text_tokens is not None:
        detail["output_text"] = outputs.text_tokens
    if outputs.image_tokens is not None:
        detail["output_image"] = outputs.image_tokens
    if outputs.accepted_prediction_tokens is not None:
        detail["accepted_prediction"] = outputs.accepted_prediction_tokens
    if outputs.rejected_prediction_tokens is not None:
        detail["rejected_prediction"] = outputs.rejected_prediction_tokens


def _decode_odd(wire: dict[str, Any], quirks: Quirks) -> ir.Usage:
    """Decode counts in any form. This is slower than `_disjoint`, and is used for counts that `_disjoint`
    does not accept, or beside which there are members in `_BESIDE`.
    """
    stated, wire = wire, counted(wire)
    get = wire.get
    prompt, completion = get("prompt_tokens"), get("completion_tokens")
    inputs = _object(get("prompt_tokens_details"))
    outputs = _object(get("completion_tokens_details"))
    words: list[str] = []
    cached = _cached(wire, inputs, words)
    written = inputs.get("cache_write_tokens")
    reasoning = outputs.get("reasoning_tokens")
    entered, answered = prompt, completion
    if prompt is not None:
        if cached is not None and cached > prompt:
            words.append("cache_outside")
        else:
            entered = max(prompt - (cached or 0) - (written or 0), 0)
    if completion is not None and reasoning:
        total = get("total_tokens")
        if prompt is not None and total == prompt + completion + reasoning:
            words.append("reasoning_outside")
        elif _outside(prompt, completion, total, quirks):
            # These counts do not show it: a client gets them in the usual meaning.
            stated = {key: value for key, value in stated.items() if key not in _INCLUSIVE}
        else:
            reasoning = min(reasoning, completion)
            answered = completion - reasoning
    detail = _detail(inputs, _INPUT) | _detail(outputs, _OUTPUT)
    usage = ir.Usage(
        entered,
        cached,
        written,
        output=answered,
        reasoning=reasoning,
        detail=detail or None,
        form="+".join(words) or None,
    )
    plain = (
        stated is wire
        and not words
        and usage.input_total == prompt
        and reasoning == outputs.get("reasoning_tokens")
    )
    if plain and _is_plain(wire, inputs, outputs):
        return usage  # OpenAI's usual form has no leftovers
    if type(stated.get("total_tokens")) in _ODD_TOTAL:  # the sum replaces it
        stated = {key: value for key, value in stated.items() if key != "total_tokens"}
    rest = rest_of(stated, _encode(usage, usage.form or "", own=True))
    return msgspec.structs.replace(usage, extra={NAME: rest}) if rest else usage


def _object(value: Any) -> dict[str, Any]:
    return value if type(value) is dict else _NONE


def _is_plain(wire: dict[str, Any], inputs: dict[str, Any], outputs: dict[str, Any]) -> bool:
    """Whether the counts have OpenAI's own form, so that none of them is a leftover. inputs, outputs: the
    details of prompt and completion.
    """
    return (
        wire.keys() == _PLAIN
        and inputs.keys() <= _PLAIN_INPUT
        and outputs.keys() <= _PLAIN_OUTPUT
        and bool(inputs and outputs)
        and _add_up(wire)
    )


def _add_up(wire: Mapping[str, Any]) -> bool:
    prompt, completion = wire["prompt_tokens"], wire["completion_tokens"]
    return type(prompt) is type(completion) is int and wire["total_tokens"] == prompt + completion


_SUMS: Final = frozenset({"prompt_tokens", "completion_tokens", "total_tokens"})
_INCLUSIVE: Final = frozenset({"completion_tokens", "total_tokens"})
_PLAIN: Final = _SUMS | {"prompt_tokens_details", "completion_tokens_details"}
_PLAIN_INPUT: Final = frozenset({"cached_tokens", "cache_write_tokens", *_INPUT})
_PLAIN_OUTPUT: Final = frozenset({"reasoning_tokens", *_OUTPUT})
_BESIDE: Final = frozenset({"cached_tokens", "prompt_cache_hit_tokens"})
"""Top-level members with the cached tokens, of Together and DeepSeek. OpenAI states them in
`prompt_tokens_details`."""


def _cached(wire: Mapping[str, Any], inputs: Mapping[str, Any], words: list[str]) -> int | None:
    """Return the number of tokens that were read from the cache; None = not stated. If several members state
    different counts, OpenAI's own member is used first, then `cached_tokens`, then `prompt_cache_hit_tokens`.

    wire: the `usage` object. inputs: its `prompt_tokens_details`. words: the words of `Usage.form` for the
    members with the returned count are appended to it.
    """
    if _BESIDE.isdisjoint(wire):
        return inputs.get("cached_tokens")
    carriers = (
        ("details", inputs.get("cached_tokens")),
        ("cached_tokens", wire.get("cached_tokens")),
        ("hit_miss", wire.get("prompt_cache_hit_tokens")),
    )
    stated = [(word, count) for word, count in carriers if count is not None]
    if not stated:
        return None
    cached: int = stated[0][1]
    agreed = [word for word, count in stated if count == cached]
    if agreed != ["details"]:
        words.extend(agreed)
    return cached


def _outside(prompt: int | None, completion: int, total: int | None, quirks: Quirks) -> bool:
    """Whether the completion count does not include the reasoning tokens. True if the vendor's quirk says so,
    unless the total is exactly the sum of prompt and completion.
    """
    agreed = prompt is not None and total == prompt + completion
    return not agreed and quirks.reasoning_tokens == "outside"


def _detail(wire: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    return {names[theirs]: value for theirs, value in wire.items() if theirs in names and value is not None}


def encode_usage(usage: ir.Usage, report: Report, *, own: bool) -> dict[str, Any]:
    """Encode token counts as the member `usage`. Estimated counts are marked with the member `ESTIMATED`.

    own: True = the counts came in this dialect, and are written in the vendor's form. False = they came in
    another dialect: then the counts of prompt, completion and total are always written, an unknown one as 0,
    and counts for which this dialect has no member are reported as lost.
    """
    out = _encode(usage, (usage.form or "") if own else "", own=own)
    if not own:
        if "total_tokens" not in out:
            total_up(out, usage, report)
        lose_counts(usage, report, _INCLUDED, _DETAILS, "this protocol")
    if usage.extra is not None:
        restore(out, usage.extra, report, "usage")
    if usage.estimated:
        out[ESTIMATED] = True
    return out


def _encode(usage: ir.Usage, form: str, *, own: bool) -> dict[str, Any]:
    words = form.split("+") if form else ()
    out: dict[str, Any] = {}
    if not (usage.input is usage.cache_read is usage.cache_write is usage.tool_input is None):
        out["prompt_tokens"] = (usage.input or 0) if "cache_outside" in words else usage.input_total
    if usage.output is not None or (usage.reasoning is not None and not own):
        out["completion_tokens"] = (usage.output or 0) if "reasoning_outside" in words else usage.output_total
    if len(out) == 2:
        outside = (usage.reasoning or 0) if "reasoning_outside" in words else 0
        out["total_tokens"] = out["prompt_tokens"] + out["completion_tokens"] + outside
    inputs: dict[str, Any] = {}
    outputs: dict[str, Any] = {}
    if detail := usage.detail:
        inputs = {theirs: detail[ours] for theirs, ours in _INPUT.items() if ours in detail}
        outputs = {theirs: detail[ours] for theirs, ours in _OUTPUT.items() if ours in detail}
    if usage.cache_read is not None:
        _encode_cached(out, inputs, usage.cache_read, words)
    if usage.cache_write is not None:
        inputs["cache_write_tokens"] = usage.cache_write
    if usage.reasoning is not None:
        outputs["reasoning_tokens"] = usage.reasoning
    if inputs:
        out["prompt_tokens_details"] = inputs
    if outputs:
        out["completion_tokens_details"] = outputs
    return out


def _encode_cached(
    out: dict[str, Any], inputs: dict[str, Any], cached: int, words: tuple[()] | list[str]
) -> None:
    elsewhere = "cached_tokens" in words or "hit_miss" in words
    if "details" in words or not elsewhere:
        inputs["cached_tokens"] = cached
    if "cached_tokens" in words:
        out["cached_tokens"] = cached
    if "hit_miss" in words:
        out["prompt_cache_hit_tokens"] = cached
        out["prompt_cache_miss_tokens"] = out.get("prompt_tokens", cached) - cached
