"""Access groups of LiteLLM's models become groups."""

from __future__ import annotations

from dragoman.config.litellm import convert
from dragoman.config.litellm_groups import access_groups


def test_a_group_has_each_name_once() -> None:
    entries = [
        {"model_name": "a", "model_info": {"access_groups": ["beta", "all"]}},
        {"model_name": "a", "model_info": {"access_groups": ["beta"]}},
        {"model_name": "openai/*", "model_info": {"access_groups": ["beta"]}},
        {"model_name": "b", "model_info": {"access_groups": "beta"}},
        {"model_name": "c", "model_info": None},
        {"model_name": "d"},
        {"model_info": {"access_groups": ["beta"]}},
        "odd",
    ]
    assert access_groups(entries, lambda _: True) == {"beta": ["a", "openai/*"], "all": ["a"]}
    assert access_groups(entries, lambda name: name != "a") == {"beta": ["openai/*"]}
    assert access_groups([{"model_name": "a", "model_info": {"access_groups": [""]}}], lambda _: True) == {}
    assert access_groups([], lambda _: True) == {}


def test_a_configuration_has_them() -> None:
    entry = {"model_name": "gpt-4o", "litellm_params": {"model": "openai/gpt-4o"}}
    settings, notes = convert({"model_list": [{**entry, "model_info": {"access_groups": ["beta"]}}]})
    assert settings["groups"] == {"beta": ["gpt-4o"]}
    (note,) = [note for note in notes if note.path.endswith("access_groups")]
    assert (note.done, "group:NAME" in note.text) == (True, True)
    assert "groups" not in convert({"model_list": [entry]}).settings


def test_a_group_has_no_model_that_is_left_out() -> None:
    """A file with such a group would be refused."""
    listed = {
        "gpt-4o": "openai/gpt-4o",
        "gone": "vertex_ai/mistral-x",
        "claude-*": "sagemaker/claude-*",
        "openai/*": "openai/*",
        "*": "openai/*",
        "a*b*": "openai/*",
    }
    entries = [
        {"model_name": name, "litellm_params": {"model": model}, "model_info": {"access_groups": ["beta"]}}
        for name, model in listed.items()
    ]
    assert convert({"model_list": entries}).settings["groups"] == {"beta": ["gpt-4o", "openai/*", "*"]}
    assert "groups" not in convert({"model_list": entries[1:2]}).settings
