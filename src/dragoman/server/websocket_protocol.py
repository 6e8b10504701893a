"""uvicorn's WebSocket protocol over `websockets`, which does no IO of its own, with eight additions.

Drain: when the server stops, whoever serves the socket is told, finishes what runs and closes it; uvicorn
would cut it off. A Link in the scope, as for HTTP, and an end for whoever works when the connection is lost.
Several messages in one write, without ASGI's and the library's work on each, which is most of what an event
costs. JSON for a head that is larger than the parser takes or has a body, where uvicorn would say nothing.
Silence about sockets that the application refuses. Reading that stops while the client does not read, or
while the application takes no messages. A bound on the frames of one message. Messages take of the memory for
bodies until they are answered, and one that stands still ends, as bodies do.
"""

from __future__ import annotations

from asyncio.transports import BaseTransport
from collections import deque
from collections.abc import Sequence
from typing import Any, Final

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidMessage
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import State

from dragoman import ir
from dragoman.errors import RequestFailed
from dragoman.seams.clock import SYSTEM
from dragoman.server.connections import Upgraded
from dragoman.server.link import EXTENSION, Link
from dragoman.wire.json import extra_memory

_PIECE = 16 * 1024
"""Bytes that are read together. They hold few thousand messages, and what follows waits in one piece."""
_BRIEFLY = 60.0
"""Seconds without a message before a socket counts as idle, where connections are few."""
_FRAGMENTS = 16_384
"""Frames of one message. Each costs more than its bytes; clients cut messages into pieces of kilobytes."""


class SocketProtocol(WebSocketsSansIOProtocol):
    """What a connection's protocol becomes by an upgrade. before: the protocol that it was."""

    _link: Link | None = None

    def __init__(self, before: Upgraded, **options: Any) -> None:
        super().__init__(**options)
        self.peer = before.peer
        self._before = before
        self._all_connections = before.all_connections
        self._unread = bytearray()
        """What has come in and waits: for the application to take messages, or the client to read."""
        self._reading = False
        self._taken = 0
        """Bytes of the message that is being read."""
        self._began = 0.0
        """When its first byte came, monotonic."""
        self._unanswered: deque[int] = deque()
        """Bytes of the messages that the application has."""

    def connection_made(self, transport: BaseTransport) -> None:
        """The connection is handed over by HTTP's protocol."""
        super().connection_made(transport)
        self._all_connections.hand_over(self._before, self)

    def data_received(self, data: bytes) -> None:
        """More of what the client says; the first is its whole head."""
        if not self.handshake_initiated:
            super().data_received(data)
            if not self.handshake_initiated:
                self._refuse_head()
            return
        self._unread += data
        self._read()

    def _refuse_head(self) -> None:
        self._before.refuse(
            _NO_SOCKET if isinstance(self.conn.handshake_exc, InvalidMessage) else _LARGE_HEAD
        )
        self.transport.close()

    def _read(self) -> None:
        """Read frames while the application takes messages and the client reads what is written to it.

        A client that reads nothing would otherwise fill our memory with pongs to its pings.
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
        """Take memory for more of a message. False = there is none, and the socket ends."""
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
        """The oldest message that the application has is dealt with."""
        if self._unanswered:
            self._all_connections.bodies.free(self._unanswered.popleft())

    async def receive(self) -> ASGIReceiveEvent:
        """The next message for the application, which makes room for another."""
        event = await super().receive()
        if event["type"] == "websocket.receive":
            text = event.get("text") or ""
            if len(text) > _PIECE and not self._take(extra_memory(text.encode())):
                return await super().receive()  # that the socket has ended
            # What several messages in one piece took is the last one's.
            self._unanswered.append(self._taken if self.queue.empty() else 0)
            self._taken -= self._unanswered[-1]
        if self._unread:
            self._read()
        return event

    def handle_cont(self, event: Frame) -> None:
        """A further frame of a message."""
        if self.close_sent:
            return
        if len(self.frames) >= _FRAGMENTS:
            self._all_connections.reached("websocket_fragments", f"by {self.peer.address}")
            self.conn.fail(1009, "too many frames in one message")
            self.handle_parser_exception()
            return
        super().handle_cont(event)

    def pause_writing(self) -> None:
        """The client reads slowly: nothing more is read of what it sends."""
        super().pause_writing()
        self.peer.paused = True
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        """The client has read most of what was written."""
        super().resume_writing()
        self.peer.resumed()
        self._read()

    def idle_since(self) -> float | None:
        """Since when the client's next message is waited for; None = it was heard of a short while ago."""
        since = None if self._link is None else self._link.idle_since
        return None if since is None or SYSTEM.monotonic() - since < _BRIEFLY else since

    def look(self, now: float) -> None:
        """End a socket whose message stands still. `server.websocket` ends the others after an hour."""
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
        """End the connection at once."""
        self.transport.abort()

    def handle_connect(self, event: Request) -> None:
        """The client asks for a socket: its handler starts with the next turn of the loop."""
        super().handle_connect(event)
        if not self.close_sent:
            self._link = Link(SYSTEM.monotonic())
            self._link.say = self._say
            self._link.answered = self._answered
            self.scope["extensions"] = {**self.scope["extensions"], EXTENSION: self._link}  # type: ignore[dict-item]

    async def _say(self, messages: Sequence[bytes]) -> None:
        await self.writable.wait()
        if self.disconnected or self.conn.state is not State.OPEN:
            raise ClientDisconnected
        self.transport.write(b"".join([framed(message) for message in messages]))

    async def send(self, message: ASGISendEvent) -> None:
        """What the application says."""
        await super().send(message)
        if self.initial_response is not None:
            # By an answer over HTTP, which uvicorn would log as a fault of the application.
            self.handshake_complete = self.close_sent

    def connection_lost(self, exc: Exception | None) -> None:
        """The client has gone, which its handler does not see while it takes no more messages."""
        super().connection_lost(exc)
        self._all_connections.leave(self)
        self._all_connections.bodies.free(self._taken + sum(self._unanswered))
        self._taken = 0
        self._unanswered.clear()
        self._unread.clear()
        self.frames.clear()
        self.conn.reader.discard()  # what holds the buffers is a circle, which the collector finds late
        if self._link is not None:
            self._link.drop()
            self._link = None  # else the two would hold each other

    def shutdown(self) -> None:
        """The server stops."""
        if self._link is None or self._link.drain is None or self.close_sent:
            super().shutdown()
        else:
            self._link.drain()


_NO_SOCKET: Final = ir.Fault(
    "invalid_request", "A WebSocket must be opened by a GET request without a body.", code="invalid_http"
)
_LARGE_HEAD: Final = ir.Fault("too_large", "The headers are too large.", code="headers_too_large", status=431)


def framed(message: bytes) -> bytes:
    """A whole text message as one frame, unmasked as a server's are (RFC 6455, section 5.2)."""
    if not message.isascii():
        message = message.decode("utf-8", "replace").encode()  # clients hang up on what is no UTF-8
    size = len(message)
    if size < 126:
        return b"\x81%c%b" % (size, message)
    if size < 65_536:
        return b"\x81\x7e%b%b" % (size.to_bytes(2), message)
    return b"\x81\x7f%b%b" % (size.to_bytes(8), message)
