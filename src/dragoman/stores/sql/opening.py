"""Opens a database: `opened` makes sure that this version can use its schema, `unchanged` leaves the schema
as it is.

With `opened`, an empty database gets its tables. A SQLite file with an older schema is upgraded. A PostgreSQL
database with an older schema is refused, because an operator upgrades it (`dragoman db upgrade`). A newer
schema is used if it is not known to be incompatible with this version, else refused.
"""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Final, Literal, TypeAlias

from dragoman.stores.address import Location
from dragoman.stores.sql.database import Database, failed
from dragoman.stores.sql.migrate import migrate
from dragoman.stores.sql.sqlite import SqliteDatabase
from dragoman.stores.sqlite_file import make_file

Use: TypeAlias = Literal["state", "exchanges"]
"""The kind of data in a database. Writers of the same kind wait for each other. In PostgreSQL, writers of
different kinds usually do not; in SQLite, all writers of one file do.
"""
_UPGRADE: Final = 3600.0
"""The most seconds for a step or a statement while an operator, who waits for it, upgrades PostgreSQL."""


async def opened(where: Location, use: Use = "state") -> Database:
    """Return the database at a place, ready for steps, with a schema that this version can use (the module
    says which schemas are upgraded and which are refused). A missing SQLite file is created, with access for
    its owner only. use: the kind of data in the database. Raises StoreFailed; its subclass SchemaRefused if
    this version cannot use the database.
    """
    if isinstance(where, Path):
        try:
            await asyncio.to_thread(make_file, where)
        except OSError as error:
            raise failed(error) from error
    database = unchanged(where, use)
    try:
        await migrate(database)
    except BaseException:
        await database.close()
        raise
    return database


def unchanged(where: Location, use: Use = "state", *, patient: bool = False) -> Database:
    """Return the database at a place, ready for steps; its schema is neither checked nor upgraded. No
    connection is made before the first step. A SQLite file must exist: the first step would create a missing
    one with the usual access rights. use: the kind of data in the database. patient: True = a step in
    PostgreSQL may take up to an hour (`_UPGRADE`), as an upgrade may need; no effect for SQLite.
    """
    if isinstance(where, Path):
        # Exchanges are deleted after a time anyway, so a copy of them is not worth its disk space.
        return SqliteDatabase(where, copies=2 if use == "state" else 0)
    from dragoman.stores.sql.postgres import EXCHANGES, STATE, PostgresDatabase  # psycopg is another extra

    lock = STATE if use == "state" else EXCHANGES
    if patient:
        return PostgresDatabase(where, lock, patience=_UPGRADE, statement=_UPGRADE)
    return PostgresDatabase(where, lock)
