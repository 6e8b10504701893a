"""The interface of an HTTP client for `transport`. `h1` and `aio` have one each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Mapping
from typing import Literal, NamedTuple, Protocol, TypeAlias

import msgspec
from multidict import CIMultiDict
from yarl import URL

from dragoman.seams.deadlines import Deadline, Unlimited
from dragoman.wire.multipart import Pieces


class Flow(msgspec.Struct, frozen=True):
    """A request body that is passed on to the provider while it comes in. size: bytes, None = unknown."""

    pieces: AsyncIterator[bytes]
    size: int | None = None


class Origin(NamedTuple):
    """Where connections lead: the scheme (http, https), the host without brackets, and the port."""

    scheme: str
    host: str
    port: int


class Head:
    """What a request says before its body: the method, the URL and the headers. Many requests can share one,
    so that a client writes it only once. written: the origin and the bytes that `h1` sends; None = not used
    yet.
    """

    __slots__ = ("headers", "method", "url", "written")

    def __init__(self, method: str, url: URL, headers: CIMultiDict[str]) -> None:
        self.method = method
        self.url = url
        self.headers = headers
        self.written: tuple[Origin, bytes] | None = None


ClientName: TypeAlias = Literal["own", "aiohttp"]
"""The HTTP clients: our own (`h1`), or aiohttp's (`aio`)."""
Sendable: TypeAlias = bytes | Pieces | Flow | None
"""The body of a request; None = it has none."""


class Patience:
    """The time limit for the first byte of an answer, while the request's body is still being sent.

    deadline: is moved to `seconds` from now whenever the provider takes a piece of the body, and does not run
    while the client's next piece has not come in. seconds: None = the deadline is never moved or stopped.
    """

    __slots__ = ("_deadline", "_seconds")

    def __init__(self, deadline: Deadline | Unlimited, seconds: float | None) -> None:
        self._deadline: Deadline | Unlimited | None = None if seconds is None else deadline
        self._seconds = seconds or 0.0

    def push(self) -> None:
        """Extend the deadline: the provider has taken a piece."""
        if self._deadline is not None:
            self._deadline.push(self._seconds)

    def rest(self) -> None:
        """Stop the deadline: the provider waits for a piece."""
        if self._deadline is not None:
            self._deadline.rest()

    def end(self) -> None:
        """Leave the deadline alone from now on: the answer has begun, or the call has failed."""
        self._deadline = None


class Incoming(Protocol):
    """An answer whose head has come. headers: by lower-case name; if a header is repeated, one of its values
    is given.
    """

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Mapping[str, str]: ...
    @property
    def ended(self) -> bool:
        """Whether the whole body has been read."""
        ...

    def take(self) -> bytes | None:
        """The bytes of the body, decompressed, that have arrived since the last call. b"" = the body has
        ended; None = nothing has arrived: await `arrival` first. Raises NotDecoded.
        """
        ...

    def arrival(self) -> Awaitable[object]:
        """An awaitable that completes when `take` may have more bytes, or the end. Raises Failure."""
        ...

    def release(self) -> None:
        """End the call. The connection is used again if the exchange is complete, else it is closed."""
        ...


class Client(Protocol):
    """Sends requests over pooled connections: no redirects, no cookies, no second tries."""

    async def request(
        self,
        head: Head,
        body: Sendable,
        added: Mapping[str, str] | None = None,
        *,
        connect: float | None = None,
        patience: Patience | None = None,
    ) -> Incoming:
        """Send a request; return its answer when the head has come. added: headers of this request alone;
        `head` has none of their names. connect: seconds for opening a connection, None = no limit. patience:
        told of the progress of a body in pieces. Raises Failure; if the task is cancelled, the connection is
        closed.
        """
        ...

    def drop_idle(self) -> None:
        """Close all idle connections: one of them was found dead, and the others may be as old."""
        ...

    async def close(self) -> None:
        """Close all connections."""
        ...
