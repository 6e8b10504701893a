"""`dragoman usage`: what it asks for, and how the answer looks."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from dragoman.cli import operator
from dragoman.cli.usage import _seconds, _short, _spend
from dragoman.observe.usage_told import told
from dragoman.state.periods import DAY
from dragoman.state.usage_report import Bucket, Found, Query, Report
from dragoman.state.usage_sums import Sums
from tests.unit.cli.conftest import Run

URL = ("--url", "http://gateway.example:8080")
BEGIN = 20_000 * DAY


class Gateway:
    """What was asked of it."""

    def __init__(self) -> None:
        self.queries: list[dict[str, list[str]]] = []

    async def __call__(self, there: Any, method: str, path: str, body: Any = None) -> Any:
        split = urlsplit(path)
        assert (method, split.path) == ("GET", "/admin/usage")
        query = parse_qs(split.query)
        self.queries.append(query)
        acme = Sums({"requests": 1000, "failed": 3, "cost": 1_822_400_000_000}, {"input": 402}, {}, {20: 1})
        lab = Sums({"requests": 10, "unpriced": 1, "cost": 5 * 10**9})
        groups = [Found(("acme",), acme), Found(("",), lab), Found(None, lab)]
        step: Any = query.get("step", [None])[0]
        buckets = [Bucket(BEGIN, BEGIN + DAY, True, groups[:1])] if step else []
        asked = Query(begin=BEGIN, end=BEGIN + DAY, by=("tenant",), step=step)
        return told(asked, Report(BEGIN, BEGIN + DAY, groups, acme, buckets))


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    made = Gateway()
    monkeypatch.setattr(operator, "call", made)
    return made


def test_a_table_for_other_programs(run: Run, gateway: Gateway) -> None:
    code, out, err = run("usage", "--by", "tenant", "--only", "model=m", "--from", "2026-01-01", *URL)
    assert (code, err) == (0, "")
    assert out.splitlines() == [
        "tenant\trequests\tfailed\tfirst p95\tin / cached / out\tspend",
        "acme\t1000\t3\t1388353\t402/0/0\t1822.40",
        "–\t10\t0\t\t0/0/0\t>=5.00",
        "(other)\t10\t0\t\t0/0/0\t>=5.00",
    ]
    assert gateway.queries == [
        {"from": ["2026-01-01"], "group_by": ["tenant"], "top": ["10"], "rank": ["requests"], "model": ["m"]}
    ]


def test_days_and_this_month(run: Run, gateway: Gateway) -> None:
    _, out, _ = run("usage", "--month", "--step", "day", "--by", "tenant", *URL)
    assert out.splitlines()[1].startswith("2024-10-04 00:00\tacme\t1000")
    assert gateway.queries[0]["from"][0].endswith("-01")


def test_json_and_csv(run: Run, gateway: Gateway) -> None:
    _, out, _ = run("usage", "--json", *URL)
    assert json.loads(out)["data"][0]["cost_usd"] == "1822.40"
    _, out, _ = run("usage", "--csv", *URL)
    assert out.splitlines()[0].startswith("tenant,other,requests")


@pytest.mark.parametrize(
    "wrong",
    [
        ("--only", "colour=red"),
        ("--only", "key"),
        ("--only", "key=a", "--only", "key=b"),
        ("--month", "--from", "0"),
    ],
)
def test_wrong_options(run: Run, gateway: Gateway, wrong: tuple[str, ...]) -> None:
    code, _, err = run("usage", *wrong, *URL)
    assert (code, gateway.queries) == (2, [])
    assert err.startswith("error: ")


@pytest.mark.parametrize(
    ("cost", "complete", "text"),
    [
        ("1822.40", True, "$1,822.40"),
        ("402.11", False, "≥ $402.11"),
        (None, False, "—"),
        ("0.00", True, "$0.00"),
        ("0.0065", True, "$0.0065"),
    ],
)
def test_spend_says_what_is_not_known(cost: str | None, complete: bool, text: str) -> None:
    assert _spend({"cost_usd": cost, "cost_complete": complete}) == text


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0"),
        (999, "999"),
        (1_000, "1.0k"),
        (1_500, "1.5k"),
        (99_949, "99.9k"),
        (99_960, "100k"),
        (999_499, "999k"),
        (999_999, "1.0M"),
        (21_400_000, "21.4M"),
        (402_000_000, "402M"),
        (999_600_000, "1.0G"),
        (999_999_999_999, "1.0T"),
        (5 * 10**15, "5000T"),
    ],
)
def test_large_counts_are_short(count: int, text: str) -> None:
    assert _short(count) == text


@pytest.mark.parametrize(
    ("microseconds", "text"),
    [(None, "–"), (400, "0 ms"), (999_400, "999 ms"), (999_600, "1.00 s"), (1_236_000, "1.24 s")],
)
def test_times_are_short(microseconds: int | None, text: str) -> None:
    assert _seconds(microseconds) == text
