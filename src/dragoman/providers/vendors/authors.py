"""Vendors that make models and serve them, and Azure OpenAI."""

from __future__ import annotations

from typing import Final

import msgspec

from dragoman.dialects.access import ModelList
from dragoman.dialects.quirks import AUTHOR, USUALLY_WIDER, Quirks
from dragoman.providers.vendor import UNLINKED, USUAL, ApiRow, Dated, Vendor, narrow

# The thinking in a history must come back, and is read without a signature:
# https://api-docs.deepseek.com/guides/thinking_mode, https://platform.minimax.io/docs/api-reference/text-anthropic-api
_ANTHROPICS: Final = ApiRow(path="/anthropic/v1/messages", drops="/v1", quirks=Quirks(signatures=False))
"""Anthropic's protocol at a vendor that serves its own models by it."""
_MODEL_STUDIO: Final = Vendor(
    name="dashscope",
    title="Alibaba Cloud Model Studio",
    base_url="https://dashscope.aliyuncs.com/compatible-mode/v1",
    path="/compatible-mode/v1",
    page="https://www.alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope",
    serves=("chat", "embed"),
    keys=("DASHSCOPE_API_KEY",),
    base_var="DASHSCOPE_BASE_URL",
    quirks=narrow(
        refuses=frozenset({"frequency_penalty", "logit_bias", "metadata", "store"}),
        reasoning_request="enable_thinking",
        cache_marks="cache_control",
    ),
    # The other models named qwen have open weights, so many vendors serve them.
    models=(
        *("qwen-flash*", "qwen-long*", "qwen-max*", "qwen-plus*", "qwen-turbo*", "qwen-vl-*", "qwen3-max*"),
        *("qwen3-coder-plus*", "qwen3-coder-flash*", "qwq-plus*"),
    ),
    known=("qwen-max", "qwen-plus", "qwen-turbo", "qwen3-max"),
    # https://help.aliyun.com/zh/model-studio/anthropic-api-messages,
    # https://www.alibabacloud.com/help/doc-detail/2980295.html: only for these models
    also={
        "anthropic": ApiRow(
            path="/v1/messages",
            swaps={"/compatible-mode/v1": "/apps/anthropic"},
            models=(
                *("qwen-flash*", "qwen-max*", "qwen-plus*", "qwen-turbo*", "qwen3-max*", "qwen3.5-plus*"),
                *("qwen3-coder-plus*", "qwen3-coder-flash*"),
            ),
        )
    },
)

# One row for each region, because keys are bound to a region. The environment variable holds a key for the
# first row, which is also the default of the vendor's own client.
_DASHSCOPE: Final = (
    _MODEL_STUDIO,
    *(
        msgspec.structs.replace(
            _MODEL_STUDIO,
            name=f"dashscope-{region}",
            title=f"{_MODEL_STUDIO.title} ({place})",
            base_url=f"https://dashscope-{region}.aliyuncs.com/compatible-mode/v1",
            keys=(),
            base_var=None,
            also=also,
        )
        for region, place, also in (
            ("intl", "international", _MODEL_STUDIO.also),
            ("us", "United States", {}),  # no page tells of Anthropic's protocol there
        )
    ),
)

_ZAI: Final = Vendor(
    name="zai",
    title="Z.ai",
    base_url="https://api.z.ai/api/paas/v4",
    path="/api/paas/v4",
    page="https://docs.z.ai/api-reference/llm/chat-completion",
    serves=("chat", "image"),
    keys=("ZAI_API_KEY",),
    base_var="ZAI_BASE_URL",
    quirks=narrow(reasoning_request="thinking"),
    # https://docs.z.ai/devpack/quick-start.md (the base URL of the coding plan),
    # https://docs.rs/rig-core/0.36.0/rig/providers/zai/ (Anthropic's protocol)
    also={
        "anthropic": ApiRow(
            path="/v1/messages",
            swaps={"/api/coding/paas/v4": "/api/anthropic", "/api/paas/v4": "/api/anthropic"},
        )
    },
    models=("glm-*",),
    known=("glm-4.7", "glm-5.2", "glm-5.3"),
)

AUTHORS: Final = (
    Vendor(
        name="openai",
        title="OpenAI",
        base_url="https://api.openai.com/v1",
        page="https://platform.openai.com/docs/api-reference",
        serves=("chat", "embed", "image", "speech", "transcription", "moderation", "realtime"),
        keys=("OPENAI_API_KEY",),
        base_var="OPENAI_BASE_URL",
        quirks=Quirks(
            call_signatures=False, widens=frozenset(), idempotency_keys=True, transcribes_unnamed=True
        ),
        also={
            # The reason for `strange_items` is in `dialects.replay`.
            "openai_responses": ApiRow(
                quirks=Quirks(
                    strange_items=False,
                    counts=True,
                    widens=frozenset(),
                    idempotency_keys=True,
                    transcribes_unnamed=True,
                )
            ),
            "openai_completions": ApiRow(
                quirks=Quirks(widens=frozenset(), idempotency_keys=True),
                models=("gpt-3.5-turbo-instruct*", "davinci-*", "babbage-*", "ft:davinci-*", "ft:babbage-*"),
            ),
        },
        # "gpt-oss" models have open weights, so other vendors serve them.
        models=(
            *("gpt-[!o]*", "chatgpt-*", "o[1-9]", "o[1-9]-*", "codex-*", "computer-use-*"),
            *("ft:gpt-*", "ft:o[1-9]*", "ft:davinci-*", "ft:babbage-*", "davinci-*", "babbage-*"),
            *("text-embedding-*", "omni-moderation-*", "dall-e-*", "tts-*", "whisper-*", "sora-*"),
        ),
        known=(
            *("gpt-4.1", "gpt-4.1-mini", "gpt-4o", "gpt-4o-mini", "gpt-5", "gpt-5-mini", "gpt-5-nano"),
            "gpt-5.4",
        ),
    ),
    # The base URL, the header and the versions: https://learn.microsoft.com/azure/ai-foundry/openai/api-version-lifecycle
    # A model's name is that of a deployment, and the list of models has no deployments.
    Vendor(
        name="azure",
        title="Azure OpenAI",
        base_url="https://RESOURCE.openai.azure.com/openai/v1",
        path="/openai/v1",
        appends=True,
        account="RESOURCE",
        lists_names=False,
        page="https://learn.microsoft.com/azure/ai-foundry/openai/reference",
        serves=("chat", "embed", "image", "speech", "transcription", "realtime"),
        keys=("AZURE_OPENAI_API_KEY",),
        base_var="AZURE_OPENAI_ENDPOINT",
        auth="api-key",
        # Its clients put the deployment into these paths alone: openai/openai-python, `lib/azure.py`.
        dated=Dated(
            path="/openai",
            folders={
                "openai_chat": "/deployments/{model}",
                "openai_completions": "/deployments/{model}",
            },
            # The model inference API: https://learn.microsoft.com/rest/api/aifoundry/modelinference/
            flat="/models",
            # "enabled only for api-version 2025-03-01-preview and later": Aider-AI/aider#4029.
            since={"openai_responses": "2025-03-01"},
            # openai/openai-python#1724 and Azure/azure-rest-api-specs#29157: both members are refused by
            # versions before 2024-09-01-preview.
            until={"2024-09-01": {"max_tokens_field": "max_tokens", "stream_options": False}},
        ),
        quirks=Quirks(call_signatures=False, transcribes_unnamed=True),
        also={
            "openai_responses": ApiRow(quirks=Quirks(strange_items=False, transcribes_unnamed=True)),
            "openai_completions": USUAL,
        },
    ),
    Vendor(
        name="anthropic",
        title="Anthropic",
        dialect="anthropic",
        base_url="https://api.anthropic.com/v1",
        appends=True,
        page="https://platform.claude.com/docs/en/api/overview",
        keys=("ANTHROPIC_API_KEY",),
        base_var="ANTHROPIC_BASE_URL",
        quirks=Quirks(counts=True, widens=frozenset(), odd_call_ids=False),
        models=("claude-*",),
        known=(
            *("claude-haiku-4-5", "claude-opus-4-8", "claude-opus-5", "claude-sonnet-4-5"),
            *("claude-sonnet-4-6", "claude-sonnet-5"),
        ),
    ),
    Vendor(
        name="gemini",
        title="Google Gemini",
        dialect="gemini",
        base_url="https://generativelanguage.googleapis.com/v1beta",
        path="/v1beta",
        appends=True,
        page="https://ai.google.dev/api/generate-content",
        serves=("chat", "embed", "image", "speech", "transcription", "realtime"),
        keys=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        base_var="GOOGLE_GEMINI_BASE_URL",  # the client google-genai 3.4.0 (`_base_url.py`)
        quirks=Quirks(counts=True, widens=frozenset()),
        # "gemma" models have open weights, so other vendors serve them.
        models=("gemini-*",),
        known=(
            *("gemini-2.5-flash", "gemini-2.5-flash-lite", "gemini-2.5-pro", "gemini-3.1-flash-lite"),
            *("gemini-3.1-pro-preview", "gemini-3.5-flash", "gemini-3.5-flash-lite", "gemini-3.8-flash"),
        ),
    ),
    Vendor(
        name="mistral",
        title="Mistral AI",
        dialect="mistral",
        base_url="https://api.mistral.ai/v1",
        appends=True,
        page="https://docs.mistral.ai/api/",
        serves=("chat", "embed", "speech", "transcription", "moderation"),
        keys=("MISTRAL_API_KEY",),
        base_var="MISTRAL_BASE_URL",
        quirks=AUTHOR,
        # A public preview without the field `include`: https://docs.mistral.ai/studio/conversations/responses.
        # It counts prompts at /v1/responses/input_tokens: the client mistralai 3.7.0.
        also={"openai_responses": ApiRow(quirks=Quirks(refuses=frozenset({"include"}), counts=True))},
        # Names with only a number of parameters ("mistral-7b-instruct") are models with open weights.
        models=(
            *("mistral-large*", "mistral-medium*", "mistral-small*", "mistral-tiny*", "mistral-embed*"),
            *("mistral-moderation*", "mistral-ocr*", "magistral-*", "ministral-*", "codestral-*"),
            *("devstral-*", "pixtral-*", "voxtral-*", "open-mistral-*", "open-mixtral-*"),
        ),
        known=(
            *("codestral-latest", "magistral-medium-latest", "ministral-8b-latest"),
            *("mistral-large-latest", "mistral-medium-latest", "mistral-small-latest"),
        ),
    ),
    Vendor(
        name="deepseek",
        title="DeepSeek",
        base_url="https://api.deepseek.com",
        path="",
        page="https://api-docs.deepseek.com",
        keys=("DEEPSEEK_API_KEY",),
        base_var="DEEPSEEK_BASE_URL",
        quirks=narrow(
            refuses=frozenset({"logit_bias", "metadata", "n", "store"}),
            json_schema=False,
            reasoning_request="thinking",
            reasoning_field="reasoning_content",
            # https://api-docs.deepseek.com/guides/thinking_mode: a tool turn without reasoning gets a 400.
            reasoning_replay="tool_turns",
        ),
        also={
            "openai_responses": USUAL,
            # https://api-docs.deepseek.com/guides/anthropic_api
            "anthropic": msgspec.structs.replace(_ANTHROPICS, auth="x-api-key"),
            "openai_completions": ApiRow(path="/beta/completions", drops="/v1"),
        },
        models=("deepseek-chat", "deepseek-reasoner", "deepseek-flash*", "deepseek-v[0-9]*"),
        known=("deepseek-flash", "deepseek-v4-pro"),
    ),
    Vendor(
        name="xai",
        title="xAI",
        base_url="https://api.x.ai/v1",
        page="https://docs.x.ai/docs/api-reference",
        serves=("chat", "image", "speech", "transcription", "realtime"),
        keys=("XAI_API_KEY",),
        base_var="XAI_BASE_URL",
        quirks=Quirks(
            functions=False,
            call_signatures=False,
            refuses=frozenset({"logit_bias", "metadata", "store"}),
            assistant_names=False,
            reasoning_tokens="outside",
            pictures="xai",
        ),
        unlisted=("grok-stt", "grok-tts"),
        service="xai",  # https://docs.x.ai/developers/model-capabilities/audio/text-to-speech
        # Completions: "not supported by reasoning models", https://docs.x.ai/developers/rest-api-reference/inference
        also={"openai_responses": USUAL, "openai_completions": ApiRow(models=("grok-*-non-reasoning*",))},
        models=("grok-*",),
        known=("grok-4.3",),
    ),
    Vendor(
        name="perplexity",
        title="Perplexity",
        base_url="https://api.perplexity.ai",
        path="",
        # Recorded embeddings; https://docs.perplexity.ai/api-reference/models-get.md: only models of others.
        bases={"embed": "/v1", "models": "/v1"},
        unlisted=("sonar", "sonar-deep-research", "sonar-pro", "sonar-reasoning-pro"),
        page="https://docs.perplexity.ai/api-reference/chat-completions-post",
        serves=("chat", "embed"),
        keys=("PERPLEXITY_API_KEY",),
        base_var="PERPLEXITY_BASE_URL",
        quirks=narrow(refuses=frozenset({"logit_bias", "metadata", "seed", "store", "user"})),
        # It serves only models of other makers: https://docs.perplexity.ai/docs/agent-api/openai-compatibility
        also={"openai_responses": ApiRow(path="/v1/responses", drops="/v1", models=("*/*",))},
        models=("sonar", "sonar-*"),
        known=("sonar", "sonar-pro", "sonar-reasoning-pro"),
    ),
    *_DASHSCOPE,
    Vendor(
        name="writer",
        title="Writer",
        base_url="https://api.writer.com/v1",
        appends=True,
        chat_path="/chat",
        bases={"models": "/v1"},
        listing=ModelList(member="models"),  # https://dev.writer.com/api-reference/completion-api/list-models
        page="https://dev.writer.com/api-reference/completion-api/chat-completion",
        keys=("WRITER_API_KEY",),
        base_var="WRITER_BASE_URL",
        quirks=narrow(
            reasoning_request="none",
            widens=USUALLY_WIDER.union(UNLINKED),  # recorded: its own client sends no call ids
        ),
        also={"openai_completions": USUAL},
        models=("palmyra-*",),
    ),
    _ZAI,
    # The same API in China, where keys are others.
    msgspec.structs.replace(
        _ZAI,
        name="zhipu",
        title="Zhipu AI (BigModel)",
        base_url="https://open.bigmodel.cn/api/paas/v4",
        page="https://docs.bigmodel.cn/cn/guide/develop/http/introduction",
        keys=("ZHIPUAI_API_KEY",),
        base_var="ZHIPUAI_BASE_URL",
    ),
    Vendor(
        name="moonshot",
        title="Moonshot AI (Kimi)",
        base_url="https://api.moonshot.ai/v1",
        page="https://platform.kimi.ai/docs/api/chat.md",
        keys=("MOONSHOT_API_KEY",),
        base_var="MOONSHOT_BASE_URL",
        quirks=Quirks(
            functions=False,
            call_signatures=False,
            developer_role=False,
            reasoning_request="thinking",
            reasoning_field="reasoning_content",
            # openai/openai-agents-python#2669: a 400 for a message with calls and without its reasoning.
            reasoning_replay="tool_turns",
        ),
        # https://www.developersdigest.tech/reference/api-compatibility/moonshot
        also={
            "openai_responses": USUAL,
            "anthropic": _ANTHROPICS,
        },
        # The kimi models have open weights, so other vendors serve them.
        models=("moonshot-v1-*",),
        known=("moonshot-v1-128k", "moonshot-v1-32k", "moonshot-v1-8k", "moonshot-v1-auto"),
    ),
    # The models have open weights, so other vendors serve them.
    Vendor(
        name="minimax",
        title="MiniMax",
        base_url="https://api.minimax.io/v1",
        page="https://platform.minimax.io/docs/api-reference/text-openai-api",
        keys=("MINIMAX_API_KEY",),
        base_var="MINIMAX_BASE_URL",
        # The page: the content begins with `<think>`, and must come back with it.
        quirks=Quirks(
            functions=False,
            call_signatures=False,
            developer_role=False,
            reasoning_request="none",
            reasoning_text="tags",
            reasoning_field="tags",
            reasoning_replay="always",
            widens=USUALLY_WIDER | {"roles"},  # https://platform.minimax.io/docs/guides/text-chat
        ),
        # https://docs.litellm.ai/docs/providers/minimax
        also={"anthropic": _ANTHROPICS},
    ),
    Vendor(
        name="volcengine",
        title="Volcengine Ark (Doubao)",
        base_url="https://ark.cn-beijing.volces.com/api/v3",
        path="/api/v3",
        page="https://docs.openclaw.ai/zh-CN/providers/volcengine",
        serves=("chat", "embed", "image"),
        # https://raw.githubusercontent.com/steipete/CodexBar/main/docs/doubao.md
        keys=("ARK_API_KEY", "VOLCANO_ENGINE_API_KEY"),
        base_var="ARK_BASE_URL",
        quirks=narrow(),
        models=("doubao-*",),
    ),
)
"""The rows, in the order in which the documentation lists them."""
