"""Other models that a request names."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.named_models import LONGEST, MOST, MOST_WITHIN, Named, are_names, named, within
from dragoman.errors import WireError


def test_names_keep_their_places() -> None:
    assert named("models", ["a", "b"]) == (Named("a", "models[0]"), Named("b", "models[1]"))
    assert named("models", None) == named("models", []) == ()


@pytest.mark.parametrize(
    ("value", "place", "code"),
    [
        ("a", "models", "invalid_type"),
        ({"a": 1}, "models", "invalid_type"),
        (["a", None], "models[1]", "invalid_type"),
        (["a", ""], "models[1]", "invalid_value"),
        (["a\n"], "models[0]", "invalid_value"),
        (["a" * (LONGEST + 1)], "models[0]", "invalid_value"),
        (["a"] * (MOST + 1), "models", "array_above_max_length"),
    ],
)
def test_what_is_no_list_of_names_is_refused_at_its_place(value: Any, place: str, code: str) -> None:
    with pytest.raises(WireError) as refused:
        named("models", value)
    assert (refused.value.path, refused.value.code) == (place, code)


def test_litellms_other_forms_are_no_names() -> None:
    assert are_names(["a", "b"])
    assert are_names([])
    assert not are_names([{"a": ["b"]}])
    assert not are_names({"a": ["b"]})


# Models that the provider asks -------------------------------------------------------------------------


MEMBERS = {"model", "messages", "metadata", "tools"}


def test_every_place_is_found_at_which_a_provider_reads_another_model() -> None:
    fusion = {"model": "judge", "analysis_models": ["x", "y"]}
    body = {
        "model": "own",
        "fallbacks": [{"model": "a"}],
        "tools": [
            {"type": "advisor_20260301", "model": "b"},
            {"type": "openrouter:fusion", "parameters": fusion},
        ],
        "plugins": [{"id": "web"}, {"id": "fusion", **fusion}],
        "compound_custom": {"models": {"answering_model": "c"}, "tools": {"enabled_tools": ["web_search"]}},
    }
    assert within(body, MEMBERS) == (
        Named("a", "fallbacks[0].model"),
        Named("b", "tools[0].model"),
        Named("judge", "tools[1].parameters.model"),
        Named("x", "tools[1].parameters.analysis_models[0]"),
        Named("y", "tools[1].parameters.analysis_models[1]"),
        Named("judge", "plugins[1].model"),
        Named("x", "plugins[1].analysis_models[0]"),
        Named("y", "plugins[1].analysis_models[1]"),
        Named("c", "compound_custom.models.answering_model"),
    )


def test_what_is_told_to_one_provider_is_looked_through_too() -> None:
    told = {"model": "x", "models": ["a"], "fallbacks": ["b", {"model": "c"}], "tools": [{"model": "d"}]}
    names = [Named("d", "up.tools[0].model"), Named("a", "up.models[0]")]
    names += [Named("b", "up.fallbacks[0]"), Named("c", "up.fallbacks[1].model")]
    assert sorted(within({"up": told}, MEMBERS)) == sorted(names)
    assert within({"metadata": told}, MEMBERS) == ()


@pytest.mark.parametrize(
    "body",
    [
        {"model": "own", "messages": [{"role": "user", "content": "model"}], "metadata": {"model": "x"}},
        {
            "tools": [
                {"type": "function", "name": "f", "parameters": {"properties": {"model": {"type": "string"}}}}
            ]
        },
        {"tools": None, "plugins": "web", "compound_custom": {"models": None}, "fallbacks": [{"model": 1}]},
    ],
)
def test_other_members_of_these_names_are_no_models(body: dict[str, Any]) -> None:
    assert within(body, MEMBERS) == ()


def test_the_provider_may_not_be_given_any_number_of_models() -> None:
    few = [{"model": "a"}] * MOST_WITHIN
    assert len(within({"fallbacks": few}, MEMBERS)) == MOST_WITHIN
    with pytest.raises(WireError) as failed:
        within({"fallbacks": [*few, {"model": "b"}]}, MEMBERS)
    assert failed.value.path == f"fallbacks[{MOST_WITHIN}].model"
    with pytest.raises(WireError, match="printable"):
        within({"fallbacks": [{"model": "a" * (LONGEST + 1)}]}, MEMBERS)
