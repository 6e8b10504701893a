"""A store that is ill makes no health answer wait or fail."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")

from dragoman.config.load import load
from dragoman.gateway import Gateway
from dragoman.state.store import StoreFailed
from dragoman.stores.memory import MemoryStore
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
