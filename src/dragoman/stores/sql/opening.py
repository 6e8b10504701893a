"""Opens the database at a place, with the schema that this version needs."""

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
"""What is kept in a database. The writers of one use wait for each other, those of different uses do not."""
_UPGRADE: Final = 3600.0
"""The most seconds for an upgrade of a server's database by an operator, who waits for it."""


async def opened(where: Location, use: Use = "state") -> Database:
    """The database at a place, ready for steps. A missing SQLite file is created, and only its owner may read
    it. Raises StoreFailed.
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
    """The same, whatever its schema is. A SQLite file must exist. patient: True = statements may take as long
    as an upgrade does.
    """
    if isinstance(where, Path):
        # Exchanges tell of the past and do not last: a copy would cost more than they are worth.
        return SqliteDatabase(where, copies=2 if use == "state" else 0)
    from dragoman.stores.sql.postgres import EXCHANGES, STATE, PostgresDatabase  # psycopg is another extra

    lock = STATE if use == "state" else EXCHANGES
    if patient:
        return PostgresDatabase(where, lock, patience=_UPGRADE, statement=_UPGRADE)
    return PostgresDatabase(where, lock)
