"""The sessions of all clients, as a key of the scope `admin` sees them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from dragoman.wire.json import encode
from tests.unit.turns.asking import Answer, Asker, Paced

ANN, BEN, ADMIN = "ann-key-0123456789", "ben-key-0123456789", "admin-key-0123456789"
KEYS = [
    {"name": "ann", "key": ANN},
    {"name": "ben", "key": BEN},
    {"name": "boss", "key": ADMIN, "scopes": ["admin"]},
]
HEAD, EYES, OTHER = "head-key-0123456789", "eyes-key-0123456789", "other-key-0123456789"
OF_TENANTS = {
    "tenants": {"acme": {}, "globex": {}},
    "teams": {"lab": {"tenant": "acme"}},
    "auth": {
        "keys": [
            {"name": "ann", "key": ANN, "team": "lab"},
            {"name": "ben", "key": BEN},
            {"name": "head", "key": HEAD, "tenant": "acme", "scopes": ["admin"]},
            {"name": "eyes", "key": EYES, "tenant": "acme", "scopes": ["read"]},
            {"name": "other", "key": OTHER, "tenant": "globex", "scopes": ["inference", "admin"]},
        ]
    },
}


@pytest.fixture(params=["memory", "sqlite"])
async def asker(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Asker]:
    sql = "memory" if request.param == "memory" else f"sqlite:///{tmp_path}/state.db"
    configuration = encode({"stores": {"sql": sql}, "auth": {"keys": KEYS}}).decode()
    asker = Asker(Paced(*["Hi.", "end"] * 4), tmp_path, configuration)
    yield asker
    await asker.close()


async def as_(asker: Asker, key: str, method: str, path: str, body: Any = None, **headers: str) -> Answer:
    return await asker.ask(method, path, body, authorization=f"Bearer {key}", **headers)


async def talk(asker: Asker, key: str, session: str, said: str) -> None:
    chat = {"model": "own/m", "messages": [{"role": "user", "content": said}]}
    assert (await as_(asker, key, "POST", "/chat", chat, x_session_id=session)).status == 200


async def test_an_admin_key_sees_and_deletes_what_inference_keys_made(asker: Asker) -> None:
    """3.22: nobody else could, and those keys themselves may not."""
    await talk(asker, ANN, "s", "secret of ann")
    listed = (await as_(asker, ADMIN, "GET", "/admin/sessions")).body["data"]
    assert [(one["id"], one["client"], one["turns"]) for one in listed] == [("s", "ann", 1)]
    for method in ("GET", "DELETE"):
        assert (await as_(asker, ANN, method, "/admin/sessions/s")).status == 403
    shown = await as_(asker, ADMIN, "GET", "/admin/sessions/s")
    assert "secret of ann" in str(shown.body["history"])
    assert (await as_(asker, ADMIN, "DELETE", "/admin/sessions/s")).body["deleted"] is True
    assert (await as_(asker, ADMIN, "GET", "/admin/sessions")).body["data"] == []
    assert (await as_(asker, ADMIN, "DELETE", "/admin/sessions/s")).status == 404


async def test_two_clients_with_one_id_are_told_apart(asker: Asker) -> None:
    await talk(asker, ANN, "s", "secret of ann")
    await talk(asker, BEN, "s", "secret of ben")
    for method in ("GET", "DELETE"):
        refused = await as_(asker, ADMIN, method, "/admin/sessions/s")
        assert (refused.status, refused.error["param"]) == (400, "client")
    shown = await as_(asker, ADMIN, "GET", "/admin/sessions/s?client=ben")
    assert "secret of ben" in str(shown.body["history"])
    assert (await as_(asker, ADMIN, "DELETE", "/admin/sessions/s?client=ben")).status == 200
    left = (await as_(asker, ADMIN, "GET", "/admin/sessions")).body["data"]
    assert [one["client"] for one in left] == ["ann"]
    assert (await as_(asker, ADMIN, "GET", "/admin/sessions?client=ben")).body["data"] == []


@pytest.mark.parametrize("sql", ["memory", "sqlite"])
async def test_a_tenants_administrator_sees_the_sessions_of_its_tenant(tmp_path: Path, sql: str) -> None:
    where = sql if sql == "memory" else f"sqlite:///{tmp_path}/state.db"
    configuration = encode({"stores": {"sql": where}, **OF_TENANTS}).decode()
    asker = Asker(Paced(*["Hi.", "end"] * 4), tmp_path, configuration)
    try:
        for key, session in ((ANN, "same"), (BEN, "same"), (BEN, "far"), (OTHER, "theirs")):
            await talk(asker, key, session, "hello")
        for key in (HEAD, EYES):
            listed = (await as_(asker, key, "GET", "/admin/sessions")).body["data"]
            assert [(one["id"], one["client"]) for one in listed] == [("same", "ann")]
            assert (await as_(asker, key, "GET", "/admin/sessions?client=ben")).body["data"] == []
            assert (await as_(asker, key, "GET", "/admin/sessions/same")).body["client"] == "ann"
            for path in ("far", "theirs", "same?client=ben"):
                assert (await as_(asker, key, "GET", f"/admin/sessions/{path}")).status == 404
        assert (await as_(asker, EYES, "DELETE", "/admin/sessions/same")).status == 403
        assert (await as_(asker, HEAD, "DELETE", "/admin/sessions/far")).status == 404
        assert (await as_(asker, HEAD, "DELETE", "/admin/sessions/same")).status == 200
        assert (await as_(asker, HEAD, "GET", "/admin/config")).status == 403
        theirs = (await as_(asker, OTHER, "GET", "/admin/sessions")).body["data"]
        assert [one["client"] for one in theirs] == ["other"]
    finally:
        await asker.close()
