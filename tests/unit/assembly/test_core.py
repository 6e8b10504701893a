"""The gateway as one object: its end is an end, observers are on their own, health is what was seen."""

from __future__ import annotations

import asyncio
import logging
from pathlib import Path
from typing import Any

import msgspec
import pytest

from dragoman import ir
from dragoman.assembly.assemble import Assembly
from dragoman.config.load import load
from dragoman.config.settings import Config
from dragoman.dialects.table import DIALECTS
from dragoman.errors import ConfigError
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.gateway import Gateway
from dragoman.net.transport import Transport
from dragoman.seams.clock import SYSTEM
from dragoman.state.directory import KeyEntry, Row
from dragoman.state.store import StoreFailed
from tests.unit.server.test_app import Visit

REFUSED = ir.Fault("upstream", "no", code="server_error", blame="upstream")
STOPPED = ir.Fault("unavailable", "stopping", blame="gateway")


class Clock:
    """A clock that a test sets."""

    def __init__(self, at: float) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


def finished(
    *, fault: ir.Fault | None = None, attempt: ir.Fault | None = None, gone: bool = False
) -> Exchange:
    """An exchange with one attempt at the simulator, over."""
    exchange = Exchange("ex_1", "req_1", "openai_chat", "POST", "/", began=0, created=0)
    record = AttemptRecord("ex_1-1", "simulate/echo", None, "translate", 0)
    record.fault = attempt
    exchange.attempts.append(record)
    exchange.fault = fault
    exchange.close(1, gone=gone)
    return exchange


def test_what_was_never_started_is_the_callers_mistake() -> None:
    with pytest.raises(RuntimeError, match="not been started"):
        _ = Gateway().engine


async def test_an_observer_that_fails_stops_nobody(caplog: pytest.LogCaptureFixture) -> None:
    def bad(exchange: Exchange) -> None:
        raise ValueError("an observer's own mistake")

    seen: list[Exchange] = []
    gateway = Gateway(observers=[bad, seen.append])
    with caplog.at_level(logging.ERROR, "dragoman"):
        await (visit := Visit(gateway.asgi(), path="/health")).task
    assert (visit.status, len(seen)) == (200, 1)
    assert "an observer's own mistake" in caplog.text
    await gateway.close()


@pytest.mark.parametrize(
    ("exchange", "healthy"),
    [
        (finished(), True),
        (finished(gone=True), None),
        (finished(fault=STOPPED), None),
        (finished(fault=REFUSED, attempt=REFUSED), False),
        (finished(fault=STOPPED, attempt=STOPPED), None),
    ],
    ids=["delivered", "client gone", "gateway stopped", "refused", "our own fault"],
)
async def test_health_is_what_delivered_answers_tell(exchange: Exchange, healthy: bool | None) -> None:
    gateway = Gateway()
    await gateway.start()
    gateway.observe(exchange)
    provider = (await gateway.health(details=True))["providers"]["simulate"]
    assert provider == {
        "configured": True,
        "healthy": healthy,
        "last_error": "server_error" if healthy is False else None,
        "last_error_message": provider["last_error_message"],
        "last_error_at": provider["last_error_at"],
        "consecutive_failures": int(healthy is False),
    }
    assert (provider["last_error_at"] is not None) is (healthy is False)
    assert (provider["last_error_message"] is not None) is (healthy is False)
    await gateway.close()


async def test_health_tells_of_the_store(tmp_path: Path) -> None:
    gateway = Gateway()
    await gateway.start()
    health = await gateway.health(details=True)
    assert health["store"] == {"kind": "memory", "healthy": True, "last_error": None}
    assert health["sessions"] == 0
    assert health["journal"]["kind"] == "memory"
    assert "store" not in await gateway.health(details=False)
    await gateway.close()


async def test_a_gateway_in_memory_leaves_nothing_on_disk(tmp_path: Path) -> None:
    gateway = Gateway(load(None, {"DRAGOMAN_HOME": str(tmp_path)}, cwd=tmp_path))
    await gateway.start()
    await gateway.health(details=True)
    await gateway.close()
    assert names_in(tmp_path) == []


def names_in(folder: Path) -> list[str]:
    return [file.name for file in folder.iterdir()]


async def test_health_opens_no_store_and_counts_what_an_open_one_holds(tmp_path: Path) -> None:
    environ = {"DRAGOMAN_HOME": str(tmp_path), "DRAGOMAN_SQL": "sqlite"}
    gateway = Gateway(load(None, environ, cwd=tmp_path))
    await gateway.start()
    health = await gateway.health(details=True)
    assert health["store"] == {"kind": "sqlite", "healthy": None, "last_error": None}
    assert health["sessions"] is None
    assert health["journal"]["kind"] == "files"
    assert names_in(tmp_path) == ["journal"]  # no database; requests' usage waits in the folder
    store = gateway._running.store
    await store.sessions.append("t", "s", b"{}", now=0, expires=9e9)
    health = await gateway.health(details=True)
    assert (health["store"]["healthy"], health["sessions"]) == (True, 1)
    await gateway.close()
    with pytest.raises(StoreFailed):
        await store.sessions.count()


async def test_a_start_that_fails_half_way_closes_what_it_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.pem").write_text("no certificate")
    (tmp_path / "dragoman.yaml").write_text(
        "providers:\n  first: {base_url: 'http://127.0.0.1:1', keys: [a-key-for-this]}\n"
        "  second: {base_url: 'https://second.example', keys: [a-key-for-that], ca_file: broken.pem}\n"
    )
    closed: list[Any] = []

    close_really = Transport.close

    async def close(self: Transport) -> None:
        closed.append(self)
        await close_really(self)

    monkeypatch.setattr(Transport, "close", close)
    gateway = Gateway(load(tmp_path / "dragoman.yaml", {}, cwd=tmp_path))
    with pytest.raises(OSError, match=r"(?i)certificate|PEM|SSL"):
        await gateway.start()
    assert len(closed) == 1
    await gateway.close()
    assert len(closed) == 1


@pytest.mark.parametrize(
    ("model", "face", "mode"),
    [
        ("openai/gpt-4o", "openai_chat", "relay"),
        ("openai/gpt-4o", "openai_responses", "relay"),
        ("openai/gpt-4o", "anthropic", "translate"),
        ("openai/gpt-5-pro", "openai_chat", "translate"),  # Responses alone
        ("chat", "openai_responses", "translate"),  # the operator's word
        ("vllm/qwen", "openai_chat", "translate"),  # no role `developer`: every body is looked at
        ("vllm/qwen", "anthropic", "relay"),
        ("simulate/echo", "openai_chat", "translate"),
    ],
)
async def test_whether_a_face_relays_depends_on_the_model(
    tmp_path: Path, model: str, face: str, mode: str
) -> None:
    file = tmp_path / "dragoman.yaml"
    file.write_text(
        "providers: {openai: {keys: key-012345}, vllm: {}, simulate: {enabled: true}}\n"
        "models: {chat: {use: openai/gpt-4o, api: openai_chat}}\n"
    )
    gateway = Gateway(load(file, {}))
    await gateway.start()
    try:
        assert gateway.mode(model, DIALECTS[face]) == mode
    finally:
        await gateway.close()


async def test_a_registered_model_is_asked_in_the_api_that_it_prefers() -> None:
    gateway = Gateway()
    gateway.register("mine", "simulate", rewrite="echo", preferred_api="openai_responses")
    await gateway.start()
    try:
        route = gateway.engine.table.resolve("mine")
        assert (route.deployments[0].name, route.api) == ("simulate/echo", "openai_responses")
    finally:
        await gateway.close()


async def test_the_time_to_drain_begins_when_the_port_closes() -> None:
    """Answers in the background have all of it, however long the port has stayed open."""
    clock = Clock(1000.0)
    exchanges: list[Exchange] = []
    settings = {
        "server": {"drain": 30},
        "providers": {"simulate": {"enabled": True, "first_token": "300ms"}},
    }
    seams = msgspec.structs.replace(SYSTEM, monotonic=clock)
    gateway = Gateway(settings, seams=seams, observers=[exchanges.append])
    asked = {"model": "simulate/echo", "input": "Hello!", "background": True}
    answer = await gateway.ask(asked, "/v1/responses")
    assert answer["status"] == "queued"
    gateway.stopping(delay=60)
    clock.at += 60
    await gateway.drain()
    assert [(one.operation, one.asked, one.end) for one in exchanges][1:] == [
        ("chat", "simulate/echo", "done")
    ]
    await gateway.close()


def test_a_database_that_cannot_be_is_told_when_the_gateway_is_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Not at the first request, where a client would hear of it."""
    monkeypatch.setattr("dragoman.stores.open.installed", lambda: False)
    with pytest.raises(ConfigError, match="needs the extra `sql`"):
        Gateway({"stores": {"sql": f"sqlite:///{tmp_path}/state.db"}})


async def test_a_start_restores_the_limits_of_keys_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until a start has ended nobody drains the journal, so whoever waits for that holds up the start."""
    pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
    (tmp_path / "dragoman.yaml").write_text("stores: {sql: sqlite}\nproviders: {simulate: {enabled: true}}\n")
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    gateway = Gateway(tmp_path / "dragoman.yaml")
    await gateway.start()
    following = gateway.following
    assert following is not None
    entry = KeyEntry(id="key_1", shown="…", created=1.0, created_by="x", limits={"requests": "5/min"})
    row = Row("keys", "ann", msgspec.json.encode(entry), 1, "x", 1.0, bytes(32))
    assert await following.store.change([row], 0)
    await gateway.close()
    asked: list[tuple[bool, bool | None]] = []
    gateway = Gateway(tmp_path / "dragoman.yaml")
    restored = Assembly.restored

    async def noted(self: Assembly, config: Config, *, recovered: bool | None = None) -> bool:
        asked.append((gateway.admitting is not None, recovered))
        return await restored(self, config, recovered=recovered)

    monkeypatch.setattr(Assembly, "restored", noted)
    await gateway.start()
    await asyncio.sleep(0.01)
    assert asked == [(False, True), (False, True), (True, None)]
    await gateway.close()
