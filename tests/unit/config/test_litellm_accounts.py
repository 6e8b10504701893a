"""Providers of LiteLLM's deployments: their addresses, keys and names."""

from __future__ import annotations

from typing import Any

from dragoman.config.litellm_accounts import Accounts, credentials, with_credential
from dragoman.config.litellm_values import filled


def accounts(**known: Any) -> Accounts:
    return Accounts(known, lambda value: filled(value, known))


def test_an_address_in_the_environment_that_the_file_states_is_used() -> None:
    found = accounts(GEMINI_API_BASE="https://proxy.example.com")
    assert found.add("gemini", {}, "m") == "gemini"
    assert found.named["gemini"] == {"base_url": "https://proxy.example.com", "keys": ["${GEMINI_API_KEY}"]}
    assert found.add("groq", {}, "m") == "groq"
    assert found.named["groq"] == {}


def test_an_address_of_the_entry_comes_before_that_of_the_environment() -> None:
    found = accounts(OPENAI_API_BASE="https://proxy.example.com/v1", OPENAI_API_KEY="sk-of-the-file")
    name = found.add("openai", {"api_base": "https://own.example.com/v1", "api_key": "k"}, "m")
    assert found.named[name] == {"base_url": "https://own.example.com/v1", "keys": ["k"]}
    name = found.add("openai", {}, "m")
    assert found.named[name] == {"base_url": "https://proxy.example.com/v1", "keys": ["sk-of-the-file"]}


def test_a_key_in_the_environment_that_the_file_states_is_used_at_the_vendor_alone() -> None:
    found = accounts(OPENAI_API_KEY="sk-of-the-file")
    assert found.named[found.add("openai", {}, "m")] == {"keys": ["sk-of-the-file"]}
    other = found.add("openai", {"api_base": "https://own.example.com/v1"}, "m")
    assert found.named[other]["keys"] == []
    (note,) = found.notes
    assert note[0] == "api_base"
    assert "OPENAI_API_KEY" in note[1]


def test_words_for_no_key_are_none() -> None:
    found = accounts()
    base = {"api_base": "http://vllm:8000/v1"}
    for key in ("none", "None", "null"):
        assert found.named[found.add("openai", {**base, "api_key": key}, "m")]["keys"] == []
    assert found.named[found.add("openai", {"api_key": ""}, "m")] == {}
    assert found.named[found.add("groq", {"api_key": "Bearer gsk-x"}, "m")]["keys"] == ["gsk-x"]


def test_a_copy_has_the_settings_and_the_base_model_but_no_limit() -> None:
    found = accounts()
    name = found.add("azure", {"api_base": "https://a.openai.azure.com"}, "m")
    found.base_models[name] = {"dep": "gpt-4o", "other": "gpt-5"}
    found.named[name]["concurrency"] = 5
    copy = found.copy(name, "dep")
    assert copy == "azure-2"
    finished = found.finish({"idle": 9}, [f"{name}/other", f"{copy}/dep"])
    assert finished[copy] == {
        "catalog": "azure",
        "base_url": "https://a.openai.azure.com",
        "keys": ["${AZURE_API_KEY}"],
        "base_models": {"dep": "gpt-4o"},
        "timeouts": {"idle": 9},
        "models": ["dep"],
    }


def test_a_provider_takes_the_models_of_its_deployments_unless_a_wildcard_opens_it() -> None:
    found = accounts()
    for prefix in ("groq", "mistral", "cerebras"):
        found.add(prefix, {}, "m")
    found.open.add("mistral")
    assert found.finish({}, ["groq/a", "groq/b", "groq/a", "mistral/c", "cerebras/d-*"]) == {
        "groq": {"models": ["a", "b"]},
        "mistral": {},
        "cerebras": {},
    }


def test_another_port_is_free_if_a_provider_has_the_usual_one() -> None:
    found = accounts()
    found.add("openai", {"api_base": "http://elsewhere:8080/v1", "api_key": "k"}, "m")
    found.add("openai", {"api_base": "http://[::1", "api_key": "k"}, "m")
    assert found.free_port() is None
    found.add("openai", {"api_base": "http://127.0.0.1:8080/v1", "api_key": "k"}, "m")
    assert found.free_port() == 4000
    found.add("openai", {"api_base": "http://localhost:4000/v1", "api_key": "k"}, "m")
    assert found.free_port() == 4001


def test_a_named_credential_fills_what_the_entry_does_not_state() -> None:
    listed = [{"credential_name": "one", "credential_values": {"api_key": "k", "api_base": "b"}}, "odd"]
    known = credentials({"credential_list": listed})
    params = {"model": "m", "litellm_credential_name": "one", "api_base": "own"}
    assert with_credential(params, known) == {"api_key": "k", "api_base": "own", "model": "m"}
    unknown = {"model": "m", "litellm_credential_name": "two"}
    assert with_credential(unknown, known) is unknown
    assert credentials({"credential_list": {}}) == {}
