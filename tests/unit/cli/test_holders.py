"""`dragoman tenants`, `teams` and `users`: what is asked of the gateway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.cli import operator, teams, tenants, users
from dragoman.cli.operator import NothingThere, Told, Way
from dragoman.cli.terminal import ANSWER_IS_NO, MISUSE, UNREACHABLE
from tests.unit.cli.conftest import Run

KNOWN: dict[str, Any] = {
    "object": "team",
    "name": "lab",
    "declared": False,
    "tenant": "acme",
    "models": ["fast"],
    "faces": None,
    "operations": None,
    "providers": None,
    "regions": None,
    "tags": [],
    "limits": None,
    "metadata": {},
    "disabled": False,
    "created": None,
    "created_by": "me",
}


class Asked:
    """A running gateway, and what it was asked. known: it has the team `lab`."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, str, Any]] = []
        self.known = True

    async def call(self, _: Way, method: str, path: str, body: Any = None) -> Any:
        self.sent.append((method, path, body))
        return {"data": [KNOWN], "has_more": "after" not in path}

    async def told(self, _: Way, method: str, path: str, body: Any = None, tag: str | None = None) -> Told:
        self.sent.append((method, path, body))
        if method == "GET" and not self.known:
            raise NothingThere(ANSWER_IS_NO, "There is no team")
        assert tag == ('"7"' if method == "PUT" and self.known else None)
        return Told(KNOWN, '"7"')


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Asked:
    made = Asked()
    monkeypatch.setattr(operator, "call", made.call)
    monkeypatch.setattr(operator, "told", made.told)
    monkeypatch.setattr(operator, "way", lambda _found, _url, _key: Way(Path("/run/x.sock")))
    return made


def test_a_change_keeps_what_is_not_stated(run: Run, gateway: Asked) -> None:
    ended = run("teams", "set", "lab", "--limit", "money=5 USD/day", "--disable")
    assert (ended.code, "is changed" in ended.err) == (0, True)
    method, path, body = gateway.sent[-1]
    assert (method, path) == ("PUT", "/admin/teams/lab")
    assert (body["tenant"], body["models"], body["disabled"]) == ("acme", ["fast"], True)
    assert body["limits"] == {"money": ["5 USD/day"]}


def test_a_new_one(run: Run, gateway: Asked) -> None:
    gateway.known = False
    ended = run("tenants", "set", "acme", "--model", "openai/*")
    assert "tenant acme is made" in ended.err
    assert gateway.sent[-1] == ("PUT", "/admin/tenants/acme", {"models": ["openai/*"]})


def test_the_list(run: Run, gateway: Asked) -> None:
    ended = run("users", "list")
    assert ended.out.splitlines()[1].split("\t") == ["lab", "ok", "fast", "acme", "me"]
    assert len(json.loads(run("users", "list", "--json").out)["data"]) == 2
    pages = ["/admin/users?limit=1000", "/admin/users?limit=1000&after=lab"]
    assert [path for _, path, _ in gateway.sent] == pages * 2


def test_one_with_all_its_settings(run: Run, gateway: Asked) -> None:
    assert run("teams", "show", "lab").out.splitlines() == [
        "● team lab: ok",
        "  tenant: acme",
        "  models: fast",
        "  created_by: me",
    ]
    gateway.known = False
    missing = run("teams", "show", "lap")
    assert (missing.code, "dragoman teams list" in missing.err) == (ANSWER_IS_NO, True)


def test_a_tenant_belongs_to_no_tenant(run: Run, gateway: Asked) -> None:
    assert run("tenants", "set", "acme", "--tenant", "x").code == MISUSE
    assert gateway.sent == []


def test_a_removal_needs_a_yes(run: Run, gateway: Asked) -> None:
    assert run("teams", "remove", "lab").code == MISUSE
    assert gateway.sent == []
    assert run("teams", "remove", "lab", "--yes").code == 0
    assert gateway.sent == [("DELETE", "/admin/teams/lab", None)]


def test_without_a_gateway(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "way", lambda _found, _url, _key: None)
    for arguments in (("list",), ("show", "lab"), ("set", "lab"), ("remove", "lab", "--yes")):
        assert run("teams", *arguments).code == UNREACHABLE


def test_the_groups_have_their_names() -> None:
    assert [one.command.name for one in (tenants, teams, users)] == ["tenants", "teams", "users"]
