"""Brings a database up to date, once, whoever opens it first.

Versions N and N-1 of Dragoman work on one database at the same time. So a migration only adds: a table, an
index, a column that may be NULL or has a default in the database. What is no longer used is dropped one
release after the last that used it. A database that is ahead of this version is left as it is.
"""

from __future__ import annotations

import asyncio
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Inspector, MetaData, Table, inspect, select

from dragoman.stores.sql.database import Database

HEAD = "0003"
"""The newest migration. Stated here so that a database that is up to date is opened without Alembic."""
FOLDER = Path(__file__).parent / "migrations"


async def migrate(database: Database) -> None:
    """Run the migrations that are missing. Several processes may do so at once. Raises StoreFailed."""
    if await database.read(_version) == HEAD:
        return
    await asyncio.to_thread(import_module, "alembic.command")  # takes long, and holds up nobody
    await database.write(upgrade)  # whoever comes second waits here, and finds it done


def upgrade(connection: Connection) -> None:
    """Run the migrations that are missing, in the transaction of this connection."""
    from alembic import command
    from alembic.script import ScriptDirectory

    config = configuration(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    version = _version(connection)
    if version is None or version in known:
        command.upgrade(config, "head")


def configuration(connection: Connection) -> Any:
    """What Alembic's commands need to know."""
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _version(connection: Connection) -> str | None:
    """The newest migration that the database has seen, None for a new one."""
    inspector: Inspector = inspect(connection)
    if not inspector.has_table("alembic_version"):
        return None
    table = Table("alembic_version", MetaData(), autoload_with=connection)
    return connection.execute(select(table.c.version_num)).scalar()
