"""The HTTP/1 protocol of our own server: one object for each client connection, under uvicorn's server.

`request_parser` parses the requests, within the limits for heads. This module adds limits for chunks, silence
and the number of connections. It stores when the first byte of a request came in. A disconnect cancels the
handlers of the connection's requests. A head that is recognised as a repetition of the head before it
(`repeated`) is not parsed again.

https://www.rfc-editor.org/rfc/rfc9110, https://www.rfc-editor.org/rfc/rfc9112
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from typing import Any, cast

import httptools
from uvicorn.config import Config
from uvicorn.protocols.http.httptools_impl import STATUS_LINE
from uvicorn.protocols.utils import get_remote_addr
from uvicorn.server import ServerState

from dragoman import ir
from dragoman.seams.clock import SYSTEM
from dragoman.server import refusals
from dragoman.server.app import App
from dragoman.server.connections import Connections, Peer
from dragoman.server.cycle import Cycle
from dragoman.server.head import Arrival
from dragoman.server.repeated import Repeatable, repeatable
from dragoman.server.request_parser import RequestParser
from dragoman.wire.headers import members

log = logging.getLogger("dragoman.server")
_AHEAD = 8
"""While a connection has this many unanswered requests, nothing more is read from it."""
_UNREAD = 4096
"""The next pipelined request begins when at most this many bytes of earlier answers are still unsent."""
_REQUEST = 2048
"""About how many bytes of memory a waiting request needs in addition to the bytes in which it was sent."""
_BRIEFLY = 2.0
"""A connection that waits for a body may be closed to make room if no piece came for so many seconds."""
_LINGER = 2.0
"""Seconds for which the connection of a refused request stays open: closing it at once would reset it, and
the client might never see the answer."""
_LATE = 10.0
"""If a request was answered before its body ended, the rest must come in within so many seconds."""


class HttpProtocol(asyncio.Protocol):
    """The asyncio protocol of one client connection over HTTP/1. uvicorn's server (option `http`) or
    `server.doors` creates it. app: answers the requests. connections: counts the connection, and has the
    settings. config, server_state, app_state: as uvicorn gives them to its own protocols.
    """

    peer: Peer
    transport: asyncio.Transport

    def __init__(
        self,
        app: App,
        connections: Connections,
        *,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        settings = connections.settings
        self.loop = _loop or asyncio.get_running_loop()
        self._parser = RequestParser(self, settings)
        self.all_connections = connections
        self.blocked: asyncio.Future[None] | None = None
        self._app = app
        self._config = config
        self.state = server_state
        self._app_state = app_state
        self._root = config.root_path
        self._client: tuple[str, int] | None = None
        self._began = 0.0  # when the first byte of the latest request came in
        self._cycles: deque[Cycle] = deque()
        """The unanswered requests, oldest first. Answers are sent in the order of the requests."""
        self._serving = False  # whether the oldest request has a handler
        self._known: Repeatable | None = None
        """The latest head, if it came in in one read and a repetition of it can be recognised; else None."""
        self._rest = 0
        """Bytes that are still to come of the body of a request whose head was recognised."""
        self._paused = False
        self._ahead = 0
        """Bytes that have come in since a request began to wait for earlier ones; 0 = none waits."""
        self._held_since: float | None = None
        """When the next request began to wait for the client to read earlier answers; None = it does not."""
        self.pending = 0
        """Bytes that have come in since the last complete head, piece of a body, or message."""
        self._complete = True  # whether the latest request has come in completely
        self._chunks = 0  # how many chunks of the latest request's body have come in
        self._body_size = 0  # how many bytes of the latest request's body have come in
        self._becomes_socket = False  # whether the latest request asks for a WebSocket, and gets it
        self._ignores_input = False  # whether all bytes that come in from now on are dropped
        self._answered = False
        self._fed_at = 0.0
        """When the latest request's body last grew; before its first piece, when its head began."""
        self._linger = _LINGER
        self._since = 0.0
        """When the connection was made, or when its latest request was answered or refused."""

    # --- The connection --------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.state.connections.add(cast("Any", self))
        self._client = get_remote_addr(self.transport)
        self._since = SYSTEM.monotonic()
        self.peer = self.all_connections.peer(self._client[0] if self._client else None)
        if not self.all_connections.admit(self):
            self._ignores_input = True
            _, headers, body = self._app.full()
            self._write_last(503, headers, body)
            self.transport.close()

    def eof_received(self) -> None:
        """The client has ended its side. Returns None, so the event loop closes the connection, even during
        a request.
        """

    def data_received(self, data: bytes) -> None:
        if self._rest and not (data := self._take_rest(data)):
            return
        between = self._complete and not (self._cycles or self.pending or self._ignores_input)
        if between and self._known is not None and self._repeats(self._known, data):
            return
        if len(data) > self._parser.max_head and (self._parser.in_head or self._complete):
            view = memoryview(data)
            self._take(view[: self._parser.max_head])  # the parser stops here if there are too many headers
            self._take(view[self._parser.max_head :])
        else:
            self._take(data)
        if between and self._answered and not self._parser.in_head and len(self._cycles) == 1:
            self._known = repeatable(data, self._cycles[0])

    def _repeats(self, known: Repeatable, data: bytes) -> bool:
        """Begin a request and return True, if its head repeats `known`, the head of the request before it;
        only the number in content-length may differ. data: the bytes of one read. False = nothing was done:
        `data` does not begin with this complete head, or has bytes after the request.
        """
        if (repeated := known.repeated_by(data)) is None:
            return False
        headers, body, rest = repeated
        began = SYSTEM.monotonic()
        cycle = Cycle(self, known.head, headers, began)
        self._cycles.append(cycle)
        self._began = self._fed_at = began
        if rest:
            self._rest = rest
            self._complete = False
            self._chunks = 0
            if body:
                cycle.feed(body)
        else:
            cycle.complete = True
            cycle.body = body
        self._start(cycle)
        return True

    def _take_rest(self, data: bytes) -> bytes:
        """Take bytes of a request's body from the beginning of `data`, at most as many as are still to come
        (`_rest`), and give them to the request, whose head repeated the head before it (`_repeats`). Return
        the bytes after them; b"" = there are none, or all input is ignored.
        """
        if self._ignores_input:
            return b""
        body, follows = (data, b"") if len(data) <= self._rest else (data[: self._rest], data[self._rest :])
        self._rest -= len(body)
        self.on_body(body)
        if not self._rest:
            self.on_message_complete()
        return follows

    def _take(self, data: bytes | memoryview) -> None:
        if self._ignores_input:
            return
        self.pending += len(data)
        self._feed(data)
        parser = self._parser
        if self.pending > parser.max_head or (parser.in_head and not parser.fits()):
            self.refuse(parser.too_large(between=self._complete))
        self._leave_body()
        self._count_kept(len(data))
        if self._ahead >= self._parser.max_head and not self._ignores_input:
            self.pause_reading()

    def _count_kept(self, came: int = 0) -> None:
        """Report to `Connections.keep`, which may end this connection, about how many bytes unfinished and
        waiting requests need. came: how many bytes were just read.
        """
        kept = self.pending
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
        """Cancel the handlers of all requests, because the connection has ended."""
        self.state.connections.discard(cast("Any", self))
        self._held_since = None
        self.all_connections.leave(self)
        self._drop()
        self._unblock()
        if exc is None:
            self.transport.close()
        self._known = None
        self._parser.end()

    def _drop(self) -> None:
        cycles = list(self._cycles)
        self._cycles.clear()
        self._serving = False
        for cycle in cycles:
            cycle.drop()

    def pause_writing(self) -> None:
        self.peer.paused = True
        if self.blocked is None:
            self.blocked = self.loop.create_future()

    def resume_writing(self) -> None:
        self.peer.resumed()
        self._unblock()
        self._begin_held()

    def _unblock(self) -> None:
        blocked, self.blocked = self.blocked, None
        if blocked is not None and not blocked.done():
            blocked.set_result(None)

    def pause_reading(self) -> None:
        if not self._paused:
            self._paused = True
            self.transport.pause_reading()

    def resume_reading(self) -> None:
        if self._paused:
            self._paused = False
            self.transport.resume_reading()

    def shutdown(self) -> None:
        """End the connection after the answers to the requests whose heads have come in; at once if there is
        no such request, or if the next request waits for the client to read earlier answers.
        """
        if self._held_since is not None:
            self.transport.abort()
        elif self._cycles:
            self._cycles[-1].keep_alive = False
        else:
            self.transport.close()

    def idle_since(self) -> float | None:
        """Return since when the connection has waited for its client (seconds of `SYSTEM.monotonic`): to read
        earlier answers, or to send a request or the rest of one. None = it does not wait, or it has waited
        for a body for less than `_BRIEFLY` seconds.
        """
        if self._held_since is not None:
            return self._held_since
        if not self._cycles:
            return self._began if self._parser.in_head else self._since
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
        self._known = None
        self._parser.forget()

    def look(self, now: float) -> None:
        """End the connection if the client sends too late: a head, the first or next request, or the rest of
        a body whose request was answered. After a refusal, end it some seconds later. While a request is
        unanswered, end nothing; but if the next request waits for the client to read earlier answers, begin
        it when the client has read enough. now: the time of `SYSTEM.monotonic`, in seconds.
        """
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
        elif self._parser.in_head:
            if 0 < settings.head_timeout < now - self._began:
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

    def head_began(self) -> None:
        """Store when the request's first byte came in."""
        self._began = SYSTEM.monotonic()
        self._complete = False
        self._chunks = self._body_size = 0

    def head_came(self) -> None:
        """Begin the request whose head is complete, unless it becomes a WebSocket; if an earlier one is
        unanswered, let it wait. If it asks for an upgrade that it does not get, the head is parsed again
        without its Upgrade header. Raises Refused, for example if `refusals.MOST_AHEAD` requests are
        unanswered.
        """
        parser = self._parser
        if len(self._cycles) >= refusals.MOST_AHEAD:
            raise refusals.Refused(refusals.PIPELINED)
        self.pending = 0
        self._fed_at = self._began
        if parser.asks_upgrade():
            # The answer to an earlier request would be mixed with the frames of a WebSocket.
            self._becomes_socket = not self._cycles and parser.asks_socket()
            if self._becomes_socket or parser.ignore_upgrade():
                return
        target, root = parser.target(), self._root
        version = parser.version
        head = self._app.read(
            parser.method,
            root + target.path,
            root.encode("ascii") + target.raw,
            target.query,
            parser.headers,
            root=root,
            version=version,
            peer=self._client,
        )
        cycle = Cycle(self, head, head.headers, self._began)
        cycle.keep_alive = parser.stays
        cycle.expects = version != "1.0" and "100-continue" in members(head.headers.get("expect", ""))
        self._cycles.append(cycle)
        if len(self._cycles) == 1:
            self._start(cycle)
        else:
            self.pause_reading()

    def _start(self, cycle: Cycle) -> None:
        self._serving = True
        arrival = Arrival(cycle.head, cycle.headers, cycle.receive, cycle)
        # Named, and so not made by the loop, which would format a new name for each task.
        cycle.task = task = asyncio.Task(self._app.serve(arrival, cycle), loop=self.loop, name="request")
        self.state.tasks.add(task)

    def on_chunk_header(self) -> None:
        """Count a chunk of the body. Raises Refused if there are more than `refusals.CHUNKS` chunks, with
        fewer than `refusals.LEAST_CHUNK` bytes on average.
        """
        self._chunks += 1
        if self._chunks > refusals.CHUNKS and self._body_size < self._chunks * refusals.LEAST_CHUNK:
            raise refusals.Refused(refusals.SMALL_CHUNKS)

    def on_body(self, body: bytes) -> None:
        self.pending = 0
        self._body_size += len(body)
        self._fed_at = SYSTEM.monotonic()
        if self._cycles:
            self._cycles[-1].feed(body)

    def on_message_complete(self) -> None:
        """Record that the latest request has come in completely. Go on reading, so that a disconnect is
        noticed, unless too many requests or bytes wait for earlier answers. If the head is about to be parsed
        again (`RequestParser.upgrades`), do nothing.
        """
        if self._parser.upgrades:
            return
        if self._cycles and not self._complete:
            self._cycles[-1].complete_body()
        self.pending = 0
        self._complete = True
        if len(self._cycles) < _AHEAD and self._ahead < self._parser.max_head:
            self.resume_reading()

    def answered(self) -> None:
        """Remove the oldest request, whose answer has been written completely. Begin the next one, or let it
        wait until the client has read enough of the answers. If the connection is closing, begin nothing.
        """
        self._cycles.popleft()
        self._serving = False
        self.state.total_requests += 1
        if self.transport.is_closing():
            return
        self._answered = True
        self._since = SYSTEM.monotonic()
        if not self._complete:
            self._leave_body()
        if not self._cycles:
            if self.pending or self._ahead or self._paused or self.peer.kept:
                self._begin_next()
        elif self.transport.get_write_buffer_size() <= _UNREAD:
            self._begin_next()
        else:
            self._held_since = self._since
            self.loop.call_soon(self._begin_held)  # uvloop writes at the end of this turn of the loop

    def _leave_body(self) -> None:
        """If the latest request was answered before its body, which comes in chunks, has ended (as after a
        wrong key), ignore all further input, and end our side of the connection, so that the client sees the
        end.
        """
        if self._complete or self._parser.in_head or self._cycles or self._ignores_input or not self._chunks:
            return
        self._ignores_input = True
        self._linger = _LATE
        self._parser.end()
        self._write_eof()

    def _write_eof(self) -> None:
        if self.transport.can_write_eof():
            self.transport.write_eof()
        else:
            self.transport.close()

    def _begin_held(self) -> None:
        """Begin the next request if it waits for the client to read earlier answers, and the client has read
        enough of them. If the client has not, its time to read (`Peer`) is counted from now on.
        """
        if self._held_since is None or self.transport.is_closing():
            return
        if self.transport.get_write_buffer_size() > _UNREAD:
            self.peer.paused = True
            return
        self._held_since = None
        self.peer.resumed()
        self._begin_next()

    def _begin_next(self) -> None:
        self._count_kept()
        if self._ahead < self._parser.max_head or self._ignores_input:
            self.resume_reading()  # also if it is ignored: unread bytes would reset a closed connection
        if self._cycles and not self._serving:
            self._start(self._cycles[0])

    # --- Reading -----------------------------------------------------------------------------------------

    def _feed(self, data: bytes | memoryview) -> None:
        try:
            rest = self._parser.feed(data)
        except refusals.Refused as refused:
            self.refuse(refused.fault)
        except httptools.HttpParserCallbackError:
            log.exception("a request could not be begun")
            self.abandon()
        else:
            if rest is None:
                return
            if self._becomes_socket:
                self._become_socket(rest)
                return
            self._ignores_input = True  # CONNECT: the bytes after its head are meant for another server
            if self._cycles:
                self._cycles[-1].keep_alive = False

    # --- Refusals ----------------------------------------------------------------------------------------

    def refuse(self, fault: ir.Fault) -> None:
        """Send this error for the request that is coming in, end our side of the connection, and ignore all
        further input. Does nothing if input is ignored already, or the connection is closing.

        The error is not sent in two cases. If earlier requests are unanswered: while the head of this
        request comes in, the connection ends after the earlier answers; while its body comes in, the
        connection is cut at once, and the earlier requests are not answered either. If an answer to this
        request has begun, the connection is cut at once.
        """
        if self._ignores_input or self.transport.is_closing():
            return
        self._ignores_input = True
        whole = self._cycles if self._parser.in_head or self._complete else list(self._cycles)[:-1]
        if whole:
            if len(whole) < len(self._cycles):
                self.transport.abort()  # one of the requests to be answered first has an incomplete body
            else:
                self._cycles[-1].keep_alive = False  # the connection ends after this answer
            return
        if self._cycles and self._cycles[0].begun:
            self.transport.abort()
            return
        self._drop()
        parser = self._parser
        begun = parser.in_head or not self._complete
        status, headers, body = self._app.refuse(
            fault,
            method=parser.method if begun else "-",
            target=parser.url if begun else b"",
            headers=parser.headers if begun else [],
            began=self._began if begun else self._since,
        )
        self._known = None  # the connection stays open for a while
        parser.forget()
        self._since = SYSTEM.monotonic()
        self._write_last(status, headers, body)
        self._write_eof()

    def _write_last(self, status: int, headers: Sequence[tuple[bytes, bytes]], body: bytes) -> None:
        own = (
            (b"content-type", b"application/json"),
            (b"content-length", b"%d" % len(body)),
            (b"connection", b"close"),
        )
        lines = [b"%b: %b\r\n" % header for header in (*self.state.default_headers, *own, *headers)]
        self.transport.write(b"".join([STATUS_LINE[status], *lines, b"\r\n", body]))

    # --- WebSockets --------------------------------------------------------------------------------------

    def _become_socket(self, rest: bytes) -> None:
        from dragoman.server.websocket_protocol import SocketProtocol

        self.state.connections.discard(cast("Any", self))
        socket = SocketProtocol(self, config=self._config, server_state=self.state, app_state=self._app_state)
        socket.connection_made(self.transport)
        socket.data_received(self._parser.written())
        socket.data_received(rest)
        self.transport.set_protocol(socket)
