"""Checks a client's JSON Schema: its structure, and OpenAI's rules for strict output. `describe` writes the
name and the description of an output into its schema.

The structure check compares the types of the keywords' values with https://json-schema.org/draft/2020-12 and
its predecessors. It follows no references and allows unknown keywords, as the specification demands.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, NamedTuple, TypeAlias

from dragoman.dialects.loss import Report
from dragoman.dialects.schema_budget import LONGEST_PLACE, shown_name
from dragoman.ir import Output


class Mistake(NamedTuple):
    """A mistake in a schema. path: the JSON path inside the schema (`properties.city.type`), which is cut if
    it is very long; "" = the root of the schema. message: what is wrong, in words.
    """

    path: str
    message: str


_Found: TypeAlias = Mistake | None

TYPES: Final = frozenset({"object", "array", "string", "number", "integer", "boolean", "null"})


def mistake(schema: Any) -> Mistake | None:
    """Return the first mistake in the structure of a schema; None = there is none. schema: any JSON value.
    Every keyword in `_KEYWORDS` must have a value of its type, also in the schemas inside the schema.
    """
    if type(schema) is bool:
        return None
    if type(schema) is not dict:
        return Mistake("", f"a schema must be an object or a boolean, not {_kind(schema)}")
    for keyword, value in schema.items():
        if type(value) is str and (value in TYPES if keyword == "type" else keyword == "description"):
            continue  # fast path: most members of schemas are these
        check = _KEYWORDS.get(keyword)
        if check is not None and (found := check(value)) is not None:
            return _below(keyword, found)
    return None


def _below(keyword: str, found: Mistake) -> Mistake:
    inner = found.path
    joint = "" if not inner or inner.startswith("[") else "."
    place = f"{shown_name(keyword)}{joint}{inner}"
    return Mistake(place if len(place) <= 2 * LONGEST_PLACE else place[: 2 * LONGEST_PLACE], found.message)


def _kind(value: Any) -> str:
    kinds = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return kinds.get(type(value), "a number")


# --- Keywords ----------------------------------------------------------------------------------


def _type(value: Any) -> _Found:
    if type(value) is str:
        return None if value in TYPES else Mistake("", f"'{shown_name(value)}' is not a type")
    if type(value) is not list or not value:
        return Mistake("", f"a type must be a string or an array of strings, not {_kind(value)}")
    for index, name in enumerate(value):
        if type(name) is not str or name not in TYPES:
            return Mistake(f"[{index}]", f"{shown_name(repr(name))} is not a type")
    return None


def _schemas_by_name(value: Any) -> _Found:
    if type(value) is not dict:
        return Mistake("", f"must be an object of schemas, not {_kind(value)}")
    for name, schema in value.items():
        if (found := mistake(schema)) is not None:
            return _below(name, found)
    return None


def _schemas(value: Any) -> _Found:
    if type(value) is not list or not value:
        return Mistake("", "must be an array of schemas with at least one")
    for index, schema in enumerate(value):
        if (found := mistake(schema)) is not None:
            return _below(f"[{index}]", found)
    return None


def _items(value: Any) -> _Found:
    return _schemas(value) if type(value) is list and value else None if value == [] else mistake(value)


def _names(value: Any) -> _Found:
    if type(value) is not list:
        return Mistake("", f"must be an array of strings, not {_kind(value)}")
    for index, name in enumerate(value):
        if type(name) is not str:
            return Mistake(f"[{index}]", f"must be a string, not {_kind(name)}")
    return None


def _array(value: Any) -> _Found:
    return None if type(value) is list else Mistake("", f"must be an array, not {_kind(value)}")


def _string(value: Any) -> _Found:
    return None if type(value) is str else Mistake("", f"must be a string, not {_kind(value)}")


def _number(value: Any) -> _Found:
    return None if type(value) in {int, float} else Mistake("", f"must be a number, not {_kind(value)}")


def _count(value: Any) -> _Found:
    if type(value) is int and value >= 0:
        return None
    if type(value) is float and value >= 0 and value.is_integer():
        return None
    return Mistake("", "must be a whole number of at least 0")


_KEYWORDS: Final[dict[str, Callable[[Any], _Found]]] = {
    "type": _type,
    **dict.fromkeys(
        ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas"), _schemas_by_name
    ),
    **dict.fromkeys(("allOf", "anyOf", "oneOf", "prefixItems"), _schemas),
    **dict.fromkeys(
        (
            *("additionalProperties", "unevaluatedProperties", "unevaluatedItems", "propertyNames"),
            *("contains", "not", "if", "then", "else"),
        ),
        mistake,
    ),
    "items": _items,
    "required": _names,
    "enum": _array,
    **dict.fromkeys(("pattern", "format", "$ref", "title", "description"), _string),
    **dict.fromkeys(("minimum", "maximum", "multipleOf"), _number),
    **dict.fromkeys(
        ("minLength", "maxLength", "minItems", "maxItems", "minProperties", "maxProperties"), _count
    ),
}


# --- Strict output -----------------------------------------------------------------------------

_REFUSED: Final = (
    *("allOf", "oneOf", "not", "if", "then", "else", "patternProperties"),
    *("dependentRequired", "dependentSchemas", "dependencies"),
)


def strict_mistake(schema: dict[str, Any]) -> Mistake | None:
    """Return the first mistake against OpenAI's rules for strict tools and strict output; None = there is
    none. schema: a schema in which `mistake` has found none.

    The root must have the type "object" or be a reference, and must not have `anyOf`. A schema with the type
    "object", also as one of several types, must list all of its properties as required and state
    `additionalProperties: false`. The keywords in `_REFUSED` are not allowed. Only the schemas below
    `properties`, `$defs`, `definitions`, `anyOf`, `prefixItems` and `items` are looked at.
    """
    if schema.get("type") != "object" and "$ref" not in schema:
        return Mistake("type", "the root must be of type 'object'")
    if "anyOf" in schema:
        return Mistake("anyOf", "the root must not be an 'anyOf'")
    return _strict(schema)


def _strict(schema: Any) -> _Found:
    if type(schema) is not dict:
        return None
    for keyword in _REFUSED:
        if keyword in schema:
            return Mistake(keyword, f"'{keyword}' is not permitted")
    stated = schema.get("type")
    if stated == "object" or (type(stated) is list and "object" in stated):
        if schema.get("additionalProperties") is not False:
            return Mistake("additionalProperties", "is required to be supplied and to be false")
        required = {name for name in _listed(schema, "required") if type(name) is str}
        for name in _named(schema, "properties"):
            if name not in required:
                return Mistake("required", f"must include every property; '{shown_name(name)}' is missing")
    return _strict_below(schema)


def _strict_below(schema: dict[str, Any]) -> _Found:
    for keyword in ("properties", "$defs", "definitions"):
        for name, inner in _named(schema, keyword).items():
            if (found := _strict(inner)) is not None:
                return _below(keyword, _below(name, found))
    for keyword in ("anyOf", "prefixItems"):
        for index, inner in enumerate(_listed(schema, keyword)):
            if (found := _strict(inner)) is not None:
                return _below(keyword, _below(f"[{index}]", found))
    found = _strict(schema.get("items"))
    return None if found is None else _below("items", found)


def _named(schema: dict[str, Any], keyword: str) -> dict[str, Any]:
    value = schema.get(keyword)
    return value if type(value) is dict else {}


def _listed(schema: dict[str, Any], keyword: str) -> list[Any]:
    value = schema.get(keyword)
    return value if type(value) is list else []


def describe(schema: dict[str, Any], output: Output, place: str, report: Report) -> None:
    """Write the name and the description of an output, if it has them, into `schema` as `title` and
    `description`, for protocols that have no members for them. The schema is changed in place; another title
    or description that it has stays, and the output's is reported as lost. place: the schema's JSON path in
    the encoded body.
    """
    for field, key, value in (
        ("name", "title", output.name),
        ("description", "description", output.description),
    ):
        if value is not None and schema.setdefault(key, value) == value:
            report.change(f"output.{field}", f"{place}.{key}", "moved into the schema")
        elif value is not None:
            report.lose(f"output.{field}", f"the schema already has its own {key}", "hint")
