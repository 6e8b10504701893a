"""What is deleted of usage, and in which steps."""

from __future__ import annotations

from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")

from dragoman.seams.clock import SYSTEM
from dragoman.state.periods import DAY
from dragoman.stores.address import Location
from dragoman.stores.limits import Limits
from dragoman.stores.sql.opening import opened
from dragoman.stores.sql.store import SqlStore
from dragoman.stores.sql.usage_retention import UsageRetention
from tests.unit.stores.conftest import ask
from tests.unit.stores.test_usage import BEGIN, record, usage_of


async def test_many_records_go_in_small_steps(place: Location) -> None:
    limits = Limits(usage_records=DAY)
    store = await SqlStore.open(place, limits, SYSTEM)
    await usage_of(store).keep([record(n) for n in range(1_100)])
    await store.close()
    database = await opened(place)
    steps: list[Any] = []
    write = database.write

    async def counted(step: Any, size: int = 0) -> Any:
        steps.append(await write(step, size))
        return steps[-1]

    database.write = counted  # type: ignore[method-assign]
    await UsageRetention(database, limits).sweep(BEGIN + 3 * DAY)
    await database.close()
    assert steps[:3] == [500, 500, 100]
    assert ask(place, "SELECT count(*) FROM usage_records")[0][0] == 0


async def test_a_period_stays_until_it_is_wholly_too_old(place: Location) -> None:
    store = await SqlStore.open(place, Limits(usage_hours=DAY), SYSTEM)
    await usage_of(store).keep([record(1), record(2, created=BEGIN + DAY + 10)])
    await store.sweep(BEGIN + DAY + 3599)
    assert ask(place, "SELECT count(*) FROM usage_by_group WHERE step = 0")[0][0] == 2
    await store.sweep(BEGIN + DAY + 3600)
    assert ask(place, "SELECT count(*) FROM usage_by_group WHERE step = 0")[0][0] == 1
    assert ask(place, "SELECT count(*) FROM usage_by_value WHERE step = 0 AND begin < 1767300000")[0][0] == 0
    assert ask(place, "SELECT count(*) FROM usage_by_group WHERE step > 0")[0][0] == 3
    await store.close()
