"""Sessions in a database; implements `state.store.Sessions`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import sqlalchemy as sa

from dragoman.state.store import Session, StoreFull
from dragoman.stores.limits import Limits
from dragoman.stores.sql.database import Database, Part, upsert
from dragoman.stores.sql.room import Room
from dragoman.stores.sql.rows import ID, NOW, SESSION_TURN, TENANT, check
from dragoman.stores.sql.schema import SESSION_TURNS, SESSIONS

_S, _T = SESSIONS.c, SESSION_TURNS.c
_COUNT = sa.bindparam("count_", type_=sa.Integer)
_IS = sa.and_(_S.id == ID, _S.tenant == TENANT)
_OF_IT = sa.and_(_T.id == ID, _T.tenant == TENANT)
_ANYBODYS = sa.or_(TENANT.is_(None), _S.tenant == TENANT)
_TURNS = (
    sa.select(_T.body)
    .select_from(SESSIONS.join(SESSION_TURNS, sa.and_(_T.id == _S.id, _T.tenant == _S.tenant)))
    .where(_IS, _S.expires > NOW)
    .order_by(_T.place)
)
_DROP_OVER = sa.delete(SESSIONS).where(_IS, _S.expires <= NOW)
_MAKE = upsert(SESSIONS)
_GROW = _MAKE.on_conflict_do_update(
    index_elements=[_S.id, _S.tenant],
    set_={
        "next": _S.next + 1,
        "turns": _S.turns + 1,
        "size": _S.size + _MAKE.excluded.size,
        "used": _MAKE.excluded.used,
        "expires": _MAKE.excluded.expires,
    },
).returning(_S.next, _S.turns, _S.size)
_ADD = sa.insert(SESSION_TURNS)
_SIZES = sa.select(_T.place, sa.func.length(_T.body).label("size")).where(_OF_IT).order_by(_T.place)
_CUT = sa.delete(SESSION_TURNS).where(_OF_IT, _T.place <= sa.bindparam("place_", type_=sa.Integer))
_SHRINK = (
    sa.update(SESSIONS)
    .where(_IS)
    .values(size=sa.bindparam("size_", type_=sa.BigInteger), turns=_S.turns - _COUNT)
)
_LISTED = (
    sa.select(_S.id, _S.tenant, _S.turns, _S.size, _S.used, _S.expires)
    .where(_S.expires > NOW, _ANYBODYS)
    .order_by(_S.used.desc())
    .limit(_COUNT)
)
_DELETE = sa.delete(SESSIONS).where(_S.id == ID, _S.expires > NOW, _ANYBODYS)
_TO = sa.bindparam("to_", type_=sa.String)
_COLUMNS = (_S.tenant, _S.next, _S.turns, _S.size, _S.used, _S.expires)
_COPY = sa.insert(SESSIONS).from_select(
    ["id", *[column.name for column in _COLUMNS]], sa.select(_TO, *_COLUMNS).where(_IS, _S.expires > NOW)
)
_REHOME = sa.update(SESSION_TURNS).where(_OF_IT).values(id=_TO)
_REPLACED = sa.delete(SESSIONS).where(_S.id == _TO, _S.tenant == TENANT)
_LEFT = sa.delete(SESSIONS).where(_IS)
_ALIVE = sa.select(sa.func.count()).select_from(SESSIONS).where(_S.expires > NOW)


class SqlSessions(Part):
    """Stores sessions in a database. room: limits the bytes of sessions, together with other parts of the
    store. count: limits the number of sessions.
    """

    def __init__(
        self, database: Database, room: Room, limits: Limits, now: Callable[[], float], count: Room
    ) -> None:
        super().__init__(database, room, limits, now)
        self._count = count

    async def turns(self, tenant: str, id_: str) -> Sequence[bytes]:
        values = self._named(tenant, id_)
        return await self._database.read(
            lambda connection: connection.execute(_TURNS, values).scalars().all()
        )

    async def append(self, tenant: str, id_: str, turn: bytes, *, now: float, expires: float) -> None:
        size = len(turn)
        if size > self._limits.session_size:
            raise StoreFull(f"a turn of {size} bytes is more than a session may hold")
        check(size + 2 * SESSION_TURN, self._limits.size)
        values = {"tenant_": tenant, "id_": id_, "now_": now}
        first = {"id": id_, "tenant": tenant, "next": 1, "turns": 1, "size": size}
        first |= {"used": now, "expires": expires}

        def append(connection: sa.Connection) -> None:
            connection.execute(_DROP_OVER, values)
            self._room.make(connection, tenant, size + 2 * SESSION_TURN, id_)
            # This statement locks the row until the commit, so concurrent turns get different places.
            session = connection.execute(_GROW, first).one()
            row = {"id": id_, "tenant": tenant, "place": session.next - 1, "body": turn}
            connection.execute(_ADD, row)
            if session.size > self._limits.session_size:
                _trim(connection, values, session.size, self._limits.session_size)
            if session.next == 1:
                self._count.make(connection, tenant, 0, id_)

        await self._database.write(append, size)

    async def move(self, tenant: str, id_: str, to: str) -> bool:
        values = {**self._named(tenant, id_), "to_": to}

        def move(connection: sa.Connection) -> bool:
            if not connection.execute(_TURNS, values).first():
                return False
            if id_ != to:
                connection.execute(_REPLACED, values)
                connection.execute(_COPY, values)
                connection.execute(_REHOME, values)
                connection.execute(_LEFT, values)
            return True

        return await self._database.write(move)

    async def listed(self, tenant: str | None = None, *, limit: int = 1000) -> Sequence[Session]:
        values = {"tenant_": tenant, "now_": self._now(), "count_": limit}
        rows = await self._database.read(
            lambda connection: connection.execute(_LISTED, values).mappings().all()
        )
        return [Session(**row) for row in rows]

    async def delete(self, id_: str, tenant: str | None = None) -> int:
        values = {"tenant_": tenant, "id_": id_, "now_": self._now()}
        return await self._database.write(lambda connection: connection.execute(_DELETE, values).rowcount)

    async def count(self) -> int:
        values = {"now_": self._now()}
        return await self._database.read(
            lambda connection: int(connection.execute(_ALIVE, values).scalar_one())
        )


def _trim(connection: sa.Connection, values: dict[str, Any], size: int, most: int) -> None:
    """Delete the oldest turns of a session until it has at most `most` bytes, and write its new size. size:
    the bytes of its turns before, which must be more than `most`. values: the SQL parameters `id_` and
    `tenant_` of the session.
    """
    cut = gone = 0
    for turn in connection.execute(_SIZES, values).all():
        if size <= most:
            break
        size -= turn.size
        gone += 1
        cut = turn.place
    connection.execute(_CUT, {**values, "place_": cut})
    connection.execute(_SHRINK, {**values, "size_": size, "count_": gone})
