"""Downloads media that one exchange names by URL: those of its request for the provider, those of its answer
for the client.
"""

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
    """Downloads media for one exchange. The downloaded bytes count against the fetcher's bounds on memory
    until `close`. client: the name of the client's key, "" = none; the bounds limit each client separately,
    too.
    """

    _fetcher: Fetcher
    _client: str
    _held: Claim | None = None

    async def inline(self, asked: Asked, backend: Backend) -> ir.Request:
        """Return the chat request with the bytes of all media whose URL the upstream does not read. An
        upstream that takes requests in the IR (a custom one, for example) gets all URLs as they are. The
        bytes stay in `asked.said.fetched` for the next attempt, as a rule. Raises RequestFailed if a download
        fails, or if the request cannot be decoded.
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
        """Free the downloaded media of the chat request, unless the attempt that begins now needs them. They
        count against the bounds until `close` all the same. needed: False = the attempt relays the request.
        """
        if not needed:
            asked.said.fetched = None

    async def read(self, asked: Asked, reading: Reading[_T] | None, value: _T) -> _T:
        """Return the request `value`, for an operation other than chat, with its media downloaded. reading:
        which media, and how to put them into the value; None = there is nothing to download, and `value` is
        returned. Raises RequestFailed if a download fails.
        """
        if reading is None or not reading.media:
            return value
        try:
            return reading.fill(await self._fetcher.read(reading.media, self._claim))
        except RequestFailed as failed:
            raise RequestFailed(located(asked, failed.fault)) from failed

    async def try_read(self, reading: Reading[_T] | None, value: _T) -> _T:
        """Return the answer `value` with its media downloaded. A medium that cannot be downloaded keeps its
        URL. reading: which media, and how to put them into the value; None = there are none, and `value` is
        returned.
        """
        if reading is None or not reading.media:
            return value
        return reading.fill(await self._fetcher.try_read(reading.media, self._claim))

    @property
    def _claim(self) -> Claim:
        if self._held is None:
            self._held = self._fetcher.claim(self._client)
        return self._held

    def close(self) -> None:
        """Stop counting the downloaded bytes. Called when the exchange has ended. May be called twice."""
        if self._held is not None:
            self._held.close()


def _is_address(media: ir.Media) -> bool:
    """Whether a server may be able to read the medium as it is: it has no URL, or a URL that begins with
    `http://`, `https://` or `data:`.
    """
    return media.url is None or media.url.startswith(("http://", "https://", "data:"))
