"""Connections that are used again, over aiohttp: only after a complete, clean exchange, nothing left over.

An HTTP/1.1 answer belongs to the request before it on the same connection. A provider, or a box on the way,
that sends a second answer which nobody asked for would have it read as the answer to the next request, which
is another client's. aiohttp's own handler (3.14.5) keeps such bytes for the next request: those that come
while the connection is idle, and those right behind a body, which it parses after the connection has gone
back to the pool. This handler closes the connection instead, in both cases.

The specification: https://www.rfc-editor.org/rfc/rfc9112#section-9.2 ("If a client receives data on a
connection that doesn't have any outstanding requests, the client MUST NOT consider that data to be a valid
response"), and https://www.rfc-editor.org/rfc/rfc9112#section-9.3.1 for what is sent again.
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from contextvars import ContextVar
from functools import partial
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong

_MOST_INTERIM = 32
"""Interim answers (100, 102, 103) before the real one. Servers send one or two."""

CONNECTED: Final[ContextVar[Callable[[], None]]] = ContextVar("connected")
"""Called when the request of this task has a connection, a new one or a kept one."""

Surprised = Callable[[], None]
"""Told of each connection that brought what nobody asked for."""


def _nothing() -> None:
    """Nobody is told."""


class Connection(ResponseHandler):
    """One connection, which ends when something comes that no request asked for.

    surprised: called when that happens.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, surprised: Surprised = _nothing) -> None:
        super().__init__(loop)
        self._surprised = surprised
        self._answered: object = None
        """The parser that has read the head of the latest answer, None before the first. Each request has a
        parser of its own, so the running request has been answered if this is its parser.
        """
        self._interim = 0  # answers of the latest request that were not the final one
        self._unread: Callable[[], object] = _nothing

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The provider is reached."""
        super().connection_made(transport)
        self._unread = _watching(transport.get_extra_info("socket").fileno())

    def set_response_params(self, **options: Any) -> None:
        """The next request has this connection."""
        if (connected := CONNECTED.get(None)) is not None:
            connected()
        super().set_response_params(**options)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Take the head of an answer. A second one to the same request ends the connection and is dropped."""
        if self._answered is self._parser:
            self._break_off()
            return
        if 100 <= data[0].code < 200 and data[0].code != 101:
            self._interim += 1
            if self._interim > _MOST_INTERIM:
                self._break_off()
                return
        else:
            self._answered = self._parser
            self._interim = 0
        super().feed_data(data, size)

    def data_received(self, data: bytes) -> None:
        """Take bytes. Those that come between an answer and the next request end the connection.

        aiohttp passes no bytes when it goes on decompressing what it has.
        """
        if data and self._answered is self._parser and self._idle:
            self._break_off()
            return
        super().data_received(data)

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002  (aiohttp's own)
        """Go on reading where that was paused. aiohttp asks for it after each piece that is read, and would
        let the parser and the transport look each time whether there is something to go on with.
        """
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def is_connected(self) -> bool:
        """Whether a request may be sent here. Asked by the pool before an idle connection is used again.

        What the event loop has not read yet counts, too: bytes, or that the other side has closed.
        """
        if not super().is_connected():
            return False
        return not (self._answered is self._parser and self._idle and self._unread())

    @property
    def _idle(self) -> bool:
        payload = self._payload
        return payload is None or payload.is_eof()

    def _break_off(self) -> None:
        self.force_close()
        if self.transport is not None and not self.transport.is_closing():
            self._surprised()
            self.transport.abort()


def _watching(descriptor: int) -> Callable[[], object]:
    """Tells at once whether a socket has something to read, its end or an error included."""
    if not hasattr(select, "poll"):  # Windows
        return lambda: select.select([descriptor], [], [], 0)[0]
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return partial(poll.poll, 0)


class Connector(aiohttp.TCPConnector):
    """Makes and keeps such connections. surprised: as `Connection`'s. options: `aiohttp.TCPConnector`'s."""

    def __init__(self, *, surprised: Surprised = _nothing, **options: Any) -> None:
        super().__init__(**options)
        factory: Callable[..., ResponseHandler] = partial(Connection, self._loop, surprised)
        self._factory = factory  # type: ignore[assignment]  # a partial of aiohttp's own, by its annotation

    def drop_idle(self) -> None:
        """Close the connections that nobody uses now. They are as old as one that was found to be dead."""
        idle = [connection for kept in self._conns.values() for connection, _ in kept]
        self._conns.clear()
        for connection in idle:
            connection.close()


def is_head_too_large(error: BaseException) -> bool:
    """Whether a call failed because the head of its answer is too large: a line above 8,190 bytes, or more
    than 128 fields.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, LineTooLong):
            return True
        if isinstance(cause, BadHttpMessage) and "Too many headers" in cause.message:
            return True
        cause = cause.__cause__
    return False
