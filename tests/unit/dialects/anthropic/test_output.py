"""Structured answers: which schemas go out, and what happens to the others."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman import ir
from dragoman.dialects.facts import Facts
from dragoman.errors import WireError
from tests.unit.dialects.anthropic.saying import FOREIGN, changed, foreign, lost, written

CLOSED = {"type": "object", "properties": {"x": {"type": "string"}}, "additionalProperties": False}


def schema(stated: Any, **more: Any) -> tuple[Any, list[str], list[str | None]]:
    body, report = written(foreign(output=ir.Output("schema", stated, **more), max_output=9))
    form = body["output_config"]["format"]
    assert form["type"] == "json_schema"
    assert all(severity in {"quality", "hint"} for _, severity in lost(report))
    return form["schema"], [path for path, _ in lost(report)], changed(report)


def test_a_schema_that_the_api_takes_goes_out_as_it_is() -> None:
    stated = {
        **CLOSED,
        "title": "T",
        "$defs": {"A": {"enum": ["a"], "default": "a"}},
        "required": ["x"],
        "properties": {
            "x": {"type": "string", "format": "date", "pattern": "^a"},
            "y": {"$ref": "#/$defs/A"},
            "z": {"type": "array", "items": {"anyOf": [{"const": 1}, {"type": "null"}]}, "minItems": 1},
            "a": {"type": "array", "items": {"type": "string"}, "minItems": 0},
        },
    }
    assert schema(stated) == (stated, [], [])


@pytest.mark.parametrize(
    ("stated", "expected", "losses"),
    [
        ({"type": "object"}, {"type": "object", "additionalProperties": False}, []),
        (
            {"type": "object", "additionalProperties": {"type": "string"}},
            {"type": "object", "additionalProperties": False},
            ["output.schema.additionalProperties"],
        ),
        (
            {**CLOSED, "properties": {"n": {"type": "integer", "minimum": 1, "maximum": 9}}},
            {
                **CLOSED,
                "properties": {"n": {"type": "integer", "description": "{minimum: 1, maximum: 9}"}},
            },
            ["output.schema.properties.n.minimum", "output.schema.properties.n.maximum"],
        ),
        (
            {**CLOSED, "properties": {"s": {"type": "string", "description": "A word.", "maxLength": 5}}},
            {
                **CLOSED,
                "properties": {"s": {"type": "string", "description": "A word.\n\n{maxLength: 5}"}},
            },
            ["output.schema.properties.s.maxLength"],
        ),
        (
            {**CLOSED, "properties": {"s": {"type": "string", "format": "phone"}}},
            {**CLOSED, "properties": {"s": {"type": "string", "description": '{format: "phone"}'}}},
            ["output.schema.properties.s.format"],
        ),
        (
            {**CLOSED, "properties": {"a": {"type": "array", "items": True, "minItems": 2}}},
            {
                **CLOSED,
                "properties": {"a": {"type": "array", "description": "{items: true, minItems: 2}"}},
            },
            ["output.schema.properties.a.items", "output.schema.properties.a.minItems"],
        ),
        (
            {**CLOSED, "properties": {"b": {"oneOf": [{"type": "string"}, {"type": "object"}]}}},
            {
                **CLOSED,
                "properties": {
                    "b": {"anyOf": [{"type": "string"}, {"type": "object", "additionalProperties": False}]}
                },
            },
            [],
        ),
        (
            {**CLOSED, "properties": {"b": True}},
            {**CLOSED, "properties": {"b": {}}},
            ["output.schema.properties.b"],
        ),
        ({**CLOSED, "$schema": "https://json-schema.org/draft/2020-12/schema"}, CLOSED, []),
    ],
)
def test_what_the_api_refuses_is_described_and_named(
    stated: dict[str, Any], expected: dict[str, Any], losses: list[str]
) -> None:
    written_schema, named, changes = schema(stated)
    assert written_schema == expected
    assert named == losses
    assert "output.schema" in changes


def test_the_client_s_schema_is_not_touched() -> None:
    stated: dict[str, Any] = {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}
    schema(stated, name="T")
    assert stated == {"type": "object", "properties": {"n": {"type": "integer", "minimum": 1}}}


def test_name_and_description_are_kept_in_the_schema() -> None:
    stated, losses, changes = schema(CLOSED, name="person", description="Who it is.", strict=True)
    assert stated == {**CLOSED, "title": "person", "description": "Who it is."}
    assert not losses
    assert changes == ["output.name", "output.description", "output.schema"]


def test_a_name_that_the_schema_has_already_is_not_lost() -> None:
    stated = {**CLOSED, "title": "person"}
    assert schema(stated, name="person") == (stated, [], ["output.name"])


def test_a_schema_s_own_title_wins() -> None:
    stated, losses, _ = schema({**CLOSED, "title": "Mine"}, name="theirs")
    assert stated["title"] == "Mine"
    assert losses == ["output.name"]


@pytest.mark.parametrize(
    ("output", "facts", "losses"),
    [
        (ir.Output("json"), Facts(), [("output", "meaning")]),
        (ir.Output("schema", CLOSED), Facts(structured=False), [("output.schema", "meaning")]),
        (ir.Output(verbosity="low"), Facts(), [("output.verbosity", "quality")]),
        (ir.Output(audio={"voice": "alloy"}), Facts(), [("output.audio", "hint")]),
        (ir.Output(modalities=("text",)), Facts(), []),
        (ir.Output(extra={FOREIGN: {"grammar": "x"}}), Facts(), [("output.grammar", "hint")]),
    ],
)
def test_forms_that_do_not_exist_are_named(
    output: ir.Output, facts: Facts, losses: list[tuple[str, str]]
) -> None:
    body, report = written(foreign(output=output), facts)
    assert "output_config" not in body
    assert lost(report) == losses


@pytest.mark.parametrize("kind", ["audio", "image"])
def test_answers_in_sound_or_pictures_are_refused(kind: str) -> None:
    with pytest.raises(WireError) as caught:
        written(foreign(output=ir.Output(modalities=("text", kind))))
    assert (caught.value.code, caught.value.path) == ("unsupported_modality", "output.modalities")


def test_members_of_a_format_go_out_with_it_and_leave_with_it() -> None:
    output = ir.Output("schema", CLOSED, strict=True, extra={"anthropic": {"format.name": "x"}})
    request = ir.Request("anthropic", "m", output=output, max_output=9)
    body, _ = written(request)
    assert body["output_config"] == {"format": {"type": "json_schema", "schema": CLOSED, "name": "x"}}
    body, report = written(request, Facts(structured=False))
    assert "output_config" not in body
    assert lost(report) == [("output.schema", "meaning")]
