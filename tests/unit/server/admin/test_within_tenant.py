"""Keys of tenants that may look or administer: they see and change only what belongs to their tenant."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman.accounts.directory import Declared, Directory
from dragoman.accounts.limits import Limit
from dragoman.accounts.windows import shown
from dragoman.seams.clock import Seams
from dragoman.server.admin import limits as limits_module
from dragoman.server.admin.api import OPERATIONS
from dragoman.server.admin.operation import Operation
from dragoman.state.usage import UsageLine
from tests.unit.server.admin.office import CHAT, OPS, SETTINGS, Office, started
from tests.unit.server.admin.test_usage import YEAR, record

BOSS, EYES, OTHER = "the-key-of-acme-s-boss", "the-key-of-acme-s-reader", "the-key-of-globex-s-boss"
SETTINGS_OF_TENANTS: dict[str, Any] = {
    **SETTINGS,
    "providers": {**SETTINGS["providers"], "openai": {"base_url": "http://127.0.0.1:9", "keys": []}},
    "tenants": {"acme": {"limits": {"requests": "500/day"}}, "globex": {"limits": {"requests": "500/day"}}},
    "teams": {"sales": {"tenant": "acme"}, "mines": {"tenant": "globex"}, "guests": {}},
    "auth": {
        "encryption_key": "a-master-key-of-thirty-two-characters",
        "keys": [
            *SETTINGS["auth"]["keys"],
            {"name": "boss", "key": BOSS, "scopes": ["inference", "admin"], "team": "sales"},
            {"name": "eyes", "key": EYES, "scopes": ["read"], "tenant": "acme"},
            {"name": "other", "key": OTHER, "scopes": ["inference", "admin"], "tenant": "globex"},
            {"name": "guest", "key": "the-key-of-a-guest", "team": "guests"},
        ],
    },
}


@pytest.fixture
async def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    made = started(tmp_path, SETTINGS_OF_TENANTS)
    await made.gateway.start()
    yield made
    await made.gateway.close()


def names(answer: Any) -> list[str]:
    assert answer.status == 200, answer.body
    return [one["name"] for one in answer.body["data"]]


async def test_a_revoked_key_of_a_name_that_is_another_tenants_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    before = started(tmp_path, SETTINGS_OF_TENANTS)
    await before.gateway.start()
    for name in ("x1", "x2", "x3"):
        body = {"name": name, "tenant": "acme"}
        assert (await before.ask("POST", "/admin/keys", body, key=OPS)).status in {200, 201}
    assert (await before.ask("DELETE", "/admin/keys/x1", key=OPS)).status == 200
    await before.gateway.close()
    auth = SETTINGS_OF_TENANTS["auth"]
    taken = {"name": "x1", "key": "another-key-of-that-name", "tenant": "globex"}
    office = started(tmp_path, {**SETTINGS_OF_TENANTS, "auth": {**auth, "keys": [*auth["keys"], taken]}})
    await office.gateway.start()
    page = await office.ask("GET", "/admin/keys?limit=1&after=w", key=EYES)
    assert (names(page), page.body["has_more"]) == (["x2"], True)
    assert names(await office.ask("GET", "/admin/keys?limit=3&after=w", key=EYES)) == ["x2", "x3"]
    await office.gateway.close()


def _id(one: Operation) -> str:
    return f"{one.method} {one.path}"


@pytest.mark.parametrize("one", [one for one in OPERATIONS if not one.for_tenants], ids=_id)
async def test_whatever_is_about_the_whole_gateway_is_refused(office: Office, one: Operation) -> None:
    path = one.path.replace("{name}", "acme").replace("{id}", "x").replace("{key}", "x")
    path = path.replace("{provider}", "simulate")
    for key, scope in ((BOSS, "admin"), (EYES, "read")):
        refused = await office.ask(one.method, path, key=key)
        assert (refused.status, refused.body["error"]["code"]) == (403, "insufficient_scope")
        held = scope == "admin" or one.method == "GET"
        assert ("belongs to its tenant" in refused.body["error"]["message"]) is held


@pytest.mark.parametrize(
    "path", ["/metrics", "/admin/tenants/globex", "/admin/keys/ops", "/admin/teams/mines"]
)
async def test_what_is_not_the_tenants_is_not_there(office: Office, path: str) -> None:
    for key in (BOSS, EYES):
        assert (await office.ask("GET", path, key=key)).status == (403 if path == "/metrics" else 404)


async def test_the_index_has_what_can_be_called(office: Office) -> None:
    def told(answer: Any) -> set[tuple[str, str]]:
        return {(one["method"], one["path"]) for one in answer.body["operations"]}

    whole = told(await office.ask("GET", "/admin"))
    within = told(await office.ask("GET", "/admin", key=BOSS))
    assert within < whole
    assert ("GET", "/admin/usage") in within
    assert ("PUT", "/admin/tenants/{name}") not in within


async def test_keys_of_the_own_tenant_alone(office: Office) -> None:
    await office.ask("POST", "/admin/keys", {"name": "far", "tenant": "globex"})
    await office.ask("POST", "/admin/keys", {"name": "free"})
    await office.ask("POST", "/admin/keys", {"name": "by-team", "team": "sales"})
    made = await office.ask("POST", "/admin/keys", {"name": "mine"}, key=BOSS)
    assert (made.status, made.body["tenant"]) == (200, "acme")
    assert names(await office.ask("GET", "/admin/keys", key=BOSS)) == ["boss", "by-team", "eyes", "mine"]
    assert names(await office.ask("GET", "/admin/keys?limit=2&after=boss", key=EYES)) == ["by-team", "eyes"]
    assert names(await office.ask("GET", "/admin/keys", key=OTHER)) == ["far", "other"]
    for name in ("far", "free", "guest", "ops", "none"):
        for method, path in (("GET", ""), ("PUT", ""), ("DELETE", ""), ("POST", "/rotate")):
            found = await office.ask(
                method, f"/admin/keys/{name}{path}", {} if method != "GET" else None, key=BOSS
            )
            assert (found.status, found.body["error"]["code"]) == (404, "name_not_found"), (name, method)
    assert (await office.ask("GET", "/admin/keys/far")).body["state"] == "valid"
    changed = await office.ask("PUT", "/admin/keys/mine", {"tags": ["x"]}, key=BOSS)
    assert (changed.body["tenant"], changed.body["tags"]) == ("acme", ["x"])
    assert (await office.ask("POST", "/admin/keys/by-team/rotate", {}, key=BOSS)).status == 200
    assert (await office.ask("DELETE", "/admin/keys/mine", key=BOSS)).body["state"] == "revoked"


async def test_a_declared_key_of_the_own_tenant_is_there_but_not_to_be_changed(office: Office) -> None:
    for method, path in (("PUT", ""), ("DELETE", ""), ("POST", "/rotate")):
        refused = await office.ask(method, f"/admin/keys/eyes{path}", {}, key=BOSS)
        assert (refused.status, refused.body["error"]["code"]) == (409, "declared_elsewhere")


async def test_a_stored_team_is_not_listed_if_another_tenants_declared_one_counts_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    fewer = {name: team for name, team in SETTINGS_OF_TENANTS["teams"].items() if name != "mines"}
    office = started(tmp_path, {**SETTINGS_OF_TENANTS, "teams": fewer})
    await office.ask("PUT", "/admin/teams/mines", {"tenant": "acme"})
    await office.gateway.close()
    office = started(tmp_path, SETTINGS_OF_TENANTS)
    listed = names(await office.ask("GET", "/admin/teams", key=BOSS))
    every = names(await office.ask("GET", "/admin/teams"))
    await office.gateway.close()
    assert (listed, every) == (["sales"], ["guests", "mines", "sales"])


async def test_a_declared_key_is_shown_also_if_another_tenant_has_stored_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    auth = SETTINGS_OF_TENANTS["auth"]
    fewer = {**auth, "keys": [key for key in auth["keys"] if key["name"] != "eyes"]}
    office = started(tmp_path, {**SETTINGS_OF_TENANTS, "auth": fewer})
    await office.ask("POST", "/admin/keys", {"name": "eyes", "tenant": "globex"})
    await office.gateway.close()
    office = started(tmp_path, SETTINGS_OF_TENANTS)
    shown = await office.ask("GET", "/admin/keys/eyes", key=BOSS)
    theirs = await office.ask("GET", "/admin/keys/eyes", key=OTHER)
    await office.gateway.close()
    assert (shown.status, shown.body.get("declared")) == (200, True)
    assert theirs.body["state"] == "shadowed"


@pytest.mark.parametrize(
    ("wish", "param"),
    [
        ({"tenant": "globex"}, "tenant"),
        ({"team": "mines"}, "team"),
        ({"team": "guests"}, "team"),
        ({"team": "no"}, "team"),
    ],
)
async def test_no_key_or_team_leaves_the_tenant(office: Office, wish: dict[str, str], param: str) -> None:
    made = await office.ask("POST", "/admin/keys", {"name": "mine", **wish}, key=BOSS)
    assert (made.status, made.body["error"]["param"]) == (400, param)
    assert "there is no" in made.body["error"]["message"]
    await office.ask("POST", "/admin/keys", {"name": "mine"}, key=BOSS)
    assert (await office.ask("PUT", "/admin/keys/mine", wish, key=BOSS)).status == 400
    if param == "tenant":
        assert (await office.ask("PUT", "/admin/teams/new", wish, key=BOSS)).status == 400


@pytest.mark.parametrize("path", ["/admin/keys", "/admin/keys/mine"])
async def test_a_team_that_moves_just_now_tells_no_other_tenant(office: Office, path: str) -> None:
    await office.ask("POST", "/admin/keys", {"name": "mine"}, key=BOSS)
    await office.ask("PUT", "/admin/teams/mover", {"tenant": "acme"})
    wish = {"team": "mover"} if path.endswith("/mine") else {"team": "mover", "name": "new"}
    _, made = await asyncio.gather(
        office.ask("PUT", "/admin/teams/mover", {"tenant": "globex"}),
        office.ask("PUT" if path.endswith("/mine") else "POST", path, wish, key=BOSS),
    )
    assert (made.status, made.body["error"]["param"]) == (400, "team")
    assert made.body["error"]["message"] == "team: there is no team 'mover'."


async def test_a_key_that_a_tenant_makes_never_reaches_further(office: Office) -> None:
    made = await office.ask("POST", "/admin/keys", {"name": "deputy", "scopes": ["admin"]}, key=BOSS)
    deputy = made.body["key"]
    assert (await office.ask("GET", "/admin/config", key=deputy)).status == 403
    assert names(await office.ask("GET", "/admin/tenants", key=deputy)) == ["acme"]
    assert (await office.ask("GET", "/admin/keys/ops", key=deputy)).status == 404


async def test_a_reader_changes_nothing(office: Office) -> None:
    for method, path in (("POST", "/admin/keys"), ("PUT", "/admin/teams/a"), ("DELETE", "/admin/keys/boss")):
        assert (await office.ask(method, path, {"name": "a"}, key=EYES)).status == 403


async def test_a_name_that_another_tenant_has_is_taken(office: Office) -> None:
    await office.ask("POST", "/admin/keys", {"name": "far", "tenant": "globex"})
    await office.ask("DELETE", "/admin/keys/far")
    taken = await office.ask("POST", "/admin/keys", {"name": "far"}, key=BOSS)
    assert (taken.status, taken.body["error"]["code"]) == (409, "name_taken")
    assert "revoked" not in taken.body["error"]["message"]
    taken = await office.ask("POST", "/admin/keys", {"name": "ops"}, key=BOSS)
    assert (taken.status, taken.body["error"]["code"]) == (409, "name_taken")


async def test_teams_and_users_of_the_own_tenant_alone(office: Office) -> None:
    await office.ask("PUT", "/admin/teams/far", {"tenant": "globex"})
    await office.ask("PUT", "/admin/users/free", {})
    made = await office.ask("PUT", "/admin/users/ann", {"tags": ["x"]}, key=BOSS)
    assert (made.status, made.body["tenant"]) == (200, "acme")
    assert names(await office.ask("GET", "/admin/teams", key=BOSS)) == ["sales"]
    assert names(await office.ask("GET", "/admin/users", key=EYES)) == ["ann"]
    for path in ("teams/far", "teams/mines", "teams/guests", "users/free"):
        assert (await office.ask("GET", f"/admin/{path}", key=BOSS)).status == 404
        assert (await office.ask("DELETE", f"/admin/{path}", key=BOSS)).status == 404
        put = await office.ask("PUT", f"/admin/{path}", {}, key=BOSS)
        assert (put.status, put.body["error"]["code"]) == (409, "name_taken")
    assert (await office.ask("PUT", "/admin/teams/sales", {}, key=BOSS)).body["error"][
        "code"
    ] == "declared_elsewhere"
    assert (await office.ask("DELETE", "/admin/users/ann", key=BOSS)).status == 200


async def test_what_an_earlier_tenant_of_the_name_has_left_is_not_seen(office: Office) -> None:
    await office.ask("PUT", "/admin/tenants/lab", {})
    await office.ask("POST", "/admin/keys", {"name": "old", "tenant": "lab"})
    await office.ask("DELETE", "/admin/tenants/lab")
    await office.ask("PUT", "/admin/tenants/lab", {})
    made = await office.ask("POST", "/admin/keys", {"name": "new", "tenant": "lab", "scopes": ["admin"]})
    assert names(await office.ask("GET", "/admin/keys", key=made.body["key"])) == ["new"]
    assert (await office.ask("GET", "/admin/keys/old", key=made.body["key"])).status == 404


async def test_usage_is_the_tenants(office: Office) -> None:
    assert office.gateway.usage is not None
    records = [msgspec.structs.replace(record(n), tenant=("acme", "globex")[n % 2]) for n in range(5)]
    await office.gateway.usage.keep(records)
    report, single = f"/admin/usage?{YEAR}&group_by=tenant", f"/admin/usage/records?{YEAR}"

    async def tenants(path: str, key: str) -> set[str]:
        answer = await office.ask("GET", path, key=key)
        assert answer.status == 200, answer.body
        return {one["tenant"] for one in answer.body["data"]}

    for path in (report, single):
        assert await tenants(path, OPS) == {"acme", "globex"}
        assert await tenants(path, BOSS) == await tenants(path, EYES) == {"acme"}
        assert await tenants(path, OTHER) == {"globex"}
        assert (await office.ask("GET", f"{path}&tenant=acme", key=EYES)).status == 200
        for foreign in ("globex", ""):
            refused = await office.ask("GET", f"{path}&tenant={foreign}", key=EYES)
            assert (refused.status, refused.body["error"]["param"]) == (400, "tenant")
    csv = await office.ask("GET", f"{single}&format=csv", key=EYES)
    assert b"acme" in csv.data
    assert b"globex" not in csv.data


async def test_a_tenant_sees_the_ids_of_no_provider_keys_but_its_own(office: Office) -> None:
    assert office.gateway.usage is not None
    lines = (UsageLine("p/m", "p", key="key_gateway"), UsageLine("p/m", "p", key="key_brought", own=True))
    await office.gateway.usage.keep([msgspec.structs.replace(record(1), tenant="acme", lines=lines)])
    path = f"/admin/usage/records?{YEAR}"
    for key, told in ((OPS, "key_gateway"), (BOSS, ""), (EYES, "")):
        (one,) = (await office.ask("GET", path, key=key)).body["data"]
        assert [line["key"] for line in one["lines"]] == [told, "key_brought"]
        csv = await office.ask("GET", f"{path}&format=csv", key=key)
        assert b"key_gateway" not in csv.data


async def test_usage_of_an_earlier_tenant_of_the_name_is_not_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Records begin when the tenant was made, reports with the first whole hour after that."""
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    begin = now = 1_790_000_000.0 // 3600 * 3600
    office = started(tmp_path, SETTINGS_OF_TENANTS, Seams(now=lambda: now))
    await office.gateway.start()
    usage = office.gateway.usage
    assert usage is not None

    async def use(id_: str, client: str) -> None:
        made = msgspec.structs.replace(record(1), id=id_, created=now, ended=now, tenant="lab", client=client)
        await usage.keep([made])

    async def seen(key: str) -> tuple[list[str], int]:
        span = f"from={int(begin)}&to={int(now) + 1}"
        single = await office.ask("GET", f"/admin/usage/records?{span}", key=key)
        report = await office.ask("GET", f"/admin/usage?{span}&group_by=key", key=key)
        assert report.status == 200, report.body
        return [one["client"] for one in single.body["data"]], report.body["totals"]["requests"]

    async def tenant_made(boss: str) -> str:
        await office.ask("PUT", "/admin/tenants/lab", {})
        wish = {"name": boss, "tenant": "lab", "scopes": ["admin"]}
        key: str = (await office.ask("POST", "/admin/keys", wish)).body["key"]
        return key

    first = await tenant_made("boss1")
    now += 60
    await use("ex_1", "old")
    assert await seen(first) == (["old"], 1)
    await office.ask("DELETE", "/admin/tenants/lab")
    now += 60
    second = await tenant_made("boss2")
    now += 60
    await use("ex_2", "new")
    assert await seen(second) == (["new"], 0)
    assert await seen(OPS) == (["new", "old"], 2)
    await office.ask("PUT", "/admin/tenants/lab", {"tags": ["x"]})
    now += 3600
    await use("ex_3", "later")
    assert await seen(second) == (["later", "new"], 1)
    await office.gateway.close()


async def test_requests_of_an_earlier_tenant_of_the_name_are_not_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    now = 1_790_000_000.0
    office = started(tmp_path, SETTINGS_OF_TENANTS, Seams(now=lambda: now))
    await office.gateway.start()

    async def asked(boss: str) -> str:
        """A new tenant, whose administrator has asked for a chat."""
        nonlocal now
        now += 60
        await office.ask("PUT", "/admin/tenants/lab", {})
        wish = {"name": boss, "tenant": "lab", "scopes": ["inference", "admin"]}
        key: str = (await office.ask("POST", "/admin/keys", wish)).body["key"]
        now += 60
        assert await office.chat(key) == 200
        return key

    async def seen(key: str) -> list[str]:
        answer = await office.ask("GET", "/admin/exchanges?model=simulate/echo", key=key)
        return [one["client"] for one in answer.body["data"]]

    assert await seen(await asked("boss1")) == ["boss1"]
    await office.ask("DELETE", "/admin/tenants/lab")
    second = await asked("boss2")
    assert await seen(second) == ["boss2"]
    both = (await office.ask("GET", "/admin/exchanges?model=simulate/echo")).body["data"]
    assert [one["client"] for one in both] == ["boss2", "boss1"]
    earlier = await office.ask("GET", f"/admin/exchanges/{both[1]['id']}", key=second)
    assert (earlier.status, earlier.body["error"]["code"]) == (404, "exchange_not_found")
    later = await office.ask("GET", f"/admin/exchanges?since={now + 1}", key=second)
    assert later.body["data"] == []
    await office.gateway.close()


async def test_tenants_with_long_names_do_not_share_usage(office: Office) -> None:
    assert office.gateway.usage is not None
    long = [f"{'a' * 250}{end}" for end in "xy"]
    await office.gateway.usage.keep(
        [msgspec.structs.replace(record(n), client=long[n], tenant="acme") for n in range(2)]
    )
    report = await office.ask("GET", f"/admin/usage?{YEAR}&key={long[0]}", key=BOSS)
    assert report.body["totals"]["requests"] == 1
    single = await office.ask("GET", f"/admin/usage/records?{YEAR}&key={long[0]}", key=BOSS)
    assert [one["client"] for one in single.body["data"]] == [long[0]]


async def test_a_limit_tells_no_names_of_others(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    pilot = {"scope": "tenant", "only": ["acme", "globex"], "requests": "5/day"}
    office = started(tmp_path, {**SETTINGS_OF_TENANTS, "limits": {"pilot": pilot}})
    await office.gateway.start()
    for key in (BOSS, OTHER):
        assert await office.chat(key) == 200
    answer = await office.ask("GET", "/admin/limits?name=pilot", key=BOSS)
    (row,) = answer.body["data"]
    assert (row["whose"], row["only"], row["source"]) == ("acme", ["acme"], None)
    assert b"globex" not in answer.data
    assert (await office.ask("GET", "/admin/limits?name=pilot")).body["data"][0]["source"] is not None
    await office.gateway.close()


async def test_a_key_named_like_the_hash_of_a_long_name_sees_nothing_of_it(office: Office) -> None:
    """Limits show a long name as its hash, and a tenant chooses the names of its keys."""
    long = "far-" * 20
    await office.ask("PUT", "/admin/limits/each", {"requests": "9/day"})
    far = await office.ask("POST", "/admin/keys", {"name": long, "tenant": "globex"})
    await office.ask("POST", "/admin/keys", {"name": shown(long)}, key=BOSS)
    assert await office.chat(far.body["key"]) == 200
    assert (await office.ask("GET", "/admin/limits?name=each", key=BOSS)).body["data"] == []
    assert len((await office.ask("GET", "/admin/limits?name=each")).body["data"]) == 1


async def test_limits_are_the_tenants(office: Office) -> None:
    await office.ask("POST", "/admin/keys", {"name": "a", "tenant": "acme", "limits": {"requests": "5/day"}})
    await office.ask(
        "POST", "/admin/keys", {"name": "b", "tenant": "globex", "limits": {"requests": "5/day"}}
    )
    assert await office.chat(OTHER) == 200
    told = (await office.ask("GET", "/admin/limits", key=BOSS)).body["data"]
    assert {(one["scope"], one["whose"]) for one in told} == {("tenant", "acme"), ("key", "a")}
    whole = (await office.ask("GET", "/admin/limits")).body["data"]
    assert len(whole) == 4
    assert (await office.ask("PUT", "/admin/limits/x", {}, key=BOSS)).status == 403


async def test_others_are_served_while_a_tenants_limits_are_found(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [Limit(f"key {n}", "requests", 9, "day", only=frozenset({f"{n}"})) for n in range(5_000)]
    counters = limits_module.LimitsApi._counters
    turns, done, begun = 0, False, 0

    async def others() -> None:
        nonlocal turns
        while not done:
            turns += 1
            await asyncio.sleep(0)

    async def counted(*asked: Any) -> Any:
        nonlocal begun
        found = await counters(*asked)
        begun = turns
        return found

    monkeypatch.setattr(limits_module, "held_limits", lambda *_: iter(many))
    monkeypatch.setattr(limits_module.LimitsApi, "_counters", counted)
    other = asyncio.create_task(others())
    assert (await office.ask("GET", "/admin/limits?scope=key", key=BOSS)).status == 200
    done = True
    await other
    assert turns - begun > 5_000 / limits_module._AT_ONCE


async def test_provider_keys_are_the_tenants(office: Office) -> None:
    pytest.importorskip("cryptography", reason="needs the extra `encryption`")
    path = "/admin/tenants/{}/provider-keys/openai"
    assert (await office.ask("PUT", path.format("globex"), {"key": "sk-1"}, key=BOSS)).status == 400
    assert (await office.ask("DELETE", path.format("globex"), key=BOSS)).status == 404
    await office.ask("PUT", path.format("globex"), {"key": "sk-2"}, key=OTHER)
    await office.ask("PUT", path.format("acme"), {"key": "sk-3"}, key=BOSS)
    told = (await office.ask("GET", "/admin/provider-keys", key=EYES)).body["data"]
    assert [one["tenant"] for one in told] == ["acme"]


async def test_the_details_of_health_are_not_a_tenants(office: Office) -> None:
    assert "store" not in (await office.ask("GET", "/health", key=EYES)).body
    assert "store" in (await office.ask("GET", "/health")).body


async def test_without_a_database_a_tenant_sees_what_files_declare(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    office = started(tmp_path, {**SETTINGS_OF_TENANTS, "stores": {"sql": "memory"}})
    await office.gateway.start()
    assert names(await office.ask("GET", "/admin/keys", key=EYES)) == ["boss", "eyes"]
    assert names(await office.ask("GET", "/admin/teams", key=EYES)) == ["sales"]
    limits = (await office.ask("GET", "/admin/limits", key=BOSS)).body["data"]
    assert [one["whose"] for one in limits] == ["acme"]
    assert (await office.ask("POST", "/v1/chat/completions", CHAT, key=BOSS)).status == 200
    await office.gateway.close()


async def test_who_belongs_to_a_tenant_is_found_out_once_for_all_its_limits(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without a database, this takes milliseconds if the file has a thousand teams."""
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    teams = {f"team-{number}": {"tenant": "acme", "limits": {"requests": "5/day"}} for number in range(3)}
    settings = {**SETTINGS_OF_TENANTS, "stores": {"sql": "memory"}}
    office = started(tmp_path, {**settings, "teams": {**settings["teams"], **teams}})
    await office.gateway.start()
    made: list[Directory] = []

    def directory(declared: Declared) -> Directory:
        made.append(Directory(declared))
        return made[-1]

    monkeypatch.setattr("dragoman.server.admin.limits.Directory", directory)
    limits = (await office.ask("GET", "/admin/limits", key=BOSS)).body["data"]
    await office.gateway.close()
    assert sorted(one["whose"] for one in limits) == ["acme", *teams]
    assert len(made) == 1
