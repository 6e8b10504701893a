"""The store in a database: opens it, brings it up to date, sweeps it."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import (
    ColumnElement,
    Connection,
    Table,
    and_,
    delete,
    func,
    literal,
    not_,
    select,
    true,
    tuple_,
    union_all,
)

from dragoman.seams import Seams
from dragoman.state.seals import Vault
from dragoman.state.store import UNSETTLED, Conversations, Responses, Sessions
from dragoman.stores.limits import Limits
from dragoman.stores.sql.conversations import SqlConversations
from dragoman.stores.sql.database import Database, failed
from dragoman.stores.sql.migrate import migrate
from dragoman.stores.sql.responses import SqlResponses
from dragoman.stores.sql.rows import excess
from dragoman.stores.sql.schema import CONVERSATIONS, RESPONSES, SEALS, SESSIONS
from dragoman.stores.sql.seals import SqlVault, secret
from dragoman.stores.sql.sessions import SqlSessions, drop_least_used
from dragoman.stores.sql.sqlite import SqliteDatabase

_BATCH = 500
"""Rows that one transaction of a sweep removes, so that nobody who writes waits long for it."""


class SqlStore:
    """Keeps everything in one database, which is up to date. `open` makes one."""

    kind = "sqlite"
    shared = True
    healthy: bool | None = True
    last_error: str | None = None

    def __init__(self, database: Database, secret_: bytes, limits: Limits, seams: Seams) -> None:
        now = seams.now
        self.responses: Responses = SqlResponses(database, limits.size, now)
        self.conversations: Conversations = SqlConversations(database, limits.size, now)
        self.sessions: Sessions = SqlSessions(database, limits, now)
        self.seals: Vault | None = SqlVault(database, secret_, limits, now) if limits.seals else None
        self._database = database
        self._limits = limits

    @classmethod
    async def open(cls, file: Path, limits: Limits, seams: Seams) -> SqlStore:
        """The store in a SQLite file, made where there is none, for its owner alone. Raises StoreFailed."""
        try:
            await asyncio.to_thread(_make, file)
        except OSError as error:
            raise failed(error) from error
        database = SqliteDatabase(file)
        try:
            await migrate(database)
            made = bytes.fromhex(seams.random_id() + seams.random_id())
            return cls(database, await secret(database, made), limits, seams)
        except BaseException:
            await database.close()
            raise

    async def sweep(self, now: float) -> None:
        """Forget what has expired, and the least recently used of what is too much."""
        for end in (RESPONSES.c.expires, CONVERSATIONS.c.expires, SESSIONS.c.expires, SEALS.c.until):
            await self._remove(end <= now, end.table)
        running = and_(RESPONSES.c.status.in_(sorted(UNSETTLED)), RESPONSES.c.lease > now)
        leaving = {RESPONSES: not_(running), CONVERSATIONS: true()}
        await self._fit(leaving, "tenant", "used", self._limits.size)
        await self._fit({SEALS: true()}, "owner", "until", self._limits.seals_size)
        most = self._limits.session_count
        await self._database.write(lambda connection: drop_least_used(connection, most))

    async def close(self) -> None:
        """Let go of the file."""
        await self._database.close()

    async def _remove(self, condition: ColumnElement[bool], table: Any) -> None:
        """Remove the rows of a condition, some at a time."""
        key = tuple_(*table.primary_key)
        some = delete(table).where(key.in_(select(*table.primary_key).where(condition).limit(_BATCH)))
        removed = _BATCH
        while removed == _BATCH:
            removed = await self._database.write(lambda connection: connection.execute(some).rowcount)

    async def _fit(
        self, tables: Mapping[Table, ColumnElement[bool]], share: str, used: str, limit: int
    ) -> None:
        """Make what some tables hold fit together: whoever takes most loses what was used longest ago.
        tables: each with what may leave.
        """
        sums = [select(table.c[share], func.sum(table.c.size)).group_by(table.c[share]) for table in tables]

        def total(connection: Connection) -> Counter[Any]:
            totals: Counter[Any] = Counter()
            for one in sums:
                for owner, size in connection.execute(one):
                    totals[owner] += int(size)
            return totals

        for owner, more in excess(await self._database.read(total), limit).items():
            shares = [
                _Aged(table, and_(table.c[share] == owner, leaves), table.c[used])
                for table, leaves in tables.items()
            ]
            await self._shrink(shares, more)

    async def _shrink(self, shares: Sequence[_Aged], more: int) -> None:
        """Remove the least recently used rows of an owner, until they are at least so many bytes."""
        rows = [
            select(
                literal(place).label("place"),
                *aged.table.primary_key,
                aged.table.c.size,
                aged.used.label("last"),
            ).where(aged.condition)
            for place, aged in enumerate(shares)
        ]
        oldest = union_all(*rows).order_by("last").limit(_BATCH)

        def shrink(connection: Connection, more: int) -> int | None:
            """How much is still too much, None when nothing is left that may leave."""
            leaving: list[list[Any]] = [[] for _ in shares]
            for row in connection.execute(oldest).all():
                if more <= 0:
                    break
                place, key, size, _ = tuple(row)
                leaving[place].append(key)
                more -= size
            for aged, keys in zip(shares, leaving, strict=True):
                (key,) = aged.table.primary_key
                connection.execute(delete(aged.table).where(key.in_(keys)))
            return more if any(leaving) else None

        left: int | None = more
        while left is not None and left > 0:
            left = await self._database.write(partial(shrink, more=left))


class _Aged(NamedTuple):
    """Rows of one owner, and when each was last used."""

    table: Table
    condition: ColumnElement[bool]
    used: ColumnElement[float]


def _make(file: Path) -> None:
    """Make the file and its folder, unless they are there."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
