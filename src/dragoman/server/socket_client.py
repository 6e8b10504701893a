"""Sends answers of the engine over a WebSocket: each event of a stream is one text message.

The engine gives a stream as lines, each with one JSON value (framing "ndjson"). A write waits while the
client reads slowly. The message of an error that comes in place of an answer contains the error's headers;
other headers are not sent.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from dragoman.engine.client import Headers
from dragoman.exchange import Exchange
from dragoman.server.link import Link, Say, Send


class SocketClient:
    """Sends the answer of one exchange over a WebSocket. Implements `engine.client.Client`.

    say: sends messages. link: the connection; its `drop` is called if a message cannot be sent because the
    client has disconnected. kind: JSON fields that mark a message as an error in the client's protocol, such
    as `"type":"error",`; b"" = none. prefix: JSON fields with which every message begins, such as
    `"stream_id":"a",`; b"" = none.
    """

    __slots__ = ("_exchange", "_kind", "_link", "_prefix", "_say", "begun")

    def __init__(self, say: Say, link: Link, exchange: Exchange, kind: bytes, prefix: bytes = b"") -> None:
        self._say = say
        self._link = link
        self._exchange = exchange
        self._kind = kind
        self._prefix = prefix
        self.begun = False

    @property
    def gone(self) -> bool:
        return self._link.lost

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Send a complete answer as one message. body: a JSON object with at least one field. If the status
        is 400 or above, the fields of `kind`, the status and the headers are added to the object.
        """
        self._exchange.status = status
        if status >= 400:
            named = {name.decode("latin-1"): value.decode("latin-1") for name, value in headers}
            told = b'"status":%d,"headers":%b,' % (status, msgspec.json.encode(named))
            body = b"{" + self._kind + told + body[1:]
        await self._tell([body])

    def expect_stream(self) -> None:
        """Do nothing: the server's WebSocket protocol sends pings."""

    async def begin(self, status: int, headers: Headers) -> None:
        self._exchange.status = status
        self.begun = True

    async def write(self, data: bytes) -> None:
        """Send a part of a stream. data: complete lines; each line becomes one message, empty lines none."""
        if messages := [line for line in data.split(b"\n") if line]:
            await self._tell(messages)

    async def end(self, data: bytes = b"") -> None:
        await self.write(data)

    async def _tell(self, messages: Sequence[bytes]) -> None:
        if self._prefix:
            messages = [b"{" + self._prefix + message[1:] for message in messages]
        try:
            await self._say(messages)
        except OSError:  # ASGI raises it since version 2.4 when the client has disconnected
            self._link.drop()


def say_by(send: Send) -> Say:
    """Return a function that sends messages one by one with ASGI's `send`. It is for servers that cannot send
    several messages at once.
    """

    async def say(messages: Sequence[bytes]) -> None:
        for message in messages:
            await send({"type": "websocket.send", "text": message.decode("utf-8", "replace")})

    return say
