"""SQL expressions that compare texts by their code points, in SQLite and in PostgreSQL alike.

SQLite compares and sorts texts by code points, as Python does, but its LIKE ignores the case of ASCII
letters. PostgreSQL sorts texts by the rules of the language that its database was made with, and its LIKE
minds the case.
"""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.functions import FunctionElement


class ByCodePoints(FunctionElement[str]):
    """A text that is compared and sorted by code points. Its argument is a column or an expression."""

    inherit_cache = True
    type = sa.String()


class _Place(FunctionElement[int]):
    """The place at which the first argument contains the second one, counted from 1; 0 = nowhere."""

    inherit_cache = True
    type = sa.Integer()


def whole(value: str) -> str:
    """Return the text with "?" in place of each half of a surrogate pair, which is not valid in UTF-8."""
    return value if value.isascii() else value.encode("utf-8", "replace").decode()


def contains(column: sa.ColumnElement[Any], part: str) -> sa.ColumnElement[bool]:
    """Return the SQL condition that a column contains a text. The case of letters matters."""
    return _Place(column, sa.literal(part, sa.String)) > 0


def begins(column: sa.ColumnElement[Any], start: str) -> sa.ColumnElement[bool]:
    """Return the SQL condition that a column begins with a text. The case of letters matters."""
    return sa.func.substr(column, 1, len(start)) == start


@compiles(ByCodePoints)
def _plain(element: ByCodePoints, compiler: SQLCompiler, **options: Any) -> str:
    return compiler.process(element.clauses, **options)


@compiles(ByCodePoints, "postgresql")
def _collated(element: ByCodePoints, compiler: SQLCompiler, **options: Any) -> str:
    return f'({compiler.process(element.clauses, **options)}) COLLATE "C"'


@compiles(_Place)
def _instr(element: _Place, compiler: SQLCompiler, **options: Any) -> str:
    return f"instr({compiler.process(element.clauses, **options)})"


@compiles(_Place, "postgresql")
def _strpos(element: _Place, compiler: SQLCompiler, **options: Any) -> str:
    return f"strpos({compiler.process(element.clauses, **options)})"
