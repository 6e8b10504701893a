"""Sends answers to the client over HTTP: whole answers, streams, and pings while a stream is silent.

A write waits while the client reads slowly, so this module queues nothing. A ping has the form of the
client's protocol; if the stream has not begun, its headers are sent first. A client that does not read gets
no pings.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from operator import itemgetter
from typing import Any, Final, NamedTuple

from dragoman.engine.client import Headers
from dragoman.errors import DragomanError
from dragoman.exchange import Exchange
from dragoman.seams.tasks import spawn
from dragoman.server.channel import Channel
from dragoman.wire.header import header_value

_JSON = (b"content-type", b"application/json")
_STREAM = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))
_value = itemgetter(1)
_CONTROL = bytes({*range(0x20), 0x7F} - {0x09})
"""The bytes that no value of a header may hold (RFC 9110, section 5.5)."""


class ClientGone(DragomanError):
    """The client disconnected while its request was waiting or coming in."""


class Streaming(NamedTuple):
    """The form of a stream: its content type, the bytes of a ping, and the seconds of silence before one
    (`heartbeat`). An empty ping, and 0 or None as heartbeat, mean no pings.
    """

    content_type: bytes
    ping: bytes = b""
    heartbeat: float | None = None


_NOT_SET: Final = Streaming(b"")


class HttpClient:
    """Sends the answer of one exchange to its client. base: headers that every answer gets (CORS). id_header:
    the protocol's header for the request's id, sent beside `x-request-id`; b"" = it has none.
    """

    __slots__ = (
        *("_base", "_beat", "_channel", "_exchange", "_id_header", "_last", "_loop", "_now", "_pinging"),
        *("_writing", "streaming"),
    )

    def __init__(
        self,
        channel: Channel,
        exchange: Exchange,
        now: Callable[[], float],
        base: Headers = (),
        id_header: bytes = b"",
    ) -> None:
        self._channel = channel
        self._exchange = exchange
        self._now = now
        self._base = base
        self._id_header = id_header
        self._beat: asyncio.TimerHandle | None = None
        self._pinging: asyncio.Task[None] | None = None
        self._writing = False
        # From `expect_stream` on:
        self._last: float
        self._loop: asyncio.AbstractEventLoop
        self.streaming = _NOT_SET
        """The form of the stream, if the answer is one."""

    @property
    def begun(self) -> bool:
        """Whether headers have been sent."""
        return self._channel.begun

    def answer(self, status: int, headers: Headers, body: bytes) -> Coroutine[Any, Any, None]:
        """Send a whole answer. It is JSON unless the first of `headers` states its content type."""
        if self._beat is not None:
            self.close()
        length = (b"content-length", b"%d" % len(body))
        kind = (length,) if headers and headers[0][0] == b"content-type" else (_JSON, length)
        return self._whole(status, [*kind, *headers], body)

    def empty(self, status: int, headers: Headers) -> Coroutine[Any, Any, None]:
        """Send an answer without a body."""
        return self._whole(status, headers, b"")

    async def _whole(self, status: int, headers: Headers, body: bytes) -> None:
        channel = self._channel
        begun = channel.begun
        try:
            waits = channel.whole(status, self._head(status, headers), body)
            if waits is not None:
                await waits
        finally:
            if channel.begun and not begun:
                self._exchange.status = status

    def expect_stream(self) -> None:
        """Send pings from now on whenever the stream is silent, unless `streaming` states no heartbeat."""
        _, ping, heartbeat = self.streaming
        if ping and heartbeat:
            self._loop = asyncio.get_running_loop()
            self._last = self._loop.time()
            self._beat = self._loop.call_at(self._last + heartbeat, self._check)

    async def begin(self, status: int, headers: Headers) -> None:
        """Send a stream's status and headers, unless a ping has. Their first may be another content type."""
        if self._channel.begun:
            return
        if self._pinging is not None:
            self._pinging.cancel()  # a ping that has not been sent yet would send headers, too
        stated = headers and headers[0][0] == b"content-type"
        kind = () if stated else ((b"content-type", self.streaming.content_type),)
        waits = self._channel.begin(status, self._head(status, [*kind, *_STREAM, *headers]))
        if waits is not None:
            self._writing = True
            await waits
            self._writing = False
        self._exchange.status = status

    async def write(self, data: bytes) -> None:
        """Send more of a stream."""
        waits = self._channel.write(data)
        if waits is not None:
            self._writing = True
            await waits
            self._writing = False
        if self._beat is not None:
            self._last = self._loop.time()

    async def end(self, data: bytes = b"") -> None:
        """Send the last bytes of a stream."""
        self.close()
        waits = self._channel.end(data)
        if waits is not None:
            await waits

    def close(self) -> None:
        """Send no more pings, and cancel one that is being sent."""
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None
            if self._pinging is not None:
                self._pinging.cancel()

    def _head(self, status: int, headers: Headers, *, timed: bool = True) -> Headers:
        """The headers as they can be sent, with CORS, the request's id and, if `timed`, our own time."""
        exchange = self._exchange
        values = b"".join(map(_value, headers))
        if len(values.translate(None, _CONTROL)) != len(values):  # no server would send this
            headers = [(name, header_value(value.decode("utf-8", "replace"))) for name, value in headers]
        sent = [*headers, *self._base]
        request_id = exchange.request_id.encode("latin-1")
        if status < 400 or not _has(headers, b"x-request-id"):
            sent.append((b"x-request-id", request_id))
        if self._id_header and not _has(headers, self._id_header):
            sent.append((self._id_header, request_id))
        if timed:
            sent.append((b"x-dragoman-overhead-ms", b"%.3f" % (exchange.overhead(self._now()) * 1000)))
        return sent

    def _check(self) -> None:
        """Send a ping if the stream has been silent for the heartbeat's time, and set the timer again."""
        heartbeat = self.streaming.heartbeat
        assert heartbeat is not None
        now = self._loop.time()
        if self._writing or (self._pinging is not None and not self._pinging.done()):
            self._last = now
        due = self._last + heartbeat
        if due <= now:
            self._last, due = now, now + heartbeat
            self._pinging = spawn(self._keep_alive(), "heartbeat")
        self._beat = self._loop.call_at(due, self._check)

    async def _keep_alive(self) -> None:
        if not self._channel.begun:
            # The time that the running attempt has waited for its provider is not known yet, so neither is
            # our own.
            kind = (b"content-type", self.streaming.content_type)
            waits = self._channel.begin(200, self._head(200, [kind, *_STREAM], timed=False))
            if waits is not None:
                await waits
            self._exchange.status = 200
        waits = self._channel.write(self.streaming.ping)
        if waits is not None:
            await waits


def _has(headers: Headers, name: bytes) -> bool:
    return any(stated == name for stated, _ in headers)
