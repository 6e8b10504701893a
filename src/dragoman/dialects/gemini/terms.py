"""The dialect's name, functions for its two forms of keys, and its functions for leftovers."""

from __future__ import annotations

import re
from typing import Any, Final

from dragoman.dialects.leftovers import Leftovers
from dragoman.dialects.merging import Spelling

NAME = "gemini"
_own: Final = Leftovers(NAME, nulls=True)
leftovers: Final = _own.of
restore: Final = _own.restore

_SNAKE = re.compile(r"_([a-z0-9])")


def camel(key: str) -> str:
    """Return a key in the form of the specification: `inline_data` → `inlineData`. An underscore at its
    beginning is removed: Google's description of the API for generated clients has `_responseJsonSchema`
    beside `responseJsonSchema`.
    """
    return _SNAKE.sub(lambda found: found[1].upper(), key.removeprefix("_"))


def spelled(value: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of one object of the API with its keys in camelCase; the object itself if all its keys
    have this form already. If a key comes in both forms, the last one counts.

    The objects inside it are not changed. Never call this function on arguments, results, schemas and labels,
    because their keys are the client's.
    """
    for key in value:
        if "_" in key:
            return {camel(key): kept for key, kept in value.items()}
    return value


def stated(value: dict[str, Any]) -> dict[str, Any]:
    """Return a copy of an object of the API with its keys in camelCase, without the members that are null;
    the object itself if nothing has to change. Objects inside it stay unchanged. In the JSON form of protocol
    buffers, null means that a member is not stated; Python clients write whole models in this way.
    """
    value = spelled(value)
    if None in value.values():
        return {key: kept for key, kept in value.items() if kept is not None}
    return value


SPELLING: Final = Spelling(
    camel,
    frozenset({"labels", "partMetadata", "parameters", "parametersJsonSchema"})
    | {"args", "response", "responseSchema", "responseJsonSchema"},
)
"""The spellings of keys: camelCase and snake_case. In arguments, results, schemas, labels and the parameters
of predictions, keys have one spelling.
"""


def listed(value: Any) -> list[Any]:
    """Return the value itself if it is a list, otherwise a list with only this value, because Google's
    examples write a single object for a list.
    """
    return value if isinstance(value, list) else [value]


def full_name(model: str | None) -> str:
    """Return a model's name with `models/` before it, as bodies state it; for None, `models/` alone."""
    return f"models/{(model or '').removeprefix('models/')}"
