"""Usage in every store: the sums are those of the records, however they are asked for."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from itertools import combinations, count
from operator import add
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from dragoman.state.durations import bucket_of
from dragoman.state.periods import DAY, HOUR, start_of
from dragoman.state.store import Store
from dragoman.state.usage import UsageLine, UsageRecord
from dragoman.state.usage_archive import UsageArchive, UsageSearch
from dragoman.state.usage_report import Query, Report, problem
from dragoman.state.usage_sums import CROSSED, OTHER, Dimension
from dragoman.stores.usage import MemoryUsage
from tests.unit.stores.conftest import Make

BEGIN = 1_767_225_600  # 2026-01-01
YEAR = 366 * DAY
_NUMBERS = count()


def usage_of(store: Store) -> UsageArchive:
    assert store.usage is not None
    return store.usage


def record(number: int, created: float = BEGIN + 10.0, **more: Any) -> UsageRecord:
    stated = {
        "id": f"ex_{number}",
        "created": created,
        "ended": created + 1,
        "client": "ann",
        "model": "m",
        "deployment": "p/m",
        "provider": "p",
        "face": "openai_chat",
        "status": 200,
        "attempts": 1,
        "units": {"input": 10, "output": 1},
        "cost": 100,
        "seconds": 1.0,
        **more,
    }
    return UsageRecord(**stated)


def query(**more: Any) -> Query:
    return Query(**{"begin": BEGIN, "end": BEGIN + 40 * DAY, "top": 100, **more})


def told(report: Report, name: str = "requests") -> dict[Any, int]:
    return {group.values: group.sums[name] for group in report.groups}


async def test_a_record_is_counted_once_however_often_it_is_written(store: Store) -> None:
    usage = usage_of(store)
    assert await usage.keep([record(1), record(2), record(1)]) == 2
    assert await usage.keep([record(2), record(3, client="bob")]) == 1
    assert await usage.keep([]) == 0
    report = await usage.report(query(by=("key",)), BEGIN)
    assert told(report) == {("ann",): 2, ("bob",): 1}
    assert report.total["cost"] == 300


async def test_the_largest_groups_are_told_and_the_others_added_up(store: Store) -> None:
    usage = usage_of(store)
    await usage.keep([record(n, client=f"k{n % 4}", cost=n, model=f"m{n % 2}") for n in range(40)])
    report = await usage.report(query(by=("key",), top=1, rank="cost", step="day"), BEGIN)
    assert told(report, "cost") == {("k3",): 210, None: 780 - 210}
    assert [group.values for group in report.buckets[0].groups] == [("k3",), None]
    crossed = await usage.report(query(by=("key", "model"), top=2, rank="cost"), BEGIN)
    assert told(crossed, "cost") == {("k3", "m1"): 210, ("k2", "m0"): 200, None: 370}


async def test_a_request_with_several_tags_is_one_request_in_the_total(store: Store) -> None:
    usage = usage_of(store)
    await usage.keep([record(1, tags=("a", "b")), record(2, tags=("a",)), record(3)])
    report = await usage.report(query(by=("tag",)), BEGIN)
    assert told(report) == {("a",): 2, ("b",): 1, ("",): 1}
    assert report.total["requests"] == 3
    only = await usage.report(query(only={"tag": "a"}), BEGIN)
    assert only.total["requests"] == 2


async def test_any_text_is_a_value_and_a_batch_may_have_very_many(store: Store) -> None:
    odd = ['"', "\\", "{a,b}", "NULL", "a b", "'", "\n", "é\U0001f600", "%s", ","]
    usage = usage_of(store)
    await usage.keep([record(n, tags=(f"t{n}",), cost=2**52 + n) for n in range(1_100)])
    await usage.keep([record(2_000 + n, tags=(tag,), client=tag) for n, tag in enumerate(odd)])
    by_tag = await usage.report(query(by=("tag",), top=1_000, rank="cost", begin=BEGIN), BEGIN)
    assert told(by_tag, "cost")["t1099",] == 2**52 + 1_099
    assert by_tag.total["requests"] == 1_110
    assert told(by_tag)[None] == 110
    by_key = await usage.report(query(by=("key",), only={"model": "m"}), BEGIN)
    assert told(by_key) == {("ann",): 1_100, **{(tag,): 1 for tag in odd}}


async def test_rare_units_are_summed_too(store: Store) -> None:
    usage = usage_of(store)
    await usage.keep(
        [record(1, units={"images": 2}), record(2, client="bob", units={"images": 3, "output": 1})]
    )
    report = await usage.report(query(by=("key",), only={"model": "m"}), BEGIN)
    assert {group.values: group.sums.units.get("images") for group in report.groups} == {
        ("ann",): 2,
        ("bob",): 3,
    }
    report = await usage.report(query(by=("key",), top=1), BEGIN)
    assert report.total.units["images"] == 5
    assert report.groups[1].values is None


async def test_records_are_listed_as_they_were_the_latest_first(store: Store) -> None:
    usage = usage_of(store)
    lines = (
        UsageLine("q/x", "q", {"input": 4}, None, 3, outcome="x"),
        UsageLine("p/m", "p", {"input": 6}, 97),
    )
    odd = record(
        2,
        created=BEGIN + 20.5,
        key="key_1",
        tenant="acme",
        end_user="u",
        tags=("a", "b"),
        streamed=True,
        first=0.25,
        overhead=0.0005,
        units={"input": 10, "images": 1},
        cost=None,
        priced=100,
        estimated=True,
        lines=lines,
    )
    unknown = record(
        3, model="made-up", deployment=None, provider=None, failed=True, status=404, end="client/x/y"
    )
    await usage.keep([record(1), odd, unknown])
    assert await usage.records(UsageSearch(), 10) == [odd, unknown, record(1)]
    assert await usage.records(UsageSearch(tenant="acme", end_user="u"), 10) == [odd]
    assert await usage.records(UsageSearch(end_user=""), 10) == [
        one for one in (odd, unknown, record(1)) if not one.end_user
    ]
    assert await usage.records(UsageSearch(key="ann", before=(odd.created, odd.id)), 1) == [unknown]
    assert await usage.records(UsageSearch(begin=BEGIN + 20.5), 10) == [odd]
    assert await usage.records(UsageSearch(end=BEGIN + 10.0), 10) == []


async def test_strange_texts_can_be_stored(store: Store) -> None:
    usage = usage_of(store)
    strange = "a\0\ud800" + "x" * 300
    await usage.keep([record(1, client=strange, end_user=strange, tags=(strange,), model=strange)])
    report = await usage.report(query(by=("end_user",)), BEGIN)
    ((found,),) = told(report)
    assert found is not None
    assert found.startswith("a\ufffd?xxx")
    assert len(await usage.records(UsageSearch(), 1)) == 1


async def test_what_was_spent_since_a_time_counts_to_the_second(store: Store) -> None:
    usage = usage_of(store)
    times = [BEGIN + 10.0, BEGIN + HOUR - 5.0, BEGIN + HOUR + 1.0, BEGIN + 2 * DAY, BEGIN + 40 * DAY]
    await usage.keep([record(n, created=at, tenant=f"t{n % 2}") for n, at in enumerate(times)])
    since = await usage.spent(BEGIN + HOUR - 5.0, "tenant")
    assert {name: (one.requests, one.money) for name, one in since.items()} == {
        "t0": (2, 200),
        "t1": (2, 200),
    }
    assert since["t0"].input_tokens == 20
    everything = await usage.spent(0, None)
    assert everything[""].requests == 5
    assert await usage.spent(BEGIN + 50 * DAY, "tenant") == {}


# Sums equal the records ----------------------------------------------------------------------------------

names = st.sampled_from(["a", "b", "c", None])
lines = st.lists(
    st.builds(
        UsageLine,
        st.sampled_from(["p/x", "p/y", "q/z"]),
        st.just("p"),
        st.dictionaries(st.sampled_from(["input", "output", "cache_read", "images"]), st.integers(1, 10**9)),
        st.none() | st.integers(0, 10**12),
        outcome=st.sampled_from(["", "upstream/connect/refused"]),
    ),
    max_size=3,
)


@st.composite
def records(draw: Any) -> UsageRecord:
    used = tuple(
        UsageLine(one.deployment, one.deployment[0], one.units, one.cost, None, one.estimated, one.outcome)
        for one in draw(lines)
    )
    units: dict[str, int] = {}
    for one in used:
        for unit, amount in one.units.items():
            units[unit] = units.get(unit, 0) + amount
    known = [one.cost for one in used if one.cost is not None]
    created = float(draw(st.integers(0, 70 * 24)) * HOUR + draw(st.integers(0, HOUR - 1)))
    return UsageRecord(
        id="",
        created=created,
        ended=created + 1,
        client=draw(names),
        tenant=draw(names),
        end_user=draw(names),
        tags=tuple(draw(st.lists(st.sampled_from("xyz"), max_size=3, unique=True))),
        model=draw(names),
        deployment=used[-1].deployment if used else None,
        provider=used[-1].provider if used else None,
        status=200,
        end=draw(st.sampled_from(["done", "client/stream", "upstream/first_byte/x"])),
        failed=draw(st.booleans()),
        streamed=draw(st.booleans()),
        seconds=draw(st.none() | st.floats(0, 2000)),
        attempts=len(used),
        units=units,
        cost=sum(known) if len(known) == len(used) else None,
        priced=sum(known),
        lines=used,
    )


def naive(kept: Sequence[UsageRecord], wanted: Query) -> dict[Any, tuple[int, ...]]:
    """The main sums of a report, from the records alone."""
    found: dict[Any, list[int]] = {}
    for one in kept:
        if not wanted.begin <= one.created < wanted.end:
            continue
        for place, deployment in enumerate(
            dict.fromkeys([one.deployment, *(x.deployment for x in one.lines)])
        ):
            used = [x for x in one.lines if x.deployment == deployment]
            stated: dict[str, list[str | None]] = {
                "key": [one.client],
                "tenant": [one.tenant],
                "model": [one.model],
                "deployment": [deployment],
                "provider": [None if deployment is None else deployment[0]],
                "outcome": [one.end.split("/")[0]],
                "operation": [one.operation],
                "end_user": [one.end_user],
                "tag": list(one.tags) or [None],
            }
            if any(
                value not in [x or "" for x in stated.get(name, [None])]
                for name, value in wanted.only.items()
            ):
                continue
            bucket = 0 if wanted.step is None else start_of(wanted.step, one.created)
            for values in _products([stated.get(name, [None]) for name in wanted.by]):
                if any(
                    wanted.only.get(name, value) != value
                    for name, value in zip(wanted.by, values, strict=True)
                ):
                    continue
                sums = found.setdefault((bucket, values), [0] * 7)
                sums[0] += place == 0
                sums[1] += one.failed and place == 0
                sums[2] += sum(x.cost or 0 for x in used)
                sums[3] += any(x.cost is None for x in used)
                sums[4] += sum(x.units.get("images", 0) for x in used)
                sums[5] += sum(x.units.get("cache_read", 0) for x in used)
                if place == 0 and one.seconds is not None:
                    sums[6] += bucket_of(one.seconds)
    return {key: tuple(sums) for key, sums in found.items()}


def told_apart(found: dict[Any, tuple[int, ...]], top: int) -> dict[Any, tuple[int, ...]]:
    """The same sums, with those of all groups added up but of the `top` with the most requests."""
    requests: dict[Any, int] = {}
    for (_, values), sums in found.items():
        requests[values] = requests.get(values, 0) + sums[0]
    best = sorted(requests, key=lambda values: (-requests[values], values))[:top]
    apart: dict[Any, tuple[int, ...]] = {}
    for (bucket, values), sums in found.items():
        key = bucket, values if values in best else None
        apart[key] = tuple(map(add, apart.get(key, (0,) * len(sums)), sums))
    return apart


def _products(columns: list[list[str | None]]) -> Iterator[tuple[str, ...]]:
    if not columns:
        yield ()
        return
    for value in columns[0]:
        for rest in _products(columns[1:]):
            yield (value or "", *rest)


def main_sums(report: Report) -> dict[Any, tuple[int, ...]]:
    buckets = (
        [(0, report.groups)] if not report.buckets else [(one.begin, one.groups) for one in report.buckets]
    )
    return {
        (at, group.values): (
            group.sums["requests"],
            group.sums["failed"],
            group.sums["cost"],
            group.sums["unpriced"],
            group.sums.units.get("images", 0),
            group.sums.units.get("cache_read", 0),
            sum(bucket * times for bucket, times in group.sums.total.items()),
        )
        for at, groups in buckets
        for group in groups
    }


PAIRS: list[tuple[Dimension, ...]] = [(), ("tag",), ("end_user",), *((one,) for one in CROSSED)]
CROSSES: tuple[Dimension, ...] = "key", "model", "provider", "outcome"
PAIRS += list(combinations(CROSSES, 2))


@pytest.mark.parametrize("make", ["sqlite", "postgresql", "memory"], indirect=True)
def test_every_report_is_the_sum_of_the_records(make: Make, clock: Callable[[], float]) -> None:
    store = make()
    usage = usage_of(store)
    shared = asyncio.Runner()

    @settings(max_examples=8, deadline=None, suppress_health_check=list(HealthCheck))
    @given(
        st.lists(records(), min_size=1, max_size=25),
        st.integers(0, 24 * 10),
        st.integers(24, 24 * 75),
        st.sampled_from(["hour", "day", "month", None]),
        st.sampled_from(["model", "provider", "tenant"]),
        st.sampled_from([1, 2, 1000]),
    )
    def check(found: list[UsageRecord], begin: int, length: int, step: Any, only: Any, top: int) -> None:
        number = next(_NUMBERS)
        era = BEGIN + number * YEAR
        kept = [
            UsageRecord(**{**_fields(one), "id": f"ex_{number}_{at}", "created": era + one.created})
            for at, one in enumerate(found)
        ]
        wanted = Query(begin=era + begin * HOUR, end=era + (begin + length) * HOUR, step=step, top=top)

        async def compare() -> None:
            assert await usage.keep(kept[: len(kept) // 2]) == len(kept) // 2
            assert await usage.keep(kept) == len(kept) - len(kept) // 2
            for by in PAIRS:
                for filters in ({}, {only: "a"}):
                    asked = Query(**{**_fields(wanted), "by": by, "only": filters})
                    if problem(asked) is not None:
                        continue
                    report = await usage.report(asked, 0.0)
                    asked = Query(**{**_fields(asked), "begin": report.begin, "end": report.end})
                    assert main_sums(report) == told_apart(naive(kept, asked), top), (by, filters, step)
                    if by != ("tag",):
                        whole = naive(kept, Query(begin=asked.begin, end=asked.end, only=filters))
                        total = whole.get((0, ()), (0, 0, 0))
                        assert (report.total["requests"], report.total["cost"]) == (total[0], total[2])

        shared.run(compare())

    check()
    shared.run(store.close())
    shared.close()


def _fields(one: Any) -> dict[str, Any]:
    return {name: getattr(one, name) for name in one.__struct_fields__}


# What is kept --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("make", ["sqlite", "postgresql"], indirect=True)
async def test_sums_stay_when_records_go(make: Make) -> None:
    store = make(usage_records=10 * DAY)
    usage = usage_of(store)
    await usage.keep([record(n, created=BEGIN + n * DAY + 5) for n in range(20)])
    await store.sweep(BEGIN + 20 * DAY)
    assert [one.id for one in await usage.records(UsageSearch(), 100)] == [
        f"ex_{n}" for n in range(19, 9, -1)
    ]
    report = await usage.report(query(by=("key",), step="day"), BEGIN + 20 * DAY)
    assert [told_.groups[0].sums["requests"] for told_ in report.buckets if told_.groups] == [1] * 20


@pytest.mark.parametrize("make", ["sqlite", "postgresql"], indirect=True)
async def test_hours_go_and_a_span_is_then_told_in_whole_days(make: Make) -> None:
    store = make(usage_hours=5 * DAY)
    usage = usage_of(store)
    await usage.keep([record(n, created=BEGIN + n * HOUR, units={"images": 1}) for n in range(20 * 24)])
    now = BEGIN + 20 * DAY
    await store.sweep(now)
    report = await usage.report(query(begin=BEGIN + 30 * HOUR, end=BEGIN + 60 * HOUR), now)
    assert (report.begin, report.end) == (BEGIN + DAY, BEGIN + 3 * DAY)
    assert (report.total["requests"], report.total.units["images"]) == (48, 48)
    latest = await usage.report(query(begin=int(now) - 3 * HOUR, end=int(now), step="hour"), now)
    assert [one.groups[0].sums["requests"] for one in latest.buckets] == [1, 1, 1]


@pytest.mark.parametrize("make", ["sqlite", "postgresql"], indirect=True)
async def test_days_and_months_go_too(make: Make) -> None:
    store = make(usage_hours=0, usage_days=0, usage_months=0)
    usage = usage_of(store)
    await usage.keep([record(1)])
    await store.sweep(BEGIN + 40 * DAY)
    assert (await usage.report(query(by=("key",), only={"model": "m"}), BEGIN)).total["requests"] == 0
    assert await usage.spent(0, "key") == {}


@pytest.mark.parametrize("make", ["sqlite", "postgresql"], indirect=True)
async def test_small_end_users_become_one_when_their_period_is_over(make: Make) -> None:
    store = make(usage_values=3)
    usage = usage_of(store)
    await usage.keep([record(n, end_user=f"u{n}", cost=n, units={"images": 1}) for n in range(700)])
    await usage.keep([record(700, end_user=None)])
    before = await usage.report(query(by=("end_user",)), BEGIN)
    await store.sweep(BEGIN + 33 * DAY)
    report = await usage.report(query(by=("end_user",), rank="cost"), BEGIN)
    assert told(report, "cost") == {
        (OTHER,): sum(range(697)),
        ("u699",): 699,
        ("u698",): 698,
        ("u697",): 697,
        ("",): 100,
    }
    assert report.total == before.total
    await usage.keep([record(701, end_user="late")])
    assert (await usage.report(query(by=("end_user",)), BEGIN)).total["requests"] == 702


async def test_memory_drops_the_oldest_hour_and_says_since_when_it_knows() -> None:
    usage = MemoryUsage(lambda: BEGIN, most=3)
    await usage.keep([record(n, created=BEGIN + n * HOUR) for n in range(5)])
    report = await usage.report(query(step="hour", end=BEGIN + 5 * HOUR), BEGIN)
    assert report.since == BEGIN + 2 * HOUR
    assert report.total["requests"] == 3
