"""Limits the size or the number of the database's rows by removing rows.

Rows are removed in the transaction of the write that needs the space, so the limit holds for all processes
together. (After a limit was lowered, sweeps remove rows too.) The owners with the most data lose rows first,
and each loses the rows with the earliest time first: usually the time of their last use. The table `shares`
has the size of each owner's data.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from heapq import merge
from itertools import islice
from typing import Any, NamedTuple

import sqlalchemy as sa

from dragoman.state.store import StoreFull
from dragoman.stores.sql.rows import excess
from dragoman.stores.sql.schema import SHARES

_BATCH = 200
"""The most rows that are removed with one statement."""
_SPARE = 64
"""When a write must remove rows, 1/64 of a limit in bytes is freed in addition to the space that is needed.
Otherwise every write to a full store would have to remove rows.
"""
_ONCE = 16_000_000
"""About the most bytes (or rows) that one transaction removes because the limit was lowered; the next
transactions remove the rest. A long transaction would block all other writers.
"""
_OWNER: sa.BindParameter[Any] = sa.bindparam("owner_")
_KEYS: sa.BindParameter[Any] = sa.bindparam("keys_", expanding=True)
_H = SHARES.c


class Kind(NamedTuple):
    """A table whose rows may be removed. key, owner, used: its columns with a row's key, the row's owner, and
    a time; the rows with the earliest time are removed first. size: an SQL expression for a row's bytes.
    leaves: an SQL condition that is true for the rows which may be removed; None = all rows. named: converts
    an owner's name in the table `shares` to the value of the column `owner`; the default leaves it as it is.
    """

    key: sa.Column[Any]
    owner: sa.Column[Any]
    used: sa.Column[Any]
    size: sa.ColumnElement[Any]
    leaves: sa.ColumnElement[bool] | None = None
    named: Callable[[str], Any] = str


class _Row(NamedTuple):
    """A row that may be removed. The rows of an owner are removed in the order of these tuples, so those with
    the earliest `used` first. place: the index of the Kind of its table. size: bytes, or 1 if rows are
    counted.
    """

    used: float
    place: int
    key: Any
    size: int


class Room:
    """Limits the rows of some tables together. limit: the most bytes of these rows; if `counts` is True, the
    most rows.
    """

    def __init__(self, kinds: Sequence[Kind], limit: int, *, counts: bool = False) -> None:
        self._limit = limit
        self._counts = counts
        self._spare = 0 if counts else limit // _SPARE
        measure = _H.entries if counts else _H.size
        ours = _H.kind.in_([kind.key.table.name for kind in kinds])
        self._total = sa.select(sa.func.coalesce(sa.func.sum(measure), 0)).where(ours)
        self._totals = sa.select(_H.owner, sa.func.sum(measure)).where(ours).group_by(_H.owner)
        self._text: str | None = None
        self._kinds = []
        for place, kind in enumerate(kinds):
            size = sa.literal(1, sa.BigInteger) if counts else kind.size
            rows = sa.select(kind.used, sa.literal(place), kind.key, size).where(kind.owner == _OWNER)
            if kind.leaves is not None:
                rows = rows.where(kind.leaves)
            oldest = rows.order_by(kind.used).limit(_BATCH + 1)  # one of them may be `spared`
            drop = sa.delete(kind.key.table).where(kind.owner == _OWNER, kind.key.in_(_KEYS))
            self._kinds.append((oldest, drop, kind.named))

    def make(self, connection: sa.Connection, owner: str, more: int, spared: Any = None) -> None:
        """Remove rows until `more` further bytes (or rows) of this owner fit, in the caller's transaction.
        The owners with the most data (`more` counts as data of `owner`) lose rows first. Of an excess of more
        than `_ONCE` (after the limit was lowered), only a part is removed.

        spared: rows with this key are not removed; None = there is no such key. Raises StoreFull if too few
        rows may be removed; then the caller must roll back its transaction.
        """
        over = self._taken(connection) + more - self._limit
        if over <= 0:
            return
        needed = min(over, more + _ONCE)
        if self._shrink(connection, needed, self._spare, {owner: more}, spared) < needed:
            raise StoreFull(f"there is no space for {more}: everything in the store is still running")

    def trim(self, connection: sa.Connection) -> bool:
        """Remove rows if the limit is exceeded, at most about `_ONCE` bytes (or rows), in the caller's
        transaction. Return True if rows were removed but the limit is still exceeded, so that this must be
        called again; else False.
        """
        over = self._taken(connection) - self._limit
        if over <= 0:
            return False
        return 0 < self._shrink(connection, min(over, _ONCE), 0, {}, None) < over

    def _taken(self, connection: sa.Connection) -> int:
        """Return the total bytes (or number) of the rows that this object limits. The driver reads this
        number without SQLAlchemy, because every write needs it.
        """
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
        self, connection: sa.Connection, needed: int, spare: int, coming: Mapping[str, int], spared: Any
    ) -> int:
        """Remove rows, and return how many bytes (or rows) were removed: less than `needed` only if no other
        rows may be removed.

        spare: bytes to remove in addition. coming: the size of new rows, by owner. spared: as for `make`.
        """
        totals: Counter[str] = Counter(coming)
        for owner, size in connection.execute(self._totals):
            totals[owner] += int(size)
        goal = max(0, sum(totals.values()) - needed - spare)
        shares, gone = excess(totals, goal), 0
        for owner in sorted(shares, key=lambda one: (-totals[one], one not in coming, one)):
            if self._counts and gone >= needed:
                break  # rows cannot be divided, so the last owner may keep one row more than the others
            left = self._remove(connection, owner, shares[owner], spared)
            totals[owner] -= left
            gone += left
        # New rows and running responses cannot be removed. If they exceed their owner's share, rows of other
        # owners are removed.
        for owner in sorted(totals, key=lambda one: (-totals[one], one not in coming, one)):
            if gone >= needed:
                break
            gone += self._remove(connection, owner, needed - gone, spared)
        return gone

    def _remove(self, connection: sa.Connection, owner: str, much: int, spared: Any) -> int:
        """Remove an owner's rows (of all tables of this object), those with the earliest time first, except
        those with the key `spared`, until `much` bytes (or rows) are removed, or until no row is left that
        may be removed. Return how many bytes (or rows) were removed.
        """
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
