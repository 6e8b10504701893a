"""Client keys by the administration: made, used, changed, rotated, revoked; nothing tells a key twice."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.accounts import minting
from dragoman.seams.clock import Seams
from dragoman.state.store import StoreFailed
from tests.unit.server.admin.office import CHAT, OPS, SETTINGS, Office, spoilt, started
from tests.unit.turns.asking import Talk


@pytest.fixture
async def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    made = started(tmp_path, SETTINGS)
    await made.gateway.start()
    yield made
    await made.gateway.close()


async def test_a_key_is_shown_once_and_works_at_once(office: Office) -> None:
    made = await office.ask("POST", "/admin/keys", {"name": "ann", "metadata": {"of": "x"}})
    assert made.status == 200, made.body
    key = made.body["key"]
    assert (len(key), minting.mistyped(key)) == (53, False)
    assert made.body["shown"] == f"{key[:8]}…"
    assert await office.chat(key) == 200
    shown = await office.ask("GET", "/admin/keys/ann")
    assert (shown.body["state"], shown.body["scopes"]) == ("valid", ["inference"])
    assert shown.body["created_by"] == "ops"
    for path in ("/admin/keys", "/admin/keys/ann", "/admin/audit"):
        assert key.encode() not in (await office.ask("GET", path)).data
    assert (await office.ask("GET", "/admin/keys", key=key)).status == 403


async def test_an_unknown_key_a_revoked_one_and_a_mistyped_one(office: Office) -> None:
    key = (await office.ask("POST", "/admin/keys", {"name": "ann"})).body["key"]
    assert await office.chat(key) == 200
    gone = await office.ask("DELETE", "/admin/keys/ann")
    assert gone.body["state"] == "revoked"
    revoked = await office.ask("POST", "/v1/chat/completions", CHAT, key=key)
    unknown = await office.ask("POST", "/v1/chat/completions", CHAT, key=minting.minted(bytes(32)))
    assert (revoked.status, unknown.status) == (401, 401)
    assert revoked.body["error"]["message"] == unknown.body["error"]["message"]
    wrong = await office.ask("POST", "/v1/chat/completions", CHAT, key=key[:-1] + "!")
    assert "mistyped" in wrong.body["error"]["message"]
    again = await office.ask("POST", "/admin/keys", {"name": "ann"})
    assert (again.status, again.body["error"]["code"]) == (409, "name_taken")
    new = (await office.ask("POST", "/admin/keys/ann/rotate")).body["key"]
    assert (await office.chat(new), await office.chat(key)) == (200, 401)


async def test_an_entry_that_is_not_valid_is_shown_and_not_changed(office: Office) -> None:
    """The rights that are left of it are none, and would permit everything."""
    for name in ("ann", "bob"):
        assert (await office.ask("POST", "/admin/keys", {"name": name})).status == 200
    assert (await office.ask("PUT", "/admin/teams/lab", {})).status == 200
    following = office.gateway.following
    assert following is not None
    rows = [await following.store.find("keys", "ann"), await following.store.find("teams", "lab")]
    latest = await following.store.version()
    broken = [
        msgspec.structs.replace(row, text=b'{"models": 5}', version=latest + 1 + place)
        for place, row in enumerate(row for row in rows if row is not None)
    ]
    assert await following.store.change(broken, latest)
    assert await following.catch_up()
    assert following.state()["healthy"] is False
    listed = (await office.ask("GET", "/admin/keys")).body["data"]
    assert [(one["name"], len(one["warnings"])) for one in listed[:2]] == [("ann", 1), ("bob", 0)]
    assert listed[0]["warnings"][0]["message"].startswith("requests are refused: the entry is not valid: ")
    changed = await office.ask("PUT", "/admin/keys/ann", {})
    assert (changed.status, changed.body["error"]["code"]) == (409, "entry_invalid")
    assert (await office.ask("PUT", "/admin/keys/bob", {})).status == 200
    assert (await office.ask("GET", "/admin/teams")).status == 200
    assert (await office.ask("PUT", "/admin/teams/lab", {})).status == 200
    assert [*following.directory.unreadable] == [("key", "ann")]


async def test_a_rotated_key_keeps_its_name_and_the_old_one_for_a_while(office: Office) -> None:
    old = (await office.ask("POST", "/admin/keys", {"name": "ann"})).body
    made = await office.ask("POST", "/admin/keys/ann/rotate", {"keep": "1h"})
    new = made.body["key"]
    assert (made.body["name"], made.body["id"], new != old["key"]) == ("ann", old["id"], True)
    assert made.body["old_until"] is not None
    assert (await office.chat(new), await office.chat(old["key"])) == (200, 200)
    newest = (await office.ask("POST", "/admin/keys/ann/rotate")).body["key"]
    assert [await office.chat(key) for key in (newest, new, old["key"])] == [200, 401, 401]
    assert (await office.ask("POST", "/admin/keys/ann/rotate", {"keep": "31d"})).status == 400


async def test_a_key_may_not_do_more_than_its_tenant_and_team(office: Office) -> None:
    assert (await office.ask("PUT", "/admin/teams/lab", {"tenant": "acme"})).status == 200
    made = await office.ask("POST", "/admin/keys", {"name": "ann", "team": "lab", "models": ["slow", "fast"]})
    key = made.body["key"]
    assert (await office.chat(key, "fast"), await office.chat(key, "slow")) == (200, 403)
    listed = (await office.ask("GET", "/v1/models", key=key)).body["data"]
    assert [one["id"] for one in listed] == ["fast"]
    await office.ask("PUT", "/admin/teams/lab", {"tenant": "acme", "disabled": True})
    refused = await office.ask("POST", "/v1/chat/completions", CHAT, key=key)
    assert (refused.status, refused.body["error"]["code"]) == (403, "key_disabled")
    await office.ask("PUT", "/admin/teams/lab", {"models": ["group:quick"]})
    assert (await office.chat(key, "fast"), await office.chat(key, "slow")) == (200, 403)
    await office.ask("DELETE", "/admin/teams/lab")
    assert await office.chat(key, "fast") == 403


async def test_a_disabled_key_that_has_expired_is_disabled(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stored key and a declared one, whose requests are told the same."""
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    day = {"disabled": True, "expires": "2026-02-01"}
    keys = [*SETTINGS["auth"]["keys"], {"name": "file", "key": "the-key-of-a-file", **day}]
    now = 1_769_000_000.0
    office = started(tmp_path, {**SETTINGS, "auth": {"keys": keys}}, Seams(now=lambda: now))
    await office.gateway.start()
    made = await office.ask("POST", "/admin/keys", {"name": "kept", **day})
    assert made.status == 200, made.body
    now += 90 * 86_400
    for name, key in (("kept", made.body["key"]), ("file", "the-key-of-a-file")):
        assert (await office.ask("GET", f"/admin/keys/{name}")).body["state"] == "disabled"
        refused = await office.ask("POST", "/v1/chat/completions", CHAT, key=key)
        assert (refused.status, refused.body["error"]["code"]) == (403, "key_disabled")
    await office.gateway.close()


async def test_a_change_needs_the_etag_that_it_names(office: Office) -> None:
    made = await office.ask("POST", "/admin/keys", {"name": "ann"})
    tag = made.headers["etag"]
    changed = await office.ask("PUT", "/admin/keys/ann", {"models": ["fast"]}, if_match=tag)
    assert (changed.status, changed.body["models"]) == (200, ["fast"])
    assert await office.chat(made.body["key"], "slow") == 403
    assert (await office.ask("PUT", "/admin/keys/ann", {}, if_match=tag)).status == 412
    assert (await office.ask("DELETE", "/admin/keys/ann", if_match=tag)).status == 412


@pytest.mark.parametrize(
    ("body", "param"),
    [
        ({"name": "a/b"}, "name"),
        ({"name": " a"}, "name"),
        ({"name": ".."}, "name"),
        ({"name": "anyone"}, "name"),
        ({"name": "keyless ollama"}, "name"),
        ({"name": "uid 0"}, "name"),
        ({"name": "a", "models": ["group:none"]}, "models[0]"),
        ({"name": "a", "faces": ["soap"]}, "faces[0]"),
        ({"name": "a", "operations": ["dance"]}, "operations[0]"),
        ({"name": "a", "scopes": []}, "scopes"),
        ({"name": "a", "tenant": "nobody"}, "tenant"),
        ({"name": "a", "team": "nobody"}, "team"),
        ({"name": "a", "expires": "2020-01-01"}, "expires"),
        ({"name": "a", "expires": "soon"}, "expires"),
        ({"name": "a", "expires": "0d"}, "expires"),
        ({"name": "a", "expires": "-1d"}, "expires"),
        ({"name": "a", "hash": "12"}, "hash"),
        ({"name": "a", "limits": {"request": 5}}, "limits.request"),
        ({"name": "a", "limits": {"requests": ["5/min", "6/min"]}}, "limits.requests"),
        ({"name": "a", "limits": [{"tokens": "1/day"}, {}]}, "limits[1]"),
        ({"name": "a", "colour": "red"}, "colour"),
    ],
)
async def test_a_mistake_names_its_field(office: Office, body: dict[str, Any], param: str) -> None:
    answer = await office.ask("POST", "/admin/keys", body)
    assert (answer.status, answer.body["error"]["param"]) == (400, param), answer.body


async def test_a_key_may_expire_a_while_after_now(office: Office) -> None:
    stated = ""
    for method, path, more in (("POST", "/admin/keys", {"name": "a"}), ("PUT", "/admin/keys/a", {})):
        until = datetime.now(UTC) + timedelta(days=30)
        answer = await office.ask(method, path, {**more, "expires": "30d"})
        assert answer.status == 200, answer.body
        stated = answer.body["expires"]
        assert abs(datetime.fromisoformat(stated) - until) < timedelta(minutes=1)
    again = await office.ask("PUT", "/admin/keys/a", {"expires": stated})
    assert again.body["expires"] == stated


async def test_a_wrong_word_is_answered_with_the_right_ones(office: Office) -> None:
    for member, first in (("operations", "chat, count, embed, "), ("scopes", "admin, inference, read.")):
        told = (await office.ask("POST", "/admin/keys", {"name": "a", member: ["dance"]})).body["error"]
        assert f"Invalid enum value 'dance', expected one of {first}" in told["message"]


async def test_every_operation_of_files_can_be_granted_here(office: Office) -> None:
    made = await office.ask("POST", "/admin/keys", {"name": "a", "operations": ["embed", "pass_through"]})
    assert (made.status, made.body.get("operations")) == (200, ["embed", "pass_through"])


async def test_what_the_configuration_declares_wins(office: Office) -> None:
    taken = await office.ask("POST", "/admin/keys", {"name": "ops"})
    assert (taken.status, taken.body["error"]["code"]) == (409, "declared_elsewhere")
    assert (await office.ask("DELETE", "/admin/keys/ops")).status == 409
    assert (await office.ask("PUT", "/admin/tenants/acme", {})).status == 409
    listed = (await office.ask("GET", "/admin/keys")).body["data"]
    assert [(one["name"], one["declared"], one["id"]) for one in listed] == [("ops", True, None)]


async def test_a_key_behind_one_of_a_file_is_only_revoked(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever revokes it must not take the name for refused: the file's key goes on to work."""
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    office = started(tmp_path, SETTINGS)
    made = (await office.ask("POST", "/admin/keys", {"name": "ann"})).body
    assert made["shadowed"] is False
    await office.gateway.close()
    theirs = "the-key-of-the-file"
    keys = [*SETTINGS["auth"]["keys"], {"name": "ann", "key": theirs}]
    office = started(tmp_path, {**SETTINGS, "auth": {"keys": keys}})
    shown = (await office.ask("GET", "/admin/keys/ann")).body
    assert (shown["state"], shown["shadowed"], shown["declared"]) == ("shadowed", True, False)
    for method, path in (("PUT", "/admin/keys/ann"), ("POST", "/admin/keys/ann/rotate")):
        refused = await office.ask(method, path, {})
        assert (refused.status, refused.body["error"]["code"]) == (409, "declared_elsewhere")
    gone = (await office.ask("DELETE", "/admin/keys/ann")).body
    assert (gone["state"], gone["shadowed"]) == ("revoked", True)
    assert (await office.chat(theirs), await office.chat(made["key"])) == (200, 401)
    listed = {one["name"]: one for one in (await office.ask("GET", "/admin/keys")).body["data"]}
    for told in (listed["ann"], (await office.ask("GET", "/admin/keys/ann")).body):
        assert (told["state"], told["declared"]) == ("valid", True)
    await office.gateway.close()


async def test_keys_in_pages(office: Office) -> None:
    for name in ("a", "p", "z"):
        await office.ask("POST", "/admin/keys", {"name": name})
    first = (await office.ask("GET", "/admin/keys?limit=2")).body
    assert ([one["name"] for one in first["data"]], first["has_more"]) == (["a", "ops"], True)
    rest = (await office.ask("GET", "/admin/keys?limit=2&after=ops")).body
    assert ([one["name"] for one in rest["data"]], rest["has_more"]) == (["p", "z"], False)


async def test_a_page_begins_after_the_id_of_a_key(office: Office) -> None:
    notes = {"of": "x"}
    for name in ("l", "m", "z"):
        made = await office.ask("POST", "/admin/keys", {"name": name, "metadata": notes})
        notes = {"id": made.body["id"]}  # an id within another key is not that key's
    first = (await office.ask("GET", "/admin/keys?limit=2")).body["data"]
    assert [one["name"] for one in first] == ["l", "m"]
    rest = (await office.ask("GET", f"/admin/keys?limit=1000&after={first[-1]['id']}")).body["data"]
    assert [one["name"] for one in rest] == ["ops", "z"]
    unknown = await office.ask("GET", f"/admin/keys?after=key_{'0' * 24}")
    assert (unknown.status, unknown.body["error"]["param"]) == (400, "after")


async def test_a_page_does_not_begin_after_the_id_of_another_tenants_key(office: Office) -> None:
    for tenant in ("acme", "other"):
        await office.ask("PUT", f"/admin/tenants/{tenant}", {})
    theirs = (await office.ask("POST", "/admin/keys", {"name": "m", "tenant": "other"})).body["id"]
    wish = {"name": "boss", "tenant": "acme", "scopes": ["admin"]}
    boss = (await office.ask("POST", "/admin/keys", wish)).body
    ours = await office.ask("GET", f"/admin/keys?after={boss['id']}", key=boss["key"])
    foreign = await office.ask("GET", f"/admin/keys?after={theirs}", key=boss["key"])
    assert (ours.status, foreign.status) == (200, 400)


async def test_a_page_begins_after_a_key_whose_entry_is_not_valid(office: Office) -> None:
    made = {name: (await office.ask("POST", "/admin/keys", {"name": name})).body for name in "abc"}
    await spoilt(office, "keys", "b", scopes=7)
    first = (await office.ask("GET", "/admin/keys?limit=2")).body["data"]
    assert [one["id"] for one in first] == [made["a"]["id"], made["b"]["id"]]
    rest = await office.ask("GET", f"/admin/keys?after={first[-1]['id']}")
    assert (rest.status, [one["name"] for one in rest.body["data"]]) == (200, ["c", "ops"])


async def test_a_key_that_is_refused_is_not_called_valid(office: Office) -> None:
    key = (await office.ask("POST", "/admin/keys", {"name": "ann"})).body["key"]
    await spoilt(office, "keys", "ann", id=5, created=...)
    assert await office.chat(key) == 403
    told = (await office.ask("GET", "/admin/keys/ann")).body
    assert (told["state"], told["id"], told["created"]) == ("unreadable", None, None)
    assert (told["shown"], told["created_by"]) == (key[:8] + "…", "ops")
    await spoilt(office, "keys", "ann", id="key_1", created=1.0, limits={"never": 1})
    assert (await office.ask("GET", "/admin/keys/ann")).body["state"] == "unreadable"
    await spoilt(office, "keys", "ann", limits=..., scopes=7, revoked=1.0)
    assert (await office.ask("GET", "/admin/keys/ann")).body["state"] == "revoked"
    assert await office.chat(key) == 401


async def test_a_key_that_its_owner_has_already(office: Office) -> None:
    theirs = "sk-1234567890abcdef"
    digest = hashlib.sha256(theirs.encode()).hexdigest()
    made = await office.ask("POST", "/admin/keys", {"name": "old", "hash": digest})
    assert (made.status, made.body["key"]) == (200, None)
    assert await office.chat(theirs) == 200
    same = await office.ask("POST", "/admin/keys", {"name": "same", "hash": digest})
    assert (same.status, same.body["error"]["code"]) == (409, "key_known")


async def test_the_scope_read_is_enough_to_look(office: Office) -> None:
    key = (await office.ask("POST", "/admin/keys", {"name": "eye", "scopes": ["read"]})).body["key"]
    assert (await office.ask("GET", "/admin/keys", key=key)).status == 200
    assert (await office.ask("POST", "/admin/keys", {"name": "x"}, key=key)).status == 403
    assert await office.chat(key) == 403


async def test_without_a_database_keys_cannot_be_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    office = started(tmp_path, {**SETTINGS, "stores": {"sql": "memory"}})
    answer = await office.ask("POST", "/admin/keys", {"name": "ann"})
    assert (answer.status, answer.body["error"]["code"]) == (501, "no_database")
    assert [one["name"] for one in (await office.ask("GET", "/admin/keys")).body["data"]] == ["ops"]
    await office.gateway.close()


async def test_a_database_that_fails_is_named(office: Office, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the keys that cannot be read, not what somebody has stored."""
    following = office.gateway.following
    assert following is not None

    async def fail(*_: Any) -> Any:
        raise StoreFailed("down")

    for method in ("version", "find", "page", "change"):
        monkeypatch.setattr(following.store, method, fail)
    for method, path, body in (("GET", "/admin/keys", None), ("POST", "/admin/keys", {"name": "a"})):
        answer = await office.ask(method, path, body)
        assert (answer.status, answer.body["error"]["code"]) == (503, "store_unavailable")
        assert answer.body["error"]["message"].startswith("The database of the gateway is not available")
    assert await office.chat(OPS) == 200


async def test_the_first_key_closes_an_open_gateway_for_good(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    office = started(tmp_path, {**SETTINGS, "auth": {}})

    async def without_key() -> int:
        return (await Talk(office.app, "GET", "/v1/models", None, {}).answer()).status

    assert await without_key() == 200
    made = await Talk(office.app, "POST", "/admin/keys", {"name": "ann"}, {}).answer()
    assert made.status == 200
    assert await without_key() == 401
    assert await office.chat(made.body["key"]) == 200
    await office.gateway.close()
    office = started(tmp_path, {**SETTINGS, "auth": {}})
    assert await without_key() == 401
    assert await office.chat(made.body["key"]) == 200
    await office.gateway.close()


async def test_names_that_no_provider_has_are_warned_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    named = {**SETTINGS["providers"], "ollama": {"base_url": "http://127.0.0.1:9", "region": "eu"}}
    office = started(tmp_path, {**SETTINGS, "providers": named})
    await office.gateway.start()
    fine = {"providers": ["ollama", "local", "sim*", "*"], "regions": ["eu"]}
    made = await office.ask("POST", "/admin/keys", {"name": "ann", **fine})
    assert (made.status, made.body["warnings"]) == (200, [])
    wrong = {"providers": ["ollama", "olama", "x-*"], "regions": ["us"]}
    changed = await office.ask("PUT", "/admin/keys/ann", wrong)
    assert changed.status == 200
    told = [(one["path"], one["message"], one.get("hint")) for one in changed.body["warnings"]]
    assert told == [
        ("providers[1]", "no provider has the name 'olama'", "did you mean ollama?"),
        ("providers[2]", "no provider has the name 'x-*'", "valid names: local, ollama, simulate"),
        ("regions[0]", "no provider is in the region 'us'", "valid names: eu"),
    ]
    assert (await office.ask("GET", "/admin/keys/ann")).body["warnings"] == changed.body["warnings"]
    team = await office.ask("PUT", "/admin/teams/lab", {"regions": ["us"], "faces": ["gemini", "cohere"]})
    assert [one["path"] for one in team.body["warnings"]] == ["regions[0]", "faces[1]"]
    audit = (await office.ask("GET", "/admin/audit")).body["data"]
    assert not [one for one in audit if "warnings" in {*(one["before"] or ()), *(one["after"] or ())}]
    made_key = next(one["after"] for one in audit if (one["action"], one["target"]) == ("create", "keys/ann"))
    assert {"name", "providers"} <= {*made_key}
    assert "tags" not in made_key  # an empty list is left out, as other empty values are
    await office.gateway.close()


async def test_a_region_when_no_provider_states_one(office: Office) -> None:
    made = await office.ask("POST", "/admin/keys", {"name": "ann", "regions": ["eu"]})
    assert [one["hint"] for one in made.body["warnings"]] == [
        "providers.NAME.region says where a provider works"
    ]


async def test_a_key_whose_stored_limits_cannot_be_read_is_refused_until_they_are_corrected(
    office: Office,
) -> None:
    """As another version, or a person, may have written them: the administration refuses such limits."""
    made = await office.ask("POST", "/admin/keys", {"name": "ann", "limits": {"requests": "60/min"}})
    key = made.body["key"]
    assert await office.chat(key) == 200
    following = office.gateway.following
    assert following is not None
    latest, row = await following.store.version(), await following.store.find("keys", "ann")
    assert row is not None
    text = (row.text or b"").replace(b"60/min", b"60/fortnight")
    changed = msgspec.structs.replace(row, text=text, version=latest + 1)
    assert await following.store.change([changed], latest)
    await following.changed()
    refused = await office.ask("POST", "/v1/chat/completions", CHAT, key=key)
    assert (refused.status, refused.body["error"]["code"]) == (403, "limits_unreadable")
    assert "limits.requests: " in refused.body["error"]["message"]
    body = {**CHAT, "max_tokens": 5}
    other = await office.ask("POST", "/v1/messages", body, key=key, anthropic_version="2023-06-01")
    assert (other.status, other.body["error"]["type"]) == (403, "permission_error")
    assert "limits.requests: " in other.body["error"]["message"]
    (warning,) = (await office.ask("GET", "/admin/keys/ann")).body["warnings"]
    assert "so requests are refused: limits.requests: " in warning["message"]
    health = (await office.ask("GET", "/health")).body["keys"]
    assert (health["healthy"], [*health["unreadable_limits"]]) == (False, ["key ann"])
    info = (await office.ask("GET", "/key/info?key=ann")).body["info"]
    assert (info["blocked"], info["rpm_limit"]) == (True, None)
    assert (await office.ask("PUT", "/admin/keys/ann", {"limits": {"requests": "60/min"}})).status == 200
    assert await office.chat(key) == 200
    assert (await office.ask("GET", "/health")).body["keys"]["healthy"]
