"""Reads a YAML text into a tree. Every node of the tree knows its line.

PyYAML's composer is not used: it recurses in C without a limit, and if a key occurs twice it silently uses
the last one. Values without quotation marks follow the core schema of YAML 1.2, without its other notations
of numbers (https://yaml.org/spec/1.2.2/#103-core-schema): `no` and 0x10 are strings, 1e3 is a number.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
import yaml

from dragoman.config.tree import Items, Node, Scalar, Source, Table
from dragoman.config.variables import Filled, fill, has_variables
from dragoman.errors import Problem, setting_path

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
_TAG: Final = "tag:yaml.org,2002:"
_NULL: Final = frozenset({"", "~", "null", "Null", "NULL"})
_BOOL: Final = {
    word: value for value in (True, False) for word in (f"{value}", f"{value}".lower(), f"{value}".upper())
}
_INT: Final = re.compile(r"[-+]?[0-9]{1,300}\Z")
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?\Z")

MAX_DEPTH: Final = 50
MAX_NODES: Final = 100_000
"""The most nodes of a file. The limit stops YAML aliases of aliases, which multiply the nodes."""


def read(text: str, origin: str, environ: Mapping[str, str] | None) -> tuple[Table, list[Problem]]:
    """Return (the tree of a YAML text, with its variables replaced; the problems). The tree is empty if the
    text has no settings or cannot be read: it is not valid YAML, not a mapping, or too deep or too large.
    origin: the file's name. environ: the environment variables; None = texts stay as they are written.
    """
    return _Reader(text, origin, environ).document()


class _Unreadable(Exception):
    """Ends the reading of a file. message: the problem. line, path: where it is; line None = not known."""

    def __init__(self, message: str, line: int | None, path: str = "") -> None:
        super().__init__(message)
        self.message, self.line, self.path = message, line, path


class _Reader:
    """Builds the tree of one document. Problems are collected; `_Unreadable` ends the reading."""

    def __init__(self, text: str, origin: str, environ: Mapping[str, str] | None) -> None:
        self.text = text
        self.origin = origin
        self.environ = environ
        self.problems: list[Problem] = []
        self.anchors: dict[str, Node] = {}
        self.events: Iterator[Any] = iter(())

    def document(self) -> tuple[Table, list[Problem]]:
        table = Table({}, Source(self.origin, 1))
        try:
            self.events = yaml.parse(self.text, Loader=_LOADER)
            table = self.root() or table
        except _Unreadable as error:
            self.problem(error.path, error.message, error.line)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            last = len(self.text.splitlines()) or 1  # for an unexpected end, PyYAML's line is after the last
            line = min(mark.line + 1, last) if mark else None
            hint = (
                "use blanks for indentation, not tabs"
                if mark and self.text[mark.index :][:1] == "\t"
                else None
            )
            self.problem("", f"invalid YAML: {error.problem or error.context}", line, hint)
        except yaml.reader.ReaderError as error:
            line = self.text.count("\n", 0, error.position) + 1
            self.problem("", "invalid YAML: an unprintable character", line)
        return table, self.problems

    def root(self) -> Table | None:
        node: Node | None = None
        for event in self.events:
            if isinstance(event, yaml.DocumentStartEvent):
                if node is not None:
                    raise _Unreadable(
                        "a second YAML document begins here; a configuration is a single document",
                        _line(event),
                    )
                node = self.node(next(self.events), "", 0)
        if node is None or (isinstance(node, Scalar) and node.value is None):
            return None
        if not isinstance(node, Table):
            raise _Unreadable("a configuration must be a mapping of settings (`server: …`)", node.source.line)
        return node

    def node(self, event: Any, path: str, depth: int) -> Node:
        if isinstance(event, yaml.AliasEvent):
            if event.anchor not in self.anchors:
                # The message does not show the alias: it may be an unquoted password that begins with `*`.
                raise _Unreadable(
                    "the YAML alias refers to an anchor that is not defined above it, or that "
                    "contains itself",
                    _line(event),
                    path,
                )
            return self.anchors[event.anchor]
        if depth > MAX_DEPTH:
            raise _Unreadable(f"nested more than {MAX_DEPTH} levels deep", _line(event))
        node: Node
        if isinstance(event, yaml.ScalarEvent):
            node = self.scalar(event, path)
        elif isinstance(event, yaml.SequenceStartEvent):
            node = self.sequence(event, path, depth)
        else:
            node = self.mapping(event, path, depth)
        if node.size > MAX_NODES:
            raise _Unreadable(f"more than {MAX_NODES} values", _line(event), path)
        if event.anchor is not None:
            self.anchors[event.anchor] = node
        return node

    def sequence(self, start: Any, path: str, depth: int) -> Items:
        items: list[Node] = []
        size = 1
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self.node(event, f"{path}[{len(items)}]", depth + 1))
            size += items[-1].size
        return Items(tuple(items), Source(self.origin, _line(start)), size)

    def mapping(self, start: Any, path: str, depth: int) -> Table:
        entries: dict[str, Node] = {}
        names: dict[str, Source] = {}
        merged: dict[str, Node] = {}
        size = 1
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise _Unreadable("a setting's name must be a string", _line(event), path)
            name, here = event.value, Source(self.origin, _line(event))
            value = self.node(next(self.events), setting_path(path, name), depth + 1)
            size += value.size
            if size > MAX_NODES:
                raise _Unreadable(f"more than {MAX_NODES} values", here.line, path)
            if name == "<<" and event.implicit[0]:
                merged |= self.merged(value, path)
            elif name in entries:
                self.problem(
                    setting_path(path, name), f"set twice: first in line {names[name].line}", here.line
                )
            else:
                # The source of a list or mapping is the line of its name.
                entries[name] = (
                    value if isinstance(value, Scalar) else msgspec.structs.replace(value, source=here)
                )
                names[name] = here
        return Table({**merged, **entries}, Source(self.origin, _line(start)), names, size)

    def merged(self, value: Node, path: str) -> dict[str, Node]:
        """Return the entries that `<<: *other` adds. If several mappings have the same entry, the first
        mapping wins. value: the node after `<<`. path: the mapping that contains it. Raises _Unreadable if
        the node is neither a mapping nor a list of mappings.
        """
        tables = value.items if isinstance(value, Items) else (value,)
        found: dict[str, Node] = {}
        for table in reversed(tables):
            if not isinstance(table, Table):
                raise _Unreadable("`<<` needs a mapping, or a list of mappings", value.source.line, path)
            found.update(table.entries)
        return found

    def scalar(self, event: Any, path: str) -> Scalar:
        line = _line(event)
        filled = Filled(event.value, (), ()) if self.environ is None else fill(event.value, self.environ)
        for trouble in filled.troubles:
            self.problem(path, trouble.message, line, trouble.hint)
        text = filled.text
        value: bool | float | str | None = text
        if event.tag is None and event.implicit[0]:
            value = _plain(text)
        elif event.tag not in {None, "!", _TAG + "str"}:
            # The message does not show the tag: it may be an unquoted password that begins with `!`.
            hint = "put a string that begins with ! into quotation marks"
            self.problem(path, "YAML tags are not supported", line, hint)
        return Scalar(
            value,
            text,
            Source(self.origin, line),
            filled=has_variables(event.value),
            variables=filled.variables,
            unfilled=bool(filled.troubles),
        )

    def problem(self, path: str, message: str, line: int | None, hint: str | None = None) -> None:
        self.problems.append(Problem(path, message, self.origin, line, hint))


def _plain(text: str) -> bool | float | str | None:
    """Return the value of a text that is written without quotation marks: a whole number of up to 300
    digits is an exact int, another decimal number a float (0.0 if it is too near to 0). Numbers in
    other notations than the decimal one, and those that are too large for a float, stay strings.
    """
    if text in _NULL:
        return None
    if text in _BOOL:
        return _BOOL[text]
    if _INT.match(text):
        return int(text)
    if _FLOAT.match(text) and math.isfinite(number := float(text)):
        return number
    return text


def _line(event: Any) -> int:
    line: int = event.start_mark.line + 1
    return line
