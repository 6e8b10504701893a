"""A served gateway follows the orders of its parent; alone, it notices itself what has changed."""

from __future__ import annotations

import asyncio
import json
import logging
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from http.client import HTTPConnection
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest

from dragoman.assembly.reload import Outcome
from dragoman.config import watch as watching
from dragoman.config.differences import fingerprint
from dragoman.config.load import load
from dragoman.gateway import Gateway
from dragoman.server.orders import CLOSE, DRAIN, END, Orders, written
from dragoman.server.serve import listen, serve, watch

AT_REST = """
import asyncio
import sys

import dragoman.cli.serve
import dragoman.observe.log
import dragoman.server.serve
from dragoman.gateway import Gateway


async def begin():
    gateway = Gateway({"providers": {"up": {"dialect": "openai_chat", "base_url": "http://127.0.0.1:9/v1"}}})
    await gateway.start()
    print(*sys.modules)
    await gateway.close()


asyncio.run(begin())
"""


def test_a_gateway_at_rest_has_loaded_only_what_requests_need() -> None:
    ran = subprocess.run([sys.executable, "-c", AT_REST], check=True, capture_output=True, text=True)
    loaded = set(ran.stdout.split())
    assert "dragoman.net.h1.client" in loaded
    slow = {"aiohttp", "alembic", "http.client", "sqlalchemy", "sqlite3", "urllib.request"}
    ours = {"config.schema", "net.aio", "upstreams.local.worker", "upstreams.simulate"}
    assert loaded & (slow | {f"dragoman.{name}" for name in ours}) == set()


@pytest.mark.skipif(sys.platform == "win32", reason="workers are forks")
def test_a_worker_uses_another_configuration_when_its_parent_says_so(tmp_path: Path) -> None:
    file = tmp_path / "dragoman.yaml"
    file.write_text("strict: false")
    gateway = Gateway(load(file, {"DRAGOMAN_HOME": str(tmp_path)}))
    before = gateway.reloads.hash
    happened: list[object] = []
    ours, theirs = socket.socketpair()
    ours.settimeout(60)

    def heard() -> object:
        return next(iter(Orders().feed(ours.recv(4096))))

    with ours, theirs, listen("127.0.0.1", 0) as listener:
        given = (gateway, listener, lambda: happened.append("ready"))
        server = Thread(target=serve, args=given, kwargs={"orders": theirs}, daemon=True)
        server.start()
        file.write_text("strict: true")
        ours.send(written({"do": "prepare", "round": 1, "hash": "of other files"}))
        assert isinstance(refused := heard(), dict)
        assert "has changed while" in refused["problems"][0][1]
        wanted = fingerprint(load(file, {"DRAGOMAN_HOME": str(tmp_path)}).config)
        ours.send(written({"do": "prepare", "round": 2, "hash": wanted}))
        assert heard() == {"round": 2, "did": "prepare"}
        assert gateway.reloads.hash == before
        assert [gateway.config.strict] == [False]
        ours.send(written({"do": "use", "round": 2}))
        assert heard() == {"round": 2, "did": "use"}
        assert [gateway.config.strict] == [True]
        ours.send(CLOSE)
        server.join(60)
        assert not server.is_alive()
    assert happened == ["ready"]


@pytest.mark.skipif(sys.platform == "win32", reason="workers are forks")
def test_a_worker_ends_if_its_parent_is_killed_before_it_has_read(tmp_path: Path) -> None:
    file = tmp_path / "dragoman.yaml"
    file.write_text("strict: false")
    gateway = Gateway(load(file, {"DRAGOMAN_HOME": str(tmp_path)}))
    ours, theirs = socket.socketpair()
    ready = Event()
    with theirs, listen("127.0.0.1", 0) as listener:
        given = (gateway, listener, ready.set)
        server = Thread(target=serve, args=given, kwargs={"orders": theirs}, daemon=True)
        server.start()
        assert ready.wait(60)
        theirs.send(written({"did": "prepare"}))
        ours.close()  # the line is reset, as something in it is unread
        server.join(60)
        assert not server.is_alive()


@pytest.mark.skipif(sys.platform == "win32", reason="workers are forks")
@pytest.mark.parametrize("order", [DRAIN, CLOSE, END, b""])
def test_a_worker_ends_while_it_starts(monkeypatch: pytest.MonkeyPatch, order: bytes) -> None:
    """A start may take long, as when the database is away."""
    starting, ended = Event(), Event()

    async def build(gateway: Gateway) -> None:
        starting.set()
        try:
            await asyncio.sleep(60)
        finally:
            ended.set()

    monkeypatch.setattr(Gateway, "_build", build)
    ours, theirs = socket.socketpair()
    ready: list[bool] = []
    with ours, theirs, listen("127.0.0.1", 0) as listener:
        given = (Gateway({}), listener, lambda: ready.append(True))
        server = Thread(target=serve, args=given, kwargs={"orders": theirs}, daemon=True)
        server.start()
        assert starting.wait(60)
        ours.send(order) if order else ours.close()
        server.join(30)
        assert not server.is_alive()
    assert (ended.is_set(), ready) == (True, [])


class Waits:
    """An upstream that never answers. called: set when it was asked."""

    name = "own"

    def __init__(self) -> None:
        self.called = Event()

    @asynccontextmanager
    async def chat(self, request: Any, call: Any) -> AsyncIterator[AsyncIterator[Any]]:
        async def events() -> AsyncIterator[Any]:
            self.called.set()
            await asyncio.Event().wait()
            yield []

        yield events()


@pytest.mark.skipif(sys.platform == "win32", reason="workers are forks")
def test_what_runs_longer_than_the_drain_time_is_cut_and_counted(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path))
    own, ready, answers = Waits(), Event(), []
    gateway = Gateway({"server": {"drain": "1s"}}, upstreams={"own": own})
    ours, theirs = socket.socketpair()
    with ours, theirs, listen("127.0.0.1", 0) as listener:
        server = Thread(
            target=serve, args=(gateway, listener, ready.set), kwargs={"orders": theirs}, daemon=True
        )
        host, port = listener.getsockname()
        server.start()
        assert ready.wait(60)

        def ask() -> None:
            connection = HTTPConnection(host, port, timeout=60)
            body = {"model": "own/x", "messages": [{"role": "user", "content": "Hi"}]}
            connection.request("POST", "/v1/chat/completions", json.dumps(body))
            answers.append(connection.getresponse().status)

        asking = Thread(target=ask, daemon=True)
        asking.start()
        assert own.called.wait(60)
        with caplog.at_level(logging.WARNING):
            ours.send(CLOSE)
            server.join(30)
        assert not server.is_alive()
        asking.join(30)
    assert answers == [503]
    (line,) = [record.getMessage() for record in caplog.records]
    assert line == "the drain time (server.drain) of 1 s is over; requests that are cut: 1"


async def test_a_file_that_changes_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watching, "LOOK", 0.01)
    file = tmp_path / "dragoman.yaml"
    file.write_text("strict: false")
    gateway = Gateway(load(file, {"DRAGOMAN_HOME": str(tmp_path)}))
    told: asyncio.Queue[Outcome] = asyncio.Queue()
    gateway.reloads.told = told.put_nowait
    looking = asyncio.ensure_future(watch(gateway))
    await asyncio.sleep(0.05)
    for strict in (True, "all"):
        file.write_text(f"strict: {json.dumps(strict)}")
        async with asyncio.timeout(60):
            outcome = await told.get()
        assert [one.setting for one in outcome.changed] == ["strict"]
        assert gateway.config.strict == strict
        assert outcome.hash == gateway.reloads.hash
    looking.cancel()
    await asyncio.wait([looking])
