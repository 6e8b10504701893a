"""Vendors that serve models of other makers."""

from __future__ import annotations

from typing import Final

import msgspec

from dragoman.dialects.quirks import Quirks
from dragoman.providers.vendor import USUAL, ApiRow, Vendor, narrow

_SILICONFLOW: Final = Vendor(
    name="siliconflow",
    title="SiliconFlow",
    base_url="https://api.siliconflow.cn/v1",
    page="https://docs.siliconflow.cn/en/api-reference/chat-completions/chat-completions",
    serves=("chat", "embed", "image", "speech", "transcription", "rerank"),
    keys=("SILICONFLOW_API_KEY",),
    base_var="SILICONFLOW_BASE_URL",
    quirks=narrow(
        refuses=frozenset({"logit_bias", "logprobs", "top_logprobs"}),
        reasoning_request="enable_thinking",
        extensions=frozenset({"min_p", "top_k"}),
    ),
)

HOSTS: Final = (
    Vendor(
        name="groq",
        title="Groq",
        base_url="https://api.groq.com/openai/v1",
        path="/openai/v1",
        appends=True,
        page="https://console.groq.com/docs/openai",
        serves=("chat", "embed", "speech", "transcription"),
        keys=("GROQ_API_KEY",),
        base_var="GROQ_BASE_URL",
        quirks=Quirks(
            functions=False,
            call_signatures=False,
            refuses=frozenset(
                {
                    *("frequency_penalty", "presence_penalty", "logit_bias", "logprobs", "top_logprobs"),
                    *("metadata", "n", "store"),
                    *("reasoning_content", "reasoning_details"),  # NousResearch/hermes-agent#11089
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
        serves=("chat", "embed", "image", "speech", "transcription", "rerank"),
        keys=("TOGETHER_API_KEY",),
        base_var="TOGETHER_BASE_URL",
        # As the client together 3.1.1 types them.
        quirks=narrow(
            stop_list=True,
            refuses=frozenset({"top_logprobs"}),
            extensions=frozenset({"min_p", "repetition_penalty", "top_k"}),
        ),
        also={"openai_completions": USUAL},
    ),
    Vendor(
        name="fireworks",
        title="Fireworks AI",
        base_url="https://api.fireworks.ai/inference/v1",
        path="/inference/v1",
        appends=True,
        page="https://docs.fireworks.ai/api-reference/post-chatcompletions",
        serves=("chat", "embed", "rerank"),
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
        also={
            "openai_responses": USUAL,
            "anthropic": ApiRow(quirks=Quirks(signatures=False)),
            "openai_completions": USUAL,
        },
    ),
    Vendor(
        name="openrouter",
        title="OpenRouter",
        base_url="https://openrouter.ai/api/v1",
        path="/api/v1",
        page="https://openrouter.ai/docs/api-reference/overview",
        serves=("chat", "embed", "image", "speech", "transcription", "rerank"),
        keys=("OPENROUTER_API_KEY",),
        base_var="OPENROUTER_BASE_URL",
        quirks=Quirks(
            functions=False,
            reasoning_request="reasoning",
            # https://openrouter.ai/docs/guides/best-practices/reasoning-tokens#preserving-reasoning-blocks;
            # a Gemini model's calls without theirs get a 400: LibreChat-AI/agents#37
            reasoning_field="reasoning_details",
            reasoning_replay="tool_turns",
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
        quirks=Quirks(
            functions=False,
            call_signatures=False,
            refuses=frozenset({"metadata", "reasoning_details", "store"}),
            # It accepts its own field, as recorded, and rejects others: QwenLM/qwen-code#11045
            reasoning_field="reasoning",
        ),
        also={"openai_completions": USUAL},
    ),
    _SILICONFLOW,
    # Its accounts and keys are others: cloud.siliconflow.com in place of cloud.siliconflow.cn.
    msgspec.structs.replace(
        _SILICONFLOW,
        name="siliconflow-intl",
        title=f"{_SILICONFLOW.title} (international)",
        base_url="https://api.siliconflow.com/v1",
        page="https://www.siliconflow.com/blog/openai-sdk-siliconflow-compatibility-checks",
        keys=(),
        base_var=None,
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
    # The hosted endpoint is described at https://build.nvidia.com, its paths on the page of the containers.
    Vendor(
        name="nvidia",
        title="NVIDIA API Catalog",
        base_url="https://integrate.api.nvidia.com/v1",
        page="https://docs.nvidia.com/nim/large-language-models/2.0.0/reference/api-reference.html",
        serves=("chat", "embed"),
        keys=("NVIDIA_API_KEY",),
        base_var="NVIDIA_BASE_URL",
        quirks=narrow(),
    ),
    Vendor(
        name="nebius",
        title="Nebius Token Factory",
        base_url="https://api.tokenfactory.nebius.com/v1",
        page="https://docs.tokenfactory.nebius.com/api-reference/introduction",
        serves=("chat", "embed"),
        keys=("NEBIUS_API_KEY",),
        base_var="NEBIUS_BASE_URL",
        quirks=narrow(),
    ),
    Vendor(
        name="sambanova",
        title="SambaNova Cloud",
        base_url="https://api.sambanova.ai/v1",
        page="https://docs.sambanova.ai/docs/en/features/openai-compatibility",
        serves=("chat", "embed", "transcription"),
        keys=("SAMBANOVA_API_KEY",),
        base_var="SAMBANOVA_BASE_URL",
        # The page: these fields are ignored.
        quirks=narrow(refuses=frozenset({"frequency_penalty", "logit_bias", "presence_penalty"})),
        also={"openai_responses": USUAL},
    ),
    # Not GITHUB_TOKEN: that token is set in every workflow, and is for GitHub's other APIs.
    Vendor(
        name="github",
        title="GitHub Models",
        base_url="https://models.github.ai/inference",
        path="/inference",
        page="https://docs.github.com/en/github-models/quickstart",
        serves=("chat", "embed"),
        keys=("GITHUB_MODELS_TOKEN",),
        base_var="GITHUB_MODELS_BASE_URL",
        # https://github.blog/changelog/2025-05-15-github-models-api-now-available
        bases={"models": "/catalog"},
        quirks=Quirks(functions=False, call_signatures=False),
    ),
    Vendor(
        name="deepinfra",
        title="DeepInfra",
        base_url="https://api.deepinfra.com/v1/openai",
        path="/v1/openai",
        page="https://deepinfra.com/docs/openai_api",
        serves=("chat", "embed", "image", "speech", "transcription"),
        keys=("DEEPINFRA_TOKEN", "DEEPINFRA_API_KEY"),
        base_var="DEEPINFRA_BASE_URL",
        quirks=narrow(),
        also={"openai_completions": USUAL},  # https://deepinfra.com/docs/inference
    ),
    Vendor(
        name="novita",
        title="Novita AI",
        base_url="https://api.novita.ai/openai/v1",
        path="/openai/v1",
        page="https://novita.ai/docs/api-reference/model-apis-llm-create-chat-completion.md",
        serves=("chat", "embed", "rerank"),
        keys=("NOVITA_API_KEY",),
        base_var="NOVITA_BASE_URL",
        quirks=narrow(
            reasoning_request="enable_thinking",
            extensions=frozenset({"min_p", "repetition_penalty", "top_k"}),
        ),
    ),
    Vendor(
        name="baseten",
        title="Baseten",
        base_url="https://inference.baseten.co/v1",
        page="https://docs.baseten.co/quickstart",
        keys=("BASETEN_API_KEY",),
        base_var="BASETEN_BASE_URL",
        quirks=narrow(),
    ),
    Vendor(
        name="featherless",
        title="Featherless AI",
        base_url="https://api.featherless.ai/v1",
        page="https://featherless.ai/docs/quickstart-guide",
        keys=("FEATHERLESS_API_KEY",),
        base_var="FEATHERLESS_BASE_URL",
        quirks=narrow(),
        also={"openai_completions": USUAL},
    ),
    Vendor(
        name="hyperbolic",
        title="Hyperbolic",
        base_url="https://api.hyperbolic.xyz/v1",
        page="https://docs.rs/rig-core/0.40.0/src/rig_core/providers/hyperbolic.rs.html",
        keys=("HYPERBOLIC_API_KEY",),
        base_var="HYPERBOLIC_BASE_URL",
        quirks=narrow(),
    ),
    # Not SCW_SECRET_KEY, which is for Scaleway's other APIs, too.
    Vendor(
        name="scaleway",
        title="Scaleway Generative APIs",
        base_url="https://api.scaleway.ai/v1",
        page="https://www.scaleway.com/en/docs/generative-apis/api-cli/using-chat-api",
        serves=("chat", "embed", "transcription"),
        keys=("SCALEWAY_API_KEY",),
        base_var="SCALEWAY_BASE_URL",
        quirks=narrow(),
        also={"openai_responses": USUAL},
    ),
    Vendor(
        name="vercel",
        title="Vercel AI Gateway",
        base_url="https://ai-gateway.vercel.sh/v1",
        page="https://examples.vercel.com/docs/ai-gateway/openai-compat",
        serves=("chat", "embed"),
        keys=("AI_GATEWAY_API_KEY",),
        base_var="AI_GATEWAY_BASE_URL",
        quirks=Quirks(functions=False, call_signatures=False),
    ),
)
"""The rows, in the order in which the documentation lists them."""
