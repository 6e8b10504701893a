"""Migrations: they make the tables of the schema, and run only where they are needed."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, create_engine

from dragoman.seams.clock import SYSTEM
from dragoman.state.store import StoredResponse
from dragoman.stores.limits import DEFAULT_LIMITS
from dragoman.stores.sql.migrate import FOLDER, upgrade
from dragoman.stores.sql.schema import METADATA
from dragoman.stores.sql.store import SqlStore
from dragoman.stores.standing import HEAD


@pytest.fixture
async def store(tmp_path: Path) -> AsyncIterator[SqlStore]:
    store = await SqlStore.open(tmp_path / "state.db", DEFAULT_LIMITS, SYSTEM)
    yield store
    await store.close()


def answer(id_: str, **more: object) -> StoredResponse:
    return StoredResponse(id=id_, tenant="t", created=1.0, status="completed", body=b"{}", **more)  # type: ignore[arg-type]


def test_the_migrations_make_the_tables_that_the_schema_states() -> None:
    engine = create_engine("sqlite://")
    with engine.begin() as connection:
        upgrade(connection)
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, METADATA) == []
    engine.dispose()
    assert ScriptDirectory(str(FOLDER)).get_heads() == [HEAD]


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


async def test_an_up_to_date_database_is_opened_without_migrating(
    tmp_path: Path, store: SqlStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(_: Connection) -> None:
        raise AssertionError("it is up to date")

    monkeypatch.setattr("dragoman.stores.sql.migrate.upgrade", never)
    await (await SqlStore.open(tmp_path / "state.db", DEFAULT_LIMITS, SYSTEM)).close()
