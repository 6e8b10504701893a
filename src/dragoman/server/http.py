"""uvicorn's HTTP protocol, extended with what a server on the open internet needs: limits for heads, URLs,
silence and the number of connections, requests stamped at their first byte, and a disconnect that cancels all
of them.

https://www.rfc-editor.org/rfc/rfc9110, https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any, cast
from urllib.parse import unquote

import httptools
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from dragoman import ir
from dragoman.seams.clock import SYSTEM
from dragoman.server import refusals
from dragoman.server.app import App
from dragoman.server.connections import Connections, Peer
from dragoman.server.corked import Corked
from dragoman.server.cycle import Cycle
from dragoman.server.link import EXTENSION, Link

_AHEAD = 8
"""While a connection has this many unanswered requests, nothing more is read from it."""
_UNREAD = 4096
"""The next pipelined request begins when at most this many bytes of earlier answers are still unsent."""
_REQUEST = 2048
"""Bytes of memory, about, that a waiting request needs beside those in which it was sent."""
_BRIEFLY = 2.0
"""Seconds for which a request's body may stand still before its connection may be closed to make room."""
_LINGER = 2.0
"""Seconds for which the connection of a refused request stays open: closing it at once would reset it, and
the client might never see the answer.
"""
_LATE = 10.0
"""Seconds in which a body must end whose request was answered before, as after a wrong key."""


class HttpProtocol(HttpToolsProtocol):
    """One client connection over HTTP/1 (uvicorn's option `http`). app, connections: of this server."""

    peer: Peer
    _link: Link
    """The Link of the request that is being read."""
    _cycles: deque[Cycle]
    """The unanswered requests, oldest first. Answers are sent in the order of the requests."""

    def __init__(self, app: App, connections: Connections, **options: Any) -> None:
        super().__init__(**options)
        settings = connections.settings
        self._app_errors = app
        self.all_connections = connections
        self._max_head = int(settings.max_head)
        self._max_headers = settings.max_headers
        self._max_url = int(settings.max_url)
        self._cycles = deque()
        self._ahead = 0
        """Bytes that have come in since a request began to wait for earlier ones; 0 = none waits."""
        self._held_since: float | None = None
        """When the next request began to wait for the client to read earlier answers; None = it does not."""
        self._pending = 0
        """Bytes that have come in since the last complete head, piece of a body, or message."""
        self._in_head = False
        self._complete = True
        """Whether the latest request has come in completely; True before the first."""
        self._chunks = 0
        """How many chunks of the latest request's body have come in."""
        self._body_size = 0
        """How many bytes of the latest request's body have come in."""
        self._upgrades = False
        """Whether the latest request asks for an unsupported upgrade, and is parsed again without it."""
        self._ignores_input = False
        """Whether all bytes that the client still sends are ignored."""
        self._answered = False
        self._fed_at = 0.0
        """When the latest request's body last grew; before its first piece, when its head began."""
        self._linger = _LINGER
        self._since = 0.0
        """When the connection was made, or when its latest request was answered or refused."""

    # --- The connection --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(cast("asyncio.Transport", Corked(transport, self.loop)))
        self._since = SYSTEM.monotonic()
        self.peer = self.all_connections.peer(self.client[0] if self.client else None)
        if not self.all_connections.admit(self):
            self._ignores_input = True
            _, headers, body = self._app_errors.full()
            self._write_last(503, headers, body)
            self.transport.close()

    def data_received(self, data: bytes) -> None:
        if len(data) > self._max_head and (self._in_head or self._complete):
            self._take(data[: self._max_head])  # the parser stops here if there are too many headers
            data = data[self._max_head :]
        self._take(data)

    def _take(self, data: bytes) -> None:
        if self._ignores_input:
            return
        self._pending += len(data)
        self._feed(data)
        if self._pending > self._max_head or (self._in_head and not self._fits()):
            self.refuse(self._too_large())
        self._leave_body()
        self._count_kept(len(data))
        if self._ahead >= self._max_head and not self._ignores_input:
            self.flow.pause_reading()

    def _count_kept(self, came: int = 0) -> None:
        """Report the bytes held for requests whose handler has not begun. came: bytes that were just read."""
        kept = self._pending
        waiting = len(self._cycles) - 1
        if waiting > 0 or self._held_since is not None:
            self._ahead += came
            if self._ahead:
                kept = max(kept, self._ahead + _REQUEST * waiting)
        else:
            self._ahead = 0
        if self._ignores_input and not self._cycles:
            kept = 0
        if kept != self.peer.kept:
            self.all_connections.keep(self, kept)

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended: cancel the handlers of its requests."""
        super().connection_lost(exc)
        self._held_since = None
        self.all_connections.leave(self)
        self._drop()

    def _drop(self) -> None:
        for cycle in self._cycles:
            cycle.disconnected = True  # uvicorn sets this for the newest request only
            cycle.message_event.set()
            scope: Any = cycle.scope
            scope["extensions"][EXTENSION].drop()
            cycle.on_response = _nothing  # breaks a reference cycle with the connection
        self._cycles.clear()
        self.pipeline.clear()

    def pause_writing(self) -> None:
        self.peer.paused = True
        super().pause_writing()

    def resume_writing(self) -> None:
        self.peer.resumed()
        super().resume_writing()
        self._begin_held()

    def shutdown(self) -> None:
        """The server stops: end the connection after its requests; at once if one waits for a slow reader."""
        if self._held_since is None:
            super().shutdown()
        else:
            self.transport.abort()

    def idle_since(self) -> float | None:
        """When it began to wait for its client; None = a request runs, or its body grew just now."""
        if self._held_since is not None:
            return self._held_since
        if not self._cycles:
            return self._link.began if self._in_head else self._since
        if self._complete or len(self._cycles) > 1 or SYSTEM.monotonic() - self._fed_at < _BRIEFLY:
            return None
        return self._fed_at  # a request that waits for its body

    def abandon(self) -> None:
        self._ignores_input = True
        if self._cycles:
            self.transport.abort()
            self._drop()  # not later in `connection_lost`: this turn of the loop may end many
        else:
            self.transport.close()
        self._forget_head()

    def _forget_head(self) -> None:
        self.parser = None  # type: ignore[assignment]  # it may hold a long part of a header
        if self._in_head:
            self.headers.clear()
            self.url = b""

    def look(self, now: float) -> None:
        """End the connection if the client has been silent for too long, except during a request."""
        self._begin_held()
        if self._cycles or self.transport.is_closing():
            return  # the reader of a body limits its time (`server.bodies`); `Peer` limits the time of writes
        connections = self.all_connections
        settings = connections.settings
        if self._ignores_input:
            if now - self._since > self._linger:
                if self._linger == _LATE:
                    connections.reached("body_after_answer", f"by {self.peer.address}")
                self.transport.abort()
        elif self._in_head:
            if 0 < settings.head_timeout < now - self._link.began:
                self.refuse(refusals.HEAD_TIMEOUT)
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
        """The first byte of a request: note its time."""
        super().on_message_begin()
        self._link = link = Link(SYSTEM.monotonic())
        scope: Any = self.scope
        scope["extensions"] = {EXTENSION: link}
        self._in_head = True
        self._complete = False
        self._chunks = self._body_size = 0

    def on_header(self, name: bytes, value: bytes) -> None:
        """Keep a header, and drop a trailer, which must not replace a header (RFC 9110, section 6.5.1)."""
        if self._in_head:
            name = name.lower()
            if name == b"expect" and value.lower() == b"100-continue":
                self.expect_100_continue = True
            self.headers.append((name, value))

    def on_headers_complete(self) -> None:
        """A request's head is complete: begin the request; one that asks for an unsupported upgrade is parsed
        again without it instead. Raises Refused if a limit is exceeded.
        """
        if not self._fits():
            raise refusals.Refused(self._too_large())
        if self._pending > self._max_head:  # usually most of these bytes are the body
            size = len(self.url) + sum([len(name) + len(value) + 4 for name, value in self.headers])
            if size > self._max_head:
                raise refusals.Refused(self._too_large())
        if len(self._cycles) >= refusals.MOST_AHEAD:
            raise refusals.Refused(refusals.PIPELINED)
        self._pending = 0
        if self.parser.should_upgrade() and not self._should_upgrade():
            self._upgrades = self.parser.get_method() != b"CONNECT"
            if self._upgrades:
                return
        self._fed_at = self._link.began
        self._begin()  # raises for an invalid URL; the state must still say that the head is incomplete then
        self._in_head = False

    def _begin(self) -> None:
        """Make the request's scope and Cycle (none for a WebSocket); start its handler, or queue it."""
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
        """Count a chunk of the body. Raises Refused for many chunks that are too small on average."""
        self._chunks += 1
        if self._chunks > refusals.CHUNKS and self._body_size < self._chunks * refusals.LEAST_CHUNK:
            raise refusals.Refused(refusals.SMALL_CHUNKS)

    def on_body(self, body: bytes) -> None:
        self._pending = 0
        self._body_size += len(body)
        self._fed_at = SYSTEM.monotonic()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """A request has come in. Go on reading unless too much waits: uvicorn would miss a disconnect."""
        if self._upgrades:
            return
        super().on_message_complete()
        self._pending = 0
        self._complete = True
        self._link.complete = True
        if len(self._cycles) < _AHEAD and self._ahead < self._max_head:
            self.flow.resume_reading()

    def on_response_complete(self) -> None:
        """The oldest request is answered: begin the next, or let it wait until the client has read enough."""
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
            self.loop.call_soon(self._begin_held)  # uvloop writes at the end of this turn of the loop

    def _leave_body(self) -> None:
        """Ignore the rest of a chunked body whose request is answered already, as after a wrong key, and
        close the write side, so that the client sees the end.
        """
        if self._complete or self._in_head or self._cycles or self._ignores_input or not self._chunks:
            return
        self._ignores_input = True
        self._linger = _LATE
        self.parser = None  # type: ignore[assignment]
        self._write_eof()

    def _write_eof(self) -> None:
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def _begin_held(self) -> None:
        """Begin the next request if it waits for the client to read, and the client has read enough."""
        if self._held_since is None or self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size() > _UNREAD:
            self.peer.paused = True  # the client's time to read runs from now on
            return
        self._held_since = None
        self.peer.resumed()
        self._begin_next()

    def _begin_next(self) -> None:
        self._count_kept()
        if self._ahead < self._max_head or self._ignores_input:  # unread bytes would reset a closed one
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
            else:  # CONNECT: the bytes after its head are meant for another server
                self._ignores_input = True
                self.cycle.keep_alive = False
        except httptools.HttpParserError as error:
            cause = error.__context__
            self.refuse(cause.fault if isinstance(cause, refusals.Refused) else refusals.INVALID)

    def _read_again(self, rest: bytes) -> None:
        """Parse the request again without its Upgrade header (RFC 9110, section 7.8): the parser takes
        everything after such a head for another protocol. rest: the bytes after the head that have come in.
        """
        self._upgrades = False
        method, version = self.parser.get_method(), self.parser.get_http_version().encode()
        line = b"%b %b HTTP/%b\r\n" % (method, self.url, version)
        headers = [b"%b: %b\r\n" % header for header in self.headers if header[0] != b"upgrade"]
        self.parser = httptools.HttpRequestParser(self)
        self.parser.set_dangerous_leniencies(lenient_data_after_close=True)
        self._feed(b"".join([line, *headers, b"\r\n", rest]))

    def _fits(self) -> bool:
        """Whether the URL and the number of headers are within their limits so far."""
        return len(self.url) <= self._max_url and len(self.headers) <= self._max_headers

    def _too_large(self) -> ir.Fault:
        """The error for the limit that the bytes which come in now exceed."""
        if not self._in_head:
            if self._complete:
                return refusals.INVALID  # too many empty lines between two requests
            return refusals.headers_too_large(f"The trailers are larger than {self._max_head} bytes.")
        if len(self.url) > self._max_url or not self.headers:
            text = f"The URL is longer than {self._max_url} bytes."
            return ir.Fault("too_large", text, "url_too_long", status=414)
        if len(self.headers) > self._max_headers:
            return refusals.headers_too_large(f"The request has more than {self._max_headers} headers.")
        return refusals.headers_too_large(f"The request headers are larger than {self._max_head} bytes.")

    # --- Refusals ----------------------------------------------------------------------------------------

    def refuse(self, fault: ir.Fault) -> None:
        """Answer the request that is being read with an error, and end the connection. If earlier requests
        are unanswered, only these are answered; none is if the refused one's head is complete. An answer to
        it that has begun is cut off.
        """
        if self._ignores_input or self.transport.is_closing():
            return
        self._ignores_input = True
        whole = self._cycles if self._in_head or self._complete else list(self._cycles)[:-1]
        if whole:
            if len(whole) < len(self._cycles):
                self.transport.abort()  # one of the requests to be answered first has an incomplete body
            else:
                self._cycles[-1].keep_alive = False  # the connection ends after this answer
            return
        if self._cycles and self._cycles[0].response_started:
            self.transport.abort()
            return
        self._drop()
        begun = self._in_head or not self._complete
        status, headers, body = self._app_errors.refuse(
            fault,
            method=self.parser.get_method().decode("ascii") if begun and self.url else "-",
            target=self.url if begun else b"",
            headers=self.headers if begun else [],
            began=self._link.began if begun else self._since,
        )
        self._forget_head()  # the connection stays open for a while
        self._since = SYSTEM.monotonic()
        self._write_last(status, headers, body)
        self._write_eof()

    def _write_last(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        own = (
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        )
        lines = [b"%b: %b\r\n" % header for header in (*self.server_state.default_headers, *own, *headers)]
        self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", body]))

    def _should_upgrade_to_ws(self) -> bool:
        return not self._cycles  # an earlier answer would be mixed with the WebSocket's frames

    def handle_websocket_upgrade(self) -> None:
        from dragoman.server.websocket_protocol import SocketProtocol

        self.ws_protocol_class = partial(SocketProtocol, self)  # type: ignore[assignment]
        super().handle_websocket_upgrade()


def _nothing() -> None:
    """Do nothing: the `on_response` of a request whose connection is lost."""


def uvicorn_options(app: App) -> dict[str, Any]:
    """The options of `uvicorn.Config` with which every server of this gateway runs. Also sets the gateway's
    `connections`.

    Proxy headers are not trusted. WebSocket pings are sent as often as a stream's heartbeat. A missing pong
    ends nothing, because a client that reads slowly has not read the ping yet. Messages are not compressed:
    this would need about 40 kB for each socket, and more time for each event than everything else.
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
