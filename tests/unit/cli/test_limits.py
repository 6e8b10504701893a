"""`dragoman limits`: what is asked of the gateway, and how its answer looks."""

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


def row(**fields: Any) -> dict[str, Any]:
    return {
        "id": f"{fields.get('name', 'each')}|requests|1minute||ci|1",
        "name": "each",
        "scope": "key",
        "whose": "ci",
        "resource": "requests",
        "unit": "requests",
        "window": "minute",
        "every": 1,
        "limit": 60.0,
        "used": 51.0,
        "reserved": 2.0,
        "percent": 88.3,
        "state": "warning",
        "hard": True,
        "resets": "2026-11-23T15:05:00.000Z",
        "refused": 12,
        "source": "dragoman.yaml:60",
        **fields,
    }


MONEY = row(
    name="all",
    scope="global",
    whose=None,
    resource="money",
    unit="USD",
    window="month",
    limit=2000.0,
    used=1822.4,
    reserved=0.00012,
    percent=91.1,
    hard=False,
    resets=None,
    source=None,
)


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Sent:
    """A running gateway with two limits, in two pages, and what it was asked."""
    sent: Sent = []

    async def call(there: Way, method: str, path: str, body: Any = None) -> Any:
        sent.append((method, path, body))
        if method != "GET":
            return {"name": "x", "version": 7}
        return {"data": [MONEY if "after" in path else row()], "has_more": "after" not in path}

    monkeypatch.setattr(operator, "call", call)
    monkeypatch.setattr(operator, "way", lambda _found, _url, _key: Way(Path("/run/x.sock")))
    return sent


def test_the_list_has_all_pages(run: Run, gateway: Sent) -> None:
    ended = run("limits", "list")
    assert ended.code == 0
    assert [path for _, path, _ in gateway] == [
        "/admin/limits?limit=1000",
        "/admin/limits?limit=1000&after=each%7Crequests%7C1minute%7C%7Cci%7C1",
    ]
    head, first, second = [line.split("\t") for line in ended.out.splitlines()]
    assert head == ["limit", "whose", "allows", "used", "reserved", "full", "resets", "refused 24 h", "from"]
    assert first == [
        *("each", "key ci", "60 requests / minute", "51", "2", "warn 88.3 %", "2026-11-23T15:05:00.000Z"),
        *("12", "dragoman.yaml:60"),
    ]
    assert second == [
        *("all", "all", "2,000.00 USD / month (soft)", "1,822.40", "0.00012", "warn 91.1 %", "never"),
        *("12", "–"),
    ]


def test_the_list_as_json(run: Run, gateway: Sent) -> None:
    ended = run("limits", "list", "--json")
    assert json.loads(ended.out) == {"data": [row(), MONEY]}
    assert not ended.err


def test_setting_and_removing(run: Run, gateway: Sent) -> None:
    assert run("limits", "set", "trial", "only=trial", "requests=20/day", "concurrency=1").code == 0
    stated = {"only": "trial", "requests": "20/day", "concurrency": "1"}
    assert gateway[-1:] == [("PUT", "/admin/limits/trial", stated)]
    assert run("limits", "remove", "trial", "--yes").code == 0
    assert gateway[-1:] == [("DELETE", "/admin/limits/trial", None)]


@pytest.mark.parametrize(
    ("setting", "below"),
    [
        ("requests=50/min", True),
        ('requests=["1000/day", "52/min"]', True),
        ("requests=53/min", False),
        ("requests=5/day", False),
        ("tokens=5/min", False),
        ("requests=nonsense", False),
    ],
)
def test_a_limit_below_what_is_used_needs_a_yes(run: Run, gateway: Sent, setting: str, below: bool) -> None:
    ended = run("limits", "set", "each", setting)
    assert ended.code == (MISUSE if below else 0)
    assert ("PUT" in [method for method, _, _ in gateway]) is not below
    if below:
        assert "51 requests are used already by key ci" in ended.err
        assert run("limits", "set", "each", setting, "--yes").code == 0
        assert gateway[-1][0] == "PUT"


@pytest.mark.parametrize("setting", ['concurrency={"most": 3}', 'concurrency=[["3"]]', "concurrency=three"])
def test_an_unreadable_concurrency_is_left_to_the_gateway(
    run: Run, gateway: Sent, monkeypatch: pytest.MonkeyPatch, setting: str
) -> None:
    async def call(_there: Way, method: str, path: str, body: Any = None) -> Any:
        gateway.append((method, path, body))
        counter = row(resource="concurrency", window=None, used=5)
        return {"data": [counter], "has_more": False} if method == "GET" else {"name": "each", "version": 7}

    monkeypatch.setattr(operator, "call", call)
    ended = run("limits", "set", "each", setting)
    assert ended.code == 0, ended.err
    assert gateway[-1][0] == "PUT"


def test_money_below_what_is_used(run: Run, gateway: Sent) -> None:
    assert run("limits", "set", "all", "scope=global", "money=1800 USD/month").code == MISUSE
    assert run("limits", "set", "all", "scope=global", "money=1823 USD/month").code == 0


def test_without_a_gateway(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operator, "way", lambda _found, _url, _key: None)
    for arguments in (["list"], ["set", "x", "requests=1/s"], ["remove", "x", "--yes"]):
        assert run("limits", *arguments).code == UNREACHABLE
