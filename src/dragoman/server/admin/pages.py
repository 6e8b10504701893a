"""Lists in pages: `?after=ID&limit=N`, answered with `data` and `has_more`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

import msgspec

from dragoman import ir
from dragoman.errors import RequestFailed

T = TypeVar("T")


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Which part of a list. after: the id of the last member of the page before, None = from the start.
    limit: the most members.
    """

    after: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


def page(rows: Sequence[T], wanted: Wanted, id_of: Callable[[T], str]) -> tuple[list[T], bool]:
    """The wanted part of `rows`, and whether more follow. Raises RequestFailed (400) if no row has the id."""
    start = 0
    if wanted.after is not None:
        places = [place for place, row in enumerate(rows) if id_of(row) == wanted.after]
        if not places:
            text = f"after: the list has no member {wanted.after[:64]!r}, or no longer."
            raise RequestFailed(ir.Fault("invalid_request", text, "invalid_value", "after"))
        start = places[0] + 1
    end = start + wanted.limit
    return list(rows[start:end]), end < len(rows)
