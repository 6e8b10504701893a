"""/admin/exchanges: filters, pages, traces, and who may see them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.seams.peers import Peers
from dragoman.wire.json import encode
from tests.unit.turns.asking import Answer, Asker, Paced

ANN, BEN, ADMIN = "ann-key-0123456789", "ben-key-0123456789", "admin-key-0123456789"
KEYS = [
    {"name": "ann", "key": ANN},
    {"name": "ben", "key": BEN},
    {"name": "boss", "key": ADMIN, "scopes": ["admin"]},
]
LIST = "/admin/exchanges"


@pytest.fixture
async def asker(tmp_path: Path) -> AsyncIterator[Asker]:
    made = asking(tmp_path)
    yield made
    await made.close()


def asking(folder: Path, **trace: Any) -> Asker:
    folder.mkdir(exist_ok=True)
    settings = {"stores": {"sql": "memory"}, "auth": {"keys": KEYS}, "trace": trace}
    return Asker(Paced(*["Hi.", "end"] * 9), folder, encode(settings).decode())


async def as_(asker: Asker, key: str, path: str, body: Any = None, **headers: str) -> Answer:
    method = "GET" if body is None else "POST"
    return await asker.ask(method, path, body, authorization=f"Bearer {key}", **headers)


async def chat(asker: Asker, key: str = ANN, model: str = "own/m", said: str = "hello") -> str:
    body = {"model": model, "messages": [{"role": "user", "content": said}]}
    answer = await as_(asker, key, "/v1/chat/completions", body)
    return answer.headers["x-request-id"]


async def listed(asker: Asker, query: str = "") -> list[Any]:
    answer = await as_(asker, ADMIN, f"{LIST}?{query}")
    assert answer.status == 200, answer.data
    rows: list[Any] = answer.body["data"]
    return rows


async def test_the_latest_are_first_and_bring_no_words(asker: Asker) -> None:
    first = await chat(asker, said="a secret")
    second = await chat(asker, BEN, "nobody/knows")
    answer = await as_(asker, ADMIN, LIST)
    assert [row["request_id"] for row in answer.body["data"]] == [second, first]
    assert answer.headers["cache-control"] == "no-store"
    assert b"a secret" not in answer.data
    failed, good = answer.body["data"]
    assert (good["client"], good["status"], good["end"], good["model"]) == ("ann", 200, "done", "own/m")
    assert (failed["client"], failed["status"], failed["error"]) == ("ben", 404, "model_not_found")


async def test_a_trace_by_either_id(asker: Asker) -> None:
    await chat(asker)
    (row,) = await listed(asker)
    for id_ in (row["id"], row["request_id"]):
        told = (await as_(asker, ADMIN, f"{LIST}/{id_}")).body
        assert (told["id"], told["deployment"], told["end"]) == (row["id"], "own/m", "done")
        assert [one["state"] for one in told["candidates"]] == ["called"]
        (attempt,) = told["attempts"]
        assert attempt["outcome"] == "answered"
        assert 0 <= attempt["began_ms"] <= attempt["ended_ms"] <= told["total_ms"]


async def test_one_that_is_not_kept(asker: Asker) -> None:
    answer = await as_(asker, ADMIN, f"{LIST}/ex_nothing")
    assert (answer.status, answer.error["code"]) == (404, "exchange_not_found")


async def test_one_that_runs_has_a_trace_already(asker: Asker) -> None:
    asker.upstream.words = asyncio.Queue()
    body = {"model": "own/m", "messages": [{"role": "user", "content": "a secret"}]}
    talk = asker.talk(
        "POST", "/v1/chat/completions", body, authorization=f"Bearer {ANN}", x_request_id="mine/1"
    )
    await asker.upstream.begun.wait()
    told = (await as_(asker, ADMIN, f"{LIST}/mine/1")).body
    assert (told["end"], told["status"], len(told["attempts"])) == (None, None, 1)
    assert told["total_ms"] > 0
    talk.leave()
    await talk.task
    told = (await as_(asker, ADMIN, f"{LIST}/mine/1")).body
    assert told["end"].startswith("client/")


@pytest.mark.parametrize("path", [LIST, f"{LIST}/ex_1"])
async def test_only_the_scope_admin_may(asker: Asker, path: str) -> None:
    assert (await as_(asker, ANN, path)).status == 403
    assert (await asker.ask("GET", path)).status == 401


@pytest.mark.parametrize(
    ("query", "param"),
    [
        ("has=nothing", "has"),
        ("has=error,nothing", "has"),
        ("limit=0", "limit"),
        ("limit=1001", "limit"),
        ("limit=many", "limit"),
        ("status=9", "status"),
        ("since=yesterday", "since"),
        ("since=nan", "since"),
        ("until=inf", "until"),
        ("until=2026-01-01T00:00:00", "until"),
        ("after=ex_nothing", "after"),
        ("color=red", "color"),
    ],
)
async def test_mistakes_name_the_field(asker: Asker, query: str, param: str) -> None:
    answer = await as_(asker, ADMIN, f"{LIST}?{query}")
    assert (answer.status, answer.error["param"]) == (400, param)


async def test_filters(asker: Asker) -> None:
    await chat(asker)
    await chat(asker, BEN, "nobody/knows")
    await chat(asker, BEN)
    clients = {query: [row["client"] for row in await listed(asker, query)] for query in (
        "client=ben", "status=4xx", "has=error", "model=own/m", "provider=own",
        "until=1", "since=2020-01-01T00:00:00Z", "end=client/route",
    )}  # fmt: skip
    assert clients == {
        "client=ben": ["ben", "ben"],
        "status=4xx": ["ben"],
        "has=error": ["ben"],
        "model=own/m": ["ben", "ann"],
        "provider=own": ["ben", "ann"],
        "until=1": [],
        "since=2020-01-01T00:00:00Z": ["ben", "ben", "ann"],
        "end=client/route": ["ben"],
    }


async def test_pages(asker: Asker) -> None:
    asked = [await chat(asker) for _ in range(5)]
    first = (await as_(asker, ADMIN, f"{LIST}?limit=2")).body
    assert (first["has_more"], len(first["data"])) == (True, 2)
    second = (await as_(asker, ADMIN, f"{LIST}?limit=3&after={first['data'][-1]['id']}")).body
    assert second["has_more"] is False
    rows = [*first["data"], *second["data"]]
    assert [row["request_id"] for row in rows] == asked[::-1]


# Bodies --------------------------------------------------------------------------------------------------


async def test_bodies_are_kept_only_if_the_operator_wants_it(asker: Asker) -> None:
    id_ = await chat(asker, said="a secret")
    answer = await as_(asker, ADMIN, f"{LIST}/{id_}")
    assert "bodies" not in answer.body
    assert b"a secret" not in answer.data


async def test_kept_bodies_hold_no_key(tmp_path: Path) -> None:
    asker = asking(tmp_path / "on", bodies=True, max_body="2kB")
    said = f"my keys: {ANN}, sk-proj-0123456789abcdefgh, password: hunter2hunter2; " + "word " * 1000
    id_ = await chat(asker, said=said)
    answer = await as_(asker, ADMIN, f"{LIST}/{id_}")
    request, response = answer.body["bodies"]["request"], answer.body["bodies"]["response"]
    assert (request["kept"], request["bytes"] > 5000) == (2000, True)
    assert "my keys: [redacted], [redacted]" in request["text"]
    assert [secret for secret in (ANN, "0123456789", "hunter2") if secret in request["text"]] == []
    assert json.loads(response["text"])["choices"][0]["message"]["content"] == "Hi."
    await asker.close()


async def test_nothing_is_kept_if_keep_is_0(tmp_path: Path) -> None:
    asker = asking(tmp_path / "off", keep=0)
    await chat(asker)
    assert await listed(asker) == []
    await asker.close()


# Several workers -----------------------------------------------------------------------------------------


class Linked(Peers):
    """Reaches another process: values and answers pass as JSON."""

    other: Peers

    async def ask(self, subject: str, value: Any = None) -> list[Any]:
        receive = self.other._receivers[subject]
        return [json.loads(json.dumps(receive(json.loads(json.dumps(value)))))]


def link(one: Asker, two: Asker) -> None:
    """Make two gateways the workers 1 and 2 of one."""
    for number, asker in enumerate((one, two), 1):
        linked = Linked()
        linked._receivers = asker.gateway.peers._receivers
        asker.gateway.peers, asker.gateway.worker, asker.gateway.workers = linked, number, 2
    assert isinstance(one.gateway.peers, Linked)
    assert isinstance(two.gateway.peers, Linked)
    one.gateway.peers.other, two.gateway.peers.other = two.gateway.peers, one.gateway.peers


async def test_workers_answer_for_each_other(tmp_path: Path) -> None:
    one, two = asking(tmp_path / "one"), asking(tmp_path / "two")
    link(one, two)
    asked = [await chat(asker) for asker in (one, two, one, two)]
    for asker in (one, two):
        rows = await listed(asker)
        assert [row["request_id"] for row in rows] == asked[::-1]
        assert [row["worker"] for row in rows] == [2, 1, 2, 1]
        first = (await as_(asker, ADMIN, f"{LIST}?limit=1")).body
        assert (first["has_more"], first["reporting"], first["workers"]) == (True, 2, 2)
        rest = await listed(asker, f"after={first['data'][0]['id']}")
        assert [row["request_id"] for row in rest] == asked[2::-1]
        told = (await as_(asker, ADMIN, f"{LIST}/{asked[0]}")).body
        assert (told["request_id"], told["worker"]) == (asked[0], 1)
    await one.close()
    await two.close()


# Tenants -------------------------------------------------------------------------------------------------

HEAD, EYES, OTHER = "head-key-0123456789", "eyes-key-0123456789", "other-key-0123456789"
OF_TENANTS: dict[str, Any] = {
    "tenants": {"acme": {}, "globex": {}},
    "teams": {"lab": {"tenant": "acme"}},
    "auth": {
        "keys": [
            *KEYS[1:],
            {"name": "ann", "key": ANN, "team": "lab"},
            {"name": "head", "key": HEAD, "tenant": "acme", "scopes": ["admin"]},
            {"name": "eyes", "key": EYES, "tenant": "acme", "scopes": ["read"]},
            {"name": "other", "key": OTHER, "tenant": "globex", "scopes": ["inference", "admin"]},
        ]
    },
}


def of_tenants(folder: Path, store: str) -> Asker:
    """A gateway with tenants. Its exchanges are in memory, or only in a database."""
    folder.mkdir(exist_ok=True)
    trace: dict[str, Any] = {}
    if store == "sqlite":
        pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
        trace = {"keep": 0, "store": f"sqlite:///{folder}/exchanges.db"}
    settings = {"stores": {"sql": "memory"}, "trace": trace, **OF_TENANTS}
    return Asker(Paced(*["Hi.", "end"] * 9), folder, encode(settings).decode())


async def stored(asker: Asker, number: int) -> None:
    recording = asker.gateway.observers.recording
    for _ in range(1500):
        if recording is None or recording.stored >= number:
            return
        await asyncio.sleep(0.02)
    raise AssertionError(f"less than {number} requests are stored")


@pytest.mark.parametrize("store", ["memory", "sqlite"])
async def test_a_tenants_administrator_sees_the_requests_of_its_tenant(tmp_path: Path, store: str) -> None:
    asker = of_tenants(tmp_path, store)
    own = await chat(asker, ANN)
    for key in (BEN, OTHER):
        await chat(asker, key)
    await stored(asker, 3)
    rows = {row["client"]: row for row in await listed(asker, "model=own/m")}
    assert {name: row["tenant"] for name, row in rows.items()} == {
        "ann": "acme",
        "ben": None,
        "other": "globex",
    }
    assert [row["client"] for row in await listed(asker, "tenant=globex&model=own/m")] == ["other"]
    for key in (HEAD, EYES):
        answer = await as_(asker, key, f"{LIST}?model=own/m")
        assert [row["request_id"] for row in answer.body["data"]] == [own]
        assert (await as_(asker, key, f"{LIST}?client=other")).body["data"] == []
        assert (await as_(asker, key, f"{LIST}?model=own/m&tenant=acme")).body["data"] != []
        for id_ in (own, rows["ann"]["id"]):
            assert (await as_(asker, key, f"{LIST}/{id_}")).body["request_id"] == own
        for name in ("ben", "other"):
            for id_ in (rows[name]["id"], rows[name]["request_id"]):
                refused = await as_(asker, key, f"{LIST}/{id_}")
                assert (refused.status, refused.error["code"]) == (404, "exchange_not_found")
                refused = await as_(asker, key, f"{LIST}?after={id_}")
                assert (refused.status, refused.error["param"]) == (400, "after")
        refused = await as_(asker, key, f"{LIST}?tenant=globex")
        assert (refused.status, refused.error["param"]) == (400, "tenant")
    assert (await as_(asker, ANN, LIST)).status == 403
    await asker.close()


@pytest.mark.parametrize("store", ["memory", "sqlite"])
async def test_a_foreign_request_id_hides_no_request_and_shows_none(tmp_path: Path, store: str) -> None:
    """Clients choose request ids, and the latest one of an id is meant."""
    asker = of_tenants(tmp_path, store)
    body = {"model": "own/m", "messages": [{"role": "user", "content": "hello"}]}
    for key in (ANN, OTHER):
        await as_(asker, key, "/v1/chat/completions", body, x_request_id="same")
    await stored(asker, 2)
    assert (await as_(asker, HEAD, f"{LIST}/same")).body["client"] == "ann"
    assert (await as_(asker, OTHER, f"{LIST}/same")).body["client"] == "other"
    assert (await as_(asker, ADMIN, f"{LIST}/same")).body["client"] == "other"
    await asker.close()


async def test_a_running_request_is_its_tenants(tmp_path: Path) -> None:
    asker = of_tenants(tmp_path, "memory")
    asker.upstream.words = asyncio.Queue()
    body = {"model": "own/m", "messages": [{"role": "user", "content": "hello"}]}
    talk = asker.talk(
        "POST", "/v1/chat/completions", body, authorization=f"Bearer {ANN}", x_request_id="mine"
    )
    await asker.upstream.begun.wait()
    assert (await as_(asker, HEAD, f"{LIST}/mine")).body["end"] is None
    assert (await as_(asker, OTHER, f"{LIST}/mine")).status == 404
    for key, wanted in ((HEAD, ["mine"]), (OTHER, []), (ADMIN, ["mine"])):
        running = (await as_(asker, key, "/admin/requests")).body["data"]
        assert [one["request_id"] for one in running] == wanted
    talk.leave()
    await talk.task
    await asker.close()


async def test_workers_answer_a_tenant_with_what_is_its_own(tmp_path: Path) -> None:
    one, two = [of_tenants(tmp_path / name, "memory") for name in ("one", "two")]
    link(one, two)
    own, foreign = await chat(two, ANN), await chat(two, OTHER)
    assert [row["request_id"] for row in (await as_(one, HEAD, f"{LIST}?model=own/m")).body["data"]] == [own]
    assert (await as_(one, HEAD, f"{LIST}/{own}")).body["worker"] == 2
    assert (await as_(one, HEAD, f"{LIST}/{foreign}")).status == 404
    await one.close()
    await two.close()


async def test_text_that_is_not_unicode_does_not_hide_the_list(asker: Asker) -> None:
    await chat(asker)
    (kept,) = asker.gateway.observers.finished.all()
    kept.asked = "m\ud800"
    assert [row["model"] for row in await listed(asker)] == ["m?"]
    assert (await as_(asker, ADMIN, f"{LIST}/{kept.id}")).body["model"] == "m?"
