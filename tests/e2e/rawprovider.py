"""A provider that writes exactly the bytes that a test wants, when it wants: broken answers, floods."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Self, TypeAlias

Script: TypeAlias = Callable[[asyncio.StreamWriter], Awaitable[None]]

STREAM = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\nconnection: close\r\n\r\n"


class RawProvider:
    """Answers each connection's one request with a script and then closes it; `url` is its origin."""

    def __init__(self, *scripts: Script) -> None:
        self._scripts = list(scripts)
        self._server: asyncio.Server
        self.requests = 0
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        port = self._server.sockets[0].getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.lower().splitlines()
        length = next(
            (int(line.partition(b":")[2]) for line in lines if line.startswith(b"content-length:")), 0
        )
        await reader.readexactly(length)
        script = self._scripts[min(self.requests, len(self._scripts) - 1)]
        self.requests += 1
        try:
            await script(writer)
        except ConnectionError:
            return  # the gateway has hung up, which some tests ask for
        finally:
            writer.close()


def sends(*parts: bytes) -> Script:
    """A script that writes these bytes one after another, and closes."""

    async def script(writer: asyncio.StreamWriter) -> None:
        for part in parts:
            writer.write(part)
            await writer.drain()

    return script
