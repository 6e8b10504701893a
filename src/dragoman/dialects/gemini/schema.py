"""Reduces the JSON Schemas of other dialects to the keywords and values that the API accepts. The API answers
400 to any other schema.

https://ai.google.dev/api/generate-content#FIELDS.response_json_schema
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, Final, TypeAlias

import msgspec
from msgspec import UNSET, UnsetType

from dragoman.dialects.gemini.references import DEFINED, ROOT, References, required
from dragoman.dialects.loss import Report
from dragoman.dialects.schema_budget import SchemaBudget, held_to_depth, place_in, shown_name, size
from dragoman.dialects.severity import Severity

_Schema: TypeAlias = dict[str, Any]

_KEPT: Final = frozenset(
    {
        *("$id", "$anchor", "type", "format", "title", "description", "propertyOrdering"),
        *("minItems", "maxItems", "minimum", "maximum"),
    }
)
_LISTED: Final = frozenset({"anyOf", "oneOf", "prefixItems"})
_UNSAID: Final = frozenset({"$schema", "$comment", "nullable", *DEFINED})
"""Keywords that are left out without a report. Definitions and `nullable` are written in another form."""
_NULL_IS_A_VALUE: Final = frozenset({"const", "default", "example"})
"""Keywords whose value may be null. Null under any other keyword restricts nothing, and the API refuses it,
so it is left out without a report."""
_NOTES: Final = frozenset({"default", "examples", "example", "deprecated", "readOnly", "writeOnly"})
"""Keywords that do not restrict values, so the loss of such a keyword is only a hint."""
_FIRST: Final = _NOTES | {"title", "description"}
"""Keywords of which only the first one stays if `allOf` is merged."""
_BOUNDS: Final = {"exclusiveMinimum": ("minimum", 1, max), "exclusiveMaximum": ("maximum", -1, min)}


def clean_schema(schema: _Schema, report: Report, where: str) -> _Schema:
    """Return a copy of the JSON Schema without the keywords and values that the API refuses; a schema that
    `is_plain` is returned itself. where: the schema's IR path.

    A keyword is written in another form if the API has one: `const` as `enum`, `allOf` merged, definitions at
    the root. Most other refused keywords are reported as losses, and written as text into the `description`
    of the schema that states them. References that would recurse without end are cut off, or their properties
    made optional, which is reported as a loss, too. Raises WireError if the schema is nested too deeply, or
    if reducing it takes too many steps.
    """
    if is_plain(schema):
        return schema
    return held_to_depth(where, lambda: _Cleaner(schema, report, SchemaBudget(where)).whole(schema, where))


class _Plain(msgspec.Struct, rename="camel", forbid_unknown_fields=True, gc=False):
    """A schema that the API accepts unchanged. A schema with a `$ref` never fits this type."""

    type: str | list[str] | UnsetType = UNSET
    description: str | UnsetType = UNSET
    properties: dict[str, _Plain] | UnsetType = UNSET
    required: list[str] | UnsetType = UNSET
    additional_properties: bool | _Plain | UnsetType = UNSET
    enum: Annotated[list[str], msgspec.Meta(min_length=1)] | UnsetType = UNSET
    items: _Plain | UnsetType = UNSET
    format: str | UnsetType = UNSET
    title: str | UnsetType = UNSET
    minimum: float | UnsetType = UNSET
    maximum: float | UnsetType = UNSET
    min_items: float | UnsetType = UNSET
    max_items: float | UnsetType = UNSET
    any_of: list[_Plain] | UnsetType = UNSET
    one_of: list[_Plain] | UnsetType = UNSET
    prefix_items: list[_Plain] | UnsetType = UNSET
    property_ordering: list[str] | UnsetType = UNSET


def is_plain(schema: _Schema) -> bool:
    """Whether the schema has only keywords and values of `_Plain`, which the API accepts unchanged. False
    also for some schemas that the API accepts: those with a `$ref`, or with numbers in an `enum`.
    """
    try:
        msgspec.convert(schema, _Plain)
    except msgspec.ValidationError:
        return False
    return True


_BESIDE_REFERENCE: Final = frozenset({"allOf", "title", "description", *_NOTES, *_UNSAID})
_MOST_OPENED: Final = 100
"""The most copies of definitions that may replace references in all `allOf`s of one schema."""
_DEEPEST_OPENED: Final = 2
"""How many copies of definitions may stand inside each other, if they replace references in `allOf`."""


class _Cleaner:
    """Reduces one schema to the keywords and values that the API accepts. In this class, to refuse a keyword
    means to write it as text into the `description` of its schema, and to report a loss.

    A reference in an `allOf` may be replaced by a copy of the definition that it names. opened: the names of
    the definitions inside whose copies the current part is. left: how many more copies may be made. budget:
    the steps that merging and copying may still take. within: the name of the definition that is being
    reduced.

    Each method in `_WRITE` writes one keyword of a schema into `node.out`, or refuses it by putting it into
    `node.refused`. node: the schema. key: the keyword. value: its value.
    """

    def __init__(self, schema: _Schema, report: Report, budget: SchemaBudget) -> None:
        self.report = report
        self.budget = budget
        self.opened: tuple[str, ...] = ()
        self.left = _MOST_OPENED
        self.references = References(schema, budget)
        self.within = ROOT

    def whole(self, schema: _Schema, where: str) -> _Schema:
        """Return the reduced root schema, with all reduced definitions, if there are any, as its `$defs`.
        where: the schema's IR path.
        """
        out = self.clean(schema, where, hard=True)
        defs = {}
        for name, (inside, place) in self.references.definitions.items():
            self.within = name
            defs[name] = self.clean(inside, place_in(where, place), hard=True)
        return {**out, "$defs": defs} if defs else out

    def clean(self, schema: Any, where: str, *, hard: bool) -> _Schema:
        """Return the reduced form of one schema; {} for a value that is not an object. The value false, which
        allows nothing, is reported as lost. where: the schema's IR path.

        hard: True = there is no optional property between the root of the current definition and this schema.
        """
        if not isinstance(schema, dict):
            if schema is False:
                self.report.lose(where, "the Gemini API has no schema that allows no value", "quality")
            return {}
        if "allOf" not in schema:
            return self._node(schema, where, hard=hard)
        before = self.opened
        node = self._node(self._merged(schema, where), where, hard=hard)
        self.opened = before
        return node

    def _node(self, schema: _Schema, where: str, *, hard: bool) -> _Schema:
        if self.opened:  # a copy in place of a reference
            self.budget.spend(len(schema))
        node = _Node(schema, where, hard)
        for key, value in schema.items():
            if value is None and key not in _NULL_IS_A_VALUE:
                continue
            if key in _KEPT:
                node.out.setdefault(key, value)
            elif (write := _WRITE.get(key)) is not None:
                write(self, node, key, value)
            elif key not in _UNSAID:
                node.refused[key] = value
        if schema.get("nullable") is True:
            self._or_null(node)
        if node.refused:
            self._tell(node)
        return self._alone(node) if "$ref" in node.out else node.out

    def _tell(self, node: _Node) -> None:
        _describe(node.out, node.refused)
        for key in node.refused:
            severity: Severity = "hint" if key in _NOTES else "quality"
            self.report.lose(place_in(node.where, key), _DESCRIBED, severity)

    # --- Properties and references ---------------------------------------------------------------

    def properties(self, node: _Node, key: str, value: Any) -> None:
        """Write `properties`, and correct a `required` that was written before. A value that is not an object
        is refused.

        If the schema itself stands in no optional property, a required property that leads back to its own
        definition becomes optional, because otherwise a value would never end. This is reported as a loss.
        """
        if not isinstance(value, dict):
            node.refused[key] = value
            return
        names = required(node.schema)
        node.required = []
        for name in names:
            if node.hard and self._loops(value.get(name)):
                reason = f"`{shown_name(name)}` contains itself, so it is not required"
                self.report.lose(f"{node.where}.required", reason, "quality")
            else:
                node.required.append(name)
        hard = frozenset(node.required) if node.hard else frozenset()
        node.out["properties"] = {
            name: self.clean(one, place_in(node.where, f"properties.{name}"), hard=name in hard)
            for name, one in value.items()
        }
        if "required" in node.out:
            self.required(node, "required", names)

    def required(self, node: _Node, key: str, value: Any) -> None:
        """Write `required`, without the names of properties that `properties` has made optional. A value that
        is not a list of strings is refused.
        """
        if value != required(node.schema):
            node.refused[key] = value
            return
        names = value if node.required is None else node.required
        if names or not value:
            node.out[key] = names
        else:
            node.out.pop(key, None)

    def reference(self, node: _Node, key: str, value: Any) -> None:
        """Write a `$ref` to a definition or to the whole schema. A `$ref` to anything else is refused. A
        `$ref` is not written, which is reported as a loss, if its schema leads back to the definition in
        which it stands, without an optional property between them.
        """
        target = self.references.target(value)
        if target is None:
            node.refused[key] = value
        elif node.hard and self._loops(node.schema):
            self.report.lose(place_in(node.where, key), "the recursive schema is cut off here", "quality")
        else:
            node.out[key] = ROOT if target == ROOT else f"#/$defs/{target}"

    def _alone(self, node: _Node) -> _Schema:
        """Return the reduced schema in a form in which its `$ref` has no other members beside it, because the
        API requires this. If there are other members, the `$ref` is moved into an `anyOf`. Of the other
        members, the title, the description and those with a `$` at the beginning stay; all others are
        reported as lost.
        """
        beside = {key: value for key, value in node.out.items() if not key.startswith("$")}
        if not beside:
            return node.out
        for key in sorted(beside.keys() - {"title", "description"}):
            del beside[key]
            self.report.lose(
                place_in(node.where, key), "the Gemini API does not allow it next to a $ref", "quality"
            )
        named = {key: value for key, value in node.out.items() if key.startswith("$") and key != "$ref"}
        return {**named, **beside, "anyOf": [{"$ref": node.out["$ref"]}]}

    def _loops(self, schema: Any) -> bool:
        """Whether `schema`, a part of the current definition, leads back to this definition without passing
        through an optional property.
        """
        return self.references.loops(schema, self.within)

    # --- Other keywords --------------------------------------------------------------------------

    def listed(self, node: _Node, key: str, value: Any) -> None:
        """Write a keyword whose value is a list of schemas. A list under `items` is written as `prefixItems`.
        A value that is not a list is refused.
        """
        if not isinstance(value, list):
            node.refused[key] = value
            return
        place = place_in(node.where, key)
        node.out["prefixItems" if key == "items" else key] = [
            self.clean(one, f"{place}[{index}]", hard=node.hard) for index, one in enumerate(value)
        ]

    def items(self, node: _Node, key: str, value: Any) -> None:
        """Write `items`: one schema for all items, or a list of schemas. The value true is left out. Any
        other value is refused, and so is a list beside `prefixItems`.
        """
        if isinstance(value, dict):
            node.out[key] = self.clean(value, place_in(node.where, key), hard=node.hard)
        elif isinstance(value, list) and "prefixItems" not in node.schema:
            self.listed(node, key, value)
        elif value is not True:
            node.refused[key] = value

    def more_properties(self, node: _Node, key: str, value: Any) -> None:
        """Write `additionalProperties`: a schema, or any other value unchanged."""
        place = place_in(node.where, key)
        node.out[key] = self.clean(value, place, hard=False) if isinstance(value, dict) else value

    def const(self, node: _Node, key: str, value: Any) -> None:
        """Write a string or a number as an `enum` with one value, and null as the type "null". Any other
        `const` is refused. A `const` that is not in the `enum` beside it is refused, too, and so is null
        beside a type that does not allow null.
        """
        if not _is_written(node.schema):
            node.refused[key] = value
        elif value is None:
            node.out["type"] = "null"
        else:
            node.out["enum"] = [value]

    def enum(self, node: _Node, key: str, value: Any) -> None:
        """Write an `enum` of strings and numbers, with at least one of them. null in the `enum` is removed,
        and "null" is added to the types of the schema. Any other `enum` is refused. An `enum` is left out if
        a `const` is written, because the `const` is one of its values.
        """
        if isinstance(value, list) and "const" in node.schema and _is_written(node.schema):
            return
        named = [one for one in value if one is not None] if isinstance(value, list) else []
        if not named or any(isinstance(one, bool) or not isinstance(one, str | int | float) for one in named):
            node.refused[key] = value
            return
        node.out[key] = named
        if len(named) < len(value):
            node.out["type"] = _nullable(node.schema.get("type", _type_of(named)))

    def _or_null(self, node: _Node) -> None:
        """Let the written schema (`node.out`) also accept null, because its source has OpenAPI's `nullable:
        true`. A written schema without `$ref`, `type`, `anyOf`, `oneOf` and `enum` stays unchanged.
        """
        out = node.out
        choices = next((out[key] for key in ("anyOf", "oneOf") if key in out), None)
        if "$ref" in out:
            out["anyOf"] = [{"$ref": out.pop("$ref")}, {"type": "null"}]
        elif "type" in out:
            out["type"] = _nullable(out["type"])
        elif choices is not None:
            choices.append({"type": "null"})
        elif "enum" in out:
            out["type"] = _nullable(_type_of(out["enum"]))

    def bound(self, node: _Node, key: str, value: Any) -> None:
        """Write an exclusive bound as an inclusive bound. If the bound is an integer and the schema's type is
        "integer", the next integer is written. In all other cases, the same number is written, and the
        keyword is also refused, because the inclusive bound allows one more value. If the schema also states
        the inclusive bound, the stricter of both numbers is written. If one of the bounds is not a number,
        the exclusive bound is only refused.
        """
        name, step, stricter = _BOUNDS[key]
        beside = value if node.schema.get(name) is None else node.schema[name]
        if not (_is_number(value) and _is_number(beside)):
            node.refused[key] = value
            return
        if node.schema.get("type") == "integer" and isinstance(value, int):
            value += step
        else:
            node.refused[key] = value
        node.out[name] = stricter(value, beside)

    # --- allOf -----------------------------------------------------------------------------------

    def _merged(self, schema: _Schema, where: str) -> _Schema:
        """Return a copy of the schema with the members of its `allOf` merged into it. Of several different
        titles, descriptions or notes (`_FIRST`), the first one stays, and the others are reported as lost. If
        the members cannot be merged, `allOf` is written as text into the schema's description, which is
        reported as a loss. where: the schema's IR path.
        """
        members = schema["allOf"] if isinstance(schema["allOf"], list) else [None]
        merged: _Schema | None = {key: value for key, value in schema.items() if key != "allOf"}
        opens = len(members) > 1 or not schema.keys() <= _BESIDE_REFERENCE
        unsaid: dict[str, None] = {}
        for member in members:
            one = self._resolved(member) if opens else member
            if merged is not None and isinstance(one, dict):
                unsaid |= dict.fromkeys(
                    key for key in one if key in _FIRST and merged.get(key, one[key]) != one[key]
                )
                merged = self._joined(merged, one)
            else:
                merged = None
        if merged is None:
            rest = {key: value for key, value in schema.items() if key != "allOf"}
            _describe(rest, {"allOf": schema["allOf"]})
            self.report.lose(place_in(where, "allOf"), _DESCRIBED, "quality")
            return rest
        for key in unsaid:
            severity: Severity = "quality" if key == "description" else "hint"
            self.report.lose(place_in(where, "allOf"), f"only the first {key} of its parts is used", severity)
        return self._merged(merged, where) if "allOf" in merged else merged

    def _joined(self, one: _Schema, other: _Schema) -> _Schema | None:
        for schema in (one, other):
            self.budget.spend(sum(map(size, schema.values())))
        return _joined(one, other)

    def _resolved(self, member: Any) -> Any:
        """Return a member of an `allOf`. If the member is only a reference to a definition, and a copy of
        this definition may be made here (`opened`, `left`), the definition is returned instead, and counted
        as a copy.
        """
        reference = member.get("$ref") if isinstance(member, dict) and len(member) == 1 else None
        target = self.references.target(reference)
        if target is None or target == ROOT or target in self.opened:
            return member
        if len(self.opened) == _DEEPEST_OPENED or not self.left:
            return member
        self.opened = (*self.opened, target)
        self.left -= 1
        return self.references.definitions[target].schema


class _Node(msgspec.Struct):
    """One schema while it is reduced.

    where: the schema's IR path. hard: True = there is no optional property between the root of the current
    definition and this schema. out: the reduced schema. refused: keywords that are written as text into its
    description. required: the names that `properties` left in `required`; None = `properties` has not been
    written yet.
    """

    schema: _Schema
    where: str
    hard: bool
    out: _Schema = {}
    refused: _Schema = {}
    required: list[Any] | None = None


_WRITE: Final[dict[str, Callable[[_Cleaner, _Node, str, Any], None]]] = {
    "properties": _Cleaner.properties,
    "required": _Cleaner.required,
    "$ref": _Cleaner.reference,
    **dict.fromkeys(_LISTED, _Cleaner.listed),
    "items": _Cleaner.items,
    "additionalProperties": _Cleaner.more_properties,
    "const": _Cleaner.const,
    "enum": _Cleaner.enum,
    **dict.fromkeys(_BOUNDS, _Cleaner.bound),
}


def _as_json(value: Any) -> str:
    return msgspec.json.encode(value).decode()


_DESCRIBED: Final = "it is not enforced, only described to the model"
ADAPTED: Final = "the schema is adapted to what the API accepts"


def _describe(schema: _Schema, refused: _Schema) -> None:
    words = ", ".join(f"{key}: {_as_json(value)}" for key, value in refused.items())
    said = schema.get("description")
    schema["description"] = f"{said}\n\n{{{words}}}" if said else f"{{{words}}}"


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_written(schema: _Schema) -> bool:
    """Whether the API has a form for the `const` of a schema, which must have one. The `const` must be a
    string, a number (not true or false) or null. If there is a list `enum` beside it, the list must contain
    it. For null, the type beside it, if there is one, must allow null.
    """
    value, enum = schema["const"], schema.get("enum")
    if isinstance(enum, list) and _as_json(value) not in map(_as_json, enum):
        return False
    if value is None:
        return "type" not in schema or "null" in _kinds(schema["type"])
    return isinstance(value, str) or _is_number(value)


def _type_of(values: list[Any]) -> Any:
    """Return the type for the values of an `enum`: "string" or "number"; if there are both, a list of both.
    values: at least one; only strings and numbers, without null, true and false.
    """
    kinds = list(dict.fromkeys("string" if isinstance(value, str) else "number" for value in values))
    return kinds[0] if len(kinds) == 1 else kinds


def _nullable(kind: Any) -> Any:
    kinds = _kinds(kind)
    return kinds if "null" in kinds else [*kinds, "null"]


def _kinds(kind: Any) -> list[Any]:
    return kind if isinstance(kind, list) else [kind]


def _joined(one: _Schema, other: _Schema) -> _Schema | None:
    """Return one schema with the keywords of both schemas; None = a keyword has two values that cannot be
    joined. Of two titles, descriptions or notes (`_FIRST`), the one in `one` stays.
    """
    out = dict(one)
    for key, value in other.items():
        if key not in out or out[key] == value or key in _FIRST:
            out.setdefault(key, value)
        elif (join := _JOIN.get(key)) is None or (both := join(out[key], value)) is None:
            return None
        else:
            out[key] = both
    return out


def _joined_named(one: Any, other: Any) -> Any:
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return None
    both = {name: _both(one[name], other[name]) for name in one.keys() & other.keys()}
    return {**one, **other, **both}


def _both(one: Any, other: Any) -> Any:
    return one if one == other else {"allOf": [one, other]}


def _all(one: Any, other: Any) -> Any:
    return [*one, *other] if isinstance(one, list) and isinstance(other, list) else None


def _names(one: Any, other: Any) -> Any:
    names = _all(one, other)
    if not names or not all(isinstance(name, str) for name in names):
        return None
    return list(dict.fromkeys(names))


def _common(one: Any, other: Any) -> Any:
    """Return the list of the values that `one` and `other` have in common; None = there are none. one, other:
    a list of values, or a single value.
    """
    first, second = (value if isinstance(value, list) else [value] for value in (one, other))
    allowed = set(map(_as_json, second))
    return [value for value in first if _as_json(value) in allowed] or None


def _stricter(pick: Callable[[Any], Any]) -> Callable[[Any, Any], Any]:
    def choose(one: Any, other: Any) -> Any:
        numbers = isinstance(one, int | float) and isinstance(other, int | float)
        return pick((one, other)) if numbers else None

    return choose


_JOIN: Final[dict[str, Callable[[Any, Any], Any]]] = {
    **dict.fromkeys(("properties", *DEFINED), _joined_named),
    "items": _both,
    "required": _names,
    "allOf": _all,
    **dict.fromkeys(("enum", "type"), _common),
    **dict.fromkeys(("minimum", "minItems"), _stricter(max)),
    **dict.fromkeys(("maximum", "maxItems"), _stricter(min)),
}
"""Keyword -> the function that joins its values in two schemas to one value. The function returns None if
this is impossible."""
