"""Whom limits count when the name of a tenant, a team or a user is used again: the present one alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from tests.unit.server.admin.office import CHAT, SETTINGS, Office, started

KINDS = {"tenants": "tenant", "teams": "team", "users": "user"}
LIMITED: dict[str, Any] = {
    **SETTINGS,
    "limits": {f"each-{one}": {"scope": one, "requests": "3/lifetime"} for one in KINDS.values()},
}
BUDGET = {"limits": {"requests": "2/lifetime"}}


@pytest.fixture
async def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    made = started(tmp_path, LIMITED)
    await made.gateway.start()
    yield made
    await made.gateway.close()


async def keyed(office: Office, kind: str, name: str, key: str, **limits: Any) -> str:
    """Make a tenant, a team or a user, and a key that belongs to it. Return the key."""
    assert (await office.ask("PUT", f"/admin/{kind}/{name}", limits)).status == 200
    made = await office.ask("POST", "/admin/keys", {"name": key, KINDS[kind]: name})
    assert made.status == 200, made.body
    return str(made.body["key"])


async def used(office: Office, whose: str) -> list[tuple[str, float]]:
    rows = (await office.ask("GET", f"/admin/limits?whose={whose}")).body["data"]
    return sorted((row["name"], row["used"]) for row in rows)


@pytest.mark.parametrize("kind", KINDS)
async def test_a_later_one_begins_with_budgets_of_its_own(office: Office, kind: str) -> None:
    one = KINDS[kind]
    first = await keyed(office, kind, "beta", "a", **BUDGET)
    assert [await office.chat(first) for _ in range(3)] == [200, 200, 429]
    await office.ask("PUT", f"/admin/{kind}/beta", {**BUDGET, "tags": ["x"]})  # the same one, changed
    assert await office.chat(first) == 429

    assert (await office.ask("DELETE", f"/admin/{kind}/beta")).status == 200
    second = await keyed(office, kind, "beta", "b", **BUDGET)
    assert [await office.chat(second) for _ in range(3)] == [200, 200, 429]
    assert await used(office, "beta") == [(f"each-{one}", 2), (f"{one} beta", 2)]
    refused = await office.ask("POST", "/v1/chat/completions", CHAT, key=second)
    assert refused.body["error"]["message"].startswith(f"The budget of {one} beta is used up. Of 2 requests")


@pytest.mark.parametrize("kind", KINDS)
async def test_what_a_later_one_has_used_is_known_after_a_restart(
    office: Office, tmp_path: Path, kind: str
) -> None:
    first = await keyed(office, kind, "beta", "a")
    assert [await office.chat(first) for _ in range(3)] == [200] * 3
    await office.ask("DELETE", f"/admin/{kind}/beta")
    second = await keyed(office, kind, "beta", "b")
    assert await office.chat(second) == 200
    await office.gateway.close()

    again = started(tmp_path, LIMITED)
    await again.gateway.start()
    try:
        assert await used(again, "beta") == [(f"each-{KINDS[kind]}", 1)]
        # a limit that is new counts what the present one has used, and nothing of the earlier one
        assert (await again.ask("PUT", f"/admin/{kind}/beta", BUDGET)).status == 200
        for _ in range(1000):
            if (f"{KINDS[kind]} beta", 1) in await used(again, "beta"):
                break
            await asyncio.sleep(0.01)  # the records are read beside the requests
        assert [await again.chat(second) for _ in range(2)] == [200, 429]
    finally:
        await again.gateway.close()


async def test_one_that_a_file_declares_goes_on_by_its_name(office: Office, tmp_path: Path) -> None:
    """Taken out of the file and put back, it is the same one; in the database it is another one."""
    declared = {**LIMITED, "teams": {"lab": {}}}
    declared["auth"] = {"keys": [*SETTINGS["auth"]["keys"], {"key": "the-key-of-the-lab", "team": "lab"}]}
    await office.gateway.close()
    for settings, told in ((declared, [200, 200, 429]), (LIMITED, [401]), (declared, [429])):
        again = started(tmp_path, {**settings, **_of_team(2)})
        await again.gateway.start()
        try:
            assert [await again.chat("the-key-of-the-lab") for _ in told] == told
        finally:
            await again.gateway.close()
    again = started(tmp_path, {**LIMITED, **_of_team(2)})
    await again.gateway.start()
    try:
        key = await keyed(again, "teams", "lab", "b")
        assert [await again.chat(key) for _ in range(3)] == [200, 200, 429]
    finally:
        await again.gateway.close()


def _of_team(most: int) -> dict[str, Any]:
    return {"limits": {"each-team": {"scope": "team", "requests": f"{most}/lifetime"}}}
