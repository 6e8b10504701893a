"""Makes the stores for the settings `stores.sql` and `trace.store`, tells which database a setting means, and
whether it can be used (installed libraries, access to a folder).

A database is opened at its first use.
"""

from __future__ import annotations

import asyncio
import os
from functools import partial
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from dragoman.errors import ConfigError, Problem
from dragoman.seams.clock import SYSTEM, Seams
from dragoman.seams.extras import command as added_by
from dragoman.state.exchanges import Exchanges
from dragoman.state.store import Store
from dragoman.stores.address import HINT, Location, PostgresUrl, database
from dragoman.stores.lazy import LazyExchanges, LazyStore
from dragoman.stores.limits import DEFAULT_LIMITS, Limits
from dragoman.stores.memory import MemoryStore

if TYPE_CHECKING:
    from dragoman.stores.usage_file import UsageFile

FILE_NAME = "state.db"
"""The name of the database file in Dragoman's own folder."""
EXCHANGES_FILE_NAME = "exchanges.db"
"""The name of the file with finished exchanges in Dragoman's own folder. It is a separate file, because a
SQLite file has only one writer at a time: so no session waits until exchanges are written.
"""


def installed() -> bool:
    """Return whether the libraries of the extra `sql` (SQLAlchemy and Alembic) are installed."""
    return all(find_spec(name) is not None for name in ("sqlalchemy", "alembic"))


def writable(folder: Path) -> bool:
    """Return whether this process may create files in a folder. If the folder does not exist, its nearest
    existing parent is checked instead.
    """
    there = next(one for one in (folder, *folder.parents) if one.exists())
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)


def unstated(home: Path) -> str:
    """Return the value that `stores.sql` has for `dragoman serve` if nobody states it: `sqlite` if the file
    `state.db` exists in `home` (Dragoman's own folder), or if it can be made there: the extra `sql` is
    installed and the folder is writable. Otherwise `memory`.

    A file that exists is used, also if its folder is not writable now or the extra `sql` is missing, because
    it may contain client keys: without them the gateway would answer requests without a key.
    """
    exists = os.path.exists(home / FILE_NAME)  # noqa: PTH110  `Path.exists` raises errors of permission
    return "sqlite" if exists or (installed() and writable(home)) else "memory"


def open_store(
    where: str | None, home: Path, limits: Limits = DEFAULT_LIMITS, seams: Seams = SYSTEM
) -> Store:
    """Return the store for the setting `stores.sql`. A database is not opened yet.

    where: the setting: `memory`, None or "" = in memory; `sqlite` = the file `state.db` in the folder `home`;
    or a URL `sqlite:///path` or `postgresql://…`. limits: the limits of the store. seams: gives the clocks
    and the random secret of the vault. Raises ConfigError if the setting is wrong, or if the extra for its
    database (`sql`, `postgres`) is not installed.
    """
    place = located(where, home)
    if place is None:
        return MemoryStore(limits, seams)

    async def open_database() -> Store:
        await asyncio.to_thread(import_module, "dragoman.stores.sql.store")  # the import is slow
        from dragoman.stores.sql.store import SqlStore

        return await SqlStore.open(place, limits, seams)

    def in_file(file: Path) -> UsageFile:
        from dragoman.stores.usage_file import UsageFile  # the first record needs it, and sqlite3 with it

        return UsageFile(file, limits)

    usage = partial(in_file, place) if isinstance(place, Path) else None
    return LazyStore(kind_of(place), open_database, seals=limits.seals, usage=usage)


def open_exchanges(
    where: str | None, home: Path, size: int, ttl: float, seams: Seams = SYSTEM
) -> LazyExchanges | None:
    """Return the store of finished exchanges for the setting `trace.store`; None = finished exchanges are not
    stored.

    where: the setting: `memory`, None or "" = not stored; `sqlite` = the file `exchanges.db` in the folder
    `home`; or a URL `sqlite:///path` or `postgresql://…`. The database is opened at the first use. size: the
    most bytes of all exchanges together. ttl: seconds for which each exchange is stored. Raises ConfigError
    if the setting is wrong, or if the extra for its database (`sql`, `postgres`) is not installed.
    """
    place = located_exchanges(where, home)
    if place is None:
        return None

    async def open_database() -> Exchanges:
        await asyncio.to_thread(import_module, "dragoman.stores.sql.exchanges")  # the import is slow
        from dragoman.stores.sql.exchanges import SqlExchanges

        return await SqlExchanges.open(place, size, ttl, seams)

    return LazyExchanges(kind_of(place), open_database)


def located_exchanges(where: str | None, home: Path) -> Location | None:
    """Return the database for the setting `trace.store`, whose text is `where`; None = finished exchanges are
    not stored (`memory`, None or ""). home: the folder of the file that the text `sqlite` means. Raises
    ConfigError if the text is wrong, or if the extra for its database (`sql`, `postgres`) is not installed.
    """
    return located(where, home, "trace.store", EXCHANGES_FILE_NAME)


def located(
    where: str | None, home: Path, setting: str = "stores.sql", name: str = FILE_NAME
) -> Location | None:
    """Return the database that the text `where` of a setting means; None = no database (`memory`, None or
    ""). `~` at the beginning of the path in a sqlite URL becomes the user's home folder. home: the folder of
    the file that the text `sqlite` means. name: the name of that file. setting: the name of the setting, for
    errors. Raises ConfigError if the text is wrong, if the home folder of a `~` is unknown, or if the extra
    for the database (`sql`, `postgres`) is not installed.
    """
    try:
        place = database(where or "memory")
        if place is None:
            return None
        _require(place, setting)
        if isinstance(place, PostgresUrl):
            from dragoman.stores.postgres import checked  # needs psycopg

            checked(place)
            return place
        return Path(place).expanduser() if place else home / name
    except ValueError as error:
        raise ConfigError(Problem(setting, str(error), hint=HINT)) from None
    except RuntimeError:
        raise ConfigError(Problem(setting, "there is no home folder for the `~` of its path")) from None


def kind_of(place: Location) -> str:
    """Return the kind of a database, as `/health` names it: `sqlite` or `postgresql`."""
    return "sqlite" if isinstance(place, Path) else "postgresql"


def _require(place: str | PostgresUrl, setting: str) -> None:
    """Raise ConfigError if the libraries for this database are not installed. setting: the name of the
    setting, for the error.
    """
    extra, there = "sql", installed()
    if isinstance(place, PostgresUrl):
        extra, there = "postgres", there and find_spec("psycopg") is not None
    if not there:
        hint = f"install it with {added_by(extra)}, or use memory"
        raise ConfigError(Problem(setting, f"needs the extra `{extra}`", hint=hint))
