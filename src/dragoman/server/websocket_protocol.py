"""uvicorn's WebSocket protocol over the library `websockets` (the part without I/O), with our changes.

When the server stops, the handler finishes the running request. A lost connection cancels the running
request. Several messages are sent in one write. Nothing is read from the client while the client does not
read, or while the application takes no messages, or before the application has accepted the WebSocket. A
message has a limit for the number of its frames, and for the time in which too little of it comes in. A
message counts towards the memory that all request bodies share, until the message is answered. A WebSocket
that fails is closed with a close frame, which the client can read before the connection ends.
"""

from __future__ import annotations

from asyncio.transports import BaseTransport
from collections import deque
from collections.abc import Sequence
from typing import Any

from uvicorn._types import ASGIReceiveEvent, ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidHandshake, InvalidHeader, InvalidMessage, InvalidMethod
from websockets.frames import CloseCode, Frame
from websockets.http11 import Request
from websockets.protocol import State

from dragoman import ir
from dragoman.errors import RequestFailed
from dragoman.seams.clock import SYSTEM
from dragoman.server.connections import Upgraded
from dragoman.server.faults import WRONG_VERSION
from dragoman.server.link import EXTENSION, SocketLink
from dragoman.server.refusals import LARGE_HANDSHAKE, NO_WEBSOCKET
from dragoman.server.websocket_parser import WebSocketParser
from dragoman.wire.json import measured

_PIECE = 16 * 1024
"""The most bytes parsed at once, which hold a few thousand messages at most."""
_BRIEFLY = 60.0
"""Seconds. A WebSocket that waits longer for its client's next message may be closed to make room for another
(`idle_since`).
"""
_FRAGMENTS = 16_384
"""The most frames of one message: each costs more than its bytes."""
_LINGER = 2.0
"""Seconds for which the connection of a failed WebSocket stays open: closing it at once while bytes come in
would reset it, and the client might never see the close frame.
"""


class SocketProtocol(WebSocketsSansIOProtocol):
    """The protocol object of a WebSocket connection. before: the protocol object that the connection had
    until then, for HTTP.
    """

    _link: SocketLink | None = None

    def __init__(self, before: Upgraded, **options: Any) -> None:
        super().__init__(**options)
        self.conn = self._parser = WebSocketParser(max_size=self.config.ws_max_size, logger=self.logger)
        self.peer = before.peer
        self._before = before
        self._all_connections = before.all_connections
        self._unread = bytearray()
        """Bytes that wait to be parsed until the application has accepted the WebSocket and takes messages,
        and the client reads.
        """
        self._reading = False
        self._failed = False
        """Whether the WebSocket has failed. Nothing that comes in is read any more."""
        self._taken = 0
        """Bytes of memory taken for messages that the application has not received."""
        self._left = 0.0
        """For how many seconds the message that is incomplete may still make no progress."""
        self._seen = 0, 0
        """How many messages and control frames had come in, and how many bytes of the next one, when `look`
        was called last.
        """
        self._seen_at = 0.0
        """When `look` was called last (monotonic seconds)."""
        self._received: deque[int] = deque()
        """Bytes of memory of each message that waits for the application, oldest first."""
        self._unanswered: deque[int] = deque()
        """Bytes of memory of each message that was received and not answered, oldest first."""

    def connection_made(self, transport: BaseTransport) -> None:
        super().connection_made(transport)
        self._all_connections.hand_over(self._before, self)

    def data_received(self, data: bytes) -> None:
        """Handle bytes from the client: at the first call the complete head of the handshake, at later calls
        frames. A handshake that is invalid or too large is refused.
        """
        if self.transport.is_closing():
            return
        if not self.handshake_initiated:
            try:
                super().data_received(data)
            except InvalidHandshake as error:
                self._before.refuse(wrong_handshake(error))
                self.transport.close()
                return
            if not self.handshake_initiated:
                invalid = isinstance(self.conn.handshake_exc, InvalidMessage)
                self._before.refuse(NO_WEBSOCKET if invalid else LARGE_HANDSHAKE)
                self.transport.close()
            return
        if not self._failed:
            self._unread += data
            self._read()

    def _read(self) -> None:
        """Parse the unread bytes as long as frames may be parsed (`_parses`). Afterwards go on reading from
        the connection, or stop reading.
        """
        if self._reading:
            return
        self._reading = True
        try:
            while self._unread and self._parses():
                piece = bytes(self._unread[:_PIECE])
                del self._unread[:_PIECE]
                if not self._take(len(piece)):
                    return
                super().data_received(piece)
                self._give_back(self._parser.take_control())
        finally:
            self._reading = False
        if self._failed or self.transport.is_closing():
            return
        if self._unread or not self.writable.is_set():
            self.transport.pause_reading()
        elif not self.read_paused:
            self.transport.resume_reading()

    def _parses(self) -> bool:
        """Whether frames may be parsed now: not while the application takes no messages, not while the client
        does not read what was sent (our answers to its pings could fill the memory), and not before the
        WebSocket is accepted, because the answer to a ping would precede the answer to the handshake.
        """
        accepted = self.handshake_complete and self.initial_response is None
        return accepted and not self.read_paused and self.writable.is_set()

    def _take(self, size: int) -> bool:
        """Take memory for `size` bytes of messages, and return True. If there is not enough memory, close the
        WebSocket and return False.
        """
        try:
            self._all_connections.bodies.take(size, self._taken + sum(self._unanswered))
        except RequestFailed:
            self._all_connections.reached("bodies_too_large_together", f"by {self.peer.address}")
            self._fail(CloseCode.TRY_AGAIN_LATER, "other connections use all memory for messages")
            return False
        self._taken += size
        return True

    def _give_back(self, size: int) -> None:
        """Free `size` bytes that were taken for messages but are no part of a message that waits."""
        self._taken -= size
        self._all_connections.bodies.free(size)

    def _fail(self, code: CloseCode, reason: str) -> None:
        """Send a close frame with this code, unless one was sent before, and tell the application that the
        WebSocket has ended. Whatever comes in from now on is dropped, and soon the connection ends. If the
        WebSocket has failed before, do nothing.
        """
        self.conn.fail(code, reason)
        self.handle_parser_exception()

    def handle_parser_exception(self) -> None:
        """Tell the application that the WebSocket has ended, send the close frame if it waits to be sent, and
        end the connection a little later. Bytes that come in until then are dropped. uvicorn calls this for
        invalid frames, `_fail` for other failures. Further calls do nothing.
        """
        if self._failed:
            return
        self._failed = self.close_sent = self.disconnected = True
        self._unread.clear()
        self.stop_keepalive()
        self.writable.set()
        close = self.conn.close_sent or self.conn.close_rcvd
        code, reason = (CloseCode.ABNORMAL_CLOSURE, "") if close is None else (close.code, close.reason)
        self.queue.put_nowait({"type": "websocket.disconnect", "code": code, "reason": reason})
        if self.transport.is_closing():
            return
        self.transport.write(b"".join(self.conn.data_to_send()))
        if self.transport.can_write_eof():
            self.transport.write_eof()
        self.transport.resume_reading()
        if self.close_timer is None:
            self.close_timer = self.loop.call_later(_LINGER, self.transport.close)

    def _answered(self) -> None:
        """Free the memory of the oldest unanswered message. The handler calls this when it has answered this
        message.
        """
        if self._unanswered:
            self._all_connections.bodies.free(self._unanswered.popleft())

    async def receive(self) -> ASGIReceiveEvent:
        """Wait for the next event and return it: a message of the client, or the end of the WebSocket. The
        memory of a message stays taken until the message is answered. A message of many JSON values needs
        more than its bytes; if there is not enough memory for that, the WebSocket is closed and the event is
        the end.
        """
        event = await super().receive()
        if event["type"] == "websocket.receive":
            text = event.get("text") or ""
            extra = measured(text.encode()).extra if len(text) > _PIECE else 0
            if extra and not self._take(extra):
                while event["type"] == "websocket.receive":
                    event = await super().receive()
                return event  # the WebSocket has ended
            size = self._received.popleft() + extra
            self._taken -= size
            self._unanswered.append(size)
        if self._unread:
            self._read()
        return event

    def handle_cont(self, event: Frame) -> None:
        """Handle a further frame of a message. If a message has more than `_FRAGMENTS` frames, close the
        WebSocket.
        """
        if self.close_sent:
            self.frames.clear()
        if len(self.frames) >= _FRAGMENTS:
            self._all_connections.reached("websocket_fragments", f"by {self.peer.address}")
            self._fail(CloseCode.MESSAGE_TOO_BIG, "too many frames in one message")
            return
        super().handle_cont(event)

    def send_receive_event_to_app(self) -> None:
        """Give the application a message that is complete. Nothing more is read until the application has
        taken it. If the application has closed the WebSocket, discard the message. If its text is not UTF-8,
        close the WebSocket.
        """
        size = self._parser.sizes.popleft()
        data = b"".join(self.frames)
        self.frames = []
        if self.close_sent:
            self._give_back(size)
            return
        event: ASGIReceiveEvent = {"type": "websocket.receive", "bytes": data}
        if self.curr_msg_data_type == "text":
            try:
                event = {"type": "websocket.receive", "text": data.decode()}
            except UnicodeDecodeError as error:
                self._fail(CloseCode.INVALID_DATA, f"{error.reason} at position {error.start}")
                return
        self._received.append(size)
        self.queue.put_nowait(event)
        if not self.read_paused:
            self.read_paused = True
            self.transport.pause_reading()

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
        """Return since when the WebSocket has been waiting for the client's next message (monotonic seconds);
        None = it is not idle, for example because a request is being answered, a realtime session runs, or
        the wait has lasted for less than `_BRIEFLY` seconds. A wait for the first message of a realtime
        session counts at once.
        """
        if self._link is None or (since := self._link.idle_since) is None:
            return None
        return since if self._link.fresh or SYSTEM.monotonic() - since >= _BRIEFLY else None

    def look(self, now: float) -> None:
        """Close the WebSocket if the client sends the rest of a message (or of a control frame) too slowly.
        It has `body_timeout` seconds; 0 = any time. Every `min_rate` bytes of the message give it one second
        back, up to `body_timeout`; if `min_rate` is 0, any byte gives `body_timeout` seconds back. Control
        frames between the frames of a message give nothing. Time in which the server parses nothing does not
        count. now: monotonic seconds.
        """
        settings = self._all_connections.settings
        patience, rate = float(settings.body_timeout), settings.min_rate
        seen, since = self._seen, self._seen_at
        self._seen, self._seen_at = (self._parser.complete, self._parser.incomplete), now
        is_new = not seen[1] or seen[0] != self._seen[0]
        if is_new or not self._seen[1] or self._unread or not self._parses():
            self._left = patience
            return
        grown = max(0, self._seen[1] - seen[1])
        earned = grown / rate if rate else patience * (grown > 0)
        self._left = min(patience, self._left + earned - (now - since))
        if patience and self._left <= 0 and not self._failed:
            self._all_connections.reached("request_timeout", f"by {self.peer.address}")
            self._fail(CloseCode.POLICY_VIOLATION, "the message did not arrive in time")

    def abandon(self) -> None:
        """End the connection now, to make room for others; with a close frame, if the client reads."""
        if not (self.peer.paused or self.close_sent or self.transport.is_closing()):
            self._fail(CloseCode.TRY_AGAIN_LATER, "the connection was idle, and the gateway needs room")
            self.transport.close()
            self.loop.call_later(_LINGER, self.transport.abort)
        else:
            self.transport.abort()

    def handle_connect(self, event: Request) -> None:
        """Handle the client's handshake: start the handler, with a SocketLink in the scope's `extensions`.
        Raises InvalidHandshake if the handshake is invalid.
        """
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
        elif self._unread:  # after an accept the first frames, after a close perhaps the client's own close
            self._read()

    def connection_lost(self, exc: Exception | None) -> None:
        """Free the memory of this connection, because it has ended, and tell the handler: its next `receive`
        gets a disconnect, the link's `lost` becomes True, and the handler's task is cancelled if the link's
        `running` is set. exc: why the connection ended; None = it was closed without an error.
        """
        super().connection_lost(exc)
        self._all_connections.leave(self)
        self._all_connections.bodies.free(self._taken + sum(self._unanswered))
        self._taken = 0
        self._received.clear()
        self._unanswered.clear()
        self._unread.clear()
        self.frames.clear()
        self.conn.reader.discard()  # breaks a reference cycle that would keep the buffers for long
        if self._link is not None:
            self._link.drop()
            self._link = None  # breaks the reference cycle between link and protocol

    def shutdown(self) -> None:
        """Let the handler finish the running request, because the server stops. Instead, end the connection
        at once if its handler cannot do this (`SocketLink.drain` is not set, or there is no handler), or if a
        close frame was sent before.
        """
        if self._link is None or self._link.drain is None or self.close_sent:
            super().shutdown()
        else:
            self._link.drain()


def wrong_handshake(error: InvalidHandshake) -> ir.Fault:
    """Return the fault for a handshake that RFC 6455 forbids. error: the one that the library has raised; the
    fault's message contains its text, except for a wrong method or a wrong version of the protocol.
    """
    if isinstance(error, InvalidMethod):
        return NO_WEBSOCKET
    if isinstance(error, InvalidHeader) and error.name.lower() == "sec-websocket-version":
        return WRONG_VERSION
    return ir.Fault("invalid_request", f"The WebSocket handshake is invalid: {error}.", "invalid_http")


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
