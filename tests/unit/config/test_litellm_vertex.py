"""LiteLLM's entries for Vertex AI: project, location, credentials, and what is not spoken."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.config.litellm import convert
from dragoman.config.litellm_values import filled
from dragoman.config.litellm_vertex import not_spoken, settings_of, with_general


def text(value: Any) -> str:
    return filled(value, {})


def settings(params: dict[str, Any], base: Any = None, **known: Any) -> dict[str, Any]:
    return settings_of(params, base, known, lambda value: filled(value, known)).settings


@pytest.mark.parametrize("prefix", ["vertex_", "vertex_ai_"])
def test_project_location_and_file(prefix: str) -> None:
    params = {f"{prefix}project": "p", f"{prefix}location": "eu", f"{prefix}credentials": "/run/sa.json"}
    told = settings_of(params, None, {}, text)
    assert told.settings == {
        "project": "p",
        "region": "eu",
        "credential": {"kind": "google", "file": "/run/sa.json"},
    }
    assert [place for place, _ in told.notes] == ["vertex_credentials"]


def test_what_is_not_stated_is_read_where_litellm_reads_it() -> None:
    told = settings_of({}, None, {}, text)
    assert told.settings == {
        "project": "${VERTEXAI_PROJECT}",
        "region": "${VERTEXAI_LOCATION:-us-central1}",
        "credential": "google",
    }
    assert [place for place, _ in told.notes] == ["vertex_project", "vertex_location"]
    known = {"VERTEXAI_PROJECT": "p", "VERTEXAI_LOCATION": "l", "VERTEXAI_CREDENTIALS": "f"}
    assert settings({}, **known) == {
        "project": "p",
        "region": "l",
        "credential": {"kind": "google", "file": "f"},
    }


def test_a_key_alone_is_express_mode() -> None:
    assert settings({"api_key": "os.environ/K"}) == {"keys": ["${K}"]}
    assert "keys" not in settings({"api_key": "k", "vertex_project": "p"})


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("https://proxy.example/v1/", "https://proxy.example/v1"),
        (
            "https://h.example/v1/projects/p/locations/l/publishers/google/models/m",
            "https://h.example/v1/projects/p/locations/l",
        ),
    ],
)
def test_a_base_url_is_without_the_model(base: str, expected: str) -> None:
    assert settings({"vertex_project": "p"}, base)["base_url"] == expected


def test_general_settings_are_for_deployments_that_state_none() -> None:
    general = {"vertex_project": "p", "vertex_location": "l", "num_retries": 1}
    assert with_general({"model": "m"}, general) == {
        "model": "m",
        "vertex_project": "p",
        "vertex_location": "l",
    }
    own = {"vertex_ai_project": "q", "vertex_location": "eu"}
    assert with_general(own, general) == own


@pytest.mark.parametrize(
    ("model", "why"),
    [
        ("mistral-large@2407", "protocol at Vertex AI"),
        ("jamba-1.5", "protocol at Vertex AI"),
        ("imagen-4", "Imagen"),
        ("gemini/123", "endpoint"),
        ("1234567", "endpoint"),
        ("openai/1234567", "endpoint"),
        ("chat-bison", "PaLM"),
    ],
)
def test_what_vertex_ai_is_not_asked_for(model: str, why: str) -> None:
    assert why in (not_spoken(model, {}, {}, text) or "")


@pytest.mark.parametrize("model", ["gemini-2.5-pro", "claude-x@1", "meta/l", "openai/gpt-oss-20b-maas", "*"])
def test_what_vertex_ai_is_asked_for(model: str) -> None:
    assert not_spoken(model, {}, {}, text) is None


@pytest.mark.parametrize("credentials", [{"type": "service_account"}, ' {"type": 1}', "os.environ/SA"])
def test_no_other_identity_stands_in_for_one_that_cannot_be_written(credentials: Any) -> None:
    entry = {
        "model_name": "a",
        "litellm_params": {"model": "vertex_ai/gemini-2.5-pro", "vertex_credentials": credentials},
    }
    converted = convert({"model_list": [entry], "environment_variables": {"SA": '{"type": 1}'}})
    assert "models" not in converted.settings
    assert any("write it into a file" in note.text for note in converted.notes)


def test_entries_become_models_at_their_providers() -> None:
    stated = {
        "flash": ("gemini-2.5-flash", {"vertex_location": "eu", "vertex_credentials": "/not/here.json"}),
        "llama": ("meta/llama-4-maas", {"vertex_location": "os.environ/L"}),
        "bare": ("gemini-2.5-pro", {}),
    }
    entries = [
        {
            "model_name": name,
            "litellm_params": {"model": model if name == "bare" else f"vertex_ai/{model}", **params},
        }
        for name, (model, params) in stated.items()
    ]
    general = {"vertex_project": "p", "vertex_location": "us-east5"}
    found = convert({"model_list": entries, "litellm_settings": general})
    assert found.settings["models"] == {
        "flash": {"use": "vertex/gemini-2.5-flash"},
        "llama": {"use": "vertex-2/meta/llama-4-maas"},
        "bare": {"use": "vertex-3/gemini-2.5-pro"},
    }
    providers = found.settings["providers"]
    assert providers["vertex"]["credential"] == {"kind": "google", "file": "/not/here.json"}
    assert providers["vertex-2"] == {
        "catalog": "vertex",
        "project": "p",
        "region": "${L}",
        "credential": "google",
        "models": ["meta/llama-4-maas"],
    }
    assert providers["vertex-3"]["region"] == "us-east5"
    assert not any(note.text.startswith("left out") for note in found.notes)
