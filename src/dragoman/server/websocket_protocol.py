"""uvicorn's WebSocket protocol over the library `websockets` (the part without I/O), with our changes.

When the server stops, the handler finishes the running request. A lost connection cancels the handler.
Several messages are sent in one write. Nothing is read from the client while the client does not read, or
while the application takes no messages. A message has a limit for the number of its frames and for the time
until it is complete. A message counts towards the memory that all request bodies share, until the message is
answered.
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
    """The protocol object of a WebSocket connection. before: the protocol object that the connection had
    until then, for HTTP.
    """

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
        """When the first of the bytes in `_taken` came (monotonic seconds)."""
        self._unanswered: deque[int] = deque()
        """Bytes of memory of each message that was received and not answered, oldest first."""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self._all_connections.hand_over(self._before, self)

    def data_received(self, data: bytes) -> None:
        """Handle bytes from the client: at the first call the complete head of the handshake, at later calls
        frames. A handshake that is invalid or too large is refused.
        """
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
        """Parse the unread bytes while the application takes messages and the client reads. (If a client sent
        pings and read nothing, our answers could otherwise fill the memory.) Afterwards go on reading from
        the connection, or stop reading.
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
        """Take memory for `size` bytes of messages, and return True. If there is not enough memory, close the
        WebSocket and return False.
        """
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
        """Free the memory of the oldest unanswered message. The handler calls this when it has answered this
        message.
        """
        if self._unanswered:
            self._all_connections.bodies.free(self._unanswered.popleft())

    async def receive(self) -> ASGIReceiveEvent:
        """Wait for the next event and return it: a message of the client, or the end of the WebSocket. The
        memory of a message stays taken until the message is answered; if there is not enough memory, the
        event is the end. Before returning a message, parse bytes that are still unread.
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
        """Handle a further frame of a message. If a message has more than `_FRAGMENTS` frames, close the
        WebSocket.
        """
        if self.close_sent:
            return
        if len(self.frames) >= _FRAGMENTS:
            self._all_connections.reached("websocket_fragments", f"by {self.peer.address}")
            self.conn.fail(1009, "too many frames in one message")
            self.handle_parser_exception()
            return
        super().handle_cont(event)

    def pause_writing(self) -> None:
        """Stop reading from the client until it has read enough of what was sent."""
        super().pause_writing()
        self.peer.paused = True
        if not self.transport.is_closing():
            self.transport.pause_reading()

    def resume_writing(self) -> None:
        super().resume_writing()
        self.peer.resumed()
        self._read()

    def idle_since(self) -> float | None:
        """Return since when the WebSocket has been waiting for the client's next message (monotonic seconds).
        None = it is not waiting, or it has waited for less than `_BRIEFLY` seconds.
        """
        since = None if self._link is None else self._link.idle_since
        return None if since is None or SYSTEM.monotonic() - since < _BRIEFLY else since

    def look(self, now: float) -> None:
        """Abort the connection if a message has been incomplete for longer than `server.body_timeout` and
        `server.min_rate` allow. now: monotonic seconds.
        """
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
        """Handle the client's handshake: start the handler, with a SocketLink in the scope."""
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
        """Free the memory of this connection, and cancel the handler, because the connection has ended."""
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
        """Let the handler finish the running request, because the server stops. Close the WebSocket instead
        if its handler cannot do this (`SocketLink.drain` is not set).
        """
        if self._link is None or self._link.drain is None or self.close_sent:
            super().shutdown()
        else:
            self._link.drain()


def framed(message: bytes) -> bytes:
    """Return a text message as one unmasked WebSocket frame (RFC 6455, section 5.2). Bytes that are not valid
    UTF-8 are replaced by U+FFFD.
    """
    if not message.isascii():
        message = message.decode("utf-8", "replace").encode()  # clients disconnect if text is not UTF-8
    size = len(message)
    if size < 126:
        return b"\x81%c%b" % (size, message)
    if size < 65_536:
        return b"\x81\x7e%b%b" % (size.to_bytes(2), message)
    return b"\x81\x7f%b%b" % (size.to_bytes(8), message)
