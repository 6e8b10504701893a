"""Reads what a request names by URL, for upstreams that take bytes only.

Every address is checked on every hop against the egress policy (`egress`), sizes and hops are bounded,
nothing is cached, and no credential is ever sent.
"""

from __future__ import annotations

import asyncio
import base64
from typing import Any

import aiohttp
import msgspec
from aiohttp import hdrs
from yarl import URL

from dragoman import ir
from dragoman.egress import EgressRefused, GuardedResolver
from dragoman.errors import RequestFailed

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_HOPS = 3
_LIMIT = 20 * 1024 * 1024
_SECONDS = 30.0


class Fetcher:
    """The guarded session of one gateway. allow: hosts and networks that the operator opened to requests."""

    def __init__(self, allow: tuple[str, ...] = ()) -> None:
        self._guard = GuardedResolver(allow)
        self._session: aiohttp.ClientSession | None = None

    async def inline(self, request: ir.Request) -> ir.Request:
        """The request with all media that are named by URL replaced by their bytes. Raises RequestFailed."""
        messages = list(request.messages)
        for place, message in enumerate(messages):
            if any(isinstance(block, ir.Media) and block.url for block in message.blocks):
                blocks = [
                    await self._inlined(block) if isinstance(block, ir.Media) and block.url else block
                    for block in message.blocks
                ]
                messages[place] = msgspec.structs.replace(message, blocks=tuple(blocks))
        return msgspec.structs.replace(request, messages=tuple(messages))

    async def _inlined(self, media: ir.Media) -> ir.Media:
        data, kind = await self.fetch(media.url or "")
        mime = media.mime or (kind or "").partition(";")[0] or None
        return msgspec.structs.replace(media, url=None, data=base64.b64encode(data).decode(), mime=mime)

    async def fetch(self, address: str) -> tuple[bytes, str | None]:
        """What an address holds, at most 20 MiB, and its content type.

        Raises RequestFailed with the caller's fault: no http(s) address, no public address, no answer
        within 30 s, another status than 200, too large, too many redirects.
        """
        try:
            async with asyncio.timeout(_SECONDS):
                return await self._hops(URL(address))
        except TimeoutError:
            raise _unfetched("did not answer in time") from None
        except (aiohttp.ClientError, EgressRefused, ValueError, OSError) as error:
            cause: Any = error if isinstance(error, EgressRefused) else error.__cause__
            if isinstance(cause, EgressRefused):
                raise _unfetched("is not a public address") from None
            raise _unfetched("could not be read") from error

    async def _hops(self, url: URL) -> tuple[bytes, str | None]:
        session = self._open()
        for _ in range(_HOPS + 1):
            self._permit(url)
            async with session.get(url, allow_redirects=False) as response:
                if response.status in _REDIRECTS and (location := response.headers.get(hdrs.LOCATION)):
                    url = url.join(URL(location))
                    continue
                return await _bounded(response), response.headers.get(hdrs.CONTENT_TYPE)
        raise _unfetched("redirects too often")

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector = aiohttp.TCPConnector(resolver=self._guard, use_dns_cache=False, limit=20)
            self._session = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar(), trust_env=False
            )
        return self._session

    def _permit(self, url: URL) -> None:
        """A host that is an IP literal never meets the resolver, so it is judged here."""
        if url.scheme not in {"http", "https"} or not url.host:
            raise _unfetched("is no http or https address")
        try:
            permitted = self._guard.permits(url.host, url.host)
        except ValueError:
            return  # a name: the resolver judges it
        if not permitted:
            raise _unfetched("is not a public address")

    async def close(self) -> None:
        """Close the session."""
        if self._session is not None:
            await self._session.close()


async def _bounded(response: aiohttp.ClientResponse) -> bytes:
    if response.status != 200:
        raise _unfetched(f"answered with status {response.status}")
    data = bytearray()
    async for chunk in response.content.iter_any():
        data += chunk
        if len(data) > _LIMIT:
            raise _unfetched(f"is larger than {_LIMIT} bytes")
    return bytes(data)


def _unfetched(what: str) -> RequestFailed:
    return RequestFailed(
        ir.Fault("invalid_request", f"An address in the request {what}.", code="invalid_image_url")
    )
