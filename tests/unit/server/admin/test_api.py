"""Everything below /admin: what there is, who may call it, and what no answer has."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.server.admin.api import OPERATIONS
from dragoman.server.faces import PathTable
from tests.unit.server.admin.conftest import FIRST, SECOND, Desk

TEAM, OPS = "team-key-0123456789", "ops-key-0123456789"
KEYS = {
    "auth": {
        "keys": [
            {"name": "team", "key": TEAM},
            {"name": "ops", "key": OPS, "scopes": ["admin"]},
        ]
    }
}
UNKEPT = {
    ("POST", "/admin/model-lists/refresh"),
    ("GET", "/admin/added"),
    *(("GET", f"/admin/{kind}/up") for kind in ("models", "aliases", "limits")),
    *(
        (method, f"/admin/{kind}/up")
        for kind in ("providers", "models", "aliases", "prices", "limits")
        for method in ("POST", "PUT", "DELETE")
    ),
    *((method, "/admin/keys/up") for method in ("PUT", "DELETE")),
    ("POST", "/admin/keys/up/rotate"),
    *(
        (method, f"/admin/{kind}/up")
        for kind in ("tenants", "teams", "users")
        for method in ("PUT", "DELETE")
    ),
    ("GET", "/admin/provider-keys"),
    ("POST", "/admin/provider-keys/reencrypt"),
    ("DELETE", "/admin/tenants/up/provider-keys/none"),
}
"""What needs a database, which these gateways have not."""
PLACES = {"{name}": "up", "{key}": "none", "{id}": "none", "{provider}": "none"}
EMPTY = {("POST", "/admin/keys"), ("PUT", "/admin/tenants/up/provider-keys/none")}
"""What has to be told what to make."""
NOTHING = {f"/admin/{kind}/up" for kind in ("keys", "tenants", "teams", "users")}


def paths() -> Iterator[tuple[str, str]]:
    for one in OPERATIONS:
        path = one.path
        for placeholder, value in PLACES.items():
            path = path.replace(placeholder, value)
        yield one.method, path


@pytest.fixture
async def keyed(tmp_path: Path) -> Any:
    made = Desk(tmp_path, KEYS)
    await made.gateway.start()
    yield made
    await made.close()


async def test_the_index_and_the_description_have_every_operation(desk: Desk) -> None:
    index = (await desk.get("/admin")).body
    assert (index["worker"], index["workers"]) == (1, 1)
    listed = {(one["method"], one["path"]) for one in index["operations"]}
    described = (await desk.get("/admin/openapi.json")).body["paths"]
    assert listed == {(method.upper(), path) for path, row in described.items() for method in row}
    table = PathTable(desk.gateway)
    endpoints = [
        *table._exact.values(),
        *(one for rows in table._patterns.values() for _, one in rows),
        *(row[3] for row in table._slashed),
    ]
    below = [one for one in endpoints if one.scope == "admin" and one.template.startswith("/admin")]
    served = {(method, one.template) for one in below for method in one.methods}
    assert listed == served, "a row in server/admin/described.py for each path whose handler stands elsewhere"


async def test_only_a_key_with_the_scope_may_call(keyed: Desk) -> None:
    for method, path in paths():
        for headers, status in (
            ({}, 401),
            ({"authorization": "Bearer wrong-key-0123456789"}, 401),
            ({"authorization": f"Bearer {TEAM}"}, 403),
        ):
            answer = await keyed.ask(method, path, **headers)
            assert (answer.status, answer.error["param"]) == (status, None), path
        answer = await keyed.ask(method, path, authorization=f"Bearer {OPS}")
        missing = "none" in path or path in NOTHING
        wanted = 501 if (method, path) in UNKEPT else 404 if missing else 200
        wanted = 400 if (method, path) in EMPTY else wanted
        assert answer.status == wanted, path


@pytest.mark.parametrize(
    "headers",
    [
        {"origin": "https://evil.example"},
        {"origin": "http://localhost:3000"},
        {"origin": "null"},
        {"sec_fetch_site": "cross-site"},
        {"x_forwarded_for": "192.0.2.1"},
        {"host": "evil.example"},
    ],
)
async def test_without_keys_no_page_and_no_proxy_may_call(desk: Desk, headers: dict[str, str]) -> None:
    for method, path in paths():
        answer = await desk.ask(method, path, **headers)
        assert (answer.status, answer.error["type"]) == (403, "permission_error"), path


async def test_while_keys_are_configured_nobody_administers_without_one(tmp_path: Path) -> None:
    """Even if `auth.required` lets clients of this machine in without a key."""
    desk = Desk(tmp_path, {"auth": {"required": False, "keys": [TEAM]}})
    await desk.gateway.start()
    assert (await desk.get("/v1/models")).status == 200
    refused = await desk.get("/admin")
    assert (refused.status, refused.error["code"]) == (403, "insufficient_scope")
    await desk.close()


async def test_no_answer_has_a_secret(keyed: Desk) -> None:
    key = keyed.gateway.providers_health.pools["up"].keys[0].id
    asked = [*paths(), ("POST", f"/admin/providers/up/keys/{key}/disable")]
    told = b""
    for method, path in asked:
        answer = await keyed.ask(method, path, authorization=f"Bearer {OPS}")
        told += answer.data + str(answer.headers).encode()
    assert b"aaaa" in told  # the tail
    for secret in (FIRST, SECOND, TEAM, OPS):
        assert secret.encode() not in told


async def test_answers_are_not_stored_by_caches(desk: Desk) -> None:
    assert (await desk.get("/admin/providers")).headers["cache-control"] == "no-store"


async def test_a_wrong_method_is_told(desk: Desk) -> None:
    refused = await desk.get("/admin/providers/up/disable")
    assert (refused.status, refused.error["code"]) == (405, "method_not_allowed")


async def test_the_audit_comes_in_pages(desk: Desk) -> None:
    for do in ("disable", "enable", "revive"):
        await desk.post(f"/admin/providers/own/{do}")
    first = (await desk.get("/admin/audit?limit=2")).body
    assert ([one["action"] for one in first["data"]], first["has_more"]) == (["revive", "enable"], True)
    rest = (await desk.get(f"/admin/audit?after={first['data'][-1]['id']}")).body
    assert ([one["action"] for one in rest["data"]], rest["has_more"]) == (["disable"], False)


async def test_models_that_rotate_are_told(tmp_path: Path) -> None:
    pool = [f"up/{name}" for name in ("a", "b")]
    models = {"tumbler": {"rotate": {"requests": 2}, "deployments": pool}, "still": "up/a"}
    desk = Desk(tmp_path, {"models": models})
    await desk.gateway.start()
    told = (await desk.get("/admin/rotations")).body
    assert told == {
        "object": "list",
        "worker": 1,
        "data": [
            {"model": "tumbler", "current": "up/a", "following": "up/b", "changes": None, "requests": 2}
        ],
    }
    await desk.close()
