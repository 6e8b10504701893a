"""The tables of usage: the records, and their sums by hour, day and month.

Sums are kept twice. `usage_by_value` has them for each value of one dimension (each key, each tag, …), which
most reports ask for. `usage_by_group` has them for each combination of values that occurred, which answers
every other report. A record is added to both in the transaction that stores it, at all three lengths, so no
report ever reads a record, and no later job has to be right for the sums to be right. End users are the
exception: there may be as many of them as records in an hour, so their sums begin with days.

What stands in the columns of sums: `usage_columns`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Final

import sqlalchemy as sa

from dragoman.state.usage_sums import Group
from dragoman.stores.sql.database import upsert
from dragoman.stores.sql.schema import METADATA
from dragoman.stores.sql.usage_columns import SUMMED

PADDING: Final[dict[str, Any]] = {"postgresql_with": {"fillfactor": 70}, "sqlite_with_rowid": False}
"""PostgreSQL updates a row inside of its page if there is room for the new version."""


def summed() -> Iterator[sa.Column[Any]]:
    """Yield new columns for sums."""
    for name in SUMMED:
        yield sa.Column(name, sa.BigInteger, nullable=False)


USAGE_GROUPS = sa.Table(
    "usage_groups",
    METADATA,
    sa.Column("id", sa.BigInteger, primary_key=True, autoincrement=False),  # a hash of the values
    *(sa.Column(f"{name}_name", sa.String, nullable=False) for name in Group._fields),
)
USAGE_RECORDS = sa.Table(
    "usage_records",
    METADATA,
    sa.Column("created", sa.Double, primary_key=True),
    sa.Column("id", sa.String, primary_key=True),
    sa.Column("ended", sa.Double, nullable=False),
    sa.Column("group_id", sa.BigInteger, nullable=False),  # of its own part (`state.usage_sums.parts_of`)
    sa.Column("end_user", sa.String),
    sa.Column("status", sa.Integer),
    sa.Column("failed", sa.Boolean, nullable=False),
    sa.Column("cost", sa.BigInteger),  # nano-USD; NULL = unknown
    sa.Column("input", sa.BigInteger, nullable=False),
    sa.Column("output", sa.BigInteger, nullable=False),
    sa.Column("rest", sa.LargeBinary, nullable=False),  # JSON: the fields of the record beside the others
    sqlite_with_rowid=False,
)
"""The time comes first in the key, so that new rows stand together: ids are random, and an index that begins
with them would have a page to write for each record.
"""
USAGE_BY_VALUE = sa.Table(
    "usage_by_value",
    METADATA,
    sa.Column("step", sa.SmallInteger, primary_key=True, autoincrement=False),  # `state.periods.STEPS`
    sa.Column("dimension", sa.SmallInteger, primary_key=True, autoincrement=False),  # NUMBERS
    sa.Column("begin", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("value", sa.String, primary_key=True),
    *summed(),
    **PADDING,
)
USAGE_BY_GROUP = sa.Table(
    "usage_by_group",
    METADATA,
    sa.Column("step", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("begin", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("group_id", sa.BigInteger, primary_key=True, autoincrement=False),
    *summed(),
    **PADDING,
)
USAGE_UNITS = sa.Table(
    "usage_units",
    METADATA,
    sa.Column("step", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("dimension", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("begin", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("value", sa.String, primary_key=True),
    sa.Column("unit", sa.String, primary_key=True),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""The units that have no column: by value of one dimension."""
USAGE_GROUP_UNITS = sa.Table(
    "usage_group_units",
    METADATA,
    sa.Column("step", sa.SmallInteger, primary_key=True, autoincrement=False),
    sa.Column("begin", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("group_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("unit", sa.String, primary_key=True),
    sa.Column("amount", sa.BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
"""The same by combination of values."""


def insert_new(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Insert the records that the database has not yet. Returns their ids.

    In SQLite the statement runs without SQLAlchemy, which takes longer for a row than the database.
    """
    if connection.dialect.name == "postgresql":
        return set(connection.execute(_KEEP, rows).scalars())
    new: set[str] = set()
    at = 0
    for size in _AT_ONCE:
        while len(rows) - at >= size:
            values = [row[name] for row in rows[at : at + size] for name in _COLUMNS]
            text = _TEXTS.get(size)
            if text is None:
                statement = _KEEP.values([dict.fromkeys(_COLUMNS)] * size)
                text = _TEXTS[size] = str(statement.compile(dialect=connection.dialect))
            new.update(connection.exec_driver_sql(text, tuple(values)).scalars())
            at += size
    return new


_KEEP: Final = upsert(USAGE_RECORDS).on_conflict_do_nothing().returning(USAGE_RECORDS.c.id)
_COLUMNS: Final = tuple(USAGE_RECORDS.c.keys())
_AT_ONCE: Final = 100, 10, 1
"""The rows of one statement: three lengths do for any number, and SQLite's driver remembers each."""
_TEXTS: Final[dict[int, str]] = {}
"""The statements for SQLite, by their rows."""


class Adding:
    """Adds the values of new rows to those of the rows with their keys, if there are any. names: the columns
    to add. The statement runs without SQLAlchemy, which would take more time for a row than the database.

    SQLite runs it for each row. PostgreSQL gets an array for each column, and runs it once for many rows:
    that takes a fifth of the time, as a row has 60 values, and each statement a way through the server.
    https://www.postgresql.org/docs/current/functions-array.html (unnest)
    """

    def __init__(self, table: sa.Table, names: Iterable[str]) -> None:
        self._table = table
        self._added = tuple(names)
        self._texts: dict[str, str] = {}

    def run(self, connection: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Add rows, of which each has another key. Their values are in the order of the table's columns."""
        if not rows:
            return
        dialect = connection.dialect
        in_arrays = dialect.name == "postgresql"
        text = self._texts.get(dialect.name)
        if text is None:
            text = self._texts[dialect.name] = str(
                self._statement(in_arrays=in_arrays).compile(dialect=dialect)
            )
        if not in_arrays:
            connection.exec_driver_sql(text, list(rows))
            return
        for start in range(0, len(rows), _ROWS_AT_ONCE):
            columns = zip(*rows[start : start + _ROWS_AT_ONCE], strict=True)
            named = zip(self._table.c, columns, strict=True)
            connection.exec_driver_sql(
                text, {column.name: _array(column, values) for column, values in named}
            )

    def _statement(self, *, in_arrays: bool) -> sa.Insert:
        insert = upsert(self._table)
        if in_arrays:
            columns = [
                sa.cast(sa.bindparam(one.name, type_=sa.ARRAY(one.type)), sa.ARRAY(one.type))
                for one in self._table.c
            ]
            new_rows = sa.func.unnest(*columns).table_valued(*self._table.c.keys()).render_derived()
            insert = insert.from_select(self._table.c.keys(), sa.select(*new_rows.c))
        own, new = self._table.c, insert.excluded
        added = {name: own[name] + new[name] for name in self._added}
        return insert.on_conflict_do_update(index_elements=list(self._table.primary_key), set_=added)


_ROWS_AT_ONCE: Final = 1_000


def _array(column: sa.Column[Any], values: Sequence[Any]) -> list[str] | str:
    """The values of a column for PostgreSQL. Numbers are written here: the driver would take longer."""
    return list(values) if isinstance(column.type, sa.String) else f"{{{','.join(map(str, values))}}}"
