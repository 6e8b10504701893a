"""Two schemas as one that allows what both allow."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.upstreams.simulate.merging import Contradiction, both

A, B = {"minLength": 1}, {"maxLength": 5}


@pytest.mark.parametrize(
    ("one", "other", "merged"),
    [
        (True, A, A),
        (A, False, False),
        (True, True, True),
        ({"minimum": 1, "maximum": 9}, {"minimum": 3, "maximum": 12}, {"minimum": 3, "maximum": 9}),
        ({"type": "number"}, {"type": ["integer", "null"]}, {"type": ["integer"]}),
        ({"enum": [1, True, 2]}, {"enum": [True, 2.0]}, {"enum": [True, 2]}),
        ({"required": ["a"]}, {"required": ["b", "a"]}, {"required": ["a", "b"]}),
        ({"multipleOf": 4}, {"multipleOf": 6}, {"multipleOf": 12}),
        ({"multipleOf": 0.5}, {"multipleOf": 0.2}, {"multipleOf": 1}),
        ({"anyOf": [A]}, {"anyOf": [B]}, {"anyOf": [A], "allOf": [{"anyOf": [B]}]}),
        ({"$ref": "#/a"}, {"$ref": "#/a"}, {"$ref": "#/a"}),
        ({"properties": {"a": A}}, {"properties": {"a": B}}, {"properties": {"a": {"allOf": [A, B]}}}),
        (
            {"properties": {"a": A}, "additionalProperties": False},
            {"properties": {"b": B}},
            {"properties": {"a": A, "b": False}, "additionalProperties": False},
        ),
        ({"prefixItems": [A]}, {"items": B}, {"prefixItems": [{"allOf": [A, B]}], "items": B}),
        ({"items": [A]}, {"items": False}, {"prefixItems": [False], "items": False}),
        ({"title": "a"}, {"title": "b"}, {"title": "b"}),
    ],
)
def test_merged_keywords(one: Any, other: Any, merged: Any) -> None:
    assert both(one, other) == merged


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"const": 1}, {"const": True}),
        ({"enum": [1]}, {"enum": [True]}),
        ({"type": "string"}, {"type": "null"}),
    ],
)
def test_contradictions(one: Any, other: Any) -> None:
    with pytest.raises(Contradiction):
        both(one, other)
