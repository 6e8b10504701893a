"""The form of correct JSON Schemas, as types. A schema that fits one of these types needs no search for
mistakes.

They are dictionaries and not structs: msgspec fills in every field that a struct has, and most schemas have
few of these keywords.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypedDict

from msgspec import Meta

_Type = Literal["object", "array", "string", "number", "integer", "boolean", "null"]
_Count = Annotated[int, Meta(ge=0)]

SchemaForm = TypedDict(
    "SchemaForm",
    {
        "type": "_Type | Annotated[list[_Type], Meta(min_length=1)]",
        "description": str,
        "properties": "_ByName",
        "required": list[str],
        "additionalProperties": "_One",
        "enum": list[Any],
        "items": "_One",
        "title": str,
        "anyOf": "_Several",
        "format": str,
        "$ref": str,
        "$defs": "_ByName",
        "patternProperties": "_ByName",
        "definitions": "_ByName",
        "dependentSchemas": "_ByName",
        "allOf": "_Several",
        "oneOf": "_Several",
        "prefixItems": "_Several",
        "unevaluatedProperties": "_One",
        "unevaluatedItems": "_One",
        "propertyNames": "_One",
        "contains": "_One",
        "not": "_One",
        "if": "_One",
        "then": "_One",
        "else": "_One",
        "pattern": str,
        "minimum": float,
        "maximum": float,
        "multipleOf": float,
        "minLength": _Count,
        "maxLength": _Count,
        "minItems": _Count,
        "maxItems": _Count,
        "minProperties": _Count,
        "maxProperties": _Count,
    },
    total=False,
)
"""A JSON Schema. If `msgspec.convert` accepts a schema as this type, `schema.mistake` finds no mistake in it;
it may also refuse a schema without a mistake. The common keywords come first, because msgspec looks for each
member from the previously found one on."""


class ParametersForm(SchemaForm, total=False):
    """The schema of a function's parameters: a `SchemaForm` whose `type` is missing or "object"."""

    type: Literal["object"]  # type: ignore[misc]  # narrower


_One = SchemaForm | bool
_ByName = dict[str, _One]
_Several = Annotated[list[_One], Meta(min_length=1)]
