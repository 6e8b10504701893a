"""LiteLLM's configuration as ours: the forms in which people write it, each loaded."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest
import yaml

from dragoman.config.litellm import Converted, convert, in_yaml, is_litellms, lines
from dragoman.config.load import Loaded, load

OLLAMA = """
model_list:
  - model_name: small
    litellm_params: {model: "ollama/llama3:8b", api_base: "http://localhost:11434"}
  - model_name: elsewhere
    litellm_params: {model: "ollama_chat/llama3:8b", api_base: "http://ollama:11434"}
"""
WILDCARDS = """
model_list:
  - model_name: mini
    litellm_params: {model: gpt-5-mini}
  - model_name: "*"
    litellm_params: {model: "openai/*", api_key: os.environ/OPENAI_API_KEY}
  - model_name: "anthropic/*"
    litellm_params: {model: "anthropic/*", api_key: os.environ/ANTHROPIC_API_KEY}
  - model_name: "together_ai/*"
    litellm_params: {model: "together_ai/*"}
  - model_name: "claude-*"
    litellm_params: {model: "anthropic/claude-*", api_key: os.environ/ANTHROPIC_API_KEY}
"""
AZURE = """
model_list:
  - model_name: gpt-4
    litellm_params: {model: azure/team-one, api_base: "https://one.openai.azure.com/",
      api_version: "2024-02-01", api_key: os.environ/AZURE_KEY_ONE, tpm: 20_000,
      timeout: 5, stream_timeout: 0.5, max_retries: 4}
  - model_name: gpt-4
    litellm_params: {model: azure/team-two, api_base: os.environ/AZURE_BASE,
      api_key: os.environ/AZURE_KEY_TWO}
    model_info: {base_model: azure/gpt-4o}
"""
FALLBACKS = """
model_list:
  - model_name: deep
    litellm_params: {model: "ollama/deepseek-r1:32b", api_base: "http://ollama:11434"}
  - model_name: cloud
    litellm_params: {model: openai/gpt-4o, api_key: os.environ/HUB_TOKEN, api_base: "https://hub.example.com/v1"}
  - model_name: last
    litellm_params: {model: mistral/mistral-small-latest}
general_settings: {master_key: os.environ/MASTER_KEY, database_url: os.environ/DATABASE_URL}
litellm_settings: {drop_params: true, request_timeout: 120, num_retries: 2, fallbacks: [{deep: [cloud]}]}
router_settings:
  default_fallbacks: [last]
  model_group_alias: {gpt-4: cloud, hidden: {model: deep, hidden: true}}
"""
UNSPOKEN = """
model_list:
  - model_name: there
    litellm_params: {model: sagemaker/some-endpoint, aws_region_name: us-east-1}
  - model_name: nowhere
    litellm_params: {model: zhipu/glm-4-flash, api_key: os.environ/ZHIPU_API_KEY}
  - model_name: google
    litellm_params: {model: vertex_ai/mistral-large@2407}
  - model_name: odd
  - model_name: here
    litellm_params: {model: zhipu/glm-4-flash, api_key: os.environ/ZHIPU_API_KEY, api_base: "https://glm.example.com"}
"""
DEFAULTS = """
model_list:
  - model_name: coder
    litellm_params: {model: openai//model, api_base: "http://localhost:30000/v1", api_key: no-key,
      max_tokens: 16384, drop_params: [tool_choice], merge_reasoning_content_in_choices: true}
  - model_name: pair
    litellm_params: {model: groq/llama-3.1-8b-instant, api_key: os.environ/GROQ_API_KEY,
      temperature: 0.2, order: 2}
    model_info: {max_input_tokens: 128000, max_output_tokens: 8192, supports_vision: false, mode: chat}
  - model_name: pair
    litellm_params: {model: openrouter/meta-llama/llama-3:free, order: 1, extra_body: {safe: true}}
"""
KEYS = """
litellm_settings: {drop_params: True}
model_list:
  - model_name: gpt
    litellm_params: {model: gpt-4o, api_key: sk-one-of-two-keys}
    tpm: 20000
  - model_name: gpt
    litellm_params: {model: gpt-4o, api_key: sk-two-of-two-keys}
environment_variables: {REDIS_HOST: localhost, USED: the-value-of-used}
general_settings: {master_key: os.environ/USED}
"""
NO_MODELS = """
general_settings:
litellm_settings: {allowed_fails: 3, success_callback: [langfuse], langfuse_host: x}
router_settings: {routing_strategy: simple-shuffle, num_retries: 2, timeout: 6000}
"""
VARIABLES = """
model_list:
  - model_name: assistant
    litellm_params: {model: os.environ/MODEL, api_base: os.environ/BASE_URL, api_key: os.environ/KEY, rpm: 6}
"""
RESPONSES = """
model_list:
  - model_name: thinker
    litellm_params: {model: openai/responses/gpt-5, organization: org-1,
      extra_headers: {x-team: os.environ/TEAM}}
    model_info: {max_input_tokens: 400000, supports_reasoning: true}
  - model_name: local
    litellm_params: {model: hosted_vllm/qwen3, api_base: "http://10.0.0.5:8000", ssl_verify: false}
  - model_name: vectors
    litellm_params: {model: qwen-embed, custom_llm_provider: openai, api_base: "http://vectors:8000/v1"}
"""
FILES = {
    name: text
    for name, text in globals().items()
    if isinstance(text, str) and name.isupper() and text.startswith("\n")
}


def read(text: str) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load(text)
    return found


def told(converted: Converted) -> dict[str, str]:
    return {note.path: note.text for note in converted.notes}


@pytest.mark.parametrize("name", FILES)
def test_what_is_converted_loads(loaded: Callable[..., Loaded], name: str) -> None:
    theirs = read(FILES[name])
    assert is_litellms(theirs)
    settings, notes = convert(theirs)
    text = in_yaml(settings)
    assert "os.environ" not in text
    environ = dict.fromkeys(re.findall(r"\$\{(\w+)\}", text), "https://value.example.com")
    found = loaded(text, environ)
    written = {entry["model_name"] for entry in theirs.get("model_list", ())}
    answered = {*found.config.models, *found.config.aliases}
    left_out = " ".join(note.text for note in notes if "left out" in note.text)
    for model in written - answered:
        assert model.endswith("*") or f"of {model} is left out" in left_out or model == "odd"


@pytest.mark.parametrize("name", FILES)
def test_every_setting_is_told_and_no_key_is(name: str) -> None:
    theirs = read(FILES[name])
    converted = convert(theirs)
    paths = told(converted)
    for section in ("litellm_settings", "general_settings", "router_settings", "environment_variables"):
        for setting, value in (theirs.get(section) or {}).items():
            assert value is None or f"{section}.{setting}" in paths
    for index in range(len(theirs.get("model_list", ()))):
        assert any(path.startswith(f"model_list[{index}]") for path in paths)
    assert not any(secret in text for text in paths.values() for secret in ("sk-", "the-value-of"))


def test_providers_are_shared_and_named() -> None:
    assert convert(read(OLLAMA)).settings == {
        "providers": {
            "ollama": {"models": ["llama3:8b"]},
            "ollama-2": {
                "catalog": "ollama",
                "base_url": "http://ollama:11434",
                "keys": [],
                "models": ["llama3:8b"],
            },
        },
        "models": {"small": {"use": "ollama/llama3:8b"}, "elsewhere": {"use": "ollama-2/llama3:8b"}},
    }
    providers = convert(read(KEYS)).settings["providers"]
    assert [one["keys"] for one in providers.values()] == [["sk-one-of-two-keys"], ["sk-two-of-two-keys"]]


def test_azure_is_asked_in_the_version_that_litellm_asked() -> None:
    settings, notes = convert(read(AZURE))
    assert settings["providers"]["azure"] == {
        "base_url": "https://one.openai.azure.com",
        "api_version": "2024-02-01",
        "keys": ["${AZURE_KEY_ONE}"],
        "timeouts": {"first_byte": 0.5, "idle": 5},
        "models": ["team-one"],
    }
    assert settings["models"]["gpt-4"]["deployments"] == [
        {"use": "azure/team-one", "limits": {"tokens": "20000/min"}},
        "azure-2/team-two",
    ]
    assert settings["models"]["gpt-4"]["policy"] == "weighted"
    paths = {note.path.rpartition(".")[2] for note in notes if not note.done}
    assert paths == {"max_retries", "tpm of gpt-4"}
    assert settings["providers"]["azure-2"] == {
        "catalog": "azure",
        "base_url": "${AZURE_BASE}",
        "keys": ["${AZURE_KEY_TWO}"],
        "base_models": {"team-two": "gpt-4o"},
        "models": ["team-two"],
    }


BEDROCK = """
model_list:
  - model_name: claude
    litellm_params: {model: bedrock/converse/us.anthropic.claude-sonnet-4-5-20250929-v1:0,
      aws_region_name: us-west-2, aws_access_key_id: os.environ/AWS_ID,
      aws_secret_access_key: os.environ/AWS_SECRET}
  - model_name: nova
    litellm_params: {model: bedrock/eu-west-1/amazon.nova-lite-v1:0, aws_profile_name: dev}
  - model_name: titan
    litellm_params: {model: bedrock/amazon.titan-text-lite-v1}
"""


def test_bedrock_gets_its_region_and_its_access_key() -> None:
    settings, notes = convert(read(BEDROCK))
    assert settings["providers"] == {
        "bedrock": {
            "region": "us-west-2",
            "keys": ["${AWS_ID}:${AWS_SECRET}"],
            "models": ["us.anthropic.claude-sonnet-4-5-20250929-v1:0"],
        },
        "bedrock-2": {
            "catalog": "bedrock",
            "region": "eu-west-1",
            "models": ["amazon.nova-lite-v1:0"],
        },
        "bedrock-3": {"catalog": "bedrock", "models": ["amazon.titan-text-lite-v1"]},
    }
    assert [model["use"] for model in settings["models"].values()] == [
        "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        "bedrock-2/amazon.nova-lite-v1:0",
        "bedrock-3/amazon.titan-text-lite-v1",
    ]
    (note,) = (note for note in notes if not note.done)
    assert note.path.endswith("aws_profile_name")
    assert "ID:SECRET" in note.text
    access = {"AWS_ID": "AKIDEXAMPLE", "AWS_SECRET": "secret-of-a-good-length"}
    found = load(settings, environ=access)
    assert found.providers["bedrock"].base_url == "https://bedrock-runtime.us-west-2.amazonaws.com"


def test_wildcards() -> None:
    converted = convert(read(WILDCARDS))
    assert converted.settings["aliases"] == {"*": "openai/*"}
    assert converted.settings["providers"] == {
        "openai": {},
        "anthropic": {},
        "together_ai": {"catalog": "together"},
    }
    assert converted.settings["models"]["claude-*"] == {"use": "anthropic/claude-*"}


def test_a_pattern_with_several_stars_is_left_out() -> None:
    entry = {"model_name": "*/gpt-*", "litellm_params": {"model": "openai/*"}}
    converted = convert({"model_list": [entry]})
    assert "models" not in converted.settings
    assert "has one `*` here" in told(converted)["model_list[0].model_name"]


def test_several_entries_of_a_pattern_are_its_deployments() -> None:
    entries = [
        {"model_name": "gpt-*", "litellm_params": {"model": "openai/gpt-*", "temperature": 0.5}},
        {"model_name": "gpt-*", "litellm_params": {"model": "openrouter/openai/gpt-*"}},
    ]
    converted = convert({"model_list": entries})
    assert converted.settings["models"] == {
        "gpt-*": {
            "deployments": ["openai/gpt-*", "openrouter/openai/gpt-*"],
            "policy": "weighted",
            "defaults": {"temperature": 0.5},
        }
    }
    assert converted.settings["providers"] == {"openai": {}, "openrouter": {}}


def test_fallbacks_are_names_of_models() -> None:
    settings, _ = convert(read(FALLBACKS))
    assert settings["models"] == {
        "deep": {"use": "ollama/deepseek-r1:32b", "fallbacks": ["cloud", "last"]},
        "cloud": {"use": "hub-example-com/gpt-4o", "fallbacks": ["last"]},
        "last": {"use": "mistral/mistral-small-latest"},
    }
    assert settings["aliases"] == {"gpt-4": "cloud", "hidden": "deep"}
    assert settings["retries"] == {"attempts": 3}
    timeouts = {"first_byte": 120, "idle": 120}
    assert settings["providers"]["mistral"] == {"timeouts": timeouts, "models": ["mistral-small-latest"]}
    (key,) = settings["auth"]["keys"]
    assert key == {"name": "master", "key": "${MASTER_KEY}", "scopes": ["inference", "admin"]}


def test_each_cause_has_its_own_fallbacks() -> None:
    entries = [
        {"model_name": name, "litellm_params": {"model": f"openai/{name}", **more}}
        for name, more in (("a", {}), ("b", {"temperature": 0.5}), ("c", {}))
    ]
    causes = {
        "fallbacks": [{"a": ["b", "gone"]}, {"nobody": ["a"]}, {"b": ["a", "b"]}],
        "context_window_fallbacks": [{"a": ["c"]}],
        "content_policy_fallbacks": [{"a": ["gone"]}],
    }
    converted = convert({"model_list": entries, "router_settings": causes})
    settings = converted.settings
    assert settings["models"]["a"] == {"use": "openai/a", "fallbacks": {"any": ["b"], "context": ["c"]}}
    assert settings["models"]["b"]["fallbacks"] == ["a"]
    paths = told(converted)
    assert paths["fallbacks of a"] == "not converted: gone"
    assert "no model of this name" in paths["fallbacks of nobody"]


def test_what_is_not_spoken_is_left_out_by_name() -> None:
    converted = convert(read(UNSPOKEN))
    assert list(converted.settings["models"]) == ["here"]
    paths = told(converted)
    assert "SageMaker" in paths["model_list[0].litellm_params.model"]
    assert "Vertex" in paths["model_list[2].litellm_params.model"]
    assert "no model_name" in paths["model_list[3]"]
    assert converted.settings["providers"]["glm-example-com"]["base_url"] == "https://glm.example.com"


def spread(strategy: str | None, *params: str) -> Converted:
    """A model of three deployments, converted."""
    stated = "" if strategy is None else f"router_settings: {{routing_strategy: {strategy}}}"
    entries = [
        f"  - model_name: m\n    litellm_params: {{model: groq/{name}, {one}}}"
        for name, one in zip("abc", params, strict=True)
    ]
    return convert(read("\n".join(["model_list:", *entries, stated])))


def test_weights_become_weights() -> None:
    settings, _ = spread(None, "weight: 3", "weight: 1", "order: 1, weight: 1")
    assert settings["models"]["m"] == {
        "deployments": [
            {"use": "groq/a", "weight": 3},
            {"use": "groq/b", "weight": 1},
            {"use": "groq/c", "weight": 0},
        ],
        "policy": "weighted",
    }
    settings, _ = spread("simple-shuffle", "rpm: 600", "rpm: 60", "rpm: 6")
    assert [one["weight"] for one in settings["models"]["m"]["deployments"]] == [600, 60, 6]


def test_weights_that_only_some_state_are_named() -> None:
    converted = spread(None, "weight: 3", "seed: 1", "weight: 1")
    assert converted.settings["models"]["m"]["deployments"] == ["groq/a", "groq/b", "groq/c"]
    assert "equal shares" in told(converted)["weight of m"]
    assert "not needed" in told(spread("least-busy", "weight: 3", "weight: 1", "weight: 1"))["weight of m"]


@pytest.mark.parametrize(
    ("strategy", "policy", "text"),
    [
        ("simple-shuffle", "weighted", "here: policy: weighted"),
        ("least-busy", "least_busy", "here: policy: least_busy"),
        ("latency-based-routing", "latency", "here: policy: latency"),
        ("usage-based-routing-v2", "least_busy", "by tokens per minute"),
        ("dreamt-of", "weighted", "no policy like dreamt-of"),
    ],
)
def test_strategies_become_policies(strategy: str, policy: str, text: str) -> None:
    converted = spread(strategy, "rpm: 1", "rpm: 1", "rpm: 1")
    assert converted.settings["models"]["m"]["policy"] == policy
    assert text in told(converted)["router_settings.routing_strategy"]


def test_costs_become_prices() -> None:
    costs = "input_cost_per_token: 0.000003, output_cost_per_token: 0.000015"
    settings, _ = spread("cost-based-routing", costs, costs, "input_cost_per_token: 0.000003")
    assert settings["models"]["m"]["deployments"][1:] == [
        {"use": "groq/b", "price": {"input": 3, "output": 15}},
        "groq/c",
    ]
    one = f"model_list: [{{model_name: m, litellm_params: {{model: groq/a, {costs}}}}}]\n"
    settings, _ = convert(read(one + "router_settings: {routing_strategy: cost-based-routing}"))
    (priced,) = settings["models"]["m"]["deployments"]  # bills need the price, also where nothing is compared
    assert priced == {"use": "groq/a", "price": {"input": 3, "output": 15}}


def test_each_cost_is_told_with_its_price_or_as_left_out() -> None:
    converted = convert(
        read("""
model_list:
  - model_name: whole
    litellm_params: {model: groq/a, input_cost_per_token: 0.000003, cache_read_input_token_cost: null}
    model_info:
      output_cost_per_token: 0.000015
      search_context_cost_per_query: {search_context_size_medium: 0.01}
  - model_name: half
    litellm_params: {model: groq/b, input_cost_per_token: 0.000003, output_cost_per_pixel: 0.1}
""")
    )
    assert converted.settings["models"]["whole"]["deployments"] == [
        {"use": "groq/a", "price": {"input": 3, "output": 15, "web_search_requests": 10}}
    ]
    costs = {note.path: (note.text, note.done) for note in converted.notes if "cost" in note.path}
    kept = ("here: price of the deployment", True)
    assert costs == {
        "model_list[0].litellm_params.input_cost_per_token": kept,
        "model_list[0].model_info.output_cost_per_token": kept,
        "model_list[0].model_info.search_context_cost_per_query": kept,
        "model_list[1].litellm_params.input_cost_per_token": (
            "a price needs both input and output here: left out; the packaged price counts, if there is one",
            False,
        ),
        "model_list[1].litellm_params.output_cost_per_pixel": ("no price here has this unit: prices", False),
    }


def test_fallbacks_of_a_model_with_a_policy_are_fallbacks() -> None:
    settings, _ = convert(
        read("""
model_list:
  - {model_name: m, litellm_params: {model: groq/a}}
  - {model_name: m, litellm_params: {model: groq/b}}
  - {model_name: last, litellm_params: {model: groq/c}}
litellm_settings: {fallbacks: [{m: [last]}]}
""")
    )
    assert settings["models"]["m"]["deployments"] == ["groq/a", "groq/b"]
    assert settings["models"]["m"]["fallbacks"]


def test_parameters_of_requests_become_defaults() -> None:
    settings, _ = convert(read(DEFAULTS))
    assert settings["models"]["coder"] == {"use": "localhost//model", "defaults": {"max_tokens": 16384}}
    pair = settings["models"]["pair"]
    assert pair == {
        "defaults": {"temperature": 0.2},
        "deployments": [
            "openrouter/meta-llama/llama-3:free",
            {"use": "groq/llama-3.1-8b-instant", "context_window": 128000, "supports": {"images": False}},
        ],
        "body": {"safe": True},
    }


def test_what_a_model_has_is_stated() -> None:
    settings, _ = convert(read(RESPONSES))
    assert settings["models"]["thinker"] == {
        "use": "openai/gpt-5",
        "api": "openai_responses",
        "supports": {"reasoning": True},
        "context_window": 400000,
    }
    headers = {"x-team": "${TEAM}", "OpenAI-Organization": "org-1"}
    assert settings["providers"]["openai"] == {"headers": headers, "models": ["gpt-5"]}
    assert settings["providers"]["vllm"]["verify_tls"] is False
    assert settings["models"]["vectors"] == {"use": "vectors/qwen-embed"}


def test_values_of_the_file_itself_are_put_in() -> None:
    converted = convert(read(KEYS))
    assert converted.settings["auth"]["keys"][0]["key"] == "the-value-of-used"
    assert "nothing reads" in told(converted)["environment_variables.REDIS_HOST"]


def test_what_stands_here_instead_is_named() -> None:
    routed = "router_settings: {allowed_fails: 3, cooldown_time: 30}\n"
    said = told(convert(read(routed + "general_settings: {alerting: [slack]}\n")))
    assert "breaker.failures: 4" in said["router_settings.allowed_fails"]
    assert "breaker.pause" in said["router_settings.cooldown_time"]
    assert "alerts" in said["general_settings.alerting"]
    assert "/metrics" in told(convert(read(NO_MODELS)))["litellm_settings.success_callback"]


def test_alike_notes_are_one_line() -> None:
    notes = convert(read(NO_MODELS)).notes
    assert any(
        line.startswith("litellm_settings.success_callback, litellm_settings.langfuse_host: ")
        for line in lines(notes)
    )


def test_our_own_files_are_not_taken_for_theirs() -> None:
    assert not is_litellms({"providers": {}, "general_settings": {}})
    assert not is_litellms({"models": {}})


LIMITED = """
model_list:
  - {model_name: one, litellm_params: {model: groq/a, max_parallel_requests: 5}}
  - {model_name: pair, litellm_params: {model: groq/b, max_parallel_requests: 3, tags: [free]}}
  - {model_name: pair, litellm_params: {model: openai/c, max_parallel_requests: 4, tags: [paid]}}
  - {model_name: pair, litellm_params: {model: mistral/c, tags: [default]}}
  - {model_name: open, litellm_params: {model: mistral/d, tags: [vip], max_parallel_requests: 0}}
"""
ROUTER = (
    "router_settings: {enable_tag_filtering: true, default_max_parallel_requests: 20, cooldown_time: 30}\n"
)


def test_parallel_requests_become_concurrency(loaded: Callable[..., Loaded]) -> None:
    """Of a deployment that is alone at its model, of its provider, or of an entry of its own for that."""
    converted = convert(read(LIMITED))
    settings = converted.settings
    assert settings["models"]["one"] == {"use": "groq/a", "concurrency": 5}
    assert settings["providers"] == {
        "groq": {"models": ["a"]},
        "openai": {"concurrency": 4, "models": ["c"]},
        "mistral": {"models": ["c", "d"]},
        "groq-2": {"catalog": "groq", "concurrency": 3, "models": ["b"]},
    }
    assert settings["models"]["pair"]["deployments"] == ["groq-2/b", "openai/c", "mistral/c"]
    assert "concurrency of models.one" in told(converted)["max_parallel_requests of one"]
    keys = {f"{name}_API_KEY": "k" for name in ("GROQ", "OPENAI", "MISTRAL")}
    assert not loaded(in_yaml(settings), keys).warnings


def test_the_default_limits_what_states_none(loaded: Callable[..., Loaded]) -> None:
    settings, notes = convert(read(LIMITED + ROUTER))
    assert settings["providers"]["mistral-2"] == {"catalog": "mistral", "concurrency": 20, "models": ["c"]}
    assert "concurrency" not in settings["models"]["open"]
    assert settings["breaker"] == {"pause": 30}
    keys = {f"{name}_API_KEY": "k" for name in ("GROQ", "OPENAI", "MISTRAL")}
    assert not loaded(in_yaml(settings), keys).warnings
    assert [note.path for note in notes if not note.done] == ["tags of open"]


def test_tags_of_deployments_become_conditions() -> None:
    settings, _ = convert(read(LIMITED + ROUTER))
    assert [one["when"] for one in settings["models"]["pair"]["deployments"]] == [
        {"tags": ["free"]},
        {"tags": ["paid"]},
        {"without_tags": ["free", "paid"]},
    ]
    assert settings["models"]["open"]["deployments"] == [{"use": "mistral/d", "when": {"tags": ["vip"]}}]
    converted = convert(read(LIMITED))
    assert "when" in told(converted)["model_list[1].litellm_params.tags"]


def test_limits_of_all_requests() -> None:
    settings, _ = convert(
        read(
            "general_settings: {global_max_parallel_requests: 100}\n"
            "router_settings: {num_retries: 1, retry_after: 3, allowed_fails: 0}\n"
        )
    )
    assert settings == {
        "server": {"max_requests": 100},
        "retries": {"attempts": 2, "backoff": 3},
        "breaker": {"failures": 1},
    }


def test_limits_and_budgets_become_limits() -> None:
    text = """\
model_list:
  - model_name: fast
    litellm_params: {model: openai/gpt-5, api_key: sk-1, rpm: 60, max_budget: 5, budget_duration: 1d}
litellm_settings: {max_budget: 100, budget_duration: 30d}
"""
    settings, notes = convert(read(text))
    limits = {"requests": "60/min", "money": "5 USD/day"}
    assert settings["models"]["fast"] == {"deployments": [{"use": "openai/gpt-5", "limits": limits}]}
    assert settings["limits"] == {"litellm-budget": {"scope": "global", "money": "100 USD/month"}}
    done = {note.path for note in notes if note.done}
    assert {"model_list[0].litellm_params.rpm", "litellm_settings.max_budget"} <= done
    assert load(settings, {}).config.models["fast"].deployments[0].limits[0].requests[0].most == 60


def test_only_limits_that_are_converted_are_told_as_done() -> None:
    params = {"model": "openai/gpt-4o", "rpm": 0, "tpm": 5, "max_budget": 5, "budget_duration": "90d"}
    budgets = {"max_budget": 5, "max_internal_user_budget": 3, "internal_user_budget_duration": "90d"}
    settings, notes = convert(
        {"model_list": [{"model_name": "m", "litellm_params": params}], "litellm_settings": budgets}
    )
    assert settings["models"]["m"]["deployments"][0]["limits"] == {"tokens": "5/min"}
    assert list(settings["limits"]) == ["litellm-budget"]
    done = [note.path.rpartition(".")[2] for note in notes if note.done]
    assert sorted(done) == ["max_budget", "model_list[0]", "tpm"]


def test_an_address_that_is_none_is_left_out_with_what_needs_it() -> None:
    params = {"model": "openai/gpt-4o", "api_base": "http://[::1", "api_key": "k"}
    aliases = {"router_settings": {"model_group_alias": {"other": "m"}}}
    settings, notes = convert({"model_list": [{"model_name": "m", "litellm_params": params}], **aliases})
    assert settings == {}
    left = {note.path for note in notes if "left out" in note.text}
    assert left == {"providers.openai-server", "models.m", "aliases.other"}


def test_an_entry_for_one_team_is_told_to_be_for_all() -> None:
    entry = {"model_name": "m", "litellm_params": {"model": "openai/gpt-4o"}, "model_info": {"team_id": "t"}}
    (note,) = [one for one in convert({"model_list": [entry]}).notes if one.path.endswith("team_id")]
    assert (note.done, "every key" in note.text) == (False, True)
