"""Where the bytes of an answer go: into our own connection (`server.cycle`), or through ASGI's `send` where
another server runs the application.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Protocol

from dragoman.engine.client import Headers
from dragoman.server.link import Link, Send


class Channel(Protocol):
    """Writes the answer to one request. Each method writes at once and returns None, or returns what is to be
    awaited, because the client reads slowly. They do nothing once the client has disconnected.
    """

    @property
    def begun(self) -> bool:
        """Whether a head has been written."""
        ...

    @property
    def lost(self) -> bool:
        """Whether the client has disconnected."""
        ...

    def whole(self, status: int, headers: Headers, body: bytes) -> Awaitable[None] | None:
        """Write a whole answer. `headers` state the length of a body."""
        ...

    def begin(self, status: int, headers: Headers) -> Awaitable[None] | None:
        """Write the head of an answer whose body follows in pieces."""
        ...

    def write(self, data: bytes) -> Awaitable[None] | None:
        """Write a piece of the body."""
        ...

    def end(self, data: bytes) -> Awaitable[None] | None:
        """Write the last piece of the body, which may be empty."""
        ...


class AsgiChannel:
    """A Channel over ASGI. send: the application's. link: the request's, None = not known."""

    __slots__ = ("_link", "_send", "begun")

    def __init__(self, send: Send, link: Link | None = None) -> None:
        self._send = send
        self._link = link
        self.begun = False

    @property
    def lost(self) -> bool:
        """Whether the client has disconnected; False if there is no link."""
        return self._link is not None and self._link.lost

    async def whole(self, status: int, headers: Headers, body: bytes) -> None:
        """Write a whole answer (see `Channel`)."""
        await self.begin(status, headers)
        await self.end(body)

    async def begin(self, status: int, headers: Headers) -> None:
        """Write the head of an answer (see `Channel`)."""
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        self.begun = True

    async def write(self, data: bytes) -> None:
        """Write a piece of the body (see `Channel`)."""
        await self._send({"type": "http.response.body", "body": data, "more_body": True})

    async def end(self, data: bytes) -> None:
        """Write the last piece of the body (see `Channel`)."""
        await self._send({"type": "http.response.body", "body": data})
