"""Usage in a database: who writes at once, and which groups are named."""

from __future__ import annotations

import asyncio

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")

from dragoman.seams.clock import SYSTEM
from dragoman.state.usage_report import Query
from dragoman.stores.address import Location
from dragoman.stores.limits import Limits
from dragoman.stores.sql.store import SqlStore
from tests.unit.stores.conftest import ask
from tests.unit.stores.test_usage import BEGIN, query, record, told, usage_of


async def test_several_processes_lose_and_double_nothing(place: Location) -> None:
    stores = [await SqlStore.open(place, Limits(), SYSTEM) for _ in range(3)]
    batches = [
        [record(n, client=f"k{n % 5}", tags=(f"t{n % 3}",)) for n in range(start, start + 40)]
        for start in (0, 20, 40, 60, 10, 0)
    ]
    try:
        usages = [usage_of(stores[at % 3]) for at in range(len(batches))]
        new = await asyncio.gather(*(one.keep(batch) for one, batch in zip(usages, batches, strict=True)))
        assert sum(new) == 100
        report = await usages[0].report(query(by=("key",), only={"model": "m"}), BEGIN)
        assert told(report) == {(f"k{n}",): 20 for n in range(5)}
        assert ask(place, "SELECT count(*) FROM usage_records")[0][0] == 100
        assert ask(place, "SELECT count(*) FROM usage_groups")[0][0] == 5
    finally:
        for store in stores:
            await store.close()


async def test_no_report_reads_a_record(place: Location) -> None:
    store = await SqlStore.open(place, Limits(), SYSTEM)
    try:
        usage = usage_of(store)
        await usage.keep([record(n, tags=("a",), end_user="u") for n in range(3)])
        ask(place, "DELETE FROM usage_records")
        for more in (
            {"by": ("tag",)},
            {"by": ("end_user",)},
            {"by": ("key", "model")},
            {"only": {"face": "openai_chat"}},
        ):
            asked = Query(begin=BEGIN, end=BEGIN + 3600, **more)
            assert (await usage.report(asked, BEGIN)).total["requests"] == 3
    finally:
        await store.close()
