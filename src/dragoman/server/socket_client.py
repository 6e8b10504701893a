"""The client's side of one exchange over a WebSocket: every event of a stream is a text message of its own.

Streams come as a JSON value a line (framing "ndjson"), so nothing is decoded here. Each write waits while
the client reads slowly, as over HTTP, so nothing is queued. Headers do not exist here: those of an error go
into its message, those of an answer are in the exchange's record alone. Pings are the server's.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dragoman.exchange import Exchange
from dragoman.server.link import Link, Say, Send

Headers = Sequence[tuple[bytes, bytes]]


class SocketClient:
    """One client of one exchange.

    kind: the members by which this face tells an error from everything else, `"type":"error",`. lane: those
    that every message begins with, `"stream_id":"a",`.
    """

    __slots__ = ("_exchange", "_kind", "_lane", "_link", "_say", "begun")

    def __init__(self, say: Say, link: Link, exchange: Exchange, kind: bytes, lane: bytes = b"") -> None:
        self._say = say
        self._link = link
        self._exchange = exchange
        self._kind = kind
        self._lane = lane
        self.begun = False

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """A whole answer, JSON; that of an error says what its status line and its headers would."""
        self._exchange.status = status
        if status >= 400:
            named = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
            told = b'"status":%d,"headers":%b,' % (status, msgspec.json.encode(named))
            body = b"{" + self._kind + told + body[1:]
        await self._tell([body])

    def expect_stream(self) -> None:
        """Nothing to prepare: pings keep a socket alive."""

    async def begin(self, status: int, headers: Headers) -> None:
        """The stream is going to begin, which nobody has to be told."""
        self._exchange.status = status
        self.begun = True

    async def write(self, data: bytes) -> None:
        """More of a stream: whole lines, each a message."""
        if messages := [line for line in data.split(b"\n") if line]:
            await self._tell(messages)

    async def end(self, data: bytes = b"") -> None:
        """The last of a stream."""
        await self.write(data)

    async def _tell(self, messages: Sequence[bytes]) -> None:
        if self._lane:
            messages = [b"{" + self._lane + message[1:] for message in messages]
        try:
            await self._say(messages)
        except OSError:  # so ASGI says that the client has gone (since version 2.4)
            self._link.drop()


def say_by(send: Send) -> Say:
    """How messages are written where the server offers nothing better than ASGI."""

    async def say(messages: Sequence[bytes]) -> None:
        for message in messages:
            await send({"type": "websocket.send", "text": message.decode("utf-8", "replace")})

    return say
