"""Objects of requests that are merged, also if a name has two spellings."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.gemini.terms import SPELLING
from dragoman.dialects.merging import deep_merge, merged


def test_deep_merge_keeps_what_it_is_given() -> None:
    under = {"a": {"x": 1, "y": [1]}, "b": 1}
    over = {"a": {"y": [2]}, "b": {"c": 1}}
    assert deep_merge(under, over) == {"a": {"x": 1, "y": [2]}, "b": {"c": 1}}
    assert under == {"a": {"x": 1, "y": [1]}, "b": 1}


@pytest.mark.parametrize(
    ("body", "members", "told"),
    [
        (
            {"generation_config": {"top_k": 1}},
            {"generationConfig": {"topK": 2}},
            {"generation_config": {"top_k": 2}},
        ),
        (
            {"generationConfig": {"topK": 1}},
            {"generation_config": {"top_k": 2}},
            {"generationConfig": {"topK": 2}},
        ),
        ({"a_b": 1, "aB": 2}, {"a_b": 3}, {"a_b": 1, "aB": 3}),
        ({}, {"a_b": 1}, {"a_b": 1}),
        ({}, {"aB": {"c_d": {"x": 1}}, "a_b": {"cD": {"y": 2}}}, {"aB": {"c_d": {"x": 1, "y": 2}}}),
        (
            {},
            {"responseSchema": {"properties": {"aB": 1}}, "response_schema": {"properties": {"a_b": 2}}},
            {"responseSchema": {"properties": {"aB": 1, "a_b": 2}}},
        ),
        ({"aB": 1}, {"a_b": {"x": 1}}, {"aB": {"x": 1}}),
        ({"labels": {"a_b": "1"}}, {"labels": {"aB": "2"}}, {"labels": {"a_b": "1", "aB": "2"}}),
        (
            {"gC": {"response_schema": {"properties": {"a_b": 1}}}},
            {"g_c": {"responseSchema": {"properties": {"aB": 2}}}},
            {"gC": {"response_schema": {"properties": {"a_b": 1, "aB": 2}}}},
        ),
    ],
)
def test_a_name_gets_the_spelling_of_the_body(
    body: dict[str, Any], members: dict[str, Any], told: dict[str, Any]
) -> None:
    assert merged(body, members, SPELLING) == told


def test_without_spellings_each_name_is_its_own() -> None:
    assert merged({"a_b": 1}, {"aB": 2}) == {"a_b": 1, "aB": 2}
