"""A schema may name each type of JSON Schema, alone and among others, and no other."""

from __future__ import annotations

import pytest

from dragoman.dialects.schema import mistake

TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")


@pytest.mark.parametrize("name", TYPES)
def test_each_type_is_known(name: str) -> None:
    assert mistake({"type": name}) is None
    assert mistake({"type": ["string", name] if name != "string" else ["string"]}) is None


@pytest.mark.parametrize("name", ["bool", "float", "String", "any", ""])
def test_no_other_is(name: str) -> None:
    assert mistake({"type": name}) is not None
    assert mistake({"type": ["string", name]}) is not None
