"""Opens the database at a place, with the schema that this version needs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Literal

from dragoman.stores.address import Location
from dragoman.stores.sql.database import Database, failed
from dragoman.stores.sql.migrate import migrate
from dragoman.stores.sql.sqlite import SqliteDatabase, make_file


async def opened(where: Location, use: Literal["state", "exchanges"] = "state") -> Database:
    """The database at a place, ready for steps. A missing SQLite file is created, and only its owner may read it.

    use: what is kept there: the writers of one use wait for each other, those of different ones do not. Raises
    StoreFailed.
    """
    database = await _made(where, use)
    try:
        await migrate(database)
    except BaseException:
        await database.close()
        raise
    return database


async def _made(where: Location, use: Literal["state", "exchanges"]) -> Database:
    if isinstance(where, Path):
        try:
            await asyncio.to_thread(make_file, where)
        except OSError as error:
            raise failed(error) from error
        # Exchanges tell of the past and do not last: a copy would cost more than they are worth.
        return SqliteDatabase(where, copies=2 if use == "state" else 0)
    from dragoman.stores.sql.postgres import EXCHANGES, STATE, PostgresDatabase  # psycopg is another extra

    return PostgresDatabase(where, STATE if use == "state" else EXCHANGES)
