"""Every operation that changes something leaves an entry in the audit and a line in the log."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.ir.fault import STOPPING
from dragoman.server.admin import operation
from dragoman.server.admin.api import OPERATIONS
from dragoman.server.admin.audit import Audit
from dragoman.server.admin.operation import Asked, Operation, Told, endpoints
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import HttpRequest
from dragoman.server.faces import PathTable
from tests.unit.server.admin.office import CHAT, SETTINGS, Office, started

HARMLESS = {"test_provider"}
"""It sends requests, and keeps nothing of what comes back."""
MODEL = {"use": "simulate/echo"}
ACCOUNT = {"base_url": "http://127.0.0.1:9/v1", "keys": ["${PROVIDER_KEY}"]}
PRICE = {"input": 1, "output": 2}


class Step(NamedTuple):
    """A call of an operation that succeeds after the steps before it."""

    name: str
    method: str
    path: str
    body: Any = None


def steps(key: str) -> list[Step]:
    """A call of each operation that changes something. key: the id of a key of the provider `up`."""
    own = "tenants/lab/provider-keys/up"
    added = [
        ("model", "models", MODEL),
        ("alias", "aliases", "fast"),
        ("provider", "providers", ACCOUNT),
        ("price", "prices", PRICE),
        ("limit", "limits", {"scope": "global", "requests": "9/day"}),
    ]
    return [
        Step("refresh_model_lists", "POST", "model-lists/refresh", {"providers": ["up"]}),
        *(
            Step(f"{do}_{noun}", method, f"{kind}/{'up/new' if kind == 'prices' else 'new'}", body)
            for noun, kind, entry in added
            for do, method, body in (
                ("add", "POST", entry),
                ("replace", "PUT", entry),
                ("remove", "DELETE", None),
            )
        ),
        *(Step(f"{do}_provider", "POST", f"providers/up/{do}") for do in ("disable", "enable", "revive")),
        *(
            Step(f"{do}_key", "POST", f"providers/up/keys/{key}/{do}")
            for do in ("disable", "enable", "revive")
        ),
        Step("create_key", "POST", "keys", {"name": "new"}),
        Step("update_key", "PUT", "keys/new", {"metadata": {"a": "b"}}),
        Step("rotate_key", "POST", "keys/new/rotate", {}),
        Step("revoke_key", "DELETE", "keys/new"),
        Step("put_tenant", "PUT", "tenants/lab", {}),
        Step("put_team", "PUT", "teams/crew", {}),
        Step("put_user", "PUT", "users/ann", {}),
        Step("put_own_key", "PUT", own, {"key": "sk-0123456789"}),
        Step("reencrypt_own_keys", "POST", "provider-keys/reencrypt"),
        Step("delete_own_key", "DELETE", own),
        Step("delete_user", "DELETE", "users/ann"),
        Step("delete_team", "DELETE", "teams/crew"),
        Step("delete_tenant", "DELETE", "tenants/lab"),
        Step("reload", "POST", "reload"),
        Step("delete_session", "DELETE", "sessions/s-1"),
    ]


@pytest.fixture
async def office(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Office]:
    pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
    pytest.importorskip("cryptography", reason="needs the extra `encryption`")
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    monkeypatch.setenv("DRAGOMAN_DISCOVER", "true")
    monkeypatch.setenv("PROVIDER_KEY", "sk-of-the-provider-0123456789")
    settings = {
        **SETTINGS,
        "providers": {**SETTINGS["providers"], "up": ACCOUNT},
        "auth": {**SETTINGS["auth"], "encryption_key": "m" * 32},
    }
    made = started(tmp_path, settings)
    await made.gateway.start()
    yield made
    await made.gateway.close()


def test_only_these_operations_change_nothing_without_being_a_get() -> None:
    assert {one.name for one in OPERATIONS if one.harmless} == HARMLESS


def test_each_path_that_changes_something_is_served_by_what_makes_its_entry(tmp_path: Path) -> None:
    """A new route below /admin that is served in another way could leave no entry."""
    gateway = started(tmp_path, {**SETTINGS, "stores": {"sql": "memory"}}).gateway
    table = PathTable(gateway)
    found = [
        *table._exact.values(),
        *(one for rows in table._patterns.values() for _, one in rows),
        *(row[3] for row in table._slashed),
    ]
    changing = {
        (method, one.template): handler.run
        for one in found
        if one.scope == "admin"
        for method, handler in one.methods.items()
        if method not in {"GET", "HEAD"}
    }
    assert changing.keys() == {(one.method, one.path) for one in OPERATIONS if one.method != "GET"}
    for place, run in changing.items():
        assert isinstance(run, partial), place
        assert run.func is operation._answer, place


async def test_each_change_has_an_entry_of_its_own_and_a_line_in_the_log(
    office: Office, caplog: pytest.LogCaptureFixture
) -> None:
    gateway = office.gateway
    gateway.discovering.active = True
    assert gateway.assembly is not None
    gateway.discovering.attend(gateway.assembly)
    answer = await office.ask("POST", "/v1/chat/completions", CHAT, x_session_id="s-1")
    assert answer.status == 200, answer.body
    (key,) = (await office.ask("GET", "/admin/providers/up")).body["keys"]
    calls = steps(key["id"])
    assert {one.name for one in calls} == {one.name for one in OPERATIONS if one.changes}
    for call in calls:
        caplog.clear()
        told = await office.ask(call.method, f"/admin/{call.path}", call.body, x_request_id="req_audited")
        assert told.status == 200, (call, told.body)
        entry, *_ = (await office.ask("GET", "/admin/audit")).body["data"]
        logged = [one for one in caplog.records if one.name == "dragoman.audit"]
        assert [one.levelno for one in logged] == [logging.WARNING], call
        assert logged[0].fields["id"] == entry["id"]  # type: ignore[attr-defined]
        assert (entry["who"], entry["request_id"]) == ("ops", "req_audited"), call
        assert (entry["before"], entry["after"]) != (None, None), f"{call.name} does not tell its change"
        assert "0123456789" not in str(entry)


async def test_a_session_that_is_deleted_is_named_without_its_words(office: Office) -> None:
    await office.ask("POST", "/v1/chat/completions", CHAT, x_session_id="s-1")
    await office.ask("DELETE", "/admin/sessions/s-1")
    entry, *_ = (await office.ask("GET", "/admin/audit")).body["data"]
    assert (entry["action"], entry["target"], entry["after"]) == ("delete", "sessions/s-1", None)
    assert (entry["before"]["client"], entry["before"]["turns"]) == ("ops", 1)
    assert "messages" not in str(entry)


async def test_what_is_refused_is_no_change(office: Office) -> None:
    assert (await office.ask("DELETE", "/admin/sessions/none")).status == 404
    assert (await office.ask("POST", "/admin/reload", if_match='"other"')).status == 412
    assert (await office.ask("GET", "/admin/audit")).body["data"] == []


# --- The mechanism ---------------------------------------------------------------------------------------


class Owner:
    """Operations that say nothing of what they change."""

    def __init__(self) -> None:
        self.begun, self.goes_on = asyncio.Event(), asyncio.Event()

    async def forget(self, asked: Asked) -> Told:
        self.begun.set()
        await self.goes_on.wait()
        return Told({})

    async def refuse(self, asked: Asked) -> Told:
        raise RequestFailed(STOPPING)


class Client:
    async def answer(self, *_: Any) -> None:
        """Take the answer."""


async def _run(owner: Owner, audit: Audit, name: str, **more: Any) -> None:
    row = Operation("POST", "/admin/things", name, "Do it.", **more)
    (endpoint,) = endpoints(owner, (row,), audit)
    exchange = Exchange("ex_1", "req_1", "openai_chat", "POST", "/admin/things", 0.0, 0.0)
    request = HttpRequest(b"", {}, {}, None, {})  # type: ignore[arg-type]
    client: HttpClient = Client()  # type: ignore[assignment]
    await endpoint.methods["POST"].run(request, exchange, client)


@pytest.fixture
def audit(office: Office) -> Audit:
    return office.app.admin.audit


async def test_an_operation_that_notes_nothing_has_an_entry_nevertheless(audit: Audit) -> None:
    owner = Owner()
    owner.goes_on.set()
    await _run(owner, audit, "forget", harmless=True)
    with pytest.raises(RequestFailed):
        await _run(owner, audit, "refuse")
    assert await audit.entries() == []
    await _run(owner, audit, "forget")
    (entry,) = await audit.entries()
    assert (entry.action, entry.target, entry.who) == ("forget", "/admin/things", "anyone")


async def test_a_change_that_has_begun_has_its_entry_although_its_client_has_left(audit: Audit) -> None:
    owner = Owner()
    asking = asyncio.ensure_future(_run(owner, audit, "forget"))
    await owner.begun.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asking
    owner.goes_on.set()
    for _ in range(10):
        await asyncio.sleep(0)
    (entry,) = await audit.entries()
    assert entry.action == "forget"
