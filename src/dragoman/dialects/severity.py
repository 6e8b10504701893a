"""States how severe it is to lose a field or a member of a request: "meaning" = the answer has other content,
"quality" = it is worse or dearer, "hint" = it is the same.

In general, the severity depends on what the member does, not on the dialect that lacks it, so that strictness
means the same for every upstream. An encoder may state another severity for a certain value, for example for
a temperature above the allowed range.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal, TypeAlias

Severity: TypeAlias = Literal["meaning", "quality", "hint"]
"""The effect of a loss on the answer. meaning: other content. quality: worse or dearer. hint: none."""

FIELDS: Final[Mapping[str, Severity]] = {
    "sampling.temperature": "quality",
    "sampling.top_p": "quality",
    "sampling.top_k": "quality",
    "sampling.min_p": "quality",
    "sampling.seed": "hint",
    "sampling.frequency_penalty": "quality",
    "sampling.presence_penalty": "quality",
    "sampling.repetition_penalty": "quality",
    "sampling.stop": "meaning",
    "sampling.logprobs": "meaning",
    "sampling.top_logprobs": "meaning",
    "sampling.logit_bias": "meaning",
    "max_output": "quality",
    "output": "meaning",
    "output.schema": "meaning",
    "output.modalities": "meaning",
    "output.audio": "hint",
    "output.verbosity": "quality",
    "output.description": "quality",
    "tools": "meaning",
    "tool_choice": "meaning",
    "parallel": "quality",
    "reasoning": "quality",
    "reasoning.effort": "quality",
    "cache": "hint",
    "cache.key": "hint",
    "cache.mode": "hint",
    "cache.ttl": "hint",
    "cache.retention": "hint",
    "cache.mark": "hint",
    "user": "hint",
    "safety_identifier": "hint",
    "metadata": "hint",
    "tier": "hint",
    "store": "hint",
    "prediction": "hint",
    "moderation": "meaning",
    "previous": "meaning",
    "conversation": "meaning",
    "background": "quality",
}
"""IR path of a field of `ir.Request` -> severity of its loss. A field that is not listed has the severity
"meaning"."""

MEMBERS: Final[Mapping[str, Mapping[str, Severity]]] = {
    "anthropic": {
        "container": "meaning",  # it holds files of earlier turns
        "mcp_servers": "meaning",
        "context_management": "meaning",
        "compaction": "meaning",  # the answer is a summary of the conversation
        "task_budget": "meaning",
        "inference_geo": "meaning",
        "fallbacks": "hint",
        "speed": "hint",
        "user_profile_id": "hint",
    },
    "gemini": {
        "cachedContent": "meaning",
        "safetySettings": "meaning",
        "labels": "hint",
        "modelArmorConfig": "meaning",
        "videoMetadata": "meaning",  # it selects a part of a video
        "toolConfig.retrievalConfig": "meaning",  # it states the user's location
        "generationConfig.imageConfig": "quality",
        "generationConfig.speechConfig": "quality",
        "generationConfig.mediaResolution": "quality",
        "generationConfig.enableEnhancedCivicAnswers": "quality",
        "generationConfig.audioTimestamp": "quality",
    },
    "openai_responses": {
        "prompt": "meaning",
        "max_tool_calls": "meaning",
        "context_management": "meaning",
        "include": "hint",
        "client_metadata": "hint",
        "stream_options": "hint",
    },
    "openai_chat": {
        "functions": "meaning",
        "function_call": "meaning",
        "documents": "meaning",  # source texts for the answer: Cohere, Cerebras, AI21
        "plugins": "meaning",  # OpenRouter's web search and file readers
        "preset": "meaning",
        "transforms": "quality",
        "search_parameters": "meaning",
        "search_mode": "meaning",
        "search_domain_filter": "meaning",
        "search_recency_filter": "meaning",
        "search_after_date_filter": "meaning",
        "search_before_date_filter": "meaning",
        "safe_prompt": "meaning",
        "safety_mode": "meaning",
        "guardrails": "meaning",
        "guardrailConfig": "meaning",
        "guided_json": "meaning",
        "guided_regex": "meaning",
        "guided_choice": "meaning",
        "guided_grammar": "meaning",
        "structured_outputs": "meaning",
        "grammar": "meaning",
        "bad_words": "meaning",
        "stop_token_ids": "meaning",
        "min_tokens": "quality",
        "chat_template_kwargs": "quality",
        "disable_reasoning": "quality",
        "reasoning_format": "hint",
        "clear_thinking": "hint",
        "provider": "hint",
        "models": "hint",
        "route": "hint",
    },
    "openai_completions": {"best_of": "hint"},
    "mistral": {
        "safe_prompt": "meaning",
        "guardrails": "meaning",
        "documents": "meaning",
        "min_tokens": "hint",
        "prompt_logprobs": "hint",
        "top_prompt_logprobs": "hint",
    },
    "cohere": {
        "documents": "meaning",
        "safety_mode": "meaning",
        "citation_options": "hint",
        "priority": "hint",
    },
    "ollama": {
        "template": "meaning",
        "context": "meaning",
        "raw": "meaning",
        "suffix": "meaning",
        "system": "meaning",
        "prompt": "meaning",
        "images": "meaning",
        "keep_alive": "hint",
        "shift": "hint",
        "options.num_ctx": "hint",
        "options.num_keep": "hint",
        "options.repeat_last_n": "hint",
        "options.typical_p": "hint",
        "options.mirostat": "hint",
        "options.use_mmap": "hint",
    },
    "ollama_generate": {"context": "meaning"},  # the conversation so far
}
"""Protocol -> JSON path of a request member without a field in the IR -> severity of the member's loss."""


def of_field(place: str) -> Severity:
    """Return the severity of losing the field of `ir.Request` with the IR path `place`, such as
    `sampling.seed`; "meaning" for a field that is not in `FIELDS`.
    """
    return FIELDS.get(place, "meaning")


def of_refused(dialect: str, place: str) -> Severity:
    """Return the severity of losing a value that a vendor refuses. place: the IR path of a field, or the name
    of a member that has no field in the IR. A place that is neither in `FIELDS` nor among the dialect's
    `MEMBERS` has the severity "hint".
    """
    return FIELDS.get(place) or of_member(dialect, place)


def of_member(dialect: str, member: str) -> Severity:
    """Return the severity of losing a member of this dialect's requests that has no field in the IR; "hint"
    for an unknown member. member: its JSON path.
    """
    own = MEMBERS.get(dialect)
    return "hint" if own is None else own.get(member, "hint")
