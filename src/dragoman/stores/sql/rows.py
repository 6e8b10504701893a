"""What several tables have in common: what is alive, how long it lasts, how much is too much.

Statements are built once, so that SQLAlchemy compiles them once. What differs from call to call is a
parameter, whose name ends in `_` because a column's own name would say what is written to it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Double, FromClause, LargeBinary, String, bindparam, case, null, or_

from dragoman.state.store import Item, StoreFull

T = TypeVar("T")
_CHUNK = 500
"""Values in one IN list: a statement takes a bounded number of them."""
_ENTRY = 400
"""Bytes that an answer, a conversation or a seal takes beside its content: its row, and those in indexes, of
which pages are two thirds full.
"""
LEAST_ITEM = _ITEM = 250
"""Bytes that an item takes beside its content and its id."""
_EVENT = 150
"""Bytes that an event takes beside its content."""
SESSION_TURN = 400
"""Bytes that a turn of a session takes beside its content; the session itself takes as many.
`v0002_shares` has the same number.
"""


ID = bindparam("id_", type_=String)
IDS = bindparam("ids_", type_=String, expanding=True)
TENANT = bindparam("tenant_", type_=String)
NOW = bindparam("now_", type_=Double)
UNTIL = bindparam("until_", type_=Double)
"""The end that is asked for, None = never."""
BODY = bindparam("body_", type_=LargeBinary)


def alive(table: FromClause) -> ColumnElement[bool]:
    """Whether a row has not expired at NOW."""
    return or_(table.c.expires.is_(None), table.c.expires > NOW)


def lasting(table: FromClause) -> ColumnElement[Any]:
    """The later end of the row's own and UNTIL."""
    return case((UNTIL.is_(None), null()), (table.c.expires < UNTIL, UNTIL), else_=table.c.expires)


def chunks(values: Iterable[T]) -> Iterator[list[T]]:
    """The values in lists that fit a statement."""
    left = iter(values)
    while chunk := list(islice(left, _CHUNK)):
        yield chunk


def entry_size(*contents: bytes) -> int:
    """Bytes that an answer, a conversation or a seal takes without its items, about."""
    return _ENTRY + sum(map(len, contents))


def items_size(items: Iterable[Item]) -> int:
    """Bytes that some items take, about. Clients may choose an id, and it stands in an index, too."""
    return sum([_ITEM + len(item.body) + 2 * len(item.id) for item in items])


def events_size(events: Sequence[bytes]) -> int:
    """Bytes that some events take, about."""
    return _EVENT * len(events) + sum(map(len, events))


def check(size: int, most: int) -> None:
    """Raises StoreFull for what cannot be kept even alone."""
    if size > most:
        raise StoreFull(f"{size} bytes are more than the {most} bytes that may be stored")


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
