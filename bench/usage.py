"""How fast reports on usage are in a large database, while records arrive.

    python -m bench.usage --rows 5000000 --database sqlite --database postgresql

Fills new databases with records of 90 days (200 keys of 20 tenants, 50 models, 8 providers, 50,000 end users,
10 tags) and with the sums that these records have; then asks for 20 different reports again and again, while
records are stored. PostgreSQL comes from the wheel that the tests use.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import os
import random
import shutil
import sqlite3
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, ExitStack, closing, suppress
from pathlib import Path
from typing import Any, Final, NamedTuple

import psycopg

from dragoman.state.periods import DAY, HOUR, start_of
from dragoman.state.store import Store
from dragoman.state.usage import UsageLine, UsageRecord
from dragoman.state.usage_archive import UsageArchive, UsageSearch
from dragoman.state.usage_report import Query, problem
from dragoman.state.usage_sums import OTHER, Group, parts_of
from dragoman.stores.limits import Limits
from dragoman.stores.open import open_store
from dragoman.stores.sql.usage import _named
from dragoman.stores.sql.usage_batch import _add, _spread, group_id
from dragoman.stores.sql.usage_columns import NUMBERS, SUMMED, amounts, full
from dragoman.stores.sql.usage_rows import is_exact, row_of
from dragoman.stores.sql.usage_tables import USAGE_BY_GROUP, USAGE_BY_VALUE, USAGE_GROUPS, USAGE_RECORDS

DAYS: Final = 90
END: Final = int(time.time()) // DAY * DAY
BEGIN: Final = END - DAYS * DAY
_PROTOTYPES: Final = 24
_COST: Final = SUMMED.index("cost")
_MADE: Final = 6
"""The days that are made."""
_KEPT: Final = 1000
"""The end users that sums tell apart, as the sweep of the store leaves them."""
_RNG: Final = random.Random(18)


class Source(NamedTuple):
    """Who asks for what: the values of records, and how often they occur."""

    key: int
    model: int
    deployment: str
    face: str
    weight: float


def sources() -> list[Source]:
    """About 700 combinations: each key asks for one to five models, each model has one or two deployments."""
    found = []
    for key in range(200):
        for place in range(_RNG.randint(1, 5)):
            model = min(49, int(_RNG.expovariate(0.08)))
            for provider in {model % 8, *([(model + 3) % 8] if _RNG.random() < 0.4 else [])}:
                weight = 1 / (1 + key) ** 0.7 / (1 + place)
                face = _RNG.choice(["openai_chat", "openai_chat", "anthropic", "openai_responses"])
                found.append(Source(key, model, f"provider-{provider}/model-{model}", face, weight))
    return found


def record(source: Source, created: float, number: int) -> UsageRecord:
    """One record of a source."""
    units = {"input": _RNG.randrange(20, 8000), "output": _RNG.randrange(1, 900)}
    if _RNG.random() < 0.4:
        units["cache_read"] = _RNG.randrange(100, 8000)
    end = _RNG.choices(["done", "client/stream", "upstream/first_byte/server_error"], [95, 3, 2])[0]
    provider = source.deployment.partition("/")[0]
    cost = None if source.model == 49 else _RNG.randrange(10**5, 10**8)
    line = UsageLine(source.deployment, provider, units, cost, key="key_1", price="2026-01-01")
    total = _RNG.lognormvariate(1, 0.7)
    return UsageRecord(
        id=f"ex_{number:08x}{_RNG.getrandbits(64):016x}",
        created=created,
        ended=created + total,
        client=f"key-{source.key:03}",
        key=f"key_{source.key:016}",
        tenant=f"tenant-{source.key % 20:02}",
        team=f"team-{source.key % 40:02}",
        end_user=f"user-{min(49_999, int(_RNG.expovariate(0.0002))):05}",
        tags=(f"tag-{source.key % 10}",),
        face=source.face,
        model=f"model-{source.model:02}",
        deployment=source.deployment,
        provider=provider,
        status=200 if end != "upstream/first_byte/server_error" else 502,
        end=end,
        failed=end.startswith("upstream"),
        streamed=True,
        first=_RNG.lognormvariate(-0.7, 0.6),
        seconds=total,
        overhead=0.0006,
        attempts=1,
        units=units,
        cost=cost,
        lines=(line,),
    )


class Fill:
    """Writes rows into databases as fast as they take them. writers: each takes a table's name and rows."""

    def __init__(self, rows: int, writers: list[Callable[[str, list[tuple[Any, ...]]], None]]) -> None:
        self._rows = rows
        self._writers = writers
        self._sources = sources()
        self._weights = [one.weight for one in self._sources]
        self._prototypes: dict[Source, list[tuple[dict[str, Any], Group, dict[int, int], str]]] = {}
        self._groups: set[Group] = set()
        self._number = 0

    def run(self) -> None:
        """Fill the databases: some days are made, and the others are copies of them."""
        shape = [1.6 + math.sin((hour - 9) / 24 * 2 * math.pi) for hour in range(24)]
        scale = self._rows / DAYS / sum(shape)
        months: dict[int, tuple[dict[Any, Any], dict[Any, Any]]] = {}
        for day in range(_MADE):
            start = BEGIN + day * DAY
            groups: dict[Any, Any] = {}
            values: dict[Any, Any] = {}
            for hour in range(24):
                by_group, by_value = self._hour(start + hour * HOUR, round(shape[hour] * scale))
                for (_, group), found in by_group.items():
                    _add(groups, (start, group), found)
                for (dimension, _, value), found in by_value.items():
                    _add(values, (dimension, start, value), found)
                self._write(0, by_group, by_value)
            self._write(1, groups, values)
            for other in range(day, DAYS, _MADE):
                month = start_of("month", BEGIN + other * DAY)
                of_groups, of_values = months.setdefault(month, ({}, {}))
                for (_, group), found in groups.items():
                    _add(of_groups, (month, group), found)
                for (dimension, _, value), found in values.items():
                    _add(of_values, (dimension, month, value), found)
            print(f"  made {day + 1} of {_MADE} days", file=sys.stderr)
        for of_groups, of_values in months.values():
            self._write(2, of_groups, of_values)
        names = [(group_id(group), *_named(group).values()) for group in sorted(self._groups)]
        self._tell(USAGE_GROUPS.name, names)

    def _hour(self, begin: int, count: int) -> tuple[dict[Any, Any], dict[Any, Any]]:
        """Write the records of one hour. Returns what they add to the sums."""
        by_group: dict[Any, Any] = {}
        by_value: dict[Any, Any] = {}
        rows = []
        for source in _RNG.choices(self._sources, self._weights, k=count):
            row, group, found, user = _RNG.choice(self._known(source))
            self._number += 1
            created = begin + _RNG.random() * HOUR
            id_ = f"ex_{self._number:08x}{_RNG.getrandbits(64):016x}"
            rows.append((created, id_, created + 2, *row.values()))
            _add(by_group, (begin, group), found)
            _add(by_value, (NUMBERS["tag"], begin, f"tag-{source.key % 10}"), found)
            _add(by_value, (NUMBERS["end_user"], begin, user), found)
        _spread(by_group, by_value)
        self._tell(USAGE_RECORDS.name, sorted(rows))
        return by_group, by_value

    def _known(self, source: Source) -> list[tuple[dict[str, Any], Group, dict[int, int], str]]:
        found = self._prototypes.get(source)
        if found is None:
            found = self._prototypes[source] = []
            for _ in range(_PROTOTYPES):
                one = record(source, 0.0, 0)
                ((group, sums),) = parts_of(one)
                self._groups.add(group)
                row = row_of(one, group, group_id(group), exact=is_exact(one, group))
                for name in ("created", "id", "ended"):
                    del row[name]
                found.append((row, group, amounts(sums), one.end_user or ""))
        return found

    def _write(self, number: int, by_group: dict[Any, Any], by_value: dict[Any, Any]) -> None:
        users = [key for key in by_value if key[0] == NUMBERS["end_user"]]
        for key in sorted(users, key=lambda one: by_value[one].get(_COST, 0), reverse=True)[
            _KEPT if number else 0 :
        ]:
            found = by_value.pop(key)
            if number:
                _add(by_value, (*key[:2], OTHER), found)
        groups = {(begin, group_id(group)): found for (begin, group), found in by_group.items()}
        self._tell(USAGE_BY_GROUP.name, [(number, *key, *full(groups[key])) for key in sorted(groups)])
        self._tell(USAGE_BY_VALUE.name, [(number, *key, *full(by_value[key])) for key in sorted(by_value)])

    def _tell(self, table: str, rows: list[tuple[Any, ...]]) -> None:
        for writer in self._writers:
            writer(table, rows)


def copies() -> Iterator[str]:
    """Yield the statements that copy the days that were made to all other days."""
    for day in range(_MADE, DAYS):
        begin = BEGIN + day % _MADE * DAY
        shift = (day - day % _MADE) * DAY
        rest = ", ".join(one.name for one in list(USAGE_RECORDS.c)[3:])
        span = f"BETWEEN {begin} AND {begin + DAY - 1}"
        yield (
            f"INSERT INTO usage_records SELECT created + {shift}, id || '_{day}', ended + {shift}, {rest}"
            f" FROM usage_records WHERE created {span}"
        )
        for step in (0, 1):
            sums = ", ".join(SUMMED)
            yield (
                f"INSERT INTO usage_by_group SELECT step, begin + {shift}, group_id, {sums}"
                f" FROM usage_by_group WHERE step = {step} AND begin {span}"
            )
            yield (
                f"INSERT INTO usage_by_value SELECT step, dimension, begin + {shift}, value, {sums}"
                f" FROM usage_by_value WHERE step = {step} AND begin {span}"
            )


def sqlite_writer(connection: sqlite3.Connection) -> Callable[[str, list[tuple[Any, ...]]], None]:
    """Inserts rows into a SQLite file."""

    def write(table: str, rows: list[tuple[Any, ...]]) -> None:
        if rows:
            marks = ",".join("?" * len(rows[0]))
            connection.executemany(f"INSERT INTO {table} VALUES ({marks})", rows)
            connection.commit()

    return write


def postgres_writer(connection: psycopg.Connection[Any]) -> Callable[[str, list[tuple[Any, ...]]], None]:
    """Copies rows into PostgreSQL."""

    def write(table: str, rows: list[tuple[Any, ...]]) -> None:
        with connection.cursor() as cursor, cursor.copy(f"COPY {table} FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        connection.commit()

    return write


def queries() -> dict[str, Query]:
    """Twenty reports that people ask for."""
    every: dict[str, dict[str, Any]] = {
        "90 days by tenant": {"by": ("tenant",)},
        "90 days by key": {"by": ("key",), "top": 200},
        "90 days, day by day": {"step": "day"},
        "90 days, by provider and day": {"by": ("provider",), "step": "day"},
        "90 days, by model and day": {"by": ("model",), "step": "day", "top": 50},
        "90 days, by deployment and month": {"by": ("deployment",), "step": "month"},
        "90 days, by key and model": {"by": ("key", "model"), "top": 100},
        "90 days, by tenant and provider, by day": {"by": ("tenant", "provider"), "step": "day"},
        "90 days, by key, of one model": {"by": ("key",), "only": {"model": "model-03"}, "rank": "cost"},
        "90 days, upstream failures by deployment": {"by": ("deployment",), "only": {"outcome": "upstream"}},
        "90 days by end user": {"by": ("end_user",), "top": 50},
        "90 days by face": {"by": ("face",)},
        "30 days, by tag and day": {"by": ("tag",), "step": "day", "days": 30},
        "30 days, by model and day, of a tenant": {
            "by": ("model",),
            "only": {"tenant": "tenant-04"},
            "step": "day",
            "days": 30,
        },
        "30 days, by model and hour": {"by": ("model",), "step": "hour", "days": 30},
        "30 days, by team and outcome": {"by": ("team", "outcome"), "days": 30},
        "7 days, by provider and hour": {"by": ("provider",), "step": "hour", "days": 7},
        "7 days, by model and provider and hour": {"by": ("model", "provider"), "step": "hour", "days": 7},
        "7 days, by key and hour, of a provider": {
            "by": ("key",),
            "only": {"provider": "provider-2"},
            "step": "hour",
            "days": 7,
        },
        "1 day, by outcome and hour": {"by": ("outcome",), "step": "hour", "days": 1},
    }
    found = {}
    for name, stated in every.items():
        days = stated.pop("days", DAYS)
        found[name] = Query(begin=END - days * DAY + 5 * HOUR, end=END + 2 * HOUR, **stated)
        assert problem(found[name]) is None, name
    return found


async def arrive(usage: UsageArchive, rate: int, counted: list[int]) -> None:
    """Store records at this rate, until cancelled."""
    made = sources()
    weights = [one.weight for one in made]
    began, number = time.perf_counter(), 0
    while True:
        chosen = _RNG.choices(made, weights, k=max(1, rate // 2))
        await usage.keep([record(one, END + _RNG.random() * HOUR, number := number + 1) for one in chosen])
        counted[0] += len(chosen)
        await asyncio.sleep(max(0.0, began + counted[0] / rate - time.perf_counter()))


class Took(NamedTuple):
    """What one report took: seconds on the clock, and seconds of processors, those of the database and of the
    records that arrived meanwhile included.
    """

    seconds: float
    processors: float


async def measure(
    usage: UsageArchive, rate: int, rounds: int, processors: Callable[[], float]
) -> dict[str, list[Took]]:
    """What each report took, while records arrive."""
    took: dict[str, list[Took]] = {name: [] for name in queries()}
    counted = [0]
    began = time.perf_counter()
    arriving = asyncio.create_task(arrive(usage, rate, counted))
    for _ in range(rounds):
        for name, query in queries().items():
            start, used = time.perf_counter(), processors()
            await usage.report(query, float(END))
            took[name].append(Took(time.perf_counter() - start, processors() - used))
    arriving.cancel()
    print(f"records that arrived meanwhile: {counted[0] / (time.perf_counter() - began):,.0f} a second")
    return took


async def throughput(usage: UsageArchive, count: int = 20_000, batch: int = 1000) -> float:
    """The records that are stored in a second, in batches."""
    made = sources()
    weights = [one.weight for one in made]
    found = [
        record(one, END + number / 5000, number)
        for number, one in enumerate(_RNG.choices(made, weights, k=count))
    ]
    began = time.perf_counter()
    for start in range(0, count, batch):
        await usage.keep(found[start : start + batch])
    return count / (time.perf_counter() - began)


def show(took: dict[str, list[Took]]) -> None:
    """Print what each report took."""
    every = [one for found in took.values() for one in found]
    for name, found in (*took.items(), ("all", every)):
        told = [
            f"p50 {_share(sorted(seconds), 0.5):5.0f} p95 {_share(sorted(seconds), 0.95):5.0f}"
            for seconds in ([one.seconds for one in found], [one.processors for one in found])
        ]
        print(f"  {name:45} ms: {told[0]}   of processors: {told[1]}")


def _share(ordered: list[float], share: float) -> float:
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000


class Place(NamedTuple):
    """A database. processors: returns the seconds that processors have worked for us and for it."""

    url: str
    processors: Callable[[], float]


def places(kinds: list[str], folder: Path, stack: ExitStack) -> Iterator[tuple[str, Place]]:
    """Yield a database of each kind."""
    for kind in kinds:
        if kind == "sqlite":
            yield kind, Place(f"sqlite:///{folder / 'usage.db'}", time.process_time)
        else:
            yield kind, _postgres(folder / "postgresql", stack)


def _postgres(folder: Path, stack: ExitStack) -> Place:
    """A database on a server of our own, whose data is in a folder."""
    from tests.postgres import PostgresServer

    server = PostgresServer(folder)
    stack.callback(server.pg_ctl, "stop")
    if not server.run("SELECT 1 FROM pg_database WHERE datname = 'usage'"):
        server.run("CREATE DATABASE usage")
    ticks = os.sysconf("SC_CLK_TCK")

    def processors() -> float:
        used = 0
        for pid in server.children():
            with suppress(OSError):
                fields = Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()
                used += int(fields[11]) + int(fields[12])
        return time.process_time() + used / ticks

    return Place(server.url("usage"), processors)


async def main() -> None:
    """Fill, measure and print."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--rows", type=int, default=5_000_000)
    options.add_argument("--database", action="append", choices=["sqlite", "postgresql"])
    options.add_argument("--rounds", type=int, default=5)
    options.add_argument("--rate", type=int, default=200, help="records a second that arrive meanwhile")
    options.add_argument("--keep", type=Path, help="a folder whose databases are kept, and used again")
    stated = options.parse_args()
    folder = stated.keep or Path(tempfile.mkdtemp(prefix="dragoman-usage-"))
    folder.mkdir(parents=True, exist_ok=True)
    try:
        with ExitStack() as stack:
            await _measured(stated, folder, stack)
    finally:
        if stated.keep is None:
            shutil.rmtree(folder, ignore_errors=True)


async def _measured(stated: argparse.Namespace, folder: Path, stack: ExitStack) -> None:
    found = dict(places(stated.database or ["sqlite", "postgresql"], folder, stack))
    async with AsyncExitStack() as opened:
        stores: dict[str, Store] = {}
        for kind, place in found.items():
            stores[kind] = open_store(place.url, folder, Limits())
            opened.push_async_callback(stores[kind].close)
        empty = {kind: place.url for kind, place in found.items() if not await _is_filled(stores[kind])}
        if empty:
            began = time.perf_counter()
            await asyncio.to_thread(_fill, empty, folder, stated.rows)
            print(f"filled with {stated.rows:,} records in {time.perf_counter() - began:,.0f} s")
        for kind, place in found.items():
            usage = stores[kind].usage
            assert usage is not None
            print(f"{kind}: {_size(kind, place.url, folder, stated.rows)}; load {os.getloadavg()[0]:.1f}")
            show(await measure(usage, stated.rate, stated.rounds, place.processors))
            used = place.processors()
            stored = await throughput(usage)
            share = (place.processors() - used) * 1000 / 20_000
            print(
                f"  stored: {stored:,.0f} records a second, {share:.2f} ms of processors each, 1,000 at once"
            )
            print(f"  load {os.getloadavg()[0]:.1f}", flush=True)


async def _is_filled(store: Store) -> bool:
    assert store.usage is not None
    return bool(await store.usage.records(UsageSearch(), 1))  # this also opens it


def _fill(urls: dict[str, str], folder: Path, rows: int) -> None:
    with ExitStack() as writing:
        writers: list[Any] = []
        connections: list[Any] = []
        for kind, url in urls.items():
            if kind == "sqlite":
                connections.append(writing.enter_context(closing(sqlite3.connect(folder / "usage.db"))))
                writers.append(sqlite_writer(connections[-1]))
            else:
                connections.append(writing.enter_context(psycopg.connect(url)))
                writers.append(postgres_writer(connections[-1]))
        Fill(rows, writers).run()
        for connection in connections:
            for statement in copies():
                connection.execute(statement)
                connection.commit()


def _size(kind: str, url: str, folder: Path, rows: int) -> str:
    if kind == "sqlite":
        size = (folder / "usage.db").stat().st_size
        return f"{size / 1e9:.2f} GB, {size / rows:.0f} bytes a record, sums included"
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute("ANALYZE")
        tables = ["usage_records", "usage_by_group", "usage_by_value"]
        sizes = {}
        for table in tables:
            row = connection.execute("SELECT pg_total_relation_size(%s)", [table]).fetchone()
            sizes[table] = 0 if row is None else int(row[0])
    size = sum(sizes.values())
    shares = ", ".join(f"{name} {one / 1e9:.2f}" for name, one in sizes.items())
    return f"{size / 1e9:.2f} GB ({shares}), {size / rows:.0f} bytes a record, sums included"


if __name__ == "__main__":
    asyncio.run(main())
