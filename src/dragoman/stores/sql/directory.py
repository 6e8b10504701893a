"""Client keys, tenants, teams and users, and provider keys of tenants, in a database; implements
`state.directory.DirectoryStore`.

Each row of the table `directory` has the number of the change that wrote it (`version`), and these numbers
are unique: of two writers with the same number, only one can succeed. Only the latest row of each entry is
stored. So a process can read a table with 100,000 keys once, at its start, and later only the changes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import msgspec
from sqlalchemy import BindParameter, Connection, String, bindparam, delete, func, select
from sqlalchemy.exc import IntegrityError

from dragoman.state.directory import OwnKey, Row, RowKind
from dragoman.state.store import StoreFailed
from dragoman.stores.sql.database import Database, upsert
from dragoman.stores.sql.schema import DIRECTORY, KEY_USES, OWN_KEYS, OWNED, SHARES
from dragoman.stores.sql.texts import ByCodePoints

_D = DIRECTORY.c
_SORTED = ByCodePoints(_D.name)
_AFTER: BindParameter[str] = bindparam("after_", type_=String)
_ROW = select(_D.kind, _D.name, _D.text, _D.version, _D.author, _D.at, _D.digest, _D.before)
_LATEST = select(func.coalesce(func.max(_D.version), 0))
_SINCE = _ROW.where(_D.version > bindparam("version_")).order_by(_D.version).limit(bindparam("limit_"))
_FIND = _ROW.where(_D.kind == bindparam("kind_"), _D.name == bindparam("name_"), _D.text.is_not(None))
_PAGE = (
    _ROW.where(_D.kind == bindparam("kind_"), _SORTED > _AFTER, _D.text.is_not(None))
    .order_by(_SORTED)
    .limit(bindparam("limit_"))
)
_OF_OWN = tuple(OWN_KEYS.c[name] for name in OwnKey.__struct_fields__)
_NAMED_AT_ONCE = 500
_OWNER: BindParameter[str] = bindparam("owner_", type_=String)
_OWNED = (
    # The owners of seals are in hexadecimal digits, and a seal is found only by who has what it belongs to.
    select(SHARES.c.owner).where(SHARES.c.owner == _OWNER, SHARES.c.entries > 0, SHARES.c.kind != "seals"),
    select(OWNED.c.owner).where(OWNED.c.owner == _OWNER).limit(1),
)


class SqlDirectory:
    """Stores in a database: client keys, tenants, teams and users; when client keys were last used; and the
    provider keys of tenants.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    async def version(self) -> int:
        return int(await self._database.read(lambda connection: connection.execute(_LATEST).scalar_one()))

    async def since(self, version: int, limit: int) -> Sequence[Row]:
        wanted = {"version_": version, "limit_": limit}
        return await self._database.read(
            lambda connection: [Row(*row) for row in connection.execute(_SINCE, wanted)]
        )

    async def change(self, rows: Sequence[Row], latest: int) -> bool:
        named = [msgspec.structs.asdict(row) for row in rows]
        written = upsert(DIRECTORY)
        replaced = {name: written.excluded[name] for name in Row.__struct_fields__ if name not in _NAME}
        statement = written.on_conflict_do_update(index_elements=list(_NAME), set_=replaced)

        def change(connection: Connection) -> bool:
            if connection.execute(_LATEST).scalar_one() != latest:
                return False
            connection.execute(statement, named)
            return True

        try:
            return await self._database.write(change, sum(len(row.text or b"") for row in rows))
        except StoreFailed as failed:
            if isinstance(failed.__cause__, IntegrityError):
                return False  # another writer's transaction was committed after the version was read
            raise

    async def find(self, kind: RowKind, name: str) -> Row | None:
        wanted = {"kind_": kind, "name_": name}

        def find(connection: Connection) -> Row | None:
            row = connection.execute(_FIND, wanted).one_or_none()
            return None if row is None else Row(*row)

        return await self._database.read(find)

    async def page(self, kind: RowKind, after: str, limit: int) -> Sequence[Row]:
        wanted = {"kind_": kind, "after_": after, "limit_": limit}
        return await self._database.read(
            lambda connection: [Row(*row) for row in connection.execute(_PAGE, wanted)]
        )

    async def owns(self, name: str) -> bool:
        wanted = {"owner_": name}
        return await self._database.read(
            lambda connection: any(connection.execute(one, wanted).first() for one in _OWNED)
        )

    async def used(self, uses: Mapping[str, float]) -> None:
        written = upsert(KEY_USES)
        statement = written.on_conflict_do_update(
            index_elements=["key"],
            set_={"at": written.excluded.at},
            where=KEY_USES.c.at < written.excluded.at,
        )
        # In one order in every process, so that no two transactions wait for each other's rows.
        named = [{"key": key, "at": at} for key, at in sorted(uses.items())]
        if named:
            await self._database.write(lambda connection: connection.execute(statement, named), len(named))

    async def last_used(self, ids: Sequence[str]) -> Mapping[str, float]:
        uses = KEY_USES.c

        def read(connection: Connection) -> dict[str, float]:
            found: dict[str, float] = {}
            for start in range(0, len(ids), _NAMED_AT_ONCE):
                some = uses.key.in_(ids[start : start + _NAMED_AT_ONCE])
                rows = connection.execute(select(uses.key, uses.at).where(some))
                found |= {key: float(at) for key, at in rows}
            return found

        return await self._database.read(read)

    async def own_keys(self) -> Sequence[OwnKey]:
        wanted = select(*_OF_OWN).order_by(ByCodePoints(OWN_KEYS.c.tenant), ByCodePoints(OWN_KEYS.c.provider))
        return await self._database.read(
            lambda connection: [OwnKey(*row) for row in connection.execute(wanted)]
        )

    async def keep_own(self, key: OwnKey) -> None:
        row = msgspec.structs.asdict(key)
        written = upsert(OWN_KEYS)
        replaced = {name: written.excluded[name] for name in row if name not in {"tenant", "provider"}}
        statement = written.on_conflict_do_update(index_elements=["tenant", "provider"], set_=replaced)
        await self._database.write(lambda connection: connection.execute(statement, row), len(key.cipher))

    async def drop_own(self, tenant: str, provider: str) -> bool:
        own = OWN_KEYS.c
        statement = delete(OWN_KEYS).where(own.tenant == tenant, own.provider == provider)
        return await self._database.write(lambda connection: connection.execute(statement).rowcount > 0)


_NAME = ("kind", "name")
