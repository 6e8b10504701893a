"""How what was added is told: without secrets, with what became of it; and the rows of its operations."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.gateway import Gateway
from dragoman.server.admin.added import OPERATIONS, changes
from dragoman.server.app import App
from dragoman.state.added import AddedEntry
from tests.unit.turns.asking import Answer, Talk


class Office:
    """A gateway with a database."""

    def __init__(self, file: Path) -> None:
        self.gateway = Gateway(file)
        self.app = App(self.gateway)

    async def ask(self, method: str, path: str, body: Any = None, **headers: str) -> Answer:
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        return await Talk(self.app, method, f"/admin/{path}", body, named).answer()


@pytest.fixture
async def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    file = tmp_path / "dragoman.yaml"
    settings = {"providers": {"simulate": {"enabled": True}}, "stores": {"sql": "sqlite"}}
    file.write_text(json.dumps(settings))
    made = Office(file)
    await made.gateway.start()
    yield made
    await made.gateway.close()


def test_operations_of_a_kind_have_names_of_their_own() -> None:
    names = [one.name for one in (*OPERATIONS, *changes("providers", "/admin/providers/{name}", "provider"))]
    assert len(names) == len(set(names))
    assert all(one.tagged for one in OPERATIONS if one.method != "GET")


async def test_texts_that_may_be_secrets_are_not_told(office: Office) -> None:
    section = {"use": "simulate/echo", "body": {"deep": {"token": "sk-0123456789-abcdef"}}}
    added = await office.ask("POST", "models/team/fast", section)
    assert (added.status, added.body["name"]) == (200, "team/fast")
    alias = {"route": "team/fast", "defaults": {"api_key": "sk-0123456789-abcdef", "user": "me"}}
    told = (await office.ask("PUT", "aliases/best", alias)).body
    assert told["section"]["defaults"] == {"api_key": "…cdef", "user": "me"}
    alias["defaults"] = {"metadata": {"x_token": "sk-0123456789-abcdef", "team": ["a"]}}
    told = (await office.ask("PUT", "aliases/best", alias)).body
    assert told["section"]["defaults"] == {"metadata": {"x_token": "…cdef", "team": ["a"]}}
    for path in ("added", "audit", "models/team/fast", "config"):
        assert b"sk-0123" not in (await office.ask("GET", path)).data
    assert (await office.ask("GET", "models/team/fast")).headers["etag"] == added.headers["etag"]


async def test_a_list_in_pages_tells_what_is_not_known_here_yet(office: Office) -> None:
    await office.ask("PUT", "models/one", "simulate/echo")
    store = office.gateway.engine.runtime.store.added
    assert store is not None
    await store.change(AddedEntry("models", "two", b'"simulate/echo"', 2, "another server", 1.0))
    first = (await office.ask("GET", "added?limit=1")).body
    assert ([one["state"] for one in first["data"]], first["has_more"]) == (["used"], True)
    second = (await office.ask("GET", "added?after=models/one")).body
    (entry,) = second["data"]
    assert (entry["name"], entry["state"], entry["by"]) == ("two", "pending", "another server")
    assert (second["version"], entry["at"]) == (2, "1970-01-01T00:00:01.000Z")


async def test_each_change_is_in_the_audit(office: Office) -> None:
    await office.ask("POST", "models/fast", "simulate/echo")
    await office.ask("PUT", "models/fast", "simulate/other")
    await office.ask("DELETE", "models/fast")
    entries = (await office.ask("GET", "audit")).body["data"]
    assert [(one["action"], one["target"]) for one in reversed(entries)] == [
        ("add", "models/fast"),
        ("replace", "models/fast"),
        ("remove", "models/fast"),
    ]
    assert [one["before"] and one["before"]["version"] for one in reversed(entries)] == [None, 1, 2]
    assert entries[0]["after"] is None


async def test_a_change_whose_client_goes_away_is_in_the_audit(
    office: Office, monkeypatch: pytest.MonkeyPatch
) -> None:
    reload, reloading = office.gateway.reload, asyncio.Event()

    async def slowly() -> Any:
        reloading.set()
        await asyncio.sleep(0)
        return await reload()

    monkeypatch.setattr(office.gateway, "reload", slowly)
    asking = asyncio.ensure_future(office.ask("POST", "models/fast", "simulate/echo"))
    await reloading.wait()
    asking.cancel()
    await asyncio.wait([asking])
    assert asking.cancelled()
    await office.ask("POST", "models/other", "simulate/echo")  # after it, as each change is
    entries = (await office.ask("GET", "audit")).body["data"]
    assert [one["target"] for one in reversed(entries)] == ["models/fast", "models/other"]


async def test_what_is_no_json_or_meets_no_entry_is_refused(office: Office) -> None:
    refused = await office.ask("POST", "models/fast", "simulate/echo", if_match='"1234"')
    assert (refused.status, refused.error["code"]) == (412, "precondition_failed")
    refused = await office.ask("DELETE", "models/fast", if_match='"1234"')
    assert (refused.status, refused.error["code"]) == (404, "not_added")
    for name in ("n" * 201, "two\x7fwords"):
        wrong = await office.ask("PUT", f"models/{name}", "simulate/echo")
        assert (wrong.status, wrong.error["param"]) == (400, "name")
    wrong = await office.ask("PUT", "models/fast", 12)
    assert (wrong.status, wrong.error["code"]) == (400, "invalid_config")
    assert (await office.ask("GET", "added")).body["version"] == 0
