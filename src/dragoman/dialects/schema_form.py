"""The form of correct JSON Schemas, as types. A schema that fits one of these types needs no search for
mistakes.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, UnsetType

_Type = Literal["object", "array", "string", "number", "integer", "boolean", "null"]
_Count = Annotated[int, msgspec.Meta(ge=0)]


class SchemaForm(
    msgspec.Struct,
    gc=False,
    rename={"defs": "$defs", "ref": "$ref", "not_": "not", "if_": "if", "else_": "else"},
):
    """A JSON Schema that is an object. If `msgspec.convert` accepts a schema as this type, `schema.mistake`
    finds no mistake in it. A schema without a mistake may still be refused by this type. Unknown keywords are
    accepted.

    The common keywords are the first fields, because msgspec looks for each member from the previously found
    field on.
    """

    type: _Type | Annotated[list[_Type], msgspec.Meta(min_length=1)] | UnsetType = UNSET
    description: str | UnsetType = UNSET
    properties: _ByName = UNSET
    required: list[str] | UnsetType = UNSET
    additionalProperties: _One = UNSET  # noqa: N815
    enum: list[Any] | UnsetType = UNSET
    items: _One = UNSET
    title: str | UnsetType = UNSET
    anyOf: _Several = UNSET  # noqa: N815
    format: str | UnsetType = UNSET
    ref: str | UnsetType = UNSET
    defs: _ByName = UNSET
    patternProperties: _ByName = UNSET  # noqa: N815
    definitions: _ByName = UNSET
    dependentSchemas: _ByName = UNSET  # noqa: N815
    allOf: _Several = UNSET  # noqa: N815
    oneOf: _Several = UNSET  # noqa: N815
    prefixItems: _Several = UNSET  # noqa: N815
    unevaluatedProperties: _One = UNSET  # noqa: N815
    unevaluatedItems: _One = UNSET  # noqa: N815
    propertyNames: _One = UNSET  # noqa: N815
    contains: _One = UNSET
    not_: _One = UNSET
    if_: _One = UNSET
    then: _One = UNSET
    else_: _One = UNSET
    pattern: str | UnsetType = UNSET
    minimum: float | UnsetType = UNSET
    maximum: float | UnsetType = UNSET
    multipleOf: float | UnsetType = UNSET  # noqa: N815
    minLength: _Count | UnsetType = UNSET  # noqa: N815
    maxLength: _Count | UnsetType = UNSET  # noqa: N815
    minItems: _Count | UnsetType = UNSET  # noqa: N815
    maxItems: _Count | UnsetType = UNSET  # noqa: N815
    minProperties: _Count | UnsetType = UNSET  # noqa: N815
    maxProperties: _Count | UnsetType = UNSET  # noqa: N815


_One = SchemaForm | bool | UnsetType
_ByName = dict[str, SchemaForm | bool] | UnsetType
_Several = Annotated[list[SchemaForm | bool], msgspec.Meta(min_length=1)] | UnsetType


class ParametersForm(SchemaForm):
    """The schema of a function's parameters: a `SchemaForm` whose `type` is missing or "object"."""

    type: Literal["object"] | UnsetType = UNSET


class CommonForm(msgspec.Struct, gc=False, forbid_unknown_fields=True, rename={"dialect": "$schema"}):
    """A JSON Schema that has only some common keywords, as most schemas do. If `msgspec.convert` accepts a
    schema as this type, `schema.mistake` finds no mistake in it. msgspec recognises it faster than a
    `SchemaForm`, because each field of a type costs time, even if the schema has no such member.
    """

    type: _Type | Annotated[list[_Type], msgspec.Meta(min_length=1)] | UnsetType = UNSET
    description: str | UnsetType = UNSET
    properties: dict[str, CommonForm] | UnsetType = UNSET
    required: list[str] | UnsetType = UNSET
    additionalProperties: CommonForm | bool | UnsetType = UNSET  # noqa: N815
    enum: list[Any] | UnsetType = UNSET
    items: CommonForm | bool | UnsetType = UNSET
    default: Any = UNSET
    anyOf: Annotated[list[CommonForm], msgspec.Meta(min_length=1)] | UnsetType = UNSET  # noqa: N815
    title: str | UnsetType = UNSET
    minimum: float | UnsetType = UNSET
    maximum: float | UnsetType = UNSET
    minLength: _Count | UnsetType = UNSET  # noqa: N815
    maxLength: _Count | UnsetType = UNSET  # noqa: N815
    format: str | UnsetType = UNSET
    dialect: Any = UNSET


class CommonParametersForm(CommonForm):
    """The schema of a function's parameters: a `CommonForm` whose `type` is missing or "object"."""

    type: Literal["object"] | UnsetType = UNSET
