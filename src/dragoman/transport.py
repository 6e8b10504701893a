"""HTTP to configured providers, over aiohttp: pooled, never redirected, no cookies.

Every failure is a `RequestFailed` whose fault says which timer or which step it was; nothing of aiohttp
leaves here. What a request names goes through `fetch`, never through here.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import ssl
from collections.abc import AsyncIterator, Mapping
from typing import Any

import aiohttp
import msgspec
from aiohttp.abc import AbstractStreamWriter
from multidict import CIMultiDict
from yarl import URL

from dragoman import ir
from dragoman.deadlines import Deadline, Deadlines, Unlimited
from dragoman.errors import RequestFailed
from dragoman.routing.route import Timers
from dragoman.wire.multipart import Pieces

_LARGEST = 256 * 1024 * 1024
_PIECE = 128 * 1024
"""Bytes of a large body that are handed on together. The next wait until the provider has taken them."""
_LINGER = 0.2
_REDIRECTS = frozenset({301, 302, 303, 307, 308})


class Pool(msgspec.Struct, frozen=True):
    """Connections to one provider. size: at most so many, 0 = no limit; keep_alive: idle seconds."""

    size: int = 0
    keep_alive: float = 60.0


def failed(kind: ir.Kind, message: str, code: str) -> RequestFailed:
    """A fault of the way to the upstream."""
    return RequestFailed(ir.Fault(kind, message, code=code, blame="upstream"))


class _Upload(aiohttp.Payload):
    """A body in pieces on its way out. Nothing of it is joined; it can be sent again.

    deadline: put off by `patience` seconds with each piece that has gone, None = by nothing any more.
    """

    _autoclose = True  # there is nothing to close

    def __init__(self, body: Pieces, deadline: Deadline | Unlimited, patience: float | None) -> None:
        super().__init__(body)
        self._size = body.size
        self._patience = patience
        self.deadline: Deadline | Unlimited | None = deadline
        self.sent = False

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send all of it."""
        for part in self._value.parts:
            view = memoryview(part)
            for start in range(0, len(view), _PIECE):
                await writer.write(view[start : start + _PIECE])
                if self.deadline is not None and self._patience is not None:
                    self.deadline.push(self._patience)
        self.sent = True

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """The whole as text, as aiohttp wants it of every payload."""
        return b"".join(self._value.parts).decode(encoding, errors)


class Flow(msgspec.Struct, frozen=True):
    """A body that is passed on while it comes in. size: its bytes, None = not known before its end."""

    pieces: AsyncIterator[bytes]
    size: int | None = None


class _Stream(aiohttp.Payload):
    """A body on its way through. It is sent once.

    deadline: as `_Upload`'s; while the next piece is waited for, it is not the provider that keeps silent.
    """

    _autoclose = True  # whoever gave it ends it

    def __init__(self, flow: Flow, deadline: Deadline | Unlimited, patience: float | None) -> None:
        super().__init__(flow.pieces)
        self._size = flow.size
        self._patience = patience
        self.deadline: Deadline | Unlimited | None = deadline
        self.sent = False

    async def write(self, writer: AbstractStreamWriter) -> None:
        """Send all of it."""
        self._rest()
        async for piece in self._value:
            self._push()
            await writer.write(piece)
            self._rest()
        self._push()
        self.sent = True

    def _rest(self) -> None:
        if self.deadline is not None and self._patience is not None:
            self.deadline.rest()

    def _push(self) -> None:
        if self.deadline is not None and self._patience is not None:
            self.deadline.push(self._patience)

    def decode(self, encoding: str = "utf-8", errors: str = "strict") -> str:
        """Nothing: what has gone through is kept nowhere."""
        return ""


class Answer:
    """An aiohttp response with our timers. upload: the body in pieces that is answered."""

    __slots__ = ("_deadlines", "_name", "_response", "_timers", "_upload", "_watch", "headers", "status")

    def __init__(
        self,
        response: aiohttp.ClientResponse,
        name: str,
        timers: Timers,
        deadlines: Deadlines,
        upload: _Upload | _Stream | None = None,
    ) -> None:
        self._response = response
        self._upload = upload
        self._name = name
        self._timers = timers
        self._deadlines = deadlines
        self._watch: Deadline | Unlimited | None = None
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    async def read(self) -> bytes:
        """The whole body, at most 256 MiB."""
        parts: list[bytes] = []
        size = 0
        content = self._response.content
        while not content.at_eof() and (data := await self.chunk()):
            parts.append(data)
            size += len(data)
            if size > _LARGEST:
                raise failed("upstream", f"{self._name} sent more than {_LARGEST} bytes.", "answer_too_large")
        return parts[0] if len(parts) == 1 else b"".join(parts)

    async def finish(self) -> None:
        """Read what little follows the last that matters, so that the connection can be used again.

        Whatever happens to it now harms nobody.
        """
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError), self._deadlines.within(_LINGER):
            while await self._response.content.readany():
                pass

    async def chunk(self) -> bytes:
        """What has arrived since the last read, b"" at the end.

        The idle time counts only while somebody waits here: a client that reads slowly is not the
        upstream's silence.
        """
        watch = self._watch
        if watch is None:
            watch = self._watch = self._deadlines.within(self._timers.idle)
        elif self._timers.idle is not None:
            watch.push(self._timers.idle)
        try:
            return await self._response.content.readany()
        except asyncio.CancelledError as error:
            try:
                watch.__exit__(asyncio.CancelledError, error, None)
            except TimeoutError:
                raise _idle(self._name, self._timers) from None
            raise
        except (aiohttp.ClientError, OSError) as error:
            raise _broken(self._name, error) from error
        finally:
            watch.rest()

    def close(self) -> None:
        """End the call now. A connection that was read to its end goes back to the pool, unless some of the
        body has not gone yet.
        """
        if self._watch is not None:
            self._watch.lift()
        if self._response.content.at_eof() and (self._upload is None or self._upload.sent):
            self._response.release()
        else:
            self._response.close()


class Transport:
    """The pooled session of one provider. Made inside a running loop; close it there.

    ca_file: PEM certificates to trust instead of the system's. verify_tls: whether certificates are
    checked at all. proxy: an HTTP proxy to go through. name: what errors call the provider, as clients must
    not learn addresses of our network.
    """

    def __init__(
        self,
        pool: Pool | None = None,
        *,
        ca_file: str | None = None,
        verify_tls: bool = True,
        proxy: str | None = None,
        deadlines: Deadlines | None = None,
        name: str = "The provider",
    ) -> None:
        self._name = name
        pool = pool or Pool()
        tls: ssl.SSLContext | bool = verify_tls
        if ca_file is not None and verify_tls:
            tls = ssl.create_default_context(cafile=ca_file)
        self._proxy = proxy
        self._deadlines = deadlines or Deadlines(asyncio.get_running_loop())
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=pool.size, keepalive_timeout=pool.keep_alive, ssl=tls),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None),
            trust_env=False,
        )
        self._limits: dict[float | None, aiohttp.ClientTimeout] = {}

    async def send(
        self,
        method: str,
        url: URL,
        headers: CIMultiDict[str],
        body: bytes | Pieces | Flow | None,
        timers: Timers,
    ) -> Answer:
        """Call a configured provider. Raises RequestFailed; the caller closes the answer.

        headers: complete. aiohttp adds what is missing of accept, accept-encoding and user-agent. body: one
        in pieces is not joined, and the first byte is waited for anew with each that the provider takes.
        """
        name = self._name
        limits = self._limits.get(timers.connect)
        if limits is None:
            limits = aiohttp.ClientTimeout(total=None, sock_connect=timers.connect)
            self._limits[timers.connect] = limits
        upload: _Upload | _Stream | None = None
        try:
            with self._deadlines.within(timers.first_byte) as deadline:
                if isinstance(body, Pieces):
                    upload = _Upload(body, deadline, timers.first_byte)
                elif isinstance(body, Flow):
                    upload = _Stream(body, deadline, timers.first_byte)
                response = await self._session.request(
                    method,
                    url,
                    data=upload or body,
                    headers=headers,
                    allow_redirects=False,
                    timeout=limits,
                    proxy=self._proxy,
                )
        except aiohttp.ConnectionTimeoutError:
            raise failed(
                "timeout", f"No connection to {name} within {timers.connect:g} s.", "connect_timeout"
            ) from None
        except TimeoutError:
            raise failed(
                "timeout", f"{name} sent nothing within {timers.first_byte:g} s.", "first_byte_timeout"
            ) from None
        except aiohttp.ClientConnectorError as error:
            raise failed(
                "unavailable", f"{name} was not reached: {reason(error)}", "connect_failed"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise _broken(name, error) from error
        finally:
            if upload is not None:
                upload.deadline = None
        if response.status in _REDIRECTS:
            response.close()
            raise failed(
                "upstream", f"{name} answers with a redirect; correct its base_url.", "upstream_redirected"
            )
        return Answer(response, name, timers, self._deadlines, upload)

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()


def _idle(name: str, timers: Timers) -> RequestFailed:
    return failed("timeout", f"{name} fell silent for {timers.idle:g} s.", "idle_timeout")


def _broken(name: str, error: Exception) -> RequestFailed:
    return failed("upstream", f"The connection to {name} broke: {reason(error)}", "connection_broken")


def reason(error: Any) -> str:
    """Why a connection failed, in words, without addresses of our own network."""
    cause = getattr(error, "os_error", None) or error.__cause__ or error
    number = getattr(cause, "errno", None) or 0
    if number > 0 and not isinstance(cause, ssl.SSLError):  # whose numbers are no system's
        return os.strerror(number)  # asyncio's own text names the address
    return str(getattr(cause, "strerror", None) or type(cause).__name__)
