"""Each keyword of JSON Schema: what it takes, and the place of the first value that it does not."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from dragoman.verify.bounds import Budget
from dragoman.verify.conformance import compile_schema, parsed
from dragoman.verify.keywords import Breach


def breach(schema: dict[str, Any], value: Any) -> Breach | None:
    return compile_schema(schema).test(parsed(json.dumps(value)), Budget(time.perf_counter))


LEGACY = "http://json-schema.org/draft-07/schema#"


LEGACY_REF = {
    "$schema": LEGACY,
    "properties": {"a": {"$ref": "#/definitions/s", "type": "null"}},
    "definitions": {"s": {"type": "string"}},
}


WITH_ID = {"$id": "https://a.test/s", "$ref": "https://a.test/s#/$defs/a", "$defs": {"a": False}}


TREE = {
    "type": "object",
    "properties": {"kids": {"type": "array", "items": {"$ref": "#"}}},
    "required": ["n"],
}


@pytest.mark.parametrize(
    ("schema", "value", "keyword", "path"),
    [
        ({"type": "object", "required": ["a"]}, {}, "required", ("a",)),
        ({"properties": {"a": {"type": "integer"}}}, {"a": "x"}, "type", ("a",)),
        ({"properties": {"a": {"type": "integer"}}}, {"a": True}, "type", ("a",)),
        ({"type": ["string", "null"]}, 1, "type", ()),
        ({"items": {"enum": ["a", 1, [1.0]]}}, ["a", 1.0, [1], "b"], "enum", (3,)),
        ({"const": {"a": 1.5}}, {"a": 1}, "const", ()),
        ({"const": False}, 0, "const", ()),
        ({"additionalProperties": False, "properties": {"a": {}}}, {"b": 1}, "additionalProperties", ("b",)),
        ({"additionalProperties": {"type": "null"}}, {"b": 1}, "type", ("b",)),
        ({"patternProperties": {"^x": {"type": "null"}}}, {"y": 1, "xy": 1}, "type", ("xy",)),
        ({"propertyNames": {"maxLength": 1}}, {"ab": 1}, "propertyNames", ("ab",)),
        ({"minProperties": 1}, {}, "minProperties", ()),
        ({"maxProperties": 0}, {"a": 1}, "maxProperties", ()),
        ({"dependentRequired": {"a": ["b"]}}, {"a": 1}, "dependentRequired", ("b",)),
        ({"dependencies": {"a": ["b"]}}, {"a": 1}, "dependentRequired", ("b",)),
        ({"dependentSchemas": {"a": {"required": ["c"]}}}, {"a": 1}, "required", ("c",)),
        ({"prefixItems": [{"type": "null"}], "items": False}, [None, 1], "false schema", (1,)),
        ({"properties": {"a": {"items": False}}}, {"a": [1]}, "false schema", ("a", 0)),
        ({"properties": {"a": {"items": {"allOf": [False]}}}}, {"a": [1]}, "false schema", ("a", 0)),
        ({"items": {"properties": {"b": False}}}, [{"b": 1}], "additionalProperties", (0, "b")),
        ({"properties": {"a": {"allOf": [False]}}}, {"a": 1}, "additionalProperties", ("a",)),
        ({"items": [{"type": "null"}], "additionalItems": {"type": "null"}}, [None, 1], "type", (1,)),
        ({"minItems": 1}, [], "minItems", ()),
        ({"maxItems": 0}, [1], "maxItems", ()),
        ({"uniqueItems": True}, [{"a": 1, "b": 2}, 1, {"b": 2, "a": 1.0}], "uniqueItems", (2,)),
        ({"contains": {"type": "null"}}, [1], "contains", ()),
        ({"contains": {"type": "null"}, "maxContains": 1}, [None, None], "maxContains", ()),
        ({"minLength": 2}, "a", "minLength", ()),
        ({"maxLength": 1}, "😀a", "maxLength", ()),
        ({"pattern": "^a"}, "ba", "pattern", ()),
        ({"minimum": 2}, 1, "minimum", ()),
        ({"maximum": 2}, 2.5, "maximum", ()),
        ({"exclusiveMinimum": 2}, 2, "exclusiveMinimum", ()),
        ({"exclusiveMaximum": 2}, 2, "exclusiveMaximum", ()),
        ({"minimum": 2, "exclusiveMinimum": True}, 2, "exclusiveMinimum", ()),
        ({"maximum": 2, "exclusiveMaximum": True}, 2, "exclusiveMaximum", ()),
        ({"multipleOf": 0.01}, 0.125, "multipleOf", ()),
        ({"multipleOf": 3}, 4, "multipleOf", ()),
        ({"allOf": [{"type": "object"}, {"required": ["a"]}]}, {}, "required", ("a",)),
        ({"anyOf": [{"type": "null"}, {"type": "string"}]}, 1, "anyOf", ()),
        ({"anyOf": [{"type": "null"}, {"required": ["a"]}]}, {}, "required", ("a",)),
        ({"oneOf": [{"minimum": 1}, {"minimum": 2}]}, 3, "oneOf", ()),
        ({"not": {"type": "null"}}, None, "not", ()),
        ({"if": {"type": "object"}, "then": {"required": ["a"]}}, {}, "required", ("a",)),
        ({"if": {"type": "object"}, "else": {"type": "null"}}, 1, "type", ()),
        (TREE, {"n": 1, "kids": [{"n": 2}, {}]}, "required", ("kids", 1, "n")),
        ({"$ref": "#/$defs/a~1b%20c", "$defs": {"a/b c": {"type": "null"}}}, 1, "type", ()),
        ({"$ref": "#here", "$defs": {"x": {"$anchor": "here", "type": "null"}}}, 1, "type", ()),
        ({"$ref": "#/prefixItems/1", "prefixItems": [True, {"type": "null"}]}, 1, "type", ()),
        (WITH_ID, 1, "false schema", ()),
        (LEGACY_REF, {"a": 1}, "type", ("a",)),
    ],
)  # fmt: skip
def test_the_first_mistake(schema: dict[str, Any], value: Any, keyword: str, path: tuple[Any, ...]) -> None:
    assert breach(schema, value) == Breach(keyword, path)


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({"type": "integer"}, 1.0),
        ({"type": "number"}, 1),
        ({"multipleOf": 0.1}, 0.3),  # in floating point it is none
        ({"multipleOf": 0.0001}, 0.0075),
        ({"required": ["a"], "minLength": 9, "minimum": 9, "minItems": 9}, None),
        ({"const": {"a": 1, "b": 2.0}}, {"b": 2, "a": 1.0}),
        ({"format": "email"}, "none"),
        ({"uniqueItems": False}, [1, 1]),
        ({"unevaluatedProperties": True}, {"a": 1}),
        ({"$schema": LEGACY, "$ref": "#/definitions/s", "type": "null", "definitions": {"s": True}}, 1),
    ],
)
def test_what_is_valid(schema: dict[str, Any], value: Any) -> None:
    assert breach(schema, value) is None


def test_numbers_beyond_a_double_are_numbers() -> None:
    test = compile_schema({"type": "number", "multipleOf": 2}).test
    assert test(parsed("1e400"), Budget(time.perf_counter)) == Breach("multipleOf")
