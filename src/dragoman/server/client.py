"""Sends answers to the client over HTTP: complete answers, streams, and pings while a stream is silent.

Nothing is queued here: a write returns only when the client has read enough of the earlier bytes, or has
disconnected. A ping has the form of the client's protocol. If a ping is due before the stream has begun,
status 200 and the headers of the stream are sent before the ping. No ping is sent while a write waits for the
client to read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine
from operator import itemgetter
from typing import Any, NamedTuple

import msgspec

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
"""The bytes that the value of a header must not contain (RFC 9110, section 5.5)."""


class ClientGone(DragomanError):
    """Raised if the client disconnected while the gateway read the body of its request, or before the gateway
    began to handle the request.
    """


class Streaming(NamedTuple):
    """The form of a stream. content_type: its media type. ping: the bytes of a ping; b"" = no pings.
    heartbeat: the seconds of silence after which a ping is sent; 0 or None = no pings.
    """

    content_type: bytes
    ping: bytes = b""
    heartbeat: float | None = None


class HttpClient(msgspec.Struct, eq=False):
    """Sends the answer of one exchange to its client, through `channel`. now: returns the time in monotonic
    seconds. base: headers that every answer gets (CORS). id_header: the header in which the client's protocol
    sends the request's id, in addition to `x-request-id`; b"" = the protocol has no such header. streaming:
    the form of the stream, if the answer becomes a stream.
    """

    channel: Channel
    exchange: Exchange
    now: Callable[[], float]
    base: Headers = ()
    id_header: bytes = b""
    streaming: Streaming = Streaming(b"")
    _pulse: _Pulse | None = None

    @property
    def begun(self) -> bool:
        """Whether the head of the answer (status and headers) has been written, or waits to be written with
        the first bytes of the body (`Channel.begun`).
        """
        return self.channel.begun

    @property
    def gone(self) -> bool:
        """Whether the client has disconnected."""
        return self.channel.lost

    def answer(self, status: int, headers: Headers, body: bytes) -> Coroutine[Any, Any, None]:
        """Return a coroutine that sends a complete answer, and sets `exchange.status` if its head was
        written. The call itself ends the pings. Content-length is added. The content type is JSON, unless the
        first of `headers` is a content type.
        """
        if self._pulse is not None:
            self.close()
        length = (b"content-length", b"%d" % len(body))
        kind = (length,) if headers and headers[0][0] == b"content-type" else (_JSON, length)
        return self._whole(status, [*kind, *headers, *self.base], body)

    def empty(self, status: int, headers: Headers) -> Coroutine[Any, Any, None]:
        """Return a coroutine that sends an answer without a body (no content type or content-length is
        added), and sets `exchange.status` if its head was written.
        """
        return self._whole(status, [*headers, *self.base], b"")

    async def _whole(self, status: int, headers: list[tuple[bytes, bytes]], body: bytes) -> None:
        channel = self.channel
        begun = channel.begun
        try:
            waits = channel.whole(status, self._complete(status, headers), body)
            if waits is not None:
                await waits
        finally:
            if channel.begun and not begun:
                self.exchange.status = status

    def expect_stream(self) -> None:
        """Say that a stream will follow: from now on a ping is sent after each `streaming.heartbeat` seconds
        in which no bytes of the body are written, until `end`, `answer` or `close`. Does nothing if
        `streaming` has no ping or no heartbeat.
        """
        if self.streaming.ping and self.streaming.heartbeat:
            self._pulse = _Pulse(self._ping, self.streaming.heartbeat)

    async def begin(self, status: int, headers: Headers) -> None:
        """Send the status and the headers of a stream, and set `exchange.status`. If a head was sent before
        (a ping sends one, with status 200), do nothing: `status` and `headers` are lost. If the first of
        `headers` is a content type, it replaces the content type of `streaming`.
        """
        if self.channel.begun:
            return
        pulse = self._pulse
        if pulse is not None:
            pulse.hush()  # a ping that has not been sent yet would send headers, too
        waits = self.channel.begin(status, self._complete(status, self._of_stream(headers)))
        if waits is not None:
            await (waits if pulse is None else pulse.during(waits))
        self.exchange.status = status

    async def write(self, data: bytes) -> None:
        """Send the next bytes of a stream."""
        waits, pulse = self.channel.write(data), self._pulse
        if waits is not None:
            await (waits if pulse is None else pulse.during(waits))
        if pulse is not None:
            pulse.last = pulse.time()

    async def end(self, data: bytes = b"") -> None:
        """Send the last bytes of a stream (b"" = none), and end the stream and the pings."""
        if self._pulse is not None:
            self.close()
        waits = self.channel.end(data)
        if waits is not None:
            await waits

    def close(self) -> None:
        """End the pings, and cancel a ping that is being sent."""
        if self._pulse is not None:
            self._pulse.stop()
            self._pulse = None

    def _of_stream(self, headers: Headers) -> list[tuple[bytes, bytes]]:
        stated = headers and headers[0][0] == b"content-type"
        kind = () if stated else ((b"content-type", self.streaming.content_type),)
        return [*kind, *_STREAM, *headers, *self.base]

    def _complete(self, status: int, headers: list[tuple[bytes, bytes]]) -> list[tuple[bytes, bytes]]:
        """Return the headers to send: those given, with `x-request-id`, the header `id_header`, and as the
        last one `x-dragoman-overhead-ms`, the gateway's own time. If a value has a byte that HTTP forbids,
        all given values are written by `header_value`. The list `headers` may be changed.
        """
        values = b"".join(map(_value, headers))
        if len(values.translate(None, _CONTROL)) != len(values):  # no server would send this
            headers = [(name, header_value(value.decode("utf-8", "replace"))) for name, value in headers]
        exchange = self.exchange
        id_ = exchange.request_id.encode("latin-1")
        if status < 400 or not _has(headers, b"x-request-id"):
            headers.append((b"x-request-id", id_))
        if self.id_header and not _has(headers, self.id_header):
            headers.append((self.id_header, id_))
        headers.append((b"x-dragoman-overhead-ms", b"%.3f" % (exchange.overhead(self.now()) * 1000)))
        return headers

    async def _ping(self) -> None:
        if not self.channel.begun:
            # The time that the running attempt has waited for its provider is not known yet, so neither is
            # our own.
            *headers, _ = self._complete(200, self._of_stream(()))
            waits = self.channel.begin(200, headers)
            if waits is not None:
                await waits
            self.exchange.status = 200
        waits = self.channel.write(self.streaming.ping)
        if waits is not None:
            await waits


class _Pulse:
    """Calls `ping` whenever no bytes of the body were written for `heartbeat` seconds, except while a write
    or a ping is under way. last: when the present silence began, on the clock `time` (the event loop's, in
    seconds).
    """

    __slots__ = ("_at", "_beat", "_heartbeat", "_ping", "_pinging", "_writing", "last", "time")

    def __init__(self, ping: Callable[[], Coroutine[Any, Any, None]], heartbeat: float) -> None:
        loop = asyncio.get_running_loop()
        self._ping = ping
        self._heartbeat = heartbeat
        self._pinging: asyncio.Task[None] | None = None
        self._writing = False
        self._at = loop.call_at
        self.time = loop.time
        self.last = loop.time()
        self._beat = loop.call_at(self.last + heartbeat, self._check)

    async def during(self, waits: Awaitable[None]) -> None:
        """Await `waits`, a write that waits for the client to read. No ping is sent until this write has
        ended.
        """
        self._writing = True
        await waits
        self._writing = False

    def hush(self) -> None:
        """Cancel a ping that is being sent."""
        if self._pinging is not None:
            self._pinging.cancel()

    def stop(self) -> None:
        self._beat.cancel()
        self.hush()

    def _check(self) -> None:
        """Start a ping if nothing was written for `heartbeat` seconds and no write or ping is under way. Set
        the timer for the next check.
        """
        now = self.time()
        if self._writing or (self._pinging is not None and not self._pinging.done()):
            self.last = now
        due = self.last + self._heartbeat
        if due <= now:
            self.last, due = now, now + self._heartbeat
            self._pinging = spawn(self._ping(), "heartbeat")
        self._beat = self._at(due, self._check)


def _has(headers: Headers, name: bytes) -> bool:
    return any(stated == name for stated, _ in headers)
