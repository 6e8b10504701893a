"""The entries of the configuration that operators have added, in a database; implements
`state.added.Additions`.

The table has a row for each of the latest changes. Of the rows with the same kind and name, the latest one is
in force; if its text is NULL, the entry is removed. The version is the primary key: of two writers with the
same version, only one can succeed.
"""

from __future__ import annotations

from typing import Final

import msgspec
from sqlalchemy import Connection, bindparam, delete, func, insert, select

from dragoman.state.added import AddedEntry, KeptEntries
from dragoman.stores.sql.database import Database
from dragoman.stores.sql.schema import ADDED

HISTORY: Final = 1_000
"""How many of the latest changes are stored even if later changes have replaced them. Older replaced changes
are deleted.
"""

_A = ADDED.c
_LATER = ADDED.alias("later").c
_REPLACED = select(_LATER.version).where(
    _LATER.kind == _A.kind, _LATER.name == _A.name, _LATER.version > _A.version
)
_LATEST = select(func.coalesce(func.max(_A.version), 0))
_ENTRIES = (
    select(_A.kind, _A.name, _A.text, _A.version, _A.author, _A.at)
    .where(_A.text.is_not(None), ~_REPLACED.exists())
    .order_by(_A.version)
)
_CHANGE = insert(ADDED)
_FORGET = delete(ADDED).where(_A.version <= bindparam("oldest_"), _REPLACED.exists())


class SqlAdditions:
    """Stores in a database the entries that operators have added to the configuration."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def read(self) -> KeptEntries:
        def read(connection: Connection) -> KeptEntries:
            # The version first: a change between the two is then seen as a later one, and read again.
            version = connection.execute(_LATEST).scalar_one()
            rows = connection.execute(_ENTRIES).all()
            return KeptEntries(version, [AddedEntry(*row) for row in rows])

        return await self._database.read(read)

    async def change(self, entry: AddedEntry, *, removed: bool = False) -> bool:
        row = msgspec.structs.asdict(entry)
        if removed:
            row["text"] = None

        def change(connection: Connection) -> bool:
            if connection.execute(_LATEST).scalar_one() != entry.version - 1:
                return False
            connection.execute(_CHANGE, row)
            connection.execute(_FORGET, {"oldest_": entry.version - HISTORY})
            return True

        return await self._database.write(change, len(entry.text))
