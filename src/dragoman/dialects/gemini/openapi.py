"""Converts schemas in the API's older form: objects like those of OpenAPI 3.0, in `parameters` and
`responseSchema`.

Specification: https://ai.google.dev/api/caching#Schema
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeAlias

_Schema: TypeAlias = dict[str, Any]

_COUNTS: Final = frozenset(
    {"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"}
)
_OPEN_NAMED: Final = frozenset({"properties", "$defs", "defs"})
_OPEN_LISTED: Final = frozenset({"anyOf", "prefixItems"})
_OPEN_ONE: Final = frozenset({"items", "additionalProperties"})
_VALUES: Final = frozenset({"default", "example"})
"""Keywords for any JSON value, of which null is one. Null under any other keyword means "not stated" (the
JSON form of protocol buffers: https://protobuf.dev/programming-guides/json/)."""

_DIGITS: Final = 20
"""A count in a string of so many characters or more is not an int64, and stays a string."""
_TYPES: Final = ("type_unspecified", "string", "number", "integer", "boolean", "array", "object", "null")
"""The words for types. The index of a word is its number in protocol buffers."""

UPPER: Final = "openapi"
"""The form of a schema with types in upper case, as Google writes them."""
LOWER: Final = "openapi lower"
"""The form of a schema with types in lower case, as many clients write them, or without types."""


def read_openapi(schema: _Schema) -> tuple[_Schema, str]:
    """Return (a copy of an OpenAPI schema as JSON Schema, the form of the OpenAPI schema). Null members are
    left out, except `default` and `example`, because the API reads null as not stated.

    The form is LOWER if `write_openapi` with LOWER gives the same OpenAPI schema without its null members,
    otherwise UPPER.
    """
    stated: _Schema = _each(schema, _without_nulls)
    read: _Schema = _each(stated, _from_openapi)
    return read, LOWER if _each(read, _to_openapi_lower) == stated else UPPER


def write_openapi(schema: _Schema, form: str) -> _Schema:
    """Return `schema`, which `read_openapi` has made, as an OpenAPI schema again. form: UPPER or LOWER, the
    case of the types.
    """
    written: _Schema = _each(schema, _to_openapi_lower if form == LOWER else _to_openapi)
    return written


def _each(schema: Any, change: Callable[[_Schema], _Schema]) -> Any:
    """Return a copy of a schema, made by applying `change` to the schema and to every schema inside it that
    stands under one of the keywords `_OPEN_NAMED`, `_OPEN_LISTED` and `_OPEN_ONE`. A value that is not an
    object is returned unchanged.
    """
    if not isinstance(schema, dict):
        return schema
    out = change(schema)
    for key, value in out.items():
        if key in _OPEN_NAMED and isinstance(value, dict):
            out[key] = {name: _each(one, change) for name, one in value.items()}
        elif key in _OPEN_LISTED and isinstance(value, list):
            out[key] = [_each(one, change) for one in value]
        elif key in _OPEN_ONE:
            out[key] = _each(value, change)
    return out


def _without_nulls(schema: _Schema) -> _Schema:
    return {key: value for key, value in schema.items() if value is not None or key in _VALUES}


def _counted(value: Any) -> Any:
    """Return `value` as a number, if it is a string of fewer than `_DIGITS` characters, all of them digits;
    otherwise `value` unchanged.
    """
    return int(value) if isinstance(value, str) and len(value) < _DIGITS and value.isdecimal() else value


def _from_openapi(schema: _Schema) -> _Schema:
    out = {key: _counted(v) if key in _COUNTS else v for key, v in schema.items()}
    kind = out.get("type")
    if type(kind) is int and 0 < kind < len(_TYPES):
        out["type"] = kind = _TYPES[kind]
    if isinstance(kind, str):
        out["type"] = kind.lower()
        if out.get("nullable") is True:
            out = {key: v for key, v in out.items() if key != "nullable"}
            out["type"] = [kind.lower(), "null"]
    return out


def _to_openapi_lower(schema: _Schema) -> _Schema:
    out = dict(schema)
    kind = out.get("type")
    if isinstance(kind, list) and len(kind) == 2 and kind[1] == "null":
        out["type"], out["nullable"] = kind[0], True
    return out


def _to_openapi(schema: _Schema) -> _Schema:
    out = _to_openapi_lower(schema)
    if isinstance(kind := out.get("type"), str):
        out["type"] = kind.upper()
    return out
