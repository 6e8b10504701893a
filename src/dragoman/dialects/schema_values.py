"""Compares JSON values as JSON Schema does: 1 and 1.0 are equal; 1 and true are not (in Python they are).
Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final


def same(one: Any, other: Any) -> bool:
    """Return whether two JSON values are equal in JSON Schema's sense, at any depth."""
    return one == other and _same_kinds(one, other)


def _same_kinds(one: Any, other: Any) -> bool:
    """Return whether two values that are equal in Python have booleans at the same places: False for 1 and
    true.
    """
    if isinstance(one, dict):
        return all(_same_kinds(value, other[name]) for name, value in one.items())
    if isinstance(one, list):
        return all(map(_same_kinds, one, other))
    return isinstance(one, bool) == isinstance(other, bool)


def shared(some: Sequence[Any], others: Sequence[Any]) -> list[Any]:
    """Return those of `some` that equal one of `others` (`same`), in the order of `some`."""
    return [one for one in some if one in others and any(same(one, other) for other in others)]


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


IS_OF_TYPE: Final[dict[str, Callable[[Any], bool]]] = {
    "object": lambda value: isinstance(value, dict),
    "array": lambda value: isinstance(value, list),
    "string": lambda value: isinstance(value, str),
    "integer": lambda value: _number(value) and value == int(value),
    "number": _number,
    "boolean": lambda value: isinstance(value, bool),
    "null": lambda value: value is None,
}
"""Whether a value is of a type, by the type's name."""


def types_of_both(one: str | list[str], other: str | list[str]) -> list[str] | None:
    """Return the types that both values of the keyword `type` allow; None = there are none. An integer is
    also a number, so "integer" and "number" give "integer".
    """
    mine, theirs = ([kinds] if isinstance(kinds, str) else kinds for kinds in (one, other))
    both = [kind for kind in mine if kind in theirs or (kind == "integer" and "number" in theirs)]
    both += [kind for kind in theirs if kind == "integer" and "number" in mine and kind not in both]
    return both or None
