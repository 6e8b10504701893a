"""The store in a database: opens the database, makes the parts of the store, and removes expired rows and
rows that exceed a limit.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, and_, delete, not_, select, tuple_

from dragoman.seams.clock import Seams
from dragoman.state.added import Additions
from dragoman.state.directory import DirectoryStore
from dragoman.state.owned import OwnedObjects
from dragoman.state.seals import Vault
from dragoman.state.store import Chats, Conversations, Responses, Sessions
from dragoman.state.usage_archive import UsageArchive
from dragoman.stores.address import Location
from dragoman.stores.limits import Limits
from dragoman.stores.sql.added import SqlAdditions
from dragoman.stores.sql.chats import SqlChats
from dragoman.stores.sql.conversations import SqlConversations
from dragoman.stores.sql.database import Database, upsert
from dragoman.stores.sql.directory import SqlDirectory
from dragoman.stores.sql.opening import opened
from dragoman.stores.sql.owned import SqlOwned
from dragoman.stores.sql.responses import SqlResponses, running
from dragoman.stores.sql.room import Kind, Room
from dragoman.stores.sql.rows import SESSION_TURN
from dragoman.stores.sql.schema import CHATS, CONVERSATIONS, RESPONSES, SCHEMA_MARKS, SEALS, SESSIONS, SHARES
from dragoman.stores.sql.seals import SqlVault, secret
from dragoman.stores.sql.sessions import SqlSessions
from dragoman.stores.sql.usage import SqlUsage

_BATCH = 500
"""The most expired rows that a sweep removes in one transaction. A larger transaction would block writers."""
_OF_SESSIONS = Kind(
    SESSIONS.c.id,
    SESSIONS.c.tenant,
    SESSIONS.c.used,
    SESSIONS.c.size + SESSION_TURN * (SESSIONS.c.turns + 1),
)
_KEPT = (
    Kind(RESPONSES.c.id, RESPONSES.c.tenant, RESPONSES.c.used, RESPONSES.c.size, not_(running())),
    Kind(CONVERSATIONS.c.id, CONVERSATIONS.c.tenant, CONVERSATIONS.c.used, CONVERSATIONS.c.size),
    _OF_SESSIONS,
    Kind(CHATS.c.number, CHATS.c.tenant, CHATS.c.used, CHATS.c.size),
)
"""The tables whose total bytes `Limits.size` limits."""
_PROBE = "probe"
"""The name of the row of `schema_marks` that `SqlStore.probe` writes."""
_OF_SEALS = Kind(SEALS.c.number, SEALS.c.owner, SEALS.c.until, SEALS.c.size, named=bytes.fromhex)


class SqlStore:
    """Stores all data in one database, except finished exchanges. Use `open` to make this object. secret_:
    the vault's secret, 32 bytes. `healthy` and `last_error` never change here: `stores.lazy.LazyStore`, which
    uses this object, records whether its use succeeds.
    """

    shared = True
    is_open = True
    healthy: bool | None = True
    last_error: str | None = None

    def __init__(self, database: Database, secret_: bytes, limits: Limits, seams: Seams) -> None:
        now = seams.now
        kept = Room(_KEPT, limits.size)
        seals = Room([_OF_SEALS], limits.seals_size)
        count = Room([_OF_SESSIONS], limits.session_count, counts=True)
        self.responses: Responses = SqlResponses(database, kept, limits, now)
        self.conversations: Conversations = SqlConversations(database, kept, limits, now)
        self.sessions: Sessions = SqlSessions(database, kept, limits, now, count)
        self.chats: Chats = SqlChats(database, kept, limits, now)
        self.seals: Vault | None = SqlVault(database, seals, limits, now, secret_) if limits.seals else None
        self.added: Additions | None = SqlAdditions(database)
        self.usage: UsageArchive | None = SqlUsage(database, limits)
        self.kind = database.kind
        self.directory: DirectoryStore | None = SqlDirectory(database)
        self.owned: OwnedObjects = SqlOwned(database)
        self._database = database
        self._now = now
        self._rooms = (kept, seals, count)

    @property
    def version(self) -> str | None:
        return self._database.version

    @classmethod
    async def open(cls, where: Location, limits: Limits, seams: Seams) -> SqlStore:
        """Open the store in a database. A missing SQLite file and missing tables are created
        (`opening.opened`). where: the place of the database. limits: the limits of the store. seams: gives
        the clock, and a random secret if the database has none yet. Raises StoreFailed; its subclass
        SchemaRefused if this version cannot use the database's schema.
        """
        database = await opened(where)
        try:
            made = bytes.fromhex(seams.random_id() + seams.random_id())
            return cls(database, await secret(database, made), limits, seams)
        except BaseException:
            await database.close()
            raise

    async def probe(self) -> None:
        # The value differs each time: SQLite writes no page for a row that stays the same.
        row = {"name": _PROBE, "value": f"{self._now():.6f}"}
        write = upsert(SCHEMA_MARKS).values(row)
        write = write.on_conflict_do_update(index_elements=["name"], set_={"value": row["value"]})
        await self._database.write(lambda connection: connection.execute(write))

    async def sweep(self, now: float) -> None:
        own = [table.c.expires for table in (RESPONSES, CONVERSATIONS, SESSIONS, CHATS)]
        for end in (*own, SEALS.c.until):
            over = and_(end <= now, not_(running())) if end.table is RESPONSES else end <= now
            await self._remove(over, end.table)
        for room in self._rooms:
            while await self._database.write(room.trim):
                pass
        await self._remove(SHARES.c.entries == 0, SHARES)
        if self.usage is not None:
            await self.usage.sweep(now)
        await self._database.shrink()

    async def close(self) -> None:
        await self._database.close()

    async def _remove(self, condition: ColumnElement[bool], table: Any) -> None:
        """Delete the rows of a table that meet a condition, at most `_BATCH` in one transaction."""
        key = tuple_(*table.primary_key)
        found = select(*table.primary_key).where(condition).limit(_BATCH)
        # PostgreSQL checks the condition again on a row that another transaction has changed meanwhile, but
        # does not repeat the search.
        some = delete(table).where(key.in_(found), condition)
        removed = _BATCH
        while removed == _BATCH:
            removed = await self._database.write(lambda connection: connection.execute(some).rowcount)
