"""uvicorn's WebSocket protocol over `websockets`, which does no IO of its own, with five additions.

Drain: when the server stops, whoever serves the socket is told, finishes what runs and closes it; uvicorn
would cut it off. A Link in the scope, as for HTTP, and an end for whoever works when the connection is lost.
Several messages in one write, without ASGI's and the library's work on each, which is most of what an event
costs. JSON for a head that is larger than the parser takes or has a body, where uvicorn would say nothing.
Silence about sockets that the application refuses.
"""

from __future__ import annotations

from collections.abc import Sequence

from uvicorn._types import ASGISendEvent
from uvicorn.protocols.utils import ClientDisconnected
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.exceptions import InvalidMessage
from websockets.http11 import Request
from websockets.protocol import State

from dragoman.seams import SYSTEM
from dragoman.server.http import refusal
from dragoman.server.link import EXTENSION, Link


class SocketProtocol(WebSocketsSansIOProtocol):
    """What a connection's protocol becomes by an upgrade."""

    _link: Link | None = None

    def data_received(self, data: bytes) -> None:
        """More of what the client says; the first is its whole head."""
        super().data_received(data)
        if not self.handshake_initiated:
            if isinstance(self.conn.handshake_exc, InvalidMessage):
                told = refusal(400, "A WebSocket is opened by a GET without a body.", "invalid_http")
            else:
                told = refusal(431, "The headers are too large.", "headers_too_large")
            self.transport.write(told)
            self.transport.close()

    def handle_connect(self, event: Request) -> None:
        """The client asks for a socket: its handler starts with the next turn of the loop."""
        super().handle_connect(event)
        if not self.close_sent:
            self._link = Link(SYSTEM.monotonic())
            self._link.say = self._say
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
        if self._link is not None:
            self._link.drop()
            self._link = None  # else the two would hold each other

    def shutdown(self) -> None:
        """The server stops."""
        if self._link is None or self._link.drain is None or self.close_sent:
            super().shutdown()
        else:
            self._link.drain()


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
