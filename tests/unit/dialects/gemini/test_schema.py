"""Schemas as the API takes them; what it refuses is named at its exact place."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.gemini.schema import LOWER, UPPER, clean_schema, read_openapi, write_openapi
from dragoman.dialects.loss import Report
from tests.unit.dialects.gemini.asking import lost


def cleaned(schema: dict[str, Any]) -> tuple[dict[str, Any], list[tuple[str, str]]]:
    report = Report("gemini")
    before = repr(schema)
    out = clean_schema(schema, report, "s")
    assert repr(schema) == before, "the client's schema is not ours to change"
    return out, lost(report)


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
        ({"const": None}, {"type": "null"}),
        ({"enum": ["a", None], "type": "string"}, {"type": ["string", "null"], "enum": ["a"]}),
        ({"enum": [1, None]}, {"enum": [1], "type": ["number", "null"]}),
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
            {"type": "string"},
            "s.allOf",
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


TREE: dict[str, Any] = {
    "type": "object",
    "properties": {"root": {"$ref": "#/$defs/Node"}},
    "required": ["root"],
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
            },
            "required": ["name", "children"],
        }
    },
}


def test_what_contains_itself_cannot_be_required() -> None:
    out, losses = cleaned(TREE)
    assert out["required"] == ["root"]
    assert out["$defs"]["Node"]["required"] == ["name"]
    assert losses == [("s.$defs.Node.required", "quality")]


def test_an_optional_cycle_is_allowed() -> None:
    node = {**TREE["$defs"]["Node"], "required": ["name"]}
    assert cleaned({**TREE, "$defs": {"Node": node}}) == ({**TREE, "$defs": {"Node": node}}, [])


def test_a_cycle_over_two_definitions_is_found() -> None:
    schema = {
        "$ref": "#/$defs/A",
        "$defs": {
            "A": {"type": "object", "properties": {"b": {"$ref": "#/$defs/B"}}, "required": ["b"]},
            "B": {"type": "object", "properties": {"a": {"$ref": "#/$defs/A"}}, "required": ["a"]},
        },
    }
    out, losses = cleaned(schema)
    assert "required" not in out["$defs"]["A"]
    assert ("s.$defs.A.required", "quality") in losses


def test_a_cycle_without_any_property_is_cut() -> None:
    value = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/$defs/V"}}]}
    out, losses = cleaned(
        {"type": "object", "properties": {"v": {"$ref": "#/$defs/V"}}, "$defs": {"V": value}}
    )
    assert out["$defs"]["V"] == {"anyOf": [{"type": "string"}, {"type": "array", "items": {}}]}
    assert losses == [("s.$defs.V.anyOf[1].items.$ref", "quality")]


@pytest.mark.parametrize(
    ("openapi", "schema", "form"),
    [
        (
            {"type": "OBJECT", "properties": {"type": {"type": "STRING", "nullable": True}}},
            {"type": "object", "properties": {"type": {"type": ["string", "null"]}}},
            UPPER,
        ),
        (
            {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}},
            {"type": "object", "properties": {"a": {"type": "array", "items": {"type": "string"}}}},
            LOWER,
        ),
        (
            {"anyOf": [{"type": "STRING"}, {"type": "NULL"}]},
            {"anyOf": [{"type": "string"}, {"type": "null"}]},
            UPPER,
        ),
    ],
)
def test_openapi_is_read_as_json_schema_and_written_again(
    openapi: dict[str, Any], schema: dict[str, Any], form: str
) -> None:
    assert read_openapi(openapi) == (schema, form)
    assert write_openapi(schema, form) == openapi


def test_what_protocol_buffers_allow_is_read() -> None:
    assert read_openapi({"type": 5, "items": {"type": 1}, "minItems": "2"})[0] == {
        "type": "array",
        "items": {"type": "string"},
        "minItems": 2,
    }
