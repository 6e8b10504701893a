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
    assert access_groups(entries) == {"beta": ["a", "openai/*"], "all": ["a"]}
    assert access_groups([]) == {}


def test_a_configuration_has_them() -> None:
    entry = {"model_name": "gpt-4o", "litellm_params": {"model": "openai/gpt-4o"}}
    settings, notes = convert({"model_list": [{**entry, "model_info": {"access_groups": ["beta"]}}]})
    assert settings["groups"] == {"beta": ["gpt-4o"]}
    (note,) = [note for note in notes if note.path.endswith("access_groups")]
    assert (note.done, "group:NAME" in note.text) == (True, True)
    assert "groups" not in convert({"model_list": [entry]}).settings
