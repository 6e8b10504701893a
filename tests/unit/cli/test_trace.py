"""`dragoman trace`: what it asks a gateway for, and how it ends. How a trace looks is in `test_traced`."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from dragoman.cli import admin_target
from dragoman.cli.admin_target import Target
from dragoman.cli.operator import Way
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.observe.trace import detail, for_tenant, summary
from tests.unit.cli.conftest import Run

URL = ("--url", "http://gateway.example:8080")


def exchange(number: int) -> Exchange:
    id_ = f"{number:032x}"
    one = Exchange(
        f"ex_{id_}", f"req_{id_}", "openai_chat", "POST", "/v1/chat/completions", 1.0, 1_700_000_000
    )
    one.asked, one.answered, one.client, one.status = "m", "up/m", "ann", 200
    one.close(1.25)
    return one


class Gateway:
    """What was asked of it, and what it keeps."""

    def __init__(self, *kept: Exchange) -> None:
        self.kept = kept
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.targets: list[Target] = []
        self.shown: Callable[[Exchange], dict[str, Any]] = detail

    async def __call__(self, there: Target, path: str, query: dict[str, str]) -> Any:
        self.targets.append(there)
        self.asked.append((path, query))
        if path == "/admin/exchanges":
            part = query.get("q", "")
            return {"data": [summary(one) for one in self.kept if one.id.startswith(part)]}
        id_ = path.rpartition("/")[2]
        return next((self.shown(one) for one in self.kept if id_ in {one.id, one.request_id}), None)


@pytest.fixture
def gateway(monkeypatch: pytest.MonkeyPatch) -> Gateway:
    made = Gateway(exchange(0x11), exchange(0x12), exchange(0x2 << 124))
    monkeypatch.setattr(admin_target, "ask", made)
    return made


def test_the_latest_requests(run: Run, gateway: Gateway) -> None:
    code, out, err = run("trace", *URL)
    assert (code, err) == (0, "")
    titles, first, *_ = out.splitlines()
    assert titles == "time\tid\tstatus\tms\tmodel\tanswered by\thow it ended\ttries\tclient"
    assert first.split("\t") == [
        "2023-11-14T22:13:20.000Z", gateway.kept[0].id, "200", "250", "m", "up/m", "done", "0", "ann"
    ]  # fmt: skip
    assert gateway.asked == [("/admin/exchanges", {"limit": "20"})]


def test_only_some_of_them(run: Run, gateway: Gateway) -> None:
    run("trace", "--failed", "--client", "ann", "--model", "m", "--last", "5", *URL)
    assert gateway.asked[0][1] == {"has": "error", "client": "ann", "model": "m", "limit": "5"}


def test_one_by_its_id(run: Run, gateway: Gateway) -> None:
    code, out, err = run("trace", gateway.kept[0].request_id, *URL)
    assert (code, err) == (0, "")
    assert out.startswith("2023-11-14 22:13:20 UTC  POST /v1/chat/completions  m\n")


def test_one_by_the_beginning_of_its_id(run: Run, gateway: Gateway) -> None:
    code, out, _ = run("trace", "ex_2", *URL)
    assert code == 0
    assert gateway.kept[2].id in out


def test_a_beginning_of_several_ids(run: Run, gateway: Gateway) -> None:
    code, _, err = run("trace", "ex_0", *URL)
    assert code == 1
    assert err == (
        "error: several requests have ex_0 in their ids\n"
        f" hint: one of: {gateway.kept[0].id}, {gateway.kept[1].id}\n"
    )


def test_one_that_nobody_keeps(run: Run, gateway: Gateway) -> None:
    code, out, err = run("trace", "req_none", *URL)
    assert (code, out) == (1, "")
    assert err.splitlines()[0] == "error: no request req_none is kept (any more)"


def test_for_programs_the_gateways_own_words(run: Run, gateway: Gateway) -> None:
    assert [row["id"] for row in json.loads(run("trace", "--json", *URL).out)] == [
        one.id for one in gateway.kept
    ]
    assert json.loads(run("trace", gateway.kept[1].id, "--json", *URL).out)["id"] == gateway.kept[1].id


def test_an_id_and_filters_exclude_each_other(run: Run, gateway: Gateway) -> None:
    assert run("trace", "ex_1", "--failed", *URL).code == 2
    assert gateway.asked == []


def test_where_and_with_which_key(run: Run, gateway: Gateway, monkeypatch: pytest.MonkeyPatch) -> None:
    run("trace", *URL, "--key", "mine")
    monkeypatch.setenv("DRAGOMAN_URL", "https://other.example/v1")
    monkeypatch.setenv("DRAGOMAN_ADMIN_KEY", "operators-key")
    run("trace")
    assert gateway.targets == [
        [Way(None, "http://gateway.example:8080", "mine")],
        [Way(None, "https://other.example", "operators-key")],
    ]


def test_those_of_a_tenant(run: Run, gateway: Gateway) -> None:
    assert run("trace", *URL, "--tenant", "acme", "--failed")[0] == 0
    assert gateway.asked == [
        ("/admin/exchanges", {"has": "error", "tenant": "acme", "limit": "20"}),
    ]
    code, _, err = run("trace", *URL, "ex_1", "--tenant", "acme")
    assert (code, "an ID names one request already" in err) == (2, True)


def test_what_a_tenants_administrator_gets_is_shown(run: Run, gateway: Gateway) -> None:
    one = gateway.kept[0]
    one.attempts = [AttemptRecord("ex_1-1", "up/m", "1111", "relay", 1.0, ended=1.25, status=200)]
    gateway.shown = lambda one: for_tenant(detail(one))
    code, out, _ = run("trace", *URL, one.id)
    assert (code, "1111" in out, "candidates" in out) == (0, False, False)
    assert "up/m" in out
