"""The interface between the SQL store and its database.

The store passes steps to the database. A step is a plain function that takes a SQLAlchemy connection. The
database decides in which thread it runs a step, so the same steps work with every database. If a step fails
with an error of SQLAlchemy, of a driver (`sqlite3.Error`, `psycopg.Error`) or of the file system, its caller
gets StoreFailed or the subclass DataRefused. Other exceptions of a step reach its caller unchanged, for
example OverflowError and UnicodeError for values that SQLite's driver cannot convert.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Select
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError

from dragoman.state.store import DataRefused, StoreFailed
from dragoman.stores.limits import Limits
from dragoman.stores.sql.room import Room
from dragoman.stores.sqlite_file import REFUSALS

T = TypeVar("T")


class Database(Protocol):
    """Runs the store's steps in a database. kind: `sqlite` or `postgresql`. upgrades_itself: True = the first
    process that opens a database with an older schema upgrades it; False = an operator upgrades it.

    If the caller of a method is cancelled, its step is still run completely, or not at all. After `close`,
    reading and writing raise StoreFailed. Of all processes that write the same kind of data (`opening.Use`)
    into one database, only one writes at a time, from the beginning of a writing step until its commit.
    """

    @property
    def kind(self) -> str: ...

    @property
    def upgrades_itself(self) -> bool: ...

    @property
    def version(self) -> str | None:
        """The version of the database software; None = it is not known yet. Always known for SQLite."""

    async def read(self, step: Callable[[Connection], T]) -> T:
        """Run a step that only reads, and return its result. Each of its statements sees a consistent state
        of the database, but two statements may see different states, because others write in between (a
        `snapshot` prevents this). Raises StoreFailed, and the exceptions of the step.
        """

    async def look_up(
        self, wanted: Select[*tuple[Any, ...]], keys: Sequence[Any], values: Mapping[str, Any]
    ) -> Sequence[Sequence[Any]]:
        """Run a fast SELECT (`wanted`) that finds rows by an index, and return these rows. SQLite may run it
        on the event loop.

        keys: the values of the SELECT's list parameter `keys_` (`IN keys_`). values: the values of its other
        parameters, by name. Raises StoreFailed.
        """

    async def write(self, step: Callable[[Connection], T], size: int = 0) -> T:
        """Run a step that writes, in one transaction (perhaps together with other steps), and return its
        result after the commit.

        After a rollback, a step may run again, so it must change nothing outside the database. size: the
        approximate number of bytes that the step writes. Raises StoreFailed, and the exceptions of the step;
        then nothing is written. One exception: if the connection to a server was lost during the commit, it
        is not known whether the step is written.
        """

    async def shrink(self) -> None:
        """Give unused disk space back to the system, if this kind of database can do that. Raises
        StoreFailed.
        """

    async def keep_copy(self, before: str) -> None:
        """Make a copy of all data, before the schema is upgraded, unless there is one for this revision
        already. Does nothing if this database makes no copies, as in PostgreSQL. before: the revision that
        the schema will be upgraded to. Raises StoreFailed.
        """

    async def close(self) -> None:
        """Wait until the steps that run or wait have ended, then close the connections."""


class Part:
    """A part of the SQL store. room: limits the bytes of this part's rows, together with those of all other
    parts that have the same `room`. limits: the limits of the whole store. now: returns Unix seconds.
    """

    def __init__(self, database: Database, room: Room, limits: Limits, now: Callable[[], float]) -> None:
        self._database = database
        self._room = room
        self._limits = limits
        self._now = now

    def _named(self, tenant: str, id_: str) -> dict[str, Any]:
        """Return the values of three SQL parameters, by name: `tenant_` (the name of the client), `id_`, and
        `now_` (the present time).
        """
        return {"tenant_": tenant, "id_": id_, "now_": self._now()}


def failed(error: Exception) -> StoreFailed:
    """Return (not raise) the StoreFailed for an error of SQLAlchemy, of a driver or of the file system. The
    class is DataRefused for errors by which SQLite refuses values (`REFUSALS`). The text has only the first
    line of the error's text, because SQLAlchemy writes the SQL statement into later lines.
    """
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = str(cause).partition("\n")[0]
    kind = DataRefused if isinstance(cause, REFUSALS) else StoreFailed
    return kind(f"the database: {text or type(cause).__name__}")


upsert = postgresql.insert
"""Makes an INSERT that may have `ON CONFLICT`. SQLite understands it too."""
