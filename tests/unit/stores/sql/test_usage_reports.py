"""How reports are made of sums: which periods rank the groups, and what is left for all others."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
import sqlalchemy as sa

from dragoman.seams.clock import SYSTEM
from dragoman.state.periods import DAY, HOUR
from dragoman.state.usage_report import Known, Query, widened
from dragoman.stores.address import Location
from dragoman.stores.limits import Limits
from dragoman.stores.sql.opening import opened
from dragoman.stores.sql.store import SqlStore
from dragoman.stores.sql.usage_reports import answered
from tests.unit.stores.test_usage import BEGIN, record, told, usage_of


@pytest.mark.parametrize(
    ("by", "only"),
    [
        (("key",), {}),
        (("key", "model"), {}),
        (("key",), {"provider": "p"}),
        (("key",), {"provider": "p", "face": "openai_chat"}),
        (("tag",), {}),
    ],
)
@pytest.mark.parametrize("step", ["hour", "day", None])
async def test_others_are_everything_without_the_groups_that_are_told(
    place: Location, by: Any, only: Any, step: Any
) -> None:
    store = await SqlStore.open(place, Limits(), SYSTEM)
    usage = usage_of(store)
    await usage.keep(
        [
            record(
                n,
                created=BEGIN + n * 5 * HOUR,
                client="big" if n % 2 else f"k{n}",
                tags=("big" if n % 2 else f"k{n}",),
                units={"images": n, "input": 10 * n},
                seconds=float(n),
            )
            for n in range(20)
        ]
    )
    query = {"begin": BEGIN, "end": BEGIN + 5 * DAY, "by": by, "only": only, "step": step}
    few = await usage.report(Query(**query, top=1), BEGIN)
    every = await usage.report(Query(**query, top=100), BEGIN)
    assert told(few, "requests")[None] == 10
    for report in (few, every):
        assert len(report.groups) == (2 if report is few else 11)
    (others,) = [one.sums for one in few.groups if one.values is None]
    for one in every.groups:
        assert one.values is not None
        if one.values[0] == "big":
            assert one.sums == few.groups[0].sums
        else:
            others.units = {
                unit: amount - one.sums.units.get(unit, 0) for unit, amount in others.units.items()
            }
            for bucket, count in one.sums.total.items():
                others.total[bucket] -= count
    assert (set(others.units.values()), set(others.total.values())) == ({0}, {0})
    await store.close()


async def test_a_report_whose_hours_are_gone_ranks_by_what_it_knows(place: Location) -> None:
    store = await SqlStore.open(place, Limits(), SYSTEM)
    found = [record(n, client="old", created=BEGIN + n) for n in range(5)]
    await usage_of(store).keep([*found, record(9, client="new", created=BEGIN + 40 * DAY)])
    await store.close()
    database = await opened(place)
    query = widened(Query(begin=BEGIN, end=BEGIN + 41 * DAY, by=("key",), step="day", top=1))

    def answer(known: Known) -> Any:
        def step(connection: sa.Connection) -> Any:
            connection.execute(
                sa.text(f"DELETE FROM usage_by_value WHERE step = 1 AND begin < {BEGIN + 30 * DAY}")
            )
            return answered(connection, query, known, 0.0)

        return step

    known = await database.read(answer(Known(days=BEGIN + 30 * DAY)))
    assert told(known) == {("new",): 1}
    await database.close()
