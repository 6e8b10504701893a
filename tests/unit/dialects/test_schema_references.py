"""What a reference inside a schema names, by a pointer or by an anchor."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.schema_references import SchemaReferences

NODE = {"$anchor": "node", "type": "integer"}
SCHEMA: dict[str, Any] = {
    "$id": "https://example.com/a.json",
    "$defs": {
        "a/b%": NODE,
        "old": {"$id": "#old", "type": "string"},
        "$anchor": {"type": "null"},
        "other": {"$id": "https://example.com/b.json", "items": {"$anchor": "foreign"}},
    },
    "properties": {"const": {"anyOf": [True, {"$anchor": "second"}]}},
    "const": {"$anchor": "data"},
    "allOf": [{"$anchor": "node"}],
}


@pytest.mark.parametrize(
    ("reference", "pointer", "place"),
    [
        ("#", "#", "s"),
        ("#/$defs/old", "#/$defs/old", "s.$defs.old"),
        ("#/$defs/a~1b%25", "#/$defs/a~1b%25", "s.$defs.a/b%"),
        ("#node", "#/$defs/a~1b%25", "s.$defs.a/b%"),
        ("#old", "#/$defs/old", "s.$defs.old"),
        ("#second", "#/properties/const/anyOf/1", "s.properties.const.anyOf[1]"),
        ("#/properties/const/anyOf/1", "#/properties/const/anyOf/1", "s.properties.const.anyOf[1]"),
        ("#/properties/const/anyOf/01", "#/properties/const/anyOf/01", None),
        ("#/properties/const/anyOf/2", "#/properties/const/anyOf/2", None),
        ("#/properties/const/anyOf/" + "1" * 5000, "#/properties/const/anyOf/" + "1" * 5000, None),
        ("#/$defs/absent", "#/$defs/absent", None),
        ("#absent", None, None),
        ("#data", None, None),
        ("#foreign", None, None),
        ("", None, None),
        ("b.json", None, None),
    ],
)
def test_what_a_reference_names(reference: str, pointer: str | None, place: str | None) -> None:
    references = SchemaReferences(SCHEMA)
    assert references.pointer(reference) == pointer
    found = references.target(reference, "s")
    assert (found and found[1]) == place


def test_a_target_is_the_part_itself() -> None:
    assert SchemaReferences(SCHEMA).target("#node") == (NODE, "$defs.a/b%")
    assert SchemaReferences(True).target("#") == (True, "")
    assert SchemaReferences(True).target("#node") is None
