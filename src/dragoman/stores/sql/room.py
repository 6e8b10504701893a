"""Room in a database: made in the same transaction as the write that needs it, so it holds for every process.

Who takes most makes room, the least recently used rows first. What each owner takes stands in `shares`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from heapq import merge
from itertools import islice
from typing import Any, NamedTuple

from sqlalchemy import (
    BigInteger,
    BindParameter,
    Column,
    ColumnElement,
    Connection,
    bindparam,
    delete,
    func,
    literal,
    select,
)

from dragoman.state.store import StoreFull
from dragoman.stores.sql.rows import excess
from dragoman.stores.sql.schema import SHARES

_BATCH = 200
"""Rows that leave together."""
_SPARE = 64
"""The part of a limit, as a divisor, that is made free beyond what is needed: otherwise every write into a
full store would have to make room.
"""
_ONCE = 16_000_000
"""Bytes that one write removes beyond its own size. Where more is too much, because the limit was lowered,
the sweep does the rest: one transaction must not keep everybody else waiting.
"""
_OWNER: BindParameter[Any] = bindparam("owner_")
_KEYS: BindParameter[Any] = bindparam("keys_", expanding=True)
_H = SHARES.c


class Kind(NamedTuple):
    """Rows of one table that make room. leaves: which of them may leave, None = all. named: makes the value
    of the owner's column from the name in `shares`.
    """

    key: Column[Any]
    owner: Column[Any]
    used: Column[Any]
    size: ColumnElement[Any]
    leaves: ColumnElement[bool] | None = None
    named: Callable[[str], Any] = str


class _Row(NamedTuple):
    """A row that may leave. The order is that in which rows leave."""

    used: float
    place: int
    key: Any
    size: int


class Room:
    """The rows of some tables, bounded together.

    limit: what all of them may take: bytes, or entries where `counts` is set.
    """

    def __init__(self, kinds: Sequence[Kind], limit: int, *, counts: bool = False) -> None:
        self._limit = limit
        self._counts = counts
        self._spare = 0 if counts else limit // _SPARE
        measure = _H.entries if counts else _H.size
        ours = _H.kind.in_([kind.key.table.name for kind in kinds])
        self._total = select(func.coalesce(func.sum(measure), 0)).where(ours)
        self._totals = select(_H.owner, func.sum(measure)).where(ours).group_by(_H.owner)
        self._text: str | None = None
        self._kinds = []
        for place, kind in enumerate(kinds):
            size = literal(1, BigInteger) if counts else kind.size
            rows = select(kind.used, literal(place), kind.key, size).where(kind.owner == _OWNER)
            if kind.leaves is not None:
                rows = rows.where(kind.leaves)
            oldest = rows.order_by(kind.used).limit(_BATCH + 1)  # one of them may be spared
            drop = delete(kind.key.table).where(kind.owner == _OWNER, kind.key.in_(_KEYS))
            self._kinds.append((oldest, drop, kind.named))

    def make(self, connection: Connection, owner: str, more: int, spared: Any = None) -> None:
        """Make room for `more` of an owner, in the transaction that needs it.

        spared: the key of a row that must stay. Raises StoreFull where too little may leave, and then the
        transaction must be rolled back.
        """
        over = self._taken(connection) + more - self._limit
        if over <= 0:
            return
        needed = min(over, more + _ONCE)
        if self._shrink(connection, needed, self._spare, {owner: more}, spared) < needed:
            raise StoreFull(f"there is no space for {more}: everything in the store is still running")

    def trim(self, connection: Connection) -> bool:
        """Remove some of what is too much. True = there is more of it."""
        over = self._taken(connection) - self._limit
        if over <= 0:
            return False
        return 0 < self._shrink(connection, min(over, _ONCE), 0, {}, None) < over

    def _taken(self, connection: Connection) -> int:
        """What all rows take. Every write asks, so it is asked of the driver, at a fifth of the cost."""
        if self._text is None:
            options = {"literal_binds": True}
            self._text = str(self._total.compile(dialect=connection.dialect, compile_kwargs=options))
        cursor = connection.connection.cursor()
        try:
            cursor.execute(self._text)
            (taken,) = cursor.fetchone() or (0,)
            return int(taken)
        finally:
            cursor.close()

    def _shrink(
        self, connection: Connection, needed: int, spare: int, coming: Mapping[str, int], spared: Any
    ) -> int:
        """Remove rows until so much is gone, and a spare if that is fair; how much has gone."""
        totals: Counter[str] = Counter(coming)
        for owner, size in connection.execute(self._totals):
            totals[owner] += int(size)
        goal = max(0, sum(totals.values()) - needed - spare)
        shares, gone = excess(totals, goal), 0
        for owner in sorted(shares, key=lambda one: (-totals[one], one not in coming, one)):
            if self._counts and gone >= needed:
                break  # whole entries cannot be divided: the last owner keeps one more than the others
            left = self._remove(connection, owner, shares[owner], spared)
            totals[owner] -= left
            gone += left
        # What is coming cannot leave, nor can what runs: where that is more than a fair share, others give.
        for owner in sorted(totals, key=lambda one: (-totals[one], one not in coming, one)):
            if gone >= needed:
                break
            gone += self._remove(connection, owner, needed - gone, spared)
        return gone

    def _remove(self, connection: Connection, owner: str, much: int, spared: Any) -> int:
        """Remove an owner's least recently used rows until they are so much; how much they were."""
        gone = 0
        while gone < much:
            rows = [
                [_Row(*row) for row in connection.execute(oldest, {"owner_": named(owner)})]
                for oldest, _, named in self._kinds
            ]
            leaving: list[list[Any]] = [[] for _ in rows]
            for row in islice((one for one in merge(*rows) if one.key != spared), _BATCH):
                if gone >= much:
                    break
                leaving[row.place].append(row.key)
                gone += int(row.size)
            for (_, drop, named), keys in zip(self._kinds, leaving, strict=True):
                if keys:
                    connection.execute(drop, {"owner_": named(owner), "keys_": keys})
            if not any(leaving):
                break
        return gone
