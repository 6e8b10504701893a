"""The dialect's name, its two forms of keys, and its functions for leftovers."""

from __future__ import annotations

import re
from typing import Any, Final

from dragoman.dialects.leftovers import Leftovers

NAME = "gemini"
_own: Final = Leftovers(NAME, nulls=True)
leftovers: Final = _own.of
restore: Final = _own.restore

_SNAKE = re.compile(r"_([a-z0-9])")


def camel(key: str) -> str:
    """A key in the form of the specification: `inline_data` → `inlineData`."""
    return _SNAKE.sub(lambda found: found[1].upper(), key)


def spelled(value: dict[str, Any]) -> dict[str, Any]:
    """One object of the API's own with its keys in camelCase; the same object if they already are.

    The API accepts both forms, as protocol buffers require. Never call this on data of the client or the
    model: arguments, results, schemas, labels.
    """
    for key in value:
        if "_" in key:
            return {camel(key): kept for key, kept in value.items()}
    return value


def listed(value: Any) -> list[Any]:
    """The list itself, or a list of the single object that Google's examples write in its place."""
    return value if isinstance(value, list) else [value]
