"""Makes reports on usage from the sums in a database.

A report is made mainly with three kinds of SELECTs. The first kind finds the largest groups by one amount,
such as the cost. The second kind adds up all columns for these groups. The third kind adds up all columns for
everything; the largest groups are subtracted from its result, which leaves the sums of all other groups. So
most rows are read in the order in which they are stored, or not at all. To group all rows, the database would
have to sort them with all their columns, which takes longer than adding them up.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from operator import add, sub
from typing import Any, Final, Literal, NamedTuple, TypeAlias

import sqlalchemy as sa

from dragoman.ir.units import TOKENS
from dragoman.state.periods import STEPS, Segment, segments
from dragoman.state.usage_report import Cell, Known, Query, Report, best, made
from dragoman.state.usage_sums import COMMON, CROSSED, OPEN, Sums
from dragoman.stores.sql.usage_columns import NUMBERS, SUMMED, read
from dragoman.stores.sql.usage_tables import (
    USAGE_BY_GROUP,
    USAGE_BY_VALUE,
    USAGE_GROUP_UNITS,
    USAGE_GROUPS,
    USAGE_UNITS,
)

NAMES: Final = {name: USAGE_GROUPS.c[f"{name}_name"] for name in CROSSED}
"""The columns of `usage_groups`, by dimension."""
_RANKS: Final[Mapping[str, tuple[str, ...]]] = {
    "requests": ("requests",),
    "cost": ("cost",),
    "failed": ("failed",),
    "tokens": tuple(f"u_{unit}" for unit in COMMON if unit in TOKENS),
}


_Place: TypeAlias = Literal["sums", "units"]
_PLACES: Final[tuple[_Place, ...]] = ("sums", "units")
_Top: TypeAlias = Sequence[tuple[str, ...]]


class Source(NamedTuple):
    """The tables that answer a query. sums, units: the tables. labels, unit_labels: the columns to group by,
    in the table of sums and in that of units; () = the query does not group. joined: True = the query is
    about columns of `usage_groups`, which has to be joined. values: the values that rows must have, by column
    of `sums`; if `joined` is True, by dimension.
    """

    sums: sa.Table
    units: sa.Table
    labels: tuple[sa.ColumnElement[str], ...]
    unit_labels: tuple[sa.ColumnElement[str], ...]
    values: Mapping[str, Any]
    joined: bool

    def rows(self, table: sa.Table, segment: Segment) -> tuple[Any, list[sa.ColumnElement[bool]]]:
        """Return the table or join to select from, and the conditions on its rows, for one segment (a run of
        periods of one length). table: `sums` or `units`.
        """
        found = _within(table, segment)
        if not self.joined:
            return table, [*found, *(table.c[name] == value for name, value in self.values.items())]
        found += self.chosen()
        return table.join(USAGE_GROUPS, USAGE_GROUPS.c.id == table.c.group_id), found

    def chosen(self) -> list[sa.ColumnElement[bool]]:
        """Return the conditions on the rows of `usage_groups`. Only if `joined` is True."""
        return [NAMES[name] == value for name, value in self.values.items()]  # type: ignore[index]


def _within(table: sa.Table, segment: Segment) -> list[sa.ColumnElement[bool]]:
    own = table.c
    return [own.step == STEPS.index(segment.step), own.begin >= segment.begin, own.begin < segment.end]


def source_of(query: Query) -> Source:
    """Return the tables and columns that answer a query: the sums by value of one dimension if the query
    names at most one dimension, otherwise the sums by combination of values.
    """
    dimensions = query.dimensions
    if len(dimensions) > 1:
        labels = tuple(NAMES[name] for name in query.by)
        values: dict[str, Any] = dict(query.only.items())
        return Source(USAGE_BY_GROUP, USAGE_GROUP_UNITS, labels, labels, values, joined=True)
    values = {"dimension": NUMBERS[next(iter(dimensions), "")]}
    if query.only:
        (values["value"],) = query.only.values()
    by_value, units = ((USAGE_BY_VALUE.c.value,), (USAGE_UNITS.c.value,)) if query.by else ((), ())
    return Source(USAGE_BY_VALUE, USAGE_UNITS, by_value, units, values, joined=False)


def answered(connection: sa.Connection, query: Query, known: Known, now: float) -> Report:
    """Return the report for a query that `widened` has returned, so its span consists of whole periods. The
    caller makes sure that all statements see the same state of the database (`snapshot`). known: the times
    since which sums are stored. now: Unix seconds.
    """
    source = source_of(query)
    spans = segments(query.begin, query.end, query.step)
    top = _top(connection, source, query, known) if query.by else None
    whole = source if query.by == ("tag",) else source_of(_ungrouped(query))
    found: list[Cell] = []
    for place in _PLACES:
        rows = _rows(connection, source, place, spans, top)
        if top:
            rows += _others(_rows(connection, whole, place, spans, None), rows)
        found += map(_cell, rows)
    total = None
    if query.by == ("tag",) and not query.only:
        everyone, total = source_of(_ungrouped(query)), Sums()
        for cell in cells(connection, everyone, segments(query.begin, query.end, None), None):
            total.add(cell.sums)
    return made(query, found, total, now)._replace(since=known.since(query.step))


def _ungrouped(query: Query) -> Query:
    return Query(begin=query.begin, end=query.end, only=query.only)


def _top(connection: sa.Connection, source: Source, query: Query, known: Known) -> _Top:
    """Return the groups that the report shows separately, as their values in the dimensions of `Query.by`,
    the largest first; () = it shows all groups separately.
    """
    amounts: Counter[tuple[str, ...]] = Counter()
    names = _names(connection, source) if source.joined else None
    for span in _ranked(query, known):
        for value, amount in _amounts(connection, source, query, span):
            if names is None:
                amounts[value,] += amount
            elif value in names:
                amounts[names[value]] += amount
    return best(amounts, query.top) if len(amounts) > query.top else ()


def _ranked(query: Query, known: Known) -> list[Segment]:
    """Return the segments whose sums rank the groups. Usually they cover the report's span with a few long
    periods. In two cases they are the segments that the report itself reads: for tags and end users, because
    those with little usage are added up under OTHER in each period separately; and if the report begins
    before the first period that is stored.
    """
    since = known.since(query.step)
    same = query.dimensions.intersection(OPEN) or (since is not None and query.begin < since)
    return segments(query.begin, query.end, query.step if same else None)


def _names(connection: sa.Connection, source: Source) -> dict[int, tuple[str, ...]]:
    """Return {number of the group: its values in the dimensions of `Query.by`} for all stored groups that
    match the query. source: must be `joined`.
    """
    wanted = sa.select(USAGE_GROUPS.c.id, *source.labels).where(*source.chosen())
    return {id_: tuple(values) for id_, *values in connection.execute(wanted)}


def _amounts(
    connection: sa.Connection, source: Source, query: Query, span: Segment
) -> Iterator[tuple[Any, int]]:
    """Yield the amounts by which groups are ranked, in one segment: (value or number of the group, amount).
    The names of groups are not joined to the rows here, because sorting by numbers takes a third of the time.
    """
    table = source.sums
    label = table.c.group_id if source.joined else table.c.value
    conditions = _within(table, span) if source.joined else source.rows(table, span)[1]
    amount = summed(sum([table.c[name] for name in _RANKS[query.rank]]))
    for row in connection.execute(sa.select(label, amount).where(*conditions).group_by(label)):
        yield row[0], row[1]


def cells(
    connection: sa.Connection, source: Source, spans: Sequence[Segment], top: _Top | None
) -> Iterator[Cell]:
    """Yield the sums of some segments. Several cells may have the same bucket and values; the caller adds
    them up. top: the groups to return; () = all groups, None = everything together as one group.
    """
    for place in _PLACES:
        yield from map(_cell, _rows(connection, source, place, spans, top))


class _Row(NamedTuple):
    """A row of sums as it was read from the database. bucket, values: the start of the bucket and the values
    of the group, as in `Cell`. unit: None = `amounts` are the values of the columns `SUMMED`; else `amounts`
    has one value, the amount of this unit.
    """

    bucket: int
    values: tuple[str, ...] | None
    unit: str | None
    amounts: Sequence[int]


def _rows(
    connection: sa.Connection, source: Source, place: _Place, spans: Sequence[Segment], top: _Top | None
) -> list[_Row]:
    """Return the rows of some segments, added up by group and bucket in each segment. place: "sums" = the
    sums in columns, "units" = the units that have no column. top: the groups to return; () = all groups,
    None = everything together as one group.
    """
    of_units = place == "units"
    table, labels = (source.units, source.unit_labels) if of_units else (source.sums, source.labels)
    names = ("amount",) if of_units else SUMMED
    rows = []
    for span in spans:
        origin, conditions = source.rows(table, span)
        if top:
            conditions.append(_among(labels, top))
        by = [] if top is None else list(labels)
        if of_units:
            by.append(table.c.unit)
        if span.bucket is None:
            by.insert(0, table.c.begin)
        sums = [summed(table.c[name]) for name in names]
        wanted = sa.select(*by, *sums).select_from(origin).where(*conditions).group_by(*by)
        for found in connection.execute(wanted):
            keys: list[Any] = list(found[: len(by)])
            amounts: tuple[Any, ...] = found[len(by) :]
            if amounts[0] is None:
                continue  # the sum of no rows
            at = int(keys.pop(0)) if span.bucket is None else span.bucket
            unit = keys.pop() if of_units else None
            rows.append(_Row(at, tuple(keys), unit, amounts))
    return rows


def _others(everything: Iterable[_Row], told: Iterable[_Row]) -> list[_Row]:
    """Return the sums of all groups that the report does not show separately, as one group in each bucket.
    Rows that contain only zeros are left out. everything: the rows with the sums of all groups. told: the
    rows of the groups that are shown; they are subtracted.
    """
    left: dict[tuple[int, str | None], Sequence[int]] = {}
    for row in everything:
        at = row.bucket, row.unit
        left[at] = list(map(add, left[at], row.amounts)) if at in left else row.amounts
    for row in told:
        at = row.bucket, row.unit
        left[at] = list(map(sub, left[at], row.amounts))
    return [_Row(bucket, None, unit, amounts) for (bucket, unit), amounts in left.items() if any(amounts)]


def _cell(row: _Row) -> Cell:
    sums = read(row.amounts) if row.unit is None else Sums(None, {row.unit: row.amounts[0]})
    return Cell(row.bucket, row.values, sums)


def summed(value: Any) -> sa.ColumnElement[int]:
    """Return the SQL expression for the sum of `value`, a column or an expression, as an integer. Without the
    cast, PostgreSQL returns a decimal number, and reading decimal numbers takes longer than adding up.
    """
    return sa.cast(sa.func.sum(value), sa.BigInteger)


def _among(labels: Sequence[sa.ColumnElement[str]], top: Sequence[tuple[str, ...]]) -> sa.ColumnElement[bool]:
    if len(labels) == 1:
        return labels[0].in_([one[0] for one in top])
    return sa.tuple_(*labels).in_(list(top))
