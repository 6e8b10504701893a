"""What the gateway tells of itself: its state, its requests, its providers."""

import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.assembly.directory import Following
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


READY = (200, {"status": "ready"})


async def readiness(asker: Asker) -> tuple[int, Any]:
    answer = await asker.ask("GET", "/health/ready")
    return answer.status, answer.body


async def follow(asker: Asker) -> bool:
    """Have the client keys of the database read now. Returns whether that succeeded."""
    following = asker.gateway.running.following
    assert isinstance(following, Following)
    return await following.catch_up()


@pytest.mark.parametrize(
    ("auth", "before"),
    [
        ("{}", (503, {"status": "keys_unavailable"})),
        ("{required: true}", (503, {"status": "keys_unavailable"})),
        ("{open: true}", READY),
        ("{keys: [{name: ann, key: a-key-of-a-client}]}", READY),
        (
            "{keys: [{name: ann, key: a-key-of-a-client, expires: 2020-01-01}]}",
            (503, {"status": "keys_unavailable"}),
        ),
    ],
    ids=["undecided", "required", "open", "a key of the file", "an expired key of the file"],
)
async def test_a_gateway_that_can_know_nobody_yet_is_not_ready(
    tmp_path: Path, auth: str, before: tuple[int, Any]
) -> None:
    """Once it has read its keys, a database that is lost takes no replica away."""
    pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
    file = tmp_path / "state.db"
    file.write_text("not a database " * 1000)
    asker = Asker(Paced(), tmp_path, f"{{auth: {auth}, stores: {{sql: 'sqlite:///{file}'}}}}")
    assert await readiness(asker) == before
    file.unlink()
    assert await follow(asker)
    assert await readiness(asker) == READY
    file.write_text("not a database " * 1000)
    assert not await follow(asker)
    assert await readiness(asker) == READY
    await asker.close()
