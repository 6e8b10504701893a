"""`dragoman keys`: what is asked of the gateway, and what is printed where."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.cli import operator
from dragoman.cli.operator import Told, Way
from dragoman.cli.terminal import MISUSE, UNREACHABLE
from tests.unit.cli.conftest import Run

Sent = list[tuple[str, str, Any]]
KEY = "dgm_0123456789"
KNOWN: dict[str, Any] = {
    "id": "key_1",
    "name": "ann",
    "state": "valid",
    "declared": False,
    "shadowed": False,
    "shown": "dgm_0123…",
    "scopes": ["inference"],
    "tenant": None,
    "team": "lab",
    "user": None,
    "models": ["fast"],
    "faces": None,
    "operations": None,
    "providers": None,
    "regions": None,
    "tags": [],
    "limits": None,
    "metadata": {},
    "disabled": False,
    "expires": "2030-01-01T00:00:00Z",
    "created": None,
    "created_by": "me",
    "rotated": None,
    "old_until": None,
    "revoked": None,
    "last_used": None,
}


@pytest.fixture
def changed() -> dict[str, Any]:
    """Members in which the gateway's key differs from `KNOWN`."""
    return {}


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch, changed: dict[str, Any]) -> Sent:
    """A running gateway, and what it was asked."""
    sent: Sent = []

    async def call(_: Way, method: str, path: str, body: Any = None) -> Any:
        sent.append((method, path, body))
        first = "after" not in path
        return {"data": [{**KNOWN, "name": "ann" if first else "bob"}], "has_more": first}

    async def told(_: Way, method: str, path: str, body: Any = None, tag: str | None = None) -> Told:
        sent.append((method, path, body))
        assert tag == ('"7"' if method == "PUT" else None)
        return Told({**KNOWN, "key": KEY, **changed}, '"7"')

    monkeypatch.setattr(operator, "call", call)
    monkeypatch.setattr(operator, "told", told)
    monkeypatch.setattr(operator, "way", lambda _found, _url, _key: Way(Path("/run/x.sock")))
    return sent


def test_a_new_key_is_alone_on_stdout(run: Run, gateway: Sent) -> None:
    ended = run("keys", "create", "ann")
    assert (ended.code, ended.out) == (0, f"{KEY}\n")
    assert "shown only now" in ended.err
    assert gateway == [("POST", "/admin/keys", {"name": "ann"})]


def test_the_settings_of_a_key(run: Run, gateway: Sent) -> None:
    ended = run(
        *("keys", "create", "ann", "--model", "fast", "--model", "openai/*", "--face", "anthropic"),
        *("--operation", "chat", "--provider", "openai", "--region", "eu", "--tag", "ci", "--scope", "read"),
        *("--limit", "requests=60/min", "--limit", "requests=1000/day", "--limit", "concurrency=5"),
        *("--metadata", "of=me", "--team", "lab", "--expires", "2030-01-01", "--json"),
    )
    assert json.loads(ended.out)["key"] == KEY
    ((_, _, body),) = gateway
    assert body == {
        "name": "ann",
        "models": ["fast", "openai/*"],
        "faces": ["anthropic"],
        "operations": ["chat"],
        "providers": ["openai"],
        "regions": ["eu"],
        "tags": ["ci"],
        "scopes": ["read"],
        "team": "lab",
        "limits": {"requests": ["60/min", "1000/day"], "concurrency": 5},
        "metadata": {"of": "me"},
        "expires": "2030-01-01",
    }


def test_a_change_keeps_what_is_not_stated(run: Run, gateway: Sent) -> None:
    assert run("keys", "update", "ann", "--model", "all", "--disable", "--expires", "never").code == 0
    method, path, body = gateway[-1]
    assert (method, path) == ("PUT", "/admin/keys/ann")
    assert (body["models"], body["disabled"], body["expires"]) == (None, True, None)
    assert (body["team"], body["scopes"]) == ("lab", ["inference"])
    assert not {"name", "id", "key", "state"} & body.keys()
    assert run("keys", "update", "ann").code == MISUSE


def test_all_pages_are_listed(run: Run, gateway: Sent) -> None:
    ended = run("keys", "list")
    assert [line.split("\t")[0] for line in ended.out.splitlines()] == ["key", "ann", "bob"]
    assert [path for _, path, _ in gateway] == ["/admin/keys?limit=1000", "/admin/keys?limit=1000&after=ann"]
    assert len(json.loads(run("keys", "list", "--json").out)["data"]) == 2


def test_one_key_is_shown(run: Run, gateway: Sent) -> None:
    ended = run("keys", "show", "ann")
    assert "models: fast" in ended.out
    assert gateway == [("GET", "/admin/keys/ann", None)]


@pytest.mark.parametrize("changed", [{"shadowed": True}])
def test_whoever_revokes_a_key_behind_one_of_a_file_is_told(run: Run, gateway: Sent) -> None:
    """The file's key has the same name, and goes on to work."""
    assert "which stays valid" in run("keys", "revoke", "ann", "--yes").err


@pytest.mark.parametrize("changed", [{"scopes": ["inference", "read"]}])
def test_whoever_gives_a_tenants_key_a_look_at_everything_is_told(run: Run, gateway: Sent) -> None:
    assert "unless team lab is part of a tenant" in run("keys", "create", "a").err


@pytest.mark.parametrize("command", ["revoke", "rotate"])
def test_what_ends_a_key_needs_a_yes(run: Run, gateway: Sent, command: str) -> None:
    ended = run("keys", command, "ann")
    assert (ended.code, [method for method, _, _ in gateway]) == (MISUSE, ["GET"])
    assert "add --yes (never used" in ended.err
    assert run("keys", command, "ann", "--yes").code == 0
    assert gateway[-1][0] == ("DELETE" if command == "revoke" else "POST")


def test_a_rotation_that_keeps_the_old_key_needs_none(run: Run, gateway: Sent) -> None:
    assert run("keys", "rotate", "ann", "--keep", "24h").out == f"{KEY}\n"
    assert gateway == [("GET", "/admin/keys/ann", None), ("POST", "/admin/keys/ann/rotate", {"keep": "24h"})]


def test_a_rotated_key_that_had_expired_is_told_to_have_no_expiry(
    run: Run, gateway: Sent, changed: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "no expiry now" not in run("keys", "rotate", "ann", "--yes").err
    told = operator.told

    async def without_expiry(way: Way, method: str, *rest: Any) -> Told:
        if method == "POST":
            changed["expires"] = None
        return await told(way, method, *rest)

    monkeypatch.setattr(operator, "told", without_expiry)
    assert "no expiry now" in run("keys", "rotate", "ann", "--yes").err


@pytest.mark.parametrize(
    "arguments",
    [
        ("--expires", "soon"),
        ("--limit", "60/min"),
        ("--metadata", "x"),
        ("--scope", "all"),
    ],
)
def test_an_unreadable_option_is_misuse(run: Run, gateway: Sent, arguments: tuple[str, ...]) -> None:
    assert run("keys", "create", "ann", *arguments).code == MISUSE
    assert gateway == []


def test_a_duration_counts_from_now(run: Run, gateway: Sent) -> None:
    run("keys", "create", "ann", "--expires", "90d")
    assert gateway[0][2]["expires"][:2] == "20"


def test_the_hash_of_a_key(run: Run) -> None:
    digest = hashlib.sha256(b"sk-1").hexdigest()
    assert run("keys", "hash", stdin=b"sk-1\n").out == f"{digest}\n"
    assert run("keys", "hash").code == MISUSE


def test_without_a_gateway_nothing_is_made(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "way", lambda _found, _url, _key: None)
    for arguments in (("create", "a"), ("list",), ("show", "a"), ("revoke", "a", "--yes")):
        assert run("keys", *arguments).code == UNREACHABLE


def test_names_that_no_provider_has_are_warned_of(run: Run, gateway: Sent, changed: dict[str, Any]) -> None:
    changed["warnings"] = [{"path": "providers[0]", "message": "no x", "hint": "did you mean y?"}]
    for command in (("create", "ann"), ("update", "ann", "--provider", "x"), ("show", "ann")):
        ended = run("keys", *command)
        assert (ended.code, "no x (did you mean y?)" in ended.err, "no x" in ended.out) == (0, True, False)
        assert "no x" not in run("keys", *command, "--json").err
