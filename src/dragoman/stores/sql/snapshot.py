"""Lets several SELECTs over sums of usage see the same state of the database."""

from __future__ import annotations

from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import Any, Final

from sqlalchemy import Connection

_BEGIN: Final[Mapping[str, str]] = {
    "sqlite": "BEGIN",
    # These statements read a range of a primary key and add up 57 columns. To compile this takes longer than
    # to run it. The server knows little of how many rows a range and a list of names leave, and may choose to
    # seek each of many rows, or to read the whole table, which takes ten times as long.
    # https://www.postgresql.org/docs/current/runtime-config-query.html
    "postgresql": (
        "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; SET LOCAL jit = off; SET LOCAL work_mem = '32MB';"
        " SET LOCAL enable_nestloop = off; SET LOCAL enable_seqscan = off"
    ),
}


@contextmanager
def snapshot(connection: Connection) -> Generator[None]:
    """Begin a transaction for statements that only read, and end it after the block. The connection must not
    be in a transaction. Inside the block, changes that others commit after its first SELECT are not visible.
    The transaction blocks no writer of rows. In PostgreSQL, it also has settings that make sums fast
    (`_BEGIN`).

    https://www.sqlite.org/isolation.html ·
    https://www.postgresql.org/docs/current/transaction-iso.html#XACT-REPEATABLE-READ
    """
    driver: Any = connection.connection.driver_connection
    driver.execute(_BEGIN[connection.dialect.name])
    try:
        yield
    finally:
        driver.rollback()
