"""The HTTP client over aiohttp, for providers behind a proxy and for `transport: aiohttp`."""

from __future__ import annotations

import ssl
from collections.abc import Callable, Mapping
from math import inf
from typing import Any, Final

import aiohttp
from aiohttp import http_exceptions
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict
from yarl import URL

from dragoman.net.client import Flow, Head, Patience, Sendable
from dragoman.net.connector import Connector, is_head_too_large
from dragoman.net.failures import (
    ConnectTimeout,
    Disconnected,
    Failure,
    HeadTooLarge,
    Malformed,
    NotDecoded,
    NotReached,
    Truncated,
    meaning_of,
)
from dragoman.net.outgoing import CLOSED, FRAMING, check_header, check_line, place_of
from dragoman.wire.headers import HeaderMap
from dragoman.wire.multipart import Pieces

_LEFT_OUT: Final = FRAMING - {"host"}
_PIECE: Final = 131_072
"""The most bytes of a body in parts (`Pieces`) that are given to aiohttp at once."""


class _Upload(aiohttp.Payload):
    """A request body in several parts. Each part is sent in pieces; the parts are never joined for sending.
    The body can be sent a second time. patience: gets `push` after each piece; None = nothing is called.
    sent: whether the complete body has been given to aiohttp.
    """

    _autoclose = True  # tells aiohttp that there is nothing to close

    def __init__(self, body: Pieces, patience: Patience | None) -> None:
        super().__init__(body)
        self._size = body.size
        self._patience = patience
        self.sent = False

    async def write(self, writer: AbstractStreamWriter) -> None:
        for part in self._value.parts:
            view = memoryview(part)
            for start in range(0, len(view), _PIECE):
                await writer.write(view[start : start + _PIECE])
                if self._patience is not None:
                    self._patience.push()
        self.sent = True

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return the whole body as text, which aiohttp requires of every payload."""
        return b"".join(self._value.parts).decode(encoding, errors)


class _Stream(aiohttp.Payload):
    """A `Flow` that is sent as a request body. It can be sent only once. patience: gets `rest` before each
    wait for a piece of the flow, and `push` after it; None = nothing is called. sent: whether the complete
    body has been given to aiohttp.
    """

    _autoclose = True  # the owner of the flow closes it

    def __init__(self, flow: Flow, patience: Patience | None) -> None:
        super().__init__(flow.pieces)
        self._size = flow.size
        self._patience = patience
        self.sent = False

    async def write(self, writer: AbstractStreamWriter) -> None:
        self._rest()
        async for piece in self._value:
            self._push()
            await writer.write(piece)
            self._rest()
        self._push()
        self.sent = True

    def _rest(self) -> None:
        if self._patience is not None:
            self._patience.rest()

    def _push(self) -> None:
        if self._patience is not None:
            self._patience.push()

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Return "", because the pieces are not stored."""
        return ""


class AiohttpClient:
    """The client for one provider. Create and close it within the running event loop.

    tls: the context for https; None = the system's certificates are trusted. proxy: the URL of an HTTP proxy,
    None = no proxy. idle: seconds after which a connection without a request is closed. surprised: called
    when a connection is closed because it has read bytes that no request asked for, or too many interim
    answers.
    """

    def __init__(
        self,
        tls: ssl.SSLContext | None,
        *,
        proxy: str | None = None,
        idle: float = 60.0,
        surprised: Callable[[], None] = lambda: None,
    ) -> None:
        self._proxy = proxy
        self._connector = Connector(surprised=surprised, limit=0, keepalive_timeout=idle, ssl=tls or True)
        self._session = aiohttp.ClientSession(
            connector=self._connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
        )
        self._limits: dict[float | None, aiohttp.ClientTimeout] = {}

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
        limits = self._limits.get(connect)
        if limits is None:
            limits = self._limits[connect] = aiohttp.ClientTimeout(
                total=None, connect=connect, ceil_threshold=inf
            )
        if self._session.closed:
            raise NotReached(CLOSED)
        url, headers = head.checked or _checked(head)
        if added:
            headers = headers.copy()
            _add(headers, added)
        upload: _Upload | _Stream | None = None
        if isinstance(body, Pieces):
            upload = _Upload(body, patience)
        elif isinstance(body, Flow):
            upload = _Stream(body, patience)
        try:
            response = await self._session.request(
                head.method,
                url,
                data=upload or body,
                headers=headers,
                allow_redirects=False,
                timeout=limits,
                proxy=self._proxy,
            )
        except (aiohttp.ClientError, OSError) as error:
            raise _failure(error) from error
        return Reply(response, upload)

    def drop_idle(self) -> None:
        """Close all idle connections, because one of them was found dead and the others may be as old."""
        self._connector.drop_idle()

    async def close(self) -> None:
        """Close all connections, also those with a running request."""
        await self._session.close()


def _checked(head: Head) -> tuple[URL, CIMultiDict[str]]:
    """Check a head, store in it what aiohttp gets, for all requests that share it, and return this: (the URL
    without user and password, headers). Raises the errors of `place_of`, and ValueError for a method, target
    or header with a character that is not allowed there.
    """
    url = head.url
    if url.raw_user is not None or url.raw_password is not None:
        url = url.with_user(None)
    check_line(head.method, place_of(url).target)
    headers = CIMultiDict[str]()
    _add(headers, head.headers)
    head.checked = url, headers
    return head.checked


def _add(headers: CIMultiDict[str], more: Mapping[str, str]) -> None:
    """Add `more` to the headers of a request, without those that aiohttp writes itself. Raises ValueError for
    a header with a character that is not allowed there.
    """
    for name, value in more.items():
        check_header(name, value)
        if name.lower() not in _LEFT_OUT:
            headers.add(name, value)


class Reply:
    """An answer whose head has come. headers: with names in lower case. It has the methods of
    `net.client.Incoming`.
    """

    __slots__ = ("_arrived", "_response", "_upload", "headers", "status")

    def __init__(self, response: aiohttp.ClientResponse, upload: _Upload | _Stream | None) -> None:
        self._response = response
        self._upload = upload
        self._arrived = b""
        self.status = response.status
        self.headers = HeaderMap([(name.lower(), value) for name, value in response.raw_headers])

    @property
    def ended(self) -> bool:
        """Whether the complete body has been read by `take`."""
        return not self._arrived and self._response.content.at_eof()

    def take(self) -> bytes | None:
        """Return the bytes of the body, decompressed, that the last `arrival` has brought. b"" = the body has
        ended; None = there are none: await `arrival` first. Never raises.
        """
        data, self._arrived = self._arrived, b""
        return data or (b"" if self.ended else None)

    async def arrival(self) -> None:
        """Wait until `take` has bytes, or the body has ended. Raises Failure: Truncated if the connection
        breaks, NotDecoded if the body cannot be decompressed, or Malformed if it is not valid HTTP.
        """
        try:
            self._arrived = await self._response.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            raise _failure(error, headed=True) from error

    def release(self) -> None:
        """End the call. The connection is used again only if the request was sent completely, the answer was
        read completely and the provider keeps the connection open; otherwise it is closed.
        """
        if self.ended and (self._upload is None or self._upload.sent):
            self._response.release()
        else:
            self._response.close()


def _failure(error: Exception, *, headed: bool = False) -> Failure:
    """Return the failure for an exception of aiohttp or the system. headed: whether the answer's head has
    come.
    """
    if is_head_too_large(error):
        return HeadTooLarge()
    if isinstance(error, aiohttp.ConnectionTimeoutError):
        return ConnectTimeout()
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return NotReached("the proxy refused it")
    if isinstance(error, aiohttp.ClientConnectorError):
        return NotReached(reason(error))
    make = next((make for kind, make in _KINDS if isinstance(error.__cause__ or error, kind)), Disconnected)
    if headed and make is Disconnected:
        make = Truncated
    return make(reason(error))


def reason(error: Any) -> str:
    """Return the reason why a request over aiohttp failed, in words without addresses of our own network.
    error: the exception of aiohttp or the system.
    """
    cause = error.__cause__ or error
    for kind, make in _KINDS:
        if isinstance(error, kind) or isinstance(cause, kind):
            return make.meaning
    return meaning_of(error)


_KINDS: Final[tuple[tuple[type[BaseException], type[Failure]], ...]] = (
    (http_exceptions.ContentEncodingError, NotDecoded),
    (aiohttp.ServerDisconnectedError, Disconnected),
    (aiohttp.ClientPayloadError, Truncated),
    (http_exceptions.TransferEncodingError, Truncated),
    (http_exceptions.ContentLengthError, Truncated),
    (aiohttp.ClientResponseError, Malformed),
    (http_exceptions.HttpProcessingError, Malformed),
)
"""aiohttp's exceptions, each with its failure. The first row that matches decides."""
