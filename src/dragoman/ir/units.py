"""The units in which providers bill, and the amounts of them that an answer has used.

Amounts have the form {unit: number}, for example {"input": 12, "output": 3}. No unit of tokens includes
another one ("input" does not include "cache_read"), so each can be priced separately. If an upstream's counts
are consistent, the units of `INPUT` add up to all input tokens of the answer (`Usage.input_total`), and those
of `OUTPUT` to all output tokens.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any, Final

from dragoman.ir.image import ImageRequest, ImageResponse
from dragoman.ir.speech import SpeechRequest, SpeechResponse
from dragoman.ir.transcription import TranscriptionResponse
from dragoman.ir.usage import MOST, Usage

KINDS: Final = ("audio", "image", "video")
"""The kinds of content whose tokens may have a different price. Tokens of text and of documents have the
usual price.
"""
INPUT: Final = (
    "input",
    *(f"input_{kind}" for kind in KINDS),
    "cache_read",
    *(f"cache_read_{kind}" for kind in KINDS),
    "cache_write",
    "cache_write_5m",
    "cache_write_1h",
    "tool_input",
)
"""Units of input tokens. input: new tokens of text, and of kinds that are not stated. cache_read: tokens read
from a cache. cache_write: tokens written to a cache for a time that is not stated; `_5m`, `_1h`: for five
minutes, for one hour. tool_input: results of the provider's tools.
"""
OUTPUT: Final = ("output", *(f"output_{kind}" for kind in KINDS), "reasoning")
"""Units of output tokens. output: visible tokens of text, and of kinds that are not stated."""
TOKENS: Final = (*INPUT, *OUTPUT)
MEASURES: Final = (
    "images",
    "characters",
    "input_audio_ms",
    "output_audio_ms",
    "search_units",
    "pages",
    "requests",
)
"""Other measures of the same work, which some providers bill instead of tokens: pictures that were made,
characters of text to speak, milliseconds of sound (sent and made), searches of a reranker, pages of
documents, requests. Pictures of a stated quality or size have their own units, such as `images/hd/1024x1792`.
"""
TOOLS: Final = (
    "web_search_requests",
    "web_fetch_requests",
    "file_search_requests",
    "code_execution_requests",
)
"""Uses of a provider's own tools, which are billed in addition to the tokens. Providers may state further
units, whose names also end in `_requests`.
"""

_CALLS: Final = {
    "web_search_calls": "web_search_requests",
    "x_search_calls": "x_search_requests",
    "code_interpreter_calls": "code_execution_requests",
    "file_search_calls": "file_search_requests",
    "document_search_calls": "document_search_requests",
    "image_generation_calls": "image_generation_requests",
}
_DEAREST: Final = 100_000
"""The most USD that one answer can have cost."""
_TICKS: Final = 10**10
"""xAI's ticks in one USD."""
_QUALITY: Final = re.compile(r"[a-z]{1,16}")
_SIZE: Final = re.compile(r"[1-9]\d{0,4}x[1-9]\d{0,4}")
_TOOL: Final = re.compile(r"[a-z][a-z_]{0,39}_requests")


def per(unit: str) -> int:
    """Return the amount to which a price of this unit refers: a million for tokens and characters, an hour
    (in milliseconds) for sound, a thousand for everything else.
    """
    if unit in _TOKENS or unit == "characters":
        return 1_000_000
    return 3_600_000 if unit.endswith("_ms") else 1_000


_TOKENS: Final = frozenset(TOKENS)


def is_tool(unit: str) -> bool:
    """Whether the unit counts uses of a provider's own tools, which means that its name ends in
    `_requests`.
    """
    return unit.endswith("_requests")


def is_made(unit: str) -> bool:
    """Whether the unit counts something that the provider has made: output tokens (also those of reasoning),
    pictures, or milliseconds of sound in an answer.
    """
    return unit in OUTPUT or unit.startswith("images") or unit == "output_audio_ms"


def units_of(usage: Usage) -> dict[str, int]:
    """Return the amounts that a usage states, by unit: its tokens, and the other units in `detail` and
    `extra`. Zeros and implausible values are left out. Tokens of a kind that `detail` states ("input_audio")
    get their own unit, and the general unit ("input") has the rest. Not included: the tokens that are billed
    (see `billed_of`), and work on other models (call `units_of` for each usage in `Usage.others`).
    """
    units: dict[str, int] = {}
    detail = usage.detail
    fresh = _whole(usage.input)
    spoken = _whole(usage.output)
    cached = _whole(usage.cache_read) if usage.cache_read else 0
    if detail and any(detail.values()):
        for kind in KINDS:
            stated = _whole(detail.get(f"input_{kind}"))
            again = detail.get(f"cache_read_{kind}")
            # If it is not stated how many of these tokens were read from the cache, as many as possible count
            # as not cached, because those cost more.
            read = min(stated - min(stated, fresh) if again is None else _whole(again), cached)
            new = min(max(stated - read, 0), fresh)
            said = min(_whole(detail.get(f"output_{kind}")), spoken)
            fresh, cached, spoken = fresh - new, cached - read, spoken - said
            units[f"input_{kind}"], units[f"cache_read_{kind}"], units[f"output_{kind}"] = new, read, said
        _add_others(units, detail)
    if usage.extra:
        for rest in usage.extra.values():
            _add_searches(units, rest)
    if usage.cache_write or usage.cache_write_5m or usage.cache_write_1h:
        _add_written(units, usage)
    if units:  # rarely: most usages state only the counts below
        units = {unit: amount for unit, amount in units.items() if amount}
    if fresh:
        units["input"] = fresh
    if cached:
        units["cache_read"] = cached
    if spoken:
        units["output"] = spoken
    if tools := usage.tool_input and _whole(usage.tool_input):
        units["tool_input"] = tools
    if thought := usage.reasoning and _whole(usage.reasoning):
        units["reasoning"] = thought
    return units


def billed_of(usage: Usage, units: dict[str, int]) -> dict[str, int]:
    """Return the amounts that the provider bills, by unit. units: the amounts that `units_of` returns for the
    usage; they are not changed. If the usage states what is billed (`billed_input`, `billed_output` in its
    `detail`), the result has these two numbers as "input" and "output" in place of all units of tokens; one
    that is missing is 0, and zeros are left out. Otherwise `units` itself is returned.

    Cohere does not bill the prompt that it adds, often most of the input tokens:
    https://docs.cohere.com/docs/how-does-cohere-pricing-work, read 2026-11
    """
    detail = usage.detail
    if not detail or ("billed_input" not in detail and "billed_output" not in detail):
        return units
    billed = {unit: amount for unit, amount in units.items() if unit not in _TOKENS}
    billed["input"] = _whole(detail.get("billed_input"))
    billed["output"] = _whole(detail.get("billed_output"))
    return {unit: amount for unit, amount in billed.items() if amount}


def told_speed(usage: Usage) -> str | None:
    """Return the speed that a usage states (`speed` in its `extra`, for example "fast"); None = the usage
    states none, or the usual one ("standard"). Another speed has another price:
    https://platform.claude.com/docs/en/build-with-claude/fast-mode (2026-11)
    """
    for rest in (usage.extra or {}).values():
        speed = rest.get("speed")
        if isinstance(speed, str) and speed != "standard":
            return speed
    return None


def told_cost(usage: Usage) -> int | None:
    """Return the cost of the answer that a usage states, in nano-USD; None = the usage states no cost, or an
    impossible one.

    The cost is in `usage.extra`. xAI: `cost_in_usd_ticks`, in 10⁻¹⁰ USD. OpenRouter: `cost`; if the account
    uses its own key at the provider behind OpenRouter (`is_byok`), that provider's bill
    (`cost_details.upstream_inference_cost`) is added, and without it the result is None. Perplexity:
    `cost.total_cost`.
    """
    for rest in (usage.extra or {}).values():
        ticks, cost = rest.get("cost_in_usd_ticks"), rest.get("cost")
        if type(ticks) is int:
            return _nano(ticks / _TICKS) if ticks <= _DEAREST * _TICKS else None
        if isinstance(cost, dict):
            return _nano(cost.get("total_cost"))
        if cost is None:
            continue
        fee = _nano(cost)
        if rest.get("is_byok") is not True:
            return fee
        behind = _nano(_stated(rest, "cost_details").get("upstream_inference_cost"))
        return None if fee is None or behind is None else fee + behind
    return None


def _nano(usd: Any) -> int | None:
    """Return an amount in USD as nano-USD (rounded); None = `usd` is not a number from 0 to `_DEAREST`."""
    if isinstance(usd, bool) or not isinstance(usd, int | float) or not 0 <= usd <= _DEAREST:
        return None
    return round(usd * 1e9)


def _add_written(units: dict[str, int], usage: Usage) -> None:
    """Add to `units` the tokens that were written to a cache, by lifetime, zeros included. If the counts of
    the lifetimes are more than a stated total (`usage.cache_write`), they are reduced to it, the one for five
    minutes first.
    """
    written, short, long = map(_whole, (usage.cache_write, usage.cache_write_5m, usage.cache_write_1h))
    if usage.cache_write is not None:
        long = min(long, written)
        short = min(short, written - long)
    units["cache_write_5m"], units["cache_write_1h"] = short, long
    units["cache_write"] = max(written - short - long, 0)


def _add_others(units: dict[str, int], detail: Mapping[str, Any]) -> None:
    """Add to `units` the amounts in a usage's `detail` that do not count tokens: uses of tools
    (`…_requests`), seconds of sound that was sent (as milliseconds), and search units (rounded up). Other
    members are ignored.
    """
    for name, amount in detail.items():
        if _TOOL.fullmatch(name):
            units[name] = _whole(amount)
        elif name in {"audio_seconds", "input_audio_seconds"}:
            units["input_audio_ms"] = _milliseconds(amount)
        elif name == "search_units" and type(amount) in {int, float} and 0 <= amount <= MOST:
            units["search_units"] = math.ceil(amount)


def _add_searches(units: dict[str, int], rest: Mapping[str, Any]) -> None:
    """Add to `units` the uses of a provider's tools, which some providers state in special fields. rest: the
    usage's fields of one dialect in `Usage.extra`.

    xAI: https://docs.x.ai/docs/guides/tools/overview. Perplexity: `num_search_queries`,
    https://docs.perplexity.ai/api-reference/chat-completions-post, and `tool_calls_details` in its Responses
    API. OpenRouter: `server_tool_use_details`, as recorded answers show.
    """
    for theirs, count in _stated(rest, "server_side_tool_usage_details").items():
        if theirs in _CALLS:
            units[_CALLS[theirs]] = _whole(count)
    for unit, count in _stated(rest, "server_tool_use_details").items():
        if _TOOL.fullmatch(unit):
            units[unit] = _whole(count)
    if searched := _whole(_stated(_stated(rest, "tool_calls_details"), "search_web").get("invocation")):
        units["web_search_requests"] = searched
    if "num_search_queries" in rest:
        units["web_search_requests"] = _whole(rest["num_search_queries"])


def _stated(holder: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """Return the member `name` of `holder`; {} if it is missing or no object."""
    found = holder.get(name)
    return found if isinstance(found, dict) else {}


def measured(request: Any, response: Any) -> dict[str, int]:
    """Return the amounts of an answer beside chat that can be measured without a usage: the number of
    pictures in the answer (as `picture` names their unit), the characters of the text to speak, the
    milliseconds of a transcribed recording whose duration the answer states. {} if there are none, and for
    other operations. request, response: of the same operation, such as ImageRequest and ImageResponse.
    """
    if isinstance(response, ImageResponse) and isinstance(request, ImageRequest):
        told = response.told or {}
        unit = picture(told.get("quality", request.quality), told.get("size", request.size))
        return {unit: len(response.pictures)} if response.pictures else {}
    if isinstance(response, SpeechResponse) and isinstance(request, SpeechRequest):
        return {"characters": len(request.text)} if request.text else {}
    if isinstance(response, TranscriptionResponse) and (heard := _milliseconds(response.duration)):
        return {"input_audio_ms": heard}
    return {}


def picture(quality: str | None, size: str | None) -> str:
    """Return the name of the unit for pictures of this quality and size ("images/hd/1024x1792"). A value that
    is None, "auto" or in an unknown form is left out of the name; without both it is "images". A quality has
    1 to 16 small letters, a size is WIDTHxHEIGHT in pixels.
    """
    words = ["images"]
    if type(quality) is str and quality != "auto" and _QUALITY.fullmatch(quality):
        words.append(quality)
    if type(size) is str and _SIZE.fullmatch(size):
        words.append(size)
    return "/".join(words)


def _whole(value: Any) -> int:
    """Return the value if it is an integer from 1 to MOST, else 0: providers may write any value."""
    return value if type(value) is int and 0 < value <= MOST else 0


def _milliseconds(seconds: Any) -> int:
    return round(seconds * 1000) if type(seconds) in {int, float} and 0 < seconds <= 1e9 else 0
