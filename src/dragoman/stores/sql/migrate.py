"""Runs the missing migrations of a database when a process opens it.

Versions N and N-1 of Dragoman may use one database at the same time. So a migration only adds something: a
table, an index, or a column that may be NULL or has a default in the database. An unused column is dropped
one release after the last release that used it. A database of a newer version is not changed.
"""

from __future__ import annotations

import asyncio
import threading
from importlib import import_module
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Inspector, MetaData, Table, inspect, select

from dragoman.stores.sql.database import Database

HEAD = "0006"
"""The newest migration. A database that has it is opened without loading Alembic."""
_ALEMBIC = threading.Lock()
"""`alembic.context` is one for the whole process, so two databases must not be upgraded at the same time."""
FOLDER = Path(__file__).parent / "migrations"


async def migrate(database: Database) -> None:
    """Run the missing migrations. Several processes may call this at once. Raises StoreFailed."""
    if await database.read(_version) == HEAD:
        return
    await asyncio.to_thread(import_module, "alembic.command")  # in a thread, because the import is slow
    await database.write(upgrade)  # a second process waits here, then finds no missing migration


def upgrade(connection: Connection) -> None:
    """Run the missing migrations in this connection's transaction; none if the database's version is unknown,
    because a newer Dragoman made it.
    """
    from alembic import command
    from alembic.script import ScriptDirectory

    config = configuration(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    version = _version(connection)
    if version is None or version in known:
        with _ALEMBIC:
            command.upgrade(config, "head")


def configuration(connection: Connection) -> Any:
    """The configuration for Alembic's commands, with this connection."""
    from alembic.config import Config

    config = Config(attributes={"connection": connection})
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _version(connection: Connection) -> str | None:
    """The newest migration that was run in this database; None for a new database."""
    inspector: Inspector = inspect(connection)
    if not inspector.has_table("alembic_version"):
        return None
    table = Table("alembic_version", MetaData(), autoload_with=connection)
    return connection.execute(select(table.c.version_num)).scalar()
