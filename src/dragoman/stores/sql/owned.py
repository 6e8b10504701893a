"""Which client owns which object at a provider, in a database; implements `state.owned.OwnedObjects`.

Provider and provider's id together are unique in the table. So if two processes store a new object at the
same time, only one row is written, and both get this row, with the same id for clients.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

import msgspec
from sqlalchemy import Connection, bindparam, delete, select

from dragoman.state.owned import OwnedObject
from dragoman.stores.sql.database import Database, upsert
from dragoman.stores.sql.schema import OWNED

_O = OWNED.c
_ROW = select(*(_O[name] for name in OwnedObject.__struct_fields__))
_ONE = _ROW.where(_O.owner == bindparam("owner_"), _O.provider == bindparam("provider_"))
_HAS = _ONE.where(_O.kind == bindparam("kind_")).limit(1)
_REMOVE = delete(OWNED).where(_O.id == bindparam("id_"), _O.owner == bindparam("owner_"))
_AT_ONCE = 500
"""The most ids in one statement."""


class SqlOwned:
    """Stores in a database which client owns which object at a provider."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def keep(self, objects: Collection[OwnedObject]) -> Sequence[OwnedObject]:
        if not objects:
            return ()
        rows = [msgspec.structs.asdict(one) for one in objects]
        by_provider: dict[str, list[str]] = {}
        for one in objects:
            by_provider.setdefault(one.provider, []).append(one.upstream)
        statement = upsert(OWNED).on_conflict_do_nothing()

        def keep(connection: Connection) -> list[OwnedObject]:
            connection.execute(statement, rows)
            return [one for place in by_provider.items() for one in _known(connection, *place)]

        return await self._database.write(keep, 200 * len(rows))

    async def find(self, owner: str, ids: Collection[str]) -> Sequence[OwnedObject]:
        if not ids:
            return ()

        def find(connection: Connection) -> list[OwnedObject]:
            found: list[OwnedObject] = []
            for some in _batches(ids):
                rows = connection.execute(_ROW.where(_O.owner == owner, _O.id.in_(some)))
                found += [OwnedObject(*row) for row in rows]
            return found

        return await self._database.read(find)

    async def known(self, provider: str, upstream: Collection[str]) -> Sequence[OwnedObject]:
        if not upstream:
            return ()
        return await self._database.read(lambda connection: _known(connection, provider, upstream))

    async def has(self, owner: str, provider: str, kind: str) -> bool:
        values = {"owner_": owner, "provider_": provider, "kind_": kind}
        return await self._database.read(
            lambda connection: connection.execute(_HAS, values).first() is not None
        )

    async def remove(self, owner: str, id_: str) -> bool:
        values = {"owner_": owner, "id_": id_}
        return await self._database.write(lambda connection: connection.execute(_REMOVE, values).rowcount > 0)


def _known(connection: Connection, provider: str, upstream: Collection[str]) -> list[OwnedObject]:
    found: list[OwnedObject] = []
    for some in _batches(upstream):
        rows = connection.execute(_ROW.where(_O.provider == provider, _O.upstream.in_(some)))
        found += [OwnedObject(*row) for row in rows]
    return found


def _batches(ids: Collection[str]) -> Iterator[list[str]]:
    """Yield the ids, sorted and each once, in lists of at most `_AT_ONCE`."""
    ordered = sorted(set(ids))
    for start in range(0, len(ordered), _AT_ONCE):
        yield ordered[start : start + _AT_ONCE]
