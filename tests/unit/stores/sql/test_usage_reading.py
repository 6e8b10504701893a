"""What is read of usage in a database: how spans are known, and which rows a statement reads."""

from __future__ import annotations

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")

from dragoman.seams.clock import SYSTEM
from dragoman.state.periods import DAY, HOUR
from dragoman.state.usage_report import Query
from dragoman.stores.address import Location
from dragoman.stores.limits import Limits
from dragoman.stores.sql.store import SqlStore
from tests.unit.stores.test_usage import BEGIN, record, usage_of


async def test_a_report_says_since_when_its_buckets_are_kept(place: Location) -> None:
    limits = Limits(usage_hours=2 * DAY, usage_days=10 * DAY)
    store = await SqlStore.open(place, limits, SYSTEM)
    usage = usage_of(store)
    now = BEGIN + 20 * DAY
    begin, end = BEGIN + 19 * DAY, BEGIN + 20 * DAY
    hours = await usage.report(Query(begin=begin, end=end, step="hour"), now)
    days = await usage.report(Query(begin=begin, end=end, step="day"), now)
    months = await usage.report(Query(begin=begin, end=end, step="month"), now)
    assert (hours.since, days.since, months.since) == (now - 2 * DAY, now - 10 * DAY, None)
    older = await usage.report(Query(begin=BEGIN + 3 * DAY, end=BEGIN + 4 * DAY), now)
    assert (older.begin, older.end) == (BEGIN, BEGIN + 31 * DAY)
    await store.close()


async def test_end_users_are_told_in_whole_days_and_their_spend_to_the_second(place: Location) -> None:
    store = await SqlStore.open(place, Limits(), SYSTEM)
    usage = usage_of(store)
    times = (BEGIN + 10, BEGIN + 5 * HOUR, BEGIN + DAY + 10)
    await usage.keep([record(n, created=float(at), end_user="u") for n, at in enumerate(times)])
    report = await usage.report(Query(begin=BEGIN + HOUR, end=BEGIN + 2 * HOUR, by=("end_user",)), BEGIN)
    assert (report.begin, report.end, report.total["requests"]) == (BEGIN, BEGIN + DAY, 2)
    spent = await usage.spent(BEGIN + HOUR, "end_user")
    assert spent["u"].requests == 2
    await store.close()
