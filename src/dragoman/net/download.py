"""The downloads of `net.fetch` over aiohttp. `net.fetch` imports this module with the first download."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import aiohttp
from yarl import URL

from dragoman.net.connector import Connector
from dragoman.net.egress import GuardedResolver
from dragoman.net.failures import Failure


class Downloads:
    """Gets files. It follows no redirects, and uses no cookies and no proxy. Create and close it within the
    running event loop. guard: looks up all host names, and refuses those that are not allowed.
    """

    def __init__(self, guard: GuardedResolver) -> None:
        self._session = aiohttp.ClientSession(
            connector=Connector(resolver=guard, use_dns_cache=False, limit=0),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(),  # none: one timeout covers all downloads of a request
            trust_env=False,
        )

    @asynccontextmanager
    async def get(self, url: URL) -> AsyncGenerator[aiohttp.ClientResponse, None]:
        """Request a file, and yield the response when its head has come, whatever its status (a context
        manager). Raises Failure for errors of aiohttp, also while the caller reads the body within the
        context; its `__cause__` is the cause of aiohttp's error, or without a cause this error.
        """
        try:
            async with self._session.get(url, allow_redirects=False) as response:
                yield response
        except aiohttp.ClientError as error:
            raise Failure(str(error)) from error.__cause__ or error

    async def close(self) -> None:
        """Close all connections."""
        await self._session.close()
