"""`dragoman providers`: what it shows of a running gateway and of a configuration, and what it asks."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from dragoman.cli import operator
from dragoman.cli.operator import NotRunning, Way
from dragoman.cli.terminal import ANSWER_IS_NO, MISUSE, UNREACHABLE, Failure
from tests.unit.cli.conftest import Run

KEY: dict[str, Any] = {
    "id": "id-1",
    "key": "…aaaa",
    "state": "ready",
    "enabled": True,
    "running": 0,
    "resting": {},
    "refused": None,
    "refused_for": 0.0,
    "barred": {},
}
UP: dict[str, Any] = {
    "name": "up",
    "kind": "configured",
    "enabled": True,
    "vendor": "openai",
    "base_url": "http://up/v1",
    "dialects": ["openai_chat"],
    "models": [f"m{number}" for number in range(8)],
    "healthy": False,
    "last_error": "connect_failed",
    "last_error_message": "It was not reached.",
    "last_error_at": "2026-11-23T09:00:00.000Z",
    "consecutive_failures": 2,
    "running": 3,
    "keys": [
        {**KEY, "state": "refused", "refused": "it was refused"},
        {**KEY, "id": "id-2", "key": "…bbbb", "state": "resting", "resting": {"m": 12.5}},
    ],
    "breakers": [
        {"deployment": "up/m", "state": "open", "failures": 3, "seconds": 4.0},
        {"deployment": "up/n", "state": "closed", "failures": 1, "seconds": 0.0},
    ],
    "unanswered_for": 80.5,
    "object": "provider",
}
OWN = {**UP, "name": "own", "enabled": False, "healthy": None, "last_error": None, "keys": [], "breakers": []}
REFUSED = {"id": "id-1", "key": "…aaaa", "ok": False, "state": "refused", "asked": "models", "ms": 2.0}
WORKS = {"id": "id-2", "key": None, "ok": True, "state": "ok", "asked": "chat", "ms": 3.5}
TESTED = {
    "provider": "up",
    "ok": False,
    "keys": [{**REFUSED, "message": "No."}, {**WORKS, "message": "m answers"}],
}
Sent = list[tuple[str, str, Any]]


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """A running gateway, and what it was asked."""
    sent: Sent = []

    async def call(there: Way, method: str, path: str, body: Any = None) -> Any:
        sent.append((method, path, body))
        if path.endswith("/test"):
            return TESTED
        if "none" in path:
            raise Failure(ANSWER_IS_NO, "There is no provider 'none'.")
        return {"data": [UP, OWN]} if path == "/admin/providers" else UP

    monkeypatch.setattr(operator, "call", call)
    monkeypatch.setattr(operator, "way", lambda _found, _url, _key: Way(Path("/run/x.sock")))
    return sent


def test_all_are_listed_with_what_is_wrong(run: Run, gateway: Sent) -> None:
    ended = run("providers", "list")
    assert [line.split("\t") for line in ended.out.splitlines()] == [
        ["provider", "state", "keys", "running", "latest error"],
        [
            *("up", "✕ failing", "1 resting, 1 refused", "3"),
            "connect_failed: It was not reached. (2026-11-23T09:00:00.000Z)",
        ],
        ["own", "○ disabled", "none", "3", ""],
    ]
    told = json.loads(run("providers", "list", "--json").out)
    assert (told["gateway"], told["data"][0]["name"]) == ("/run/x.sock", "up")


def test_one_is_shown_with_its_keys(run: Run, gateway: Sent) -> None:
    lines = run("providers", "show", "up").out.splitlines()
    assert [line.strip() for line in lines] == [
        "✕ up: failing",
        "vendor       openai",
        "address      http://up/v1",
        "protocols    openai_chat",
        "models       m0, m1, m2, m3, m4, m5 and 2 more",
        "running      3",
        "latest error connect_failed: It was not reached. (2026-11-23T09:00:00.000Z)",
        "keys         ✕ …aaaa  id-1  refused: it was refused",
        "▲ …bbbb  id-2  resting (m 12.5 s)",
        "failing      ✕ up/m: 3 in a row, asked again in 4 s",
        "▲ up/n: 1 in a row",
        "checks       ✕ did not answer a check, asked after others for 80.5 s",
    ]
    assert json.loads(run("providers", "show", "up", "--json").out)["vendor"] == "openai"


@pytest.mark.parametrize(
    ("do", "said"),
    [("enable", "up is asked again"), ("disable", "up is left out, until"), ("revive", "up begins anew")],
)
def test_orders_are_sent(run: Run, gateway: Sent, do: str, said: str) -> None:
    ended = run("providers", do, "up")
    assert (ended.code, gateway) == (0, [("POST", f"/admin/providers/up/{do}", None)])
    assert said in ended.err
    assert run("providers", do, "none").code == ANSWER_IS_NO


@pytest.mark.parametrize("named", ["id-2", "…bbbb", "bbbb"])
def test_one_key_is_named_by_its_id_or_its_end(run: Run, gateway: Sent, named: str) -> None:
    assert run("providers", "disable", "up", "--only-key", named).code == 0
    assert gateway[-1] == ("POST", "/admin/providers/up/keys/id-2/disable", None)
    assert "…aaaa, …bbbb" in run("providers", "disable", "up", "--only-key", "cccc").err


def test_of_several_keys_with_the_same_end_none_is_meant(
    run: Run, gateway: Sent, monkeypatch: pytest.MonkeyPatch
) -> None:
    alike = [{**KEY, "id": "id-1"}, {**KEY, "id": "id-2"}]
    monkeypatch.setitem(UP, "keys", alike)
    for named in ("aaaa", "…aaaa"):
        ended = run("providers", "disable", "up", "--only-key", named)
        assert (ended.code, "several keys end so: id-1, id-2" in ended.err) == (ANSWER_IS_NO, True)
    assert not any(method == "POST" for method, _, _ in gateway)


def test_a_test_says_what_each_key_has_got(run: Run, gateway: Sent) -> None:
    ended = run("providers", "test", "up")
    assert ended.code == ANSWER_IS_NO
    assert ended.out.splitlines() == [
        "✕ key …aaaa: refused, 2 ms · No.",
        "● without a key: ok, 3.5 ms · m answers",
    ]
    assert json.loads(run("providers", "test", "up", "--json").out) == TESTED


CONFIGURED = 'providers: {up: {base_url: "http://127.0.0.1:9/v1", keys: [sk-first-0123456789-aaaa]}}'


@pytest.fixture
def nobody(folder: Path) -> Callable[[], None]:
    (folder / "dragoman.yaml").write_text(CONFIGURED)
    return lambda: None


def test_without_a_gateway_the_configuration_is_shown(run: Run, nobody: Callable[[], None]) -> None:
    for command in (("list",), ("show", "up")):
        ended = run("providers", *command)
        assert "no gateway runs here: this is what the configuration says" in ended.err
        assert ended.out.splitlines()[1] == "up\thttp://127.0.0.1:9/v1\t…aaaa"
        told = json.loads(run("providers", *command, "--json").out)
        assert told["gateway"] is None
        assert "sk-first" not in ended.out + str(told)
    assert run("providers", "show", "upp").code == MISUSE


def test_without_a_gateway_nothing_can_be_changed(run: Run, nobody: Callable[[], None]) -> None:
    for do in ("enable", "disable", "revive"):
        ended = run("providers", do, "up")
        assert (ended.code, "no gateway runs here" in ended.err) == (UNREACHABLE, True)
    assert run("providers", "disable", "up", "--only-key", "x").code == UNREACHABLE


def test_without_a_gateway_a_provider_is_tested_from_here(run: Run, nobody: Callable[[], None]) -> None:
    ended = run("providers", "test", "up", "--json")
    told = json.loads(ended.out)
    assert (ended.code, told["keys"][0]["state"]) == (ANSWER_IS_NO, "not reached")
    assert run("providers", "test", "none").code == MISUSE


def test_a_url_at_which_nobody_answers_is_an_error(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    async def call(*_: Any) -> Any:
        raise NotRunning("refused")

    monkeypatch.setattr(operator, "call", call)
    ended = run("providers", "list", "--url", "http://127.0.0.1:9")
    assert (ended.code, "http://127.0.0.1:9 does not answer: refused" in ended.err) == (UNREACHABLE, True)


def test_the_socket_of_a_gateway_that_was_killed_is_none(
    run: Run, nobody: Callable[[], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    async def call(*_: Any) -> Any:
        raise NotRunning("refused")

    monkeypatch.setattr(operator, "call", call)
    monkeypatch.setattr(operator, "way", lambda _found, _url, _key: Way(Path("/run/x.sock")))
    assert "no gateway runs here" in run("providers", "list").err
    assert json.loads(run("providers", "list", "--json").out)["gateway"] is None
