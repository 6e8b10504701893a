"""Rows that are inserted without SQLAlchemy."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.pool import StaticPool

from dragoman.state.store import DataRefused
from dragoman.stores.sql.database import failed
from dragoman.stores.sql.inserting import insert

TABLE = sa.Table(
    "kept",
    sa.MetaData(),
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("body", sa.LargeBinary),
    sa.Column("size", sa.BigInteger),
    sa.Column("used", sa.Double),
)
ADD = sa.insert(TABLE)


@pytest.fixture
def connection() -> Iterator[sa.Connection]:
    engine = sa.create_engine(
        "sqlite://",
        creator=lambda: sqlite3.connect(":memory:"),
        poolclass=StaticPool,
        isolation_level="AUTOCOMMIT",
    )
    with engine.connect() as made:
        TABLE.metadata.create_all(made)
        yield made
    engine.dispose()


def test_rows_are_those_of_sqlalchemy(connection: sa.Connection) -> None:
    rows: list[dict[str, Any]] = [
        {"id": "a", "body": b"\0x", "size": 2**40, "used": 1.5},
        {"used": None, "size": None, "body": None, "id": "é"},
    ]
    insert(connection, ADD, rows)
    found = connection.execute(sa.select(TABLE).order_by(TABLE.c.id)).all()
    connection.execute(sa.delete(TABLE))
    connection.execute(ADD, rows)
    assert found == connection.execute(sa.select(TABLE).order_by(TABLE.c.id)).all()
    assert [tuple(row) for row in found] == [("a", b"\0x", 2**40, 1.5), ("é", None, None, None)]


def test_columns_without_a_value_get_none(connection: sa.Connection) -> None:
    insert(connection, ADD, [])
    insert(connection, ADD, [{"id": "a", "size": 1}])
    insert(connection, ADD, [{"id": "b", "used": 2.0}])
    found = connection.execute(sa.select(TABLE).order_by(TABLE.c.id)).all()
    assert [tuple(row) for row in found] == [("a", None, 1, None), ("b", None, None, 2.0)]


def test_sqlalchemy_is_not_asked(connection: sa.Connection, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sa.Connection, "execute", lambda *_: pytest.fail("by SQLAlchemy"))
    insert(connection, ADD, [{"id": "a"}])


def test_what_is_refused_is_an_error_of_sqlalchemy(connection: sa.Connection) -> None:
    """A step's errors are told from those of its transaction by their class."""
    insert(connection, ADD, [{"id": "a"}])
    with pytest.raises(DBAPIError) as refused:
        insert(connection, ADD, [{"id": "a"}])
    assert isinstance(refused.value.orig, sqlite3.IntegrityError)
    with pytest.raises(IntegrityError) as asked:
        connection.execute(ADD, [{"id": "a"}])
    assert type(failed(refused.value)) is type(failed(asked.value)) is DataRefused
    assert str(failed(refused.value)) == str(failed(asked.value))
