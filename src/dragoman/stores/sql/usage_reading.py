"""Reads usage from a database: reports (`usage_reports`), what was spent since a time, and single records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

import msgspec
import sqlalchemy as sa

from dragoman.state.periods import STEPS, Segment, rounded_up, start_of
from dragoman.state.usage import UsageRecord
from dragoman.state.usage_archive import Spent, UsageSearch, spent_of
from dragoman.state.usage_report import Known, Query, Report, widened
from dragoman.state.usage_sums import Dimension, Group, Sums, parts_of, tags_of, text
from dragoman.stores.limits import Limits
from dragoman.stores.sql.database import Database
from dragoman.stores.sql.snapshot import snapshot
from dragoman.stores.sql.usage_reports import NAMES, answered, cells, source_of
from dragoman.stores.sql.usage_rows import record_of, storable
from dragoman.stores.sql.usage_tables import USAGE_GROUPS, USAGE_RECORDS

_R: Final = USAGE_RECORDS.c
_ENDLESS: Final = 10**11


class UsageReading:
    """Reads usage from a database: the methods of `state.usage_archive.UsageArchive` that read sums and
    records. limits: the limits of the store; its fields `usage_hours`, `usage_days` and `usage_months` tell
    how long sums are stored.
    """

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self._limits = limits

    async def report(self, query: Query, now: float) -> Report:
        known = self._known(now, query)
        query = widened(query, known)

        def step(connection: sa.Connection) -> Report:
            with snapshot(connection):
                return answered(connection, query, known, now)

        return await self._database.read(step)

    def _known(self, now: float, query: Query) -> Known:
        """Return the times since which the sums of hours, days and months are stored for this query; None =
        they are stored for ever. The usage of end users has no sums of hours at all, so for a query about end
        users `hours` is a time in the far future. now: Unix seconds.
        """
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
        source = source_of(Query(begin=0, end=1, by=by))

        def step(connection: sa.Connection) -> dict[str, Sums]:
            found: dict[str, Sums] = {}
            with snapshot(connection):
                for cell in cells(connection, source, spans, ()):
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


def _records() -> sa.Select[Any]:
    joined = USAGE_RECORDS.join(USAGE_GROUPS, USAGE_GROUPS.c.id == _R.group_id)
    columns = (_R.created, _R.id, _R.ended, _R.end_user, _R.status, _R.failed, _R.cost, _R.rest)
    return sa.select(*columns, *NAMES.values()).select_from(joined)


def _read(connection: sa.Connection, wanted: sa.Select[Any]) -> Iterator[UsageRecord]:
    for row in connection.execute(wanted):
        yield record_of(row, Group(*row[-len(NAMES) :]))


def _between(connection: sa.Connection, begin: float, end: float) -> Iterator[UsageRecord]:
    if begin < end:
        yield from _read(connection, _records().where(_R.created >= begin, _R.created < end))


def _conditions(search: UsageSearch) -> Iterator[sa.ColumnElement[bool]]:
    yield _R.created >= search.begin
    yield _R.created < search.end
    for column, value in (
        (NAMES["key"], search.key),
        (NAMES["tenant"], search.tenant),
        (NAMES["model"], search.model),
        (NAMES["provider"], search.provider),
    ):
        if value is not None:
            yield column == text(value)
    if search.end_user:
        yield _R.end_user == storable(search.end_user)
    elif search.end_user is not None:
        yield sa.or_(_R.end_user.is_(None), _R.end_user == "")  # "" finds the records without an end user
    if search.before is not None:
        created, id_ = search.before
        yield _R.created <= created
        yield sa.or_(_R.created < created, _R.id < storable(id_))


def _values(record: UsageRecord, dimension: Dimension | None) -> Iterator[tuple[str, Sums]]:
    """Yield pairs (value, sums): for each part of a record (`parts_of`), one pair for each value that the
    part has in a dimension. A part has several values only in the dimension `tag`. A value comes several
    times if several parts have it; the caller adds up. The value is "" if the part has none, or if
    `dimension` is None.
    """
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
