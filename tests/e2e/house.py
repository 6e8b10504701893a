"""A served gateway for tests that meet its bounds: raw connections to it, and what it has counted."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from statistics import median
from typing import Any
from urllib.parse import urlsplit

import pytest

from dragoman.config.load import load
from dragoman.exchange import Exchange
from dragoman.gateway import Gateway
from dragoman.server import connections
from dragoman.testing.serving import serving
from tests.e2e.calls import HELLO

BODY = json.dumps({"model": "simulate/echo", "messages": HELLO}).encode()


class Line:
    """A raw connection to the gateway."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer
        self.sent = 0

    async def send(self, data: bytes) -> None:
        """Send until the other side stops taking, which is no failure of a hostile client."""
        try:
            self.writer.write(data)
            await self.writer.drain()
            self.sent += len(data)
        except OSError:
            pass

    def end(self) -> None:
        """Leave, with what has not been sent: nobody reads it, and the test's loop does not wait for it."""
        self.writer.close()
        self.writer.transport.abort()

    async def flood(self, piece: bytes, total: int) -> None:
        """Send pieces until so many bytes were sent or an answer has come."""
        while self.sent < total and not self.reader.at_eof() and not self.reader._buffer:  # type: ignore[attr-defined]
            await self.send(piece)

    async def answer(self) -> tuple[int, dict[str, str], bytes]:
        """The next whole answer: status, headers, body."""
        async with asyncio.timeout(60):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1")
            status, *lines = head.split("\r\n")
            named = [line.lower().split(": ", 1) for line in lines if line]
            headers = dict(named)
            assert len(headers) == len(named), "a header stands there twice"
            if "content-length" in headers:
                body = await self.reader.readexactly(int(headers["content-length"]))
            else:
                body = b""
                while size := int((await self.reader.readline()).strip() or b"0", 16):
                    body += await self.reader.readexactly(size)
                    await self.reader.readexactly(2)
                await self.reader.readexactly(2)
        return int(status.split()[1]), headers, body

    async def refused(self) -> tuple[int, str]:
        """The status and the code of an answer in OpenAI's form."""
        status, _, body = await self.answer()
        return status, json.loads(body)["error"]["code"]

    async def ended(self, seconds: float = 60) -> bytes:
        """What still comes until the gateway ends the connection."""
        async with asyncio.timeout(seconds):
            try:
                return await self.reader.read()
            except OSError:
                return b""


class House:
    """A served gateway, its connections, and what it has logged."""

    def __init__(self, gateway: Gateway, base: str, exchanges: list[Exchange], stack: AsyncExitStack) -> None:
        self.gateway = gateway
        self.base = base
        self.exchanges = exchanges
        self._stack = stack

    async def line(self) -> Line:
        parts = urlsplit(self.base)
        line = Line(*await asyncio.open_connection(parts.hostname, parts.port))
        self._stack.callback(line.end)
        return line

    async def healthy(self) -> float:
        """How long a fresh client waits for its answer, seconds."""
        began = time.perf_counter()
        line = await self.line()
        await line.send(b"GET /health HTTP/1.1\r\nhost: 127.0.0.1\r\nconnection: close\r\n\r\n")
        status, _, _ = await line.answer()
        assert status == 200
        line.writer.close()
        return time.perf_counter() - began

    @asynccontextmanager
    async def unharmed(self) -> AsyncIterator[None]:
        """While the block runs, somebody else asks again and again, and must not wait long."""
        waits = [await self.healthy()]

        async def ask() -> None:
            while True:
                waits.append(await self.healthy())
                await asyncio.sleep(0.02)

        other = asyncio.ensure_future(ask())
        try:
            yield
        finally:
            other.cancel()
            await asyncio.wait([other])
        # A busy machine may hold up one question, but not half of them.
        assert median(waits) < waits[0] + 0.5
        assert max(waits) < waits[0] + 5

    @property
    def counts(self) -> dict[str, int]:
        return dict(self.gateway.observers.bounds.counts)


@pytest.fixture
def house(stack: AsyncExitStack, monkeypatch: pytest.MonkeyPatch, tmp_path: Any) -> Any:
    monkeypatch.setattr(connections, "_TICK", 0.05)

    async def start(configuration: dict[str, Any] | None = None, **server: Any) -> House:
        file = tmp_path / "dragoman.yaml"
        file.write_text(json.dumps({**(configuration or {}), "server": server}))
        exchanges: list[Exchange] = []
        gateway = Gateway(load(file, {}), observers=[exchanges.append])
        base = await stack.enter_async_context(serving(gateway))
        return House(gateway, base, exchanges, stack)

    return start
