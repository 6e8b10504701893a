"""The rows are consistent, and agree with traffic recorded from the vendors themselves."""

import json
import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from dragoman.dialects.loss import Report
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.table import DIALECTS, SERVICES
from dragoman.providers import address
from dragoman.providers.catalog import CATALOG, unconfigured
from dragoman.providers.models import facts_for
from dragoman.providers.vendor import Vendor

CONFIGURED = {"bedrock-mantle", "dashscope-intl", "dashscope-us", "siliconflow-intl"}
"""The vendors that no variable adds: another row has the variable."""
ROWS = [pytest.param(vendor, id=vendor.name) for vendor in CATALOG.values()]


@pytest.mark.parametrize("vendor", ROWS)
def test_a_row_is_consistent(vendor: Vendor) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9-]*", vendor.name)
    normal = address.base_url(vendor.base_url, path=vendor.path, appends=vendor.appends)
    assert normal == vendor.base_url.replace(vendor.account, vendor.account.lower())
    assert vendor.account in vendor.base_url
    assert vendor.base_url.endswith(vendor.path)
    assert vendor.base_url.startswith(("http://localhost:", "http://localhost/")) != bool(
        vendor.keys or vendor.identity or vendor.name in CONFIGURED
    )
    assert vendor.page.startswith("https://")
    assert re.fullmatch(r"20\d\d-\d\d", vendor.read)
    assert vendor.chat_path != DIALECTS[vendor.dialect].paths.chat
    assert list(vendor.known) == sorted(set(vendor.known))
    assert all(vendor.owns(model) for model in vendor.known)
    assert list(vendor.unlisted) == sorted(set(vendor.unlisted))
    assert all(vendor.owns(model) for model in vendor.unlisted)


@pytest.mark.parametrize("vendor", ROWS)
def test_a_vendor_serves_what_the_gateway_can_ask(vendor: Vendor) -> None:
    asked = {one for name in (vendor.dialect, *vendor.also) for one in DIALECTS[name].asked()}
    if vendor.service:
        asked |= SERVICES[vendor.service].sides.keys()
    if DIALECTS[vendor.dialect].live is not None:
        asked.add("realtime")
    chats = facts_for(vendor.name, "any").chat is not False
    assert vendor.serves
    assert ("chat" in vendor.serves) == chats
    assert asked.issuperset(set(vendor.serves) - {"chat"})
    assert len(set(vendor.serves)) == len(vendor.serves)


@pytest.mark.parametrize("vendor", ROWS)
def test_what_a_row_speaks_beside_its_dialect_is_consistent(vendor: Vendor) -> None:
    assert vendor.dialect not in vendor.also
    for dialect, api in vendor.also.items():
        assert dialect in DIALECTS
        assert api.path != DIALECTS[dialect].paths.chat
        assert api.path is None or api.path.startswith("/")
        assert api.auth != DIALECTS[vendor.dialect].keys.scheme
        assert not api.drops or api.path is not None or vendor.base_url.endswith(api.drops)
        assert api.models is None or api.models


def test_rows_speak_what_is_spoken() -> None:
    spoken_beside = {"openai_completions", "openai_responses", "ollama"}
    assert {vendor.dialect for vendor in CATALOG.values()} == set(DIALECTS) - spoken_beside
    assert all(
        vendor.appends or vendor.located
        for vendor in CATALOG.values()
        if DIALECTS[vendor.dialect].paths.appends
    )


def test_no_variable_belongs_to_two_rows() -> None:
    names = [name for row in CATALOG.values() for name in (*row.keys, row.base_var) if name]
    assert len(names) == len(set(names))
    assert all(re.fullmatch(r"[A-Z][A-Z0-9_]*", name) for name in names)


@pytest.mark.parametrize(
    ("model", "owners"),
    [
        ("gpt-5-mini", ["openai"]),
        ("gpt-4o", ["openai"]),
        ("chatgpt-4o-latest", ["openai"]),
        ("o1", ["openai"]),
        ("o3-mini", ["openai"]),
        ("o1x", []),
        ("omni-moderation-latest", ["openai"]),
        ("ft:gpt-4o-mini-2024-07-18:acme::abc123", ["openai"]),
        ("ft:davinci-002:acme", ["openai"]),
        ("text-embedding-3-small", ["openai"]),
        ("gpt-oss-120b", []),
        ("claude-sonnet-4-5", ["anthropic"]),
        ("claude-3-5-haiku-latest", ["anthropic"]),
        ("Claude-sonnet-4-5", []),
        ("deepseek-chat", ["deepseek"]),
        ("deepseek-r1-distill-llama-70b", []),
        ("grok-4.3", ["xai"]),
        ("sonar", ["perplexity"]),
        ("sonar-pro", ["perplexity"]),
        ("gemini-2.5-flash", ["gemini"]),
        ("models/gemini-2.5-flash", []),
        ("gemma-3-27b-it", []),
        ("mistral-small-latest", ["mistral"]),
        ("codestral-2501", ["mistral"]),
        ("open-mixtral-8x22b", ["mistral"]),
        ("mistral-7b-instruct", []),
        ("mistral", []),
        ("palmyra-x5", ["writer"]),
        ("glm-5.2", ["zai", "zhipu"]),
        ("qwen-max", ["dashscope", "dashscope-intl", "dashscope-us"]),
        ("qwen3:latest", []),
        ("llama-3.3-70b-versatile", []),
        ("openai/gpt-4o", []),
        ("anthropic/claude-sonnet-4-5", []),
        ("smollm2:135m", []),
        ("", []),
        ("*", []),
    ],
)
def test_a_bare_name_belongs_to_its_vendor_alone(model: str, owners: list[str]) -> None:
    assert [name for name, vendor in CATALOG.items() if vendor.owns(model)] == owners


@pytest.mark.wire
@pytest.mark.parametrize(
    ("api", "name"),
    [
        ("openai.chat", "openai"),
        ("anthropic.messages", "anthropic"),
        ("gemini.generateContent", "gemini"),
        ("mistral.chat", "mistral"),
        ("groq.chat", "groq"),
        ("deepseek.chat", "deepseek"),
        ("xai.chat", "xai"),
        ("together.chat", "together"),
        ("openrouter.chat", "openrouter"),
        ("cerebras.chat", "cerebras"),
        ("perplexity.chat", "perplexity"),
        ("huggingface.chat", "huggingface"),
        ("writer.chat", "writer"),
        ("zai.chat", "zai"),
        ("crusoe.chat", "crusoe"),
        ("bedrock_mantle.chat", "bedrock-mantle"),
        ("ollama.openai_chat", "ollama-cloud"),
    ],
)
def test_the_address_is_where_recorded_requests_went(recorded: Path, api: str, name: str) -> None:
    recording = recorded / f"{api}.jsonl"
    vendor = CATALOG[name]
    with recording.open(encoding="utf-8") as lines:
        exchanges = [json.loads(line) for line in lines]
    urls = {exchange["request"]["url"].split("?")[0] for exchange in exchanges}
    expected = vendor.base_url + (vendor.chat_path or DIALECTS[vendor.dialect].paths.chat)
    assert urls & {expected.replace("{model}", str(exchange["model"])) for exchange in exchanges}


@pytest.mark.wire
@pytest.mark.parametrize(
    ("api", "name"),
    [
        ("openai.responses", "openai"),
        ("deepseek.responses", "deepseek"),
        ("openrouter.responses", "openrouter"),
        ("xai.responses", "xai"),
        ("openai.completions", "openai"),
        ("writer.completions", "writer"),
        ("bedrock_mantle.responses", "bedrock-mantle"),
    ],
)
def test_a_further_protocol_is_where_recorded_requests_went(recorded: Path, api: str, name: str) -> None:
    dialect = "openai_responses" if api.endswith("responses") else "openai_completions"
    vendor = CATALOG[name]
    with (recorded / f"{api}.jsonl").open(encoding="utf-8") as lines:
        urls = {json.loads(line)["request"]["url"].split("?")[0] for line in lines}
    path = vendor.also[dialect].path or DIALECTS[dialect].paths.chat
    assert vendor.base_url.removesuffix(vendor.also[dialect].drops) + path in urls


@pytest.mark.wire
@pytest.mark.parametrize(
    "name",
    [
        "deepseek",
        "xai",
        "together",
        "openrouter",
        "cerebras",
        "perplexity",
        "huggingface",
        "writer",
        "zai",
        "crusoe",
    ],
)
def test_no_field_is_called_refused_that_the_vendor_accepted_with_effect(recorded: Path, name: str) -> None:
    recording = recorded / f"{name}.chat.jsonl"
    refuses = CATALOG[name].quirks.refuses
    with recording.open(encoding="utf-8") as lines:
        for line in lines:
            exchange = json.loads(line)
            body = exchange["request"].get("body") or {}
            used = {
                key
                for key, value in body.items()
                if value not in (None, {}, []) and not (key == "n" and value == 1)
            }
            assert exchange["response"]["status"] != 200 or not refuses & used, exchange["id"]


@pytest.mark.parametrize(
    ("model", "providers", "reason"),
    [
        (
            "claude-sonnet-4-5",
            {"openai": "openai"},
            "anthropic is not configured: set ANTHROPIC_API_KEY",
        ),
        ("mistral/some-model", {}, "mistral is not configured: set MISTRAL_API_KEY"),
        ("ollama/llama3", {}, "ollama is not configured: write providers.ollama"),
        ("claude-sonnet-4-5", {"anthropic": "anthropic"}, None),
        ("nobody/some-model", {}, None),
        ("some-model", {}, None),
        (
            "gemini/gemini-2.5-flash",
            {"own": None, "mine": "gemini"},
            "gemini is configured as mine: write mine/gemini-2.5-flash",
        ),
        ("gemini-2.5-flash", {"mine": "gemini"}, None),
    ],
)
def test_a_vendor_that_is_no_provider_is_told_by_the_names_of_its_models(
    model: str, providers: dict[str, str | None], reason: str | None
) -> None:
    assert unconfigured(model, providers) == reason


@pytest.mark.wire
def test_perplexity_embeds_where_recorded_requests_went(recorded: Path) -> None:
    vendor = CATALOG["perplexity"]
    with (recorded / "perplexity.embeddings.jsonl").open(encoding="utf-8") as lines:
        urls = {json.loads(line)["request"]["url"] for line in lines}
    assert urls == {vendor.base_url + vendor.bases["embed"] + "/embeddings"}


def test_the_models_of_amazon_that_have_paths_of_their_own() -> None:
    vendor = CATALOG["bedrock-mantle"]
    openai, claude = vendor.also["openai_responses"].models, vendor.also["anthropic"].models
    assert openai is not None
    assert vendor.chats == (*(f"!{one}" for one in claude or ()), f"!{openai[0]}")
    assert [fnmatchcase(one, openai[0]) for one in ("openai.gpt-5.5", "openai.gpt-oss-20b")] == [True, False]


def test_thinking_without_a_signature_goes_back_to_models_that_do_not_sign_it() -> None:
    """DeepSeek answers 400 to a tool turn without its thinking; only Claude's signatures are verified."""
    unsigned = {
        name
        for name, vendor in CATALOG.items()
        if (api := vendor.also.get("anthropic")) is not None and not api.quirks.signatures
    }
    assert unsigned == {
        *("deepseek", "fireworks", "llamacpp", "lmstudio", "minimax", "moonshot"),
        *("ollama", "ollama-cloud", "vllm"),
    }
    assert CATALOG["deepseek"].also["anthropic"].quirks.relays({"messages": []})


def test_reasoning_of_a_chat_client_reaches_deepseek_by_anthropic_s_protocol() -> None:
    api = CATALOG["deepseek"].also["anthropic"]
    call = {"id": "call_1", "type": "function", "function": {"name": "add", "arguments": "{}"}}
    body = {
        "model": "deepseek-v4-pro",
        "messages": [
            {"role": "user", "content": "Add."},
            {"role": "assistant", "reasoning_content": "Hm.", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "call_1", "content": "3"},
        ],
    }
    report = Report("anthropic")
    request = DIALECTS["openai_chat"].request.decode(WireRequest("chat", body))
    sent = DIALECTS["anthropic"].request.encode(request, Target(report, "deepseek-v4-pro", quirks=api.quirks))
    assert sent.body["messages"][1]["content"][0] == {"type": "thinking", "thinking": "Hm.", "signature": ""}
    assert not report.losses
