"""Limits the work on a client's JSON Schema, and the length of the paths in it.

A schema may refer to its own parts, so one kilobyte can expand beyond any machine's memory. Code that follows
references, or merges or copies schemas, pays for its steps here. Steps are counted instead of seconds, so
that every machine accepts the same schemas.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from dragoman.errors import WireError

TOO_COMPLEX: Final = "schema_too_complex"
"""The error code for a schema that costs too much."""
STEPS: Final = 60_000
"""The most steps for one schema. A step is a microsecond or two of work, during which the process does
nothing else. The largest schemas that OpenAI's API accepts (5,000 properties) need about half of these steps.
"""
LONGEST_PLACE: Final = 500
"""The most characters of a name in a path of a schema; a longer name is cut, because a property's name may be
as long as a body, and occurs in the paths of everything below that property. A whole path may have about
twice as many."""

_T = TypeVar("_T")


class SchemaBudget:
    """The number of steps that may still be spent on one schema, or together on several schemas of a request.
    path: the path of the schema or schemas, for the error. steps: how many steps may be spent in all.
    """

    __slots__ = ("_left", "path")

    def __init__(self, path: str, steps: int = STEPS) -> None:
        self._left = steps
        self.path = path

    def spend(self, steps: int = 1) -> None:
        """Subtract steps from the budget. Raises WireError, with `path`, if fewer were left, and in every
        later call.
        """
        self._left -= steps
        if self._left < 0:
            raise too_complex(self.path)


def too_complex(path: str) -> WireError:
    """Make the error, without raising it, for a schema at `path` that needs more steps than are allowed."""
    return WireError(
        "this schema is too complex: its references, combinations or repetitions multiply", path, TOO_COMPLEX
    )


def held_to_depth(path: str, write: Callable[[], _T]) -> _T:
    """Call `write` and return its result. Raises WireError, with `path`, if `write` recurses deeper than
    Python's stack allows. Other errors of `write` are passed on. path: the path of the schema.
    """
    try:
        return write()
    except RecursionError:
        raise too_complex(path) from None


def place_in(place: str, step: str) -> str:
    """Return the path `place.step`, or `step` if `place` is "". If both together have more than
    `LONGEST_PLACE` characters, a long `step` is cut; a `place` that alone has more is returned without
    `step`.
    """
    if len(place) + len(step) > LONGEST_PLACE:
        if len(place) > LONGEST_PLACE:
            return place
        step = shown_name(step)
    return f"{place}.{step}" if place else step


def shown_name(name: str) -> str:
    """Return a name for paths and errors. A name with more than `LONGEST_PLACE` characters is cut and ends
    with "…".
    """
    return name if len(name) <= LONGEST_PLACE else f"{name[:LONGEST_PLACE]}…"


def size(value: Any) -> int:
    """Return the number of steps that it costs to copy or compare a keyword's value: the number of members of
    an object, or of entries of a list (not of those inside them); 1 for any other value.
    """
    return len(value) if isinstance(value, dict | list) else 1
