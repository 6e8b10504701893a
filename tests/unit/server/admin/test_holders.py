"""Tenants, teams and users by the administration."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.state.directory import HolderEntry
from tests.unit.server.admin.office import SETTINGS, Office, spoilt, started


@pytest.fixture
async def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    made = started(tmp_path, SETTINGS)
    await made.gateway.start()
    yield made
    await made.gateway.close()


async def test_the_life_of_a_team(office: Office) -> None:
    made = await office.ask("PUT", "/admin/teams/lab", {"tenant": "acme", "limits": {"requests": "5/min"}})
    assert (made.status, made.body["object"], made.body["tenant"]) == (200, "team", "acme")
    tag = made.headers["etag"]
    changed = await office.ask("PUT", "/admin/teams/lab", {"tags": ["x"]}, if_match=tag)
    assert (changed.body["tags"], changed.body["tenant"]) == (["x"], None)
    assert changed.body["created"] == made.body["created"]
    assert (await office.ask("PUT", "/admin/teams/lab", {}, if_match=tag)).status == 412
    assert (await office.ask("GET", "/admin/teams/lab")).headers["etag"] == changed.headers["etag"]
    gone = await office.ask("DELETE", "/admin/teams/lab")
    assert gone.body == {"object": "team", "name": "lab", "deleted": True}
    assert (await office.ask("GET", "/admin/teams/lab")).status == 404
    assert (await office.ask("DELETE", "/admin/teams/lab")).status == 404
    audit = (await office.ask("GET", "/admin/audit")).body["data"]
    assert [one["action"] for one in audit] == ["delete", "replace", "create"]


@pytest.mark.parametrize("kind", ["tenants", "teams", "users"])
@pytest.mark.parametrize("tag", ['"0123456789abcdef"', "*"])
async def test_what_is_not_there_has_no_etag(office: Office, kind: str, tag: str) -> None:
    refused = await office.ask("PUT", f"/admin/{kind}/none", {}, if_match=tag)
    assert (refused.status, refused.body["error"]["code"]) == (412, "precondition_failed")
    assert (await office.ask("GET", f"/admin/{kind}/none")).status == 404
    assert (await office.ask("DELETE", f"/admin/{kind}/none", if_match=tag)).status == 404


async def test_lists_have_what_is_declared(office: Office) -> None:
    for name in ("zeta", "alpha"):
        await office.ask("PUT", f"/admin/tenants/{name}", {})
    first = (await office.ask("GET", "/admin/tenants?limit=2")).body
    assert [(one["name"], one["declared"]) for one in first["data"]] == [("acme", True), ("alpha", False)]
    assert first["has_more"]
    rest = (await office.ask("GET", "/admin/tenants?limit=2&after=alpha")).body
    assert ([one["name"] for one in rest["data"]], rest["has_more"]) == (["zeta"], False)
    assert (await office.ask("GET", "/admin/tenants/acme")).body["models"] == ["fast", "simulate/*"]


@pytest.mark.parametrize(
    ("path", "body", "status", "param"),
    [
        ("tenants/new", {"tenant": "acme"}, 400, "tenant"),
        ("teams/new", {"tenant": "none"}, 400, "tenant"),
        ("users/new", {"models": ["group:none"]}, 400, "models[0]"),
        ("users/new", {"scopes": ["admin"]}, 400, "scopes"),
        ("tenants/acme", {}, 409, "name"),
        ("tenants/ a", {}, 400, "name"),
    ],
)
async def test_mistakes(office: Office, path: str, body: Any, status: int, param: str) -> None:
    answer = await office.ask("PUT", f"/admin/{path}", body)
    assert (answer.status, answer.body["error"]["param"]) == (status, param)


async def test_a_name_that_is_used_again_revives_no_key(office: Office) -> None:
    await office.ask("PUT", "/admin/tenants/beta", {})
    await office.ask("PUT", "/admin/teams/lab", {"tenant": "beta"})
    direct = (await office.ask("POST", "/admin/keys", {"name": "a", "tenant": "beta"})).body["key"]
    by_team = (await office.ask("POST", "/admin/keys", {"name": "b", "team": "lab"})).body["key"]
    await office.ask("PUT", "/admin/tenants/beta", {"tags": ["x"]})  # replaced, but the same tenant
    assert [await office.chat(key) for key in (direct, by_team)] == [200, 200]

    assert (await office.ask("DELETE", "/admin/tenants/beta")).status == 200
    assert [await office.chat(key) for key in (direct, by_team)] == [403, 403]
    await office.ask("PUT", "/admin/tenants/beta", {})
    assert [await office.chat(key) for key in (direct, by_team)] == [403, 403]
    await office.ask("PUT", "/admin/keys/a", {"tenant": "beta", "tags": ["y"]})
    assert await office.chat(direct) == 403  # changed, but still of the tenant before

    early = await office.ask("POST", "/admin/keys", {"name": "c", "team": "lab"})
    assert (early.status, early.body["error"]["param"]) == (400, "team")
    assert (await office.ask("PUT", "/admin/teams/lab", {"tenant": "beta"})).status == 200
    new = (await office.ask("POST", "/admin/keys", {"name": "c", "team": "lab"})).body["key"]
    assert [await office.chat(key) for key in (by_team, new)] == [403, 200]


@pytest.mark.parametrize(
    ("spoils", "present"),
    [
        ({"models": 7}, 200),
        ({"models": 7, "id": ...}, 403),
        ({"id": 7}, 403),
        ({"usage_since": "x"}, 403),
        ({"tenant_id": 7}, 403),
    ],
    ids=str,
)
async def test_an_entry_that_is_not_valid_is_replaced_and_revives_no_key(
    office: Office, spoils: dict[str, Any], present: int
) -> None:
    """Its own keys go on if it is known to be the same tenant."""
    await office.ask("PUT", "/admin/tenants/beta", {})
    earlier = (await office.ask("POST", "/admin/keys", {"name": "a", "tenant": "beta"})).body["key"]
    await office.ask("DELETE", "/admin/tenants/beta")
    made = (await office.ask("PUT", "/admin/tenants/beta", {})).body
    own = (await office.ask("POST", "/admin/keys", {"name": "b", "tenant": "beta"})).body["key"]
    following = office.gateway.following
    assert following is not None
    was = following.directory.holder("tenants", "beta")
    assert isinstance(was, HolderEntry)
    assert was.usage_since is not None
    await spoilt(office, "tenants", "beta", **spoils)
    assert [await office.chat(key) for key in (earlier, own)] == [403, 403]

    replaced = await office.ask("PUT", "/admin/tenants/beta", {})
    assert (replaced.status, replaced.body["created"]) == (200, made["created"])
    assert [await office.chat(key) for key in (earlier, own)] == [403, present]
    now = following.directory.holder("tenants", "beta")
    assert isinstance(now, HolderEntry)
    assert now.usage_since is not None
    assert (now.id == was.id, now.usage_since == was.usage_since) == (present == 200, present == 200)
    await office.ask("PUT", "/admin/keys/b", {"tenant": "beta", "team": None})
    new = (await office.ask("POST", "/admin/keys", {"name": "c", "tenant": "beta"})).body["key"]
    assert await office.chat(new) == 200


async def test_what_cannot_be_read_is_null_and_is_made_new(office: Office) -> None:
    await office.ask("PUT", "/admin/teams/lab", {})
    await spoilt(office, "teams", "lab", created="x", created_by=7)
    shown = (await office.ask("GET", "/admin/teams/lab")).body
    assert (shown["created"], shown["created_by"]) == (None, None)
    replaced = (await office.ask("PUT", "/admin/teams/lab", {})).body
    assert replaced["created"] > "2020"
    assert replaced["created_by"] == "ops"


async def test_a_team_that_moves_keeps_its_keys(office: Office) -> None:
    for tenant in ("beta", "gamma"):
        await office.ask("PUT", f"/admin/tenants/{tenant}", {})
    await office.ask("PUT", "/admin/users/uma", {"tenant": "beta"})
    key = (await office.ask("POST", "/admin/keys", {"name": "a", "user": "uma"})).body["key"]
    await office.ask("PUT", "/admin/users/uma", {"tenant": "gamma"})
    assert await office.chat(key) == 200
    await office.ask("DELETE", "/admin/users/uma")
    await office.ask("PUT", "/admin/users/uma", {"tenant": "gamma"})
    assert await office.chat(key) == 403
