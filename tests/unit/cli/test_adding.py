"""`add` and `remove`: what a command line becomes, and what is asked of the gateway."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from dragoman.cli import operator
from dragoman.cli.operator import Way
from dragoman.cli.terminal import MISUSE, UNREACHABLE
from tests.unit.cli.conftest import Run

Sent = list[tuple[str, str, Any]]


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """A running gateway, and what it was asked."""
    sent: Sent = []

    async def call(there: Way, method: str, path: str, body: Any = None) -> Any:
        sent.append((method, path, body))
        return {"name": "x", "version": 7}

    monkeypatch.setattr(operator, "call", call)
    monkeypatch.setattr(operator, "way", lambda _found, _url, _key: Way(Path("/run/x.sock")))
    return sent


@pytest.mark.parametrize(
    ("arguments", "asked"),
    [
        (["models", "add", "fast", "openai/m"], ("POST", "/admin/models/fast", "openai/m")),
        (["aliases", "add", "a/b", "fast", "--replace"], ("PUT", "/admin/aliases/a%2Fb", "fast")),
        (["providers", "add", "openai"], ("POST", "/admin/providers/openai", {})),
        (
            [
                "providers",
                "add",
                "acme",
                "base_url=http://a?x=1",
                'keys=["${A}", "${B}"]',
                "timeouts.total=30s",
            ],
            (
                "POST",
                "/admin/providers/acme",
                {"base_url": "http://a?x=1", "keys": ["${A}", "${B}"], "timeouts": {"total": "30s"}},
            ),
        ),
        (["models", "remove", "fast", "--yes"], ("DELETE", "/admin/models/fast", None)),
    ],
)
def test_what_is_asked(run: Run, gateway: Sent, arguments: list[str], asked: Any) -> None:
    ended = run(*arguments)
    assert (ended.code, gateway) == (0, [asked])
    assert ended.err


@pytest.mark.parametrize("kind", ["aliases", "limits", "models", "prices", "providers"])
def test_nothing_is_removed_without_a_yes(run: Run, gateway: Sent, kind: str) -> None:
    ended = run(kind, "remove", "fast")
    assert (ended.code, gateway, "add --yes" in ended.err) == (MISUSE, [], True)
    assert run(kind, "remove", "fast", "-y").code == 0
    assert gateway == [("DELETE", f"/admin/{kind}/fast", None)]


def test_warnings_about_an_entry_are_told(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def call(*_: Any) -> Any:
        return {"version": 7, "warnings": [{"path": "providers.x.base_url", "message": "is odd"}]}

    monkeypatch.setattr(operator, "call", call)
    monkeypatch.setattr(operator, "way", lambda _found, _url, _key: Way(Path("/run/x.sock")))
    ended = run("providers", "add", "x", "base_url=http://a")
    assert (ended.code, "is odd" in ended.err, ended.out) == (0, True, "")


def test_an_entry_comes_from_a_file_as_it_is_written(run: Run, gateway: Sent, folder: Path) -> None:
    (folder / "acme.yaml").write_text("base_url: http://a\nkeys: ${NOT_HERE}\n")
    ended = run("providers", "add", "acme", "--from", "acme.yaml", "--json")
    assert json.loads(ended.out)["version"] == 7
    assert gateway == [("POST", "/admin/providers/acme", {"base_url": "http://a", "keys": "${NOT_HERE}"})]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["use=a/b", "nonsense"], "SETTING=VALUE"),
        (["use=a/b", "--from", "x.yaml"], "cannot be combined"),
        (["supports={tools", "use=a/b"], "is not JSON"),
        (["use=a/b", "use.more=1"], "has a value already"),
    ],
)
def test_mistakes_are_told_before_anybody_is_asked(
    run: Run, gateway: Sent, arguments: list[str], words: str
) -> None:
    ended = run("models", "add", "fast", *arguments)
    assert (ended.code, gateway) == (MISUSE, [])
    assert words in ended.err


def test_without_a_gateway_nothing_can_be_added(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "way", lambda _found, _url, _key: None)
    for arguments in (["add", "fast", "simulate/echo"], ["remove", "fast", "--yes"]):
        ended = run("models", *arguments)
        assert (ended.code, "no gateway runs here" in ended.err) == (UNREACHABLE, True)
