"""WebSockets to providers (RFC 6455), over `websockets`: no redirects, no compression, no cookies.

Both directions have backpressure: about `_AHEAD` received messages wait for `receive`, then the provider has
to wait; `send` waits while the provider does not read. The library answers pings, and sends its own. A text
message is a str, a binary message is bytes.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping
from typing import Final, TypeAlias

from websockets.asyncio.client import ClientConnection
from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus, WebSocketException
from websockets.uri import parse_uri
from yarl import URL

from dragoman.net.connected import CONNECTED
from dragoman.net.failures import Disconnected, Malformed, Refused, Truncated
from dragoman.net.h1.dial import Dialer
from dragoman.net.outgoing import check_header, check_line, place_of
from dragoman.wire.headers import HeaderMap

log = logging.getLogger("dragoman.net.websocket")
log.addHandler(logging.NullHandler())

Message: TypeAlias = str | bytes
_SCHEMES: Final = {"http": "ws", "https": "wss"}
_OWN: Final = frozenset({"accept", "accept-encoding", "connection", "content-length", "content-type", "host"})
"""Headers of HTTP requests that do not belong into a handshake, or that `websockets` writes."""
_AHEAD: Final = 4
"""If more received messages than this wait to be taken, reading from the socket pauses."""
_FAREWELL: Final = 5.0
"""Seconds for which a closing handshake waits for the provider's answer."""
_ABNORMAL: Final = 1006


class Socket:
    """One open WebSocket. done: called once, at the end of the first `close`, also if that was cancelled."""

    def __init__(self, connection: ClientConnection, done: Callable[[], None]) -> None:
        self._connection = connection
        self._done: Callable[[], None] | None = done

    @property
    def code(self) -> int:
        """The code of the close message that the provider has sent; 1005 = this message has no code; 1006 =
        no close message has come: the WebSocket is still open, or the connection broke.
        """
        code = self._connection.protocol.close_rcvd
        return _ABNORMAL if code is None else int(code.code)

    @property
    def reason(self) -> str:
        """The provider's reason for closing. If the provider has sent no close message, the reason for which
        our side has closed the WebSocket, such as a message that was too large. "" = no reason was given, or
        neither side has closed it.
        """
        protocol = self._connection.protocol
        close = protocol.close_rcvd or protocol.close_sent
        return "" if close is None else close.reason

    async def receive(self) -> Message | None:
        """Wait for the provider's next message and return it. Only one task may wait. None = the WebSocket is
        closed (see `code`), also because a message was larger than the limit (`largest` of `connect`) or its
        text was no UTF-8.
        """
        try:
            return await self._connection.recv()
        except ConnectionClosed:
            return None

    async def send(self, message: Message) -> None:
        """Send a message; wait while the provider does not read. Raises Truncated if the WebSocket is
        closed.
        """
        try:
            await self._connection.send(message)
        except ConnectionClosed as error:
            raise Truncated from error

    async def close(self, code: int = 1000, reason: str = "") -> None:
        """Close the WebSocket, with a code and a reason for the provider. Waits at most 5 s for the
        provider's close message; longer only if the provider reads nothing any more. A further call waits for
        the end, and sends nothing.
        """
        done, self._done = self._done, None
        try:
            with contextlib.suppress(WebSocketException, OSError):
                await self._connection.close(code, reason)
        finally:
            if done is not None:
                done()


async def connect(
    dialer: Dialer,
    url: URL,
    headers: Mapping[str, str],
    *,
    seconds: float | None,
    largest: int,
    done: Callable[[], None] = lambda: None,
) -> Socket:
    """Open a WebSocket. url: an http or https URL. headers: for the handshake; those in `_OWN` are left out.
    seconds: the time limit for opening the connection (with TLS, without the WebSocket handshake); None = no
    limit. largest: the most bytes of one message from the provider. done: called once, when `Socket.close`
    has closed the WebSocket; it is not called if this function raises.

    Raises Refused for an answer other than 101, Failure for other failures (also for a URL of another scheme
    or without a host), and ValueError for a target or a header with a character that is not allowed. If the
    task is cancelled, the connection is closed.
    """
    origin, target, host = place_of(url)
    check_line("GET", target)
    for name, value in headers.items():
        check_header(name, value)
    sent = {name: value for name, value in headers.items() if name.lower() not in _OWN}
    uri = parse_uri(f"{_SCHEMES[origin.scheme]}://{host}{target}")

    def make() -> ClientConnection:
        return ClientConnection(
            ClientProtocol(uri, max_size=largest, logger=log),
            close_timeout=_FAREWELL,
            max_queue=_AHEAD,
        )

    connection = await dialer.dial(origin, seconds, make)
    if (connected := CONNECTED.get(None)) is not None:
        connected()
    try:
        await connection.handshake(sent, None)
    except InvalidStatus as error:
        connection.transport.abort()
        answer = error.response
        raise Refused(answer.status_code, _headers(answer.headers), bytes(answer.body or b"")) from error
    except InvalidHandshake as error:
        connection.transport.abort()
        raise Malformed("its answer to the WebSocket handshake is not valid") from error
    except (WebSocketException, OSError, EOFError) as error:
        connection.transport.abort()
        raise Disconnected from error
    except asyncio.CancelledError:
        connection.transport.abort()
        raise
    connection.start_keepalive()
    return Socket(connection, done)


def _headers(headers: Headers) -> HeaderMap:
    """Return the headers of an answer. `websockets` has read their bytes as ASCII with surrogate escapes."""
    return HeaderMap(
        [
            (name.lower().encode(), value.encode("ascii", "surrogateescape"))
            for name, value in headers.raw_items()
        ]
    )
