"""SQL expressions and sizes that several tables use: parameters, expiry, and bytes of rows.

Most statements are built at import, so that SQLAlchemy compiles each statement once; the values of a call are
parameters. Names of parameters end in `_`, because SQLAlchemy would write a parameter with a column's name
into that column.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any, TypeVar

import sqlalchemy as sa

from dragoman.state.store import Item, StoreFull

T = TypeVar("T")
_IN_LIST = 500
"""The most values in one list of `chunks`, because SQLite limits the number of parameters of a statement."""
_ENTRY = 400
"""The approximate bytes of a response, conversation, completion, exchange or seal without its content: its
row and its entries in indexes, whose pages are two thirds full.
"""
LEAST_ITEM = _ITEM = 250
"""The approximate bytes of an item's row without the item's JSON and id."""
_EVENT = 150
"""The approximate bytes of an event's row without the event."""
SESSION_TURN = 400
"""The approximate bytes of a session's turn without its JSON. The row of the session counts as the same
number of bytes. The migration `v0002_shares` contains the same number.
"""

ID = sa.bindparam("id_", type_=sa.String)
IDS = sa.bindparam("ids_", type_=sa.String, expanding=True)
BIT_BY_BIT: Mapping[str, Any] = {"stream_results": True, "max_row_buffer": 8}
"""Execution options for a SELECT with large rows that are fetched only up to a limit of bytes: a server then
sends a few rows at a time. From SQLite, rows are always read one at a time.
"""
TENANT = sa.bindparam("tenant_", type_=sa.String)
NOW = sa.bindparam("now_", type_=sa.Double)
UNTIL = sa.bindparam("until_", type_=sa.Double)
"""SQL parameter: the time until which a row must not expire; NULL = it never expires."""
BODY = sa.bindparam("body_", type_=sa.LargeBinary)


def alive(table: sa.FromClause) -> sa.ColumnElement[bool]:
    """Return the SQL condition that a row has not expired at the time of the parameter NOW. A row whose
    `expires` is NULL never expires.
    """
    return sa.or_(table.c.expires.is_(None), table.c.expires > NOW)


def item_rows(
    parent: str, parent_id: str, tenant: str, items: Sequence[Item], first: int
) -> list[dict[str, Any]]:
    """Return the rows for items of a response or conversation. parent: the name of the column for
    `parent_id` ("response" or "conversation"). first: the value of the column `place` for the first item; the
    next items get the next numbers.
    """
    return [
        {parent: parent_id, "place": place, "tenant": tenant, "id": item.id, "body": item.body}
        for place, item in enumerate(items, first)
    ]


def lasting(table: sa.FromClause) -> sa.ColumnElement[Any]:
    """Return the SQL expression for the later of the row's expiry time and the parameter UNTIL; NULL (never)
    if at least one of them is NULL.
    """
    return sa.case((UNTIL.is_(None), sa.null()), (table.c.expires < UNTIL, UNTIL), else_=table.c.expires)


def chunks(values: Iterable[T]) -> Iterator[list[T]]:
    """Yield the values, in order, in lists of at most `_IN_LIST`, which are short enough for one
    statement.
    """
    left = iter(values)
    while chunk := list(islice(left, _IN_LIST)):
        yield chunk


def entry_size(*contents: bytes) -> int:
    """Return the approximate bytes that a response, conversation, completion, exchange or seal takes in the
    database, without its items. contents: the bytes in its columns, such as its JSON.
    """
    return _ENTRY + sum(map(len, contents))


def items_size(items: Iterable[Item]) -> int:
    """Return the approximate bytes of items in the database. The length of an id counts twice, because SQLite
    stores it in a row and in an index.
    """
    return sum([_ITEM + len(item.body) + 2 * len(item.id) for item in items])


def events_size(events: Sequence[bytes]) -> int:
    """Return the approximate bytes of the events of a response in the database."""
    return _EVENT * len(events) + sum(map(len, events))


def check(size: int, most: int) -> None:
    """Raise StoreFull if an entry of `size` bytes is larger than the limit `most`."""
    if size > most:
        raise StoreFull(f"{size} bytes are more than the {most} bytes that may be stored")


def excess(totals: Mapping[T, int], limit: int) -> dict[T, int]:
    """Return how much each owner must give up so that the sum of `totals` (the size of each owner's data) is
    at most `limit`; {} = the sum is not larger. Only the largest owners give something up, and only they are
    in the result. Afterwards they have the same size (a whole number, rounded down), and no other owner has
    more: `excess({"a": 10, "b": 4}, 8)` → `{"a": 6}`.
    """
    left, level = limit, 0
    ascending = sorted(totals.values())
    for place, total in enumerate(ascending):
        level = left // (len(ascending) - place)
        if total > level:
            return {key: size - level for key, size in totals.items() if size > level}
        left -= total
    return {}
