"""Every file that LiteLLM accepts becomes a configuration that the check accepts, and each model that is left
out is named.

LiteLLM accepts nearly every value, so the files here have values of every type, and names of every form.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from dragoman.assembly.names import naming, refuse_unknown
from dragoman.config.litellm import convert
from dragoman.config.load import load

PLAIN = st.sampled_from(("a", "b", "c", "gpt-4o"))
NAMES = PLAIN | st.sampled_from(
    (
        *("openai/gpt-4o", "groq/llama", "local/x", "simulate/x", "a/b/c", "a:b", " a", "", "group:x", "é"),
        *("*", "openai/*", "anthropic/*", "claude-*", "*/x*", "a (deployments)"),
    )
)
MODELS = st.sampled_from(
    (
        *("openai/gpt-4o", "groq/llama", "gpt-4o", "claude-3", "openai/responses/gpt-5", "openai//m"),
        *("azure/dep", "azure/", "azure/responses/gpt-5", "bedrock/x", "bedrock/eu-west-1/x", "cohere/c"),
        *("ollama/l:8b", "hosted_vllm/q", "gemini/gemini-2.5-flash", "openrouter/a/b:free", "mistral/x"),
        *("vertex_ai/gemini-2.5-pro", "vertex_ai/claude-x@1", "vertex_ai/meta/x-maas", "vertex_ai/mistral-x"),
        *(
            "vertex_ai/*",
            "vertex_ai_beta/gemini/1",
            "gemini-2.5-flash",
            "cloudflare/@cf/meta/x",
            "deepgram/nova-3",
        ),
        *("sagemaker/x", "vertex_ai/x", "zhipu/g", "openai/", "/x", "x/", "local/x", "elevenlabs/x"),
        *("*", "openai/*", "anthropic/claude-*", "os.environ/MODEL", "openai/os.environ/MODEL"),
    )
)
BASES = st.sampled_from(
    (
        *("https://h.example.com/v1", "http://localhost:8080/v1", "http://0.0.0.0:8080", "http://[::1]:8080"),
        *("os.environ/BASE_URL", "<your-base>", "", "localhost:8000", "http://exa mple.com", 5, None),
        *(
            "https://user:pw@h.example.com",
            "https://h.example.com/v1?x=1",
            "https://api.openai.com",
            "ftp://x",
        ),
        "https://one.openai.azure.com/openai/deployments/x/chat/completions?api-version=2024-02-01",
        *("https://h.example.com/v1/chat/completions", "https://local/v1"),
    )
)
KEYS = st.sampled_from(
    ("os.environ/KEY", "sk-1", "", "none", "null", "Bearer sk-x", "a b", "<key>", 5, None, True, "${X}")
)
NUMBERS = st.sampled_from(
    (0, 1, -1, 0.5, 600, 10**6, 10**9, 1e-9, 1e-18, float("inf"), float("nan"), "10", "x", None, True)
)
DURATIONS = st.sampled_from(("30d", "1d", "1mo", "5h", "x", 5, None))
HEADERS = st.sampled_from(
    ({"x": "os.environ/H"}, {"Authorization": "z"}, {"bad name": "x"}, {"host": "x"}, {"x": "a\nb"}, "x")
)
TAGS = st.sampled_from((["x"], "x", [], ["default"], ["a b", "c"], [1], [""]))
PLACES = st.sampled_from(("p", "us-east5", "os.environ/P", "os.environ/R", "a b", "", 5, None))
FILES_OF_KEYS = st.sampled_from((__file__, "os.environ/FILE", '{"a": 1}', {"a": 1}, " ", None))
COSTS = NUMBERS | st.sampled_from((1e-6, 300, "0.1"))
PARAMS = st.fixed_dictionaries(
    {"model": MODELS},
    optional={
        **dict.fromkeys(("api_base", "base_url"), BASES),
        **dict.fromkeys(("rpm", "tpm", "weight", "order", "timeout", "stream_timeout"), NUMBERS),
        **dict.fromkeys(("max_parallel_requests", "max_budget", "max_tokens", "temperature"), NUMBERS),
        **dict.fromkeys(("headers", "extra_headers"), HEADERS),
        **dict.fromkeys(("input_cost_per_token", "output_cost_per_token"), COSTS),
        **dict.fromkeys(("output_cost_per_second", "cache_read_input_token_cost"), COSTS),
        "api_key": KEYS,
        "budget_duration": DURATIONS,
        "tags": TAGS,
        "api_version": st.sampled_from(("2024-02-01", "", "v1", "x y", 2024, "os.environ/V")),
        "aws_region_name": st.sampled_from(("us-east-1", "", "os.environ/R")),
        **dict.fromkeys(("vertex_project", "vertex_ai_project"), PLACES),
        **dict.fromkeys(("vertex_location", "vertex_ai_location"), PLACES),
        "vertex_credentials": FILES_OF_KEYS,
        "custom_llm_provider": st.sampled_from(("openai", "azure", "x", 5, "")),
        "extra_body": st.sampled_from(({"a": 1}, {"model": "x"}, "x")),
        "litellm_credential_name": st.sampled_from(("one", "gone")),
        "organization": st.sampled_from(("org", 5)),
        "ssl_verify": st.booleans(),
    },
)
INFO = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(("max_input_tokens", "max_output_tokens"), NUMBERS),
        "base_model": st.sampled_from(("azure/gpt-4o", "gpt-4o", "", "azure/", 5)),
        "supports_vision": st.booleans(),
        "access_groups": st.sampled_from((["g"], "g", ["a b"], ["group:x"], [""], [5])),
    },
)
ENTRY = st.fixed_dictionaries({"model_name": NAMES, "litellm_params": PARAMS}, optional={"model_info": INFO})
ALIASES = st.dictionaries(
    NAMES | st.sampled_from(("x", "y")),
    NAMES | st.sampled_from(("x", "gone", None, 5, ["a"], {"model": "a", "hidden": True}, {"hidden": True})),
    max_size=3,
)
OTHERS = NAMES | st.sampled_from(("x", "gone"))
CHAINS = st.lists(st.dictionaries(OTHERS, st.lists(OTHERS, max_size=3), max_size=2) | OTHERS, max_size=3)
GENERAL = st.fixed_dictionaries(
    {},
    optional={
        **dict.fromkeys(
            ("num_retries", "retry_after", "timeout", "request_timeout", "stream_timeout"), NUMBERS
        ),
        **dict.fromkeys(("allowed_fails", "cooldown_time", "default_max_parallel_requests"), NUMBERS),
        **dict.fromkeys(("global_max_parallel_requests", "max_budget", "max_end_user_budget"), NUMBERS),
        **dict.fromkeys(("fallbacks", "context_window_fallbacks", "content_policy_fallbacks"), CHAINS),
        "budget_duration": DURATIONS,
        **dict.fromkeys(("vertex_project", "vertex_location"), PLACES),
        "default_fallbacks": st.lists(OTHERS, max_size=3),
        "model_group_alias": ALIASES,
        "routing_strategy": st.sampled_from(
            ("simple-shuffle", "least-busy", "cost-based-routing", "x", None)
        ),
        "enable_tag_filtering": st.booleans(),
        "disable_cooldowns": st.booleans(),
        "master_key": KEYS,
    },
)
FILES = st.fixed_dictionaries(
    {"model_list": st.lists(ENTRY, max_size=5)},
    optional={
        **dict.fromkeys(("router_settings", "litellm_settings", "general_settings"), GENERAL),
        "credential_list": st.fixed_dictionaries({"api_key": KEYS, "api_base": BASES}).map(
            lambda values: [{"credential_name": "one", "credential_values": values}]
        ),
        "environment_variables": st.dictionaries(
            st.sampled_from(
                (
                    *("KEY", "BASE_URL", "OPENAI_API_BASE", "GEMINI_API_BASE", "OPENAI_API_KEY"),
                    *("VERTEXAI_PROJECT", "VERTEXAI_LOCATION", "CLOUDFLARE_ACCOUNT_ID"),
                )
            ),
            st.sampled_from(("x", "https://e.example.com/v1", 5, "os.environ/Z", "a$b", None)),
        ),
    },
)


def one(name: str, model: str, **params: Any) -> dict[str, Any]:
    return {"model_name": name, "litellm_params": {"model": model, **params}}


OWN_NAME = {"model_list": [one("groq/llama", "groq/llama", temperature=0.5)]}
ONTO_ITSELF = {
    "model_list": [one("a", "groq/x", seed=1), one("b", "groq/x", seed=2)],
    "router_settings": {"model_group_alias": {"x": "a"}, "fallbacks": [{"a": ["b", "x"]}, {"x": ["a", "b"]}]},
}
LEFT_OUT = {
    "model_list": [one("a", "sagemaker/x"), one("b", "groq/x")],
    "router_settings": {"model_group_alias": {"x": "a", "b": "a"}, "fallbacks": [{"b": ["x", "a"]}]},
}
APART = {"model_list": [one("a", "groq/x", rpm=1), one("b", "groq/x", rpm=2), one("b", "groq/x", rpm=3)]}


@settings(suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(FILES)
@example(OWN_NAME)
@example(ONTO_ITSELF)
@example(LEFT_OUT)
@example(APART)
def test_the_check_accepts_what_becomes_of_a_file(theirs: dict[str, Any]) -> None:
    converted = convert(theirs)
    found = load(converted.settings, environ(converted.settings))
    refuse_unknown(found, naming(found, local=()))
    said = " ".join(f"{note.path} {note.text}" for note in converted.notes)
    for index, entry in enumerate(theirs["model_list"]):
        name = entry["model_name"]
        kept = name in found.config.models or name in found.config.aliases
        assert kept or name in said or f"model_list[{index}]" in said


def environ(written: Mapping[str, Any]) -> dict[str, str]:
    """A value for each variable in settings, of the form that its name says."""
    forms = {"BASE_URL": "https://base.example.com/v1", "V": "2024-10-21", "R": "us-east-1"}
    forms |= {"FILE": __file__, "P": "a-project", "VERTEXAI_PROJECT": "a-project", "Z": "us-east-1"}
    names = re.findall(r"\$\{(\w+)\}", str(written))
    return {
        name: forms.get(name, "https://base.example.com" if name.endswith("BASE") else "sk-0123456789abcdef")
        for name in names
    }
