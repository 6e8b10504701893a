"""Copies the beginning of an answer's body into the exchange's record while the answer is sent, if the body
is JSON or text. The application does this if bodies are stored (`trace.bodies`), except at endpoints for
administration.
"""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final

from dragoman.engine.client import Headers
from dragoman.exchange import KeptBodies
from dragoman.server.channel import Channel

_READABLE: Final = (b"application/json", b"text/", b"application/x-ndjson")
"""The beginnings of the content types whose bodies are copied. Other bodies, such as pictures and sound, are
not copied.
"""


class Copying:
    """A Channel that passes everything on to `channel`. If the content type of the answer begins with one of
    `_READABLE` (JSON, text), it also gives the body to `bodies`, which stores the beginning of the body.
    """

    __slots__ = ("_bodies", "_channel", "_readable")

    def __init__(self, channel: Channel, bodies: KeptBodies) -> None:
        self._channel = channel
        self._bodies = bodies
        self._readable = False

    @property
    def begun(self) -> bool:
        """Whether the head of the answer has been written (see `Channel`)."""
        return self._channel.begun

    @property
    def lost(self) -> bool:
        """Whether the client has disconnected (see `Channel`)."""
        return self._channel.lost

    def whole(self, status: int, headers: Headers, body: bytes) -> Awaitable[None] | None:
        """Write a complete answer (see `Channel`). Copy its body if its content type is JSON or text."""
        self._look(headers)
        self._copy(body)
        return self._channel.whole(status, headers, body)

    def begin(self, status: int, headers: Headers) -> Awaitable[None] | None:
        """Write the status and the headers of an answer (see `Channel`). The body will be copied if the
        content type in `headers` is JSON or text.
        """
        self._look(headers)
        return self._channel.begin(status, headers)

    def write(self, data: bytes) -> Awaitable[None] | None:
        """Write the next piece of the body (see `Channel`). Copy it if the content type is JSON or text."""
        self._copy(data)
        return self._channel.write(data)

    def end(self, data: bytes) -> Awaitable[None] | None:
        """Write the last piece of the body (see `Channel`). Copy it if the content type is JSON or text."""
        self._copy(data)
        return self._channel.end(data)

    def _look(self, headers: Headers) -> None:
        kinds = [value for name, value in headers if name == b"content-type"]
        self._readable = bool(kinds) and kinds[0].startswith(_READABLE)

    def _copy(self, data: bytes) -> None:
        if self._readable:
            self._bodies.told(data)
