"""uvicorn's WebSocket protocol over `websockets` (which does no I/O itself), with our changes.

When the server stops, the handler finishes its request; a lost connection cancels it. Several messages are
one write. Reading stops while the client does not read, or the application takes no messages. A message has
limits for its frames and its time, and uses the memory that all request bodies share until it is answered.
"""

from __future__ import annotations

from asyncio.transports import BaseTransport
from collections import deque
from collections.abc import Sequence
from typing import Any

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidMessage
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import State

from dragoman.errors import RequestFailed
from dragoman.seams.clock import SYSTEM
from dragoman.server.connections import Upgraded
from dragoman.server.link import EXTENSION, SocketLink
from dragoman.server.refusals import LARGE_HANDSHAKE, NO_WEBSOCKET
from dragoman.wire.json import measured

_PIECE = 16 * 1024
"""The most bytes parsed at once, which hold a few thousand messages at most."""
_BRIEFLY = 60.0
"""Seconds. A WebSocket that waits longer for its client's message may be closed to make room for another."""
_FRAGMENTS = 16_384
"""The most frames of one message: each costs more than its bytes."""


class SocketProtocol(WebSocketsSansIOProtocol):
    """The protocol object of a WebSocket. before: the one that the connection had for HTTP."""

    _link: SocketLink | None = None

    def __init__(self, before: Upgraded, **options: Any) -> None:
        super().__init__(**options)
        self.peer = before.peer
        self._before = before
        self._all_connections = before.all_connections
        self._unread = bytearray()
        """Bytes that wait to be parsed until the application takes messages and the client reads."""
        self._reading = False
        self._taken = 0
        """Bytes of memory taken for messages that the application has not received."""
        self._began = 0.0
        """When the first bytes of these messages came (monotonic seconds)."""
        self._unanswered: deque[int] = deque()
        """Bytes of memory of each message that was received and not answered, oldest first."""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self._all_connections.hand_over(self._before, self)

    def data_received(self, data: bytes) -> None:
        """Take bytes of the client: first the whole head of the handshake in one call, then frames."""
        if not self.handshake_initiated:
            super().data_received(data)
            if not self.handshake_initiated:
                invalid = isinstance(self.conn.handshake_exc, InvalidMessage)
                self._before.refuse(NO_WEBSOCKET if invalid else LARGE_HANDSHAKE)
                self.transport.close()
            return
        self._unread += data
        self._read()

    def _read(self) -> None:
        """Parse unread frames while the application takes messages and the client reads (a client that reads
        nothing could else fill our memory with pongs); read on, or stop reading.
        """
        if self._reading:
            return
        self._reading = True
        try:
            while self._unread and not self.read_paused and self.writable.is_set():
                piece = bytes(self._unread[:_PIECE])
                del self._unread[:_PIECE]
                if not self._take(len(piece)):
                    return
                super().data_received(piece)
        finally:
            self._reading = False
        if self.transport.is_closing():
            return
        if self._unread or not self.writable.is_set():
            self.transport.pause_reading()
        elif not self.read_paused:
            self.transport.resume_reading()

    def _take(self, size: int) -> bool:
        """Take memory for `size` bytes of messages. False = too little is left: the WebSocket ends."""
        if not self._taken:
            self._began = SYSTEM.monotonic()
        try:
            self._all_connections.bodies.take(size, self._taken + sum(self._unanswered))
        except RequestFailed:
            self._all_connections.reached("bodies_too_large_together", f"by {self.peer.address}")
            self._unread.clear()
            self.conn.fail(1013, "other connections use all memory for messages")
            self.handle_parser_exception()
            return False
        self._taken += size
        return True

    def _answered(self) -> None:
        """Free the memory of the oldest unanswered message. The handler calls this when it is answered."""
        if self._unanswered:
            self._all_connections.bodies.free(self._unanswered.popleft())

    async def receive(self) -> ASGIReceiveEvent:
        """The next event: a message of the client, which is noted as unanswered; or the WebSocket's end, also
        if no memory is left for the message. Then go on to parse what has come in.
        """
        event = await super().receive()
        if event["type"] == "websocket.receive":
            text = event.get("text") or ""
            if len(text) > _PIECE and not self._take(measured(text.encode()).extra):
                return await super().receive()  # the event that the WebSocket has ended
            # If one piece brought several messages, the memory of the piece is counted for the last one.
            self._unanswered.append(self._taken if self.queue.empty() else 0)
            self._taken -= self._unanswered[-1]
        if self._unread:
            self._read()
        return event

    def handle_cont(self, event: Frame) -> None:
        """Take a further frame of a message. Too many frames end the WebSocket."""
        if self.close_sent:
            return
        if len(self.frames) >= _FRAGMENTS:
            self._all_connections.reached("websocket_fragments", f"by {self.peer.address}")
            self.conn.fail(1009, "too many frames in one message")
            self.handle_parser_exception()
            return
        super().handle_cont(event)

    def pause_writing(self) -> None:
        """The client reads too slowly: stop reading what it sends."""
        super().pause_writing()
        self.peer.paused = True
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.peer.resumed()
        self._read()

    def idle_since(self) -> float | None:
        """When the WebSocket began to wait for the client's next message (monotonic seconds); None = it does
        not wait, or only since less than `_BRIEFLY` seconds.
        """
        since = None if self._link is None else self._link.idle_since
        return None if since is None or SYSTEM.monotonic() - since < _BRIEFLY else since

    def look(self, now: float) -> None:
        """End the WebSocket if a message has been incomplete for longer than the settings allow."""
        settings = self._all_connections.settings
        patience = float(settings.body_timeout)
        if not (self._taken and patience) or self.read_paused:
            return
        if settings.min_rate:
            patience += self._taken / settings.min_rate
        if now - self._began > patience:
            self._all_connections.reached("request_timeout", f"by {self.peer.address}")
            self.transport.abort()

    def abandon(self) -> None:
        self.transport.abort()

    def handle_connect(self, event: Request) -> None:
        """The client asks for a WebSocket: start the handler, with a SocketLink in the scope."""
        super().handle_connect(event)
        if not self.close_sent:
            self._link = SocketLink(SYSTEM.monotonic())
            self._link.say = self._say
            self._link.answered = self._answered
            self.scope["extensions"] = {**self.scope["extensions"], EXTENSION: self._link}  # type: ignore[dict-item]

    async def _say(self, messages: Sequence[bytes]) -> None:
        await self.writable.wait()
        if self.disconnected or self.conn.state is not State.OPEN:
            raise ClientDisconnected
        self.transport.write(b"".join([framed(message) for message in messages]))

    async def send(self, message: ASGISendEvent) -> None:
        await super().send(message)
        if self.initial_response is not None:
            # The application answered over HTTP. uvicorn would log this as an error of the application.
            self.handshake_complete = self.close_sent

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended: free its memory, and cancel the handler."""
        super().connection_lost(exc)
        self._all_connections.leave(self)
        self._all_connections.bodies.free(self._taken + sum(self._unanswered))
        self._taken = 0
        self._unanswered.clear()
        self._unread.clear()
        self.frames.clear()
        self.conn.reader.discard()  # breaks a reference cycle that would keep the buffers for long
        if self._link is not None:
            self._link.drop()
            self._link = None  # breaks the reference cycle between link and protocol

    def shutdown(self) -> None:
        """The server stops: let the handler drain, or else close the WebSocket."""
        if self._link is None or self._link.drain is None or self.close_sent:
            super().shutdown()
        else:
            self._link.drain()


def framed(message: bytes) -> bytes:
    """A text message as one unmasked WebSocket frame (RFC 6455, section 5.2). Invalid UTF-8 is replaced."""
    if not message.isascii():
        message = message.decode("utf-8", "replace").encode()  # clients disconnect if text is not UTF-8
    size = len(message)
    if size < 126:
        return b"\x81%c%b" % (size, message)
    if size < 65_536:
        return b"\x81\x7e%b%b" % (size.to_bytes(2), message)
    return b"\x81\x7f%b%b" % (size.to_bytes(8), message)
