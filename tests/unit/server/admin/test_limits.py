"""How full limits are, and limits that operators add."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.accounts.limits import Limit
from dragoman.config.load import load
from dragoman.gateway import Gateway
from dragoman.seams.clock import Seams
from dragoman.server.admin import limits as limits_module
from dragoman.server.admin.limits import OPERATIONS, source_of
from dragoman.server.app import App
from tests.unit.turns.asking import Answer, Talk

NOW = 1_795_446_278.5
"""2026-11-23, 15:04:38.5 UTC."""
FILE = {
    "providers": {"simulate": {"enabled": True}},
    "models": {"m": {"use": "simulate/echo", "limits": {"requests": "9/min"}}},
    "stores": {"sql": "sqlite"},
    "limits": {"each": {"requests": "4/min", "money": "5 USD/day", "warn_at": "50%"}},
}


class Office:
    """A gateway with a database, whose clock stands still until a test moves it."""

    def __init__(self, file: Path) -> None:
        self.now = NOW
        self.gateway = Gateway(file, seams=Seams(now=lambda: self.now))
        self.app = App(self.gateway)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await Talk(self.app, method, path, body, named).answer()

    async def limits(self, query: str = "") -> list[dict[str, Any]]:
        told: list[dict[str, Any]] = (await self.ask("GET", f"/admin/limits{query}")).body["data"]
        return told

    async def chat(self) -> int:
        body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}]}
        return (await self.ask("POST", "/v1/chat/completions", body)).status


@pytest.fixture
async def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    file = tmp_path / "dragoman.yaml"
    file.write_text(json.dumps(FILE, indent=1))
    made = Office(file)
    await made.gateway.start()
    yield made
    await made.gateway.close()


async def test_limits_are_shown_before_anybody_has_used_them(office: Office) -> None:
    rows = await office.limits()
    assert {(one["name"], one["resource"], one["limit"], one["used"], one["whose"]) for one in rows} == {
        ("each", "requests", 4.0, 0.0, None),
        ("each", "money", 5.0, 0.0, None),
        ("model m", "requests", 9.0, 0.0, "m"),
    }


async def test_the_fullest_limit_comes_first(office: Office) -> None:
    assert [await office.chat() for _ in range(3)] == [200, 200, 200]
    first, second, third = await office.limits()
    assert first | {"id": "", "source": ""} == {
        "object": "limit",
        "id": "",
        "name": "each",
        "scope": "key",
        "whose": "anyone",
        "resource": "requests",
        "unit": "requests",
        "window": "minute",
        "every": 1,
        "limit": 4.0,
        "used": 3.0,
        "reserved": 0.0,
        "percent": 75.0,
        "state": "warning",
        "hard": True,
        "warn_at": 0.5,
        "models": None,
        "only": None,
        "resets": "2026-11-23T15:05:00.000Z",
        "refused": 0,
        "source": "",
    }
    assert first["source"].partition(":")[0].endswith("dragoman.yaml")
    assert (second["name"], second["whose"], second["percent"]) == ("model m", "m", 33.3)
    assert (third["unit"], third["resets"]) == ("USD", "2026-11-24T00:00:00.000Z")
    assert [await office.chat() for _ in range(3)] == [200, 429, 429]
    first = (await office.limits())[0]
    assert (first["state"], first["refused"], first["percent"]) == ("reached", 2, 100.0)


async def test_refusals_outlast_the_window_that_refused(office: Office) -> None:
    assert [await office.chat() for _ in range(6)][-2:] == [429, 429]
    office.now += 60
    (row,) = [one for one in await office.limits("?whose=anyone") if one["resource"] == "requests"]
    assert (row["name"], row["used"], row["percent"], row["refused"]) == ("each", 0.0, 0.0, 2)
    assert row["resets"] == "2026-11-23T15:06:00.000Z"
    assert len([one for one in await office.limits("?name=each") if one["resource"] == "requests"]) == 1
    office.now += 24 * 3600
    (row,) = [one for one in await office.limits("?name=each") if one["resource"] == "requests"]
    assert (row["whose"], row["refused"]) == (None, 0)


async def test_a_long_name_is_shown_whole_and_a_pattern_is_no_name(office: Office) -> None:
    for name, only in (("one", ["k" * 70]), ("some", ["ci-*"])):
        await office.ask("PUT", f"/admin/limits/{name}", {"only": only, "requests": "1/day"})
    whose = {one["name"]: one["whose"] for one in await office.limits()}
    assert (whose["one"], whose["some"]) == ("k" * 70, None)


async def test_some_limits_and_pages(office: Office) -> None:
    assert [one["name"] for one in await office.limits("?scope=model")] == ["model m"]
    assert [one["resource"] for one in await office.limits("?name=each")] == ["money", "requests"]
    assert await office.limits("?whose=nobody") == []
    first = (await office.ask("GET", "/admin/limits?limit=2")).body
    assert first["has_more"]
    after = first["data"][-1]["id"].replace("|", "%7C")
    assert len(await office.limits(f"?after={after}")) == 1
    assert (await office.ask("GET", "/admin/limits?scope=x")).status == 400


async def test_a_page_begins_after_a_counter_whose_window_is_over(office: Office) -> None:
    every = [one["id"].rpartition("|")[0] for one in await office.limits()]
    first = await office.limits("?limit=2")
    after = next(one["id"] for one in first if one["window"] == "minute")
    office.now += 60
    rest = await office.limits(f"?after={after.replace('|', '%7C')}")
    place = every.index(after.rpartition("|")[0])
    assert [one["id"].rpartition("|")[0] for one in rest] == every[place + 1 :]
    for stranger in ("nothing", after.rpartition("|")[0]):
        refused = await office.ask("GET", f"/admin/limits?after={stranger.replace('|', '%7C')}")
        assert refused.status == 400
        assert f"the list has no member {stranger!r}," in refused.body["error"]["message"]


async def test_others_are_served_while_many_limits_are_listed(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    many = [Limit(f"key {n}", "requests", 9, "day", only=frozenset({f"{n}"})) for n in range(5_000)]
    monkeypatch.setattr(limits_module, "held_limits", lambda *_: iter(many))
    turns, done = 0, False

    async def others() -> None:
        nonlocal turns
        while not done:
            turns += 1
            await asyncio.sleep(0)

    other = asyncio.create_task(others())
    listed = await office.limits("?limit=1000&scope=key")
    done = True
    await other
    assert len(listed) == 1000
    assert turns > 2 * 5_000 / limits_module._AT_ONCE


async def test_a_limit_that_is_added_holds_at_once_and_counts_on(office: Office) -> None:
    added = await office.ask("PUT", "/admin/limits/all", {"scope": "global", "requests": "2/day"})
    assert (added.status, added.body["version"]) == (200, 1)
    assert [await office.chat() for _ in range(3)] == [200, 200, 429]
    raised = await office.ask(
        "PUT", "/admin/limits/all", {"scope": "global", "requests": "3/day"}, if_match=added.headers["etag"]
    )
    assert raised.status == 200
    (row,) = [one for one in await office.limits() if one["name"] == "all"]
    assert (row["used"], row["limit"]) == (2.0, 3.0)
    assert row["source"].startswith("added by")
    assert [await office.chat() for _ in range(2)] == [200, 429]
    stale = await office.ask("DELETE", "/admin/limits/all", if_match=added.headers["etag"])
    assert stale.status == 412
    assert (await office.ask("DELETE", "/admin/limits/all")).status == 200
    assert [one["name"] for one in await office.limits("?name=all")] == []
    assert await office.chat() == 200


async def test_mistakes(office: Office) -> None:
    wrong = await office.ask("PUT", "/admin/limits/x", {"requests": 60})
    assert (wrong.status, wrong.body["error"]["param"]) == (400, "requests")
    taken = await office.ask("PUT", "/admin/limits/each", {"requests": "60/min"})
    assert (taken.status, taken.body["error"]["code"]) == (409, "declared_elsewhere")
    assert (await office.ask("GET", "/admin/limits/none")).status == 404


def test_the_rows_of_the_operations() -> None:
    assert [one.name for one in OPERATIONS] == [
        "list_limits",
        "show_limit",
        "add_limit",
        "replace_limit",
        "remove_limit",
    ]


def test_where_a_limit_is_stated(tmp_path: Path) -> None:
    file = tmp_path / "dragoman.yaml"
    file.write_text(
        "limits: {each: {requests: 1/s}}\n"
        "auth: {keys: [{name: other, key: 0123456789abcdef9}, {name: k, key: 0123456789abcdef0,\n"
        "  limits: {requests: 1/s}},\n"
        "  {key: 0123456789abcdef1, limits: {requests: 1/s}}]}\n"
        "providers: {a: {base_url: 'http://127.0.0.1:1', keys: [],\n"
        "  limits: {requests: 1/s}}}\n"
        "models: {m: {limits: {requests: 1/s},\n"
        "  deployments: [a/y, {use: a/x,\n"
        "    limits: {requests: 1/s}}]}}\n"
        "tenants: {acme: {limits: {requests: 1/s}}}\n"
        "teams: {sales: {limits: {requests: 1/s}}}\n"
        "users: {ann lee: {limits: {requests: 1/s}}}\n"
    )
    loaded = load(file, {})
    for name, subject, line in (
        ("each", "key", 1),
        ("key k", "key", 3),
        (f"key {loaded.config.auth.keys[2].client}", "key", 4),
        ("provider a", "provider", 6),
        ("model m", "model", 7),
        ("deployment a/x", "deployment", 9),
        ("tenant acme", "tenant", 10),
        ("team sales", "team", 11),
        ("user ann lee", "user", 12),
    ):
        limit = Limit(name, "requests", 1, "second", subject)  # type: ignore[arg-type]
        assert source_of(limit, loaded) == f"{file}:{line}", name
    assert source_of(Limit("tenant t", "requests", 1, "second", "tenant"), loaded) is None
    assert source_of(Limit("gone", "requests", 1, "second", "tenant"), loaded) is None
