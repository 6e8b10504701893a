"""Runs the missing migrations of a database. `stores.standing` decides which databases a version can use.

A SQLite file is upgraded when a process opens its store, or by `dragoman db upgrade`. Before that, a file
with tables is copied, unless it is the file of finished exchanges. A PostgreSQL database gets its tables when
the first process opens its store, or by `dragoman db upgrade`. Only this command runs later migrations of a
PostgreSQL database, because an operator decides when many machines change to a new version.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from importlib import import_module
from pathlib import Path
from typing import Any, NamedTuple

from sqlalchemy import Connection, Inspector, MetaData, Table, func, inspect, select, text

from dragoman.stores.sql.database import Database, upsert
from dragoman.stores.sql.schema import SCHEMA_MARKS
from dragoman.stores.standing import HEAD, Standing

log = logging.getLogger("dragoman.stores")
_ALEMBIC = threading.Lock()
"""`alembic.context` exists once in a process, so a process must not upgrade two databases at the same time.
"""
FOLDER = Path(__file__).parent / "migrations"
MIGRATION_LOCK = 0x647261676F0003
"""The number of the advisory lock that a process takes in PostgreSQL before it changes the schema."""
_OLDEST = "0001"


class Migration(NamedTuple):
    """One migration of the schema. revision: its number ("0006"). does: the first paragraph of its module's
    docstring. compatible_from: versions of Dragoman whose HEAD (newest known migration) is older than this
    must not use the schema after this migration; None = this migration does not change that.
    """

    revision: str
    does: str
    compatible_from: str | None


async def migrate(database: Database) -> None:
    """Make the database usable by this version: create its tables if it has none, and run missing migrations
    if the database upgrades itself; the log says so (event `schema_upgraded`). Several processes may call
    this at the same time. Raises StoreFailed; its subclass SchemaRefused if this version cannot use the
    database.
    """
    standing = await database.read(standing_of)
    standing.check(upgrades_itself=database.upgrades_itself)
    if standing.revision is None or standing.is_older:
        changed = await upgrade_database(database)
        if changed and standing.revision is not None:
            fields = {"store": database.kind, "before": standing.revision, "after": HEAD}
            log.warning(
                "the schema of the %s database was upgraded from %s to %s",
                *fields.values(),
                extra={"event": "schema_upgraded", "fields": fields},
            )


async def upgrade_database(database: Database) -> bool:
    """Create the tables if there are none, or run the missing migrations, also in a database that does not
    upgrade itself. Before migrations are run on existing tables, a copy is made if the database makes copies.
    Return whether something was changed; False = another process was faster. Raises StoreFailed.
    """
    await asyncio.to_thread(import_module, "alembic.command")  # in a thread, because the import is slow
    standing = await database.read(standing_of)
    if standing.is_older:
        await database.keep_copy(HEAD)
    return await database.write(upgrade)  # a second process waits here, then finds no missing migration


def upgrade(connection: Connection, to: str = HEAD) -> bool:
    """Run the missing migrations up to `to` in this connection's transaction, and store the `compatible_from`
    of the new schema: the latest one that the migrations up to `to` state ("0001" if they state none). Return
    True. If the database already has the migration `to` or a newer one, change nothing, and return False.
    """
    from alembic import command

    if connection.dialect.name == "postgresql":
        connection.execute(text(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})"))
    version = standing_of(connection).revision
    if version is not None and version >= to:
        return False
    with _ALEMBIC:
        command.upgrade(configuration(connection), to)
    least = max(one.compatible_from or _OLDEST for one in migrations() if one.revision <= to)
    SCHEMA_MARKS.create(connection, checkfirst=True)
    mark = upsert(SCHEMA_MARKS).values(name="compatible_from", value=least)
    connection.execute(mark.on_conflict_do_update(index_elements=["name"], set_={"value": least}))
    return True


def migrations(after: str | None = None) -> list[Migration]:
    """Return the migrations that this version knows, oldest first. after: only the migrations after this
    revision; None = all.
    """
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    scripts = ScriptDirectory.from_config(_located(Config()))
    known = [
        Migration(one.revision, one.doc, getattr(one.module, "compatible_from", None))
        for one in scripts.walk_revisions()
    ]
    return sorted(one for one in known if after is None or one.revision > after)


def configuration(connection: Connection) -> Any:
    """Return the configuration with which Alembic's commands use this connection."""
    from alembic.config import Config

    return _located(Config(attributes={"connection": connection}))


def _located(config: Any) -> Any:
    config.set_main_option("script_location", str(FOLDER).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def standing_of(connection: Connection) -> Standing:
    """Return the schema of the database: its newest migration (None = no migration has run); and, if that is
    newer than HEAD, the `compatible_from` that the database stores (None = it stores none).
    """
    inspector: Inspector = inspect(connection)
    if not inspector.has_table("alembic_version"):
        return Standing(None)
    table = Table("alembic_version", MetaData(), autoload_with=connection)
    revision = connection.execute(select(func.max(table.c.version_num))).scalar()
    if revision is None or revision <= HEAD or not inspector.has_table(SCHEMA_MARKS.name):
        return Standing(revision)
    wanted = select(SCHEMA_MARKS.c.value).where(SCHEMA_MARKS.c.name == "compatible_from")
    return Standing(revision, connection.execute(wanted).scalar())
