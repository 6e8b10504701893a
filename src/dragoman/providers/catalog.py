"""Known vendors as data: their addresses, their API's paths and names, and their deviations from the protocol
that they speak.

A row holds facts, each from the vendor's page or client, recorded traffic or a cited issue; no code branches
on a vendor's name. A row whose address depends on the account (a resource, a workspace) has a placeholder in
it: the operator configures `base_url`. Pure.
"""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase
from types import MappingProxyType
from typing import Any, Final

import msgspec

from dragoman.dialects.access import Scheme
from dragoman.dialects.quirks import AUTHOR, STANDARD, USUALLY_WIDER, Quirks, Wider


class ApiRow(msgspec.Struct, frozen=True, kw_only=True):
    """A protocol that a vendor speaks besides its first one, at the same address and with the same keys.

    path: the chat endpoint below the base URL, None = the dialect's usual path. stream: the endpoint of
    streams, None = the dialect's, or `path`. drops: text that is removed
    from the end of the base URL before `path` is added. auth: how a key is sent, None = as in the vendor's
    first protocol. models: patterns of names; only models with these names can chat in this protocol, None =
    all.
    """

    path: str | None = None
    stream: str | None = None
    drops: str = ""
    auth: Scheme | None = None
    quirks: Quirks = STANDARD
    models: tuple[str, ...] | None = None


_USUAL: Final = ApiRow()
_UNLINKED: Final[tuple[Wider, ...]] = ("call_ids",)
_ENDLESS: Final[tuple[Wider, ...]] = ("max_tokens",)


class Dated(msgspec.Struct, frozen=True, kw_only=True):
    """Where a vendor's API lies if a request states the date of its version (`?api-version=2024-10-21`).

    path: replaces `Vendor.path`. folders: {dialect: what is put between the base URL and the dialect's paths,
    with `{model}` for the model's name}. flat: the end of base URLs below which there are no such folders,
    because the body names the model; there, only the first protocol is spoken, in every version. until:
    {date: quirks of the versions before this date, by name}. since: {dialect: the date of the first version
    that speaks it}.
    """

    path: str
    folders: Mapping[str, str]
    flat: str
    since: Mapping[str, str] = MappingProxyType({})
    until: Mapping[str, Mapping[str, Any]] = MappingProxyType({})

    def deviations(self, version: str) -> dict[str, Any]:
        """The quirks of a version (`2024-10-21`, `2024-10-01-preview`), by name."""
        found: dict[str, Any] = {}
        for date, quirks in self.until.items():
            if version[: len(date)] < date:
                found.update(quirks)
        return found

    def speaks(self, version: str, dialect: str) -> bool:
        """Whether a version has the endpoints of a protocol."""
        since = self.since.get(dialect, "")
        return version[: len(since)] >= since


class Vendor(msgspec.Struct, frozen=True, kw_only=True):
    """One known vendor.

    name: the vendor's name in the configuration. title: its name for people. dialect: its first protocol.
    also: {dialect: row} of its other protocols, best first. path: the path at the end of `base_url`; it is
    added to a configured base URL that has no path. appends: whether the vendor's own clients add `path` to
    every base URL. keys: environment variables; the first that is set holds the key, and those with `_2` to
    `_10` at the end of its name hold further keys. base_var: the environment variable that replaces the base
    URL. A variable of `keys`, or `base_var`, adds the vendor without any configuration. host_port: the
    default port of the host in `base_var`, None = `base_var` holds a URL. chat_path: the chat endpoint below
    the base URL, None = the dialect's. bases: {operation: the path that replaces `path` for it}. account: the
    part of `base_url` in which every account has its own name, so that `base_url` must be configured; "" =
    all accounts have the same address. auth: how a key is sent, None = as is usual in the first protocol.
    dated: the API with dated versions, None = it has none. models:
    patterns of the bare model names that belong to this vendor (`*` is any text, `[…]` one of these
    characters). known: some models that lists show until the vendor has been asked; other models can be used,
    too. region: the region that stands in `base_url`, in whose place a configured one is put; "" = there is
    none. region_vars: environment variables that may hold the region, the first one counts. access_key: the
    environment variables with the id, the secret and the session token of an access key, which a configured
    provider without keys gets; they add no provider. page: the vendor's documentation. read: the month in
    which the facts were collected ("2026-11").
    """

    name: str
    title: str
    base_url: str
    page: str
    read: str = "2026-11"
    dialect: str = "openai_chat"
    path: str = "/v1"
    appends: bool = False
    keys: tuple[str, ...] = ()
    base_var: str | None = None
    host_port: int | None = None
    chat_path: str | None = None
    bases: Mapping[str, str] = MappingProxyType({})
    account: str = ""
    auth: Scheme | None = None
    dated: Dated | None = None
    quirks: Quirks = STANDARD
    also: Mapping[str, ApiRow] = MappingProxyType({})
    models: tuple[str, ...] = ()
    known: tuple[str, ...] = ()
    region: str = ""
    region_vars: tuple[str, ...] = ()
    access_key: tuple[str, ...] = ()

    def base_url_in(self, region: str | None) -> str:
        """The base URL in a region; None = in the vendor's usual one. Raises ValueError for a region that is
        no part of a host's name.
        """
        if not self.region or region is None:
            return self.base_url
        if not region.replace("-", "").isalnum() or not region.isascii():
            raise ValueError(f"{region!r} is no name of a region")
        return self.base_url.replace(self.region, region.lower())

    def owns(self, model: str) -> bool:
        """Whether the model name matches one of the vendor's `models`. A name with a slash never does."""
        return "/" not in model and any(fnmatchcase(model, pattern) for pattern in self.models)


def _narrow(**more: Any) -> Quirks:
    """Quirks of a vendor whose chat API has no `functions`, no signatures in calls, no
    `max_completion_tokens` and no role `developer`. more: the vendor's other quirks, by name.
    """
    base = Quirks(functions=False, call_signatures=False, max_tokens_field="max_tokens", developer_role=False)
    return msgspec.structs.replace(base, **more)


_MODEL_STUDIO: Final = Vendor(
    name="dashscope",
    title="Alibaba Cloud Model Studio",
    base_url="https://dashscope.aliyuncs.com/compatible-mode/v1",
    path="/compatible-mode/v1",
    page="https://www.alibabacloud.com/help/en/model-studio/compatibility-of-openai-with-dashscope",
    keys=("DASHSCOPE_API_KEY",),
    base_var="DASHSCOPE_BASE_URL",
    quirks=_narrow(
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
        )
        for region, place in (("intl", "international"), ("us", "United States"))
    ),
)

_CLOUD: Final = (
    Vendor(
        name="openai",
        title="OpenAI",
        base_url="https://api.openai.com/v1",
        page="https://platform.openai.com/docs/api-reference",
        keys=("OPENAI_API_KEY",),
        base_var="OPENAI_BASE_URL",
        quirks=Quirks(call_signatures=False, widens=frozenset(), idempotency_keys=True),
        also={
            # The reason for `strange_items` is in `dialects.replay`.
            "openai_responses": ApiRow(
                quirks=Quirks(strange_items=False, counts=True, widens=frozenset(), idempotency_keys=True)
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
        page="https://learn.microsoft.com/azure/ai-foundry/openai/reference",
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
        quirks=Quirks(call_signatures=False),
        also={"openai_responses": ApiRow(quirks=Quirks(strange_items=False)), "openai_completions": _USUAL},
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
        quirks=Quirks(counts=True, widens=frozenset()),
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
        keys=("GEMINI_API_KEY", "GOOGLE_API_KEY"),
        base_var="GEMINI_BASE_URL",
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
        keys=("MISTRAL_API_KEY",),
        base_var="MISTRAL_BASE_URL",
        quirks=AUTHOR,
        # A public preview without the field `include`: https://docs.mistral.ai/studio/conversations/responses.
        also={"openai_responses": ApiRow(quirks=Quirks(refuses=frozenset({"include"})))},
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
        name="deepseek",
        title="DeepSeek",
        base_url="https://api.deepseek.com",
        path="",
        page="https://api-docs.deepseek.com",
        keys=("DEEPSEEK_API_KEY",),
        base_var="DEEPSEEK_BASE_URL",
        quirks=_narrow(
            refuses=frozenset({"logit_bias", "metadata", "n", "store"}),
            json_schema=False,
            reasoning_request="thinking",
            reasoning_field="reasoning_content",
            # https://api-docs.deepseek.com/guides/thinking_mode: a tool turn without reasoning gets a 400.
            reasoning_replay="tool_turns",
        ),
        also={
            "openai_responses": _USUAL,
            # https://api-docs.deepseek.com/guides/anthropic_api
            "anthropic": ApiRow(path="/anthropic/v1/messages", drops="/v1", auth="x-api-key"),
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
        # Completions: "not supported by reasoning models", https://docs.x.ai/developers/rest-api-reference/inference
        also={"openai_responses": _USUAL, "openai_completions": ApiRow(models=("grok-*-non-reasoning*",))},
        models=("grok-*",),
        known=("grok-4.3",),
    ),
    Vendor(
        name="together",
        title="Together AI",
        base_url="https://api.together.ai/v1",
        page="https://docs.together.ai/reference/chat-completions",
        keys=("TOGETHER_API_KEY",),
        base_var="TOGETHER_BASE_URL",
        quirks=_narrow(extensions=frozenset({"min_p", "repetition_penalty", "top_k"})),
        also={"openai_completions": _USUAL},
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
        also={"openai_responses": _USUAL, "anthropic": _USUAL, "openai_completions": _USUAL},
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
        also={"openai_responses": _USUAL, "anthropic": _USUAL, "openai_completions": _USUAL},
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
        also={"openai_completions": _USUAL},
    ),
    Vendor(
        name="perplexity",
        title="Perplexity",
        base_url="https://api.perplexity.ai",
        path="",
        page="https://docs.perplexity.ai/api-reference/chat-completions-post",
        keys=("PERPLEXITY_API_KEY",),
        base_var="PERPLEXITY_BASE_URL",
        quirks=_narrow(refuses=frozenset({"logit_bias", "metadata", "seed", "store", "user"})),
        # It serves only models of other makers: https://docs.perplexity.ai/docs/agent-api/openai-compatibility
        also={"openai_responses": ApiRow(path="/v1/responses", drops="/v1", models=("*/*",))},
        models=("sonar", "sonar-*"),
        known=("sonar", "sonar-pro", "sonar-reasoning-pro"),
    ),
    *_DASHSCOPE,
    Vendor(
        name="siliconflow",
        title="SiliconFlow",
        base_url="https://api.siliconflow.cn/v1",
        page="https://docs.siliconflow.cn/en/api-reference/chat-completions/chat-completions",
        keys=("SILICONFLOW_API_KEY",),
        base_var="SILICONFLOW_BASE_URL",
        quirks=_narrow(
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
        name="writer",
        title="Writer",
        base_url="https://api.writer.com/v1",
        appends=True,
        chat_path="/chat",
        page="https://dev.writer.com/api-reference/completion-api/chat-completion",
        keys=("WRITER_API_KEY",),
        base_var="WRITER_BASE_URL",
        quirks=_narrow(
            reasoning_request="none",
            widens=USUALLY_WIDER.union(_UNLINKED),  # recorded: its own client sends no call ids
        ),
        also={"openai_completions": _USUAL},
        models=("palmyra-*",),
    ),
    Vendor(
        name="zai",
        title="Z.ai",
        base_url="https://api.z.ai/api/paas/v4",
        path="/api/paas/v4",
        page="https://docs.z.ai/api-reference/llm/chat-completion",
        keys=("ZAI_API_KEY",),
        base_var="ZAI_BASE_URL",
        quirks=_narrow(reasoning_request="thinking"),
        models=("glm-*",),
        known=("glm-4.7", "glm-5.2", "glm-5.3"),
    ),
    Vendor(
        name="crusoe",
        title="Crusoe",
        base_url="https://api.inference.crusoecloud.com/v1",
        page="https://docs.crusoecloud.com",
        keys=("CRUSOE_API_KEY",),
        base_var="CRUSOE_BASE_URL",
        quirks=_narrow(),
    ),
)

_RANKING: Final = (
    # Its compatibility API (/compatibility/v1, `dialect: openai_chat`) has no citations, no documents and no
    # thinking of a stated length: https://docs.cohere.com/docs/compatibility-api.
    Vendor(
        name="cohere",
        title="Cohere",
        dialect="cohere",
        base_url="https://api.cohere.com/v2",
        path="/v2",
        appends=True,
        page="https://docs.cohere.com/reference/chat",
        keys=("COHERE_API_KEY", "CO_API_KEY"),
        base_var="COHERE_BASE_URL",
        bases={"models": "/v1"},  # https://docs.cohere.com/reference/list-models
        models=("command-*", "c4ai-aya-*", "embed-*-v[234].0", "embed-v4.0", "rerank-v*", "rerank-*-v[23].0"),
    ),
    Vendor(
        name="jina",
        title="Jina AI",
        base_url="https://api.jina.ai/v1",
        page="https://api.jina.ai/redoc",
        keys=("JINA_API_KEY",),
        base_var="JINA_BASE_URL",
        models=("jina-embeddings-*", "jina-reranker-*", "jina-clip-*", "jina-colbert-*"),
    ),
    Vendor(
        name="voyage",
        title="Voyage AI",
        base_url="https://api.voyageai.com/v1",
        page="https://docs.voyageai.com/reference/reranker-api",
        keys=("VOYAGE_API_KEY",),
        base_var="VOYAGE_BASE_URL",
        quirks=Quirks(ranking="voyage"),
        models=("voyage-*", "rerank-2*", "rerank-lite-*"),
    ),
)

# The paths of Claude: anthropics/anthropic-sdk-python, `lib/bedrock` of version 2.12.0.
_CLAUDE_AT_BEDROCK: Final = ApiRow(
    path="/model/{model}/invoke",
    stream="/model/{model}/invoke-with-response-stream",
    quirks=Quirks(
        body_version="bedrock-2023-05-31", stream_member=False, server_tools=False, media_urls=False
    ),
    models=("anthropic.claude-*", "*.anthropic.claude-*", "arn:*anthropic.claude-*"),
)

_CLOUDS: Final = (
    Vendor(
        name="bedrock",
        title="Amazon Bedrock",
        base_url="https://bedrock-runtime.us-east-1.amazonaws.com",
        page="https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html",
        dialect="bedrock",
        path="",
        keys=("AWS_BEARER_TOKEN_BEDROCK",),
        base_var="AWS_ENDPOINT_URL_BEDROCK_RUNTIME",
        region="us-east-1",
        region_vars=("AWS_REGION", "AWS_DEFAULT_REGION"),
        access_key=("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"),
        quirks=Quirks(media_urls=False, counts=True, widens=frozenset()),
        also={"anthropic": _CLAUDE_AT_BEDROCK},
        # The ids of models, and of inference profiles, which begin with the region's group.
        models=(
            *("anthropic.claude-*", "amazon.nova-*", "amazon.titan-text-*", "meta.llama*", "mistral.*"),
            *("us.*", "eu.*", "apac.*", "jp.*", "au.*", "ca.*", "global.*", "us-gov.*", "arn:aws*:bedrock:*"),
        ),
        known=("global.anthropic.claude-sonnet-4-5-20250929-v1:0", "us.amazon.nova-2-lite-v1:0"),
    ),
)

_OWN_MACHINE: Final = (
    Vendor(
        name="ollama",
        title="Ollama",
        base_url="http://localhost:11434/v1",
        page="https://docs.ollama.com/api/openai-compatibility",
        base_var="OLLAMA_HOST",
        host_port=11434,
        quirks=Quirks(
            functions=False,
            max_tokens_field="max_tokens",
            developer_role=False,
            media_urls=False,
            forced_calls=False,  # `tool_choice` is not among the supported fields
            widens=USUALLY_WIDER.union(_ENDLESS),  # -1 means no limit
        ),
        # Its own protocol has other paths than the protocols that it offers for the clients of others.
        also={
            "openai_responses": _USUAL,
            "anthropic": _USUAL,
            "ollama": ApiRow(drops="/v1"),
            "openai_completions": _USUAL,
        },
    ),
    Vendor(
        name="vllm",
        title="vLLM",
        base_url="http://localhost:8000/v1",
        page="https://docs.vllm.ai/en/latest/serving/openai_compatible_server.html",
        quirks=Quirks(
            functions=False,
            developer_role=False,
            extensions=frozenset({"min_p", "repetition_penalty", "top_k"}),
        ),
        also={"openai_responses": _USUAL, "anthropic": _USUAL, "openai_completions": _USUAL},
    ),
    Vendor(
        name="llamacpp",
        title="llama.cpp server",
        base_url="http://localhost:8080/v1",
        page="https://github.com/ggml-org/llama.cpp/blob/master/tools/server/README.md",
        quirks=Quirks(
            functions=False,
            developer_role=False,
            extensions=frozenset({"min_p", "repeat_penalty", "top_k", "typical_p"}),
            widens=USUALLY_WIDER.union(_ENDLESS),  # -1 means no limit, as in its `n_predict`
        ),
        also={"openai_responses": _USUAL, "anthropic": _USUAL, "openai_completions": _USUAL},
    ),
    Vendor(
        name="lmstudio",
        title="LM Studio",
        base_url="http://localhost:1234/v1",
        page="https://lmstudio.ai/docs/developer/openai-compat",
        quirks=Quirks(
            functions=False,
            max_tokens_field="max_tokens",
            developer_role=False,
            extensions=frozenset({"repeat_penalty", "top_k"}),
            widens=USUALLY_WIDER.union(_ENDLESS),  # -1 in the examples of its page
        ),
        also={"openai_responses": _USUAL, "anthropic": _USUAL, "openai_completions": _USUAL},
    ),
)


CATALOG: Final[Mapping[str, Vendor]] = MappingProxyType(
    {vendor.name: vendor for vendor in _CLOUD + _CLOUDS + _RANKING + _OWN_MACHINE}
)
"""Every known vendor by name, in the order of the documentation."""


def unconfigured(model: str, providers: Mapping[str, str | None]) -> str | None:
    """A hint for a person who asked for an unknown model. It names the environment variable or setting that
    adds the model's vendor, or, for `vendor/model`, the provider that is configured for this vendor under
    another name. None = no hint, for example because no known vendor has the model.

    model: `provider/model`, or a bare name, which belongs to the first vendor with a fitting pattern.
    providers: the configured providers, {name: name of the vendor in the catalogue, or None}.
    """
    name, slash, rest = model.partition("/")
    vendor = CATALOG.get(name) if slash else next((v for v in CATALOG.values() if v.owns(model)), None)
    if vendor is None or vendor.name in providers:
        return None
    named = [provider for provider, row in providers.items() if row == vendor.name]
    if named:
        return f"{vendor.name} is configured as {named[0]}: write {named[0]}/{rest}" if slash else None
    way = f"set {vendor.keys[0]}" if vendor.keys else f"write providers.{vendor.name}"
    if vendor.account and vendor.base_var:
        way = f"set {vendor.base_var} and {vendor.keys[0]}"
    return f"{vendor.name} is not configured: {way}"
