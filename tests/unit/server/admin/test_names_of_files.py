"""Names that keys of a configuration file have had: nobody gets them who could then read what they stored."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest

from tests.unit.server.admin.office import OPS, Office, started
from tests.unit.server.admin.test_within_tenant import BOSS, OTHER, SETTINGS_OF_TENANTS

CI = "the-key-that-ci-had-once"


@pytest.fixture
async def used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Callable[..., Any]]:
    """A function that gives the office after a key `ci` of a file was used, and taken out of it."""
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    offices: list[Office] = []

    async def use(path: str, body: Any, **of: Any) -> Office:
        keys = [*SETTINGS_OF_TENANTS["auth"]["keys"], {"name": "ci", "key": CI, **of}]
        auth = {**SETTINGS_OF_TENANTS["auth"], "keys": keys}
        before = started(tmp_path, {**SETTINGS_OF_TENANTS, "auth": auth})
        await before.gateway.start()
        answer = await before.ask("POST", path, body, key=CI)
        assert answer.status == 200, answer.body
        await before.gateway.close()
        offices.append(started(tmp_path, SETTINGS_OF_TENANTS))
        await offices[0].gateway.start()
        return offices[0]

    yield use
    for office in offices:
        await office.gateway.close()


CONVERSATION = "/v1/conversations", {"items": [{"type": "message", "role": "user", "content": "secret"}]}
ANSWER = "/v1/responses", {"model": "simulate/echo", "input": "secret"}
REQUEST = "/v1/chat/completions", {"model": "simulate/echo", "messages": [{"role": "user", "content": "s"}]}
NAME = "/api/copy", {"source": "simulate/echo", "destination": "mine"}


async def made(office: Office, key: str, **stated: Any) -> tuple[int, str | None]:
    answer = await office.ask("POST", "/admin/keys", {"name": "ci", **stated}, key=key)
    return answer.status, answer.body.get("error", {}).get("code")


@pytest.mark.parametrize("asked", [CONVERSATION, ANSWER, REQUEST, NAME])
async def test_no_tenant_gets_what_a_key_of_nobody_has_stored(used: Callable[..., Any], asked: Any) -> None:
    office = await used(*asked)
    assert await made(office, BOSS) == (409, "name_taken")
    assert await made(office, OPS, tenant="acme") == (409, "name_taken")
    # an operator moves the key into the database: nothing is lost
    assert await made(office, OPS) == (200, None)


async def test_a_tenants_name_is_free_for_this_tenant_alone(used: Callable[..., Any]) -> None:
    office = await used(*ANSWER, team="sales")
    assert await made(office, OTHER) == (409, "name_taken")
    assert await made(office, OPS) == (409, "name_taken")
    assert await made(office, BOSS) == (200, None)


async def test_a_later_tenant_of_the_name_is_another_one(
    used: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await used(*ANSWER, tenant="globex")
    await first.gateway.close()
    named = {**SETTINGS_OF_TENANTS["auth"], "keys": SETTINGS_OF_TENANTS["auth"]["keys"][:2]}
    settings = {**SETTINGS_OF_TENANTS, "auth": named, "tenants": {"acme": {}}, "teams": {"sales": {}}}
    office = started(tmp_path, settings)
    await office.gateway.start()
    assert (await office.ask("PUT", "/admin/tenants/globex", {})).status == 200
    wish = {"name": "head", "tenant": "globex", "scopes": ["admin"]}
    head = (await office.ask("POST", "/admin/keys", wish)).body["key"]
    assert await made(office, head) == (409, "name_taken")
    assert await made(office, OPS, tenant="globex") == (409, "name_taken")
    assert await made(office, OPS) == (200, None)
    await office.gateway.close()
