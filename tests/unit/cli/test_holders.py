"""`dragoman tenants`, `teams` and `users`: what is asked of the gateway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.cli import operator, teams, tenants, users
from dragoman.cli.operator import NothingThere, Way
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
        if method == "GET" and "?" in path:
            return {"data": [KNOWN], "has_more": True}
        if method == "GET" and not self.known:
            raise NothingThere(ANSWER_IS_NO, "There is no team")
        return KNOWN


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Asked:
    made = Asked()
    monkeypatch.setattr(operator, "call", made.call)
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
    assert "there are more" in ended.err
    assert json.loads(run("users", "list", "--json").out)["has_more"] is True
    assert gateway.sent[0] == ("GET", "/admin/users?limit=1000", None)


def test_a_removal_needs_a_yes(run: Run, gateway: Asked) -> None:
    assert run("teams", "remove", "lab").code == MISUSE
    assert gateway.sent == []
    assert run("teams", "remove", "lab", "--yes").code == 0
    assert gateway.sent == [("DELETE", "/admin/teams/lab", None)]


def test_without_a_gateway(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "way", lambda _found, _url, _key: None)
    for arguments in (("list",), ("set", "lab"), ("remove", "lab", "--yes")):
        assert run("teams", *arguments).code == UNREACHABLE


def test_the_groups_have_their_names() -> None:
    assert [one.command.name for one in (tenants, teams, users)] == ["tenants", "teams", "users"]
