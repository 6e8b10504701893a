"""Simplifies a JSON Schema (2020-12) for the grammar: resolves references, merges `allOf`, infers types.
Pure.

Unknown keywords are ignored. A schema with a known keyword that no grammar can enforce is refused, here or in
`grammar`; the error names the keyword's path. Two things are ignored instead: a `format` that the grammar
cannot enforce, and a keyword whose value `false` restricts nothing. Only references within the document are
followed; nothing is fetched.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

from dragoman.dialects.schema_budget import SchemaBudget, size
from dragoman.dialects.schema_references import SchemaReferences
from dragoman.dialects.schema_values import IS_OF_TYPE, same, shared, types_of_both
from dragoman.errors import WireError

Schema: TypeAlias = dict[str, Any] | bool

TYPES = ("object", "array", "string", "integer", "number", "boolean", "null")
_NUMBER, _COUNT = (int, float), (int,)
_OF_TYPE: dict[str, dict[str, tuple[type, ...]]] = {
    "object": {
        "properties": (dict,),
        "required": (list,),
        "additionalProperties": (bool, dict),
        "minProperties": _COUNT,
        "maxProperties": _COUNT,
    },
    "array": {"items": (bool, dict, list), "prefixItems": (list,), "minItems": _COUNT, "maxItems": _COUNT},
    "string": {"minLength": _COUNT, "maxLength": _COUNT},
    "number": dict.fromkeys(("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"), _NUMBER),
}
"""The enforced keywords by the type of value that they restrict, with the types that the keyword's value may
have.
"""
_HELD: dict[str, tuple[type, ...]] = {
    "type": (str, list),
    "enum": (list,),
    "const": (object,),
    "format": (str,),
    "$ref": (str,),
    "allOf": (list,),
    "anyOf": (list,),
    "oneOf": (list,),
} | {keyword: kinds for keywords in _OF_TYPE.values() for keyword, kinds in keywords.items()}
"""All enforced keywords, with the types that the keyword's value may have. Unknown keywords are ignored."""
_REFUSED = frozenset(
    {
        *("not", "if", "then", "else", "pattern", "patternProperties", "propertyNames"),
        *("dependentRequired", "dependentSchemas", "dependencies", "unevaluatedItems"),
        *("unevaluatedProperties", "additionalItems", "uniqueItems", "contains", "minContains"),
        *("maxContains", "multipleOf", "$dynamicRef", "$recursiveRef"),
    }
)
"""Keywords that grammars cannot enforce. A schema with such a keyword is refused if the keyword restricts
anything (`_restricts`).
"""

_IDLE = frozenset({"not", "if", "then", "uniqueItems"})
"""Keywords that restrict nothing if their value is `false`."""


def _restricts(keyword: str, schema: dict[str, Any]) -> bool:
    """Whether a keyword with the value `false` restricts the values of its schema. schema: it contains the
    keyword. `else` does beside an `if`, and `additionalItems` beside a list of `items`.
    """
    if keyword == "else":
        return "if" in schema
    if keyword == "additionalItems":
        return isinstance(schema.get("items"), list)
    return keyword not in _IDLE


_SHOWN = 100
"""The most characters of a value in an error text. A value may be as long as the complete body."""


def refused(path: str, message: str) -> WireError:
    """Return (not raise) the error for a schema that is invalid or cannot be enforced. path: the path of the
    wrong keyword or subschema.
    """
    return WireError(message, path, "invalid_json_schema")


def shown(value: Any) -> str:
    """Return the value as Python writes it, cut at `_SHOWN` characters, for error texts."""
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}…"


class Flat:
    """A schema without references and without `allOf`, `anyOf`, `oneOf`. keywords: the remaining keywords,
    {keyword: value}. path: the schema's path.

    types: the JSON types that a value may have, as stated in `type`. If `type` is missing, they are the types
    that the keywords restrict ("string" for `minLength`). None = any type. literals: the only values that are
    allowed (`const`, `enum`); None = the schema lists no values. The constructor raises WireError for an
    unknown type or an empty list of types, if no listed value is allowed, and for listed values together with
    keywords that restrict one type.
    """

    def __init__(self, keywords: dict[str, Any], path: str) -> None:
        self.keywords = keywords
        self.path = path
        self.types = self._types()
        self.literals = self._literals()

    def at(self, keyword: str) -> str:
        """Return the path of one of this schema's keywords."""
        return f"{self.path}.{keyword}"

    def refused(self, keyword: str, message: str) -> WireError:
        return refused(self.at(keyword), message)

    def get(self, keyword: str, default: Any) -> Any:
        return self.keywords.get(keyword, default)

    def _types(self) -> tuple[str, ...] | None:
        stated = self.keywords.get("type")
        if stated is None:
            # A keyword restricts only values of its own type. If the schema states no type, generating just
            # this type is always valid, and what the author meant.
            inferred = (kind for kind, words in _OF_TYPE.items() if any(w in self.keywords for w in words))
            return tuple(inferred) or None
        types = [stated] if isinstance(stated, str) else stated
        if not types or any(kind not in TYPES for kind in types):
            raise self.refused("type", f"is not a type that the model can generate: {shown(stated)}")
        return tuple(dict.fromkeys(types))

    def _literals(self) -> list[Any] | None:
        values = _listed(self.keywords)
        if values is None:
            return None
        for keywords in _OF_TYPE.values():
            for keyword in keywords:
                if keyword in self.keywords:
                    raise self.refused(keyword, "cannot be enforced together with listed values")
        if self.types is not None:
            values = [v for v in values if any(IS_OF_TYPE[kind](v) for kind in self.types)]
        if not values:
            raise refused(self.path, "allows no value")
        return values


class Reader:
    """Simplifies the subschemas of one document. document: the complete schema, in which references are
    looked up. path: the document's path, for errors. budget: each followed reference, merge and comparison
    takes steps from it. When the budget is used up, WireError is raised.
    """

    def __init__(self, document: Schema, path: str, budget: SchemaBudget) -> None:
        self._references = SchemaReferences(document)
        self._path = path
        self._budget = budget

    def take_apart(self, schema: Schema, path: str) -> Flat | list[tuple[Schema, str]]:
        """Return the schema as a `Flat`. If the schema consists of alternatives (`anyOf`, `oneOf`), return a
        list of (alternative, path) instead; the keywords beside the alternatives are merged into each
        alternative. path: the path of the schema.

        Raises WireError if the budget is used up, and if the schema is seen to be malformed, to allow no
        value, or to have parts that cannot be merged or that no grammar can enforce. Most parts inside it are
        not looked at.
        """
        rest, path = self._resolved(schema, path, ())
        for keyword in ("anyOf", "oneOf"):
            if keyword not in rest:
                continue
            options = rest.pop(keyword)
            where = f"{path}.{keyword}"
            if not options:
                raise refused(where, "allows no value")
            if keyword == "oneOf" and len(options) > 1:
                self._exclusive(options, where)
            named = [(option, f"{where}[{i}]") for i, option in enumerate(options)]
            if not rest:
                return named
            return [(self._both(rest, *self._resolved(option, at, ())), at) for option, at in named]
        return Flat(rest, path)

    def _both(self, one: dict[str, Any], other: dict[str, Any], path: str) -> dict[str, Any]:
        cost = sum(map(size, one.values())) + sum(map(size, other.values()))
        kinds = size(one.get("type")) * size(other.get("type")) // _COMPARED  # all pairs
        self._budget.spend(cost + kinds)
        return _both(one, other, path)

    def _resolved(self, schema: Schema, path: str, seen: tuple[str, ...]) -> tuple[dict[str, Any], str]:
        """Return (keywords, path) of a schema after its reference and its `allOf` were merged into the
        keywords. The path is the schema's own, or that of the other schema if the schema is nothing but a
        reference or an `allOf` of one schema. seen: the references that led to this schema. Raises WireError
        as `take_apart` does.
        """
        self._budget.spend(1 + size(schema))
        keywords = self._assertions(schema, path)
        parts: list[tuple[dict[str, Any], str]] = []
        if (reference := keywords.pop("$ref", None)) is not None:
            if reference in seen:
                raise refused(f"{path}.$ref", "refers to itself endlessly")
            parts.append(self._resolved(*self._target(reference, path), (*seen, reference)))
        options = keywords.pop("allOf", [])
        parts += [self._resolved(part, f"{path}.allOf[{i}]", seen) for i, part in enumerate(options)]
        if not keywords and len(parts) == 1:
            return parts[0]
        for part, where in parts:
            keywords = self._both(keywords, part, where)
        return keywords, path

    def _assertions(self, schema: Schema, path: str) -> dict[str, Any]:
        if schema is False:
            raise refused(path, "allows no value")
        if schema is True:
            return {}
        if not isinstance(schema, dict):
            raise refused(path, f"must be a schema, not {shown(schema)}")
        for keyword, value in schema.items():
            if keyword in _REFUSED and (value is not False or _restricts(keyword, schema)):
                raise refused(f"{path}.{keyword}", "cannot be enforced by the embedded model's grammar")
            if keyword in _HELD and not _fits(keyword, value):
                raise refused(f"{path}.{keyword}", f"must not be {shown(value)}")
        if isinstance(schema.get("items"), list) and "prefixItems" in schema:
            raise refused(f"{path}.items", "must not be a list beside prefixItems")
        return {
            key: int(value) if _HELD[key] is _COUNT else value
            for key, value in schema.items()
            if key in _HELD
        }

    def _target(self, reference: str, path: str) -> tuple[Schema, str]:
        """Return (schema, path) of the target of a reference: `#` with a JSON pointer or an anchor. path: the
        path of the schema that contains the reference. Raises WireError if the reference does not begin with
        `#`, or if the target does not exist.
        """
        where = f"{path}.$ref"
        if not reference.startswith("#"):
            raise refused(where, f"only references inside the schema are supported, not {shown(reference)}")
        self._budget.spend(1 + len(reference) // 16)
        if (found := self._references.target(reference, self._path)) is None:
            raise refused(where, f"{shown(reference)} is not in the schema")
        return found

    def _exclusive(self, options: list[Schema], path: str) -> None:
        """Raise WireError unless it is certain that no value matches two branches of a `oneOf`: a grammar
        cannot exclude such a value.
        """
        flats = [self._resolved(option, f"{path}[{i}]", ())[0] for i, option in enumerate(options)]
        values = [_listed_values(flat) for flat in flats]
        for i, one in enumerate(flats):
            # Each listed value is compared with those of all earlier branches.
            self._budget.spend(sum(2 + values[i] * earlier // _COMPARED for earlier in values[:i]))
            if any(not _disjoint(one, other) for other in flats[:i]):
                overlap = (
                    "may overlap an earlier branch; a property with a constant value must distinguish them"
                )
                raise refused(f"{path}[{i}]", overlap)


def _is(value: object, kinds: tuple[type, ...]) -> bool:
    # Booleans are integers in Python, but not in JSON.
    return isinstance(value, kinds) and (not isinstance(value, bool) or kinds != _NUMBER)


def _fits(keyword: str, value: Any) -> bool:
    """Return whether the value of a keyword in `_HELD` has a type that the keyword may have. `required` must
    be a list of strings. A count must be a whole number that is not negative. Schemas inside the value are
    not checked.
    """
    kinds = _HELD[keyword]
    if kinds is _COUNT:
        return _is(value, _NUMBER) and value >= 0 and value == int(value)
    if keyword == "required":
        return isinstance(value, list) and all(isinstance(name, str) for name in value)
    return _is(value, kinds)


def _disjoint(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return True if it is certain that no value matches both schemas; False = that is not certain. Only the
    schemas' types and listed values (`const`, `enum`), and the listed values of their properties, are
    compared.
    """
    kinds, others = _kinds(one), _kinds(other)
    if not kinds & others:
        return True
    mine, theirs = _listed(one), _listed(other)
    if mine is not None and theirs is not None:
        return not shared(mine, theirs)
    return kinds == others == {"object"} and (_told_apart(one, other) or _told_apart(other, one))


def _kinds(schema: dict[str, Any]) -> set[str]:
    """Return the JSON types that a schema allows, with "number" in place of "integer". A schema without
    `type` allows all types.
    """
    stated = schema.get("type", TYPES)
    return {
        "number" if kind == "integer" else kind for kind in ([stated] if isinstance(stated, str) else stated)
    }


def _listed(schema: Any) -> list[Any] | None:
    """Return the only values that a schema allows (`const`, `enum`, or what both have in common); [] = no
    value. None = it lists no values.
    """
    if not isinstance(schema, dict):
        return None
    listed = schema.get("enum")
    if "const" in schema:
        stated = [schema["const"]]
        return shared(stated, listed) if isinstance(listed, list) else stated
    return listed if isinstance(listed, list) else None


_COMPARED = 32
"""The number of comparisons of values that take one step of the budget."""


def _listed_values(schema: dict[str, Any]) -> int:
    """Return the number of values that the schema and its properties list, plus one for each property. This
    number measures the work of a comparison with another schema.
    """
    inner = (_listed(each) for each in schema.get("properties", {}).values())
    return len(_listed(schema) or ()) + sum(1 + len(listed or ()) for listed in inner)


def _told_apart(one: dict[str, Any], other: dict[str, Any]) -> bool:
    """Return whether the schemas differ in a property that `one` requires: both list its values, and the two
    lists have no value in common.
    """
    properties = one.get("properties", {})
    for name in one.get("required", ()):
        mine, theirs = _listed(properties.get(name)), _listed(other.get("properties", {}).get(name))
        if mine is not None and theirs is not None and not shared(mine, theirs):
            return True
    return False


def _both(one: dict[str, Any], other: dict[str, Any], path: str) -> dict[str, Any]:
    """Return the keywords of both schemas, merged so that a value must match both. Raises WireError if the
    schemas cannot be merged. path: the path of `other`.
    """
    for part, rest in ((one, other), (other, one)):
        closed = part.get("additionalProperties", True) is not True
        if closed and rest.get("properties", {}).keys() - part.get("properties", {}).keys():
            raise refused(f"{path}.properties", "cannot be added where additional properties are restricted")
        key, heads = first_items(part)
        free = rest.get("items", True) in (True, {})
        if heads and not free and not same(heads, first_items(rest)[1]):
            # `items` restricts the first items too, unless the same schema names these.
            where = "items" if rest is other else key
            raise refused(f"{path}.{where}", "cannot be combined with the first items of another schema")
    merged = dict(one)
    for keyword, value in other.items():
        if keyword not in merged or same(merged[keyword], value):
            merged[keyword] = value
            continue
        combined = _COMBINE[keyword](merged[keyword], value) if keyword in _COMBINE else None
        if combined is None:
            raise refused(f"{path}.{keyword}", "cannot be combined with the same keyword next to it")
        merged[keyword] = combined
    return merged


def first_items(schema: dict[str, Any]) -> tuple[str, list[Schema]]:
    """Return (keyword, schemas) of the first items of an array; the schemas are [] if none are stated. The
    keyword is `prefixItems`, or `items` if its value is a list, as before the version 2020-12.
    """
    key = "items" if isinstance(schema.get("items"), list) else "prefixItems"
    return key, schema.get(key, [])


def _properties(one: dict[str, Any], other: dict[str, Any]) -> dict[str, Any] | None:
    clash = not all(same(one[name], other[name]) for name in one.keys() & other.keys())
    return None if clash else {**one, **other}


# How to combine two values of one keyword into a value that means both; the result None = impossible.
_COMBINE: dict[str, Callable[[Any, Any], Any]] = {
    "properties": _properties,
    "required": lambda one, other: list(dict.fromkeys([*one, *other])),
    "type": types_of_both,
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), max),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), min),
}
