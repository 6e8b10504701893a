"""Turns settings that a program passes as a Python mapping into a tree, as `yaml_reader` does with a file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from dragoman.config.tree import Items, Node, Scalar, Source, Table, join, plant
from dragoman.config.variables import fill, has_variables
from dragoman.errors import Problem

_ORIGIN: Final = "Gateway(…)"
_SOURCE: Final = Source(_ORIGIN)
_MAX_DEPTH: Final = 50


def read_settings(settings: Mapping[str, Any], environ: Mapping[str, str]) -> tuple[Table, list[Problem]]:
    """The tree of these settings, and the problems: wrong types, too deep nesting, unset variables.

    settings: None, bool, numbers, strings, and lists and mappings of these. `${VARIABLE}` in a string is
    replaced by the value in `environ`.
    """
    reader = _Reader(environ)
    table = reader.node(settings, "", 0)
    assert isinstance(table, Table)
    return table, reader.problems


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[Problem] = []

    def node(self, value: Any, path: str, depth: int) -> Node:
        """The tree of one value; null, with a problem, if it is none. depth: the containers around it."""
        if depth > _MAX_DEPTH:
            self._problem(path, f"nested deeper than {_MAX_DEPTH} levels")
        elif isinstance(value, Mapping):
            entries = {
                str(name): self.node(inner, join(path, str(name)), depth + 1) for name, inner in value.items()
            }
            return Table(entries, _SOURCE)
        elif isinstance(value, list | tuple):
            items = [self.node(inner, f"{path}[{at}]", depth + 1) for at, inner in enumerate(value)]
            return Items(tuple(items), _SOURCE)
        elif isinstance(value, str):
            return self._text(value, path)
        elif value is None or isinstance(value, bool | int | float):
            return plant(value, _SOURCE)
        else:
            self._problem(path, f"has the type {type(value).__name__}, which no setting accepts")
        return Scalar(None, "null", _SOURCE)

    def _text(self, text: str, path: str) -> Scalar:
        filled = fill(text, self._environ)
        for trouble in filled.troubles:
            self._problem(path, trouble.message, trouble.hint)
        return Scalar(
            filled.text,
            filled.text,
            _SOURCE,
            filled=has_variables(text),
            variables=filled.variables,
            unfilled=bool(filled.troubles),
        )

    def _problem(self, path: str, message: str, hint: str | None = None) -> None:
        self.problems.append(Problem(path, message, _ORIGIN, hint=hint))
