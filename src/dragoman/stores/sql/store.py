"""The store in a database: opens it, brings it up to date, sweeps it."""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Table, delete, func, literal, select, tuple_, union_all

from dragoman.seams import Seams
from dragoman.state.seals import Vault
from dragoman.state.store import Conversations, Responses, Sessions
from dragoman.stores.limits import Limits
from dragoman.stores.sql.conversations import SqlConversations
from dragoman.stores.sql.database import Database, failed, sqlite_engine
from dragoman.stores.sql.migrate import migrate
from dragoman.stores.sql.responses import SqlResponses
from dragoman.stores.sql.rows import excess
from dragoman.stores.sql.schema import CONVERSATIONS, RESPONSES, SEALS, SESSIONS
from dragoman.stores.sql.seals import SqlVault, secret
from dragoman.stores.sql.sessions import SqlSessions, drop_least_used

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
        database = Database(sqlite_engine(file))
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
        await self._fit((RESPONSES, CONVERSATIONS), "tenant", "used", self._limits.size)
        await self._fit((SEALS,), "owner", "until", self._limits.seals_size)
        async with self._database.write() as connection:
            await drop_least_used(connection, self._limits.session_count)

    async def close(self) -> None:
        """Let go of the file."""
        await self._database.close()

    async def _remove(self, condition: ColumnElement[bool], table: Any) -> None:
        """Remove the rows of a condition, some at a time."""
        key = tuple_(*table.primary_key)
        some = delete(table).where(key.in_(select(*table.primary_key).where(condition).limit(_BATCH)))
        removed = _BATCH
        while removed == _BATCH:
            async with self._database.write() as connection:
                removed = (await connection.execute(some)).rowcount

    async def _fit(self, tables: Sequence[Table], share: str, used: str, limit: int) -> None:
        """Make what some tables hold fit together: whoever takes most loses what was used longest ago."""
        totals: Counter[Any] = Counter()
        async with self._database.read() as connection:
            for table in tables:
                sums = select(table.c[share], func.sum(table.c.size)).group_by(table.c[share])
                for owner, size in await connection.execute(sums):
                    totals[owner] += int(size)
        for owner, more in excess(totals, limit).items():
            await self._shrink(
                [_Aged(table, table.c[share] == owner, table.c[used]) for table in tables], more
            )

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
        while more > 0:
            leaving: list[list[Any]] = [[] for _ in shares]
            async with self._database.write() as connection:
                for place, key, size, _ in await connection.execute(oldest):
                    if more <= 0:
                        break
                    leaving[place].append(key)
                    more -= size
                for aged, keys in zip(shares, leaving, strict=True):
                    (key,) = aged.table.primary_key
                    await connection.execute(delete(aged.table).where(key.in_(keys)))
            if not any(leaving):
                return


class _Aged(NamedTuple):
    """Rows of one owner, and when each was last used."""

    table: Table
    condition: ColumnElement[bool]
    used: ColumnElement[float]


def _make(file: Path) -> None:
    """Make the file and its folder, unless they are there."""
    file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    os.close(os.open(file, os.O_RDWR | os.O_CREAT, 0o600))
