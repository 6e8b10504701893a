"""Reads usage from a database: reports from the sums, and records one by one.

A report takes two statements for each segment of its span (`state.periods`): the first finds which groups are
the largest, with a few columns; the second adds up everything for these groups and for all others together.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple

import msgspec
import sqlalchemy as sa

from dragoman.ir.units import TOKENS
from dragoman.state.periods import STEPS, Segment, rounded_up, segments, start_of
from dragoman.state.usage import UsageRecord
from dragoman.state.usage_archive import Spent, UsageSearch, spent_of
from dragoman.state.usage_report import Cell, Known, Query, Report, best, made, widened
from dragoman.state.usage_sums import COMMON, CROSSED, Dimension, Group, Sums, parts_of, tags_of, text
from dragoman.stores.limits import Limits
from dragoman.stores.sql.database import Database
from dragoman.stores.sql.usage_rows import record_of
from dragoman.stores.sql.usage_tables import (
    NUMBERS,
    SUMMED,
    USAGE_BY_GROUP,
    USAGE_BY_VALUE,
    USAGE_GROUP_UNITS,
    USAGE_GROUPS,
    USAGE_RECORDS,
    USAGE_UNITS,
    read,
)

_R: Final = USAGE_RECORDS.c
_N: Final = {name: USAGE_GROUPS.c[f"{name}_name"] for name in CROSSED}
_ENDLESS: Final = 10**11
_RANKS: Final[Mapping[str, tuple[str, ...]]] = {
    "requests": ("requests",),
    "cost": ("cost",),
    "failed": ("failed",),
    "tokens": tuple(f"u_{unit}" for unit in COMMON if unit in TOKENS),
}


class _Source(NamedTuple):
    """The tables that answer a query. sums, units: tables. labels: the columns to group by. conditions: what
    rows have to meet, by table. joined: whether the values stand in `usage_groups`.
    """

    sums: sa.Table
    units: sa.Table
    labels: tuple[sa.ColumnElement[Any], ...]
    unit_labels: tuple[sa.ColumnElement[Any], ...]
    values: Mapping[str, Any]
    joined: bool

    def rows(self, table: sa.Table, segment: Segment) -> tuple[Any, list[sa.ColumnElement[bool]]]:
        """What to select from, and which rows."""
        own = table.c
        found = [
            own.step == STEPS.index(segment.step),
            own.begin >= segment.begin,
            own.begin < segment.end,
        ]
        if not self.joined:
            return table, [*found, *(own[name] == value for name, value in self.values.items())]
        found += [_N[name] == value for name, value in self.values.items()]  # type: ignore[index]
        return table.join(USAGE_GROUPS, USAGE_GROUPS.c.id == own.group_id), found


class UsageReading:
    """Reads usage. limits: how long hours are kept."""

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self._limits = limits

    async def report(self, query: Query, now: float) -> Report:
        known = self._known(now, query)
        query = widened(query, known)
        source = _source(query)

        def step(connection: sa.Connection) -> Report:
            spans = segments(query.begin, query.end, query.step)
            top = _top(connection, source, query, spans) if query.by else None
            cells = [cell for span in spans for cell in _cells(connection, source, span, top)]
            total = None
            if query.by == ("tag",) and not query.only:
                everything = _source(Query(begin=query.begin, end=query.end))
                total = Sums()
                for span in segments(query.begin, query.end, None):
                    for cell in _cells(connection, everything, span, None):
                        total.add(cell.sums)
            return made(query, cells, total, now)._replace(since=known.since(query.step))

        return await self._database.read(step)

    def _known(self, now: float, query: Query) -> Known:
        """Since when sums are kept: those that begin earlier are deleted (`UsageRetention`)."""
        limits = self._limits
        if "end_user" in query.dimensions:
            limits = msgspec.structs.replace(limits, usage_hours=-_ENDLESS)
        kept = limits.usage_hours, limits.usage_days, limits.usage_months
        return Known(
            *(
                None if one is None else start_of(step, now - one)
                for step, one in zip(STEPS, kept, strict=True)
            )
        )

    async def spent(self, since: float, dimension: Dimension | None) -> Mapping[str, Spent]:
        hour = rounded_up("day" if dimension == "end_user" else "hour", since)
        day = rounded_up("day", hour)
        month = rounded_up("month", day)
        spans = [
            Segment("hour", hour, day, 0),
            Segment("day", day, month, 0),
            Segment("month", month, _ENDLESS, 0),
        ]
        by = () if dimension is None else (dimension,)
        source = _source(Query(begin=0, end=1, by=by))

        def step(connection: sa.Connection) -> dict[str, Sums]:
            found: dict[str, Sums] = {}
            for span in spans:
                for cell in _cells(connection, source, span, ()):
                    found.setdefault("".join(cell.values or ()), Sums()).add(cell.sums)
            for record in _between(connection, since, hour):
                for value, sums in _values(record, dimension):
                    found.setdefault(value, Sums()).add(sums)
            return found

        found = await self._database.read(step)
        return {value: spent_of(sums) for value, sums in found.items()}

    async def records(self, search: UsageSearch, limit: int) -> list[UsageRecord]:
        wanted = _records().where(*_conditions(search)).order_by(_R.created.desc(), _R.id.desc()).limit(limit)
        return await self._database.read(lambda connection: list(_read(connection, wanted)))


def _source(query: Query) -> _Source:
    dimensions = query.dimensions
    if len(dimensions) > 1:
        labels = tuple(_N[name] for name in query.by)
        return _Source(
            USAGE_BY_GROUP, USAGE_GROUP_UNITS, labels, labels, dict(query.only.items()), joined=True
        )
    number = NUMBERS[next(iter(dimensions), "")]
    values: dict[str, Any] = {"dimension": number}
    if query.only:
        (values["value"],) = query.only.values()
    by_value, units = ((USAGE_BY_VALUE.c.value,), (USAGE_UNITS.c.value,)) if query.by else ((), ())
    return _Source(USAGE_BY_VALUE, USAGE_UNITS, by_value, units, values, joined=False)


def _top(
    connection: sa.Connection, source: _Source, query: Query, spans: Sequence[Segment]
) -> list[tuple[str, ...]] | tuple[()]:
    """The groups that are told one by one; () = all are."""
    table = source.sums
    amount = summed(sum([table.c[name] for name in _RANKS[query.rank]]))
    amounts: Counter[tuple[str, ...]] = Counter()
    for span in spans:
        origin, conditions = source.rows(table, span)
        wanted = (
            sa.select(*source.labels, amount).select_from(origin).where(*conditions).group_by(*source.labels)
        )
        for *values, value in connection.execute(wanted):
            amounts[tuple(values)] += value
    return best(amounts, query.top) if len(amounts) > query.top else ()


def _cells(
    connection: sa.Connection, source: _Source, span: Segment, top: Sequence[tuple[str, ...]] | None
) -> Iterator[Cell]:
    """Yield the sums of a segment. top: the groups that are told one by one, () = all, None = no groups."""
    for table, labels in ((source.sums, source.labels), (source.units, source.unit_labels)):
        of_units = table is source.units
        names = ("amount",) if of_units else SUMMED
        by = [] if top is None else _named(labels, top)
        found = [*by, *([table.c.unit] if of_units else [])]
        if span.bucket is None:
            found.insert(0, table.c.begin)
        labelled = [one.label(f"by_{place}") for place, one in enumerate(found)]
        origin, conditions = source.rows(table, span)
        sums = [summed(table.c[name]) for name in names]
        wanted = sa.select(*labelled, *sums).select_from(origin).where(*conditions)
        wanted = wanted.group_by(*(sa.literal_column(one.name) for one in labelled))
        for row in connection.execute(wanted):
            keys, values = list(row[: len(found)]), row[len(found) :]
            if values[0] is None:
                continue  # the sum of no rows
            at = keys.pop(0) if span.bucket is None else span.bucket
            added = Sums(None, {keys.pop(): values[0]}) if of_units else read(values)
            yield Cell(int(at), _told(keys), added)


def summed(value: Any) -> sa.ColumnElement[int]:
    """The sum of a column as a whole number: for PostgreSQL it would be a decimal one, which takes longer to
    read than to add up.
    """
    return sa.cast(sa.func.sum(value), sa.BigInteger)


def _named(
    labels: Sequence[sa.ColumnElement[Any]], top: Sequence[tuple[str, ...]]
) -> list[sa.ColumnElement[Any]]:
    """The expressions to group by. They are NULL for all groups that are not among `top`; () = all are."""
    if not top:
        return list(labels)
    chosen = labels[0].in_([one[0] for one in top])
    if len(labels) > 1:
        chosen = sa.tuple_(*labels).in_(list(top))
    return [sa.case((chosen, label)) for label in labels]


def _told(values: Sequence[Any]) -> tuple[str, ...] | None:
    return None if values and values[0] is None else tuple(values)


def _records() -> sa.Select[Any]:
    joined = USAGE_RECORDS.join(USAGE_GROUPS, USAGE_GROUPS.c.id == _R.group_id)
    columns = (_R.created, _R.id, _R.ended, _R.end_user, _R.status, _R.failed, _R.cost, _R.rest)
    return sa.select(*columns, *_N.values()).select_from(joined)


def _read(connection: sa.Connection, wanted: sa.Select[Any]) -> Iterator[UsageRecord]:
    for row in connection.execute(wanted):
        yield record_of(row, Group(*row[-len(CROSSED) :]))


def _between(connection: sa.Connection, begin: float, end: float) -> Iterator[UsageRecord]:
    if begin < end:
        yield from _read(connection, _records().where(_R.created >= begin, _R.created < end))


def _conditions(search: UsageSearch) -> Iterator[sa.ColumnElement[bool]]:
    yield _R.created >= search.begin
    yield _R.created < search.end
    for column, value in (
        (_N["key"], search.key),
        (_N["tenant"], search.tenant),
        (_N["model"], search.model),
        (_N["provider"], search.provider),
        (_R.end_user, search.end_user),
    ):
        if value is not None:
            yield column == value
    if search.before is not None:
        created, id_ = search.before
        yield _R.created <= created
        yield sa.or_(_R.created < created, _R.id < id_)


def _values(record: UsageRecord, dimension: Dimension | None) -> Iterator[tuple[str, Sums]]:
    """Yield what a record adds to the values of a dimension."""
    for group, sums in parts_of(record):
        if dimension is None:
            yield "", sums
        elif dimension == "tag":
            for tag in tags_of(record) or [""]:
                yield tag, sums
        elif dimension == "end_user":
            yield text(record.end_user), sums
        else:
            yield getattr(group, dimension), sums
