"""Migrations: they make the tables of the schema, run only where they are needed, and disturb no older
version.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from operator import methodcaller
from pathlib import Path
from typing import Any

import msgspec
import psycopg
import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, Engine, create_engine, text

from dragoman.seams.clock import SYSTEM
from dragoman.state.exchanges import Search, StoredExchange
from dragoman.state.store import StoredResponse, StoreFailed
from dragoman.stores import standing
from dragoman.stores.address import Location, PostgresUrl
from dragoman.stores.limits import DEFAULT_LIMITS
from dragoman.stores.sql import migrate
from dragoman.stores.sql.exchanges import SqlExchanges
from dragoman.stores.sql.migrate import FOLDER, migrations, standing_of, upgrade, upgrade_database
from dragoman.stores.sql.opening import unchanged
from dragoman.stores.sql.schema import METADATA, SCHEMA_MARKS
from dragoman.stores.sql.store import SqlStore
from dragoman.stores.standing import HEAD, SchemaRefused
from tests.postgres import PostgresServer
from tests.unit.stores.conftest import ask, located

BEFORE = f"{int(HEAD) - 1:04}"
"""The schema of the version before."""


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    store = await SqlStore.open(tmp_path / "state.db", DEFAULT_LIMITS, SYSTEM)
    yield store
    await store.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Location]:
    """A database that the version before has made."""
    if request.param == "postgresql":
        with request.getfixturevalue("postgres").database(BEFORE) as url:
            yield located(url)
        return
    file = tmp_path / "state.db"
    with engine_of(file).begin() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        upgrade(connection, BEFORE)
    yield file


@pytest.fixture
def empty(postgres: PostgresServer) -> Iterator[PostgresUrl]:
    """A database of a server without tables."""
    with postgres.database(None) as url:
        yield located(url)


def engine_of(place: Location) -> Engine:
    if isinstance(place, PostgresUrl):
        uri = place.uri.reveal()
        return create_engine("postgresql+psycopg://", creator=lambda: psycopg.connect(uri))
    return create_engine(f"sqlite:///{place}")


def answer(id_: str, **more: object) -> StoredResponse:
    return StoredResponse(id=id_, tenant="t", created=1.0, status="completed", body=b"{}", **more)  # type: ignore[arg-type]


def exchange(id_: str) -> StoredExchange:
    called: dict[str, Any] = {"called": ("a/b",), "attempts": 1, "losses": 0, "line": b"{}", "trace": b"{}"}
    facts: dict[str, Any] = {"model": "m", "status": 200, "end": "done", "error": None, "client": "c"}
    return StoredExchange(id=id_, request_id=id_, created=1.0, **facts, **called)


def test_the_migrations_make_the_tables_that_the_schema_states(place: Location) -> None:
    def compared(thing: Any, name: str | None, kind: str, *_: Any) -> bool:
        # Some indexes are of another kind in PostgreSQL, where an entry has a limited size.
        return (
            kind != "index"
            or isinstance(place, Path)
            or name not in {"response_items_by_id", "conversation_items_by_id"}
        )

    engine = engine_of(place)
    with engine.begin() as connection:
        upgrade(connection)
        opts = {"compare_type": True, "include_object": compared}
        context = MigrationContext.configure(connection, opts=opts)
        assert compare_metadata(context, METADATA) == []
        assert standing_of(connection).revision == HEAD
    engine.dispose()
    assert ScriptDirectory(str(FOLDER)).get_heads() == [HEAD]


async def test_a_new_database_gets_its_tables_by_whoever_is_first(empty: PostgresUrl) -> None:
    """Several processes start at once; both uses of one database count as well."""
    opening = [SqlStore.open(empty, DEFAULT_LIMITS, SYSTEM) for _ in range(4)]
    stores = await asyncio.gather(*opening, SqlExchanges.open(empty, 10_000_000, 9e9, SYSTEM))
    *several, exchanges = stores
    for number, one in enumerate(several):
        assert isinstance(one, SqlStore)
        await one.responses.save(answer(f"r{number}"))
    assert isinstance(exchanges, SqlExchanges)
    assert await exchanges.keep([exchange("e")]) == 1
    assert ask(empty, "SELECT version_num FROM alembic_version") == [(HEAD,)]
    assert ask(empty, "SELECT count(*) FROM responses") == [(4,)]
    for store in (*several, exchanges):
        assert isinstance(store, SqlStore | SqlExchanges)
        await store.close()


async def test_the_log_says_once_that_a_file_was_upgraded(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    file = tmp_path / "state.db"
    with engine_of(file).begin() as connection:
        connection.exec_driver_sql("PRAGMA journal_mode=WAL")
        upgrade(connection, BEFORE)
    stores = [SqlStore.open(place, DEFAULT_LIMITS, SYSTEM) for place in (file, file, tmp_path / "new.db")]
    for store in await asyncio.gather(*stores):
        await store.close()
    await (await SqlStore.open(file, DEFAULT_LIMITS, SYSTEM)).close()
    (told,) = caplog.records
    assert told.getMessage() == f"the schema of the sqlite database was upgraded from {BEFORE} to {HEAD}"
    assert vars(told)["event"] == "schema_upgraded"
    assert vars(told)["fields"] == {"store": "sqlite", "before": BEFORE, "after": HEAD}


async def test_a_server_is_upgraded_only_by_an_operator(old: Location) -> None:
    if isinstance(old, Path):
        await (await SqlStore.open(old, DEFAULT_LIMITS, SYSTEM)).close()
        assert old.with_name(f"state.db.before-{HEAD}").exists()
    else:
        with pytest.raises(SchemaRefused, match=rf"schema {BEFORE}, .* run `dragoman db upgrade`"):
            await SqlStore.open(old, DEFAULT_LIMITS, SYSTEM)
        assert ask(old, "SELECT version_num FROM alembic_version") == [(BEFORE,)]
        database = unchanged(old, patient=True)
        await upgrade_database(database)
        await upgrade_database(database)  # nothing is left to do
        await database.close()
        await (await SqlStore.open(old, DEFAULT_LIMITS, SYSTEM)).close()
    assert ask(old, "SELECT version_num FROM alembic_version") == [(HEAD,)]


async def test_the_version_before_goes_on_while_a_database_is_upgraded(
    old: Location, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It reads and writes before, meanwhile and afterwards; no step fails, and nothing is lost or counted
    twice.
    """
    with monkeypatch.context() as before:
        for module in (standing, migrate):
            before.setattr(module, "HEAD", BEFORE)
        stores = [await SqlStore.open(old, DEFAULT_LIMITS, SYSTEM) for _ in range(2)]
    upgraded, loaded, written = asyncio.Event(), asyncio.Event(), 0

    async def load(store: SqlStore, name: str) -> None:
        nonlocal written
        left, number = 20, 0
        while left:
            id_ = f"{name}{number}"
            await store.responses.save(answer(id_))
            assert await store.responses.get("t", id_) == answer(id_)
            await store.sessions.append("t", name, b"turn", now=1e9, expires=9e9)
            number += 1
            written += 1
            if written == 20:
                loaded.set()
            left -= upgraded.is_set()

    loads = [asyncio.create_task(load(store, name)) for store, name in zip(stores, "ab", strict=True)]
    await loaded.wait()
    database = unchanged(old, patient=True)
    await upgrade_database(database)
    await database.close()
    upgraded.set()
    await asyncio.gather(*loads)
    assert ask(old, "SELECT version_num FROM alembic_version") == [(HEAD,)]
    assert ask(old, "SELECT count(*) FROM responses") == [(written,)]
    assert ask(old, "SELECT size, entries FROM shares WHERE kind = 'responses'") == ask(
        old, "SELECT sum(size), count(*) FROM responses"
    )
    after = await SqlStore.open(old, DEFAULT_LIMITS, SYSTEM)
    assert await after.responses.get("t", "a0") == answer("a0")
    for store in (*stores, after):
        await store.close()


async def test_the_version_before_stores_and_lists_exchanges_while_a_database_is_upgraded(
    old: Location,
) -> None:
    """Its statements, because this version's name the new column. What it has stored, before and afterwards,
    is no tenant's.
    """
    keep = text(
        "INSERT INTO exchanges (id, request_id, created, owner, model, called, attempts, losses, size,"
        " line, trace)"
        " VALUES (:id, :id, 1, 'c', 'm', '|a/b|', 1, 0, 9, :body, :body) ON CONFLICT DO NOTHING"
    )
    listed = text("SELECT line FROM exchanges WHERE owner = 'c' ORDER BY created DESC, id DESC LIMIT 100")
    before, upgraded, loaded = unchanged(old, "exchanges"), asyncio.Event(), asyncio.Event()
    written = 0

    async def load() -> None:
        nonlocal written
        left = 20
        while left:
            row = keep.bindparams(id=f"old{written:05}", body=b"{}")
            await before.write(methodcaller("execute", row))
            written += 1
            rows = await before.read(lambda connection: connection.execute(listed).all())
            assert len(rows) == min(written, 100)
            if written == 20:
                loaded.set()
            left -= upgraded.is_set()

    loading = asyncio.create_task(load())
    await loaded.wait()
    database = unchanged(old, patient=True)
    await upgrade_database(database)
    await database.close()
    upgraded.set()
    await loading
    after = await SqlExchanges.open(old, 10_000_000, 9e9, SYSTEM)
    await after.keep([msgspec.structs.replace(exchange("new"), tenant="acme")])
    assert len(await after.listed(Search(), 1000)) == written + 1
    assert len(await after.listed(Search(tenant="acme"), 1000)) == 1
    assert ask(old, "SELECT sum(entries) FROM shares WHERE kind = 'exchanges'") == [(written + 1,)]
    await before.close()
    await after.close()


async def test_a_database_of_a_newer_version_is_used_as_it_is(tmp_path: Path, store: SqlStore) -> None:
    """The one before works on, after the next has added what it needs."""
    await store.responses.save(answer("r"))
    newer = sqlite3.connect(tmp_path / "state.db")
    newer.execute("ALTER TABLE responses ADD COLUMN invented TEXT")
    newer.execute("UPDATE alembic_version SET version_num = '9999'")
    newer.commit()
    again = await SqlStore.open(tmp_path / "state.db", DEFAULT_LIMITS, SYSTEM)
    await again.responses.save(answer("s", previous="r"))
    history = await again.responses.history("t", "s", expires=None)
    assert history is not None
    assert [one.id for one in history] == ["r", "s"]
    assert newer.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]
    newer.close()
    await again.close()


async def test_a_newer_schema_that_this_version_cannot_use_is_refused(place: Location) -> None:
    await (await SqlStore.open(place, DEFAULT_LIMITS, SYSTEM)).close()
    assert ask(place, "SELECT name, value FROM schema_marks") == [("compatible_from", "0001")]
    change = "UPDATE alembic_version SET version_num = '9999'"
    ask(place, change, "UPDATE schema_marks SET value = '9998'")
    with pytest.raises(SchemaRefused, match=r"schema 9999; .* know the schema 9998"):
        await SqlStore.open(place, DEFAULT_LIMITS, SYSTEM)


async def test_an_up_to_date_database_is_opened_without_migrating(
    tmp_path: Path, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_: Connection) -> None:
        raise AssertionError("it is up to date")

    monkeypatch.setattr("dragoman.stores.sql.migrate.upgrade", never)
    await (await SqlStore.open(tmp_path / "state.db", DEFAULT_LIMITS, SYSTEM)).close()


async def test_an_upgrade_that_fails_changes_nothing(old: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    def fails(*_: Any, **__: Any) -> None:
        raise OSError(5, "Input/output error")

    database = unchanged(old, patient=True)
    with monkeypatch.context() as broken:
        broken.setattr(SCHEMA_MARKS, "create", fails)  # after all migrations
        with pytest.raises(StoreFailed, match="Input/output error"):
            await upgrade_database(database)
    assert ask(old, "SELECT version_num FROM alembic_version") == [(BEFORE,)]
    await upgrade_database(database)
    assert ask(old, "SELECT version_num FROM alembic_version") == [(HEAD,)]
    await database.close()


async def test_no_upgrade_without_its_copy(old: Location, monkeypatch: pytest.MonkeyPatch) -> None:
    if not isinstance(old, Path):
        return

    def full(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("dragoman.stores.sql.sqlite.keep_copy", full)
    with pytest.raises(StoreFailed, match="No space left"):
        await SqlStore.open(old, DEFAULT_LIMITS, SYSTEM)
    with closing(sqlite3.connect(old)) as file:
        assert file.execute("SELECT version_num FROM alembic_version").fetchall() == [(BEFORE,)]


def test_each_migration_says_what_it_does() -> None:
    known = migrations()
    assert [one.revision for one in known] == [f"{number:04}" for number in range(1, int(HEAD) + 1)]
    assert all(one.does for one in known)
    assert [one.revision for one in migrations("0003")] == [one.revision for one in known[3:]]
    newest: Callable[[str], bool] = lambda revision: revision <= HEAD  # noqa: E731
    assert all(one.compatible_from is None or newest(one.compatible_from) for one in known)
