"""Reads the declarations of settings: name, type, default and further facts; and answers questions about
types (which texts they accept, whether they hold secrets).
"""

from __future__ import annotations

import types
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import (
    Annotated,
    Any,
    Final,
    Literal,
    NamedTuple,
    TypeAlias,
    Union,
    get_args,
    get_origin,
    get_type_hints,
)

import msgspec

from dragoman.config.quotas import Budget, Quota
from dragoman.config.scalars import (
    Amount,
    Day,
    DialectName,
    Duration,
    FilePath,
    ListedPath,
    Moment,
    PathPrefix,
    Share,
    Size,
)
from dragoman.config.section import Section, about
from dragoman.dialects.table import DIALECTS
from dragoman.seams.secret import Secret

ScalarType: TypeAlias = (
    type[Duration]
    | type[Size]
    | type[Amount]
    | type[Share]
    | type[Moment]
    | type[Day]
    | type[PathPrefix]
    | type[FilePath]
    | type[ListedPath]
    | type[Quota]
    | type[Budget]
)
SCALARS: Final[tuple[ScalarType, ...]] = (
    *(Duration, Size, Amount, Share, Moment, Day, PathPrefix, FilePath, ListedPath, Quota, Budget),
)


class Setting(NamedTuple):
    """One declared setting. type: its annotated type. default: `msgspec.NODEFAULT` = the setting is required.
    about: the facts that the declaration states with `about(…)`; in a section with `in_environment`, `env` is
    set from the name.
    """

    name: str
    type: Any
    default: Any
    about: about


@cache
def settings_of(section: type[Section]) -> Mapping[str, Setting]:
    """Return the settings of a section by name, in the order of their declaration."""
    hints = get_type_hints(section, include_extras=True)
    found: dict[str, Setting] = {}
    for field in msgspec.structs.fields(section):
        hint = hints[field.name]
        kind, meta = get_args(hint)[:2] if get_origin(hint) is Annotated else (hint, about())
        if section.in_environment:
            meta = msgspec.structs.replace(meta, env=f"DRAGOMAN_{field.name.upper()}")
        default = field.default_factory() if field.default_factory is not msgspec.NODEFAULT else field.default
        found[field.name] = Setting(field.name, kind, default, meta)
    return MappingProxyType(found)


def options(kind: Any) -> tuple[Any, ...]:
    """Return the members of a union, without None; for a type that is not a union, only this type."""
    members = get_args(kind) if get_origin(kind) in {Union, types.UnionType} else (kind,)
    return tuple(member for member in members if member is not types.NoneType)


def nullable(kind: Any) -> bool:
    """Whether null is one of the type's values: the type is a union with None, or any JSON."""
    return kind is Any or (get_origin(kind) in {Union, types.UnionType} and types.NoneType in get_args(kind))


@cache
def holds_secrets(kind: Any) -> bool:
    """Whether the type is `Secret`, contains it, or contains a setting that is declared secret
    (`about.secret`).
    """
    if kind is Secret:
        return True
    if isinstance(kind, type) and issubclass(kind, Section):
        return any(one.about.secret or holds_secrets(one.type) for one in settings_of(kind).values())
    return any(holds_secrets(inner) for inner in get_args(kind) if inner is not Ellipsis)


def words(kind: Any) -> tuple[str, ...]:
    """Return the only texts that this type accepts (a Literal, a protocol's name); () = the type has no such
    list.
    """
    if kind is DialectName:
        return tuple(DIALECTS)
    return get_args(kind) if get_origin(kind) is Literal else ()


def expected(kind: Any) -> str:
    """Return a few words about the value that a person should write, for example "a whole number"."""
    members = options(kind)
    if len(members) > 1:
        return " or ".join(expected(member) for member in members)
    (kind,) = members
    if kind in SCALARS:
        text: str = kind.expected
        return text
    if listed := words(kind):
        return "one of " + ", ".join(listed) if len(listed) > 1 else listed[0]
    if get_origin(kind) is dict:
        return "a mapping"
    if isinstance(kind, type) and issubclass(kind, Section):
        short = settings_of(kind)[kind.shorthand].type if kind.shorthand else None
        return (
            "a mapping (`name: value`)"
            if short is None
            else f"{expected(short)}, or a mapping (`name: value`)"
        )
    return {bool: "true or false", int: "a whole number", str: "a text", Secret: "a key"}.get(kind, "a value")
