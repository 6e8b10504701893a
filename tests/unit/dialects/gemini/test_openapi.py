"""The OpenAPI form of schemas: read as JSON Schema, and written as it came."""

from __future__ import annotations

from typing import Any

import pytest

from dragoman.dialects.gemini.openapi import LOWER, UPPER, read_openapi, write_openapi


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


@pytest.mark.parametrize(("kind", "form"), [("OBJECT", UPPER), ("object", LOWER)])
def test_null_members_state_nothing(kind: str, form: str) -> None:
    inner = {"type": kind, "properties": None, "required": None, "default": None}
    named = {"a": inner, "enum": {"type": None}}
    openapi = {"type": kind, "description": None, "properties": named}
    plain = {"type": "object", "properties": {"a": {"type": "object", "default": None}, "enum": {}}}
    assert read_openapi(openapi) == (plain, form)
    assert named["a"] is inner
    assert inner == {"type": kind, "properties": None, "required": None, "default": None}


def test_null_counts_as_missing_except_where_it_is_a_value() -> None:
    openapi = {
        "type": "STRING",
        "format": None,
        "enum": None,
        "nullable": None,
        "minLength": None,
        "default": None,
    }
    assert read_openapi({"items": openapi})[0] == {"items": {"type": "string", "default": None}}


def test_what_protocol_buffers_allow_is_read() -> None:
    assert read_openapi({"type": 5, "items": {"type": 1}, "minItems": "2"})[0] == {
        "type": "array",
        "items": {"type": "string"},
        "minItems": 2,
    }
