"""The configuration in force, as operators see it."""

from __future__ import annotations

from pathlib import Path

import pytest

from dragoman.gateway import Gateway
from dragoman.server.app import App
from dragoman.stores.memory import MemoryStore
from tests.unit.server.admin.conftest import FIRST, Desk
from tests.unit.turns.asking import Talk


async def test_every_setting_with_its_source_and_without_secrets(desk: Desk) -> None:
    told = await desk.get("/admin/config")
    rows = {row["path"]: (row["value"], row["source"]) for row in told.body["data"]}
    assert rows["retries.attempts"][0] == "1"
    assert rows["retries.attempts"][1].endswith("dragoman.yaml:1")
    assert rows["server.admin_host"] == ("127.0.0.1", "default")
    assert rows["providers.up.keys[0]"][0] == "…aaaa"
    assert told.body["file"].endswith("dragoman.yaml")
    assert FIRST not in told.data.decode()


async def test_the_store_of_a_gateway_in_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unlike `dragoman serve`, it keeps its data in memory unless something else is stated."""
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    (tmp_path / "state.db").touch()
    gateway = Gateway({"providers": {"simulate": {"enabled": True}}})
    await gateway.start()
    told = await Talk(App(gateway), "GET", "/admin/config", None, {}).answer()
    assert isinstance(gateway.engine.runtime.store, MemoryStore)
    await gateway.close()
    (row,) = [row for row in told.body["data"] if row["path"] == "stores.sql"]
    assert (row["value"], row["source"]) == ("memory", "default")


async def test_the_tag_changes_with_a_value_alone(tmp_path: Path) -> None:
    found = []
    for attempts in (1, 1, 2):
        desk = Desk(tmp_path, {"retries": {"attempts": attempts}})
        await desk.gateway.start()
        found.append((await desk.get("/admin/config")).headers["etag"])
        await desk.close()
    assert found[0] == found[1] != found[2]
