"""Limits the work on a client's JSON Schema, and the length of the paths in it.

A schema may refer to its own parts, so one kilobyte can expand beyond any machine's memory. Code that
follows references, or merges or copies schemas, pays for each step here. Steps give the same verdict on every
machine, which seconds would not. A schema that is only walked over once needs no budget: the limits on
a body (`server.max_values`, `server.max_depth`) also limit the walk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from dragoman.errors import WireError

TOO_COMPLEX: Final = "schema_too_complex"
"""The error code for a schema that costs too much."""
STEPS: Final = 60_000
"""The most steps for one schema. A step is a microsecond or two of work, in which nothing else runs. The
largest schemas that OpenAI's API accepts (5,000 properties) need about half of them.
"""
LONGEST_PLACE: Final = 500
"""Characters after which a path in a schema is cut. A property's name may be as long as a body, and occurs in
the paths of everything below it.
"""

_T = TypeVar("_T")


class SchemaBudget:
    """The remaining steps for one or all schemas of a request. path: the current schema's, for the error."""

    __slots__ = ("_left", "path")

    def __init__(self, path: str, steps: int = STEPS) -> None:
        self._left = steps
        self.path = path

    def spend(self, steps: int = 1) -> None:
        """Subtract steps. Raises WireError, with `path`, when too few are left."""
        self._left -= steps
        if self._left < 0:
            raise too_complex(self.path)


def too_complex(path: str) -> WireError:
    """The error (not raised) for a schema at `path` that costs too much."""
    return WireError(
        "this schema is too complex: its references, combinations or repetitions multiply", path, TOO_COMPLEX
    )


def held_to_depth(path: str, write: Callable[[], _T]) -> _T:
    """The result of `write`, which walks over the schema at `path`.

    Raises WireError if references or merged parts nest deeper than Python's stack.
    """
    try:
        return write()
    except RecursionError:
        raise too_complex(path) from None


def place_in(place: str, step: str) -> str:
    """The path `place.step`, cut so that it is no longer than about twice `LONGEST_PLACE`."""
    if len(place) + len(step) > LONGEST_PLACE:
        if len(place) > LONGEST_PLACE:
            return place
        step = shown_name(step)
    return f"{place}.{step}" if place else step


def shown_name(name: str) -> str:
    """A name for paths and errors, cut after `LONGEST_PLACE` characters."""
    return name if len(name) <= LONGEST_PLACE else f"{name[:LONGEST_PLACE]}…"


def size(value: Any) -> int:
    """The steps for copying or comparing a keyword's value: the number of its members or entries; else 1."""
    return len(value) if isinstance(value, dict | list) else 1
