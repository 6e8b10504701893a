"""uvicorn's HTTP protocol with what a server needs that strangers reach.

Bounds: on heads, trailers and URLs, refused while they come in and in the face's own form; on silence and on
the number of connections (`server.connections`). Trailers are dropped, and an upgrade that is not taken is
ignored. A stream to a client of HTTP/1.0 ends with its connection, in no chunks. First-byte time: the
overhead that we report begins at the request's first byte, not when a handler is scheduled; waiting in the
event loop's queue is our time too. Disconnects without a task that waits for them, for every request of a
connection, pipelined ones included. One write for an answer's head and the first of its body, where uvicorn
makes two. WebSockets that drain (`server.websocket_protocol`), loaded by the first client that asks for one.

https://www.rfc-editor.org/rfc/rfc9110, https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from dragoman import ir
from dragoman.seams.clock import SYSTEM
from dragoman.server.connections import Connections, Peer
from dragoman.server.cycle import Cycle
from dragoman.server.link import EXTENSION, Link

if TYPE_CHECKING:
    from dragoman.server.app import App

_AHEAD = 8
"""Requests of one connection that are read before the first of them is answered."""
_MOST_AHEAD = 64
"""Requests of one connection that are accepted unanswered. One read may hold thousands of them."""
_CHUNKS = 4096
"""Chunks of one body that may be of any size."""
_LEAST_CHUNK = 16
"""Bytes that the chunks of a body must have on average beyond that: each costs more than its bytes."""
_UNREAD = 4096
"""Bytes of earlier answers that may wait for the client to read while its next request is begun."""
_REQUEST = 2048
"""Bytes in memory that a request costs beside those that it was sent in, about."""
_BRIEFLY = 2.0
"""Seconds that a body may stand still before its connection counts as idle, where connections are few."""
_LINGER = 2.0
"""Seconds in which a client may still send what it had begun when its request was refused. If the connection
were closed at once, the system would reset it, and the client might never see the answer.
"""
_LATE = 10.0
"""The same for a body whose request was answered before it was complete, as with a wrong key."""


class HttpProtocol(HttpToolsProtocol):
    """Passed to uvicorn as `http=`, with the application and its connections in place."""

    peer: Peer
    _link: Link
    """Of the request that is being read."""
    _cycles: deque[Cycle]
    """The requests that are not answered yet, oldest first: answers go out in the order of requests."""

    def __init__(self, app: App, connections: Connections, **options: Any) -> None:
        super().__init__(**options)
        settings = connections.settings
        self._refuses = app
        self.all_connections = connections
        self._max_head = int(settings.max_head)
        self._max_headers = settings.max_headers
        self._max_url = int(settings.max_url)
        self._cycles = deque()
        self._ahead = 0
        """Bytes that have come in since more than one request is unanswered."""
        self._held_since: float | None = None
        """Since when the next request waits until the client has read earlier answers; None = it does not."""
        self._pending = 0
        """Bytes that have come in since a head, a piece of a body or a whole message was complete."""
        self._in_head = False
        self._complete = True
        """Whether the latest request has come in whole."""
        self._chunks = 0
        self._body_size = 0
        """Chunks and bytes of the latest request's body so far."""
        self._upgrades = False
        """Whether the latest request asks for an upgrade that is not taken."""
        self._deaf = False
        """Whether nothing more is read of what the client sends."""
        self._answered = False
        self._fed_at = 0.0
        """When something of the latest request's body came in."""
        self._linger = _LINGER
        self._since = 0.0
        """When the connection was made, or its latest request answered or refused."""

    # --- The connection --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """A client has connected."""
        super().connection_made(_Corked(transport, self.loop))
        self._since = SYSTEM.monotonic()
        self.peer = self.all_connections.peer(self.client[0] if self.client else None)
        if not self.all_connections.admit(self):
            self._deaf = True
            _, headers, body = self._refuses.full()
            self._write_last(503, headers, body)
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        """More of what the client says."""
        if len(data) > self._max_head and (self._in_head or self._complete):
            self._take(data[: self._max_head])  # thousands of small headers are seen to be too many
            data = data[self._max_head :]
        self._take(data)

    def _take(self, data: bytes) -> None:
        if self._deaf:
            return
        self._pending += len(data)
        self._feed(data)
        if self._pending > self._max_head or (self._in_head and not self._fits()):
            self.refuse(self._too_large())
        self._leave_body()
        self._count_kept(len(data))
        if self._ahead >= self._max_head and not self._deaf:
            self.flow.pause_reading()

    def _count_kept(self, came: int = 0) -> None:
        """Tell how many bytes this connection keeps in memory for requests that have not begun.

        A request that has begun is not counted: its handler bounds its body. came: bytes that came in now.
        """
        kept = self._pending
        waiting = len(self._cycles) - 1
        if waiting > 0 or self._held_since is not None:
            self._ahead += came
            if self._ahead:
                kept = max(kept, self._ahead + _REQUEST * waiting)
        else:
            self._ahead = 0
        if self._deaf and not self._cycles:
            kept = 0
        if kept != self.peer.kept:
            self.all_connections.keep(self, kept)

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone: cancel the work that is still done for it."""
        super().connection_lost(exc)
        self._held_since = None
        self.all_connections.leave(self)
        self._drop()

    def _drop(self) -> None:
        """Nobody waits for the answers that are owed."""
        for cycle in self._cycles:
            cycle.disconnected = True  # uvicorn says so to the newest only
            cycle.message_event.set()
            scope: Any = cycle.scope
            scope["extensions"][EXTENSION].drop()
            cycle.on_response = _nothing  # else the newest and this connection would hold each other
        self._cycles.clear()
        self.pipeline.clear()

    def pause_writing(self) -> None:
        """The client reads slowly."""
        self.peer.paused = True
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client has read most of what was written."""
        self.peer.resumed()
        super().resume_writing()
        self._go_on()

    def shutdown(self) -> None:
        """The server stops. A client that leaves its answers unread is not waited for."""
        if self._held_since is None:
            super().shutdown()
        else:
            self.transport.abort()

    def idle_since(self) -> float | None:
        """Since when nothing but the client is waited for; None = a request runs."""
        if self._held_since is not None:
            return self._held_since
        if not self._cycles:
            return self._link.began if self._in_head else self._since
        if self._complete or len(self._cycles) > 1 or SYSTEM.monotonic() - self._fed_at < _BRIEFLY:
            return None
        return self._fed_at  # a request that waits for its body

    def abandon(self) -> None:
        """End the connection, as a newcomer needs its place."""
        self._deaf = True
        if self._cycles:
            self.transport.abort()
            self._drop()  # now, not a turn later: many may be abandoned in this one
        else:
            self.transport.close()
        self._forget_head()

    def _forget_head(self) -> None:
        """Free what has come of a request that is not read any further."""
        self.parser = None  # type: ignore[assignment]  # it may hold a long piece of a header
        if self._in_head:
            self.headers.clear()
            self.url = b""

    def look(self, now: float) -> None:
        """End the connection if the client has kept us waiting for too long."""
        self._go_on()
        if self._cycles or self.transport.is_closing():
            return  # whoever reads the body minds its time (`server.bodies`); the peer minds the writes
        connections = self.all_connections
        settings = connections.settings
        if self._deaf:
            if now - self._since > self._linger:
                if self._linger == _LATE:
                    connections.reached("body_after_answer", f"by {self.peer.address}")
                self.transport.abort()
        elif self._in_head:
            if 0 < settings.head_timeout < now - self._link.began:
                self.refuse(_HEAD_TIMEOUT)
        elif not self._complete:
            if now - self._since > _LATE:
                connections.reached("body_after_answer", f"by {self.peer.address}")
                self.transport.abort()
        elif self._answered:
            if 0 < settings.keep_alive < now - self._since:
                self.transport.close()
        elif 0 < settings.head_timeout < now - self._since:
            connections.reached("silent_connection", f"by {self.peer.address}")
            self.transport.close()

    # --- The parser's callbacks --------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request's first byte: stamp it."""
        super().on_message_begin()
        self._link = link = Link(SYSTEM.monotonic())
        scope: Any = self.scope
        scope["extensions"] = {EXTENSION: link}
        self._in_head = True
        self._complete = False
        self._chunks = self._body_size = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer. A trailer is dropped: it must not replace a header that was relied on
        (RFC 9110, section 6.5.1).
        """
        if self._in_head:
            name = name.lower()
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """A request's head is complete: its handler starts, or waits for its turn."""
        if not self._fits():
            raise _Refused(self._too_large())
        if self._pending > self._max_head:  # of which most is the body, or else
            size = len(self.url) + sum([len(name) + len(value) + 4 for name, value in self.headers])
            if size > self._max_head:
                raise _Refused(self._too_large())
        if len(self._cycles) >= _MOST_AHEAD:
            raise _Refused(_PIPELINED)
        self._pending = 0
        if self.parser.should_upgrade() and not self._should_upgrade():
            self._upgrades = self.parser.get_method() != b"CONNECT"
            if self._upgrades:
                return
        self._fed_at = self._link.began
        self._begin()  # raises for an invalid URL: the head is not complete then
        self._in_head = False

    def _begin(self) -> None:
        """Begin a request whose head is there, as uvicorn does, with a cycle of ours."""
        parser, scope = self.parser, self.scope
        scope["method"] = parser.get_method().decode("ascii")
        version = parser.get_http_version()
        if version != "1.1":
            scope["http_version"] = version
        if parser.should_upgrade() and self._should_upgrade():
            return  # it becomes a WebSocket
        url = httptools.parse_url(self.url)
        path = url.path.decode("ascii")
        scope["path"] = self.root_path + (unquote(path) if "%" in path else path)
        scope["raw_path"] = self.root_path.encode("ascii") + url.path
        scope["query_string"] = url.query or b""
        self.cycle = cycle = Cycle(
            scope=scope,
            transport=self.transport,
            flow=self.flow,
            logger=self.logger,
            access_logger=self.access_logger,
            access_log=False,
            default_headers=self.server_state.default_headers,
            message_event=asyncio.Event(),
            expect_100_continue=self.expect_100_continue,
            keep_alive=version != "1.0" and parser.should_keep_alive(),
            on_response=self.on_response_complete,
        )
        self._cycles.append(cycle)
        if len(self._cycles) == 1:
            self._start_asgi_task(cycle, self.app)
        else:
            self.flow.pause_reading()
            self.pipeline.appendleft((cycle, self.app))

    def on_chunk_header(self) -> None:
        """The size of a body's next chunk."""
        self._chunks += 1
        if self._chunks > _CHUNKS and self._body_size < self._chunks * _LEAST_CHUNK:
            raise _Refused(_SMALL_CHUNKS)

    def on_body(self, body: bytes) -> None:
        """More of a request's body."""
        self._pending = 0
        self._body_size += len(body)
        self._fed_at = SYSTEM.monotonic()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request's last byte. While uvicorn does not read, it does not see the client go away either."""
        if self._upgrades:
            return
        super().on_message_complete()
        self._pending = 0
        self._complete = True
        self._link.complete = True
        if len(self._cycles) < _AHEAD and self._ahead < self._max_head:
            self.flow.resume_reading()

    def on_response_complete(self) -> None:
        """The oldest request is answered. The timer of all connections replaces uvicorn's own for each."""
        self._cycles.popleft()
        self.server_state.total_requests += 1
        if self.transport.is_closing():
            return
        self._answered = True
        self._since = SYSTEM.monotonic()
        self._leave_body()
        if not self.pipeline or self.transport.get_write_buffer_size() <= _UNREAD:
            self._begin_next()
        else:
            self._held_since = self._since
            self.loop.call_soon(self._go_on)  # uvloop writes at the end of this turn

    def _leave_body(self) -> None:
        """Read nothing more of a chunked body once its request is answered, as with a wrong key.

        To find its end costs as much as to take it. The client sees that nothing more follows the answer.
        """
        if self._complete or self._in_head or self._cycles or self._deaf or not self._chunks:
            return
        self._deaf = True
        self._linger = _LATE
        self.parser = None  # type: ignore[assignment]
        self._say_eof()

    def _say_eof(self) -> None:
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def _go_on(self) -> None:
        """Begin the next request if it was held and the client has read what was answered before."""
        if self._held_since is None or self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size() > _UNREAD:
            self.peer.paused = True  # so that the time to read passes
            return
        self._held_since = None
        self.peer.resumed()
        self._begin_next()

    def _begin_next(self) -> None:
        self._count_kept()
        if self._ahead < self._max_head or self._deaf:  # what is left unread would reset the connection
            self.flow.resume_reading()
        if self.pipeline:
            self._start_asgi_task(*self.pipeline.pop())

    # --- Reading -----------------------------------------------------------------------------------------

    def _feed(self, data: bytes) -> None:
        try:
            self.parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            if self._upgrades:
                self._read_again(data[upgrade.args[0] :])
            elif self._should_upgrade():
                self.handle_websocket_upgrade()
            else:  # CONNECT; what follows its head is for somebody else
                self._deaf = True
                self.cycle.keep_alive = False
        except httptools.HttpParserError as error:
            cause = error.__context__
            self.refuse(cause.fault if isinstance(cause, _Refused) else _INVALID)

    def _read_again(self, rest: bytes) -> None:
        """Read the request as if it had not asked for an upgrade (RFC 9110, section 7.8).

        The parser takes the rest of such a request for another protocol, body included. rest: what came
        with its head.
        """
        self._upgrades = False
        line = b"%b %b HTTP/%b\r\n" % (
            self.parser.get_method(),
            self.url,
            self.parser.get_http_version().encode(),
        )
        headers = [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._feed(b"".join([line, *headers, b"\r\n", rest]))

    def _fits(self) -> bool:
        return len(self.url) <= self._max_url and len(self.headers) <= self._max_headers

    def _too_large(self) -> ir.Fault:
        if not self._in_head:
            if self._complete:
                return _INVALID  # empty lines between two requests
            return _told(431, f"The trailers are larger than {self._max_head} bytes.", "headers_too_large")
        if len(self.url) > self._max_url or not self.headers:
            return _told(414, f"The URL is longer than {self._max_url} bytes.", "url_too_long")
        if len(self.headers) > self._max_headers:
            return _told(431, f"The request has more than {self._max_headers} headers.", "headers_too_large")
        return _told(431, f"The request headers are larger than {self._max_head} bytes.", "headers_too_large")

    # --- Refusals ----------------------------------------------------------------------------------------

    def refuse(self, fault: ir.Fault) -> None:
        """Answer what no handler sees, and read nothing more. What earlier requests are owed goes first."""
        if self._deaf or self.transport.is_closing():
            return
        self._deaf = True
        whole = self._cycles if self._in_head or self._complete else list(self._cycles)[:-1]
        if whole:
            if len(whole) < len(self._cycles):
                self.transport.abort()  # answers are owed, and one that cannot be given
            else:
                self._cycles[-1].keep_alive = False  # the connection ends with its answer
            return
        if self._cycles and self._cycles[0].response_started:
            self.transport.abort()
            return
        self._drop()
        begun = self._in_head or not self._complete
        status, headers, body = self._refuses.refuse(
            fault,
            method=self.parser.get_method().decode("ascii") if begun and self.url else "-",
            target=self.url if begun else b"",
            headers=self.headers if begun else [],
            began=self._link.began if begun else self._since,
        )
        self._forget_head()  # the connection lingers
        self._since = SYSTEM.monotonic()
        self._write_last(status, headers, body)
        self._say_eof()

    def _write_last(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        """A whole answer, after which the connection is closed."""
        own = (
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        )
        lines = [b"%b: %b\r\n" % header for header in (*self.server_state.default_headers, *own, *headers)]
        self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", body]))

    def _should_upgrade_to_ws(self) -> bool:
        return not self._cycles  # an answer that is still owed would get into the socket's frames

    def handle_websocket_upgrade(self) -> None:
        """The connection becomes a WebSocket."""
        from dragoman.server.websocket_protocol import SocketProtocol

        self.ws_protocol_class = partial(SocketProtocol, self)  # type: ignore[assignment]
        super().handle_websocket_upgrade()


def _nothing() -> None:
    """What a request without a connection does when it is answered."""


class _Refused(Exception):
    """A callback refuses what the parser reads."""

    def __init__(self, fault: ir.Fault) -> None:
        super().__init__(fault.message)
        self.fault = fault


def _told(status: int, message: str, code: str) -> ir.Fault:
    return ir.Fault("too_large", message, code=code, status=status)


_INVALID: Final = ir.Fault("invalid_request", "Invalid HTTP request received.", code="invalid_http")
_PIPELINED: Final = ir.Fault(
    "invalid_request",
    f"More than {_MOST_AHEAD} pipelined requests wait for their responses on this connection.",
    code="too_many_pipelined",
)
_SMALL_CHUNKS: Final = ir.Fault(
    "invalid_request",
    f"The request body has more than {_CHUNKS} chunks of fewer than {_LEAST_CHUNK} bytes on average.",
    code="chunks_too_small",
)
_HEAD_TIMEOUT: Final = ir.Fault(
    "timeout", "The request headers did not arrive in time.", code="request_timeout", status=408
)


def served(app: App) -> dict[str, Any]:
    """What `uvicorn.Config` is told wherever a gateway is served. It loads no protocol for WebSockets; ours
    comes when it is needed.

    Headers of proxies are not believed: who calls is the peer of the connection, whatever it says of others.

    Pings go out as often as a stream's heartbeat does. A pong that stays away ends nothing: a client that
    reads slowly has not read the ping. Messages are not compressed, which would cost some 40 kB for each
    socket and more time for each event than everything else.
    """
    app.gateway.connections = app.connections.state
    settings = app.gateway.config.server
    return {
        "lifespan": "on",
        "log_config": None,
        "access_log": False,
        "server_header": False,
        "proxy_headers": False,
        "http": partial(HttpProtocol, app, app.connections),
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

    def can_write_eof(self) -> bool:
        return self._transport.can_write_eof()

    def write_eof(self) -> None:
        self._flush()
        self._transport.write_eof()

    def get_write_buffer_size(self) -> int:
        return self._transport.get_write_buffer_size() + len(self._head)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._transport.set_protocol(protocol)
