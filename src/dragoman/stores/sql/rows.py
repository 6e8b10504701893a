"""What several tables have in common: what is alive, how long it lasts, how much is too much."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, FromClause, case, null, or_

from dragoman.state.store import Item, StoreFull

T = TypeVar("T")
_CHUNK = 500
"""Values in one IN list: a statement takes a bounded number of them."""
_ROW = 200
"""Bytes that a row takes beside its content, about."""


def alive(table: FromClause, now: float) -> ColumnElement[bool]:
    """Whether a row has not expired."""
    return or_(table.c.expires.is_(None), table.c.expires > now)


def lasting(table: FromClause, expires: float | None) -> ColumnElement[Any]:
    """The later end of the row's own and `expires`, NULL and None = never."""
    if expires is None:
        return null()
    return case((table.c.expires < expires, expires), else_=table.c.expires)


def chunks(values: Iterable[T]) -> Iterator[list[T]]:
    """The values in lists that fit a statement."""
    left = iter(values)
    while chunk := list(islice(left, _CHUNK)):
        yield chunk


def weight(*bodies: bytes) -> int:
    """Bytes that some rows take, about."""
    return sum(_ROW + len(body) for body in bodies)


def bodies(items: Sequence[Item]) -> Iterator[bytes]:
    """The bodies of some items."""
    return (item.body for item in items)


def check(size: int, most: int) -> None:
    """Raises StoreFull for what cannot be kept even alone."""
    if size > most:
        raise StoreFull(f"{size} bytes are more than the {most} that may be kept")


def excess(totals: Mapping[T, int], limit: int) -> dict[T, int]:
    """By how much each share must shrink so that all of them together fit: nobody's is larger afterwards than
    that of one who had to give something up.
    """
    left, level = limit, 0
    ascending = sorted(totals.values())
    for place, total in enumerate(ascending):
        level = left // (len(ascending) - place)
        if total > level:
            return {key: size - level for key, size in totals.items() if size > level}
        left -= total
    return {}
