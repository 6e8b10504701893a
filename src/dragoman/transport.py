"""HTTP to the outside: one pooled session per egress policy, over aiohttp.

`send` is for calls to configured providers: never redirected, no cookies, identity encoding. `fetch` is
for what a request names: guarded addresses on every hop, bounded size. Every failure is a
`RequestFailed` whose fault says which timer or which step it was; nothing of aiohttp leaves here.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Mapping
from typing import Any, Protocol

import aiohttp
import msgspec
from aiohttp import hdrs
from multidict import CIMultiDict
from yarl import URL

from dragoman import ir
from dragoman.egress import EgressRefused, GuardedResolver
from dragoman.errors import RequestFailed
from dragoman.routing.route import Timers

_SKIP_HEADERS = (hdrs.USER_AGENT, hdrs.ACCEPT, hdrs.ACCEPT_ENCODING, hdrs.CONTENT_TYPE)
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HOPS = 3


class Pool(msgspec.Struct, frozen=True):
    """Connections to one origin. size: at most so many at once; keep_alive: idle seconds before closing."""

    size: int = 1000
    keep_alive: float = 60.0


class Body(Protocol):
    """The answer to a call: status and headers are there, the body comes as it is read."""

    status: int
    headers: Mapping[str, str]

    async def read(self) -> bytes:
        """The whole body."""
        ...

    async def chunk(self) -> bytes:
        """What has arrived since the last read, b"" at the end. Reading slowly slows the upstream."""
        ...

    def close(self) -> None:
        """End the call now. A connection whose answer was read to its end goes back to the pool."""
        ...


def failed(kind: ir.Kind, message: str, code: str) -> RequestFailed:
    """A fault of the way to the upstream."""
    return RequestFailed(ir.Fault(kind, message, code=code, blame="upstream"))


class Answer:
    """An aiohttp response with our timers."""

    __slots__ = (
        "_expired",
        "_loop",
        "_origin",
        "_read_at",
        "_response",
        "_timers",
        "_watch",
        "headers",
        "status",
    )

    def __init__(
        self, response: aiohttp.ClientResponse, timers: Timers, loop: asyncio.AbstractEventLoop
    ) -> None:
        self._response = response
        self._origin = response.url.host or "upstream"
        self._timers = timers
        self._loop = loop
        self._watch: asyncio.TimerHandle | None = None
        self._read_at = 0.0
        self._expired = False
        self.status = response.status
        self.headers: Mapping[str, str] = response.headers

    async def read(self) -> bytes:
        try:
            async with asyncio.timeout(self._timers.idle):
                return await self._response.read()
        except TimeoutError:
            raise _idle(self._origin, self._timers) from None
        except (aiohttp.ClientError, OSError) as error:
            raise _broken(self._origin, error) from error

    async def chunk(self) -> bytes:
        if self._watch is None and self._timers.idle is not None:
            self._read_at = self._loop.time()
            self._watch = self._loop.call_at(self._read_at + self._timers.idle, self._check)
        try:
            data = await self._response.content.readany()
        except (aiohttp.ClientError, OSError) as error:
            if self._expired:
                raise _idle(self._origin, self._timers) from None
            raise _broken(self._origin, error) from error
        self._read_at = self._loop.time()
        return data

    def _check(self) -> None:
        """One timer per stream, set again only when it fires: a read costs a clock call, not a timer."""
        due = self._read_at + (self._timers.idle or 0.0)
        if due > self._loop.time():
            self._watch = self._loop.call_at(due, self._check)
        else:
            self._expired = True
            self._response.close()

    def close(self) -> None:
        if self._watch is not None:
            self._watch.cancel()
        if self._response.content.at_eof():
            self._response.release()
        else:
            self._response.close()


class Transport:
    """The pooled sessions of one gateway. Made inside a running loop; close it there."""

    def __init__(
        self, pool: Pool | None = None, *, allow: tuple[str, ...] = (), ca_file: str | None = None
    ) -> None:
        self._pool = pool or Pool()
        self._allow = allow
        self._tls: ssl.SSLContext | bool = ssl.create_default_context(cafile=ca_file) if ca_file else True
        self._loop = asyncio.get_running_loop()
        self._session = self._open(None)
        self._guarded: aiohttp.ClientSession | None = None
        self._guard = GuardedResolver(allow)

    def _open(self, resolver: GuardedResolver | None) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=0,
            limit_per_host=self._pool.size,
            keepalive_timeout=self._pool.keep_alive,
            resolver=resolver,
            ssl=self._tls,
            ttl_dns_cache=30 if resolver is None else None,
            use_dns_cache=resolver is None,
        )
        return aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=_SKIP_HEADERS,
            timeout=aiohttp.ClientTimeout(total=None, sock_connect=None, sock_read=None),
            trust_env=False,
            raise_for_status=False,
        )

    async def send(
        self,
        method: str,
        url: URL,
        headers: CIMultiDict[str],
        body: bytes | None,
        timers: Timers,
        *,
        proxy: str | None = None,
    ) -> Answer:
        """Call a configured provider. Raises RequestFailed; the caller closes the answer."""
        host = url.host or "upstream"
        limits = aiohttp.ClientTimeout(total=None, sock_connect=timers.connect)
        try:
            async with asyncio.timeout(timers.first_byte):
                response = await self._session.request(
                    method,
                    url,
                    data=body,
                    headers=headers,
                    allow_redirects=False,
                    timeout=limits,
                    proxy=proxy,
                )
        except aiohttp.ConnectionTimeoutError:
            raise failed(
                "timeout", f"No connection to {host} within {timers.connect:g} s.", "connect_timeout"
            ) from None
        except TimeoutError:
            raise failed(
                "timeout", f"{host} sent nothing within {timers.first_byte:g} s.", "first_byte_timeout"
            ) from None
        except aiohttp.ClientConnectorError as error:
            raise failed(
                "unavailable", f"{host} was not reached: {_plain(error)}", "connect_failed"
            ) from error
        except (aiohttp.ClientError, OSError) as error:
            raise _broken(host, error) from error
        if response.status in _REDIRECTS:
            response.close()
            raise failed(
                "upstream", f"{host} answers with a redirect; correct its base_url.", "upstream_redirected"
            )
        return Answer(response, timers, self._loop)

    async def fetch(self, address: str, *, limit: int, timers: Timers) -> tuple[bytes, str | None]:
        """What an address that a request names holds, at most `limit` bytes, and its content type.

        Only http and https, only global unicast addresses (and what the operator allowed), on every hop.
        """
        if self._guarded is None:
            self._guarded = self._open(self._guard)
        url = URL(address)
        for _ in range(_HOPS + 1):
            self._permit(url)
            try:
                async with (
                    asyncio.timeout(timers.first_byte),
                    self._guarded.get(url, allow_redirects=False) as response,
                ):
                    if response.status in _REDIRECTS and (location := response.headers.get(hdrs.LOCATION)):
                        url = url.join(URL(location))
                        continue
                    return await _bounded(response, limit), response.headers.get(hdrs.CONTENT_TYPE)
            except TimeoutError:
                raise _unfetched("did not answer in time") from None
            except aiohttp.ClientError as error:
                if isinstance(error.__cause__, EgressRefused):
                    raise _unfetched("is not a public address") from None
                raise _unfetched("could not be read") from error
            except EgressRefused:
                raise _unfetched("is not a public address") from None
        raise _unfetched("redirects too often")

    def _permit(self, url: URL) -> None:
        """A host that is an IP literal never meets the resolver, so it is judged here."""
        host = url.host
        if url.scheme not in ("http", "https") or not host:
            raise _unfetched("is no http or https address")
        try:
            permitted = self._guard.permits(host, host)
        except ValueError:
            return  # a name: the resolver judges it
        if not permitted:
            raise _unfetched("is not a public address")

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
        if self._guarded is not None:
            await self._guarded.close()


async def _bounded(response: aiohttp.ClientResponse, limit: int) -> bytes:
    if response.status != 200:
        raise _unfetched(f"answered with status {response.status}")
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > limit:
            raise _unfetched(f"is larger than {limit} bytes")
    return bytes(data)


def _unfetched(what: str) -> RequestFailed:
    return RequestFailed(
        ir.Fault(
            "invalid_request", f"An address in the request {what}.", code="invalid_image_url", blame="client"
        )
    )


def _idle(host: str, timers: Timers) -> RequestFailed:
    return failed("timeout", f"{host} fell silent for {timers.idle:g} s.", "idle_timeout")


def _broken(host: str, error: Exception) -> RequestFailed:
    return failed("upstream", f"The connection to {host} broke: {_plain(error)}", "connection_broken")


def _plain(error: Any) -> str:
    """The reason in words, without addresses of our own network."""
    cause = getattr(error, "os_error", None) or error.__cause__ or error
    return str(getattr(cause, "strerror", None) or type(cause).__name__)
