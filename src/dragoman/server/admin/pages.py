"""Pages of lists: a query `?after=ID&limit=N` is answered with `data` and `has_more`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, TypeVar

import msgspec

from dragoman import ir
from dragoman.errors import RequestFailed

T = TypeVar("T")


class Wanted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The page of a list that a query asks for. after: the last entry of the page before: its id; in lists of
    tenants, teams, users and providers its name, in the list of keys its id or its name, in the list of
    prices its deployment, in the list of added entries its `KIND/NAME`. None = the first page. limit: the
    most entries on the page.
    """

    after: str | None = None
    limit: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 100


def page(
    rows: Sequence[T], wanted: Wanted, id_of: Callable[[T], str], sought: str | None = None
) -> tuple[list[T], bool]:
    """Return the rows of the wanted page, and whether more rows follow. id_of: returns the id of a row.
    sought: the id after which the page begins, if that is not `wanted.after` as the client has sent it; it
    counts only if the client has sent one. Raises RequestFailed (400) if no row has this id.
    """
    start = 0
    if wanted.after is not None:
        id_ = wanted.after if sought is None else sought
        places = [place for place, row in enumerate(rows) if id_of(row) == id_]
        if not places:
            text = f"after: the list has no member {wanted.after[:64]!r}, or no longer."
            raise RequestFailed(ir.Fault("invalid_request", text, "invalid_value", "after"))
        start = places[0] + 1
    end = start + wanted.limit
    return list(rows[start:end]), end < len(rows)
