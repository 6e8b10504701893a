"""Deletes usage that is too old, and adds up the sums of tags and end users with little usage.

Records, and the sums of hours, days and months, are stored for as long as the settings say. There may be any
number of tags and end users. From a day after a period has ended, a sweep leaves only those with the largest
cost in this period (`Limits.usage_values` of each) their own sums. The others are added up under one value
(`OTHER`), so that the sums stay complete, and the rows stay few.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import sqlalchemy as sa

from dragoman.state.periods import STEPS, Step, start_of
from dragoman.state.usage_sums import OPEN, OTHER
from dragoman.stores.limits import Limits
from dragoman.stores.sql.database import Database
from dragoman.stores.sql.usage_columns import NUMBERS, SETTLED, SUMMED
from dragoman.stores.sql.usage_tables import (
    USAGE_BY_GROUP,
    USAGE_BY_VALUE,
    USAGE_GROUP_UNITS,
    USAGE_RECORDS,
    USAGE_UNITS,
    Adding,
)

_BATCH: Final = 500
"""The most rows that one transaction deletes because they are too old, and the most values that one
transaction adds up. A larger transaction would block writers.
"""
_OF_STEPS: Final = (USAGE_BY_VALUE, USAGE_BY_GROUP, USAGE_UNITS, USAGE_GROUP_UNITS)
_V: Final = USAGE_BY_VALUE.c
_ADD: Final = Adding(USAGE_BY_VALUE, SUMMED)
_ADD_UNITS: Final = Adding(USAGE_UNITS, ["amount"])


class UsageRetention:
    """Deletes usage that is older than the limits allow, and adds up the sums of tags and end users with
    little usage. limits: the limits of the store, of which the fields `usage_…` are used. Several processes
    may sweep at the same time.
    """

    def __init__(self, database: Database, limits: Limits) -> None:
        self._database = database
        self._limits = limits
        self._folded: dict[tuple[int, int], int] = {}
        """By (index of the step in STEPS, number of the dimension): the time up to which the sums of values
        with little usage were added up, in Unix seconds.
        """

    async def sweep(self, now: float) -> None:
        """Delete the records and sums that are too old at the time `now` (Unix seconds), and add up the sums
        of tags and end users with little usage. Raises StoreFailed.
        """
        limits = self._limits
        if limits.usage_records is not None:
            await self._remove(USAGE_RECORDS, USAGE_RECORDS.c.created < now - limits.usage_records)
        kept = (limits.usage_hours, limits.usage_days, limits.usage_months)
        for number, (step, seconds) in enumerate(zip(STEPS, kept, strict=True)):
            if seconds is not None:
                for table in _OF_STEPS:
                    await self._remove_periods(table, number, start_of(step, now - seconds))
        for number, step in enumerate(STEPS):
            for name in OPEN:
                await self._fold(number, step, NUMBERS[name], now)

    async def _remove_periods(self, table: sa.Table, number: int, before: int) -> None:
        """Delete the rows for periods that begin before `before` (Unix seconds). number: the index of the
        periods' length in STEPS.
        """
        own = table.c
        old = own.step == number, own.begin < before
        if "dimension" not in own:
            await self._remove(table, sa.and_(*old))
            return
        for dimension in NUMBERS.values():
            await self._remove(table, sa.and_(*old, own.dimension == dimension))

    async def _remove(self, table: sa.Table, condition: sa.ColumnElement[bool]) -> None:
        """Delete the rows of a table that meet a condition, at most `_BATCH` in one transaction."""
        key = sa.tuple_(*table.primary_key)
        some = sa.delete(table).where(key.in_(sa.select(*table.primary_key).where(condition).limit(_BATCH)))
        removed = _BATCH
        while removed == _BATCH:
            removed = await self._database.write(lambda connection: connection.execute(some).rowcount)

    # Values of tags and end users ---------------------------------------------------------------------

    async def _fold(self, number: int, step: Step, dimension: int, now: float) -> None:
        """In each period of one length that ended at least SETTLED seconds ago, keep the own sums of only
        those values of one dimension that have the largest cost, `Limits.usage_values` in number. The sums of
        all others are added to those of OTHER, and their rows are deleted. Periods that this object has
        treated before are skipped. number: the index of `step` in STEPS. dimension: the number of the
        dimension, as in NUMBERS. now: Unix seconds. Raises StoreFailed.
        """
        most, after = self._limits.usage_values, self._folded.get((number, dimension), 0)
        before = start_of(step, now - SETTLED)
        own = _V.step == number, _V.dimension == dimension
        span = _V.begin >= after, _V.begin < before
        large = sa.select(_V.begin).where(*own, *span).group_by(_V.begin).having(sa.func.count() > most)
        begins = await self._database.read(lambda connection: list(connection.execute(large).scalars()))
        for begin in begins:
            while await self._database.write(_folding(number, dimension, begin, most)):
                pass
        self._folded[number, dimension] = before


def _folding(number: int, dimension: int, begin: int, most: int) -> Callable[[sa.Connection], bool]:
    """Return a step that adds the sums of the values with the least usage (by cost, then by requests) in one
    period to those of OTHER, and deletes their rows, until `most` values are left besides OTHER and "" (no
    value). One run of the step treats at most `_BATCH` values, and returns whether the step must be run
    again. number: the index of the period's length in STEPS. dimension: the number of the dimension, as in
    NUMBERS. begin: the start of the period, Unix seconds.
    """

    def own(table: sa.Table) -> list[sa.ColumnElement[bool]]:
        columns = table.c
        return [columns.step == number, columns.dimension == dimension, columns.begin == begin]

    key = number, dimension, begin, OTHER
    named = [*own(USAGE_BY_VALUE), _V.value.not_in(["", OTHER])]
    order = (_V.cost, _V.requests, _V.value)

    def step(connection: sa.Connection) -> bool:
        count = connection.execute(sa.select(sa.func.count()).where(*named)).scalar_one()
        if count <= most:
            return False
        smallest = sa.select(_V.value).where(*named).order_by(*order).limit(min(_BATCH, count - most))
        values = list(connection.execute(smallest).scalars())
        for table, names, add in (
            (USAGE_BY_VALUE, SUMMED, _ADD),
            (USAGE_UNITS, ("amount",), _ADD_UNITS),
        ):
            these = [*own(table), table.c.value.in_(values)]
            by = [table.c.unit] if table is USAGE_UNITS else []
            sums = [sa.func.sum(table.c[name]).label(name) for name in names]
            summed = sa.select(*by, *sums).where(*these).group_by(*by)
            rows = [tuple(row) for row in connection.execute(summed) if row[-1] is not None]
            add.run(connection, [(*key, *map(_plain, row)) for row in rows])
            connection.execute(sa.delete(table).where(*these))
        return count - len(values) > most

    return step


def _plain(value: Any) -> str | int:
    """Return a sum as an integer, because some drivers return a decimal number. A text is returned
    unchanged.
    """
    return value if isinstance(value, str) else int(value)
