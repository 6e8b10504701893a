"""The tree of a configuration as it was written. Every node knows its source.

YAML files, environment variables, presets and the command line become such trees. The trees are merged into
one, which `decode` turns into typed settings. No IO.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, TypeAlias

import msgspec


class Source(NamedTuple):
    """The place of a value. origin: a file, an environment variable, or words ("the command line", "preset
    qwen"). line: the line in the file, from 1; None = not known, or the origin is not a file.
    """

    origin: str
    line: int | None = None

    def __str__(self) -> str:
        return self.origin if self.line is None else f"{self.origin}:{self.line}"


class Scalar(msgspec.Struct, frozen=True):
    """One value that is neither a list nor a mapping.

    value: the value; of a YAML file, by the rules of YAML; of an environment variable, its text. text: the
    value as it is written, in a file or in settings of a program with each `${VARIABLE}` replaced. source:
    where it is written. filled: True = the text may contain the value of a variable, which may be a secret,
    so no message shows it. size: always 1. variables: the names of the variables in the text, as far as they
    are known. unfilled: True = the text of one of the variables is missing; the problem has already been
    reported.
    """

    value: bool | int | float | str | None
    text: str
    source: Source
    filled: bool = False
    size: int = 1
    variables: tuple[str, ...] = ()
    unfilled: bool = False


class Items(msgspec.Struct, frozen=True):
    """A list. size: the number of nodes in it, the list itself included; a node that YAML aliases repeat
    counts each time. For a list that does not come directly from a YAML text it is 1.
    """

    items: tuple[Node, ...]
    source: Source
    size: int = 1


class Table(msgspec.Struct, frozen=True):
    """A mapping. names: the sources of the entries' names, as far as known. size: the number of nodes in it,
    the mapping itself included (aliases: see `Items`); 1 for a mapping that does not come directly from a
    YAML text.
    """

    entries: Mapping[str, Node]
    source: Source
    names: Mapping[str, Source] = {}
    size: int = 1

    def named(self, name: str) -> Source:
        """Return the source of an entry's name; if it is not known, the source of the entry's value."""
        return self.names.get(name) or self.entries[name].source


Node: TypeAlias = Scalar | Items | Table


def plant(value: Any, source: Source) -> Node:
    """Return the tree of a Python value (None, bool, number, str, list, tuple, mapping). All nodes have the
    same source. `${VARIABLE}` in a text is not replaced.
    """
    if isinstance(value, Mapping):
        return Table({str(name): plant(inner, source) for name, inner in value.items()}, source)
    if isinstance(value, list | tuple):
        return Items(tuple(plant(inner, source) for inner in value), source)
    if value is None or isinstance(value, bool):
        return Scalar(value, {None: "null", True: "true", False: "false"}[value], source)
    return Scalar(value, str(value), source)


def merge(below: Node, above: Node) -> Node:
    """Return one tree of two. Of two tables, the entries are put together; an entry in both is merged in the
    same way. If one of the nodes is not a table (a list, for example), the result is `above`.
    """
    if not (isinstance(below, Table) and isinstance(above, Table)):
        return above
    entries = dict(below.entries)
    for name, node in above.entries.items():
        entries[name] = merge(entries[name], node) if name in entries else node
    return Table(entries, above.source, {**below.names, **above.names})
