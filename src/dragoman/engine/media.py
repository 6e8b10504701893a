"""Fetches media of one exchange by URL: a request's for its provider, an answer's for its client."""

from __future__ import annotations

from typing import TypeVar

import msgspec

from dragoman import ir
from dragoman.dialects.operation import Reading
from dragoman.engine.asked import Asked
from dragoman.engine.places import located
from dragoman.errors import RequestFailed
from dragoman.net.fetch import Claim, Fetcher, to_fetch
from dragoman.upstreams.backend import Backend

_T = TypeVar("_T")


class Media(msgspec.Struct, eq=False):
    """Fetches media for one exchange, and counts their bytes. client: the name of the client's key."""

    _fetcher: Fetcher
    _client: str
    _held: Claim | None = None

    async def inline(self, asked: Asked, backend: Backend) -> ir.Request:
        """The request with the bytes of all media whose URL the upstream does not read. Custom code gets all
        URLs as they are. The bytes are kept in `asked.said.fetched`, so that the next attempt fetches only
        what it needs beyond them; an attempt that needs none of them drops them. Raises RequestFailed.
        """
        request: ir.Request = asked.request
        if backend.dialect is None:
            asked.said.fetched = None
            return request
        reads = backend.dialect.abilities.reads
        if reads is None and backend.quirks.media_urls:
            if backend.dialect is asked.face:
                asked.said.fetched = None
                return request
            reads = _is_address
        if asked.said.fetched is None:
            if not to_fetch(request, reads):
                return request
            asked.said.fetched = {}
        try:
            return await self._fetcher.inline(request, reads, self._claim, asked.said.fetched)
        except RequestFailed as failed:
            raise RequestFailed(located(asked, failed.fault)) from failed

    def forget(self, asked: Asked, *, needed: bool) -> None:
        """Note that another attempt begins. needed: False = it is relayed: the fetched media are freed."""
        if not needed:
            asked.said.fetched = None

    async def read(self, asked: Asked, reading: Reading[_T] | None, value: _T) -> _T:
        """`value` (a request that is not a chat) with its media fetched. reading: which media to fetch, and
        how to put them into the value; None = none. Raises RequestFailed.
        """
        if reading is None or not reading.media:
            return value
        try:
            return reading.fill(await self._fetcher.read(reading.media, self._claim))
        except RequestFailed as failed:
            raise RequestFailed(located(asked, failed.fault)) from failed

    async def try_read(self, reading: Reading[_T] | None, value: _T) -> _T:
        """`value` (an answer) with its media fetched; media that cannot be fetched keep their URL."""
        if reading is None or not reading.media:
            return value
        return reading.fill(await self._fetcher.try_read(reading.media, self._claim))

    @property
    def _claim(self) -> Claim:
        if self._held is None:
            self._held = self._fetcher.claim(self._client)
        return self._held

    def close(self) -> None:
        """Stop counting the fetched bytes: the exchange has ended."""
        if self._held is not None:
            self._held.close()


def _is_address(media: ir.Media) -> bool:
    """Whether a server may be able to read the medium as it is: it has no URL, or one that begins with
    `http`, `https` or `data`.
    """
    return media.url is None or media.url.startswith(("http://", "https://", "data:"))
