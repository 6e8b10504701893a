"""What taking a client's JSON Schema apart may cost, and places in it that stay short.

A schema refers to its own parts, so one kilobyte of it can stand for more than any machine holds. Whoever
follows references, merges schemas or copies what it has merged pays for it here, step by step. Steps give
the same verdict on every machine, which seconds would not. A schema that is only walked once, as it stands,
needs no budget: the bounds on a body (`server.max_values`, `server.max_depth`) bound the walk as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final, TypeVar

from dragoman.errors import WireError

TOO_COMPLEX: Final = "schema_too_complex"
"""The code of the refusal."""
STEPS: Final = 60_000
"""Steps for one schema. A step is a microsecond of work or two, in which nothing else runs. The largest
schemas that OpenAI's API takes (5,000 properties) need about half of them.
"""
LONGEST_PLACE: Final = 500
"""Characters from which on a place in a schema is not written any further. A name may be as long as a body,
and stands in the place of everything below it.
"""

_T = TypeVar("_T")


class SchemaBudget:
    """The steps that are left for one schema, or for all of a request. path: the place of the schema that is
    being taken apart, for the refusal.
    """

    __slots__ = ("_left", "path")

    def __init__(self, path: str, steps: int = STEPS) -> None:
        self._left = steps
        self.path = path

    def spend(self, steps: int = 1) -> None:
        """Pay for so many steps. Raises WireError, with the schema's place, when they are no longer there."""
        self._left -= steps
        if self._left < 0:
            raise too_complex(self.path)


def too_complex(path: str) -> WireError:
    """The refusal of the schema at `path`."""
    return WireError(
        "this schema is too complex: its references, combinations or repetitions multiply", path, TOO_COMPLEX
    )


def held_to_depth(path: str, write: Callable[[], _T]) -> _T:
    """The result of `write`, a walk over the schema at `path`. Raises WireError where references or merged
    parts nest deeper than Python's stack.
    """
    try:
        return write()
    except RecursionError:
        raise too_complex(path) from None


def place_in(place: str, step: str) -> str:
    """The place of a member, as a path; no longer than about twice `LONGEST_PLACE`."""
    if len(place) + len(step) > LONGEST_PLACE:
        if len(place) > LONGEST_PLACE:
            return place
        step = shown_name(step)
    return f"{place}.{step}" if place else step


def shown_name(name: str) -> str:
    """A name as places and errors show it."""
    return name if len(name) <= LONGEST_PLACE else f"{name[:LONGEST_PLACE]}…"


def size(value: Any) -> int:
    """What it costs to copy or compare one value of a keyword: the number of its own members."""
    return len(value) if isinstance(value, dict | list) else 1
