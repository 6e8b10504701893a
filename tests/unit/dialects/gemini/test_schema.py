"""Schemas as the API takes them; what it refuses is named at its exact place."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest

from tests.unit.dialects.gemini.asking import cleaned


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "required": ["a"]},
        {"type": "object", "additionalProperties": False, "properties": {}},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "array", "items": {"type": "integer"}, "minItems": 1, "maxItems": 2},
        {"type": "array", "prefixItems": [{"type": "string"}]},
        {"anyOf": [{"type": "string"}, {"type": "null"}], "title": "T", "description": "D"},
        {"oneOf": [{"type": "string", "format": "date-time", "enum": ["a"]}]},
        {"type": "number", "minimum": 0, "maximum": 1, "enum": [0, 0.5]},
        {"type": "object", "properties": {"$ref": {"type": "string"}, "pattern": {"type": "string"}}},
        {
            "type": "object",
            "properties": {"a": {"$ref": "#/$defs/A"}},
            "required": ["a"],
            "$defs": {"A": {"type": "string"}},
        },
        {"type": "object", "properties": {"next": {"$ref": "#"}}, "required": []},
    ],
)
def test_what_the_api_takes_stays(schema: dict[str, Any]) -> None:
    assert cleaned(schema) == (schema, [])


@pytest.mark.parametrize(
    "key", ["pattern", "minLength", "uniqueItems", "not", "if", "patternProperties", "multipleOf"]
)
def test_a_constraint_that_is_refused_is_described(key: str) -> None:
    schema = {"type": "object", "properties": {"x": {"type": "string", "description": "X", key: 1}}}
    out, losses = cleaned(schema)
    assert out["properties"]["x"] == {"type": "string", "description": f"X\n\n{{{key}: 1}}"}
    assert losses == [(f"s.properties.x.{key}", "quality")]


def test_notes_are_hints_and_what_only_names_a_version_is_nothing() -> None:
    out, losses = cleaned({"$schema": "x", "type": "string", "default": "a"})
    assert out == {"type": "string", "description": '{default: "a"}'}
    assert losses == [("s.default", "hint")]


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        ({"const": "a"}, {"enum": ["a"]}),
        ({"type": "object", "properties": None, "required": None}, {"type": "object"}),
        ({"type": "integer", "exclusiveMaximum": 2, "maximum": None}, {"type": "integer", "maximum": 1}),
        ({"type": None, "items": None, "enum": None, "anyOf": None, "title": None, "pattern": None}, {}),
        (
            {"type": "object", "properties": {"items": {"type": "string", "description": None}}},
            {"type": "object", "properties": {"items": {"type": "string"}}},
        ),
        ({"const": None}, {"type": "null"}),
        ({"const": "a", "enum": ["a", "b"]}, {"enum": ["a"]}),
        ({"enum": ["a", "b"], "const": "a"}, {"enum": ["a"]}),
        ({"enum": [None, "a"], "const": None}, {"type": "null"}),
        ({"enum": ["a", None], "type": "string"}, {"type": ["string", "null"], "enum": ["a"]}),
        ({"enum": [1, None]}, {"enum": [1], "type": ["number", "null"]}),
        ({"enum": ["a", 1, None]}, {"enum": ["a", 1], "type": ["string", "number", "null"]}),
        ({"enum": [1, "a"], "nullable": True}, {"enum": [1, "a"], "type": ["number", "string", "null"]}),
        ({"type": "string", "nullable": True}, {"type": ["string", "null"]}),
        ({"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "minimum": 1}),
        ({"type": "integer", "exclusiveMaximum": 9, "maximum": 5}, {"type": "integer", "maximum": 5}),
        (
            {"type": "array", "items": [{"type": "string"}]},
            {"type": "array", "prefixItems": [{"type": "string"}]},
        ),
        ({"type": "array", "items": True}, {"type": "array"}),
        ({"properties": {"a": True}}, {"properties": {"a": {}}}),
        (
            {"$ref": "#/definitions/A", "definitions": {"A": {"type": "string"}}},
            {"$ref": "#/$defs/A", "$defs": {"A": {"type": "string"}}},
        ),
        (
            {"properties": {"a": {"$ref": "#/$defs/A", "description": "D"}}, "$defs": {"A": {}}},
            {"properties": {"a": {"description": "D", "anyOf": [{"$ref": "#/$defs/A"}]}}, "$defs": {"A": {}}},
        ),
        (
            {"allOf": [{"$ref": "#/$defs/A"}], "$defs": {"A": {"type": "string"}}},
            {"$ref": "#/$defs/A", "$defs": {"A": {"type": "string"}}},
        ),
        (
            {
                "type": "object",
                "allOf": [
                    {"properties": {"a": {"type": "string"}}, "required": ["a"]},
                    {"properties": {"b": {"type": "string"}}, "required": ["b"]},
                ],
            },
            {
                "type": "object",
                "properties": {"a": {"type": "string"}, "b": {"type": "string"}},
                "required": ["a", "b"],
            },
        ),
    ],
)
def test_what_can_be_said_otherwise_is(schema: dict[str, Any], written: dict[str, Any]) -> None:
    assert cleaned(schema) == (written, [])


@pytest.mark.parametrize(
    ("schema", "written", "place"),
    [
        ({"const": True}, {"description": "{const: true}"}, "s.const"),
        ({"enum": [True, "a"]}, {"description": '{enum: [true,"a"]}'}, "s.enum"),
        ({"properties": {"a": False}}, {"properties": {"a": {}}}, "s.properties.a"),
        (
            {"type": "number", "exclusiveMinimum": 0},
            {"type": "number", "minimum": 0, "description": "{exclusiveMinimum: 0}"},
            "s.exclusiveMinimum",
        ),
        (
            {"$ref": "https://a.b/c.json"},
            {"description": '{$ref: "https://a.b/c.json"}'},
            "s.$ref",
        ),
        (
            {"type": "string", "allOf": [{"enum": ["a"]}, {"enum": ["b"]}]},
            {"type": "string", "description": '{allOf: [{"enum":["a"]},{"enum":["b"]}]}'},
            "s.allOf",
        ),
        ({"properties": [1]}, {"description": "{properties: [1]}"}, "s.properties"),
        (
            {"const": "c", "required": ["a", 1]},
            {"enum": ["c"], "description": '{required: ["a",1]}'},
            "s.required",
        ),
        ({"const": "c", "required": "a"}, {"enum": ["c"], "description": '{required: "a"}'}, "s.required"),
        ({"const": "c", "items": 5}, {"enum": ["c"], "description": "{items: 5}"}, "s.items"),
        (
            {"prefixItems": [{}], "items": [{"type": "integer"}]},
            {"prefixItems": [{}], "description": '{items: [{"type":"integer"}]}'},
            "s.items",
        ),
        (
            {"items": [{"type": "integer"}], "prefixItems": [{}]},
            {"prefixItems": [{}], "description": '{items: [{"type":"integer"}]}'},
            "s.items",
        ),
        (
            {"type": "number", "minimum": "0", "exclusiveMinimum": 1},
            {"type": "number", "minimum": "0", "description": "{exclusiveMinimum: 1}"},
            "s.exclusiveMinimum",
        ),
        (
            {"exclusiveMaximum": 1, "maximum": "2"},
            {"maximum": "2", "description": "{exclusiveMaximum: 1}"},
            "s.exclusiveMaximum",
        ),
        (
            {"const": "c", "enum": ["a", "b"]},
            {"enum": ["a", "b"], "description": '{const: "c"}'},
            "s.const",
        ),
        ({"type": "string", "const": None}, {"type": "string", "description": "{const: null}"}, "s.const"),
        (
            {"allOf": [{"required": [["a"]]}, {"required": ["b"]}]},
            {"description": '{allOf: [{"required":[["a"]]},{"required":["b"]}]}'},
            "s.allOf",
        ),
        (
            {"anyOf": [{}], "$ref": "#/anyOf/" + "1" * 5000},
            {"anyOf": [{}], "description": f'{{$ref: "#/anyOf/{"1" * 5000}"}}'},
            "s.$ref",
        ),
        (
            {"properties": {"a": {"$ref": "#/$defs/A", "minItems": 1}}, "$defs": {"A": {}}},
            {"properties": {"a": {"anyOf": [{"$ref": "#/$defs/A"}]}}, "$defs": {"A": {}}},
            "s.properties.a.minItems",
        ),
    ],
)
def test_what_cannot_is_lost(schema: dict[str, Any], written: dict[str, Any], place: str) -> None:
    out, losses = cleaned(schema)
    assert out == written
    assert losses == [(place, "quality")]


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        (
            {"nullable": True, "anyOf": [{"type": "string"}]},
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
        ),
        ({"nullable": True, "enum": ["a"]}, {"enum": ["a"], "type": ["string", "null"]}),
        ({"nullable": True}, {}),
        ({"nullable": False, "type": "string"}, {"type": "string"}),
        (
            {"nullable": True, "$ref": "#/$defs/A", "$defs": {"A": {}}},
            {"anyOf": [{"$ref": "#/$defs/A"}, {"type": "null"}], "$defs": {"A": {}}},
        ),
    ],
)
def test_nullable_is_said_in_whichever_way_the_schema_has(
    schema: dict[str, Any], written: dict[str, Any]
) -> None:
    assert cleaned(schema) == (written, [])


# --- allOf ---------------------------------------------------------------------------------------


def test_properties_that_two_members_speak_of_are_joined_in_turn() -> None:
    base = {
        "type": "object",
        "properties": {"kind": {"type": "string", "enum": ["a", "b"]}},
        "required": ["kind"],
    }
    own = {
        "properties": {"kind": {"enum": ["a"]}, "size": {"type": "integer", "minimum": 1}},
        "required": ["kind"],
    }
    out, losses = cleaned(
        {
            "allOf": [{"$ref": "#/$defs/Base"}, own, {"properties": {"size": {"minimum": 5}}}],
            "$defs": {"Base": base},
        }
    )
    assert out == {
        "type": "object",
        "properties": {"kind": {"type": "string", "enum": ["a"]}, "size": {"type": "integer", "minimum": 5}},
        "required": ["kind"],
        "$defs": {"Base": base},
    }
    assert losses == []


def test_allof_within_allof_is_joined() -> None:
    schema = {
        "allOf": [{"allOf": [{"type": "string"}, {"title": "T"}]}, {"type": ["string", "null"], "title": "U"}]
    }
    assert cleaned(schema) == ({"type": ["string"], "title": "U"}, [("s.allOf", "hint")])


def test_words_of_all_parts_but_the_first_are_named() -> None:
    schema = {
        "description": "A.",
        "allOf": [{"title": "T", "default": 1}, {"description": "B.", "title": "U"}],
    }
    written = {"description": "A.\n\n{default: 1}", "title": "T"}
    assert cleaned(schema) == (
        written,
        [("s.allOf", "quality"), ("s.allOf", "hint"), ("s.default", "hint")],
    )


def test_an_anchor_stays_beside_a_reference() -> None:
    schema = {"properties": {"a": {"$anchor": "x", "$ref": "#/$defs/A", "title": "T"}}, "$defs": {"A": {}}}
    written = {"$anchor": "x", "title": "T", "anyOf": [{"$ref": "#/$defs/A"}]}
    assert cleaned(schema) == ({"properties": {"a": written}, "$defs": {"A": {}}}, [])


@pytest.mark.parametrize(
    "members",
    [
        [{"type": "string"}, {"type": "integer"}],
        [{"items": {}}, True],
        [{"anyOf": [{}]}, {"anyOf": [{"type": "null"}]}],
        [{"required": ["a"]}, {"required": True}],
        [{"minimum": 1}, {"minimum": "x"}],
        [{"properties": {}}, {"properties": []}],
    ],
)
def test_members_that_cannot_be_joined_are_described(members: list[Any]) -> None:
    out, losses = cleaned({"title": "T", "allOf": members})
    assert out == {"title": "T", "description": f"{{allOf: {json.dumps(members, separators=(',', ':'))}}}"}
    assert losses == [("s.allOf", "quality")]


def test_definitions_that_open_each_other_end() -> None:
    """Each opens the next one twice: without a bound a million copies, or no end at all."""

    def twice(name: str) -> dict[str, Any]:
        return {
            "properties": {key: {"allOf": [{"$ref": f"#/$defs/{name}"}, {"minItems": 1}]} for key in "ab"}
        }

    defs = {f"D{index}": twice(f"D{(index + 1) % 20}") for index in range(20)}
    started = time.process_time()
    cleaned({**twice("D0"), "$defs": defs})
    assert time.process_time() - started < 2
