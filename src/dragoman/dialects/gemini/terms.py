"""The dialect's words: names, spellings, and what is left over of wire objects."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from dragoman.dialects.loss import Report
from dragoman.ir import Extra

NAME = "gemini"

_SNAKE = re.compile(r"_([a-z0-9])")


def camel(key: str) -> str:
    """A key in the spelling of the specification: `inline_data` → `inlineData`."""
    return _SNAKE.sub(lambda found: found[1].upper(), key)


def spelled(value: dict[str, Any]) -> dict[str, Any]:
    """One object of the API's own with its keys in camelCase; the object itself where they are already.

    Both spellings are accepted by the API, as protocol buffers demand. Never call it on what belongs to
    the client or the model: arguments, results, schemas, labels.
    """
    for key in value:
        if "_" in key:
            return {camel(key): kept for key, kept in value.items()}
    return value


def listed(value: Any) -> list[Any]:
    """A list; one object stands for a list of one, as Google's own examples write it."""
    return value if isinstance(value, list) else [value]


def leftovers(value: Mapping[str, Any], known: frozenset[str]) -> Extra:
    """The keys of one wire object that no field carries, as `extra`."""
    if value.keys() <= known:
        return None
    return {NAME: {key: kept for key, kept in value.items() if key not in known}}


def inner(key: str, value: Mapping[str, Any], known: frozenset[str]) -> Extra:
    """The same for an object inside of another, with its key before theirs: `inlineData.displayName`."""
    if value.keys() <= known:
        return None
    return {NAME: {f"{key}.{name}": kept for name, kept in value.items() if name not in known}}


def restore(out: dict[str, Any], extra: Extra, report: Report, where: str) -> None:
    """Put our own leftovers back in their place; name those of other dialects as lost."""
    for dialect, keys in (extra or {}).items():
        for key, value in keys.items():
            if dialect != NAME:
                if value is not None:
                    report.lose(f"{where}.{key}" if where else key, "has no counterpart here", "hint")
                continue
            head, _, tail = key.partition(".")
            within = out.get(head) if tail else None
            if isinstance(within, dict):
                within[tail] = value
            else:
                out[key] = value
