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
