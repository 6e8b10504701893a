"""Conversations in a database; implements `state.store.Conversations`."""

from __future__ import annotations

from collections.abc import Sequence

import msgspec
import sqlalchemy as sa

from dragoman.state.pages import Placed, cursor, last_place, meanings
from dragoman.state.store import Conversation, Item, Page, first_of
from dragoman.stores.limits import check_read
from dragoman.stores.sql.database import Part
from dragoman.stores.sql.rows import (
    BIT_BY_BIT,
    BODY,
    ID,
    NOW,
    TENANT,
    alive,
    check,
    entry_size,
    item_rows,
    items_size,
    lasting,
)
from dragoman.stores.sql.schema import CONVERSATION_ITEMS, CONVERSATIONS

_C, _I = CONVERSATIONS.c, CONVERSATION_ITEMS.c
_IS = sa.and_(_C.id == ID, _C.tenant == TENANT, alive(CONVERSATIONS))
_CREATE = sa.insert(CONVERSATIONS)
_ADD = sa.insert(CONVERSATION_ITEMS)
_GET = sa.select(_C.id, _C.tenant, _C.created, _C.metadata, _C.expires).where(_IS)
_MORE = sa.bindparam("more_", type_=sa.BigInteger)
_UPDATE = (
    sa.update(CONVERSATIONS)
    .where(_IS)
    .values(metadata=BODY, size=_C.size + _MORE - sa.func.length(_C.metadata))
    .returning(_C.size)
)
_DELETE = sa.delete(CONVERSATIONS).where(_IS)
_GROW = (
    sa.update(CONVERSATIONS)
    .where(_IS)
    .values(
        next=_C.next + sa.bindparam("count_", type_=sa.Integer),
        size=_C.size + _MORE,
        used=NOW,
        expires=lasting(CONVERSATIONS),
    )
    .returning(_C.next, _C.size)
)
_ITEMS = (
    sa.select(_I.id, _I.body)
    .select_from(CONVERSATIONS.outerjoin(CONVERSATION_ITEMS, _I.conversation == _C.id))
    .where(_IS)
    .order_by(_I.place)
)
_COUNT = (
    sa.select(sa.func.count())
    .select_from(CONVERSATION_ITEMS.join(CONVERSATIONS, _I.conversation == _C.id))
    .where(_IS)
)
_ITEM = sa.bindparam("item_", type_=sa.String)
_ONE = (
    sa.select(_I.id, _I.body)
    .select_from(CONVERSATIONS.join(CONVERSATION_ITEMS, _I.conversation == _C.id))
    .where(_IS, _I.tenant == TENANT, _I.id == _ITEM)
    .order_by(_I.place)
    .limit(1)
)
_PLACE = sa.bindparam("place_", type_=sa.Integer)
_PLACES = sa.select(_I.place).where(
    _I.conversation.in_(sa.select(_C.id).where(_IS)), _I.tenant == TENANT, _I.id == _ITEM
)
_PAGE = (
    sa.select(_I.id, _I.body, _I.place)
    .where(_I.conversation == ID)
    .limit(sa.bindparam("most_", type_=sa.Integer))
)
_OLDEST = _PAGE.where(_I.place > _PLACE).order_by(_I.place).execution_options(**BIT_BY_BIT)
_NEWEST = _PAGE.where(_I.place < _PLACE).order_by(_I.place.desc()).execution_options(**BIT_BY_BIT)
_REMOVE = (
    sa.delete(CONVERSATION_ITEMS)
    .where(_I.conversation.in_(sa.select(_C.id).where(_IS)), _I.id == _ITEM)
    .returning(_I.id, _I.body)
)
_SHRINK = sa.update(CONVERSATIONS).where(_C.id == ID).values(size=_C.size - _MORE)
_END = 2**31 - 1
"""Larger than the place of any item."""


class SqlConversations(Part):
    """Stores conversations in a database."""

    @property
    def _max_size(self) -> int:
        return min(self._limits.size, self._limits.history_size)

    async def create(self, conversation: Conversation, items: Sequence[Item] = ()) -> None:
        size = entry_size(conversation.metadata) + items_size(items)
        check(size, self._max_size)
        row = msgspec.structs.asdict(conversation)
        row |= {"next": len(items), "used": self._now(), "size": size}
        rows = item_rows("conversation", conversation.id, conversation.tenant, items, 0)

        def create(connection: sa.Connection) -> None:
            self._room.make(connection, conversation.tenant, size)
            connection.execute(_CREATE, row)
            if rows:
                connection.execute(_ADD, rows)

        await self._database.write(create, size)

    async def get(self, tenant: str, id_: str) -> Conversation | None:
        values = self._named(tenant, id_)
        row = await self._database.read(
            lambda connection: connection.execute(_GET, values).mappings().first()
        )
        return None if row is None else Conversation(**row)

    async def update(self, tenant: str, id_: str, metadata: bytes) -> bool:
        size = len(metadata)
        values = {**self._named(tenant, id_), "body_": metadata, "more_": size}

        def change(connection: sa.Connection) -> bool:
            if connection.execute(_GET, values).first() is None:
                return False  # before room is made, because nothing will be written
            check(size, self._max_size)
            self._room.make(connection, tenant, size, id_)
            check(connection.execute(_UPDATE, values).one().size, self._max_size)
            return True

        return await self._database.write(change, size)

    async def delete(self, tenant: str, id_: str) -> bool:
        values = self._named(tenant, id_)
        return await self._database.write(lambda connection: connection.execute(_DELETE, values).rowcount > 0)

    async def append(self, tenant: str, id_: str, items: Sequence[Item], *, expires: float | None) -> bool:
        more = items_size(items)
        values = self._named(tenant, id_)
        values |= {"count_": len(items), "more_": more, "until_": expires}

        def append(connection: sa.Connection) -> bool:
            if connection.execute(_GET, values).first() is None:
                return False  # before room is made, because nothing will be written
            check(more, self._max_size)
            self._room.make(connection, tenant, more, id_)
            row = connection.execute(_GROW, values).one()
            check(row.size, self._max_size)
            if items:
                first = row.next - len(items)
                connection.execute(_ADD, item_rows("conversation", id_, tenant, items, first))
            return True

        return await self._database.write(append, more)

    async def items(self, tenant: str, id_: str) -> Sequence[Item] | None:
        values = self._named(tenant, id_)

        def items(connection: sa.Connection) -> list[Item] | None:
            count = connection.execute(_COUNT, values).scalar_one()
            check_read(count, self._limits.history_count, "items")
            rows = connection.execute(_ITEMS, values).all()
            return [Item(row.id, row.body) for row in rows if row.id is not None] if rows else None

        return await self._database.read(items)

    async def page(
        self, tenant: str, id_: str, *, after: str | None, limit: int, newest: bool
    ) -> Page | None:
        own = self._named(tenant, id_)

        def start(connection: sa.Connection, after: str) -> int:
            for item, place in meanings(after):
                found = connection.execute(_PLACES, {**own, "item_": item}).scalars().all()
                if found and (place is None or place in found):
                    return last_place(found, newest=newest) if place is None else place
            raise KeyError(after)

        def read(connection: sa.Connection) -> Page | None:
            if connection.execute(_GET, own).first() is None:
                return None
            place = _END if newest else -1
            if after is not None:
                place = start(connection, after)
            values = {"id_": id_, "place_": place, "most_": limit + 1}
            with connection.execute(_NEWEST if newest else _OLDEST, values) as rows:
                found = (Placed(row.id, row.body, row.place) for row in iter(rows.fetchone, None))
                held, more = first_of(found, limit)
            if not held:
                return Page(held)
            same = connection.execute(_PLACES.limit(2), {**own, "item_": held[-1].id}).all()
            return Page(held, more, cursor(held[-1], alone=len(same) == 1))

        return await self._database.read(read)

    async def item(self, tenant: str, id_: str, item: str) -> Item | None:
        values = {**self._named(tenant, id_), "item_": item}
        row = await self._database.read(lambda connection: connection.execute(_ONE, values).first())
        return None if row is None else Item(row.id, row.body)

    async def remove(self, tenant: str, id_: str, item: str) -> bool:
        values = {**self._named(tenant, id_), "item_": item}

        def remove(connection: sa.Connection) -> bool:
            gone = [Item(*row) for row in connection.execute(_REMOVE, values)]
            if gone:
                connection.execute(_SHRINK, {"id_": id_, "more_": items_size(gone)})
            return bool(gone)

        return await self._database.write(remove)
