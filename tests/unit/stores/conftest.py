"""All stores, made the same way, with a clock that stands still until a test moves it."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import Any, TypeAlias

import pytest

from dragoman.seams.clock import SYSTEM, Seams
from dragoman.state.store import Store
from dragoman.stores.address import Location, PostgresUrl, database
from dragoman.stores.limits import Limits
from dragoman.stores.open import open_store

NOW = 1_000_000.0


class Clock:
    """Unix seconds, as a test says."""

    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


Make: TypeAlias = Callable[..., Store]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite", "postgresql"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Location]:
    """A new database of each kind: a file that does not exist yet, or one of a server, with our tables."""
    pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
    if request.param == "sqlite":
        yield tmp_path / "state.db"
        return
    with request.getfixturevalue("postgres").database() as url:
        yield located(url)


@pytest.fixture(params=["memory", "sqlite", "postgresql"])
async def make(request: pytest.FixtureRequest, tmp_path: Path, clock: Clock) -> AsyncIterator[Make]:
    """Makes stores of one kind, with limits by name; those in a database share it."""
    if request.param != "memory":
        pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
    made: list[Store] = []
    seams = Seams(clock, clock, SYSTEM.random_id, SYSTEM.uniform)
    with ExitStack() as databases:
        where = request.param
        if where == "postgresql":
            where = databases.enter_context(request.getfixturevalue("postgres").database())

        def maker(**limits: Any) -> Store:
            store = open_store(where, tmp_path / "home", Limits(**limits), seams)
            made.append(store)
            return store

        yield maker
        for store in made:
            await store.close()


@pytest.fixture
async def store(make: Make) -> Store:
    """One store of each kind."""
    return make()


def located(url: str) -> PostgresUrl:
    """The database at a URL of PostgreSQL."""
    place = database(url)
    assert isinstance(place, PostgresUrl)
    return place


def ask(place: Location, *statements: str) -> list[Any]:
    """Run statements by another connection, as another program would; the rows of the last one."""
    found: list[Any] = []
    if isinstance(place, PostgresUrl):
        import psycopg  # here, because tests of the store in memory run without it

        with psycopg.connect(place.uri.reveal(), autocommit=True) as server:
            for statement in statements:
                cursor = server.execute(statement)
                found = [] if cursor.description is None else cursor.fetchall()
        return found
    with closing(sqlite3.connect(place, isolation_level=None)) as file:
        file.execute("PRAGMA foreign_keys=ON")
        for statement in statements:
            found = file.execute(statement).fetchall()
    return found
