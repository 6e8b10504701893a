"""What commands read of keys and holders, and how they show it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dragoman.cli import operator
from dragoman.cli.asked import Asked
from dragoman.cli.entries import ask, belongs, every, seen
from dragoman.cli.operator import NothingThere, Told, Way
from dragoman.cli.terminal import ANSWER_IS_NO, UNREACHABLE, Failure
from tests.unit.cli.conftest import Run

HERE = Asked(None, Way(Path("/run/x.sock")))


@pytest.fixture
def sent(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What a running gateway was asked. It has nothing of the name `gone`."""
    asked: list[Any] = []

    async def told(_: Way, method: str, path: str, body: Any = None, tag: str | None = None) -> Told:
        asked.append((method, path, body, tag))
        if "gone" in path:
            raise NothingThere(ANSWER_IS_NO, "There is none.")
        if "?" in path:
            last = "after" in path
            return Told({"data": [{"name": "b/c" if last else "a b"}], "has_more": not last})
        return Told({"name": "ann"}, '"1"')

    async def call(way: Way, method: str, path: str, body: Any = None) -> Any:
        return (await told(way, method, path, body)).body

    monkeypatch.setattr(operator, "told", told)
    monkeypatch.setattr(operator, "call", call)
    return asked


def test_an_answer_comes_with_its_etag(sent: list[Any]) -> None:
    assert seen(HERE, "/admin/keys", "a/b") == ({"name": "ann"}, '"1"')
    assert ask(HERE, "/admin/keys", "ann", method="PUT", body={}, tag='"1"') == {"name": "ann"}
    assert sent == [("GET", "/admin/keys/a%2Fb", None, None), ("PUT", "/admin/keys/ann", {}, '"1"')]


@pytest.mark.parametrize(
    ("path", "hint"),
    [
        (("/admin/keys", "gone"), "dragoman keys list"),
        (("/admin/keys", "gone", "rotate"), "dragoman keys list"),
        (("/admin/tenants", "acme", "provider-keys", "gone"), "dragoman provider-keys list"),
    ],
)
def test_a_missing_name_leads_to_the_list(sent: list[Any], path: tuple[str, ...], hint: str) -> None:
    with pytest.raises(NothingThere) as failed:
        ask(HERE, *path)
    assert (failed.value.message, failed.value.hint) == ("There is none.", hint)


def test_all_pages_of_a_list_are_read(sent: list[Any]) -> None:
    assert [one["name"] for one in every(HERE, "/admin/keys")] == ["a b", "b/c"]
    assert [path for _, path, _, _ in sent] == [
        "/admin/keys?limit=1000",
        "/admin/keys?limit=1000&after=a%20b",
    ]


def test_without_a_gateway() -> None:
    for read in (lambda: ask(Asked(None, None), "/admin/keys"), lambda: [*every(Asked(None, None), "/a")]):
        with pytest.raises(Failure) as failed:
            read()
        assert failed.value.code == UNREACHABLE


def test_to_whom_an_entry_belongs() -> None:
    assert belongs({"tenant": None, "name": "x"}) is None
    assert belongs({"tenant": "acme", "team": None, "user": "ann"}) == "tenant acme, user ann"


def test_an_entry_shows_what_is_stated(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    entry = {"object": "team", "name": "lab", "models": ["a", "b"], "tags": [], "limits": {"requests": 5}}

    async def told(*_: Any) -> Told:
        return Told({**entry, "disabled": False, "tenant": None})

    monkeypatch.setattr(operator, "told", told)
    monkeypatch.setattr(operator, "way", lambda _found, _url, _key: HERE.way)
    assert run("teams", "show", "lab").out.splitlines() == [
        "● team lab: ok",
        "  models: a, b",
        '  limits: {"requests": 5}',
    ]
