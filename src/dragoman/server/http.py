"""uvicorn's HTTP protocol with five additions.

First-byte time: the overhead that we report begins at the request's first byte, not when a handler is
scheduled; waiting in the event loop's queue is our time too. Disconnects without a task that waits for
them, for every request of a connection, pipelined ones included. One write for an answer's head and the
first of its body, where uvicorn makes two. JSON for what is no HTTP. WebSockets that drain
(`server.websocket_protocol`), loaded by the first client that asks for one.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol, RequestResponseCycle

from dragoman.config.settings import Server
from dragoman.seams import SYSTEM
from dragoman.server.link import EXTENSION, Link

_KEEP_ALIVE_SECONDS = 75
_AHEAD = 8
"""Requests of one connection that are read before the first of them is answered."""


class HttpProtocol(HttpToolsProtocol):
    """Passed to uvicorn as `http=`."""

    _link: Link
    """Of the request that is being read."""
    _cycles: deque[RequestResponseCycle]
    """The requests that are not answered yet, oldest first: answers go out in the order of requests."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(_Corked(transport, self.loop))
        self._cycles = deque()

    def on_message_begin(self) -> None:
        """A request's first byte: stamp it."""
        super().on_message_begin()
        self._link = link = Link(SYSTEM.monotonic())
        scope: Any = self.scope
        scope["extensions"] = {EXTENSION: link}

    def on_headers_complete(self) -> None:
        """A request's head is complete: its handler starts, or waits for its turn."""
        before = self.cycle
        super().on_headers_complete()
        if self.cycle is not before:  # else it becomes a WebSocket
            self._cycles.append(self.cycle)

    def on_message_complete(self) -> None:
        """A request's last byte. While uvicorn does not read, it does not see the client go away either."""
        super().on_message_complete()
        self._link.complete = True
        if len(self._cycles) < _AHEAD:
            self.flow.resume_reading()

    def on_response_complete(self) -> None:
        """The oldest request is answered."""
        self._cycles.popleft()
        super().on_response_complete()

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone: cancel the work that is still done for it."""
        super().connection_lost(exc)
        for cycle in self._cycles:
            cycle.disconnected = True  # uvicorn says so to the newest only
            cycle.message_event.set()
            scope: Any = cycle.scope
            scope["extensions"][EXTENSION].drop()
        self._cycles.clear()

    def send_400_response(self, msg: str) -> None:
        """What is no HTTP at all gets the same JSON error as everything else."""
        self.transport.write(refusal(400, msg, "invalid_http"))
        self.transport.close()

    def _should_upgrade_to_ws(self) -> bool:
        return not self._cycles  # an answer that is still owed would get into the socket's frames

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing: what cannot be upgraded is answered over HTTP/1.1. Any client may ask, as curl does."""

    def handle_websocket_upgrade(self) -> None:
        """The connection becomes a WebSocket."""
        from dragoman.server.websocket_protocol import SocketProtocol

        self.ws_protocol_class = SocketProtocol
        super().handle_websocket_upgrade()


def refusal(status: int, message: str, code: str) -> bytes:
    """A whole answer to what no application will see, after which the connection is closed."""
    error = {"message": message, "type": "invalid_request_error", "param": None, "code": code}
    body = json.dumps({"error": error}).encode()
    head = b"content-type: application/json\r\nconnection: close\r\ncontent-length: %d\r\n\r\n"
    return STATUS_LINE[status] + head % len(body) + body


def served(settings: Server) -> dict[str, Any]:
    """What `uvicorn.Config` is told wherever a gateway is served. It loads no protocol for WebSockets; ours
    comes when it is needed.

    Headers of proxies are not believed: who calls is the peer of the connection, whatever it says of others.

    An idle connection stays open for longer than usual clients keep one: whoever closes first must be the
    client, or its next question may meet the end of the connection, and it cannot know whether it was heard.

    Pings go out as often as a stream's heartbeat does. A pong that stays away ends nothing: a client that
    reads slowly has not read the ping. Messages are not compressed, which would cost some 40 kB for each
    socket and more time for each event than everything else.
    """
    return {
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "http": HttpProtocol,
        "timeout_keep_alive": _KEEP_ALIVE_SECONDS,
        "ws": "none",
        "ws_max_size": settings.max_body,
        "ws_ping_interval": settings.heartbeat or None,
        "ws_ping_timeout": None,
        "ws_per_message_deflate": False,
    }


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
