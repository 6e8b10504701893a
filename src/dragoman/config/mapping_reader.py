"""Turns settings that are Python values into a tree, as `yaml_reader` does with a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dragoman.config.tree import Items, Node, Scalar, Source, Table, plant
from dragoman.config.variables import fill, has_variables
from dragoman.errors import Problem, setting_path

_SOURCE: Final = Source("Gateway(…)")
_MAX_DEPTH: Final = 50


def read_settings(settings: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[Table, list[Problem]]:
    """Return the tree of settings, and the problems: wrong types, nesting deeper than 50 levels, unset
    variables, and `${` without a name.

    settings: None, bool, int, float and str, and lists, tuples and mappings of these; any other value becomes
    null. `${VARIABLE}` in a string is replaced by the value in `environ`, or by its default.
    """
    table, problems = read_node(settings, "", environ, _SOURCE)
    assert isinstance(table, Table)
    return table, problems


def read_node(
    value: Any, path: str, environ: Mapping[str, str], source: Source
) -> tuple[Node, list[Problem]]:
    """Return the tree of one value, and its problems: wrong types, nesting deeper than 50 levels, unset
    variables, and `${` without a name. A value with one of the first two problems becomes null. path: the
    value's place in the configuration. source: the source of all nodes of the tree.
    """
    reader = _Reader(environ, source)
    return reader.node(value, path, 0), reader.problems


class _Reader:
    def __init__(self, environ: Mapping[str, str], source: Source) -> None:
        self._environ = environ
        self._source = source
        self.problems: list[Problem] = []

    def node(self, value: Any, path: str, depth: int) -> Node:
        """Return the tree of one value. depth: how many lists and mappings surround the value."""
        if depth > _MAX_DEPTH:
            self._problem(path, f"nested deeper than {_MAX_DEPTH} levels")
        elif isinstance(value, Mapping):
            entries = {
                str(name): self.node(inner, setting_path(path, str(name)), depth + 1)
                for name, inner in value.items()
            }
            return Table(entries, self._source)
        elif isinstance(value, list | tuple):
            items = [self.node(inner, f"{path}[{at}]", depth + 1) for at, inner in enumerate(value)]
            return Items(tuple(items), self._source)
        elif isinstance(value, str):
            return self._text(value, path)
        elif value is None or isinstance(value, bool | int | float):
            return plant(value, self._source)
        else:
            self._problem(path, f"has the type {type(value).__name__}, which no setting accepts")
        return Scalar(None, "null", self._source)

    def _text(self, text: str, path: str) -> Scalar:
        filled = fill(text, self._environ)
        for trouble in filled.troubles:
            self._problem(path, trouble.message, trouble.hint)
        return Scalar(
            filled.text,
            filled.text,
            self._source,
            filled=has_variables(text),
            variables=filled.variables,
            unfilled=bool(filled.troubles),
        )

    def _problem(self, path: str, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(path, message, self._source.origin, hint=hint))
