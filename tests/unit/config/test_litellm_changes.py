"""What of LiteLLM's files cannot become the same thing here: aliases, limits, ports and prices that have to
change, and their notes.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from dragoman.config.litellm import Converted, convert, in_yaml
from dragoman.config.load import Loaded


def told(converted: Converted) -> dict[str, str]:
    return {note.path: note.text for note in converted.notes}


def converted_from(models: dict[str, str], **router: Any) -> Converted:
    """A file with these models ({name: LiteLLM's name of its model}) and router settings, converted."""
    listed = [{"model_name": name, "litellm_params": {"model": model}} for name, model in models.items()]
    return convert({"model_list": listed, "router_settings": router})


def test_an_alias_whose_model_is_left_out_is_left_out_by_name() -> None:
    aliases = {"x": "gone", "y": {"model": "a", "hidden": True}, "z": ["a"], "a": "a", "b": "a"}
    converted = converted_from(
        {"a": "groq/x", "gone": "sagemaker/x", "b": "groq/y"}, model_group_alias=aliases
    )
    assert converted.settings["aliases"] == {"y": "a", "b": "a"}
    assert list(converted.settings["models"]) == ["a"]
    said = told(converted)
    assert "gone was not converted: left out" in said["model_group_alias of x"]
    assert "hidden" in said["model_group_alias of y"]
    assert "left out" in said["model_group_alias of z"]
    assert "comes first: left out" in said["model_list: b"]


def test_an_alias_for_what_only_the_wildcard_has_names_its_provider() -> None:
    converted = converted_from({"*": "openai/*"}, model_group_alias={"x": "gpt-4o", "y": "openai/gpt-5"})
    assert converted.settings["aliases"] == {"*": "openai/*", "x": "openai/gpt-4o", "y": "openai/gpt-5"}
    assert "models" not in converted.settings["providers"].get("openai", {})


def test_an_alias_has_its_own_fallbacks_and_none_is_onto_itself() -> None:
    chains = [{"x": ["a", "b", "y"]}, {"a": ["x", "b"]}, "b"]
    aliases = {"x": "a", "y": "a"}
    converted = converted_from({"a": "groq/x", "b": "groq/y"}, model_group_alias=aliases, fallbacks=chains)
    assert converted.settings["aliases"] == {"x": {"route": "a", "fallbacks": ["b"]}, "y": "a"}
    assert converted.settings["models"]["a"]["fallbacks"] == ["b"]
    assert "fallbacks" not in converted.settings["models"]["b"]


def test_fallbacks_of_every_model_are_for_each_cause() -> None:
    converted = converted_from(
        {name: f"groq/{name}" for name in ("a", "b", "big", "other")},
        model_group_alias={"x": "a"},
        fallbacks=[{"x": ["b"]}],
        context_window_fallbacks=[{"*": ["big"]}, {"b": ["other"]}],
        content_policy_fallbacks=[{"*": ["other", "gone"]}],
    )
    models = converted.settings["models"]
    assert models["a"]["fallbacks"] == {"context": ["big"], "content": ["other"]}
    assert models["b"]["fallbacks"] == {"context": ["other"], "content": ["other"]}
    assert models["big"]["fallbacks"] == {"content": ["other"]}
    assert models["other"]["fallbacks"] == {"context": ["big"]}
    every = {"context": ["big"], "content": ["other"]}
    assert converted.settings["aliases"]["x"]["fallbacks"] == {"any": ["b"], **every}
    assert told(converted)["fallbacks of *"] == "not converted: gone"


def test_no_fallback_leads_back_through_aliases_of_aliases() -> None:
    aliases = {"b": "a", "c": "b"}
    chains = [{"a": ["c", "z"]}, {"b": ["c"]}]
    converted = converted_from({"a": "groq/x", "z": "groq/y"}, model_group_alias=aliases, fallbacks=chains)
    assert converted.settings["models"]["a"]["fallbacks"] == ["z"]
    assert converted.settings["aliases"]["b"] == "a"
    assert not [note for note in converted.notes if note.text.startswith("left out")]


def test_limits_of_one_deployment_in_several_entries_are_counted_apart(
    loaded: Callable[..., Loaded],
) -> None:
    entries = [
        {"model_name": name, "litellm_params": {"model": "groq/x", "rpm": rpm}}
        for name, rpm in (("a", 10), ("b", 20), ("c", 10))
    ]
    settings, notes = convert({"model_list": entries})
    uses = [model["deployments"][0]["use"] for model in settings["models"].values()]
    assert uses == ["groq/x", "groq-2/x", "groq/x"]
    assert ("limits of b", True) in [(note.path, note.done) for note in notes]
    assert not loaded(in_yaml(settings), {"GROQ_API_KEY": "k"}).warnings


def test_a_provider_at_our_port_makes_another_port_ours() -> None:
    params = {"model": "openai/x", "api_base": "http://localhost:8080/v1", "api_key": "k"}
    converted = convert({"model_list": [{"model_name": "a", "litellm_params": params}]})
    assert converted.settings["server"] == {"port": 4000}
    assert "server.port: 4000" in told(converted)["api_base"]


def test_an_address_without_a_key_is_named() -> None:
    params = {"model": "gemini/x", "api_base": "https://proxy.example.com"}
    said = told(convert({"model_list": [{"model_name": "a", "litellm_params": params}]}))
    assert "GEMINI_API_KEY" in said["model_list[0].litellm_params.api_base"]


def test_a_price_that_counts_as_nothing_is_named() -> None:
    params = {"model": "groq/x", "input_cost_per_token": 1e-18, "output_cost_per_token": 1e-6}
    converted = convert({"model_list": [{"model_name": "a", "litellm_params": params}]})
    (deployment,) = converted.settings["models"]["a"]["deployments"]
    assert deployment["price"] == {"input": 0, "output": 1}
    assert "counts as 0" in told(converted)["model_list[0]: costs"]
