"""Checks that the fields of an IR value have their annotated types.

msgspec does not check types when a struct is constructed in Python. If a decoder copies a value from JSON
without a check, the field has whatever type the provider or client sent.
"""

from __future__ import annotations

import types
from collections.abc import Callable
from functools import cache
from operator import attrgetter
from typing import Any, Literal, TypeAlias, Union, get_args, get_origin, get_type_hints

import msgspec

_Types: TypeAlias = frozenset[type] | None  # None = any type


class _Shape:
    """The field types of one struct class, in the order of its fields. read: a function that takes a struct
    and returns the values of all its fields. kinds: for each field, the types that it allows, None = any
    type. deep: (position of the field, second result of `_kinds`) for each field whose content is checked.
    seen: the combinations of types (one for each field) that `fits` has accepted before.
    """

    __slots__ = ("deep", "kinds", "read", "seen")

    def __init__(self, cls: type[msgspec.Struct]) -> None:
        hints = get_type_hints(cls)
        fields = cls.__struct_fields__
        self.read: Callable[[Any], tuple[Any, ...]] = attrgetter(*fields)
        found = [_kinds(hints[field]) for field in fields]
        self.kinds: list[_Types] = [kinds for kinds, _ in found]
        self.deep = [(place, deep) for place, (_, deep) in enumerate(found) if deep]
        self.seen: set[tuple[type, ...]] = set()

    def fits(self, kinds: tuple[type, ...]) -> bool:
        """Whether the fields may have these types (one for each field, in order). If so, the combination is
        added to `seen`.
        """
        if any(
            wanted is not None and kind not in wanted for kind, wanted in zip(kinds, self.kinds, strict=True)
        ):
            return False
        self.seen.add(kinds)
        return True


_shape = cache(_Shape)


def is_sound(value: msgspec.Struct) -> bool:
    """Whether every field of the struct has a value of its annotated type. The type must be the same: True is
    no int, and an instance of a subclass is not accepted. Only a float field may also have an int. The items
    of a tuple are checked as well, and so are the fields of all structs in fields and in tuples. For a
    Literal only the type of the value is checked, not the value. Not checked are fields annotated as Any, and
    the contents of dictionaries, of lists, and of tuples within tuples.
    """
    shape = _shape(type(value))
    values = shape.read(value)
    kinds = tuple(map(type, values))
    if kinds not in shape.seen and not shape.fits(kinds):
        return False
    for place, members in shape.deep:
        inner = values[place]
        if not inner:
            continue  # None or an empty tuple, as in most fields
        if type(inner) is not tuple:
            if isinstance(inner, msgspec.Struct) and not is_sound(inner):
                return False
            continue
        for one in inner:
            if type(one) not in members or (isinstance(one, msgspec.Struct) and not is_sound(one)):
                return False
    return True


def _kinds(hint: Any) -> tuple[_Types, frozenset[type]]:
    """Return two sets of types for an annotation. The first: the types that the annotation allows, None = any
    type; float allows int as well. The second: the struct types in the annotation and, if it allows a tuple,
    the types of the tuple's items; it is empty if `is_sound` has nothing to check inside the value.
    """
    if hint is Any or hint is object:
        return None, frozenset()
    origin, parts = get_origin(hint), get_args(hint)
    if origin is Literal:
        return frozenset(map(type, parts)), frozenset()
    if origin in {Union, types.UnionType}:
        found = [_kinds(part) for part in parts]
        deep = frozenset[type]().union(*(inner for _, inner in found))
        if any(kinds is None for kinds, _ in found):
            return None, deep
        return frozenset[type]().union(*(kinds or () for kinds, _ in found)), deep
    if origin is tuple:
        held = [_kinds(part)[0] for part in parts if part is not Ellipsis]
        return frozenset({tuple}), frozenset[type]().union(*(kinds or () for kinds in held))
    if origin is not None:
        return frozenset({origin}), frozenset()
    deep = frozenset({hint}) if isinstance(hint, type) and issubclass(hint, msgspec.Struct) else frozenset()
    return frozenset({hint, int} if hint is float else {hint}), deep
