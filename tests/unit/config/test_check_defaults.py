"""Defaults of aliases that no request can have, or that are misspelt."""

from __future__ import annotations

from dragoman.config.check_defaults import unsuitable


def test_each_parameter_is_told_at_its_place() -> None:
    names = ["temperature", "model", "temprature", "top_k", "messages"]
    found = [(one.place, one.message.partition(";")[0], one.odd) for one in unsuitable(names)]
    assert found == [
        ("model", "cannot have a default", False),
        ("temprature", "is not a parameter of the Chat Completions API", True),
        ("top_k", "is not a parameter of the Chat Completions API", True),
        ("messages", "cannot have a default", False),
    ]
