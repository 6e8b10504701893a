"""What was charged to the counters of limits stays in the database, once for each record."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")

from dragoman.seams.clock import SYSTEM
from dragoman.stores.address import Location
from dragoman.stores.limits import Limits
from dragoman.stores.sql.store import SqlStore
from dragoman.stores.sql.usage_batch import charges_of
from tests.unit.stores.conftest import ask
from tests.unit.stores.test_usage import BEGIN, record, usage_of

DAY = f"of m|requests|1day||m|{BEGIN}"
EVER = "of m|money|1lifetime|0a1b2c3d|*|0"
MINUTE = f"here|requests|1minute||10.0.0.1|{BEGIN}"
OTHER = f"gone|requests|1day||m|{BEGIN}"
NAMES = {"of m", "here"}


def test_charges_are_summed_in_the_order_of_their_counters() -> None:
    records = [
        record(n, settled=((EVER, 7), (DAY, 1), ("odd", 1), ("p|concurrency||||0", 1))) for n in (1, 2)
    ]
    assert charges_of(records) == [(EVER, 2**53, 14), (DAY, BEGIN + 86_400, 2)]


def test_windows_that_are_over_are_left_out() -> None:
    early = record(1, settled=((MINUTE, 1), (DAY, 1)))
    assert [row[0] for row in charges_of([early])] == [MINUTE, DAY]
    assert [row[0] for row in charges_of([early, record(2, BEGIN + 60.0)])] == [DAY]


async def test_a_record_is_charged_once_however_often_and_by_whom_it_is_stored(place: Location) -> None:
    stores = [await SqlStore.open(place, Limits(), SYSTEM) for _ in range(3)]
    usages = [usage_of(store) for store in stores]
    records = [record(n, settled=((DAY, 1), (EVER, 10 * n), (MINUTE, 1), (OTHER, 1))) for n in range(60)]
    try:
        batches = (records[:40], records[20:], records[::-1], records[30:50])
        await asyncio.gather(*(usages[at % 3].keep(batch) for at, batch in enumerate(batches)))
        assert await usages[0].charged(NAMES, BEGIN + 1.0) == {DAY: 60, EVER: 17_700, MINUTE: 60}
        assert await usages[0].charged(NAMES, BEGIN + 60.0) == {DAY: 60, EVER: 17_700}
        assert await usages[1].charged(set(), BEGIN + 1.0) == {}
        await usages[2].sweep(BEGIN + 60.0)
        assert {row[0] for row in ask(place, "SELECT counter FROM limit_counters")} == {DAY, EVER, OTHER}
        await usages[2].sweep(BEGIN + 1e10)
        assert [row[0] for row in ask(place, "SELECT counter FROM limit_counters")] == [EVER]
    finally:
        for store in stores:
            await store.close()


async def test_many_counters_are_read_in_pieces(place: Location) -> None:
    store = await SqlStore.open(place, Limits(), SYSTEM)
    wanted = {f"here|tokens|1lifetime||user {n}|0": n + 1 for n in range(21_000)}
    try:
        await usage_of(store).keep([record(1, settled=tuple(wanted.items()))])
        assert await usage_of(store).charged(NAMES, BEGIN) == wanted
    finally:
        await store.close()
