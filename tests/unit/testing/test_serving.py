"""A gateway that tests serve keeps connections, and believes headers, as the served one does."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from dragoman.config.load import load
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.seams.clock import SYSTEM
from dragoman.server.app import App
from dragoman.server.http import HttpProtocol
from dragoman.testing.serving import serving

PATIENCE = {"undici": 4, "httpx": 5, "aiohttp": 15, "the proxy nginx": 60}
"""Seconds for which clients keep an idle connection."""


async def test_an_idle_connection_is_the_clients_to_close(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A server that closes it first may do so while the next question is on its way."""
    served: list[HttpProtocol] = []
    done = HttpProtocol.answered

    def completed(protocol: HttpProtocol) -> None:
        done(protocol)
        served.append(protocol)

    monkeypatch.setattr(HttpProtocol, "answered", completed)
    file = tmp_path / "dragoman.yaml"
    file.write_text("providers: {simulate: {enabled: true}}\n")
    async with serving(Gateway(load(file, {}))) as base:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(base.rpartition(":")[2]))
        writer.write(b"GET /v1/models HTTP/1.1\r\nhost: 127.0.0.1\r\n\r\n")
        assert (await reader.readuntil(b"\r\n")).startswith(b"HTTP/1.1 200")
        await reader.read(1 << 16)
        (protocol,) = served
        protocol.look(SYSTEM.monotonic() + max(PATIENCE.values()))
        assert not protocol.transport.is_closing()
        protocol.look(SYSTEM.monotonic() + 76)
        assert protocol.transport.is_closing()
        writer.close()
        await writer.wait_closed()


async def test_a_proxy_s_word_about_its_client_is_not_believed(tmp_path: Path) -> None:
    file = tmp_path / "dragoman.yaml"
    file.write_text("providers: {simulate: {enabled: true}}\n")
    seen: list[Exchange] = []
    async with serving(Gateway(load(file, {}), observers=[seen.append])) as base:
        reader, writer = await asyncio.open_connection("127.0.0.1", int(base.rpartition(":")[2]))
        writer.write(b"GET /v1/models HTTP/1.1\r\nhost: 127.0.0.1\r\nx-forwarded-for: 203.0.113.9\r\n\r\n")
        await reader.readuntil(b"\r\n")
        writer.close()
        await writer.wait_closed()
    assert [(one.address, one.forwarded) for one in seen] == [("127.0.0.1", "203.0.113.9")]


async def test_an_application_that_cannot_start_ends_with_the_servers_own_exception(tmp_path: Path) -> None:
    class Broken(App):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await receive()
            raise RuntimeError("it cannot start")

    file = tmp_path / "dragoman.yaml"
    file.write_text("providers: {simulate: {enabled: true}}\n")
    gateway = Gateway(load(file, {}))
    with pytest.raises(SystemExit):
        async with serving(gateway, around=lambda _: Broken(gateway)):
            pytest.fail("it was served")
    await gateway.close()
