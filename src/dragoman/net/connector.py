"""aiohttp's connections with stricter reuse: only after a complete exchange without extra bytes.

A provider, or a proxy on the way, may send bytes that no request asked for: while the connection is idle, or
directly after a body. aiohttp (3.14.5) reads them as the answer to the connection's next request, which
another client may have sent. Here they close the connection, as
https://www.rfc-editor.org/rfc/rfc9112#section-9.2 says ("If a client receives data on a connection that
doesn't have any outstanding requests, the client MUST NOT consider that data to be a valid response").
"""

from __future__ import annotations

import asyncio
import select
from collections.abc import Callable
from functools import partial
from typing import Any

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http_exceptions import BadHttpMessage, LineTooLong

from dragoman.net.connected import CONNECTED

_MOST_INTERIM = 32
"""The most interim answers (100, 102, 103) to one request. One more closes the connection."""

Surprised = Callable[[], None]
"""Called when a connection is closed because it has read bytes that no request asked for, or too many interim
answers.
"""


def _nothing() -> None:
    """Do nothing."""


class Connection(ResponseHandler):
    """One connection to a server. If it reads bytes that no request asked for, or too many interim answers,
    it is closed, and `surprised` is called.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, surprised: Surprised = _nothing) -> None:
        super().__init__(loop)
        self._surprised = surprised
        self._answered: object = None
        """The parser that has read the head of the latest answer; None before the first answer. Each request
        has its own parser, so the running request has been answered if this is its parser.
        """
        self._interim = 0  # the latest request's interim answers so far
        self._unread: Callable[[], object] = _nothing

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._unread = _watching(transport.get_extra_info("socket").fileno())

    def set_response_params(self, **options: Any) -> None:
        """Prepare for the next request on this connection, and call the function that the request's task has
        set in `CONNECTED`, if it has set one. options: passed on to aiohttp.
        """
        if (connected := CONNECTED.get(None)) is not None:
            connected()
        super().set_response_params(**options)

    def feed_data(self, data: Any, size: int = 0) -> None:
        """Take the head of an answer from aiohttp's parser. data: the pair (head, stream of the body). size:
        as aiohttp gives it. A head after the final one of a request, or more than `_MOST_INTERIM` interim
        heads, close the connection.
        """
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
        """Parse bytes from the server; b"" = continue decompressing those that have arrived. Bytes that come
        after an answer's end and before the next request close the connection.
        """
        if data and self._answered is self._parser and self._idle:
            self._break_off()
            return
        super().data_received(data)

    def resume_reading(self, resume_parser: bool = True) -> None:  # noqa: FBT001, FBT002  (aiohttp's own)
        """Continue reading if it is paused. aiohttp also calls this after each piece when it is not
        paused.
        """
        if self._reading_paused:
            super().resume_reading(resume_parser)

    def is_connected(self) -> bool:
        """Whether a request may be sent on this connection. False also for an idle connection that has unread
        bytes, or that the server has closed, even if the event loop has not noticed it.
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
    """Return a function that returns a true value if this socket has bytes to read or the other side has
    closed it. The function never waits.
    """
    if not hasattr(select, "poll"):  # Windows
        return lambda: select.select([descriptor], [], [], 0)[0]
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return partial(poll.poll, 0)


class Connector(aiohttp.TCPConnector):
    """A pool of `Connection`s. surprised: called when a connection is closed because it has read bytes that
    no request asked for, or too many interim answers. options: keyword arguments for `aiohttp.TCPConnector`.
    """

    def __init__(self, *, surprised: Surprised = _nothing, **options: Any) -> None:
        super().__init__(**options)
        factory: Callable[..., ResponseHandler] = partial(Connection, self._loop, surprised)
        self._factory = factory  # type: ignore[assignment]  # a partial of aiohttp's own, by its annotation

    def drop_idle(self) -> None:
        """Close all idle connections."""
        idle = [connection for kept in self._conns.values() for connection, _ in kept]
        self._conns.clear()
        for connection in idle:
            connection.close()


def is_head_too_large(error: BaseException) -> bool:
    """Whether `error`, or a cause of it, says that an answer has a longer line or more headers than aiohttp
    allows.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, LineTooLong):
            return True
        if isinstance(cause, BadHttpMessage) and "Too many headers" in cause.message:
            return True
        cause = cause.__cause__
    return False
