"""The migration that creates the tables of usage: the records, and their sums."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"

_NAMES: Final = (
    "key",
    "tenant",
    "team",
    "user",
    "model",
    "deployment",
    "provider",
    "face",
    "operation",
    "outcome",
)
_COUNTS: Final = ("requests", "failed", "recovered", "cut", "streamed", "estimated", "calls", "failed_calls")
_UNITS: Final = (
    "input",
    "cache_read",
    "cache_write",
    "cache_write_5m",
    "cache_write_1h",
    "output",
    "reasoning",
)
_COLUMNS_OF_DURATIONS: Final = 20


def upgrade() -> None:
    """Create the tables."""
    op.create_table(
        "usage_groups",
        sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),
        *(sa.Column(f"{name}_name", sa.String, nullable=False) for name in _NAMES),
    )
    op.create_table(
        "usage_records",
        sa.Column("created", sa.Double, primary_key=True),
        sa.Column("id", sa.String, primary_key=True),
        sa.Column("ended", sa.Double, nullable=False),
        sa.Column("group_id", sa.BigInteger, nullable=False),
        sa.Column("end_user", sa.String),
        sa.Column("status", sa.Integer),
        sa.Column("failed", sa.Boolean, nullable=False),
        sa.Column("cost", sa.BigInteger),
        sa.Column("input", sa.BigInteger, nullable=False),
        sa.Column("output", sa.BigInteger, nullable=False),
        sa.Column("rest", sa.LargeBinary, nullable=False),
        sqlite_with_rowid=False,
    )
    room: dict[str, Any] = {"postgresql_with": {"fillfactor": 70}, "sqlite_with_rowid": False}
    op.create_table("usage_by_value", *_of_values(), *_sums(), **room)
    op.create_table("usage_by_group", *_of_groups(), *_sums(), **room)
    for name, key in (("usage_units", _of_values()), ("usage_group_units", _of_groups())):
        op.create_table(
            name,
            *key,
            sa.Column("unit", sa.String, primary_key=True),
            sa.Column("amount", sa.BigInteger, nullable=False),
            sqlite_with_rowid=False,
        )


def _of_values() -> Iterator[sa.Column[Any]]:
    yield sa.Column("step", sa.SmallInteger, primary_key=True, autoincrement=False)
    yield sa.Column("dimension", sa.SmallInteger, primary_key=True, autoincrement=False)
    yield sa.Column("begin", sa.BigInteger, primary_key=True, autoincrement=False)
    yield sa.Column("value", sa.String, primary_key=True)


def _of_groups() -> Iterator[sa.Column[Any]]:
    yield sa.Column("step", sa.SmallInteger, primary_key=True, autoincrement=False)
    yield sa.Column("begin", sa.BigInteger, primary_key=True, autoincrement=False)
    yield sa.Column("group_id", sa.BigInteger, primary_key=True, autoincrement=False)


def _sums() -> Iterator[sa.Column[Any]]:
    """Yield the columns of sums. Each call makes new objects, because a column belongs to one table."""
    for name in (*_COUNTS, "unpriced", "cost", *(f"u_{unit}" for unit in _UNITS)):
        yield sa.Column(name, sa.BigInteger, nullable=False)
    for kind in ("total", "first"):
        for place in range(_COLUMNS_OF_DURATIONS):
            yield sa.Column(f"{kind}_{place}", sa.BigInteger, nullable=False)
