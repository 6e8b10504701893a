"""A pool of HTTP/1.1 connections to one provider, and the requests on them.

A connection is used again only after a complete exchange: the request was sent completely, the answer was
read to its end, no bytes came after it, and both sides keep the connection open. It must not be too old,
either. No request is sent twice here. The specification: RFC 9112, section 9.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from math import inf
from typing import Final

import msgspec

from dragoman.errors import WireError
from dragoman.net.client import Flow, Head, Origin, Patience, Sendable
from dragoman.net.codings import TAKEN, Unpacker, codings
from dragoman.net.connected import CONNECTED
from dragoman.net.failures import Failure, NotDecoded, NotReached
from dragoman.net.h1.connection import Connection, Surprised
from dragoman.net.h1.dial import Dialer
from dragoman.net.outgoing import CLOSED, FRAMING, check_header, check_line, place_of
from dragoman.seams.deadlines import UNLIMITED
from dragoman.wire.headers import HeaderMap
from dragoman.wire.multipart import Pieces

_PIECE: Final = 131_072
"""The most bytes of a request body in parts (`Pieces`) that are written at once, and about the most bytes of
a compressed answer that `take` returns at once.
"""
_ALWAYS: Final = (("accept", "*/*"), ("accept-encoding", ", ".join(TAKEN)))
"""Headers that are added to the head of a request if it does not have them."""
_BODILESS: Final = frozenset({"GET", "HEAD", "DELETE", "OPTIONS"})
"""Methods whose requests state no length if they have no body (RFC 9110, section 8.6)."""


def head(method: str, target: str, host: str, headers: Mapping[str, str]) -> bytes:
    """Return the head of a request as bytes: the request line, host and the other headers, without the empty
    line at its end. Headers in `FRAMING` (except host) are left out; the caller adds those that the request
    needs. The headers accept and accept-encoding are added if they are missing. target: the path with the
    query, percent-encoded. host: the value of the header host, if `headers` has no such header. headers: a
    mapping that ignores the case of names.

    Raises ValueError for a method, target, header name or value with a character that is not allowed there.
    """
    check_line(method, target)
    for name, value in headers.items():
        if name.lower() == "host":
            host = value
    missing = [(name, value) for name, value in _ALWAYS if name not in headers]
    first = f"{method} {target} HTTP/1.1\r\n{_line('host', host)}"
    return first.encode() + lines((*headers.items(), *missing))


def lines(headers: Iterable[tuple[str, str]]) -> bytes:
    """Return headers as the lines of a request's head, without the headers that this module writes itself
    (`FRAMING`). Raises ValueError for a name or a value with a character that is not allowed.
    """
    text = ""
    for name, value in headers:
        if name.lower() not in FRAMING:
            text += _line(name, value)
    return text.encode()


def _line(name: str, value: str) -> str:
    check_header(name, value)
    return f"{name}: {value}\r\n"


class HTTPClient:
    """The client for one provider. Create and close it within the running event loop.

    dialer: opens the connections. idle: seconds after which a connection without a request is closed. age:
    seconds after its opening from which a connection is not used again, None = no limit. surprised: called
    when a connection is closed because it has read bytes that no request asked for.
    """

    def __init__(
        self,
        dialer: Dialer,
        *,
        idle: float = 60.0,
        age: float | None = None,
        surprised: Surprised = lambda: None,
    ) -> None:
        self._loop = asyncio.get_running_loop()
        self._dialer = dialer
        self._seconds_idle = idle
        self._age = inf if age is None else age
        self._surprised = surprised
        self._idle: dict[Origin, list[Connection]] = {}
        """The connections without a request, by origin. The one that was used last is last in its list."""
        self._open: set[Connection] = set()
        self._sweeper: asyncio.TimerHandle | None = None
        self._closed = False

    async def request(
        self,
        head: Head,
        body: Sendable,
        added: Mapping[str, str] | None = None,
        *,
        connect: float | None = None,
        patience: Patience | None = None,
    ) -> Reply:
        """Send a request, and return its answer when the head has come.

        The arguments and the exceptions: `net.client.Client.request`. NotReached is raised after `close`,
        too.
        """
        if self._closed:
            raise NotReached(CLOSED)
        origin, data = head.written or _written(head)
        if added:
            data += lines(added.items())
        inline = b""
        if isinstance(body, bytes):
            inline = body
            data = b"%bcontent-length: %d\r\n\r\n" % (data, len(body))
        elif body is None:
            data += b"\r\n" if head.method in _BODILESS else b"content-length: 0\r\n\r\n"
        elif body.size is None:
            data += b"transfer-encoding: chunked\r\n\r\n"
        else:
            data = b"%bcontent-length: %d\r\n\r\n" % (data, body.size)
        connection = self._kept(origin)
        if connection is None:
            connection = await self._dialed(origin, connect)
        upload: asyncio.Task[bool] | None = None
        try:
            if (connected := CONNECTED.get(None)) is not None:
                connected()
            connection.send(data, inline, bodiless=head.method == "HEAD")
            if not isinstance(body, bytes) and body is not None:
                upload = self._loop.create_task(_upload(connection, body, patience))
            reader = connection.reader
            while not reader.headed:
                await connection.arrival()
        except BaseException:
            self._drop(connection, upload)
            raise
        headers, take, packed = reader.headers, connection.take, None
        if b"content-encoding" in headers.raw:
            take, packed = _unpacked(connection)
        return Reply(
            reader.status, headers, take, connection.arrival, connection, origin, self, upload, packed
        )

    async def _dialed(self, origin: Origin, connect: float | None) -> Connection:
        """Open a new connection. connect: the most seconds for it, None = no limit. Raises ConnectTimeout
        after this time, NotReached if no connection can be opened or the client was closed meanwhile.
        """
        connection = await self._dialer.dial(origin, connect, self._made)
        if self._closed:
            connection.abort()
            raise NotReached(CLOSED)
        self._open.add(connection)
        return connection

    def _made(self) -> Connection:
        return Connection(self._loop, self._surprised)

    def _kept(self, origin: Origin) -> Connection | None:
        """Take the idle connection that was used last and can still be used, and return it; None = there is
        none. Connections that were used later than that one, and cannot be used any more, are closed.
        """
        kept = self._idle.get(origin)
        while kept:
            connection = kept.pop()
            if connection.alive() and self._loop.time() - connection.opened <= self._age:
                return connection
            self._drop(connection, None)
        return None

    def take_back(self, connection: Connection, origin: Origin, upload: asyncio.Task[bool] | None) -> None:
        """Store a connection for the next request to `origin`, and its TLS session for later connections. It
        is closed instead if the request was not sent completely, if the answer was not read completely, if
        the connection cannot be used again or is too old, or if the client is closed. upload: the task that
        sends the request's body, which is cancelled if the connection is closed; None = there was none.
        """
        sent = upload is None or (upload.done() and not upload.cancelled() and upload.result())
        connection.rested = now = self._loop.time()
        if not (sent and connection.reusable()) or self._closed or now - connection.opened > self._age:
            self._drop(connection, upload)
            return
        if connection.secure is not None:
            self._dialer.learn(origin, connection)
        kept = self._idle.get(origin)
        if kept is None:
            self._idle[origin] = [connection]
        else:
            kept.append(connection)
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(self._seconds_idle, self._sweep)

    def _drop(self, connection: Connection, upload: asyncio.Task[bool] | None) -> None:
        if upload is not None:
            upload.cancel()
        self._open.discard(connection)
        connection.abort()

    def _sweep(self) -> None:
        """Close the connections that were idle for too long, are too old or are dead, and schedule the next
        call if others stay idle.
        """
        now, first = self._loop.time(), None
        for origin, kept in list(self._idle.items()):
            fresh = []
            for connection in kept:
                since = connection.rested
                young = now - connection.opened <= self._age
                if young and now - since < self._seconds_idle and connection.alive():
                    fresh.append(connection)
                    first = since if first is None else min(first, since)
                else:
                    self._drop(connection, None)
            if fresh:
                self._idle[origin] = fresh
            else:
                del self._idle[origin]
        wait = 0.0 if first is None else first + self._seconds_idle - now
        self._sweeper = None if first is None else self._loop.call_later(max(wait, 0.05), self._sweep)

    def drop_idle(self) -> None:
        """Close all idle connections, because one of them was found dead and the others may be as old."""
        for kept in self._idle.values():
            for connection in kept:
                self._drop(connection, None)
        self._idle.clear()

    async def close(self) -> None:
        """Close all connections, also those with a running request. Later requests raise NotReached."""
        self._closed = True
        self._idle.clear()
        if self._sweeper is not None:
            self._sweeper.cancel()
        for connection in list(self._open):
            self._drop(connection, None)
        await asyncio.sleep(0)  # the event loop closes the sockets in its next round


def _written(head_: Head) -> tuple[Origin, bytes]:
    """Encode a head, store the result in it for all requests that share it, and return the result: (origin,
    bytes). Raises the errors of `place_of`, and ValueError for a method, target or header with a character
    that is not allowed there.
    """
    origin, target, host = place_of(head_.url)
    head_.written = origin, head(head_.method, target, host, head_.headers)
    return head_.written


async def _upload(connection: Connection, body: Pieces | Flow, patience: Patience | None) -> bool:
    """Send the body of a request in pieces. Returns True if all of it was given to the connection. If the
    connection or the source of the body fails, ends the connection and returns False. A cancellation of this
    task ends the connection too. patience: None = no deadline is moved.
    """
    patience = patience or Patience(UNLIMITED, None)
    cause: Exception | None = None
    sent = False
    try:
        if isinstance(body, Pieces):
            for part in body.parts:
                view = memoryview(part)
                for start in range(0, len(view), _PIECE):
                    await connection.write(view[start : start + _PIECE])
                    patience.push()
        else:
            await _pass_on(connection, body, patience)
        sent = True
    except Exception as error:  # noqa: BLE001 - of the source, whatever that is
        cause = error
    finally:
        if not sent:
            failure = Failure()
            failure.__cause__ = cause
            connection.fail(failure)
    return sent


async def _pass_on(connection: Connection, flow: Flow, patience: Patience) -> None:
    """Send the pieces of a flow as they arrive, as chunks if its size is unknown. Raises ValueError if the
    body does not have its stated size; no bytes beyond this size are sent. patience: gets `rest` before each
    wait for a piece, and `push` after it.
    """
    sent = 0
    patience.rest()
    async for piece in flow.pieces:
        patience.push()
        if not piece:
            continue
        sent += len(piece)
        if flow.size is None:
            await connection.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        elif sent > flow.size:
            break
        else:
            await connection.write(piece)
        patience.rest()
    patience.push()
    if flow.size is None:
        await connection.write(b"0\r\n\r\n")
    elif sent != flow.size:
        raise ValueError("the body does not have its stated size")


class _Packed:
    """The compressed body of an answer. ended: whether it has been read to its end by `take`."""

    __slots__ = ("_connection", "_fed", "_unpacker", "ended")

    def __init__(self, connection: Connection, unpacker: Unpacker) -> None:
        self._connection = connection
        self._unpacker = unpacker
        self._fed = self.ended = False

    def take(self) -> bytes | None:
        """Return the next decompressed bytes of the body; b"" = the end, None = await `Connection.arrival`
        first. Raises NotDecoded if the body is not compressed as its header says.
        """
        if self.ended:
            return b""
        unpacker = self._unpacker
        try:
            while True:
                data = unpacker.next(_PIECE)
                if data:
                    return data
                if data is None:
                    packed = self._connection.take()
                    if packed is None:
                        return None
                    if not packed:
                        self.ended = True
                        if self._fed:  # an empty body is no body, and nothing of it is cut off
                            unpacker.close()
                        return b""
                    self._fed = True
                    unpacker.feed(packed)
        except WireError as error:
            raise NotDecoded from error


def _unpacked(connection: Connection) -> tuple[Callable[[], bytes | None], _Packed | None]:
    """Return (take, packed) for an answer with a content-encoding. take: returns the next bytes of the body.
    packed: decompresses them; None = they are passed on as they are, because the content-encoding is unknown
    or names no coding.
    """
    try:
        applied = codings(connection.reader.headers["content-encoding"])
    except WireError:
        applied = ()  # an unknown coding, for which nobody has asked: the bytes are passed on
    if not applied:
        return connection.take, None
    packed = _Packed(connection, Unpacker(applied, None))
    return packed.take, packed


class Reply(msgspec.Struct, eq=False):
    """An answer whose head has come. headers: with names in lower case.

    take: returns the next bytes of the body, decompressed, as far as they have arrived. b"" = the body has
    ended; None = no more bytes have arrived: await `arrival` first. Raises NotDecoded if the body cannot be
    decompressed. Bytes in a content coding that `net.codings` does not know are returned as they are.
    arrival: returns a future that completes when `take` may have more bytes, or the end; raises Failure if
    the connection has broken.
    """

    status: int
    headers: HeaderMap
    take: Callable[[], bytes | None]
    arrival: Callable[[], asyncio.Future[None]]
    _connection: Connection
    _origin: Origin
    _client: HTTPClient | None
    """The client that made the call; None = the call has ended."""
    _upload: asyncio.Task[bool] | None
    _packed: _Packed | None

    @property
    def ended(self) -> bool:
        """Whether the complete body has been read by `take`."""
        reader, packed = self._connection.reader, self._packed
        return reader.complete and not reader.pieces and (packed is None or packed.ended)

    def release(self) -> None:
        """End the call. The connection is used again if the request was sent completely, the answer was read
        completely, both sides keep the connection open, and the connection is not too old; otherwise it is
        closed. A body that is still being sent is cancelled. A second call does nothing.
        """
        client, self._client = self._client, None
        if client is not None:
            client.take_back(self._connection, self._origin, self._upload)
