"""Schemas and their first mistake."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dragoman.dialects.schema import Mistake, mistake, strict_mistake

GOOD: list[Any] = [
    True,
    {},
    {"type": "object"},
    {"type": ["string", "null"], "enum": ["a", None], "const": 5, "default": {}},
    {"properties": {"type": {"type": "string"}, "properties": {"items": {"type": "array"}}}},
    {"items": [{"type": "string"}, True], "prefixItems": [{}], "additionalProperties": False},
    {"items": []},
    {"$defs": {"a": {"$ref": "#/$defs/a"}}, "anyOf": [{"$ref": "#/$defs/a"}, {"type": "null"}]},
    {"minimum": -1, "maximum": 2.5, "minLength": 0, "maxItems": 3.0, "pattern": "^a", "format": "date"},
    {"x-unheard-of": [1, 2], "required": [], "if": {}, "then": {"not": {}}},
]
NO_SCHEMA = "a schema must be an object or a boolean, not {}"
BAD: list[tuple[Any, str, str]] = [
    ([], "", "a schema must be an object or a boolean, not an array"),
    (None, "", "a schema must be an object or a boolean, not null"),
    (5, "", NO_SCHEMA.format("a number")),
    ({"type": "text"}, "type", "'text' is not a type"),
    ({"type": 5}, "type", "a type must be a string or an array of strings, not a number"),
    ({"type": []}, "type", "a type must be a string or an array of strings, not an array"),
    ({"type": ["string", "text"]}, "type[1]", "'text' is not a type"),
    ({"type": [["string"]]}, "type[0]", "['string'] is not a type"),
    ({"properties": []}, "properties", "must be an object of schemas, not an array"),
    ({"properties": {"a": {"type": "x"}}}, "properties.a.type", "'x' is not a type"),
    (
        {"properties": {"a": "string"}},
        "properties.a",
        NO_SCHEMA.format("a string"),
    ),
    ({"items": {"items": {"type": "x"}}}, "items.items.type", "'x' is not a type"),
    ({"items": [{}, {"type": "x"}]}, "items[1].type", "'x' is not a type"),
    ({"anyOf": []}, "anyOf", "must be an array of schemas with at least one"),
    (
        {"anyOf": [{}, {"oneOf": [5]}]},
        "anyOf[1].oneOf[0]",
        NO_SCHEMA.format("a number"),
    ),
    ({"required": "a"}, "required", "must be an array of strings, not a string"),
    ({"required": True}, "required", "must be an array of strings, not a boolean"),
    ({"required": ["a", 5]}, "required[1]", "must be a string, not a number"),
    ({"enum": {}}, "enum", "must be an array, not an object"),
    ({"pattern": 5}, "pattern", "must be a string, not a number"),
    ({"minimum": "1"}, "minimum", "must be a number, not a string"),
    ({"minimum": True}, "minimum", "must be a number, not a boolean"),
    ({"minItems": -1}, "minItems", "must be a whole number of at least 0"),
    ({"minItems": 1.5}, "minItems", "must be a whole number of at least 0"),
    (
        {"additionalProperties": "no"},
        "additionalProperties",
        NO_SCHEMA.format("a string"),
    ),
    ({"$defs": {"a": {"not": 1}}}, "$defs.a.not", NO_SCHEMA.format("a number")),
]


@pytest.mark.parametrize("schema", GOOD)
def test_what_is_a_schema_has_no_mistake(schema: Any) -> None:
    assert mistake(schema) is None


@pytest.mark.parametrize(("schema", "path", "message"), BAD)
def test_the_first_mistake_is_told_with_its_path(schema: Any, path: str, message: str) -> None:
    assert mistake(schema) == Mistake(path, message)


def closed(**properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


STRICT_GOOD = [
    closed(),
    closed(city={"type": "string", "pattern": "^A"}, days={"type": ["integer", "null"], "minimum": 1}),
    closed(place=closed(city={"type": "string"}), list={"type": "array", "items": closed()}),
    {**closed(a={"anyOf": [closed(), {"type": "null"}]}), "$defs": {"b": closed()}},
    {"$ref": "#/$defs/a", "$defs": {"a": closed()}},
]
STRICT_BAD = [
    ({}, "type", "the root must be of type 'object'"),
    ({"type": "array", "items": closed()}, "type", "the root must be of type 'object'"),
    ({**closed(), "anyOf": [{}]}, "anyOf", "the root must not be an 'anyOf'"),
    ({"type": "object"}, "additionalProperties", "is required to be supplied and to be false"),
    (
        {**closed(), "additionalProperties": True},
        "additionalProperties",
        "is required to be supplied and to be false",
    ),
    (
        {**closed(a={}), "required": []},
        "required",
        "must include every property; 'a' is missing",
    ),
    (
        closed(a={"type": "object"}),
        "properties.a.additionalProperties",
        "is required to be supplied and to be false",
    ),
    (
        closed(a={"type": ["object", "null"]}),
        "properties.a.additionalProperties",
        "is required to be supplied and to be false",
    ),
    (closed(a={"allOf": [{}]}), "properties.a.allOf", "'allOf' is not permitted"),
    (closed(a={"oneOf": [{}]}), "properties.a.oneOf", "'oneOf' is not permitted"),
    (closed(a={"items": {"not": {}}}), "properties.a.items.not", "'not' is not permitted"),
    (
        closed(a={"anyOf": [{"type": "null"}, {"if": {}}]}),
        "properties.a.anyOf[1].if",
        "'if' is not permitted",
    ),
    (
        {**closed(), "$defs": {"x": {"patternProperties": {}}}},
        "$defs.x.patternProperties",
        "'patternProperties' is not permitted",
    ),
]


@pytest.mark.parametrize("schema", STRICT_GOOD)
def test_a_strict_schema_has_no_mistake(schema: dict[str, Any]) -> None:
    assert mistake(schema) is None
    assert strict_mistake(schema) is None


@pytest.mark.parametrize(("schema", "path", "message"), STRICT_BAD)
def test_a_breach_of_the_strict_rules_is_told(schema: dict[str, Any], path: str, message: str) -> None:
    assert mistake(schema) is None
    assert strict_mistake(schema) == Mistake(path, message)


KEYWORD = st.sampled_from(["type", "properties", "items", "anyOf", "required", "$defs", "minLength", "x"])
ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.sampled_from(["object", "string"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYWORD, inner, max_size=4),
)


@given(ANY)
def test_any_json_is_judged_and_a_strict_one_is_a_schema_first(value: Any) -> None:
    if mistake(value) is None and isinstance(value, dict):
        strict_mistake(value)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#", "prefixItems": 1},
        {"$ref": "#", "$defs": "a", "definitions": [1]},
        {"type": "object", "properties": 1, "required": "a", "additionalProperties": False},
        {"type": "object", "properties": {}, "required": [["a"]], "additionalProperties": False},
    ],
)
def test_parts_of_a_wrong_type_are_no_mistake_of_a_strict_schema(schema: dict[str, Any]) -> None:
    assert strict_mistake(schema) is None
