"""A store that is ill makes no health answer wait or fail."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")

from dragoman.assembly import store_health
from dragoman.assembly.store_health import keep_probed
from dragoman.config.load import load
from dragoman.gateway import Gateway
from dragoman.seams.clock import Seams
from dragoman.state.store import StoreFailed
from dragoman.stores.memory import MemoryStore
from dragoman.stores.sql.batches import Outcome
from tests.postgres import PostgresServer
from tests.unit.stores.test_usage import record


class Odd(MemoryStore):
    """A store that counts as it is told: fails, or never answers."""

    def __init__(self, fails: Exception | None) -> None:
        super().__init__()
        self.sessions: Any = self
        self.healthy = fails is None
        self.last_error = "lost" if fails else None
        self._fails = fails

    async def count(self) -> int:
        if self._fails is not None:
            raise self._fails
        await asyncio.Event().wait()
        return 0


@pytest.mark.parametrize(
    ("fails", "told"), [(StoreFailed("lost"), "lost"), (None, "it does not answer")], ids=["lost", "hangs"]
)
async def test_a_store_that_is_ill_makes_health_neither_wait_nor_fail(
    monkeypatch: pytest.MonkeyPatch, fails: Exception | None, told: str
) -> None:
    monkeypatch.setattr("dragoman.assembly.assemble.open_store", lambda *_: Odd(fails))
    monkeypatch.setattr("dragoman.assembly.store_health._WAIT", 0.01)
    gateway = Gateway()
    await gateway.start()
    health = await asyncio.wait_for(gateway.health(details=True), 5)
    assert health["status"] == "healthy"
    assert health["store"] == {"kind": "memory", "healthy": False, "last_error": told}
    assert health["sessions"] is None
    await gateway.close()


async def test_asking_for_health_opens_no_database(tmp_path: Path) -> None:
    """Usage is written without opening it, and each scrape of the metrics asks too."""
    environ = {"DRAGOMAN_HOME": str(tmp_path), "DRAGOMAN_SQL": "sqlite"}
    gateway = Gateway(load(None, environ, cwd=tmp_path))
    await gateway.start()
    store = gateway.running.store
    assert (await gateway.health(details=True))["store"] == {
        "kind": "sqlite",
        "healthy": None,
        "last_error": None,
    }
    assert store.usage is not None
    assert await store.usage.keep([record(1)]) == 1
    health = await gateway.health(details=True)
    assert health["store"] == {"kind": "sqlite", "healthy": True, "last_error": None}
    assert (health["sessions"], store.is_open) == (None, False)
    await gateway.close()


async def test_a_database_tells_its_version_and_how_long_it_took(
    tmp_path: Path, postgres: PostgresServer
) -> None:
    with postgres.database() as url:
        place = url.partition("?")[0]
        for setting, kind in (("sqlite", "sqlite"), (url, "postgresql")):
            gateway = Gateway(
                load(None, {"DRAGOMAN_HOME": str(tmp_path), "DRAGOMAN_SQL": setting}, cwd=tmp_path)
            )
            await gateway.start()
            assert await gateway.running.store.sessions.count() == 0
            store = (await gateway.health(details=True))["store"]
            assert (store["kind"], store["healthy"], store["last_error"]) == (kind, True, None)
            assert store["version"][0].isdigit()
            assert 0 < store["latency_ms"] < 500
            assert place not in str(store)
            await gateway.close()


class Probed(MemoryStore):
    """A store whose probes end as they are told to: None = well."""

    def __init__(self, *ends: Exception | None, opened: bool = True) -> None:
        super().__init__()
        self.is_open = opened
        self.at: list[float] = []
        self._ends = iter(ends)

    async def probe(self) -> None:
        end = next(self._ends)
        self.at.append(Hours.now)
        self.healthy = end is None
        if end is not None:
            raise end


class Hours:
    """A clock that goes on when somebody sleeps, and ends the test after five minutes."""

    now = 0.0

    @classmethod
    async def sleep(cls, seconds: float) -> None:
        cls.now += seconds
        if cls.now > 300:
            raise asyncio.CancelledError


@pytest.fixture
def probed(monkeypatch: pytest.MonkeyPatch) -> Callable[[MemoryStore], Any]:
    monkeypatch.setattr(Hours, "now", 0.0)
    monkeypatch.setattr(store_health.asyncio, "sleep", Hours.sleep)  # type: ignore[attr-defined]

    async def run(store: MemoryStore) -> None:
        with pytest.raises(asyncio.CancelledError):
            await keep_probed(store, Seams(monotonic=lambda: Hours.now, uniform=lambda: 0.5))

    return run


async def test_a_store_is_probed_rarely_while_it_works_and_often_while_it_fails(
    probed: Callable[[MemoryStore], Any], caplog: pytest.LogCaptureFixture
) -> None:
    store = Probed(None, StoreFailed("full"), ValueError("odd"), StoreFailed("full"), *[None] * 9)
    with caplog.at_level(logging.WARNING, store_health.log.name):
        await probed(store)
    assert store.at == [5, 65, 70, 75, 80, 140, 200, 260]
    assert [record.getMessage() for record in caplog.records] == [
        "the store takes nothing that is written: full",
        "the store takes what is written again",
    ]


@pytest.mark.parametrize(("healthy", "at"), [(None, []), (False, [5.0])], ids=["unused", "failed"])
async def test_a_store_is_opened_for_a_probe_only_if_it_has_failed(
    probed: Callable[[MemoryStore], Any], healthy: bool | None, at: list[float]
) -> None:
    store = Probed(None, opened=False)
    store.healthy = healthy
    await probed(store)
    assert store.at == at


async def test_health_shows_a_store_that_reads_but_does_not_write(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("dragoman.assembly.store_health._LOOK", 0.01)
    environ = {"DRAGOMAN_HOME": str(tmp_path), "DRAGOMAN_SQL": "sqlite"}
    gateway = Gateway(load(None, environ, cwd=tmp_path))
    await gateway.start()
    store: Any = gateway.running.store

    async def until(healthy: bool) -> dict[str, Any]:
        told: dict[str, Any] = {}
        for _ in range(500):
            told = (await gateway.health(details=True))["store"]
            if told["healthy"] is healthy:
                break
            await asyncio.sleep(0.01)
        return told

    assert await store.sessions.count() == 0
    with monkeypatch.context() as broken:
        broken.setattr("dragoman.stores.sql.sqlite.SqliteDatabase._write", full)
        with pytest.raises(StoreFailed, match="full"):
            await store.sessions.append("one", "ann", b"{}", now=0, expires=1)
        for _ in range(3):
            assert (await until(healthy=False))["last_error"] == "the database: database or disk is full"
            await asyncio.sleep(0.02)
    told = await until(healthy=True)
    assert (told["healthy"], told["last_error"]) == (True, None)
    await gateway.close()


def full(_: Any, steps: Any) -> list[Outcome]:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return [Outcome(None, error) for _ in steps]
