"""Defaults of models and aliases that no request can have, or that are misspelt."""

from __future__ import annotations

import pytest

from dragoman.config.check_defaults import unfit, unsuitable
from dragoman.config.load import load
from dragoman.config.settings import Alias
from dragoman.errors import ConfigError


def test_each_parameter_is_told_at_its_place() -> None:
    names = ["temperature", "model", "temprature", "top_k", "messages"]
    found = [(one.place, one.message.partition(";")[0], one.odd) for one in unsuitable(names)]
    assert found == [
        ("model", "cannot have a default", False),
        ("temprature", "is not a parameter of the Chat Completions API", True),
        ("top_k", "is not a parameter of the Chat Completions API", True),
        ("messages", "cannot have a default", False),
    ]


def test_messages_of_an_alias_are_those_of_the_chat_completions_api() -> None:
    good = {"role": "user", "content": [{"type": "text", "text": "a"}]}
    assert list(unfit(Alias(route="m", messages=(good, {"role": "assistant", "content": "b"})))) == []
    (found,) = unfit(Alias(route="m", messages=(good, {"role": "nobody", "content": "b"})))
    assert (found.place, found.odd) == ("messages[1].role", False)
    both = unfit(Alias(route="m", defaults={"model": "x"}, messages=({"content": "b"},)))
    assert [one.place for one in both] == ["defaults.model", "messages[0].role"]


def test_a_model_cannot_have_what_an_alias_cannot() -> None:
    models = {"m": {"use": "simulate/echo", "defaults": {"stream": True, "temprature": 1}}}
    with pytest.raises(ConfigError) as caught:
        load({"models": models}, {})
    assert [problem.path for problem in caught.value.problems] == ["models.m.defaults.stream"]
    assert [warning.path for warning in caught.value.warnings] == ["models.m.defaults.temprature"]
