"""`dragoman provider-keys`: what is asked of the gateway; a key is read from stdin alone."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.cli import operator
from dragoman.cli.operator import NothingThere, Told, Way
from dragoman.cli.terminal import ANSWER_IS_NO, MISUSE
from tests.unit.cli.conftest import Run

KEPT = {
    "tenant": "acme",
    "provider": "openai",
    "key": "…6789",
    "master": "0a1b2c3d",
    "created": "2030-01-01T00:00:00Z",
    "created_by": "ops",
}
Sent = list[tuple[str, str, Any]]


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """A running gateway, and what it was asked."""
    sent: Sent = []

    async def told(_: Way, method: str, path: str, body: Any = None, _tag: str | None = None) -> Told:
        sent.append((method, path, body))
        if path.endswith("/nowhere"):
            raise NothingThere(ANSWER_IS_NO, "No key.")
        if path.endswith("reencrypt"):
            return Told({"changed": 2, "failed": ["the key of b needs another master key"], "master": "0a"})
        return Told({"data": [KEPT]} if method == "GET" else KEPT)

    async def call(way: Way, method: str, path: str, body: Any = None) -> Any:
        return (await told(way, method, path, body)).body

    monkeypatch.setattr(operator, "told", told)
    monkeypatch.setattr(operator, "call", call)
    monkeypatch.setattr(operator, "way", lambda _found, _url, _key: Way(Path("/run/x.sock")))
    return sent


def test_a_key_is_read_from_stdin_and_not_shown(run: Run, gateway: Sent) -> None:
    ended = run("provider-keys", "set", "acme", "openai", stdin=b"sk-secret-6789\n")
    assert (ended.code, ended.out) == (0, "")
    assert "…6789" in ended.err
    assert "sk-secret" not in ended.err
    assert gateway == [("PUT", "/admin/tenants/acme/provider-keys/openai", {"key": "sk-secret-6789"})]
    assert run("provider-keys", "set", "acme", "openai").code == MISUSE


def test_the_list(run: Run, gateway: Sent) -> None:
    told = run("provider-keys", "list").out.splitlines()[1].split("\t")
    assert told == list(KEPT.values())
    assert json.loads(run("provider-keys", "list", "--json").out)["data"] == [KEPT]


def test_a_removal_needs_a_yes(run: Run, gateway: Sent) -> None:
    assert run("provider-keys", "remove", "acme", "openai").code == MISUSE
    assert gateway == []
    assert run("provider-keys", "remove", "acme", "openai", "--yes").code == 0
    assert gateway == [("DELETE", "/admin/tenants/acme/provider-keys/openai", None)]
    missing = run("provider-keys", "remove", "acme", "nowhere", "--yes")
    assert (missing.code, "dragoman provider-keys list" in missing.err) == (ANSWER_IS_NO, True)


def test_what_cannot_be_encrypted_anew_is_told(run: Run, gateway: Sent) -> None:
    ended = run("provider-keys", "reencrypt")
    assert (ended.code, "2 keys" in ended.err, "needs another" in ended.err) == (ANSWER_IS_NO, True, True)
    assert gateway == [("POST", "/admin/provider-keys/reencrypt", {})]
