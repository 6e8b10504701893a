"""A schema of closed objects: what the API refuses is described to the model, and reported."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.closed_schema import ClosedSchema
from dragoman.dialects.loss import Report

STRING, INTEGER = {"type": "string"}, {"type": "integer"}


def copied(schema: dict[str, Any]) -> tuple[dict[str, Any], list[str]]:
    report = Report("bedrock")
    return ClosedSchema(report, "the API").copy(schema, "s"), [loss.path for loss in report.losses]


@pytest.mark.parametrize("members", [("anyOf", "oneOf"), ("oneOf", "anyOf")])
def test_one_of_two_lists_of_alternatives_is_described(members: tuple[str, str]) -> None:
    schemas = {"anyOf": [STRING], "oneOf": [INTEGER]}
    assert copied({key: schemas[key] for key in members}) == (
        {"anyOf": [STRING], "description": '{oneOf: [{"type":"integer"}]}'},
        ["s.oneOf"],
    )


@pytest.mark.parametrize(
    ("schema", "written", "lost"),
    [
        (
            {"type": ["object", "null"], "additionalProperties": STRING},
            {"type": ["object", "null"], "additionalProperties": False},
            ["s.additionalProperties"],
        ),
        (
            {"additionalProperties": STRING},
            {"description": '{additionalProperties: {"type":"string"}}'},
            ["s.additionalProperties"],
        ),
        ({"minItems": True}, {"description": "{minItems: true}"}, ["s.minItems"]),
    ],
)
def test_what_is_left_out_is_named(schema: dict[str, Any], written: dict[str, Any], lost: list[str]) -> None:
    assert copied(schema) == (written, lost)


def test_a_reference_by_an_anchor_leads_to_its_place() -> None:
    schema = {
        "type": "array",
        "items": {"$ref": "#n"},
        "$defs": {"N": {"$anchor": "n", "anyOf": [STRING, {"$ref": "#absent"}]}},
    }
    assert copied(schema) == (
        {
            "type": "array",
            "items": {"$ref": "#/$defs/N"},
            "$defs": {"N": {"anyOf": [STRING, {"$ref": "#absent"}]}},
        },
        [],
    )


def test_what_is_refused_is_described() -> None:
    report = Report("bedrock")
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {"a": {"oneOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}},
        "additionalProperties": True,
    }
    assert ClosedSchema(report, "the API").copy(schema, "output.schema") == {
        "type": "object",
        "properties": {
            "a": {"anyOf": [{"type": "integer", "description": "{minimum: 1}"}, {"type": "null"}]}
        },
        "additionalProperties": False,
    }
    assert {(loss.path, loss.reason) for loss in report.losses} == {
        ("output.schema.additionalProperties", "the API requires additionalProperties: false"),
        ("output.schema.properties.a.oneOf[0].minimum", "it is not enforced, only described to the model"),
    }


def test_references_follow_the_alternatives_that_get_another_name() -> None:
    schema = {
        "type": "object",
        "properties": {
            "a": {"oneOf": [{"$anchor": "n", "type": "string"}, {"items": {"oneOf": [STRING]}}]},
            "oneOf": {"anyOf": [STRING], "oneOf": [INTEGER]},
            "b": {"$ref": "#n"},
            "c": {"$ref": "#/properties/a/%6FneOf/0"},
            "d": {"$ref": "#/properties/a/oneOf/1/items/oneOf/0"},
            "e": {"$ref": "#/properties/oneOf/anyOf/0"},
            "f": {"$ref": "#/properties/oneOf/oneOf/0"},
            "g": {"$ref": "#/properties/a/oneOf/7/oneOf/0"},
            "h": {"$ref": "#/default/oneOf"},
            "i": {"$ref": "#/$defs/oneOf"},
        },
        "default": {"oneOf": []},
        "$defs": {"oneOf": {"type": "string"}},
    }
    copy, _ = copied(schema)
    assert copy["properties"]["a"]["anyOf"][0] == STRING
    assert {key: one["$ref"] for key, one in copy["properties"].items() if "$ref" in one} == {
        "b": "#/properties/a/anyOf/0",
        "c": "#/properties/a/anyOf/0",
        "d": "#/properties/a/anyOf/1/items/anyOf/0",
        "e": "#/properties/oneOf/anyOf/0",
        "f": "#/properties/oneOf/oneOf/0",
        "g": "#/properties/a/anyOf/7/oneOf/0",
        "h": "#/default/oneOf",
        "i": "#/$defs/oneOf",
    }
