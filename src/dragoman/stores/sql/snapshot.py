"""Several SELECTs that see one state of the database."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection

_BEGIN: Final[Mapping[str, str]] = {
    "sqlite": "BEGIN",
    # Compiling a statement that adds up 57 columns takes longer than the statement.
    # https://www.postgresql.org/docs/current/jit-decision.html
    "postgresql": "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL jit = off",
}


@contextmanager
def snapshot(connection: Connection) -> Generator[None]:
    """Begin a transaction that only reads: inside of it, what others write is not seen. It blocks no writer.

    https://www.sqlite.org/isolation.html ·
    https://www.postgresql.org/docs/current/transaction-iso.html#XACT-REPEATABLE-READ
    """
    driver: Any = connection.connection.driver_connection
    driver.execute(_BEGIN[connection.dialect.name])
    try:
        yield
    finally:
        driver.rollback()
