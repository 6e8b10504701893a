"""/admin/usage: reports, records, and who may see them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.state.store import StoreFailed
from dragoman.state.usage import UsageRecord
from dragoman.wire.json import encode
from tests.unit.turns.asking import Answer, Asker, Paced

ANN, ADMIN = "ann-key-0123456789", "admin-key-0123456789"
KEYS = [{"name": "ann", "key": ANN}, {"name": "boss", "key": ADMIN, "scopes": ["admin"]}]
BEGIN = 1_767_225_600  # 2026-01-01
YEAR = "from=2026-01-01&to=2026-12-31T00:00:00Z"


@pytest.fixture
async def asker(tmp_path: Path) -> AsyncIterator[Asker]:
    # Not in Dragoman's own folder, where other gateways of this user may have left their records.
    stores = {"sql": f"sqlite:///{tmp_path}/state.db", "journal": str(tmp_path / "journal")}
    settings = {"stores": stores, "auth": {"keys": KEYS}}
    made = Asker(Paced("Hi.", "end"), tmp_path, encode(settings).decode())
    await made.gateway.start()
    assert made.gateway.usage is not None
    await made.gateway.usage.keep([record(n) for n in range(6)])
    yield made
    await made.close()


def record(number: int) -> UsageRecord:
    created = BEGIN + number * 43_200.5
    return UsageRecord(
        id=f"ex_{number}",
        created=created,
        ended=created + 1,
        client=("ann", "ben")[number % 2],
        model="m",
        deployment="p/m",
        provider="p",
        status=200,
        attempts=1,
        units={"input": 10},
        cost=None if number == 5 else 1_000_000_000,
    )


async def ask(asker: Asker, path: str, key: str = ADMIN, **headers: str) -> Answer:
    return await asker.ask("GET", path, None, authorization=f"Bearer {key}", **headers)


async def told(asker: Asker, path: str, key: str = ADMIN) -> dict[str, Any]:
    answer = await ask(asker, path, key)
    assert answer.status == 200, answer.data
    found: dict[str, Any] = answer.body
    return found


async def test_a_report_by_key_and_day(asker: Asker) -> None:
    found = await told(asker, f"/admin/usage?{YEAR}&group_by=key&step=day")
    assert [
        (one["key"], one["requests"], one["cost_usd"], one["cost_complete"]) for one in found["data"]
    ] == [
        ("ann", 3, "3.00", True),
        ("ben", 3, "2.00", False),
    ]
    assert [one["t"] for one in found["buckets"] if one["groups"]] == [BEGIN, BEGIN + 86_400, BEGIN + 172_800]
    only = await told(asker, f"/admin/usage?{YEAR}&key=ben&group_by=model")
    assert (only["totals"]["requests"], only["filters"]) == (3, {"key": "ben"})


async def test_csv_by_header_or_by_query(asker: Asker) -> None:
    for answer in (
        await ask(asker, f"/admin/usage?{YEAR}&group_by=key&format=csv"),
        await ask(asker, f"/admin/usage?{YEAR}&group_by=key", accept="text/csv"),
    ):
        assert answer.headers["content-type"].startswith("text/csv")
        rows = list(csv.DictReader(io.StringIO(answer.data.decode())))
        assert [(row["key"], row["cost_usd"]) for row in rows] == [("ann", "3.00"), ("ben", "2.00")]


async def test_a_report_that_did_not_change_is_not_sent_again(asker: Asker) -> None:
    first = await ask(asker, f"/admin/usage?{YEAR}")
    again = await ask(asker, f"/admin/usage?{YEAR}", **{"if-none-match": first.headers["etag"]})
    assert (again.status, again.data) == (304, b"")


async def test_each_form_of_a_report_has_its_own_etag(asker: Asker) -> None:
    first = await ask(asker, f"/admin/usage?{YEAR}&group_by=key")
    tag = first.headers["etag"]
    other = await ask(asker, f"/admin/usage?{YEAR}&group_by=key", accept="text/csv", **{"if-none-match": tag})
    assert (other.status, other.headers["content-type"].partition(";")[0]) == (200, "text/csv")
    assert other.headers["etag"] != tag


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ("from=yesterday", "from"),
        ("from=2026-02-01&to=2026-01-01", "to"),
        ("to=2020-01-01", "to"),
        ("from=2999-01-01", "from"),
        ("group_by=colour", "group_by"),
        ("group_by=tag,model", "group_by"),
        ("step=week", "step"),
        ("top=0", "top"),
        ("colour=red", "colour"),
    ],
)
async def test_a_wrong_query_names_its_field(asker: Asker, query: str, field: str) -> None:
    answer = await ask(asker, f"/admin/usage?{query}")
    assert (answer.status, answer.body["error"]["param"]) == (400, field)


async def test_records_come_in_pages_and_whole_as_csv(asker: Asker) -> None:
    first = await told(asker, f"/admin/usage/records?{YEAR}&limit=4")
    assert [one["id"] for one in first["data"]] == ["ex_5", "ex_4", "ex_3", "ex_2"]
    second = await told(asker, f"/admin/usage/records?{YEAR}&limit=4&after={first['next']}")
    assert ([one["id"] for one in second["data"]], second["has_more"]) == (["ex_1", "ex_0"], False)
    answer = await ask(asker, "/admin/usage/records?format=csv&key=ann&to=2027-01-01")
    rows = list(csv.DictReader(io.StringIO(answer.data.decode())))
    assert [row["id"] for row in rows] == ["ex_4", "ex_2", "ex_0"]
    backwards = await ask(asker, "/admin/usage/records?from=2026-11-02&to=2026-11-01")
    assert (backwards.status, backwards.body["error"]["param"]) == (400, "to")
    wrong = await ask(asker, "/admin/usage/records?after=x")
    assert (wrong.status, wrong.body["error"]["param"]) == (400, "after")


async def test_a_client_sees_its_own_usage_alone(asker: Asker) -> None:
    own = await told(asker, f"/v1/usage?{YEAR}&group_by=model", ANN)
    assert (own["totals"]["requests"], own["filters"]) == (3, {"key": "ann"})
    assert (await ask(asker, f"/v1/usage?{YEAR}&key=ben", ANN)).status == 400
    assert (await ask(asker, f"/admin/usage?{YEAR}", ANN)).status == 403
    assert (await ask(asker, "/admin/usage/records", ANN)).status == 403


async def test_a_store_that_fails_is_told(asker: Asker, monkeypatch: pytest.MonkeyPatch) -> None:
    async def fails(*_: Any) -> Any:
        raise StoreFailed("the database: gone")

    monkeypatch.setattr(asker.gateway.usage, "report", fails)
    answer = await ask(asker, f"/admin/usage?{YEAR}")
    assert (answer.status, json.loads(answer.data)["error"]["code"]) == (503, "usage_unreadable")


@pytest.mark.parametrize(
    "span",
    ["from=0001-01-01T00:00:00%2B23:59&to=1970-01-02", "from=5138-01-01&to=9999-12-31T23:59:59-23:59"],
)
async def test_the_first_and_the_last_time_are_no_failure(asker: Asker, span: str) -> None:
    answer = await asker.ask("GET", f"/admin/usage?step=month&{span}", authorization=f"Bearer {ADMIN}")
    assert answer.status == 200
    assert answer.body["totals"]["requests"] == 0
