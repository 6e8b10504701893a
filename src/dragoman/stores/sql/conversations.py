"""Conversations in a database; see `state.store.Conversations`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from sqlalchemy import ColumnElement, and_, delete, insert, select, update

from dragoman.state.store import Conversation, Item
from dragoman.stores.sql.database import Database
from dragoman.stores.sql.rows import alive, bodies, check, lasting, weight
from dragoman.stores.sql.schema import CONVERSATION_ITEMS, CONVERSATIONS

_C, _I = CONVERSATIONS.c, CONVERSATION_ITEMS.c


class SqlConversations:
    """max_size: bytes beyond which one conversation is refused. now: Unix seconds."""

    def __init__(self, database: Database, max_size: int, now: Callable[[], float]) -> None:
        self._database = database
        self._max_size = max_size
        self._now = now

    async def create(self, conversation: Conversation, items: Sequence[Item] = ()) -> None:
        size = weight(conversation.metadata, *bodies(items))
        check(size, self._max_size)
        row = {
            "id": conversation.id,
            "tenant": conversation.tenant,
            "created": conversation.created,
            "metadata": conversation.metadata,
            "expires": conversation.expires,
            "next": len(items),
            "used": self._now(),
            "size": size,
        }
        async with self._database.write() as connection:
            await connection.execute(insert(CONVERSATIONS), row)
            if items:
                rows = _rows(conversation.tenant, conversation.id, items, 0)
                await connection.execute(insert(CONVERSATION_ITEMS), rows)

    async def get(self, tenant: str, id_: str) -> Conversation | None:
        one = select(_C.id, _C.tenant, _C.created, _C.metadata, _C.expires).where(self._is(tenant, id_))
        async with self._database.read() as connection:
            row = (await connection.execute(one)).mappings().first()
        return None if row is None else Conversation(**row)

    async def update(self, tenant: str, id_: str, metadata: bytes) -> bool:
        check(weight(metadata), self._max_size)
        written = update(CONVERSATIONS).where(self._is(tenant, id_)).values(metadata=metadata)
        async with self._database.write() as connection:
            return bool((await connection.execute(written)).rowcount)

    async def delete(self, tenant: str, id_: str) -> bool:
        async with self._database.write() as connection:
            gone = await connection.execute(delete(CONVERSATIONS).where(self._is(tenant, id_)))
            return bool(gone.rowcount)

    async def append(self, tenant: str, id_: str, items: Sequence[Item], *, expires: float | None) -> bool:
        more = weight(*bodies(items))
        check(more, self._max_size)
        grown = (
            update(CONVERSATIONS)
            .where(self._is(tenant, id_))
            .values(
                next=_C.next + len(items),
                size=_C.size + more,
                used=self._now(),
                expires=lasting(CONVERSATIONS, expires),
            )
            .returning(_C.next, _C.size)
        )
        async with self._database.write() as connection:
            row = (await connection.execute(grown)).first()
            if row is None:
                return False
            check(row.size, self._max_size)
            if items:
                rows = _rows(tenant, id_, items, row.next - len(items))
                await connection.execute(insert(CONVERSATION_ITEMS), rows)
        return True

    async def items(self, tenant: str, id_: str) -> Sequence[Item] | None:
        of_it = CONVERSATIONS.outerjoin(CONVERSATION_ITEMS, _I.conversation == _C.id)
        wanted = select(_I.id, _I.body).select_from(of_it).where(self._is(tenant, id_)).order_by(_I.place)
        async with self._database.read() as connection:
            rows = (await connection.execute(wanted)).all()
        return [Item(row.id, row.body) for row in rows if row.id is not None] if rows else None

    async def remove(self, tenant: str, id_: str, item: str) -> bool:
        there = select(_C.id).where(self._is(tenant, id_))
        gone = delete(CONVERSATION_ITEMS).where(_I.conversation.in_(there), _I.id == item)
        async with self._database.write() as connection:
            return bool((await connection.execute(gone)).rowcount)

    def _is(self, tenant: str, id_: str) -> ColumnElement[bool]:
        return and_(_C.id == id_, _C.tenant == tenant, alive(CONVERSATIONS, self._now()))


def _rows(tenant: str, id_: str, items: Sequence[Item], first: int) -> list[dict[str, Any]]:
    return [
        {"conversation": id_, "place": place, "tenant": tenant, "id": item.id, "body": item.body}
        for place, item in enumerate(items, first)
    ]
