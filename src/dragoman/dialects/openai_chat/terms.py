"""Names and values of OpenAI's chat that several modules need."""

from __future__ import annotations

from typing import Final

PATH: Final = "/chat/completions"
GUIDED: Final = {"guided_json": "guided_json", "structured_outputs": "structured_outputs.json"}
"""vLLM's request members for the schema of the answer -> the path of the schema in the request.
https://docs.vllm.ai/en/latest/features/structured_outputs.html"""
ROLES: Final[dict[str, str]] = {
    "user_system": "system",
    "group": "system",
    "sample_message_user": "user",
    "sample_message_ai": "assistant",
}
"""A role that only MiniMax has -> the role that stands for it in the IR. `user_system` describes the user,
`group` names the conversation, the samples show how the model is to talk.
https://platform.minimax.io/docs/guides/text-chat"""
TIERS: Final = frozenset({"auto", "default", "flex", "scale", "priority", "fast"})
SEALS: Final = "gemini"
"""The dialect whose servers can read the signatures in `extra_content.google` of a call.
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
"""Request member that a vendor may reject -> the IR path under which its loss is reported. The loss of any
other member is reported under the member's own name, that of a sampling parameter within `sampling`.
"""
