"""The interface of an HTTP client for `transport`. Two classes implement it: `h1.client.HTTPClient` (our own)
and `aio.AiohttpClient`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Literal, NamedTuple, Protocol, TypeAlias

import msgspec
from multidict import CIMultiDict
from yarl import URL

from dragoman.seams.deadlines import Deadline, Unlimited
from dragoman.wire.headers import HeaderMap
from dragoman.wire.multipart import Pieces


class Flow(msgspec.Struct, frozen=True):
    """A request body that is passed on to the provider while it arrives from the client. pieces: yields the
    bytes of the body. size: their number, None = unknown.
    """

    pieces: AsyncIterator[bytes]
    size: int | None = None


class Origin(NamedTuple):
    """The endpoint of connections: the scheme (http, https), the host without brackets, and the port."""

    scheme: str
    host: str
    port: int


class Head:
    """The part of a request before its body: the method, the URL and the headers. Many requests can share one
    object. written: the origin and the encoded bytes, set by `h1` so that it encodes a shared head only once;
    None = `h1` has not encoded it yet. checked: the URL and the headers that aiohttp gets, set by `aio` so
    that it checks a shared head only once; None = `aio` has not checked it yet.
    """

    __slots__ = ("checked", "headers", "method", "url", "written")

    def __init__(self, method: str, url: URL, headers: CIMultiDict[str]) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.written: tuple[Origin, bytes] | None = None
        self.checked: tuple[URL, CIMultiDict[str]] | None = None


ClientName: TypeAlias = Literal["own", "aiohttp"]
"""The HTTP clients: our own (`h1`), or aiohttp's (`aio`)."""
Sendable: TypeAlias = bytes | Pieces | Flow | None
"""The body of a request; None = it has no body."""


class Patience:
    """Moves the deadline for the first byte of an answer, while the request's body is still being sent.

    deadline: the deadline to move; it must be running already. seconds: the time that `push` gives it anew;
    None = `push` and `rest` do nothing.
    """

    __slots__ = ("_deadline", "_seconds")

    def __init__(self, deadline: Deadline | Unlimited, seconds: float | None) -> None:
        self._deadline: Deadline | Unlimited | None = None if seconds is None else deadline
        self._seconds = seconds or 0.0

    def push(self) -> None:
        """Set the deadline to `seconds` from now: the provider has taken a piece of the body, or there is a
        new piece to send.
        """
        if self._deadline is not None:
            self._deadline.push(self._seconds)

    def rest(self) -> None:
        """Stop the deadline until the next `push`: the gateway waits for the next piece of the body from the
        client.
        """
        if self._deadline is not None:
            self._deadline.rest()

    def end(self) -> None:
        """Never move the deadline again: the answer has begun, or the call has failed."""
        self._deadline = None


class Incoming(Protocol):
    """An answer whose head has come. headers: with names in lower case and one value for each name: if a
    header is repeated, its last value, or for headers that are lists all values joined by commas (see
    `HeaderMap`).
    """

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> HeaderMap: ...
    @property
    def ended(self) -> bool:
        """Whether the complete body has been read by `take`."""
        ...

    def take(self) -> bytes | None:
        """Return the next bytes of the body, decompressed, as far as they have arrived; perhaps not all of
        these at once. b"" = the body has ended; None = no more bytes have arrived: await `arrival` first.
        Raises NotDecoded if the body cannot be decompressed; the client over aiohttp raises it in `arrival`
        instead.
        """
        ...

    def arrival(self) -> Awaitable[object]:
        """Return an awaitable that completes when `take` may have more bytes, or the end. If the connection
        breaks, raises Failure (usually Truncated), when it is called or when it is awaited.
        """
        ...

    def release(self) -> None:
        """End the call. The connection is used again only if the request was sent completely, the answer was
        read completely and the provider keeps the connection open; otherwise it is closed, and a body that is
        still being sent is cut off. A second call does nothing.
        """
        ...


class Client(Protocol):
    """Sends requests over pooled connections: without redirects, cookies and retries."""

    async def request(
        self,
        head: Head,
        body: Sendable,
        added: Mapping[str, str] | None = None,
        *,
        connect: float | None = None,
        patience: Patience | None = None,
    ) -> Incoming:
        """Send a request, and return its answer when the head has come.

        added: more headers for this request; None = none. The caller makes sure that `head` has none of these
        names. Headers in `net.outgoing.FRAMING` (except host) are left out. connect: the most seconds for
        opening a connection (look-up of the name, a proxy's tunnel and TLS included), None = no limit.
        patience: gets `push` and `rest` while a body of the type `Pieces` or `Flow` is sent; None = nothing
        is called.

        Raises a Failure, such as NotReached or ConnectTimeout if there is no connection, Disconnected if it
        ends before the answer's head is complete, Malformed if the head is invalid or too large. Raises
        ValueError for a method, a target or a header with a character that is not allowed
        (`net.outgoing`). If the task is cancelled, the connection is closed.
        """
        ...

    def drop_idle(self) -> None:
        """Close all idle connections, because one of them was found dead and the others may be as old."""
        ...

    async def close(self) -> None:
        """Close all connections, also those with a running request."""
        ...
