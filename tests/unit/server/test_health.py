"""What the gateway tells of itself: its state, its requests, its providers."""

import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.server.app import App
from dragoman.server.endpoint import Door
from tests.unit.turns.asking import Asker, Paced, Talk


async def test_health_counts_what_has_ended(house: Asker) -> None:
    await house.respond("a")
    await house.ask("GET", "/v1/models/none")
    health = (await house.ask("GET", "/health")).body
    assert (health["status"], health["workers"]) == ("healthy", 1)
    assert health["requests"] == {"running": 0, "finished": 2, "failed": 0, "refused": 1}
    assert health["store"]["kind"] == "memory"
    assert health["providers"]["own"]["healthy"] is True


@pytest.mark.parametrize(
    ("port", "door", "told"),
    [
        ("null", "public", True),
        ("1", "public", False),
        ("1", "admin", True),
        ("null", "socket", True),
    ],
)
async def test_details_are_told_on_the_operators_port_if_they_have_one(
    tmp_path: Path, port: str, door: Door, told: bool
) -> None:
    asker = Asker(Paced(), tmp_path, f"server: {{admin_port: {port}}}")
    answer = await Talk(App(asker.gateway, door), "GET", "/health", None, {}).answer()
    assert ("store" in answer.body) is told
    await asker.close()


@pytest.mark.parametrize(
    ("stated", "told"),
    [
        ({}, True),
        ({"scopes": ["read"]}, True),
        ({"scopes": ["inference"], "tenant": "acme"}, False),
        ({"scopes": ["inference", "read"], "tenant": "acme"}, False),
        ({"scopes": ["admin"], "tenant": "acme"}, False),
    ],
)
async def test_a_tenant_learns_nothing_of_others(tmp_path: Path, stated: dict[str, Any], told: bool) -> None:
    key = {"name": "k", "key": "a-key-of-a-client", **stated}
    asker = Asker(Paced(), tmp_path, json.dumps({"tenants": {"acme": {}}, "auth": {"keys": [key]}}))
    health = (await asker.ask("GET", "/health", authorization="Bearer a-key-of-a-client")).body
    anybody = (await asker.ask("GET", "/health")).body
    await asker.close()
    assert ("store" in health, "own" in health["providers"]) == (told, told)
    assert set(anybody) == {"status", "version", "uptime", "requests", "sessions", "providers"}
    assert set(anybody["providers"]) == {"total", "unhealthy"}
    if not told:
        assert set(health) == set(anybody)
