"""The dialect's words, as tables: what each stands for in IR terms, and back."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman.dialects.leftovers import Leftovers
from dragoman.dialects.loss import Severity
from dragoman.ir import Stop

NAME: Final = "openai_chat"
_own: Final = Leftovers(NAME)
leftovers: Final = _own.of
restore: Final = _own.restore
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


def text_of(value: Any) -> str:
    """A JSON value as the text that a model reads: strings as they are, the rest as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
