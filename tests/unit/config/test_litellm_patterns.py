"""What is told of entries for all models of a provider."""

from __future__ import annotations

import pytest

from dragoman.config.litellm import convert
from dragoman.config.litellm_patterns import is_alone, unsettled


def test_what_no_entry_here_could_have_is_told() -> None:
    params = {
        "model": "openai/*",
        "api_key": "k",
        "api_base": "http://a",
        "timeout": 5,
        "user": None,
        "rpm": 10,
        "temperature": 0.5,
        "max_parallel_requests": 3,
        "drop_params": True,
        "input_cost_per_token": 1,
    }
    found = list(unsettled(params, {"access_groups": ["beta"], "mode": "chat", "max_tokens": None}))
    paths = [path.partition(".")[2] for path, _, _ in found]
    left = ["rpm", "temperature", "max_parallel_requests", "drop_params", "input_cost_per_token"]
    assert paths == [*left, "access_groups", "mode"]
    assert [text.startswith("left out") for _, text, _ in found] == [
        True,
        True,
        True,
        False,
        True,
        False,
        False,
    ]
    assert [path for path, _, done in found if done] == ["model_info.access_groups"]


@pytest.mark.parametrize(
    ("name", "model"), [("*", "openai/*"), ("openai/*", "openai/*"), ("a*b*", "openai/*")]
)
def test_an_entry_that_is_none_here_tells_what_it_loses(name: str, model: str) -> None:
    entry = {"model_name": name, "litellm_params": {"model": model, "rpm": 10}}
    assert [note.done for note in convert({"model_list": [entry]}).notes if note.path.endswith(".rpm")] == [
        False
    ]


@pytest.mark.parametrize("vendor", ["openai", "anthropic", "groq", "local", "simulate"])
def test_all_models_of_another_server_are_not_asked_of_the_vendor(vendor: str) -> None:
    params = {"model": "openai/*", "api_base": "http://proxy.example/v1", "api_key": "k"}
    settings, _ = convert({"model_list": [{"model_name": f"{vendor}/*", "litellm_params": params}]})
    (server,) = settings["providers"]
    assert settings["providers"][server] == {"base_url": "http://proxy.example/v1", "keys": ["k"]}
    assert settings["models"] == {f"{vendor}/*": {"use": f"{server}/*"}}


def test_several_servers_of_all_models_share_the_requests() -> None:
    entries = [
        {"model_name": "openai/*", "litellm_params": {"model": "openai/*", "api_key": key}} for key in "ab"
    ]
    assert (is_alone("openai/*", entries), is_alone("openai/*", entries[:1])) == (False, True)
    settings, _ = convert({"model_list": entries})
    assert [one["keys"] for one in settings["providers"].values()] == [["a"], ["b"]]
    uses = [f"{account}/*" for account in settings["providers"]]
    assert settings["models"]["openai/*"]["deployments"] == uses


def test_only_the_first_entry_for_every_name_counts_and_the_others_are_told() -> None:
    entries = [
        {"model_name": "*", "litellm_params": {"model": model}}
        for model in ("openai/*", "anthropic/*", "openai/*")
    ]
    settings, notes = convert({"model_list": entries})
    assert settings["aliases"] == {"*": "openai/*"}
    assert [note.done for note in notes if note.path.endswith("model_name")] == [True, False, True]
