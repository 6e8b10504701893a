"""References of schemas: they lead to definitions of the root, of which some contain themselves."""

from __future__ import annotations

import time
from typing import Any

import pytest

from dragoman.errors import WireError
from tests.unit.dialects.gemini.asking import cleaned


@pytest.mark.parametrize(
    ("schema", "written"),
    [
        pytest.param(
            {"properties": {"a": {"type": "string"}, "b": {"$ref": "#/properties/a"}}},
            {
                "properties": {"a": {"type": "string"}, "b": {"$ref": "#/$defs/properties.a"}},
                "$defs": {"properties.a": {"type": "string"}},
            },
            id="what zod writes for a schema that is used twice",
        ),
        pytest.param(
            {
                "properties": {"a": {"$ref": "#/definitions/Record%3Cstring%3E"}},
                "definitions": {"Record<string>": {}},
            },
            {"properties": {"a": {"$ref": "#/$defs/Record_string_"}}, "$defs": {"Record_string_": {}}},
            id="escaped names",
        ),
        pytest.param(
            {"properties": {"a": {"$ref": "#/$defs/x y"}}, "$defs": {"x y": {}}},
            {"properties": {"a": {"$ref": "#/$defs/x_y"}}, "$defs": {"x_y": {}}},
            id="names that nobody escaped",
        ),
        pytest.param(
            {
                "properties": {"a": {"$ref": "#/$defs/a~1b"}, "c": {"$ref": "#/$defs/a_b"}},
                "$defs": {"a/b": {}, "a_b": {"type": "null"}},
            },
            {
                "properties": {"a": {"$ref": "#/$defs/a_b"}, "c": {"$ref": "#/$defs/a_b_"}},
                "$defs": {"a_b": {}, "a_b_": {"type": "null"}},
            },
            id="names that would be one",
        ),
        pytest.param(
            {"properties": {"a": {"items": {"$ref": "#/$defs/In"}, "$defs": {"In": {"type": "string"}}}}},
            {"properties": {"a": {"items": {"$ref": "#/$defs/In"}}}, "$defs": {"In": {"type": "string"}}},
            id="definitions of a schema that was put into another",
        ),
        pytest.param(
            {"properties": {"a": {"$ref": "#/properties/b/$defs/In"}, "b": {"$defs": {"In": {}}}}},
            {"properties": {"a": {"$ref": "#/$defs/In"}, "b": {}}, "$defs": {"In": {}}},
            id="the same by its whole pointer",
        ),
        pytest.param(
            {
                "properties": {"a": {"$ref": "#/components/schemas/A"}},
                "components": {"schemas": {"A": {"items": {"$ref": "#/components/schemas/B"}}, "B": {}}},
            },
            {
                "properties": {"a": {"$ref": "#/$defs/components.schemas.A"}},
                "$defs": {
                    "components.schemas.A": {"items": {"$ref": "#/$defs/components.schemas.B"}},
                    "components.schemas.B": {},
                },
            },
            id="definitions in the place that OpenAPI has for them",
        ),
        pytest.param(
            {"anyOf": [{"type": "string"}, {"items": {"$ref": "#/anyOf/0"}}]},
            {
                "anyOf": [{"type": "string"}, {"items": {"$ref": "#/$defs/anyOf_0_"}}],
                "$defs": {"anyOf_0_": {"type": "string"}},
            },
            id="members of lists",
        ),
        pytest.param(
            {"properties": {"a": {"$ref": "#n"}}, "$defs": {"N": {"type": "string", "$anchor": "n"}}},
            {
                "properties": {"a": {"$ref": "#/$defs/N"}},
                "$defs": {"N": {"type": "string", "$anchor": "n"}},
            },
            id="anchors",
        ),
    ],
)
def test_a_reference_leads_to_a_definition_of_the_root(
    schema: dict[str, Any], written: dict[str, Any]
) -> None:
    out, losses = cleaned(schema)
    assert {key: value for key, value in out.items() if key != "description"} == written
    assert [place for place, _ in losses if "$ref" in place] == []


@pytest.mark.parametrize(
    "reference", ["#/$defs/Nope", "#/properties/b", "#/anyOf/7", "#anchor", "#/description"]
)
def test_a_reference_to_nothing_would_be_a_400_for_all_tools(reference: str) -> None:
    out, losses = cleaned({"description": "D", "properties": {"a": {"$ref": reference}}, "anyOf": [{}]})
    assert out["properties"]["a"] == {"description": f'{{$ref: "{reference}"}}'}
    assert losses == [("s.properties.a.$ref", "quality")]


# --- Cycles ---------------------------------------------------------------------------------------

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


def test_no_cycle_through_what_only_leads_to_one() -> None:
    """A definition that needs another, which contains itself, does not contain itself."""
    value = {"anyOf": [{"type": "string"}, {"type": "array", "items": {"$ref": "#/$defs/V"}}]}
    out, losses = cleaned(
        {
            "type": "object",
            "properties": {"v": {"$ref": "#/$defs/V"}},
            "required": ["v"],
            "$defs": {"V": value},
        }
    )
    assert out["required"] == ["v"]
    assert losses == [("s.$defs.V.anyOf[1].items.$ref", "quality")]


def test_thousands_of_definitions_that_need_each_other_take_no_time() -> None:
    def needing(name: str) -> dict[str, Any]:
        return {"type": "object", "properties": {"x": {"$ref": f"#/$defs/{name}"}}, "required": ["x"]}

    defs = {f"D{index}": needing(f"D{index + 1}") for index in range(5000)}
    started = time.process_time()
    out, losses = cleaned({**needing("D0"), "$defs": {**defs, "D5000": {"type": "string"}}})
    assert time.process_time() - started < 5
    assert (len(out["$defs"]), losses) == (5001, [])


def test_definitions_that_pointers_make_are_paid_for() -> None:
    """Each is named and walked; 30,000 took a second and a half."""
    parts = {f"p{number}": {"type": "string"} for number in range(9_000)}
    pointers = [{"$ref": f"#/properties/p{number}"} for number in range(9_000)]
    with pytest.raises(WireError) as refused:
        cleaned({"type": "object", "properties": parts, "anyOf": pointers})
    assert refused.value.code == "schema_too_complex"
    few, _ = cleaned({"type": "object", "properties": parts, "anyOf": pointers[:500]})
    assert len(few["$defs"]) == 500
