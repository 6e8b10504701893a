"""The dialect's words, as tables: what each stands for in IR terms, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import msgspec

from dragoman.dialects.loss import Report, Severity
from dragoman.ir import Extra, Stop

NAME: Final = "openai_chat"
PATH: Final = "/chat/completions"

STOPS: Final[dict[str, Stop]] = {
    "stop": Stop("end"),
    "length": Stop("length"),
    "tool_calls": Stop("tool"),
    "content_filter": Stop("filter"),
    "function_call": Stop("tool", raw="function_call"),
    # Vendors' own words: Together, DeepSeek, OpenRouter and Mistral.
    "eos": Stop("end", raw="eos"),
    "insufficient_system_resource": Stop("error", raw="insufficient_system_resource"),
    "error": Stop("error", raw="error"),
    "model_length": Stop("context", raw="model_length"),
}
STOP_WORDS: Final[dict[str, str]] = {
    "end": "stop",
    "tool": "tool_calls",
    "length": "length",
    "context": "length",
    "sequence": "stop",
    "filter": "content_filter",
    "pause": "stop",
    "compaction": "stop",
    "broken": "stop",
    "error": "stop",
    "other": "stop",
}
"""What a client is told. The reasons in `STOPS_LOST` say more than their word does."""
STOPS_LOST: Final[dict[str, str]] = {
    "context": "a full context window is told as `length`",
    "sequence": "a stop sequence is told as `stop`, without the sequence",
    "pause": "a pause is told as `stop`: sending the conversation again goes on",
    "compaction": "a compaction is told as `stop`",
    "broken": "malformed output is told as `stop`",
    "error": "an error of the model is told as `stop`",
    "other": "an unknown reason is told as `stop`",
}

TIERS: Final = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})

SEALS: Final = "gemini"
"""Who can read the signatures that `extra_content.google` carries beside a call.
https://ai.google.dev/gemini-api/docs/thought-signatures
"""

AUDIO_TYPES: Final[dict[str, str]] = {"wav": "audio/wav", "mp3": "audio/mpeg"}
AUDIO_FORMATS: Final[dict[str, str]] = {mime: name for name, mime in AUDIO_TYPES.items()} | {
    "audio/x-wav": "wav",
    "audio/wave": "wav",
    "audio/mp3": "mp3",
}

REFUSED: Final[dict[str, tuple[str, Severity]]] = {
    "logit_bias": ("sampling.logit_bias", "meaning"),
    "logprobs": ("sampling.logprobs", "meaning"),
    "top_logprobs": ("sampling.top_logprobs", "meaning"),
    "stop": ("sampling.stop", "meaning"),
    "response_format": ("output", "meaning"),
    "tools": ("tools", "meaning"),
    "tool_choice": ("tool_choice", "meaning"),
    "temperature": ("sampling.temperature", "quality"),
    "top_p": ("sampling.top_p", "quality"),
    "seed": ("sampling.seed", "hint"),
    "frequency_penalty": ("sampling.frequency_penalty", "quality"),
    "presence_penalty": ("sampling.presence_penalty", "quality"),
    "parallel_tool_calls": ("parallel", "quality"),
    "reasoning_effort": ("reasoning.effort", "quality"),
    "verbosity": ("output.verbosity", "quality"),
    "modalities": ("output.modalities", "meaning"),
    "audio": ("output.audio", "meaning"),
    "max_tokens": ("max_output", "quality"),
    "max_completion_tokens": ("max_output", "quality"),
    "user": ("user", "hint"),
    "safety_identifier": ("safety_identifier", "hint"),
    "metadata": ("metadata", "hint"),
    "store": ("store", "hint"),
    "prediction": ("prediction", "hint"),
    "moderation": ("moderation", "meaning"),
    "service_tier": ("tier", "hint"),
    "prompt_cache_key": ("cache.key", "hint"),
    "prompt_cache_options": ("cache", "hint"),
    "prompt_cache_retention": ("cache.retention", "hint"),
}
"""What is lost when a vendor refuses a request field: the place in IR terms, and how much it matters."""


def leftovers(wire: Mapping[str, Any], known: frozenset[str], within: str = "", dialect: str = NAME) -> Extra:
    """The members of one wire object that no field carries, as `extra`. A null says nothing and is left out.

    within: the name of the member that holds the object, where it has no struct of its own (`function`).
    dialect: whose members they are.
    """
    if wire.keys() <= known:
        return None
    prefix = within + "." if within else ""
    rest = {prefix + key: value for key, value in wire.items() if key not in known and value is not None}
    return {dialect: rest} if rest else None


def restore(out: dict[str, Any], extra: Extra, report: Report, where: str, own: str = NAME) -> None:
    """Put our own leftovers back in their places; name those of other dialects as lost."""
    for dialect, members in (extra or {}).items():
        if dialect != own:
            lose_members(members, report, where, dialect)
            continue
        for key, value in members.items():
            holder, dot, member = key.partition(".")
            if dot and isinstance(inner := out.get(holder), dict):
                inner[member] = value
            else:
                out[key] = value


def lose_members(members: Mapping[str, Any], report: Report, where: str, dialect: str) -> None:
    """Name another dialect's leftovers as lost. A null says nothing and is not missed."""
    for key, value in members.items():
        if value is not None:
            report.lose(f"{where}.{key}" if where else key, f"only {dialect} has this", "hint")


def text_of(value: Any) -> str:
    """A JSON value as the text that a model reads: strings as they are, the rest as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
