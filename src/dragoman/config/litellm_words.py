"""LiteLLM's names of settings and providers, each with what Dragoman has instead of it. Data for `litellm`.

https://docs.litellm.ai/docs/proxy/config_settings, https://docs.litellm.ai/docs/providers
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from dragoman.dialects.facts import Capability

SECTIONS: Final = frozenset(
    {"model_list", "litellm_settings", "general_settings", "router_settings", "environment_variables"}
)
UNKNOWN: Final = "has no counterpart that is known here: nothing is written for it"

VENDORS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **{
            name: name
            for name in (
                *("openai", "anthropic", "gemini", "mistral", "groq", "deepseek", "xai", "openrouter"),
                *("cerebras", "perplexity", "dashscope", "siliconflow", "huggingface", "writer", "zai"),
                *("cohere", "voyage", "ollama", "vllm", "bedrock", "azure", "moonshot", "minimax", "nebius"),
                *("sambanova", "deepinfra", "novita", "baseten", "hyperbolic", "volcengine", "scaleway"),
                *("cloudflare", "deepgram", "elevenlabs"),
            )
        },
        **dict.fromkeys(("vertex_ai", "vertex_ai_beta"), "vertex"),
        "text-completion-openai": "openai",
        "anthropic_text": "anthropic",
        "codestral": "mistral",
        "together_ai": "together",
        "fireworks_ai": "fireworks",
        "cohere_chat": "cohere",
        "jina_ai": "jina",
        "ollama_chat": "ollama",
        "hosted_vllm": "vllm",
        "lm_studio": "lmstudio",
        "nvidia_nim": "nvidia",
        "featherless_ai": "featherless",
        "vercel_ai_gateway": "vercel",
        "docker_model_runner": "docker",
    }
)
"""By LiteLLM's name of a provider: the name of its row in `CATALOG`."""

_SAGEMAKER: Final = "SageMaker is not spoken here"
_AWS: Final = "here: region and keys of providers.NAME; a key is ID:SECRET or ID:SECRET:SESSION_TOKEN"
_GOOGLE: Final = "here: project, region and credential of a provider vertex"
NOT_SPOKEN: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("sagemaker", "sagemaker_chat"), _SAGEMAKER),
        "bedrock_mantle": "here: a provider with `catalog: bedrock-mantle` and a Bedrock API key in `keys`",
        "replicate": "Replicate's protocol is not spoken here",
        "watsonx": "watsonx is not spoken here",
        "palm": "PaLM is no more",
        "auto_router": "no model is chosen by what is asked here",
        "github_copilot": "Copilot's sign-in is not spoken here",
    }
)
VARIABLE_MODEL: Final = "the variable must hold the model's own name, without LiteLLM's name of its provider"
NOT_KNOWN: Final = "no vendor of this name is known here, and no api_base is stated"

ADDRESSES: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "openai": ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
        "text-completion-openai": ("OPENAI_BASE_URL", "OPENAI_API_BASE"),
        "anthropic": ("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"),
        "anthropic_text": ("ANTHROPIC_API_BASE", "ANTHROPIC_BASE_URL"),
        "huggingface": ("HF_API_BASE", "HUGGINGFACE_API_BASE"),
        "ollama_chat": ("OLLAMA_API_BASE",),
        "cohere_chat": ("COHERE_API_BASE",),
        "fireworks_ai": ("FIREWORKS_API_BASE",),
        "featherless_ai": ("FEATHERLESS_API_BASE",),
        **{
            name: (f"{name.upper()}_API_BASE",)
            for name in (
                *("gemini", "mistral", "groq", "deepseek", "xai", "openrouter", "cerebras", "perplexity"),
                *("dashscope", "cohere", "ollama", "vllm", "hosted_vllm", "lm_studio", "nvidia_nim"),
                *("moonshot", "nebius", "sambanova", "deepinfra", "novita", "baseten", "hyperbolic"),
                *("volcengine", "codestral", "together_ai", "vercel_ai_gateway"),
            )
        },
    }
)
"""By LiteLLM's name of a provider: the environment variables in which LiteLLM looks for the base URL of
deployments that state none. The first one that is set counts.
"""

BARE: Final = tuple(
    (re.compile(pattern), vendor)
    for pattern, vendor in (
        (
            r"(?:gpt|chatgpt|o\d|text-embedding|text-moderation|omni|dall-e|whisper|tts|davinci|babbage|ft:)",
            "openai",
        ),
        (r"claude", "anthropic"),
        (r"(?:command|embed-|rerank-)", "cohere"),
        (r"gemini", "vertex_ai"),
    )
)
"""The provider that LiteLLM uses for a model name without a provider, by a pattern of the name."""

INNER: Final = frozenset({"responses", "o_series", "gpt5_series", "chat"})
"""Further prefixes that LiteLLM allows between the provider and the model name."""

OF_ACCOUNT: Final = frozenset(
    {
        *("model", "api_key", "api_base", "api_version", "base_url", "custom_llm_provider", "extra_headers"),
        *("headers", "organization", "timeout", "stream_timeout", "ssl_verify", "order", "weight"),
        "max_parallel_requests",
    }
)
DEFAULTS: Final = frozenset(
    {
        *("temperature", "top_p", "max_tokens", "max_completion_tokens", "frequency_penalty", "stop", "seed"),
        *("presence_penalty", "n", "user", "reasoning_effort", "response_format", "logit_bias", "tools"),
        *("tool_choice", "parallel_tool_calls", "verbosity", "service_tier", "thinking", "top_k"),
        *("min_p", "repetition_penalty"),
    }
)
"""Parameters of `litellm_params` that are request defaults."""

SUPPORTS: Final[Mapping[str, Capability]] = MappingProxyType(
    {
        "supports_function_calling": "tools",
        "supports_vision": "images",
        "supports_audio_input": "audio",
        "supports_pdf_input": "documents",
        "supports_response_schema": "structured",
        "supports_reasoning": "reasoning",
    }
)
"""Capabilities by LiteLLM's names for them, in its configuration and in its list of models."""

CAUSES: Final[Mapping[str, str]] = MappingProxyType(
    {"fallbacks": "any", "context_window_fallbacks": "context", "content_policy_fallbacks": "content"}
)
"""By the name of a setting with fallbacks: the failures after which these fallbacks are asked, in Dragoman's
words.
"""

LIMITED: Final = "here: limits of the deployment; if one is reached, the next deployment is asked"
_LIMITS: Final = "here: limits of a deployment; this value has no meaning there"
PRICED: Final = "here: price of the deployment"
TINY: Final = "a cost below a billionth of a USD for a million tokens counts as 0 here"
HALF_PRICE: Final = (
    "a price needs both input and output here: left out; the packaged price counts, if there is one"
)
_BUDGETS: Final = "here: limits; a budget is for a part of a day, a day, a week, a month or all time"
_CACHE: Final = "answers are not cached here"
_CALLBACKS: Final = (
    "no logging services are called here; /metrics is for Prometheus, the access log on a pipe is JSON,"
    " and hooks of the library see all"
)
_PEOPLE: Final = "here: `dragoman keys`, `teams` and `users`, or auth.keys, teams and users of the file"
_DATABASE: Final = "here: stores.sql; `dragoman import litellm --database URL` takes over keys and teams"
_ALERTS: Final = "here: alerts, signed webhooks; GET /health tells of the providers"
_STRATEGY: Final = "of a strategy nothing but its name is read: models.NAME.policy"
_COOLDOWN: Final = (
    "here: breaker.failures and breaker.pause; the defaults fit, and a failed deployment is asked last"
)
_ENTRA: Final = "here: a token of Entra is a key; keys: [{file: /run/token}] reads it again when it changes"
_SIGN_IN: Final = "no tokens of others are taken; auth.keys are the keys"
_RESOURCES: Final = "providers.NAME.passthrough lets files and batches pass; other paths do not"

TOGETHER: Final = "here: concurrency of each model, or of the provider of its deployment"
_CHECKS: Final = "here: providers.NAME.check, by the list of models; GET /health tells of the providers"

PARAMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        **dict.fromkeys(("rpm", "tpm"), _LIMITS),
        **dict.fromkeys(("num_retries", "max_retries"), "retries are general here: retries.attempts"),
        **dict.fromkeys(("max_budget", "budget_duration"), _BUDGETS),
        **dict.fromkeys(("tenant_id", "client_id", "client_secret"), _ENTRA),
        "tags": "LiteLLM does not route by tags without enable_tag_filtering; here: when of a deployment",
        "mock_response": "the provider simulate makes up answers: use: simulate/echo",
        "drop_params": "the default here, and what is dropped is named",
        "additional_drop_params": "providers.NAME.quirks has refused fields",
        "allowed_openai_params": "nothing to set: known fields are sent where a provider takes them",
        "use_in_pass_through": _RESOURCES,
        "merge_reasoning_content_in_choices": "reasoning stays apart from the answer",
        "azure_ad_token": _ENTRA,
        "cache_control_injection_points": "no marks for caching are put in here",
        "litellm_credential_name": "keys stand with their provider: providers.NAME.keys",
        "keep_alive": "a member of Ollama's own: models.NAME.body",
    }
)

INFO: Final[Mapping[str, str]] = MappingProxyType(
    {
        "max_tokens": "context_window and max_output of models.NAME say what a model has",
        "access_groups": "here: groups; a key names one as `group:NAME`",
        "health_check_model": "nothing to set: models are not called to see whether they answer",
        "mode": "nothing to set: the path that is asked says it",
        "team_id": "in LiteLLM only this team may use it; here every key may, unless its `models` says no",
        "team_public_model_name": "the name for a team; here aliases are names for everybody",
    }
)

DONE: Final = frozenset({"access_groups"})
"""Those of `INFO` of which nothing is left to do."""

SETTINGS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "routing_strategy_args": _STRATEGY,
        **dict.fromkeys(("cooldown_time", "allowed_fails", "allowed_fails_policy"), _COOLDOWN),
        "disable_cooldowns": _COOLDOWN,
        "max_parallel_requests": "here: concurrency of models.NAME or providers.NAME; none by client",
        "global_max_parallel_requests": "here: server.max_requests",
        "default_max_parallel_requests": TOGETHER,
        "tag_filtering_match_any": "one of the tags is enough here: when of a deployment",
        "max_fallbacks": "here: retries.max_attempts bounds all attempts of a request",
        **dict.fromkeys(("success_callback", "failure_callback", "callbacks"), _CALLBACKS),
        **dict.fromkeys(("service_callback", "service_callbacks"), _CALLBACKS),
        **dict.fromkeys(("max_budget", "budget_duration", "max_internal_user_budget"), _BUDGETS),
        **dict.fromkeys(("default_internal_user_params", "upperbound_key_generate_params"), _PEOPLE),
        "default_key_generate_params": _PEOPLE,
        **dict.fromkeys(("health_check_interval", "background_health_checks"), _CHECKS),
        **dict.fromkeys(("enable_jwt_auth", "litellm_jwtauth"), _SIGN_IN),
        **dict.fromkeys(("pass_through_endpoints", "files_settings", "finetune_settings"), _RESOURCES),
        **dict.fromkeys(("proxy_batch_write_at", "allow_requests_on_db_unavailable"), _DATABASE),
        "fallbacks": "here: models.NAME.fallbacks",
        "default_fallbacks": "here: models.NAME.fallbacks of every model",
        "context_window_fallbacks": "here: models.NAME.fallbacks.context",
        "content_policy_fallbacks": "here: models.NAME.fallbacks.content",
        "model_group_alias": "here: aliases",
        "num_retries": "here: retries.attempts",
        "drop_params": "the default here, and what is dropped is named; strict: true refuses instead",
        "modify_params": "nothing to set: messages are adapted to each provider, and what is lost is named",
        "set_verbose": "nothing to set: the access log has a line for each request",
        "json_logs": "nothing to set: on a pipe the access log is JSON",
        "request_timeout": "here: providers.NAME.timeouts",
        "telemetry": "nothing to set: nothing is sent to anybody",
        "enable_pre_call_checks": "here: context_window of models.NAME",
        "retry_after": "nothing to set: a provider's Retry-After is kept to",
        "retry_policy": "what is tried again follows from the kind of the failure",
        "store_model_in_db": "models stand in this file",
        "store_prompts_in_spend_logs": "what was said is never logged",
        "disable_spend_logs": "usage is always recorded; usage.keep says for how long",
        "master_key": "here: auth.keys",
        "salt_key": "not needed: of keys in the database only hashes are kept",
        "turn_off_message_logging": "nothing to set: what was said is never logged",
        "cache": _CACHE,
        "guardrails": "there are no guardrails here; hooks of the library may change or refuse requests",
        "custom_auth": "hooks of the library see requests; callers are known by auth.keys",
        "ssl_verify": "here: providers.NAME.verify_tls",
        "forward_client_headers_to_llm_api": "headers that belong to a protocol pass by themselves",
        "public_routes": "health needs no key; every other path does",
        "mcp_servers": "tools of MCP servers are called by clients or providers, not here",
        "include": "other files are not read along: convert each",
        "vector_store_registry": "there are no vector stores here but the provider's own (passthrough)",
        "search_tools": "there are no search tools here",
        "prompts": "no prompts are kept here",
        "credential_list": "keys stand with their provider: providers.NAME.keys",
        "general_settings": "here: auth, server and stores",
    }
)


POLICIES: Final[Mapping[str, str]] = MappingProxyType(
    {
        "simple-shuffle": "weighted",
        "least-busy": "least_busy",
        "latency-based-routing": "latency",
        "cost-based-routing": "cost",
        "usage-based-routing": "least_busy",
        "usage-based-routing-v2": "least_busy",
    }
)
"""By LiteLLM's routing strategy: Dragoman's policy that is most similar to it."""
SHARES: Final = ("weight", "rpm", "tpm")
"""The parameters by which LiteLLM's `simple-shuffle` weighs deployments. The first one that is stated counts.
"""

_BEGINNINGS: Final = (
    (("langfuse", "langsmith", "datadog", "otel", "arize", "posthog", "prometheus", "sentry"), _CALLBACKS),
    (("redis_",), "not needed: nothing is shared by Redis"),
    (("database_", "proxy_budget_"), _DATABASE),
    (("cache_", "ttl"), _CACHE),
    (("alert", "slack"), _ALERTS),
    (("ui_", "sso", "disable_admin"), "there are no pages to administer it"),
    (("s3_",), _CALLBACKS),
    (("aws_",), _AWS),
    (("vertex_",), _GOOGLE),
    (("azure_",), _ENTRA),
    (("user_", "team_", "default_team", "internal_"), _PEOPLE),
    (("input_cost", "output_cost"), "no price here has this unit: prices"),
)


def of_setting(name: str) -> str:
    """Return a text about what Dragoman has instead of one of LiteLLM's settings; `UNKNOWN` = nothing is
    known about this name.
    """
    if name in SETTINGS:
        return SETTINGS[name]
    return next((text for begins, text in _BEGINNINGS if name.startswith(begins)), UNKNOWN)
