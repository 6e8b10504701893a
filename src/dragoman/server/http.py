"""uvicorn's HTTP protocol with four additions.

First-byte time: the overhead that we report begins at the request's first byte, not when a handler is
scheduled; waiting in the event loop's queue is our time too. Disconnects without a task that waits for
them. One write for an answer's head and the first of its body, where uvicorn makes two. JSON for what is
no HTTP.
"""

from __future__ import annotations

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from dragoman.seams import SYSTEM
from dragoman.server.link import EXTENSION, Link


class HttpProtocol(HttpToolsProtocol):
    """Passed to uvicorn as `http=`."""

    _link: Link | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(_Corked(transport, self.loop))

    def on_message_begin(self) -> None:
        """A request's first byte: stamp it."""
        super().on_message_begin()
        self._link = link = Link(SYSTEM.monotonic())
        scope: Any = self.scope
        scope["extensions"] = {EXTENSION: link}

    def on_message_complete(self) -> None:
        """A request's last byte."""
        super().on_message_complete()
        if self._link is not None:
            self._link.complete = True

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone: cancel the work that is still done for it."""
        super().connection_lost(exc)
        if self._link is not None:
            self._link.drop()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP at all gets the same JSON error as everything else."""
        error = {"message": msg, "type": "invalid_request_error", "param": None, "code": "invalid_http"}
        body = json.dumps({"error": error}).encode()
        head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
        self.transport.write(STATUS_LINE[400] + head % len(body) + body)
        self.transport.close()


class _Corked(asyncio.Transport):
    """Holds an answer's head until the next write, or the end of this turn of the loop at the latest.

    uvloop writes to the socket at once, so that head and body would cost two system calls.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__()
        self._transport = transport
        self._loop = loop
        self._head = b""
        self._write = transport.write

    def write(self, data: bytes | bytearray | memoryview) -> None:
        if self._head:
            head, self._head = self._head, b""
            self._write(head + data)
        elif data[:9] == b"HTTP/1.1 ":
            self._head = bytes(data)
            self._loop.call_soon(self._flush)
        else:
            self._write(data)

    def _flush(self) -> None:
        head, self._head = self._head, b""
        if head and not self._transport.is_closing():
            self._write(head)

    def close(self) -> None:
        self._flush()
        self._transport.close()

    def abort(self) -> None:
        self._transport.abort()

    def is_closing(self) -> bool:
        return self._transport.is_closing()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._transport.get_extra_info(name, default)

    def pause_reading(self) -> None:
        self._transport.pause_reading()

    def resume_reading(self) -> None:
        self._transport.resume_reading()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size() + len(self._head)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._transport.set_protocol(protocol)
