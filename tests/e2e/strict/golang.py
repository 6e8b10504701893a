"""Answers as a program in Go reads them: what does not fit the declared type fails the whole answer.

A kind is "string", "int64", "float64", "bool" or "time", a list of one kind, or a struct: the kinds of its
members, of which an answer may leave out any, and hold others. Go takes null for an empty value; here it is
refused where a member is a struct or a number, because clients then go on with a zero.

https://pkg.go.dev/encoding/json#Unmarshal, https://pkg.go.dev/time#Time.UnmarshalJSON
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

Struct: TypeAlias = Mapping[str, Any]
Kind: TypeAlias = str | Sequence[Any] | Struct

_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)")
_LONGEST_LINE = 8 * 1024 * 1024
"""Of the scanner by which Ollama's client reads a stream."""
_INT64 = 2**63


class Mismatch(AssertionError):
    """A value that Go does not decode into its type."""


def decode(kind: Kind, body: bytes) -> Any:
    """One JSON value that is all of the body. Raises Mismatch."""
    value = json.loads(body)
    hold(kind, value)
    return value


def lines(kind: Struct, body: bytes) -> list[Any]:
    """The values of a stream, one a line; the first line with an `error` ends it. Raises Mismatch."""
    assert body.endswith(b"\n")
    found = []
    for line in body.split(b"\n")[:-1]:
        assert len(line) <= _LONGEST_LINE
        found.append(decode({**kind, "error": "string"}, line))
        if found[-1].get("error"):
            break
    return found


def hold(kind: Kind, value: Any, path: str = "$") -> None:
    """Raise Mismatch for a value that is not of its kind."""
    if isinstance(kind, Mapping):
        if not isinstance(value, dict):
            raise Mismatch(f"{path}: {value!r} is no struct")
        for name, member in kind.items():
            if name in value:
                hold(member, value[name], f"{path}.{name}")
    elif not isinstance(kind, str):
        if value is not None and not isinstance(value, list):
            raise Mismatch(f"{path}: {value!r} is no slice")
        for index, one in enumerate(value or ()):
            hold(kind[0], one, f"{path}[{index}]")
    elif not _FITS[kind](value):
        raise Mismatch(f"{path}: {value!r} is no {kind}")


_FITS = {
    "string": lambda value: isinstance(value, str),
    "bool": lambda value: isinstance(value, bool),
    "int64": lambda value: type(value) is int and -_INT64 <= value < _INT64,
    "float64": lambda value: type(value) in {int, float},
    "time": lambda value: isinstance(value, str) and _TIME.fullmatch(value) is not None,
    "map": lambda value: isinstance(value, dict),
}
