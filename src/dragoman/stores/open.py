"""From a setting to a store. Nothing is opened, and no database library is loaded, before its first use."""

from __future__ import annotations

import asyncio
import os
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from dragoman.errors import ConfigError, Problem
from dragoman.seams.clock import SYSTEM, Seams
from dragoman.seams.extras import command as added_by
from dragoman.state.store import Store
from dragoman.stores.address import HINT, database
from dragoman.stores.lazy import LazyStore
from dragoman.stores.limits import STANDARD, Limits
from dragoman.stores.memory import MemoryStore

FILE_NAME = "state.db"
"""The database in Dragoman's own folder."""


def installed() -> bool:
    """Whether the extra `sql` is there."""
    return all(find_spec(name) is not None for name in ("sqlalchemy", "alembic"))


def writable(folder: Path) -> bool:
    """Whether a file can be made in a folder, which may have to be made too."""
    there = next(one for one in (folder, *folder.parents) if one.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def open_store(where: str | None, home: Path, limits: Limits = STANDARD, seams: Seams = SYSTEM) -> Store:
    """The store that a setting names.

    where: `memory` or None, `sqlite` for a file in `home`, or a URL `sqlite:///path`. Raises ConfigError for
    what no store can be made of.
    """
    file = located(where, home)
    if file is None:
        return MemoryStore(limits, seams)

    async def open_file() -> Store:
        await asyncio.to_thread(import_module, "dragoman.stores.sql.store")  # the loop does not wait for it
        from dragoman.stores.sql.store import SqlStore

        return await SqlStore.open(file, limits, seams)

    return LazyStore("sqlite", open_file, seals=limits.seals)


def located(where: str | None, home: Path) -> Path | None:
    """The file of the database that a setting names, None for memory. Raises ConfigError, as `open_store`."""
    try:
        path = database(where or "memory")
    except ValueError as error:
        raise ConfigError(Problem("stores.sql", str(error), hint=HINT)) from None
    if path is None:
        return None
    file = Path(path).expanduser() if path else home / FILE_NAME
    if not installed():
        raise ConfigError(
            Problem(
                "stores.sql",
                "needs the extra `sql`",
                hint=f"install it with {added_by('sql')}, or use memory",
            )
        )
    return file
