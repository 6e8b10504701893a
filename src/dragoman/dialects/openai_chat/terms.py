"""The dialect's words, as tables: what each stands for in IR terms, and back."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman.dialects.leftovers import Leftovers
from dragoman.ir import Stop
from dragoman.ir.response import Reason

NAME: Final = "openai_chat"
_own: Final = Leftovers(NAME)
leftovers: Final = _own.of
restore: Final = _own.restore
PATH: Final = "/chat/completions"

SCHEMA_BESIDE: Final = ("schema", "value")
"""Where vendors have a schema beside the type of `response_format`: llama.cpp, Together and Fireworks; TGI,
whose clients (`huggingface_hub`) rewrite OpenAI's form to it.
"""
GUIDED: Final = {"guided_json": "guided_json", "structured_outputs": "structured_outputs.json"}
"""Members of vLLM's that hold a schema, each with the place of the schema.
https://docs.vllm.ai/en/latest/features/structured_outputs.html
"""
STOPS: Final[dict[str, Stop]] = {
    "stop": Stop("end"),
    "length": Stop("length"),
    "tool_calls": Stop("tool"),
    "content_filter": Stop("filter"),
    "function_call": Stop("tool", raw="function_call"),
}
_OF_VENDORS: Final[dict[Reason, tuple[str, ...]]] = {
    "end": ("eos", "eos_token", "end_turn", "stop_token"),
    "sequence": ("stop_sequence",),
    "tool": ("tool_use", "tool_call"),
    "length": ("max_tokens", "max_output_tokens", "time_limit"),
    "context": ("model_length", "model_context_window_exceeded"),
    "filter": ("sensitive", "safety", "recitation"),
    "broken": ("repetition",),
    "error": ("error", "abort", "cancelled", "network_error", "insufficient_system_resource"),
}
"""Finish reasons of vendors: Together (eos), TGI (eos_token, stop_sequence), xAI and gateways before Claude
(end_turn, tool_use, max_tokens), watsonx (time_limit, cancelled), Mistral (model_length), Z.ai (sensitive,
network_error, model_context_window_exceeded), vLLM (abort, repetition), OpenRouter (error), DeepSeek
(insufficient_system_resource), gateways before Gemini (safety, recitation).
"""
STOPS.update({word: Stop(reason, raw=word) for reason, words in _OF_VENDORS.items() for word in words})
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
    "context": "a full context window is reported as `length`",
    "sequence": "a stop sequence is reported as `stop`, without the sequence",
    "pause": "a pause is reported as `stop`: send the conversation again to continue",
    "compaction": "a compaction is reported as `stop`",
    "broken": "malformed output is reported as `stop`",
    "error": "an error of the model is reported as `stop`",
    "other": "an unknown finish reason is reported as `stop`",
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

REFUSED: Final[dict[str, str]] = {
    "response_format": "output",
    "parallel_tool_calls": "parallel",
    "reasoning_effort": "reasoning.effort",
    "verbosity": "output.verbosity",
    "modalities": "output.modalities",
    "audio": "output.audio",
    "max_tokens": "max_output",
    "max_completion_tokens": "max_output",
    "service_tier": "tier",
    "prompt_cache_key": "cache.key",
    "prompt_cache_options": "cache",
    "prompt_cache_retention": "cache.retention",
}
"""Places in IR terms of members that a vendor may refuse, where the IR has another word for them."""


def text_of(value: Any) -> str:
    """A JSON value as the text that a model reads: strings as they are, the rest as JSON."""
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()
