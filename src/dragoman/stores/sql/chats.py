"""Stored chat completions in a database; implements `state.store.Chats`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from sqlalchemy import BigInteger, Connection, Integer, Row, and_, bindparam, delete, insert, select, update

from dragoman.state.store import ChatPage, ChatQuery, StoredChat, first_of
from dragoman.stores.sql.database import Part
from dragoman.stores.sql.rows import BIT_BY_BIT, ID, NOW, TENANT, alive, check, chunks, entry_size
from dragoman.stores.sql.schema import CHAT_METADATA, CHATS

_PAIR = 100
"""The approximate bytes of a metadata pair, without its key and value."""
_C, _M = CHATS.c, CHAT_METADATA.c
_OWN = and_(_C.tenant == TENANT, _C.id == ID)
_IS = and_(_OWN, alive(CHATS))
_CREATE = insert(CHATS).returning(_C.number)
_PAIRS = insert(CHAT_METADATA)
_SHOWN = (_C.number, _C.id, _C.tenant, _C.created, _C.model, _C.body, _C.expires)
_GET = select(*_SHOWN, _C.messages).where(_IS)
_NUMBER = select(_C.number).where(_IS)
_TOUCH = update(CHATS).where(_IS).values(used=NOW)
_DROP = delete(CHATS).where(_OWN)
_DELETE = delete(CHATS).where(_IS)
_NUMBERED = bindparam("number_", type_=BigInteger)
_FORGET = delete(CHAT_METADATA).where(_M.chat == _NUMBERED)
_GROW = (
    update(CHATS)
    .where(_C.number == _NUMBERED)
    .values(size=_C.size + bindparam("more_", type_=BigInteger), used=NOW)
)
_FOUND = select(_M.chat, _M.key, _M.value).where(_M.chat.in_(bindparam("numbers_", expanding=True)))
_LISTED = (
    select(*_SHOWN)
    .where(_C.tenant == TENANT, alive(CHATS))
    .limit(bindparam("most_", type_=Integer))
    .execution_options(**BIT_BY_BIT)
)


class SqlChats(Part):
    """Stores chat completions and their metadata in a database."""

    async def save(self, chat: StoredChat) -> None:
        size = entry_size(chat.body, chat.messages) + 2 * len(chat.id) + _pairs_size(chat.metadata)
        check(size, self._limits.size)
        row = {**msgspec.structs.asdict(chat), "used": self._now(), "size": size}
        del row["metadata"]

        def save(connection: Connection) -> None:
            connection.execute(_DROP, {"tenant_": chat.tenant, "id_": chat.id})
            self._room.make(connection, chat.tenant, size)
            number = connection.execute(_CREATE, row).scalar_one()
            _write_pairs(connection, number, chat.metadata)

        await self._database.write(save, size)

    async def get(self, tenant: str, id_: str) -> StoredChat | None:
        values = self._named(tenant, id_)

        def get(connection: Connection) -> StoredChat | None:
            row = connection.execute(_GET, values).one_or_none()
            if row is None:
                return None
            return _chat(row, _metadata(connection, [row.number]).get(row.number, {}))

        found = await self._database.read(get)
        if found is not None:
            await self._database.write(lambda connection: connection.execute(_TOUCH, values))
        return found

    async def page(self, tenant: str, query: ChatQuery) -> ChatPage:
        values = {"tenant_": tenant, "now_": self._now(), "most_": query.limit + 1}
        newest, after = query.newest, query.after
        wanted = _LISTED.order_by(_C.number.desc() if newest else _C.number)
        if query.model is not None:
            wanted = wanted.where(_C.model == query.model)
        for key, value in query.metadata.items():
            pairs = select(_M.chat).where(_M.chat == _C.number, _M.key == key, _M.value == value)
            wanted = wanted.where(pairs.exists())

        def read(connection: Connection) -> ChatPage:
            statement = wanted
            if after is not None:
                place = connection.execute(_NUMBER, {**values, "id_": after}).scalar_one_or_none()
                if place is None:
                    raise KeyError(after)
                statement = statement.where(_C.number < place if newest else _C.number > place)
            with connection.execute(statement, values) as rows:
                numbers: dict[str, int] = {}

                def read_chats() -> Iterator[StoredChat]:
                    for row in rows:
                        numbers[row.id] = row.number
                        yield _chat(row, {})

                found, more = first_of(read_chats(), query.limit)
            known = _metadata(connection, numbers.values())
            chats = [
                msgspec.structs.replace(chat, metadata=known.get(numbers[chat.id], {})) for chat in found
            ]
            return ChatPage(chats, more)

        return await self._database.read(read)

    async def update(self, tenant: str, id_: str, metadata: Mapping[str, str]) -> bool:
        values = self._named(tenant, id_)

        def change(connection: Connection) -> bool:
            number = connection.execute(_NUMBER, values).scalar_one_or_none()
            if number is None:
                return False
            before = _metadata(connection, [number]).get(number, {})
            more = _pairs_size(metadata) - _pairs_size(before)
            self._room.make(connection, tenant, max(0, more), number)
            connection.execute(_FORGET, {"number_": number})
            _write_pairs(connection, number, metadata)
            connection.execute(_GROW, {"number_": number, "more_": more, "now_": values["now_"]})
            return True

        return await self._database.write(change)

    async def delete(self, tenant: str, id_: str) -> bool:
        values = self._named(tenant, id_)
        return await self._database.write(lambda connection: connection.execute(_DELETE, values).rowcount > 0)


def _chat(row: Row[*tuple[Any, ...]], metadata: Mapping[str, str]) -> StoredChat:
    facts = {"messages": b"[]", **row._mapping}
    del facts["number"]
    return StoredChat(**facts, metadata=metadata)


def _write_pairs(connection: Connection, number: int, metadata: Mapping[str, str]) -> None:
    if metadata:
        rows = [{"chat": number, "key": key, "value": value} for key, value in metadata.items()]
        connection.execute(_PAIRS, rows)


def _metadata(connection: Connection, numbers: Iterable[int]) -> dict[int, dict[str, str]]:
    found: dict[int, dict[str, str]] = {}
    for some in chunks(numbers):
        for number, key, value in connection.execute(_FOUND, {"numbers_": some}):
            found.setdefault(number, {})[key] = value
    return found


def _pairs_size(metadata: Mapping[str, str]) -> int:
    return sum([_PAIR + 2 * len(key.encode()) + len(value.encode()) for key, value in metadata.items()])
