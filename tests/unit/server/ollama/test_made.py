"""The names that clients create, in a database and without one. What several processes see is in
tests/e2e/ollama/test_kept_names.py.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.accounts.caller import ANYONE, Caller
from dragoman.server.ollama.made import MadeName
from tests.unit.server.admin.office import SETTINGS, Office, started

WHOLE, ANN, BOB = (f"the-key-of-{name}-0123" for name in ("whole", "ann", "bob"))
KEYS: list[dict[str, Any]] = [
    *SETTINGS["auth"]["keys"],
    {"name": "whole", "key": WHOLE},
    {"name": "ann", "key": ANN, "tenant": "alpha"},
    {"name": "bob", "key": BOB, "tenant": "beta"},
]
MORE: dict[str, Any] = {"auth": {"keys": KEYS}, "tenants": {"alpha": {}, "beta": {}}}


@pytest.fixture(params=["sqlite", "memory"])
async def office(request: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    if request.param == "sqlite":
        pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    monkeypatch.setenv("A_SECRET", "never-told")
    made = started(tmp_path, {**SETTINGS, **MORE, "stores": {"sql": request.param}})
    await made.gateway.start()
    yield made
    await made.gateway.close()


async def make(office: Office, key: str, name: str, source: str = "fast", **more: Any) -> int:
    body = {"model": name, "from": source, "stream": False, **more}
    return (await office.ask("POST", "/api/create", body, key=key)).status


async def drop(office: Office, key: str, name: str) -> int:
    return (await office.ask("DELETE", "/api/delete", {"model": name}, key=key)).status


async def test_a_name_of_a_tenant_means_to_others_what_it_meant_before(office: Office) -> None:
    assert await make(office, ANN, "plan") == 200
    assert [await office.chat(key, "plan") for key in (ANN, BOB, WHOLE)] == [200, 404, 404]
    assert [await drop(office, key, "plan") for key in (BOB, WHOLE)] == [404, 404]
    assert await make(office, BOB, "plan") == 403
    for path in ("/v1/models/plan", "/v1/models"):
        answers = [await office.ask("GET", path, key=key) for key in (ANN, BOB)]
        assert [b"plan" in one.data and one.status == 200 for one in answers] == [True, False]
    assert await drop(office, ANN, "plan") == 200
    assert await make(office, BOB, "plan") == 200


async def test_a_name_in_other_capitals_is_the_same_name(office: Office) -> None:
    assert await make(office, WHOLE, "mine") == 200
    assert await make(office, WHOLE, "Mine", "slow") == 200
    listed = [one["model"] for one in (await office.ask("GET", "/api/tags", key=WHOLE)).body["models"]]
    assert [one for one in listed if one.lower().startswith("mine")] == ["Mine:latest"]
    assert await drop(office, WHOLE, "MINE:latest") == 200


async def test_no_text_of_a_client_reads_the_environment(office: Office) -> None:
    for number, text in enumerate(["${A_SECRET}", "$${A_SECRET}", "${", "${A_SECRET:-x}", "$$$${A_SECRET}"]):
        assert await make(office, WHOLE, f"n{number}", system=text) == 200
        shown = await office.ask("POST", "/api/show", {"model": f"n{number}"})
        assert shown.body["system"] == text


async def test_a_broken_configuration_is_told_to_no_client(office: Office, tmp_path: Path) -> None:
    broken = {**SETTINGS, **MORE, "providers": {"hidden-provider": {"base_url": "nowhere"}}}
    (tmp_path / "dragoman.yaml").write_text(json.dumps(broken))
    refused = await office.ask("POST", "/api/copy", {"source": "fast", "destination": "mine"}, key=WHOLE)
    assert refused.status in {200, 503}  # in memory nothing is loaded again
    assert b"hidden-provider" not in refused.data


def test_who_may_see_and_change_a_name() -> None:
    made = MadeName("ann", "alpha", 10)
    ann, amy, bob = Caller("ann", tenant="alpha"), Caller("amy", tenant="alpha"), Caller("bob", tenant="beta")
    assert [made.is_seen_by(one) for one in (ann, amy, bob, ANYONE)] == [True, True, False, True]
    assert [made.may_be_changed_by(one) for one in (ann, amy, bob, ANYONE)] == [True, False, False, True]
    bosses = [Caller("boss", tenant=one, scopes_in_tenant=frozenset({"admin"})) for one in ("alpha", "beta")]
    assert [made.may_be_changed_by(one) for one in bosses] == [True, False]
