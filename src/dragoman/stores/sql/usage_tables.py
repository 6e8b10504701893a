"""The tables of usage: the records, and their sums by hour, day and month; and the statements that write rows
into them.

Sums are stored twice. `usage_by_value` has them for each value of one dimension (each key, each tag, …); most
reports need only these. `usage_by_group` has them for each combination of values that occurred, without tags
and end users; all other reports are made from these. The transaction that stores a record also adds it to
both tables, by hour, day and month. So reports do not read records, and the sums do not depend on a later
job. End users are an exception: there may be as many end users as records in an hour, so they have sums only
by day and by month.

`usage_columns` describes the columns of sums.
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
"""Options of a table whose rows are often updated. PostgreSQL leaves free space in each page, and writes the
new version of a row into the same page if it fits.
"""


def summed() -> Iterator[sa.Column[Any]]:
    """Yield new columns for sums, one for each name in SUMMED."""
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
    sa.Column("rest", sa.LargeBinary, nullable=False),  # JSON: the fields that have no column
    sqlite_with_rowid=False,
)
"""The key begins with the time, so that new rows are written next to each other. Ids are random, so with an
index that begins with the id, each record would need another page.
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
"""The amounts of units that have no column, by value of one dimension."""
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
"""The amounts of units that have no column, by combination of values."""


def insert_new(connection: sa.Connection, rows: Sequence[Mapping[str, Any]]) -> set[str]:
    """Insert the records that are not in the database yet (by `created` and `id`), and return their ids.
    rows: as `usage_rows.row_of` makes them.

    In SQLite the statement runs without SQLAlchemy, which would need more time for a row than the database
    does.
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
"""The numbers of rows that one statement may have, in SQLite. Three sizes are enough for any number of rows,
and SQLite's driver caches the statement of each size.
"""
_TEXTS: Final[dict[int, str]] = {}
"""The statements for SQLite, by their number of rows."""


class Adding:
    """Inserts rows into a table; if the table has a row with the same key, adds the values to the values of
    that row. names: the columns whose values are added; the other columns of that row stay. The statement
    runs without SQLAlchemy, which would need more time for a row than the database does.

    SQLite runs the statement for each row. PostgreSQL gets an array for each column, and runs the statement
    once for up to 1,000 rows. This takes a fifth of the time, because a row of sums has about 60 values, and
    each statement has its own cost in the server. https://www.postgresql.org/docs/current/functions-array.html
    (unnest)
    """

    def __init__(self, table: sa.Table, names: Iterable[str]) -> None:
        self._table = table
        self._added = tuple(names)
        self._texts: dict[str, str] = {}

    def run(self, connection: sa.Connection, rows: Sequence[tuple[Any, ...]]) -> None:
        """Insert or add these rows, as the class describes. No two of them may have the same key. The values
        of a row are in the order of the table's columns.
        """
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
    """Return the values of a column as a parameter for PostgreSQL: a list of texts, or numbers written as the
    text of an array (`{1,2}`), because this is faster than the driver.
    """
    return list(values) if isinstance(column.type, sa.String) else f"{{{','.join(map(str, values))}}}"
