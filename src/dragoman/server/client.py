"""The client's side of one exchange over ASGI: bodies in, answers and streams out.

Writes go straight to the server's socket buffer and wait while the client reads slowly, so nothing is
queued here. A stream that has been silent for the heartbeat's time gets the face's own ping; if it has
not begun by then, its headers go out first. Whoever does not read what is there is sent no ping.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Sequence
from operator import itemgetter

from dragoman.errors import DragomanError
from dragoman.exchange import Exchange
from dragoman.seams.tasks import spawn
from dragoman.server.link import Send
from dragoman.wire.header import header_value

Headers = Sequence[tuple[bytes, bytes]]

_JSON = (b"content-type", b"application/json")
_STREAM = ((b"cache-control", b"no-cache"), (b"x-accel-buffering", b"no"))
_value = itemgetter(1)
_UNSENDABLE = re.compile(rb"[\x00-\x08\x0a-\x1f\x7f]")


class ClientGone(DragomanError):
    """The client left before its request was complete."""


class AsgiClient:
    """One client of one exchange."""

    __slots__ = (
        "_base",
        "_beat",
        "_exchange",
        "_heartbeat",
        "_last",
        "_loop",
        "_now",
        "_ping",
        "_pinging",
        "_send",
        "_type",
        "_writing",
        "begun",
        "id_header",
    )

    def __init__(self, send: Send, exchange: Exchange, now: Callable[[], float], base: Headers) -> None:
        self._send = send
        self._exchange = exchange
        self._now = now
        self._base = base
        self._beat: asyncio.TimerHandle | None = None
        self._heartbeat: float | None = None
        self._last = 0.0
        self._ping = b""
        self._pinging: asyncio.Task[None] | None = None
        self._type = b""
        self._loop: asyncio.AbstractEventLoop
        self._writing = False
        self.begun = False
        self.id_header = b""
        """Where the client looks for the request's id beside `x-request-id`."""

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """A whole answer: JSON, unless the first header states its content type."""
        self.close()
        kind = () if headers and headers[0][0] == b"content-type" else (_JSON,)
        await self._start(status, [*kind, (b"content-length", b"%d" % len(body)), *headers])
        await self._send({"type": "http.response.body", "body": body})

    async def empty(self, status: int, headers: Headers) -> None:
        """An answer without a body."""
        await self._start(status, headers)
        await self._send({"type": "http.response.body", "body": b""})

    def streams_as(self, content_type: bytes, ping: bytes, heartbeat: float | None) -> None:
        """What a stream to this client would be: its content type, and how it is kept alive (seconds)."""
        self._type, self._ping, self._heartbeat = content_type, ping, heartbeat if ping else None

    def expect_stream(self) -> None:
        """The answer will be a stream: from now on silence is filled with heartbeats."""
        if self._heartbeat is not None:
            self._loop = asyncio.get_running_loop()
            self._last = self._loop.time()
            self._beat = self._loop.call_at(self._last + self._heartbeat, self._check)

    async def begin(self, status: int, headers: Headers) -> None:
        """The headers of a stream, the first of which may be its content type; ignored when a heartbeat has
        already sent them.
        """
        if self.begun:
            return
        if self._pinging is not None:
            self._pinging.cancel()  # it waits to send headers of its own
        self._writing = True
        kind = () if headers and headers[0][0] == b"content-type" else ((b"content-type", self._type),)
        await self._start(status, [*kind, *_STREAM, *headers])
        self._writing = False

    async def write(self, data: bytes) -> None:
        """More of a stream."""
        self._writing = True
        await self._send({"type": "http.response.body", "body": data, "more_body": True})
        self._writing = False
        if self._beat is not None:
            self._last = self._loop.time()

    async def end(self, data: bytes = b"") -> None:
        """The last of a stream."""
        self.close()
        await self._send({"type": "http.response.body", "body": data})

    def close(self) -> None:
        """No more heartbeats, not even one that waits for the client to read."""
        if self._beat is not None:
            self._beat.cancel()
            self._beat = None
            if self._pinging is not None:
                self._pinging.cancel()

    async def _start(self, status: int, headers: Headers, *, timed: bool = True) -> None:
        """Send the head with what we say on every answer. timed: our own time is known."""
        exchange = self._exchange
        if _UNSENDABLE.search(b"".join(map(_value, headers))):  # servers refuse the whole answer
            headers = [(name, header_value(value.decode("utf-8", "replace"))) for name, value in headers]
        sent = [*headers, *self._base]
        if status < 400 or not any(name == b"x-request-id" for name, _ in headers):
            sent.append((b"x-request-id", exchange.request_id.encode("latin-1")))
        if self.id_header and not any(name == self.id_header for name, _ in headers):
            sent.append((self.id_header, exchange.request_id.encode("latin-1")))
        if timed:
            sent.append((b"x-dragoman-overhead-ms", b"%.3f" % (exchange.overhead(self._now()) * 1000)))
        await self._send({"type": "http.response.start", "status": status, "headers": sent})
        exchange.status = status
        self.begun = True

    def _check(self) -> None:
        """One timer per stream, set again only when it fires: an event costs a clock call, not a timer."""
        assert self._heartbeat is not None
        now = self._loop.time()
        if self._writing or (self._pinging is not None and not self._pinging.done()):
            self._last = now
        due = self._last + self._heartbeat
        if due <= now:
            self._last, due = now, now + self._heartbeat
            self._pinging = spawn(self._keep_alive(), "heartbeat")
        self._beat = self._loop.call_at(due, self._check)

    async def _keep_alive(self) -> None:
        if not self.begun:
            # How long the running attempt has waited is not known here, so our own time is not either.
            await self._start(200, [(b"content-type", self._type), *_STREAM], timed=False)
        await self._send({"type": "http.response.body", "body": self._ping, "more_body": True})
