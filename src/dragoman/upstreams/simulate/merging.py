"""Merges two JSON Schemas into one that allows the values that both allow. Pure.

A keyword that both schemas have and that is not merged, such as `title`, `format` or `pattern`, is taken from
the second schema.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from math import gcd, lcm
from typing import Any, Final

from dragoman.dialects.schema_values import same, shared, types_of_both


class Contradiction(Exception):
    """Raised if no value is valid against the schemas."""


def both(one: Any, other: Any) -> Any:
    """Return a schema for the values that both schemas allow: an object, True, or False (no value). A part of
    the schemas that would have to be merged, too, becomes an `allOf`. Raises Contradiction if the `type`,
    `const` or `enum` of the schemas have nothing in common. Other contradictions, for example between bounds,
    stay in the schema that is returned. The arguments are not changed.
    """
    if one is False or other is False:
        return False
    if not isinstance(one, Mapping) or not isinstance(other, Mapping):
        return dict(one) if isinstance(one, Mapping) else dict(other) if isinstance(other, Mapping) else True
    merged: dict[str, Any] = {**one, **other}
    more: list[Any] = []
    for keyword in one.keys() & other.keys():
        mine, theirs = one[keyword], other[keyword]
        if keyword in _ALTERNATIVES and not same(mine, theirs):
            merged[keyword] = mine
            more.append({keyword: theirs})
        elif keyword in _MERGE:
            merged[keyword] = _MERGE[keyword](mine, theirs)
    if more:
        merged["allOf"] = [*merged.get("allOf", ()), *more]
    _merge_properties(merged, one, other)
    _merge_items(merged, one, other)
    return merged


def _pair(one: Any, other: Any) -> Any:
    """Return a schema that stands for both, not merged yet."""
    for part, rest in ((one, other), (other, one)):
        if part is True or part == {} or rest is False:
            return rest
    return one if same(one, other) else {"allOf": [one, other]}


def _merge_properties(merged: dict[str, Any], one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Write `properties` and `additionalProperties` of both schemas into `merged`. A property that one schema
    does not name must be valid against the `additionalProperties` of this schema.
    """
    mine, theirs = one.get("properties", {}), other.get("properties", {})
    extra, others = one.get("additionalProperties", True), other.get("additionalProperties", True)
    if mine or theirs:
        merged["properties"] = {
            name: _pair(mine.get(name, extra), theirs.get(name, others)) for name in {**mine, **theirs}
        }
    if "additionalProperties" in merged:
        merged["additionalProperties"] = _pair(extra, others)


def _merge_items(merged: dict[str, Any], one: Mapping[str, Any], other: Mapping[str, Any]) -> None:
    """Write `prefixItems` and `items` of both schemas into `merged`. An item that one schema does not name
    must be valid against the `items` of this schema.
    """
    if not {"items", "prefixItems"} & merged.keys():
        return
    (mine, rest), (theirs, others) = _items(one), _items(other)
    count = max(len(mine), len(theirs))
    merged["prefixItems"] = [
        _pair(mine[at] if at < len(mine) else rest, theirs[at] if at < len(theirs) else others)
        for at in range(count)
    ]
    merged["items"] = _pair(rest, others)


def _items(schema: Mapping[str, Any]) -> tuple[list[Any], Any]:
    """Return (the schemas of the first items, the schema of all further items)."""
    items = schema.get("items", True)
    if isinstance(items, list):  # before the version 2020-12
        return items, True
    return schema.get("prefixItems", []), items


def _const(one: Any, other: Any) -> Any:
    if not same(one, other):
        raise Contradiction
    return one


def _enum(one: list[Any], other: list[Any]) -> list[Any]:
    if not (values := shared(one, other)):
        raise Contradiction
    return values


def _type(one: str | list[str], other: str | list[str]) -> list[str]:
    if (types := types_of_both(one, other)) is None:
        raise Contradiction
    return types


def _multiple(one: float, other: float) -> float:
    """Return the least common multiple of two steps."""
    mine, theirs = (Fraction(step if isinstance(step, int) else str(step)) for step in (one, other))
    step = Fraction(lcm(mine.numerator, theirs.numerator), gcd(mine.denominator, theirs.denominator))
    return step.numerator if step.denominator == 1 else float(step)


_ALTERNATIVES: Final = frozenset({"anyOf", "oneOf", "$ref"})
_MERGE: Final[dict[str, Callable[[Any, Any], Any]]] = {
    "required": lambda one, other: list(dict.fromkeys([*one, *other])),
    "type": _type,
    "const": _const,
    "enum": _enum,
    "allOf": lambda one, other: [*one, *other],
    "uniqueItems": lambda one, other: bool(one or other),
    "multipleOf": _multiple,
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems", "minProperties"), max),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems", "maxProperties"), min),
}
