"""Reads the usage and the model that an answer states, if the answer's protocol is unknown.

The names of the counts show which decoder can read them:
`prompt_tokens` (OpenAI's chat and all vendors that follow it), `input_tokens` (OpenAI's Responses; with cache
counts beside it: Anthropic), `promptTokenCount` (Gemini), `total_input_tokens` (Google's Interactions API,
https://ai.google.dev/api/interactions-api, as of 2026-11), `billed_units` (Cohere), `inputTokens` (Bedrock),
`pages_processed` (Mistral's OCR, https://docs.mistral.ai/api, member `usage_info`, as of 2026-11-23).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

import msgspec

from dragoman import ir
from dragoman.dialects.anthropic.usage import decode_usage as of_anthropic
from dragoman.dialects.bedrock.usage import decode_usage as of_bedrock
from dragoman.dialects.cohere.usage import decode_usage as of_cohere
from dragoman.dialects.gemini.usage import decode_usage as of_gemini
from dragoman.dialects.openai.usage import decode_usage as of_chat
from dragoman.dialects.openai_responses.usage import decode_usage as of_responses
from dragoman.dialects.quirks import STANDARD
from dragoman.errors import WireError
from dragoman.ir.usage import MOST
from dragoman.wire.json import UNDECODABLE
from dragoman.wire.members import Members
from dragoman.wire.sse import SSESplitter

_USAGES: Final = ("usage", "usageMetadata", "usage_info", "meta")
_MODELS: Final = ("model", "modelVersion")
_WITHIN: Final = ("message", "response", "interaction")
"""Members of an event that hold the answer: in Anthropic's `message_start`, in the Responses API, and in the
Interactions API.
"""
_INTERACTION: Final = {
    "total_input_tokens": "promptTokenCount",
    "total_cached_tokens": "cachedContentTokenCount",
    "total_tool_use_tokens": "toolUsePromptTokenCount",
    "total_output_tokens": "candidatesTokenCount",
    "total_thought_tokens": "thoughtsTokenCount",
    "total_tokens": "totalTokenCount",
}
_BY_MODALITY: Final = {
    "input_tokens_by_modality": "promptTokensDetails",
    "cached_tokens_by_modality": "cacheTokensDetails",
    "output_tokens_by_modality": "candidatesTokensDetails",
}
"""Members of the Interactions API -> their names in Gemini's other API."""
_TELLING: Final = re.compile(rb'"(?:usage|usageMetadata|usage_info|billed_units)"')
"""Matches an event that may state usage; events without a match are not decoded."""
_MODEL: Final = re.compile(r"[\w.:/@+-]{1,128}")
_LARGEST_EVENT: Final = 4_000_000
"""Bytes. After a larger event, a stream is still passed on, but no longer read."""


class Stated(NamedTuple):
    """The model and the amounts that were read in an answer. A field is None if nothing usable was found for
    it. model: the name of the model that answered. usage: the counts of tokens; invalid counts may be
    leftovers in it. units: the pages that Mistral's OCR has read, if any: {"pages": number}.
    """

    model: str | None = None
    usage: ir.Usage | None = None
    units: dict[str, int] | None = None


class Answer:
    """Reads the usage and the model in one answer while the answer's bytes pass. kind: the answer's content
    type. Only JSON (also one object in each line) and server-sent events are read; an answer of another type
    states nothing. Of server-sent events, only those that may state usage (`_TELLING`) are read, also for the
    model.
    """

    def __init__(self, kind: str) -> None:
        kind = kind.partition(";")[0].strip().lower()
        self._events = SSESplitter(_LARGEST_EVENT) if kind == "text/event-stream" else None
        json = kind.endswith(("json", "jsonl", "ndjson"))
        self._members = Members((*_USAGES, *_MODELS)) if json else None
        self._usage: dict[str, Any] = {}
        self._model: str | None = None

    def feed(self, chunk: bytes) -> None:
        """Read the next bytes. What cannot be read is ignored; no exception is raised. After a server-sent
        event with too many bytes (more than 4 MB) or lines, nothing more is read.
        """
        if self._members is not None:
            self._members.feed(chunk)
        elif self._events is not None:
            try:
                for frame in self._events.feed(chunk):
                    self._event(frame)
            except WireError:
                self._events = None

    def stated(self) -> Stated:
        """Return the model, the usage and the pages that were read in the answer so far."""
        if self._members is not None:
            self._note({name: _json(raw) for name, raw in self._members.found.items()})
        if not self._usage:
            return Stated(self._model)
        pages = self._usage.get("pages_processed")
        units = {"pages": pages} if type(pages) is int and 0 < pages <= MOST else None
        return Stated(self._model, _decoded(self._usage, self._model), units)

    def _event(self, frame: bytes) -> None:
        if _TELLING.search(frame) is not None and isinstance(event := _json(frame), dict):
            for name in _WITHIN:
                if isinstance(inner := event.get(name), dict):
                    self._note(inner)
            self._note(event)

    def _note(self, value: Mapping[str, Any]) -> None:
        """Record the model and the counts that a JSON object states. A later model, or a later count of the
        same name, replaces the earlier one, unless it is null. Earlier counts of other names stay, because
        Anthropic's last event repeats only some counts.
        """
        for name in _MODELS:
            model = value.get(name)
            if isinstance(model, str) and _MODEL.fullmatch(model):
                self._model = model
        for name in _USAGES:
            usage = value.get(name)
            if isinstance(usage, dict) and (name != "meta" or "billed_units" in usage):
                self._usage.update({key: count for key, count in usage.items() if count is not None})


def _json(raw: bytes) -> Any:
    try:
        return msgspec.json.decode(raw)
    except UNDECODABLE:
        return None


def _decoded(counts: dict[str, Any], model: str | None) -> ir.Usage | None:
    """Return the usage in these counts; None = they have no known names or cannot be decoded, or the result
    is not plausible (`Usage.plausible`). If only counts in `Usage.others` (work on other models) are not,
    `others` is left out. model: the model that answered, None = not known.
    """
    try:
        usage = _by_names(counts, model)
    except (WireError, msgspec.ValidationError, TypeError, ValueError, AttributeError):
        return None
    if usage is None or not usage.plausible():
        return None
    if all(other.plausible() for _, other in usage.others):
        return usage
    return msgspec.structs.replace(usage, others=())


def _by_names(counts: dict[str, Any], model: str | None) -> ir.Usage | None:
    if "billed_units" in counts or isinstance(counts.get("tokens"), dict):
        return of_cohere(counts)
    if "total_input_tokens" in counts:
        return of_gemini(_of_interaction(counts))
    if "promptTokenCount" in counts or "totalTokenCount" in counts:
        return of_gemini(counts)
    if "prompt_tokens" in counts:
        return of_chat(counts, STANDARD)
    if "inputTokens" in counts:
        return of_bedrock(counts)
    if "cache_read_input_tokens" in counts or "cache_creation_input_tokens" in counts:
        return of_anthropic(counts, model)
    return of_responses(counts) if "input_tokens" in counts else None


def _of_interaction(counts: Mapping[str, Any]) -> dict[str, Any]:
    """Return those counts of the Interactions API that Gemini's other API has, too, under its names."""
    found = {theirs: counts[name] for name, theirs in _INTERACTION.items() if name in counts}
    for name, theirs in _BY_MODALITY.items():
        listed = counts.get(name)
        if isinstance(listed, list) and all(isinstance(one, dict) for one in listed):
            found[theirs] = [
                {"modality": str(one.get("modality")).upper(), "tokenCount": one.get("tokens")}
                for one in listed
            ]
    return found
