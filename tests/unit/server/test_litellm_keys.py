"""What clients of LiteLLM ask about their own key, user and team."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.accounts.limits import NANO
from dragoman.seams.clock import SYSTEM
from dragoman.state.usage import UsageLine, UsageRecord
from tests.unit.server.admin.office import OPS, Office, started
from tests.unit.server.admin.test_within_tenant import BOSS, EYES, OTHER, SETTINGS_OF_TENANTS

CI = "the-key-of-the-build-server"
SETTINGS: dict[str, Any] = {
    **SETTINGS_OF_TENANTS,
    "teams": {**SETTINGS_OF_TENANTS["teams"], "lab": {"limits": {"money": "7 USD"}}},
    "users": {"uma": {"metadata": {"floor": 3}}},
    "auth": {
        **SETTINGS_OF_TENANTS["auth"],
        "keys": [
            *SETTINGS_OF_TENANTS["auth"]["keys"],
            {
                "name": "ci",
                "key": CI,
                "team": "lab",
                "user": "uma",
                "models": ["fast"],
                "expires": "2099-12-31T00:00:00Z",
                "limits": [
                    {"money": ["5 USD/day", "20 USD/month"], "requests": "60/min", "tokens": "9k/min"},
                    {"money": "90 USD/lifetime", "soft": True, "concurrency": 4},
                ],
            },
        ],
    },
}


@pytest.fixture
async def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    made = started(tmp_path, SETTINGS)
    await made.gateway.start()
    yield made
    await made.gateway.close()


async def spend(office: Office, usd: float, **of: Any) -> None:
    usage = office.gateway.usage
    assert usage is not None
    now = SYSTEM.now()
    line = UsageLine(deployment="up/m", provider="up", cost=int(usd * NANO))
    await usage.keep([UsageRecord(id=f"x{usd}", created=now, ended=now, lines=(line,), cost=line.cost, **of)])


async def test_a_key_is_told_what_it_may_use_and_has_spent(office: Office) -> None:
    await spend(office, 1.5, client="ci", team="lab", user="uma")
    await spend(office, 4.0, client="other")
    told = await office.ask("GET", "/key/info", key=CI)
    assert told.status == 200
    assert told.body["key"] == "ci"
    info = told.body["info"]
    assert CI.encode() not in told.data
    assert {name: info[name] for name in ("spend", "max_budget", "budget_duration", "soft_budget")} == {
        "spend": 1.5,
        "max_budget": 20.0,
        "budget_duration": "1mo",
        "soft_budget": None,
    }
    assert info["budget_reset_at"].endswith("-01T00:00:00.000Z")
    assert (info["rpm_limit"], info["tpm_limit"], info["max_parallel_requests"]) == (60, 9000, None)
    assert (info["key_alias"], info["user_id"], info["team_id"]) == ("ci", "uma", "lab")
    assert (info["models"], info["blocked"]) == (["fast"], False)
    assert info["expires"].startswith("2099-12-31T00:00:00")
    user = (await office.ask("GET", "/user/info?user_id=uma", key=CI)).body
    assert (user["user_id"], user["user_info"]["metadata"], user["user_info"]["max_budget"]) == (
        "uma",
        {"floor": 3},
        None,
    )
    team = (await office.ask("GET", "/team/info", key=CI)).body
    assert (team["team_info"]["spend"], team["team_info"]["max_budget"]) == (1.5, 7.0)
    assert team["team_info"]["budget_reset_at"] is None


async def test_a_key_of_the_database(office: Office) -> None:
    wish = {"name": "ann", "tenant": "acme", "limits": {"money": "3 USD/day"}, "metadata": {"a": 1}}
    key = (await office.ask("POST", "/admin/keys", wish)).body["key"]
    info = (await office.ask("GET", f"/key/info?key={key}", key=key)).body["info"]
    assert (info["max_budget"], info["organization_id"], info["metadata"]) == (3.0, "acme", {"a": 1})
    assert (info["models"], info["expires"], info["spend"]) == ([], None, 0.0)


@pytest.mark.parametrize(
    ("money", "duration"),
    [
        (["9 USD/90min", "4 USD/h"], "90m"),
        (["9 USD/month", "4 USD/week"], "1mo"),
        (["9 USD", "4 USD/month"], None),
    ],
)
async def test_the_budget_is_the_one_with_the_longest_window(
    office: Office, money: list[str], duration: str | None
) -> None:
    for name, stated in (("forwards", money), ("backwards", money[::-1])):
        key = (await office.ask("POST", "/admin/keys", {"name": name, "limits": {"money": stated}})).body[
            "key"
        ]
        info = (await office.ask("GET", "/key/info", key=key)).body["info"]
        assert (info["max_budget"], info["budget_duration"]) == (9.0, duration)


@pytest.mark.parametrize(
    ("asker", "of", "status"),
    [
        (OPS, "ci", 200),
        (OPS, CI, 200),
        (OPS, "nobody", 404),
        (CI, "ci", 200),
        (CI, CI, 200),
        (CI, "ops", 404),
        (CI, OPS, 404),
        (BOSS, "boss", 200),
        (BOSS, "eyes", 200),
        (BOSS, "other", 404),
        (OTHER, "eyes", 404),
        (OTHER, BOSS, 404),
    ],
)
async def test_who_may_ask_about_whom(office: Office, asker: str, of: str, status: int) -> None:
    told = await office.ask("GET", f"/key/info?key={of}", key=asker)
    assert told.status == status
    assert "The" in told.body["error"]["message"] if status == 404 else told.body["key"]


@pytest.mark.parametrize(
    ("asker", "path", "status"),
    [
        (OPS, "/team/info?team_id=sales", 200),
        (BOSS, "/team/info", 200),
        (BOSS, "/team/info?team_id=mines", 404),
        (OTHER, "/team/info?team_id=mines", 200),
        (CI, "/team/info?team_id=guests", 404),
        (BOSS, "/user/info", 404),
        (OPS, "/user/info?user_id=nobody", 404),
    ],
)
async def test_teams_and_users_of_others(office: Office, asker: str, path: str, status: int) -> None:
    assert (await office.ask("GET", path, key=asker)).status == status


async def test_nothing_is_told_without_a_key(office: Office) -> None:
    assert (await office.ask("GET", "/key/info", key="wrong-key-0123456789")).status == 401
    assert (await office.ask("GET", "/key/info", key=EYES)).status == 403  # it may not use models
