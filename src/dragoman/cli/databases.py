"""The databases that a configuration names, for `dragoman db` and `dragoman check --live`."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypeVar

from dragoman.cli.options import refused
from dragoman.cli.terminal import UNREACHABLE, Failure
from dragoman.errors import ConfigError
from dragoman.seams.clock import SYSTEM

if TYPE_CHECKING:
    from dragoman.config.load import Loaded
    from dragoman.stores.address import Location
    from dragoman.stores.sql.database import Database
    from dragoman.stores.sql.migrate import Migration
    from dragoman.stores.sql.opening import Use
    from dragoman.stores.standing import Standing

T = TypeVar("T")


class Place(NamedTuple):
    """A database that the configuration names or uses by default. setting: the setting for it (`stores.sql`
    or `trace.store`). where: the path of a SQLite file, or the URL of a PostgreSQL database; its `str`
    contains no password. use: `state`, or `exchanges` for the stored traces.
    """

    setting: str
    where: Location
    use: Use


class Found(NamedTuple):
    """The state of a database. kind: `sqlite` or `postgresql`. version: that of SQLite or PostgreSQL, None =
    unknown. latency: the milliseconds of one query. standing: which schema the database has. pending: the
    migrations that this version knows and the database lacks, the oldest first; all of them if it is empty.
    problem: why this version of Dragoman cannot use the database, None = it can, if need be after an upgrade
    at its start. upgrades_itself: how an older schema is upgraded. True = the next start runs the migrations,
    False = `dragoman db upgrade` must run them.
    """

    place: Place
    kind: str
    version: str | None
    latency: float
    standing: Standing
    pending: list[Migration]
    problem: str | None
    upgrades_itself: bool

    @property
    def state(self) -> str:
        """The state of its schema, in a few words ("up to date", "to be upgraded")."""
        if self.standing.revision is None:
            return "empty: the first start creates its tables"
        if self.standing.is_older:
            return "the next start upgrades it" if self.upgrades_itself else "to be upgraded"
        if self.problem is not None:
            return "too new for this version"
        return "newer than this version, which can use it" if self.standing.is_newer else "up to date"

    def as_json(self) -> dict[str, Any]:
        """Return the state as a JSON object, as `dragoman db status --json` prints it."""
        from dragoman.stores.standing import HEAD

        return {
            "setting": self.place.setting,
            "database": str(self.place.where),
            "kind": self.kind,
            "version": self.version,
            "latency_ms": self.latency,
            "schema": self.standing.revision,
            "needed": HEAD,
            "state": self.state,
            "usable": self.problem is None,
            "pending": [{"revision": step.revision, "does": step.does} for step in self.pending],
        }


def places(found: Loaded) -> list[Place]:
    """Return the databases that the configuration names, each once; without `stores.sql`, the default SQLite
    file instead. SQLite files that do not exist yet are left out. Raises Failure if a setting does not name a
    valid database, or if the extra for a database is not installed (also for the default file).
    """
    from dragoman.stores.open import located, located_exchanges

    config = found.config
    try:
        where = located(config.stores.sql or "sqlite", found.home)
        exchanges = located_exchanges(config.trace.store, found.home)
    except ConfigError as error:
        raise refused(error, found.file) from None
    named: list[Place] = []
    if where is not None:
        named.append(Place("stores.sql", where, "state"))
    if exchanges is not None and exchanges != where:
        named.append(Place("trace.store", exchanges, "exchanges"))
    return [one for one in named if not isinstance(one.where, Path) or one.where.exists()]


def look(place: Place) -> Found:
    """Return the state of a database, without changing its schema. Raises Failure if it cannot be reached or
    a query fails.
    """
    from dragoman.stores.sql.migrate import migrations, standing_of
    from dragoman.stores.standing import SchemaRefused

    async def ask(database: Database) -> Found:
        # The first query also connects, so it is not timed.
        await database.read(lambda connection: connection.exec_driver_sql("SELECT 1").all())
        began = SYSTEM.monotonic()
        await database.read(lambda connection: connection.exec_driver_sql("SELECT 1").all())
        latency = round((SYSTEM.monotonic() - began) * 1000, 2)
        standing = await database.read(standing_of)
        pending = [] if standing.is_newer else migrations(standing.revision)
        problem = None
        try:
            standing.check(upgrades_itself=database.upgrades_itself)
        except SchemaRefused as error:
            problem = str(error)
        return Found(
            place=place,
            kind=database.kind,
            version=database.version,
            latency=latency,
            standing=standing,
            pending=pending,
            problem=problem,
            upgrades_itself=database.upgrades_itself,
        )

    return asked(place, ask)


def asked(place: Place, ask: Callable[[Database], Coroutine[Any, Any, T]], *, patient: bool = False) -> T:
    """Run the coroutine function `ask` with the database at this place, in an event loop of its own, and
    return its result. The schema is neither checked nor upgraded before; the database is closed after.
    patient: True = a statement in PostgreSQL may take an hour, for an upgrade. Raises Failure if the database
    cannot be reached or a statement fails.
    """
    from dragoman.state.store import StoreFailed
    from dragoman.stores.sql.opening import unchanged

    async def run() -> T:
        database = unchanged(place.where, place.use, patient=patient)
        try:
            return await ask(database)
        finally:
            await database.close()

    try:
        return asyncio.run(run())
    except StoreFailed as error:
        raise Failure(UNREACHABLE, f"{place.setting}: {error}") from None
