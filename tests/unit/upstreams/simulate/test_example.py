"""Values that their schema accepts, judged by a validator that is not ours."""

from __future__ import annotations

from datetime import time
from fractions import Fraction
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from openapi_schema_validator import OAS31Validator, oas31_format_checker

from dragoman.errors import WireError
from dragoman.upstreams.simulate.example import example
from dragoman.upstreams.simulate.words import Draw

TREE = {
    "$defs": {
        "node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "next": {"anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}]},
                "children": {"type": "array", "items": {"$ref": "#/$defs/node"}},
            },
            "required": ["name", "next", "children"],
        }
    },
    "$ref": "#/$defs/node",
}

SCHEMAS: list[Any] = [
    {},
    True,
    {"type": "object"},
    {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a", "b"]},
    {"type": "object", "minProperties": 3, "maxProperties": 3, "properties": {"a": {}, "b": {}}},
    {"type": "object", "maxProperties": 1, "properties": {"a": {}, "b": {}, "c": {}}, "required": ["b"]},
    {"type": "object", "minProperties": 2, "additionalProperties": {"type": "integer"}},
    {"properties": {"a": {"const": 7}, "b": {"enum": ["x", None]}}, "required": ["a", "b"]},
    {"type": "object", "properties": {"p": {"type": "string", "pattern": "^[0-9]{9}$"}}},
    {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 2},
    {"type": "array", "items": {"type": "integer"}, "uniqueItems": True, "minItems": 5},
    {"type": "array", "maxItems": 0},
    {"prefixItems": [{"type": "string"}, {"type": "integer"}], "items": False, "minItems": 2},
    {"items": {"type": "null"}},
    {"type": "integer", "minimum": 3, "maximum": 3},
    {"type": "integer", "minimum": 10, "multipleOf": 7, "maximum": 16},
    {"type": "integer", "exclusiveMinimum": 4, "exclusiveMaximum": 6},
    {"type": "integer", "minimum": 2.5, "maximum": 3.5},
    {"type": "integer", "maximum": -5},
    {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 0.001},
    {"type": "number", "multipleOf": 0.5, "minimum": 0.5, "maximum": 1},
    {"minimum": 5},
    {"type": "string", "minLength": 40, "maxLength": 41},
    {"type": "string", "maxLength": 0},
    *({"type": "string", "format": name} for name in ("date", "date-time", "duration", "email")),
    *({"type": "string", "format": name} for name in ("hostname", "uri", "ipv4", "ipv6", "uuid", "made-up")),
    {"type": ["null", "integer"]},
    {"type": ["string", "object"]},
    {"anyOf": [{"type": "string"}, {"type": "integer", "minimum": 5}]},
    {"oneOf": [{"const": "a"}, {"type": "integer"}], "description": "either"},
    {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]},
            {"properties": {"b": {"type": "null"}}, "required": ["b"]},
        ],
        "properties": {"c": {"type": "boolean"}},
        "required": ["c"],
    },
    {"$defs": {"a/b": {"type": "integer"}}, "properties": {"x": {"$ref": "#/$defs/a~1b"}}, "required": ["x"]},
    {"anyOf": [{"type": "null"}, {"$ref": "#/anyOf/0"}]},
    {"type": "object", "properties": {"self": {"$ref": "#"}}},
    {"allOf": [True, {"type": "integer"}]},
    {
        "$defs": {
            "link": {
                "type": "object",
                "properties": {"next": {"anyOf": [{"$ref": "#/$defs/link"}, {"const": "end"}]}},
                "required": ["next"],
            }
        },
        "$ref": "#/$defs/link",
    },
    TREE,
    {"type": "integer", "minimum": 2**53 + 1},
    {"type": "integer", "exclusiveMinimum": 2**53, "exclusiveMaximum": 2**53 + 2},
    {"type": "number", "minimum": 2**53 + 1, "exclusiveMaximum": 2**53 + 3},
    {"type": "number", "minimum": 2**53 + 1},
    {"type": "number", "exclusiveMinimum": 1e300},
    {"type": "integer", "multipleOf": 10**20, "minimum": 1},
    {"type": "integer", "multipleOf": 2.5},
    {"$ref": "#n", "$defs": {"N": {"$anchor": "n", "type": "integer"}}},
    {"$defs": {"a%": {"type": "integer"}}, "$ref": "#/$defs/a%25"},
    {"allOf": [{"minimum": 5}, {"minimum": 1, "maximum": 7}], "type": "number"},
    {"allOf": [{"type": ["integer", "string"]}, {"type": ["number", "null"]}]},
    {"allOf": [{"enum": [1, True, 2]}, {"enum": [True, 3]}]},
    {"const": 1, "enum": [True, 1.0]},
    {"enum": [1, 5, 9], "minimum": 4, "maximum": 6},
    {"type": "array", "prefixItems": [{"type": "string"}], "allOf": [{"items": {"minLength": 3}}]},
    {"allOf": [{"properties": {"a": {"type": "integer"}}}, {"properties": {"a": {"minimum": 9}}}]},
    {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "integer"}}, "additionalProperties": False},
            {"properties": {"b": {}}, "required": ["a"]},
        ]
    },
    {"type": "object", "properties": {"a": False, "b": {"$ref": "#/properties/a"}, "c": {}}},
    {"type": "object", "properties": {"a": {}, "b": {}}, "maxProperties": 1, "minProperties": 1},
    {"anyOf": [{"type": "string"}, {"type": "integer"}], "type": "integer"},
    {"oneOf": [{"type": "integer", "minimum": 50}, {"type": "integer", "maximum": 60}]},
    {"type": "string", "not": {"minLength": 6}},
    {
        "minimum": 2**53 + 1,
        "oneOf": [{"type": "integer", "minimum": 2**54}, {"type": "number", "maximum": 2**54 - 1}],
    },
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=range(len(SCHEMAS)))
def test_examples_are_valid(schema: Any) -> None:
    validator = OAS31Validator(schema, format_checker=oas31_format_checker)
    for key in range(25):
        value = example(schema, Draw(bytes([key])))
        validator.validate(value)
        assert value == example(schema, Draw(bytes([key])))


def test_a_large_multiple_is_one_to_the_last_digit() -> None:
    # The validator divides doubles, which have no fractions here.
    schema = {"type": "number", "multipleOf": 1.5, "minimum": 1, "maximum": 2e19}
    for key in range(25):
        assert (Fraction(example(schema, Draw(bytes([key])))) / Fraction(3, 2)).denominator == 1


def test_times_are_those_of_rfc_3339() -> None:
    # The validator's own check of "time" is an older draft's, without an offset.
    for key in range(25):
        made = example({"type": "string", "format": "time"}, Draw(bytes([key])))
        assert time.fromisoformat(made).tzinfo is not None


SCALARS: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.sampled_from([{"type": "null"}, {"type": "boolean"}, {"type": "string"}, {"type": "number"}]),
    st.builds(
        lambda low, span: {"type": "integer", "minimum": low, "maximum": low + span},
        st.integers(-1000, 1000),
        st.integers(0, 50),
    ),
    st.builds(
        lambda least, more: {"type": "string", "minLength": least, "maxLength": least + more},
        st.integers(0, 30),
        st.integers(0, 30),
    ),
    st.builds(lambda values: {"enum": values}, st.lists(st.integers() | st.text(), min_size=1, max_size=3)),
)
NESTED = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.builds(
            lambda item, least: {"type": "array", "items": item, "minItems": least}, inner, st.integers(0, 3)
        ),
        st.builds(
            lambda properties: {
                "type": "object",
                "properties": properties,
                "required": sorted(properties)[::2],
                "additionalProperties": False,
            },
            st.dictionaries(st.text(max_size=5), inner, max_size=4),
        ),
        st.builds(lambda options: {"anyOf": options}, st.lists(inner, min_size=1, max_size=3)),
    ),
    max_leaves=12,
)


@given(NESTED, st.binary(max_size=4))
@settings(max_examples=150)
def test_any_schema_of_these_words_gets_a_valid_example(schema: dict[str, Any], key: bytes) -> None:
    OAS31Validator(schema).validate(example(schema, Draw(key)))


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        ({"type": "object", "properties": {"a": {"$ref": "#"}}, "required": ["a"]}, "schema"),
        ({"$ref": "#/nowhere/at/all"}, "schema.$ref"),
        ({"$ref": "#absent"}, "schema.$ref"),
        ({"$ref": "#/anyOf/" + "1" * 5000, "anyOf": [{}]}, "schema.$ref"),
        ({"$ref": "https://example.com/schema"}, "schema.$ref"),
        (
            {"type": "object", "properties": {"x": {"$ref": "#n"}}, "required": ["x"], "$anchor": "n"},
            "schema",
        ),
        ({"enum": []}, "schema"),
        ({"anyOf": []}, "schema"),
        (False, "schema"),
        ({"type": "array", "items": {"type": "boolean"}, "uniqueItems": True, "minItems": 3}, "schema"),
        ({"type": "integer", "minimum": 2.2, "maximum": 2.8}, "schema"),
        ({"type": "number", "minimum": 5, "maximum": 1}, "schema"),
        ({"type": "number", "multipleOf": 0}, "schema"),
        ({"allOf": [{"const": 1}, {"const": True}]}, "schema"),
        ({"oneOf": [{"type": "string"}, {"type": "string"}]}, "schema"),
    ],
)
def test_the_impossible_is_refused(schema: Any, path: str) -> None:
    with pytest.raises(WireError) as refused:
        example(schema, Draw(b"k"))
    assert refused.value.path == path


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "nonsense"},
        {"allOf": []},
        {"type": "string", "pattern": "^[0-9]{12}$"},
        {"type": "string", "not": {"type": "string"}},
    ],
)
def test_what_is_not_followed_gets_a_value(schema: Any) -> None:
    assert isinstance(example(schema, Draw(b"k")), str)


@pytest.mark.parametrize(
    "schema",
    [
        {"exclusiveMinimum": {}, "type": "number"},
        {"$ref": "#/default", "default": {"properties": "a", "type": "object"}},
        {"$ref": "#/default", "default": {"enum": 5}},
    ],
)
def test_a_schema_of_wrong_types_is_refused(schema: dict[str, Any]) -> None:
    with pytest.raises(WireError, match="not well-formed") as refused:
        example(schema, Draw(b"k"))
    assert refused.value.path == "schema"
