"""What the store asks of a database: one way there and back for each of its steps.

A step is a plain function of a SQLAlchemy connection. Where and in which thread it runs is the database's own
matter, so the same steps serve every one. Whatever a driver raises leaves a database as StoreFailed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from sqlalchemy import Connection, Select
from sqlalchemy.dialects import sqlite
from sqlalchemy.exc import DBAPIError

from dragoman.state.store import StoreFailed

T = TypeVar("T")


class Database(Protocol):
    """Runs steps.

    A caller that is cancelled gives up its answer. Its step is done whole, or not at all.
    """

    async def read(self, step: Callable[[Connection], T]) -> T:
        """What a step reads; each of its statements sees one state of the database. Raises StoreFailed."""
        ...

    async def look_up(
        self, wanted: Select[*tuple[Any, ...]], keys: Sequence[Any], values: Mapping[str, Any]
    ) -> Sequence[Sequence[Any]]:
        """The rows that a SELECT finds by an index, where its parameter `keys_` is these keys, and the others
        are these values. Raises StoreFailed.
        """
        ...

    async def write(self, step: Callable[[Connection], T], size: int = 0) -> T:
        """What a step gives that writes, in one transaction; it is durable by then. A step may be run again
        after one that was rolled back, so all that it changes is in the database. size: bytes that it writes,
        about. Raises StoreFailed.
        """
        ...

    async def shrink(self) -> None:
        """Give back the disk space that nothing takes any more. Nobody who writes waits long for it. Raises
        StoreFailed.
        """
        ...

    async def close(self) -> None:
        """Let go of the connections, when what has begun is done."""
        ...


def failed(error: Exception) -> StoreFailed:
    """What a driver's error is to everybody else: a sentence without statements, values and addresses."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig is not None else error
    text = str(cause).partition("\n")[0]
    return StoreFailed(f"the database: {text or type(cause).__name__}")


upsert = sqlite.insert
"""An INSERT that can say what to do about a row that is there already; PostgreSQL's says it alike."""
