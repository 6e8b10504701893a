"""Vendors that host models of others. Each row states facts of the pages that it names."""

from __future__ import annotations

from typing import Final

from dragoman.dialects.quirks import Quirks
from dragoman.providers.vendor import USUAL, Vendor, narrow

HOSTS: Final = (
    Vendor(
        name="groq",
        title="Groq",
        base_url="https://api.groq.com/openai/v1",
        path="/openai/v1",
        appends=True,
        page="https://console.groq.com/docs/openai",
        keys=("GROQ_API_KEY",),
        base_var="GROQ_BASE_URL",
        quirks=Quirks(
            functions=False,
            call_signatures=False,
            refuses=frozenset(
                {
                    *("frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs"),
                    *("metadata", "n", "store"),
                }
            ),
            null_members=False,  # BerriAI/litellm#5839
        ),
    ),
    Vendor(
        name="together",
        title="Together AI",
        base_url="https://api.together.ai/v1",
        page="https://docs.together.ai/reference/chat-completions",
        keys=("TOGETHER_API_KEY",),
        base_var="TOGETHER_BASE_URL",
        quirks=narrow(extensions=frozenset({"min_p", "repetition_penalty", "top_k"})),
        also={"openai_completions": USUAL},
    ),
    Vendor(
        name="fireworks",
        title="Fireworks AI",
        base_url="https://api.fireworks.ai/inference/v1",
        path="/inference/v1",
        appends=True,
        page="https://docs.fireworks.ai/api-reference/post-chatcompletions",
        keys=("FIREWORKS_API_KEY",),
        base_var="FIREWORKS_BASE_URL",
        quirks=Quirks(
            functions=False,
            call_signatures=False,
            developer_role=False,
            refuses=frozenset({"store"}),
            required_word="any",  # BerriAI/litellm#4416
        ),
        # https://docs.fireworks.ai/nexus/apis-and-sdks
        also={"openai_responses": USUAL, "anthropic": USUAL, "openai_completions": USUAL},
    ),
    Vendor(
        name="openrouter",
        title="OpenRouter",
        base_url="https://openrouter.ai/api/v1",
        path="/api/v1",
        page="https://openrouter.ai/docs/api-reference/overview",
        keys=("OPENROUTER_API_KEY",),
        base_var="OPENROUTER_BASE_URL",
        quirks=Quirks(
            functions=False,
            reasoning_request="reasoning",
            answer_images=True,
            cache_marks="cache_control",
            extensions=frozenset({"min_p", "repetition_penalty", "top_a", "top_k"}),
            pictures="openrouter",
        ),
        also={"openai_responses": USUAL, "anthropic": USUAL, "openai_completions": USUAL},
    ),
    Vendor(
        name="cerebras",
        title="Cerebras",
        base_url="https://api.cerebras.ai/v1",
        appends=True,
        page="https://inference-docs.cerebras.ai/api-reference/chat-completions",
        keys=("CEREBRAS_API_KEY",),
        base_var="CEREBRAS_BASE_URL",
        quirks=Quirks(functions=False, call_signatures=False, refuses=frozenset({"metadata", "store"})),
        also={"openai_completions": USUAL},
    ),
    Vendor(
        name="siliconflow",
        title="SiliconFlow",
        base_url="https://api.siliconflow.cn/v1",
        page="https://docs.siliconflow.cn/en/api-reference/chat-completions/chat-completions",
        keys=("SILICONFLOW_API_KEY",),
        base_var="SILICONFLOW_BASE_URL",
        quirks=narrow(
            refuses=frozenset({"logit_bias", "logprobs", "top_logprobs"}),
            reasoning_request="enable_thinking",
            extensions=frozenset({"min_p", "top_k"}),
        ),
    ),
    Vendor(
        name="huggingface",
        title="Hugging Face Inference Providers",
        base_url="https://router.huggingface.co/v1",
        page="https://huggingface.co/docs/inference-providers/index",
        keys=("HF_TOKEN", "HUGGINGFACE_API_KEY"),
        base_var="HUGGINGFACE_BASE_URL",
        quirks=Quirks(functions=False, max_tokens_field="max_tokens", developer_role=False),
    ),
    Vendor(
        name="crusoe",
        title="Crusoe",
        base_url="https://api.inference.crusoecloud.com/v1",
        page="https://docs.crusoecloud.com",
        keys=("CRUSOE_API_KEY",),
        base_var="CRUSOE_BASE_URL",
        quirks=narrow(),
    ),
)
"""The vendors in the order of the documentation."""
