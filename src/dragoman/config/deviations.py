"""Reads from the source code what each setting and each quirk means (the string below its field), and the
groups of the quirks.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final, NamedTuple, get_type_hints

import msgspec

from dragoman.dialects.quirks import STANDARD, Quirks

_GROUP: Final = re.compile(r"^# --- ([^-]+) -+$")


class Deviation(NamedTuple):
    """One quirk. kind: its type. default: its value in `quirks.STANDARD`. text: its meaning. group: the
    nearest heading above it in the source of `Quirks`, "" = none.
    """

    name: str
    kind: Any
    default: Any
    text: str
    group: str


@cache
def deviations() -> tuple[Deviation, ...]:
    """Return every quirk, in the order of the source."""
    lines, kinds = inspect.getsource(Quirks).splitlines(), get_type_hints(Quirks)
    return tuple(
        Deviation(name, kinds[name], getattr(STANDARD, name), text, _group(lines[:line]))
        for name, text, line in _fields(Quirks)
    )


@cache
def meanings(kind: type) -> Mapping[str, str]:
    """Return {name of a field: its meaning, on one line} for the fields of a class, inherited ones included.
    The meaning is the string below the field in the source; "" = there is none.
    """
    above = [one for one in kind.__mro__[1:] if issubclass(one, msgspec.Struct) and one.__struct_fields__]
    stating = [*reversed(above), kind]
    return {name: text for one in stating for name, text, _ in _fields(one)}


def _fields(kind: type) -> Iterator[tuple[str, str, int]]:
    (written,) = ast.parse(inspect.getsource(kind)).body
    assert isinstance(written, ast.ClassDef)
    for field, below in zip(written.body, [*written.body[1:], ast.Pass()], strict=True):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            value = below.value if isinstance(below, ast.Expr) else None
            text = str(value.value) if isinstance(value, ast.Constant) else ""
            yield field.target.id, " ".join(text.split()), field.lineno


def _group(before: list[str]) -> str:
    return next((found[1] for line in reversed(before) if (found := _GROUP.search(line.strip()))), "")
