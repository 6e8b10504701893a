"""Schemas of a grammar: what they may hold, and the path of what they may not."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.errors import WireError
from dragoman.upstreams.local.grammar import (
    MOST,
    json_grammar,
)
from tests.unit.upstreams.local.gbnf import Grammar

TEXT = {"type": "string"}
ENDLESS = {"type": "object", "properties": {"x": {"$ref": "#n"}}, "required": ["x"]}
HEADS = {"type": "array", "prefixItems": [TEXT], "minItems": 1}
NUMBERS = {"type": "array", "items": {"type": "integer"}}


@pytest.mark.parametrize(
    ("schema", "path"),
    [
        (False, "schema"),
        ({"properties": {"a": {"pattern": "^a$"}}}, "schema.properties.a.pattern"),
        ({"items": {"anyOf": [TEXT, {"not": {}}]}}, "schema.items.anyOf[1].not"),
        ({"prefixItems": [TEXT, {"multipleOf": 3}]}, "schema.prefixItems[1].multipleOf"),
        (
            {"$ref": "#/$defs/a", "$defs": {"a": {"items": {"uniqueItems": True}}}},
            "schema.$defs.a.items.uniqueItems",
        ),
        ({"$ref": "https://example.com/a.json"}, "schema.$ref"),
        ({"$ref": "#/$defs/absent"}, "schema.$ref"),
        ({"$ref": "#absent", "$defs": {"a": {"$anchor": "there"}}}, "schema.$ref"),
        ({"$ref": "#a/$defs/b", "$defs": {"b": TEXT}}, "schema.$ref"),
        (
            {"$defs": {"n": {"$anchor": "n", **ENDLESS}}, **ENDLESS},
            "schema.properties.x",
        ),
        ({**ENDLESS, "properties": {"x": {"$ref": "#"}}}, "schema.properties.x"),
        ({"items": {"$ref": "#"}, "minItems": 1}, "schema.items"),
        ({"prefixItems": [TEXT, {"$ref": "#"}]}, "schema.prefixItems[1]"),
        ({"prefixItems": [{"type": ["boolean", "null"]}, {"$ref": "#"}]}, "schema.prefixItems[1]"),
        ({"additionalProperties": {"$ref": "#"}, "minProperties": 1}, "schema.additionalProperties"),
        (
            {
                "properties": {"a": {"anyOf": [TEXT, {"$ref": "#/$defs/e"}]}},
                "$defs": {"e": {**ENDLESS, "properties": {"x": {"anyOf": [{"$ref": "#/$defs/e"}]}}}},
            },
            "schema.$defs.e.properties.x",
        ),
        ({"$ref": "#"}, "schema.$ref"),
        ({"anyOf": [{"$ref": "#"}]}, "schema.anyOf[0]"),
        ({"anyOf": []}, "schema.anyOf"),
        ({"oneOf": [TEXT, {"minLength": 1}]}, "schema.oneOf[1]"),
        ({"oneOf": [{"type": "integer"}, {"type": "number"}]}, "schema.oneOf[1]"),
        ({"oneOf": [{"const": 1}, {"enum": [2, 1]}]}, "schema.oneOf[1]"),
        ({"allOf": [{"minimum": 1}, {"type": "string"}, {"type": "integer"}]}, "schema.allOf[2].type"),
        ({"allOf": [{"properties": {"a": TEXT}}, {"properties": {"a": {}}}]}, "schema.allOf[1].properties"),
        ({"allOf": [HEADS, NUMBERS]}, "schema.allOf[1].items"),
        ({"allOf": [NUMBERS, HEADS]}, "schema.allOf[1].prefixItems"),
        ({**NUMBERS, "anyOf": [{"prefixItems": [TEXT]}]}, "schema.anyOf[0].prefixItems"),
        ({"allOf": [HEADS, {"items": [{"type": "null"}]}]}, "schema.allOf[1].items"),
        ({"allOf": [{"items": [{"type": "null"}]}, HEADS]}, "schema.allOf[1].prefixItems"),
        ({"prefixItems": [TEXT], "items": [TEXT]}, "schema.items"),
        ({"allOf": [{"const": 1}, {"const": True}]}, "schema.allOf[1].const"),
        ({"allOf": [{"enum": [[{"a": 0}]]}, {"enum": [[{"a": False}]]}]}, "schema.allOf[1].enum"),
        (
            {"allOf": [{"properties": {"a": {"const": 1}}}, {"properties": {"a": {"const": True}}}]},
            "schema.allOf[1].properties",
        ),
        ({"const": 1, "enum": [True, 2]}, "schema"),
        ({"allOf": [{"const": 3}, {"enum": [1, 2]}]}, "schema"),
        ({"oneOf": [{"const": 1}, {"const": 1.0}]}, "schema.oneOf[1]"),
        (
            {"additionalProperties": False, "allOf": [{"properties": {"a": TEXT}}]},
            "schema.allOf[0].properties",
        ),
        ({"type": "text"}, "schema.type"),
        ({"type": []}, "schema.type"),
        ({"type": "object", "properties": []}, "schema.properties"),
        ({"required": [1]}, "schema.required"),
        ({"properties": {"a": 1}, "type": "object"}, "schema.properties.a"),
        ({"required": ["a"], "additionalProperties": False, "properties": {}}, "schema.required"),
        ({"properties": {"a": {}, "b": {}}, "minProperties": 1}, "schema.minProperties"),
        ({"properties": {"a": {}, "b": {}}, "maxProperties": 1}, "schema.maxProperties"),
        ({"additionalProperties": {}, "minProperties": 2}, "schema.minProperties"),
        ({"type": "object", "maxProperties": 0, "minProperties": 1}, "schema.minProperties"),
        ({"minItems": 3, "maxItems": 2}, "schema.minItems"),
        ({"items": False, "minItems": 1}, "schema.minItems"),
        ({"minItems": MOST + 1}, "schema.minItems"),
        ({"minLength": MOST + 1}, "schema.minLength"),
        ({"minLength": 3, "maxLength": 2}, "schema.minLength"),
        ({"minLength": -1}, "schema.minLength"),
        ({"type": "integer", "minimum": 3, "maximum": 2}, "schema"),
        ({"type": "number", "minimum": 5, "maximum": 1}, "schema"),
        ({"type": "number", "minimum": -5, "maximum": -7}, "schema"),
        ({"type": "number", "minimum": 0.5}, "schema.minimum"),
        ({"type": "number", "exclusiveMinimum": 1, "maximum": 1}, "schema"),
        ({"type": "integer", "minimum": True}, "schema.minimum"),
        ({"type": "integer", "enum": [1, 2], "minimum": 2}, "schema.minimum"),
        ({"type": "integer", "enum": ["a"]}, "schema"),
        ({"enum": []}, "schema"),
        ({"unevaluatedProperties": False}, "schema.unevaluatedProperties"),
        ({"propertyNames": False}, "schema.propertyNames"),
        ({"contains": False}, "schema.contains"),
        ({"items": [{"type": "string"}], "additionalItems": False}, "schema.additionalItems"),
        ({"if": False, "else": False}, "schema.else"),
    ],
)
def test_what_cannot_be_held_is_refused_with_its_path(schema: Any, path: str) -> None:
    with pytest.raises(WireError) as caught:
        json_grammar(schema)
    assert caught.value.path == path


def test_counts_are_written_as_whole_numbers() -> None:
    """Anything else is no grammar, and what is none ends the model process."""
    grammar = json_grammar({"type": "string", "minLength": 2.0, "maxLength": 5.0})
    assert "char{2,5}" in grammar
    assert '){1,3} "]"' in json_grammar({"type": "array", "minItems": 2.0, "maxItems": 4.0})


def test_an_alternative_that_is_said_twice_is_one() -> None:
    schema: dict[str, Any] = {"$defs": {"a0": TEXT}, "$ref": "#/$defs/a40"}
    for level in range(40):
        schema["$defs"][f"a{level + 1}"] = {"anyOf": [{"$ref": f"#/$defs/a{level}"}] * 2}
    assert Grammar(json_grammar(schema)).accepts('"a"')


@pytest.mark.parametrize("keyword", ["not", "if", "then", "else", "uniqueItems", "additionalItems"])
def test_what_restricts_nothing_is_taken(keyword: str) -> None:
    assert json_grammar({"type": "array", keyword: False}) == json_grammar({"type": "array"})
