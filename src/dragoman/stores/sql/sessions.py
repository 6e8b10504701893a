"""Sessions in a database; see `state.store.Sessions`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sqlalchemy import ColumnElement, and_, delete, func, insert, not_, select, tuple_, update
from sqlalchemy.ext.asyncio import AsyncConnection

from dragoman.state.store import Session, StoreFull
from dragoman.stores.limits import Limits
from dragoman.stores.sql.database import Database, upsert
from dragoman.stores.sql.schema import SESSION_TURNS, SESSIONS

_S, _T = SESSIONS.c, SESSION_TURNS.c


class SqlSessions:
    """limits: how many are kept, and how large one is. now: Unix seconds."""

    def __init__(self, database: Database, limits: Limits, now: Callable[[], float]) -> None:
        self._database = database
        self._limits = limits
        self._now = now

    async def turns(self, tenant: str, id_: str) -> Sequence[bytes]:
        of_it = SESSIONS.join(SESSION_TURNS, and_(_T.id == _S.id, _T.tenant == _S.tenant))
        alive = and_(_is(tenant, id_), _S.expires > self._now())
        wanted = select(_T.body).select_from(of_it).where(alive).order_by(_T.place)
        async with self._database.read() as connection:
            return (await connection.execute(wanted)).scalars().all()

    async def append(self, tenant: str, id_: str, turn: bytes, *, now: float, expires: float) -> None:
        size = len(turn)
        if size > self._limits.session_size:
            raise StoreFull(f"a turn of {size} bytes is more than a session may hold")
        first = {"next": 1, "turns": 1, "size": size, "used": now, "expires": expires}
        more = {"next": _S.next + 1, "turns": _S.turns + 1, "size": _S.size + size}
        # The row is this writer's until the end, so the turns of several have one order.
        made = upsert(SESSIONS).values(id=id_, tenant=tenant, **first)
        grown = made.on_conflict_do_update(
            index_elements=[_S.id, _S.tenant], set_={**more, "used": now, "expires": expires}
        ).returning(_S.next, _S.turns, _S.size)
        async with self._database.write() as connection:
            await connection.execute(delete(SESSIONS).where(_is(tenant, id_), _S.expires <= now))
            session = (await connection.execute(grown)).one()
            row = {"id": id_, "tenant": tenant, "place": session.next - 1, "body": turn}
            await connection.execute(insert(SESSION_TURNS), row)
            if session.size > self._limits.session_size:
                await self._trim(connection, tenant, id_, session.size)
            if session.next == 1:
                await drop_least_used(connection, self._limits.session_count, spared=_is(tenant, id_))

    async def _trim(self, connection: AsyncConnection, tenant: str, id_: str, size: int) -> None:
        """Drop the oldest turns of a session until it is small enough."""
        own = and_(_T.id == id_, _T.tenant == tenant)
        sizes = select(_T.place, func.length(_T.body).label("size")).where(own).order_by(_T.place)
        cut = gone = 0
        for turn in await connection.execute(sizes):
            if size <= self._limits.session_size:
                break
            size -= turn.size
            gone += 1
            cut = turn.place
        await connection.execute(delete(SESSION_TURNS).where(own, _T.place <= cut))
        shrunk = update(SESSIONS).where(_is(tenant, id_)).values(size=size, turns=_S.turns - gone)
        await connection.execute(shrunk)

    async def listed(self, tenant: str | None = None, *, limit: int = 1000) -> Sequence[Session]:
        columns = (_S.id, _S.tenant, _S.turns, _S.size, _S.used, _S.expires)
        wanted = select(*columns).where(_S.expires > self._now()).order_by(_S.used.desc()).limit(limit)
        if tenant is not None:
            wanted = wanted.where(_S.tenant == tenant)
        async with self._database.read() as connection:
            return [Session(**row) for row in (await connection.execute(wanted)).mappings()]

    async def delete(self, id_: str, tenant: str | None = None) -> int:
        gone = delete(SESSIONS).where(_S.id == id_, _S.expires > self._now())
        if tenant is not None:
            gone = gone.where(_S.tenant == tenant)
        async with self._database.write() as connection:
            return (await connection.execute(gone)).rowcount

    async def count(self) -> int:
        counted = select(func.count()).select_from(SESSIONS).where(_S.expires > self._now())
        async with self._database.read() as connection:
            return int((await connection.execute(counted)).scalar_one())


async def drop_least_used(
    connection: AsyncConnection, most: int, *, spared: ColumnElement[bool] | None = None
) -> None:
    """Forget the least recently used sessions of those that are too many."""
    there = int((await connection.execute(select(func.count()).select_from(SESSIONS))).scalar_one())
    if there > most:
        least = select(_S.id, _S.tenant).order_by(_S.used, _S.id).limit(there - most)
        if spared is not None:
            least = least.where(not_(spared))
        await connection.execute(delete(SESSIONS).where(tuple_(_S.id, _S.tenant).in_(least)))


def _is(tenant: str, id_: str) -> ColumnElement[bool]:
    return and_(_S.id == id_, _S.tenant == tenant)
