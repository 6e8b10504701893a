"""The documentation of every quirk, read from the source code of `Quirks`."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from functools import cache
from typing import Any, Final, NamedTuple, get_type_hints

from dragoman.dialects.quirks import STANDARD, Quirks

_GROUP: Final = re.compile(r"^# --- ([^-]+) -+$")


class Deviation(NamedTuple):
    """One quirk. kind: its type. default: the standard behaviour. group: the heading above it in `Quirks`."""

    name: str
    kind: Any
    default: Any
    text: str
    group: str


@cache
def deviations() -> tuple[Deviation, ...]:
    """Every quirk, in the order of the source. The string below a field is the field's description."""
    source = textwrap.dedent(inspect.getsource(Quirks))
    (written,) = ast.parse(source).body
    assert isinstance(written, ast.ClassDef)
    lines, kinds = source.splitlines(), get_type_hints(Quirks)
    found: list[Deviation] = []
    for field, text in zip(written.body, written.body[1:], strict=False):
        if isinstance(field, ast.AnnAssign) and isinstance(field.target, ast.Name):
            name = field.target.id
            group = _group(lines[: field.lineno])
            found.append(Deviation(name, kinds[name], getattr(STANDARD, name), _text(text), group))
    return tuple(found)


def _text(node: ast.stmt) -> str:
    """The description of a field on one line; "" if the statement below the field is not a string."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return " ".join(str(node.value.value).split())
    return ""


def _group(before: list[str]) -> str:
    """The group of a field: the text of the last comment `# --- … ---` above it. before: lines above it."""
    return next((found[1] for line in reversed(before) if (found := _GROUP.search(line.strip()))), "")
