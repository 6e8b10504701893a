"""Schemas: JSON Schema cut down to what the API takes, and the older OpenAPI form read and written.

What `parametersJsonSchema` and `responseJsonSchema` take is listed at
https://ai.google.dev/api/generate-content#FIELDS.response_json_schema ; anything else is a 400. A keyword
that is refused is moved into the description, so that the model still reads it. `parameters` and
`responseSchema` are OpenAPI 3.0 objects with types in upper case: https://ai.google.dev/api/caching#Schema
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, TypeAlias

import msgspec

from dragoman.dialects.loss import Report, Severity

_Schema: TypeAlias = dict[str, Any]

_KEPT: Final = frozenset(
    {
        *("$id", "$anchor", "type", "format", "title", "description", "propertyOrdering"),
        *("minItems", "maxItems", "minimum", "maximum"),
    }
)
_PLAIN: Final = _KEPT | {"required"}
_LISTED: Final = frozenset({"anyOf", "oneOf", "prefixItems"})
_DEFINED: Final = frozenset({"$defs", "definitions"})
_UNSAID: Final = frozenset({"$schema", "$comment"})
_NOTES: Final = frozenset({"default", "examples", "example", "deprecated", "readOnly", "writeOnly"})
"""Keywords that constrain nothing."""
_BOUNDS: Final = {"exclusiveMinimum": ("minimum", 1, max), "exclusiveMaximum": ("maximum", -1, min)}
_ROOT: Final = "#"
_DEFINITION: Final = ("#/$defs/", "#/definitions/")


def clean_schema(schema: _Schema, report: Report, where: str) -> _Schema:
    """A JSON Schema with what the API takes: itself where it holds nothing else, as most do.

    Each thing refused is a loss, at its exact place below `where`.
    """
    return schema if _is_plain(schema) else _Cleaner(schema, report).clean(schema, where, hard=True)


def _is_plain(schema: Any) -> bool:
    """Whether a schema is taken as it is, without references."""
    if type(schema) is not dict:
        return False
    for key, value in schema.items():
        if key in _PLAIN or (key == "additionalProperties" and type(value) is bool):
            continue
        if key == "enum":
            if not _is_of_strings(value):
                return False
            continue
        if (inside := _inside(key, value)) is None:
            return False
        for one in inside:
            if not _is_plain(one):
                return False
    return True


def _is_of_strings(values: Any) -> bool:
    return type(values) is list and bool(values) and all(type(one) is str for one in values)


def _inside(key: str, value: Any) -> Iterable[Any] | None:
    """The schemas under a keyword; None for one that may not stay as it is."""
    if key == "properties" and type(value) is dict:
        return value.values()
    if key in {"items", "additionalProperties"}:
        return (value,)
    return value if key in _LISTED and type(value) is list else None


class _Cleaner:
    """within: the definition that is being cleaned. reach: what each definition cannot be written without."""

    def __init__(self, schema: _Schema, report: Report) -> None:
        self.report = report
        self.defs: _Schema = {}
        for key in _DEFINED:
            if isinstance(schema.get(key), dict):
                self.defs.update(schema[key])
        self.within = _ROOT
        self.reach = _reach({_ROOT: schema, **self.defs})

    def clean(self, schema: Any, where: str, *, hard: bool) -> _Schema:
        """One schema. hard: no property that may be left out stands between it and its definition."""
        if not isinstance(schema, dict):
            if schema is False:
                self.report.lose(where, "a schema that nothing fits has no form here", "quality")
            return {}
        if "allOf" in schema:
            schema = self._merged(schema, where)
        node = _Node(schema, where, hard=hard)
        for key, value in schema.items():
            if key in _KEPT:
                node.out.setdefault(key, value)
            elif (write := _WRITE.get(key)) is not None:
                write(self, node, key, value)
            elif key not in _UNSAID:
                node.refused[key] = value
        if node.refused:
            self._tell(node)
        return self._alone(node) if "$ref" in node.out else node.out

    def _tell(self, node: _Node) -> None:
        words = ", ".join(f"{key}: {_said(value)}" for key, value in node.refused.items())
        said = node.out.get("description")
        node.out["description"] = f"{said}\n\n{{{words}}}" if said else f"{{{words}}}"
        for key in node.refused:
            severity: Severity = "hint" if key in _NOTES else "quality"
            self.report.lose(f"{node.where}.{key}", "is not enforced, only described to the model", severity)

    # --- Properties and references ---------------------------------------------------------------

    def properties(self, node: _Node, _key: str, value: Any) -> None:
        """`properties`, and with them `required`: what contains itself cannot be required."""
        if not isinstance(value, dict):
            return
        required = _required(node.schema)
        endless = [name for name in required if node.hard and self._loops(value.get(name))]
        for name in endless:
            self.report.lose(f"{node.where}.required", f"`{name}` contains itself: not required", "quality")
        node.required = [name for name in required if name not in endless]
        node.out["properties"] = {
            name: self.clean(one, f"{node.where}.properties.{name}", hard=node.hard and name in node.required)
            for name, one in value.items()
        }
        if "required" in node.out:
            self.required(node, "required", required)

    def required(self, node: _Node, key: str, value: Any) -> None:
        """`required`, without what `properties` took out of it."""
        names = value if node.required is None else node.required
        if names or not value:
            node.out[key] = names
        else:
            node.out.pop(key, None)

    def reference(self, node: _Node, key: str, value: Any) -> None:
        """`$ref`, which may lead to a definition of the same schema and to the schema itself."""
        target = _target(value)
        if target is None:
            node.refused[key] = value
        elif node.hard and self._loops(node.schema):
            self.report.lose(f"{node.where}.{key}", "a schema that contains itself is cut here", "quality")
        else:
            node.out[key] = value.replace(_DEFINITION[1], _DEFINITION[0], 1)

    def _alone(self, node: _Node) -> _Schema:
        """A reference stands alone in its object: what stands beside it moves one level up."""
        beside = {key: value for key, value in node.out.items() if not key.startswith("$")}
        if not beside:
            return node.out
        for key in sorted(beside.keys() - {"title", "description"}):
            del beside[key]
            self.report.lose(f"{node.where}.{key}", "cannot stand beside a reference", "quality")
        defs = {key: value for key, value in node.out.items() if key.startswith("$") and key != "$ref"}
        return {**beside, **defs, "anyOf": [{"$ref": node.out["$ref"]}]}

    def _loops(self, schema: Any) -> bool:
        """Whether a part of the current definition cannot be written without the definition itself."""
        return any(
            target == self.within or self.within in self.reach.get(target, ()) for target in _needs(schema)
        )

    def definitions(self, node: _Node, key: str, value: Any) -> None:
        """`$defs`, under whichever name."""
        if not isinstance(value, dict):
            return
        outer = self.within
        defs = node.out.setdefault("$defs", {})
        for name, one in value.items():
            self.within = name
            defs[name] = self.clean(one, f"{node.where}.{key}.{name}", hard=True)
        self.within = outer

    # --- Other keywords --------------------------------------------------------------------------

    def listed(self, node: _Node, key: str, value: Any) -> None:
        """Lists of schemas; the older list under `items` is `prefixItems`."""
        if not isinstance(value, list):
            node.refused[key] = value
            return
        place = f"{node.where}.{key}"
        node.out["prefixItems" if key == "items" else key] = [
            self.clean(one, f"{place}[{index}]", hard=node.hard) for index, one in enumerate(value)
        ]

    def items(self, node: _Node, key: str, value: Any) -> None:
        """`items`: one schema for all, or a list."""
        if isinstance(value, dict):
            node.out[key] = self.clean(value, f"{node.where}.{key}", hard=node.hard)
        elif isinstance(value, list):
            self.listed(node, key, value)
        elif value is False:
            node.refused[key] = value

    def more_properties(self, node: _Node, key: str, value: Any) -> None:
        """`additionalProperties`, none of which is ever required."""
        place = f"{node.where}.{key}"
        node.out[key] = self.clean(value, place, hard=False) if isinstance(value, dict) else value

    def const(self, node: _Node, key: str, value: Any) -> None:
        """`const` is an `enum` of one."""
        if isinstance(value, str | int | float) and not isinstance(value, bool):
            node.out["enum"] = [value]
        elif value is None:
            node.out["type"] = "null"
        else:
            node.refused[key] = value

    def enum(self, node: _Node, key: str, value: Any) -> None:
        """`enum` holds strings and numbers; null among them is said by the type."""
        named = [one for one in value if one is not None] if isinstance(value, list) else []
        if not named or any(isinstance(one, bool) or not isinstance(one, str | int | float) for one in named):
            node.refused[key] = value
            return
        node.out[key] = named
        if len(named) < len(value):
            usual = "string" if isinstance(named[0], str) else "number"
            node.out["type"] = _nullable(node.schema.get("type", usual))

    def nullable(self, node: _Node, _key: str, value: Any) -> None:
        """OpenAPI's word for a type that may be null."""
        if value is True and "type" in node.schema:
            node.out["type"] = _nullable(node.schema["type"])

    def bound(self, node: _Node, key: str, value: Any) -> None:
        """An exclusive bound: exact for whole numbers, one too many for others."""
        if isinstance(value, bool) or not isinstance(value, int | float):
            node.refused[key] = value
            return
        name, step, stricter = _BOUNDS[key]
        if node.schema.get("type") == "integer" and isinstance(value, int):
            value += step
        else:
            node.refused[key] = value
        node.out[name] = stricter(value, node.schema.get(name, value))

    # --- allOf -----------------------------------------------------------------------------------

    def _merged(self, schema: _Schema, where: str) -> _Schema:
        """The schema with its `allOf` merged into it where no two of them speak of the same thing."""
        members = schema["allOf"]
        rest = {key: value for key, value in schema.items() if key != "allOf"}
        merged: _Schema | None = rest
        for member in members if isinstance(members, list) else (None,):
            one = self._resolved(member) if len(members) > 1 or len(rest) > 2 else member
            merged = _joined(merged, one) if merged is not None and isinstance(one, dict) else None
        if merged is None or "allOf" in merged:
            self.report.lose(f"{where}.allOf", "schemas that overlap cannot be joined here", "quality")
            return rest
        self.report.change(f"{where}.allOf", "properties", "allOf is refused: its members are joined")
        return merged

    def _resolved(self, member: Any) -> Any:
        """What a member refers to, unless that contains itself."""
        target = _target(member.get("$ref")) if isinstance(member, dict) and len(member) == 1 else None
        if target is None or target == _ROOT or target in self.reach.get(target, ()):
            return member
        return self.defs.get(target, member)


class _Node:
    """One schema while it is written."""

    __slots__ = ("hard", "out", "refused", "required", "schema", "where")

    def __init__(self, schema: _Schema, where: str, *, hard: bool) -> None:
        self.schema = schema
        self.where = where
        self.hard = hard
        self.out: _Schema = {}
        self.refused: _Schema = {}
        self.required: list[Any] | None = None


_WRITE: Final[dict[str, Callable[[_Cleaner, _Node, str, Any], None]]] = {
    "properties": _Cleaner.properties,
    "required": _Cleaner.required,
    "$ref": _Cleaner.reference,
    **dict.fromkeys(_DEFINED, _Cleaner.definitions),
    **dict.fromkeys(_LISTED, _Cleaner.listed),
    "items": _Cleaner.items,
    "additionalProperties": _Cleaner.more_properties,
    "const": _Cleaner.const,
    "enum": _Cleaner.enum,
    "nullable": _Cleaner.nullable,
    **dict.fromkeys(_BOUNDS, _Cleaner.bound),
}


def _said(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _nullable(kind: Any) -> Any:
    kinds = kind if isinstance(kind, list) else [kind]
    return kinds if "null" in kinds else [*kinds, "null"]


def _required(schema: _Schema) -> list[Any]:
    required = schema.get("required")
    return required if isinstance(required, list) else []


def _target(reference: Any) -> str | None:
    """The name of the definition that a reference leads to, None where it leads elsewhere."""
    if reference == _ROOT:
        return _ROOT
    if isinstance(reference, str) and reference.startswith(_DEFINITION):
        return reference.split("/", 2)[2]
    return None


def _needs(schema: Any) -> Iterator[str]:
    """The definitions that every value of a schema may need: not those of properties that may be left out."""
    if not isinstance(schema, dict):
        return
    if (target := _target(schema.get("$ref"))) is not None:
        yield target
    properties = schema.get("properties")
    if isinstance(properties, dict):
        for name in _required(schema):
            yield from _needs(properties.get(name))
    for key in ("anyOf", "oneOf", "allOf", "prefixItems", "items"):
        inside = schema.get(key)
        for one in inside if isinstance(inside, list) else (inside,):
            yield from _needs(one)


def _reach(schemas: Mapping[str, Any]) -> dict[str, set[str]]:
    """For each definition those that it cannot be written without, near and far."""
    reach = {name: set(_needs(schema)) for name, schema in schemas.items()}
    grown = any(reach.values())
    while grown:
        grown = False
        for near in reach.values():
            known = len(near)
            near.update(*(reach.get(name, ()) for name in tuple(near)))
            grown = grown or len(near) > known
    return reach


def _joined(one: _Schema, other: _Schema) -> _Schema | None:
    """Two schemas as one, None where they say different things of the same."""
    out = dict(one)
    for key, value in other.items():
        before = out.get(key, value)
        if key == "properties" and isinstance(value, dict) and isinstance(before, dict):
            if any(before.get(name, inner) != inner for name, inner in value.items()):
                return None
            out[key] = {**before, **value}
        elif key == "required" and isinstance(value, list) and isinstance(before, list):
            out[key] = [*before, *(name for name in value if name not in before)]
        elif key in {"title", "description"} or before == value:
            out.setdefault(key, value)
        else:
            return None
    return out


# --- OpenAPI -------------------------------------------------------------------------------------

_COUNTS: Final = frozenset(
    {"minItems", "maxItems", "minLength", "maxLength", "minProperties", "maxProperties"}
)
_OPEN_NAMED: Final = frozenset({"properties", "$defs", "defs"})
_OPEN_LISTED: Final = frozenset({"anyOf", "prefixItems"})
_OPEN_ONE: Final = frozenset({"items", "additionalProperties"})

_TYPES: Final = ("type_unspecified", "string", "number", "integer", "boolean", "array", "object", "null")
"""The types by the numbers that protocol buffers give them."""

UPPER: Final = "openapi"
LOWER: Final = "openapi lower"
"""The forms of an OpenAPI schema: types in upper case, as specified, or in lower case, as many write them."""


def read_openapi(schema: _Schema) -> tuple[_Schema, str]:
    """An OpenAPI schema as JSON Schema, and in which of its forms it was written."""
    read: _Schema = _each(schema, _from_openapi)
    return read, LOWER if _each(read, _to_openapi_lower) == schema else UPPER


def write_openapi(schema: _Schema, form: str) -> _Schema:
    """What `read_openapi` has read, in the form that it had."""
    written: _Schema = _each(schema, _to_openapi_lower if form == LOWER else _to_openapi)
    return written


def _each(schema: Any, change: Callable[[_Schema], _Schema]) -> Any:
    """A schema and all those inside of it, changed."""
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


def _from_openapi(schema: _Schema) -> _Schema:
    out = {key: int(v) if key in _COUNTS and str(v).isdecimal() else v for key, v in schema.items()}
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
