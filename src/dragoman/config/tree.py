"""A configuration as it was written: a tree in which every node knows where it stands.

YAML files, environment variables, presets and the command line all become such trees, are laid over
each other and then read by the types of the settings (`decode`). Values only, no IO.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias

import msgspec

_PLAIN_NAME: Final = re.compile(r"[A-Za-z0-9_*-]+\Z", re.ASCII)


class Source(NamedTuple):
    """Where a value stands: a file and line (1-based), an environment variable, or another origin's name."""

    origin: str
    line: int | None = None

    def __str__(self) -> str:
        return self.origin if self.line is None else f"{self.origin}:{self.line}"


class Scalar(msgspec.Struct, frozen=True):
    """One value.

    value: what YAML makes of it. text: as written, variables filled in. filled: whether some were; such a
    text may be a secret and is never shown in a message. variables: the names of those in the text.
    unfilled: whether one of them is not set, which has been told.
    """

    value: bool | int | float | str | None
    text: str
    source: Source
    filled: bool = False
    size: int = 1
    variables: tuple[str, ...] = ()
    unfilled: bool = False


class Items(msgspec.Struct, frozen=True):
    """A list. size: nodes below it, aliases counted each time."""

    items: tuple[Node, ...]
    source: Source
    size: int = 1


class Table(msgspec.Struct, frozen=True):
    """A mapping. names: where each key stands."""

    entries: Mapping[str, Node]
    source: Source
    names: Mapping[str, Source] = {}
    size: int = 1

    def named(self, name: str) -> Source:
        """Where the key stands."""
        return self.names.get(name) or self.entries[name].source


Node: TypeAlias = Scalar | Items | Table


def join(path: str, name: str) -> str:
    """The path of an entry; a name that would be misread in a path is quoted."""
    shown = name if _PLAIN_NAME.match(name) else '"' + name.replace('"', '\\"') + '"'
    return f"{path}.{shown}" if path else shown


def plant(value: Any, source: Source) -> Node:
    """The tree of a Python value (None, bool, numbers, text, lists, mappings), all of it from one source."""
    if isinstance(value, Mapping):
        return Table({str(name): plant(inner, source) for name, inner in value.items()}, source)
    if isinstance(value, list | tuple):
        return Items(tuple(plant(inner, source) for inner in value), source)
    if value is None or isinstance(value, bool):
        return Scalar(value, {None: "null", True: "true", False: "false"}[value], source)
    return Scalar(value, str(value), source)


def merge(below: Node, above: Node) -> Node:
    """Two trees as one: tables entry by entry, for anything else what is above."""
    if not (isinstance(below, Table) and isinstance(above, Table)):
        return above
    entries = dict(below.entries)
    for name, node in above.entries.items():
        entries[name] = merge(entries[name], node) if name in entries else node
    return Table(entries, above.source, {**below.names, **above.names})
