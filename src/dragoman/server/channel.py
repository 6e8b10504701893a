"""The interface by which an answer's bytes are sent to the client. Our own server implements it in
`server.cycle`, straight into the connection. For other ASGI servers, and for requests of this same process
(`server.inprocess`), `AsgiChannel` implements it over ASGI's `send`.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from dragoman.engine.client import Headers
from dragoman.server.link import Link, Send


class Channel(Protocol):
    """Writes the answer to one request. `whole`, `begin`, `write` and `end` return None if the caller has
    nothing to wait for. Otherwise they return an awaitable, which the caller must await, because only this
    writes the bytes. It may wait until the client has read enough of the earlier bytes. If the client has
    disconnected, nothing is sent; our own server then raises no error.
    """

    @property
    def begun(self) -> bool:
        """Whether the head of the answer (status and headers) has been written, or waits to be written
        together with the first bytes of the body.
        """
        ...

    @property
    def lost(self) -> bool:
        """Whether the client has disconnected."""
        ...

    def whole(self, status: int, headers: Headers, body: bytes) -> Awaitable[None] | None:
        """Write a complete answer: status, headers and body. headers: with the body's content-length, unless
        the body is empty.
        """
        ...

    def begin(self, status: int, headers: Headers) -> Awaitable[None] | None:
        """Write the status and the headers of an answer. Its body follows by calls of `write` and one of
        `end`.
        """
        ...

    def write(self, data: bytes) -> Awaitable[None] | None:
        """Write the next piece of the body."""
        ...

    def end(self, data: bytes) -> Awaitable[None] | None:
        """Write the last piece of the body, which may be b"". This ends the answer."""
        ...


class AsgiChannel:
    """A Channel that sends with ASGI's function `send`. link: the Link of the request, which tells whether
    the client has disconnected; None = `lost` is always False. begun: whether `send` has taken the head of
    the answer (status and headers).
    """

    __slots__ = ("_link", "_send", "begun")

    def __init__(self, send: Send, link: Link | None = None) -> None:
        self._send = send
        self._link = link
        self.begun = False

    @property
    def lost(self) -> bool:
        """Whether the client has disconnected (`Link.lost`); False without a link."""
        return self._link is not None and self._link.lost

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """Write a complete answer (see `Channel`), as two ASGI messages."""
        await self.begin(status, headers)
        await self.end(body)

    async def begin(self, status: int, headers: Headers) -> None:
        """Write the status and the headers of an answer (see `Channel`)."""
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        self.begun = True

    async def write(self, data: bytes) -> None:
        """Write the next piece of the body (see `Channel`)."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes) -> None:
        """Write the last piece of the body (see `Channel`)."""
        await self._send({"type": "http.response.body", "body": data})
