"""The dialect's words, as tables: what each stands for in IR terms, and back."""

from __future__ import annotations

from typing import Final

PATH: Final = "/chat/completions"

GUIDED: Final = {"guided_json": "guided_json", "structured_outputs": "structured_outputs.json"}
"""Members of vLLM's that hold a schema, each with the place of the schema.
https://docs.vllm.ai/en/latest/features/structured_outputs.html
"""

TIERS: Final = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})

SEALS: Final = "gemini"
"""Who can read the signatures that `extra_content.google` carries beside a call.
https://ai.google.dev/gemini-api/docs/thought-signatures
"""


REFUSED: Final[dict[str, str]] = {
    "logit_bias": "sampling.logit_bias",
    "logprobs": "sampling.logprobs",
    "top_logprobs": "sampling.top_logprobs",
    "stop": "sampling.stop",
    "response_format": "output",
    "tools": "tools",
    "tool_choice": "tool_choice",
    "temperature": "sampling.temperature",
    "top_p": "sampling.top_p",
    "seed": "sampling.seed",
    "frequency_penalty": "sampling.frequency_penalty",
    "presence_penalty": "sampling.presence_penalty",
    "parallel_tool_calls": "parallel",
    "reasoning_effort": "reasoning.effort",
    "verbosity": "output.verbosity",
    "modalities": "output.modalities",
    "audio": "output.audio",
    "max_tokens": "max_output",
    "max_completion_tokens": "max_output",
    "user": "user",
    "safety_identifier": "safety_identifier",
    "metadata": "metadata",
    "store": "store",
    "prediction": "prediction",
    "moderation": "moderation",
    "service_tier": "tier",
    "prompt_cache_key": "cache.key",
    "prompt_cache_options": "cache",
    "prompt_cache_retention": "cache.retention",
}
"""What is lost when a vendor refuses a request field: its place in IR terms."""
