"""Usage that is written without SQLAlchemy stands in the file as if the store had written it."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")

from dragoman.state.periods import DAY
from dragoman.state.store import DataRefused, Store, StoreFailed
from dragoman.stores.limits import Limits
from dragoman.stores.open import open_store
from dragoman.stores.sql.opening import opened
from dragoman.stores.sql.usage_tables import USAGE_RECORDS
from dragoman.stores.usage_file import (
    _ADD_BY_GROUP,
    _ADD_BY_VALUE,
    _ADD_CHARGES,
    _ADD_GROUP_UNITS,
    _ADD_UNITS,
    _KEEP,
    _NAME_GROUP,
    UsageFile,
)
from tests.unit.stores.test_usage import BEGIN, query, record, told, usage_of

RECORDS = [
    record(
        n,
        client=f"k{n % 3}",
        tags=("a", "b")[: n % 3],
        end_user=f"u{n}",
        units={"input": n, "images": 1},
        settled=((f"l|tokens|lifetime|1||k{n % 3}|0", n),),
    )
    for n in range(123)
]
TABLES = (
    *("usage_records", "usage_groups", "usage_by_value", "usage_by_group"),
    *("usage_units", "usage_group_units", "limit_counters"),
)
WRITES = """
import asyncio, sys
from pathlib import Path
from dragoman.stores.open import open_store
from tests.unit.stores.test_usage import record

async def main():
    store = open_store("sqlite", Path(sys.argv[1]))
    assert await store.usage.keep([record(1), record(2)]) == 2
    await store.sweep(record(1).created)
    await store.close()

asyncio.run(main())
print(*sys.modules)
"""


def rows(file: Path, *tables: str) -> dict[str, list[Any]]:
    with closing(sqlite3.connect(file)) as connection:
        return {
            name: sorted(connection.execute(f"SELECT * FROM {name}").fetchall(), key=repr) for name in tables
        }


def schema(file: Path) -> list[tuple[str, str]]:
    with closing(sqlite3.connect(file)) as connection:
        made = connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY name")
        return [(name, text.strip()) for name, text in made]


async def test_a_new_file_gets_what_the_migrations_make(tmp_path: Path) -> None:
    """After a new migration: `python -m scripts.new_file --write`."""
    ours, migrated = tmp_path / "home" / "state.db", tmp_path / "migrated.db"
    usage = UsageFile(ours, Limits())
    assert await usage.keep([record(1)]) == 1
    await usage.close()
    await (await opened(migrated)).close()
    assert schema(ours) == schema(migrated)
    marks = ("alembic_version", "schema_marks")
    assert rows(ours, *marks) == rows(migrated, *marks)
    with closing(sqlite3.connect(ours)) as connection:
        pragmas = [
            connection.execute(f"PRAGMA {one}").fetchone()[0] for one in ("auto_vacuum", "journal_mode")
        ]
    assert pragmas == [2, "wal"]
    assert stat.S_IMODE(ours.stat().st_mode) == 0o600
    assert stat.S_IMODE(ours.parent.stat().st_mode) == 0o700


async def test_the_file_has_what_the_store_would_have_written(tmp_path: Path) -> None:
    plain, store = (
        UsageFile(tmp_path / "plain.db", Limits()),
        open_store(f"sqlite:///{tmp_path}/sql.db", tmp_path),
    )
    assert await usage_of(store).spent(0, None) == {}  # opens it
    for batch in (RECORDS[:8], RECORDS[4:], RECORDS):
        assert await plain.keep(batch) == await usage_of(store).keep(batch)
    await plain.close()
    await store.close()
    assert rows(tmp_path / "plain.db", *TABLES) == rows(tmp_path / "sql.db", *TABLES)
    found = rows(tmp_path / "plain.db", "usage_records", "limit_counters")
    assert len(found["usage_records"]) == len(RECORDS)
    assert sum(row[2] for row in found["limit_counters"]) == sum(range(123))


def test_the_statements_name_all_columns_of_their_tables() -> None:
    sums = (_ADD_BY_VALUE, _ADD_BY_GROUP, _ADD_UNITS, _ADD_GROUP_UNITS, _ADD_CHARGES)
    texts = (_KEEP[10], _NAME_GROUP, *sums)
    for name, text in zip(TABLES, texts, strict=True):
        table = USAGE_RECORDS.metadata.tables[name]
        columns = text.partition("(")[2].partition(")")[0].replace('"', "").split(", ")
        assert (text.split()[2], columns) == (name, list(table.c.keys()))
        if "DO UPDATE" in text:
            key = text.partition("ON CONFLICT (")[2].partition(")")[0].replace('"', "").split(", ")
            assert key == [one.name for one in table.primary_key]


def test_a_process_that_only_writes_usage_loads_no_sqlalchemy(tmp_path: Path) -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", WRITES, tmp_path],
        check=True,
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[3],
    ).stdout.split()
    assert "dragoman.stores.usage_file" in loaded
    assert {name.partition(".")[0] for name in loaded} & {"sqlalchemy", "alembic"} == set()
    assert len(rows(tmp_path / "state.db", "usage_records")["usage_records"]) == 2


async def test_many_processes_may_make_the_file_and_lose_and_double_nothing(tmp_path: Path) -> None:
    files = [UsageFile(tmp_path / "state.db", Limits()) for _ in range(6)]
    kept = await asyncio.gather(*(one.keep(RECORDS[at : at + 6]) for at, one in enumerate(files)))
    assert sum(one or 0 for one in kept) == 11
    for one in files:
        await one.close()
    everything = [
        row for row in rows(tmp_path / "state.db", "usage_by_group")["usage_by_group"] if row[0] == 2
    ]
    assert sum(row[3] for row in everything) == 11


async def test_another_schema_is_left_to_the_store(tmp_path: Path) -> None:
    file = tmp_path / "state.db"
    await (await opened(file)).close()
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("UPDATE alembic_version SET version_num = '0999'")
        connection.commit()
    usage = UsageFile(file, Limits())
    assert await usage.keep([record(1)]) is None
    await usage.close()
    store = open_store("sqlite", tmp_path)
    assert await usage_of(store).keep([record(1)]) == 1
    assert (store.healthy, store.version) == (True, sqlite3.sqlite_version)
    await store.close()


async def test_a_file_that_cannot_be_used_is_a_failure_that_ends(tmp_path: Path) -> None:
    home = tmp_path / "home"
    home.write_text("not a folder")
    store = open_store("sqlite", home)
    with pytest.raises(StoreFailed, match="the database: "):
        await usage_of(store).keep([record(1)])
    assert store.healthy is False
    home.unlink()
    assert await usage_of(store).keep([record(1)]) == 1
    assert (store.healthy, store.version) == (False, None)
    await store.probe()
    assert (store.healthy, store.last_error, store.version) == (True, None, sqlite3.sqlite_version)
    await store.close()
    with pytest.raises(StoreFailed, match="closed"):
        await usage_of(store).keep([record(2)])


async def test_nothing_is_written_when_a_record_cannot_be(tmp_path: Path) -> None:
    usage = UsageFile(tmp_path / "state.db", Limits())
    with pytest.raises(OverflowError):
        await usage.keep([record(1), record(2, cost=2**70)])
    assert await usage.keep([record(1)]) == 1
    await usage.close()


async def test_a_full_disk_is_no_fault_of_the_records(tmp_path: Path) -> None:
    usage = UsageFile(tmp_path / "state.db", Limits())
    assert await usage.keep([record(1)]) == 1
    assert usage._connection is not None
    usage._connection.execute("PRAGMA max_page_count = 1")  # as many as there are: no more
    with pytest.raises(StoreFailed, match="full") as full:
        await usage.keep([record(n) for n in range(2, 2000)])
    assert not isinstance(full.value, DataRefused)
    assert await usage.keep([record(1)]) == 0
    usage._connection.execute(
        "CREATE TRIGGER odd BEFORE INSERT ON usage_records BEGIN SELECT RAISE(ABORT, 'odd'); END"
    )
    with pytest.raises(DataRefused, match="odd"):
        await usage.keep([record(3)])
    await usage.close()


async def opened_by(store: Store, now: float) -> bool:
    """Whether a sweep at this time opens the store, because something is to be done."""
    await store.sweep(now)
    return store.version is not None


@pytest.mark.parametrize(
    ("limits", "idle", "due"),
    [
        ({"usage_records": 90.0 * DAY}, 80 * DAY, 91 * DAY),
        ({"usage_records": None, "usage_hours": 10.0 * DAY}, 9 * DAY, 12 * DAY),
        ({"usage_records": None, "usage_values": 5}, 3600, 3 * DAY),
    ],
)
async def test_the_store_is_opened_when_something_in_the_file_is_due(
    tmp_path: Path, limits: dict[str, Any], idle: float, due: float
) -> None:
    store = open_store("sqlite", tmp_path, Limits(**limits))
    await usage_of(store).keep(RECORDS)
    assert not await opened_by(store, BEGIN + idle)
    assert await opened_by(store, BEGIN + due)
    await store.close()


async def test_expired_answers_are_due(tmp_path: Path) -> None:
    store = open_store("sqlite", tmp_path)
    await usage_of(store).keep(RECORDS[:1])
    with closing(sqlite3.connect(tmp_path / "state.db")) as connection:
        connection.execute("INSERT INTO sessions VALUES ('s', 't', 0, 0, 1, 0.0, 50.0)")
        connection.commit()
    assert not await opened_by(store, 49.0)
    assert await opened_by(store, 51.0)
    assert rows(tmp_path / "state.db", "sessions") == {"sessions": []}
    await store.close()


async def test_records_before_and_after_the_opening_are_in_one_report(tmp_path: Path) -> None:
    store = open_store("sqlite", tmp_path)
    assert await usage_of(store).keep(RECORDS[:6]) == 6
    assert store.version is None
    assert told(await usage_of(store).report(query(by=("key",)), BEGIN)) == {(f"k{n}",): 2 for n in range(3)}
    assert await usage_of(store).keep(RECORDS[:12]) == 6
    assert told(await usage_of(store).report(query(by=("key",)), BEGIN)) == {(f"k{n}",): 4 for n in range(3)}
    await store.close()
