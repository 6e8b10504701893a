"""The gateway as one object: its end is an end, and health is what was seen."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import msgspec
import pytest
import trustme

from dragoman import ir
from dragoman.assembly import core
from dragoman.assembly.assemble import Assembly, assemble
from dragoman.assembly.directory import Following
from dragoman.assembly.telling import Telling
from dragoman.config.load import load
from dragoman.config.settings import Config
from dragoman.dialects.table import DIALECTS
from dragoman.errors import ConfigError, Problem, RequestFailed
from dragoman.exchange import AttemptRecord, Exchange
from dragoman.gateway import Gateway
from dragoman.net.transport import Transport
from dragoman.seams.clock import SYSTEM
from dragoman.state.directory import KeyEntry, Row
from dragoman.state.store import StoreFailed

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
    store = gateway.running.store
    await store.sessions.append("t", "s", b"{}", now=0, expires=9e9)
    health = await gateway.health(details=True)
    assert (health["store"]["healthy"], health["sessions"]) == (True, 1)
    await gateway.close()
    with pytest.raises(StoreFailed):
        await store.sessions.count()


async def test_a_start_that_fails_half_way_closes_what_it_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificates = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(certificates)
    (tmp_path / "dragoman.yaml").write_text(
        "providers:\n  first: {base_url: 'http://127.0.0.1:1', keys: [a-key-for-this]}\n"
        "  second: {base_url: 'https://second.example', keys: [a-key-for-that], ca_file: ca.pem}\n"
    )
    closed: list[Any] = []

    close_really = Transport.close

    async def close(self: Transport) -> None:
        closed.append(self)
        await close_really(self)

    monkeypatch.setattr(Transport, "close", close)
    gateway = Gateway(load(tmp_path / "dragoman.yaml", {}, cwd=tmp_path))
    certificates.write_text("no certificate")
    with pytest.raises(ConfigError, match=r"providers\.second\.ca_file: .* certificate .*ca\.pem"):
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
        assert gateway.running.mode(model, DIALECTS[face]) == mode
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
    gateway.draining.begin(delay=60)
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


async def test_changes_of_keys_that_come_together_look_at_all_limits_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sqlalchemy", reason="needs the extra `sql`")
    (tmp_path / "dragoman.yaml").write_text("stores: {sql: sqlite}\nproviders: {simulate: {enabled: true}}\n")
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    gateway = Gateway(tmp_path / "dragoman.yaml")
    await gateway.start()
    turns, may_end = 0, asyncio.Event()

    async def restored(self: Assembly, config: Config, *, recovered: bool | None = None) -> bool:
        nonlocal turns
        turns += 1
        await may_end.wait()
        return True

    await asyncio.sleep(0.01)
    monkeypatch.setattr(Assembly, "restored", restored)
    for _ in range(5):
        gateway.readmit()
        await asyncio.sleep(0)
    assert turns == 1
    may_end.set()
    await asyncio.sleep(0.01)
    assert turns == 2, "one more, for the changes that came meanwhile"
    gateway.readmit()
    await asyncio.sleep(0.01)
    assert turns == 3
    await gateway.close()


class Assembled:
    """Counts assemblies, and lets them fail. go: an assembly waits for it. errors: what the next assemblies
    raise after they were built.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        self.go = asyncio.Event()
        self.errors: list[Exception] = []
        self.begun = asyncio.Event()
        monkeypatch.setattr(core, "assemble", self._assemble)

    async def _assemble(self, *args: Any, **keywords: Any) -> Assembly:
        self.count += 1
        self.begun.set()
        await self.go.wait()
        if self.errors:
            raise self.errors.pop()
        return await assemble(*args, **keywords)


HELLO = {"model": "simulate/echo", "messages": [{"role": "user", "content": "Hi"}]}
OURS = {"abandoned answers", "draining the journal", "sweeping the store", "tending the journal"}


def left() -> set[str]:
    """The gateway's tasks that still run."""
    return OURS & {task.get_name() for task in asyncio.all_tasks() if not task.done()}


async def test_first_requests_that_come_together_start_once(monkeypatch: pytest.MonkeyPatch) -> None:
    assembled = Assembled(monkeypatch)
    gateway = Gateway({"providers": {"simulate": {"enabled": True}}})
    visits = [asyncio.ensure_future(gateway.ask(HELLO)) for _ in range(3)]
    await assembled.begun.wait()
    await asyncio.sleep(0.01)
    assembled.go.set()
    answers = await asyncio.gather(*visits)
    assert [one["choices"][0]["message"]["content"] for one in answers] == ["Hi"] * 3
    assert assembled.count == 1
    await gateway.close()
    assert left() == set()


async def test_all_get_the_failure_of_a_start_and_the_next_one_may_succeed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assembled = Assembled(monkeypatch)
    assembled.errors.append(ConfigError(Problem("models", "no such model")))
    assembled.go.set()
    gateway = Gateway({"providers": {"simulate": {"enabled": True}}})
    failed = await asyncio.gather(*(gateway.start() for _ in range(3)), return_exceptions=True)
    assert [type(one) for one in failed] == [ConfigError] * 3
    assert (assembled.count, gateway.started, left()) == (1, False, set())
    await gateway.start()
    assert (assembled.count, gateway.started) == (2, True)
    await gateway.close()


async def test_a_start_that_fails_at_its_end_leaves_nothing_running(monkeypatch: pytest.MonkeyPatch) -> None:
    """Not only while the parts are built: also after checks, the background and messages have begun."""
    errors: list[Exception] = [RuntimeError("no memory")]

    def begin(self: Telling) -> None:
        if errors:
            raise errors.pop()

    monkeypatch.setattr(Telling, "begin", begin)
    gateway = Gateway({"providers": {"simulate": {"enabled": True}}})
    with pytest.raises(RuntimeError, match="no memory"):
        await gateway.start()
    await asyncio.sleep(0)
    assert (gateway.started, gateway.assembly, left()) == (False, None, set())
    assert gateway.observers.recording is None
    with pytest.raises(RuntimeError, match="not been started"):
        _ = gateway.background
    answer = await gateway.ask(HELLO)
    assert answer["choices"][0]["message"]["content"] == "Hi"
    await gateway.close()
    assert left() == set()


async def test_a_request_waits_until_the_whole_start_has_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    """It was served, or refused, with half of it: the engine stands before the keys are read."""
    gateway = Gateway({"providers": {"simulate": {"enabled": True}}})
    go, begun = asyncio.Event(), asyncio.Event()

    async def start(self: Following, *_: object) -> None:
        begun.set()
        await go.wait()

    monkeypatch.setattr(Following, "start", start)
    assembling = assemble

    async def followed(*args: Any, **keywords: Any) -> Assembly:
        made = await assembling(*args, **keywords)
        return msgspec.structs.replace(made, following=Following(None, None, SYSTEM.now))  # type: ignore[arg-type]

    monkeypatch.setattr(core, "assemble", followed)
    starting = asyncio.ensure_future(gateway.start())
    await begun.wait()
    asked = asyncio.ensure_future(gateway.ask(HELLO))
    with pytest.raises(RuntimeError, match="before the gateway has started"):
        gateway.register("late", "simulate")
    await asyncio.sleep(0.01)
    assert (gateway.started, asked.done()) == (False, False)
    go.set()
    await starting
    assert (await asked)["choices"][0]["message"]["content"] == "Hi"
    await gateway.close()


async def test_a_close_ends_a_start(monkeypatch: pytest.MonkeyPatch) -> None:
    assembled = Assembled(monkeypatch)
    gateway = Gateway({"providers": {"simulate": {"enabled": True}}})
    starts = [asyncio.ensure_future(gateway.start()) for _ in range(2)]
    await assembled.begun.wait()
    await gateway.close()
    for one in await asyncio.gather(*starts, return_exceptions=True):
        assert isinstance(one, RequestFailed)
        assert one.fault.code == "gateway_closed"
    assert (gateway.assembly, left()) == (None, set())


async def test_a_close_closes_all_parts_if_one_cannot_be_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    gateway = Gateway({"providers": {"simulate": {"enabled": True}}})
    await gateway.start()
    stopped = gateway.background.close

    async def fail() -> None:
        await stopped()
        raise OSError("the store is gone")

    monkeypatch.setattr(gateway.background, "close", fail)
    with pytest.raises(OSError, match="the store is gone"):
        await gateway.close()
    assert (gateway.assembly, left()) == (None, set())
