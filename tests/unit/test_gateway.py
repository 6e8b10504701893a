"""The gateway as a program has it: its settings, its application, its end."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from dragoman.config.load import load
from dragoman.errors import ConfigError, RequestFailed
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from tests.unit.server.test_app import Own, Visit


async def test_what_is_closed_stays_closed_and_says_so() -> None:
    gateway = Gateway()
    app = gateway.asgi()
    first = Visit(app, path="/health")
    await first.task
    assert first.status == 200
    await gateway.close()
    await gateway.close()
    for path in ("/health", "/v1/models", "/v1/chat/completions"):
        visit = Visit(app, path=path)
        await visit.task
        assert (visit.status, visit.error["code"]) == (503, "gateway_closed")
    with pytest.raises(RequestFailed):
        await gateway.start()
    with pytest.raises(RequestFailed):
        _ = gateway.engine
    with pytest.raises(RequestFailed):
        gateway.entries()


def test_it_takes_what_the_server_would_take(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DRAGOMAN_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("DRAGOMAN_PORT", "9001")
    (tmp_path / "dragoman.yaml").write_text("server: {heartbeat: 3s}")
    (tmp_path / "other.yaml").write_text("server: {heartbeat: 4s}")
    found = [Gateway(), Gateway("other.yaml"), Gateway(tmp_path / "other.yaml"), Gateway.from_env()]
    found += [Gateway({"server": {"heartbeat": "5s"}}), Gateway(load(None, {}, cwd=tmp_path))]
    assert [float(one.config.server.heartbeat) for one in found] == [3, 4, 4, 15, 5, 3]
    assert [one.config.server.port for one in found] == [9001, 9001, 9001, 9001, 9001, 8080]
    assert Gateway.from_env({}).config.server.port == 8080
    with pytest.raises(ConfigError, match=r"server\.prot: unknown setting"):
        Gateway({"server": {"prot": 1}})


async def test_requests_that_run_when_it_is_closed_get_a_503() -> None:
    exchanges: list[Exchange] = []
    own = Own()
    gateway = Gateway(upstreams={"own": own}, observers=[exchanges.append])
    visit = Visit(gateway.asgi())
    await own.called.wait()
    await gateway.close()
    assert visit.task.done()
    await visit.task
    assert (visit.status, visit.error["type"]) == (503, "service_unavailable_error")
    assert exchanges[0].end == "gateway/first_byte/gateway_stopping"
    assert gateway.requests == set()


async def test_a_body_that_arrives_after_the_end_gets_a_503() -> None:
    gateway = Gateway()
    visit = Visit(gateway.asgi(), parts=[b"{", b"}"])
    visit.pause = 0.05
    await asyncio.sleep(0.01)
    await gateway.close()
    await visit.task
    assert visit.status == 503
