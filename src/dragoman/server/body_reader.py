"""Reads the bodies of requests as their handlers want them: whole, piece by piece, or as a form. The limits
of `config.serving` hold for all of them: `max_body` for a whole body, `max_upload` for pieces and forms. The
memory of whole bodies, except small ones, and the disk space of forms are bounded for all requests together.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing
from functools import partial
from typing import Final

from dragoman import ir
from dragoman.assembly.core import Core
from dragoman.capacity.space import Share, Space
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.server.bodies import Pace, body_parts, stated_codings, stated_size, too_large, unpacked
from dragoman.server.endpoint import Bodies
from dragoman.server.forms import NO_ROOM_BESIDE_OTHERS, Upload
from dragoman.server.head import Arrival
from dragoman.server.origins import Origins
from dragoman.wire.headers import HeaderMap
from dragoman.wire.json import FIRST_MEASURED, Measured, measured

_SMALL: Final = 4_000
"""A complete, uncompressed JSON body of at most this many bytes is not counted in the shared memory."""


class BodyReader:
    """Reads the bodies of the requests of one application. small: the most bytes of a body that is not
    counted in the shared memory.
    """

    def __init__(self, gateway: Core) -> None:
        self._gateway = gateway
        self._seams = gateway.seams
        self._settings = gateway.config.server
        self.small = min(_SMALL, self._settings.max_body)
        self._space = Space(self._settings.upload_space, NO_ROOM_BESIDE_OTHERS)

    async def whole(self, arrival: Arrival, exchange: Exchange, share: Share) -> tuple[bytes, int]:
        """Return the complete body of a request, decompressed, and its weight: the work of decoding it, as
        the bytes of a body of short values (`wire.json.Measured`). The weight is 0 if the body is shorter
        than `FIRST_MEASURED`. Raises RequestFailed and ClientGone.

        share: is charged with the memory of the body, unless the body is small, not compressed, and has come
        in already; if the body is measured, also with the `extra` memory of its decoded values.
        """
        whole = arrival.link.body
        if whole is not None and len(whole) <= self.small and arrival.head.plain:
            arrival.link.body = None
            return whole, 0
        parts: list[bytes] = []
        limit = self._settings.max_body
        if packed := self.packed(arrival):
            async with aclosing(self._unpacked(arrival, packed, limit, exchange, share)) as pieces:
                async for piece in pieces:
                    share.take(len(piece))
                    parts.append(piece)
        elif whole is not None:
            arrival.link.body = None
            if len(whole) > limit:
                raise RequestFailed(too_large(limit))
            share.take(len(whole))
            parts.append(whole)
        else:
            length, since = arrival.headers.get("content-length"), self._seams.monotonic()
            async for piece in body_parts(arrival.receive, length, limit, self._pace()):
                share.take(len(piece))
                parts.append(piece)
            exchange.waited += self._seams.monotonic() - since
        size, most = sum(map(len, parts)), self._settings.max_values
        if size < FIRST_MEASURED:
            return b"".join(parts), 0
        run = self._gateway.heavy.run
        body, (extra, weight) = await run(size // 10, exchange.client, _joined, parts, most)
        share.take(extra)
        return body, weight

    async def parts(self, arrival: Arrival) -> AsyncIterator[bytes]:
        """Yield the body piece by piece, not decompressed. Raises RequestFailed (408, 413) and ClientGone."""
        length, limit = arrival.headers.get("content-length"), self._settings.max_upload
        async for part in body_parts(arrival.receive, length, limit, self._pace()):
            yield part
        if arrival.foreign:
            arrival.link.watch(arrival.receive)

    def upload(self, arrival: Arrival, packed: tuple[str, ...]) -> Upload:
        """Return an empty form for the body of a request; close it when its files are not needed any more.
        packed: the body's content codings. Raises RequestFailed: 400 if the content type has no valid
        boundary, 503 if there is no room for the form.
        """
        headers = arrival.headers
        stated = stated_size(headers.get("content-length"))
        if packed or (stated is not None and stated > self._settings.max_upload):
            stated = None  # the unpacked size is not known; a body over the limit is refused when it is read
        return Upload(headers["content-type"], self._space, stated)

    async def fill(
        self, upload: Upload, arrival: Arrival, packed: tuple[str, ...], exchange: Exchange, share: Share
    ) -> None:
        """Read the body of a request into a form. packed: its content codings. Raises RequestFailed, which
        names the field if possible, and ClientGone. share: for the decoders' memory.
        """
        length, limit = arrival.headers.get("content-length"), self._settings.max_upload
        try:
            if packed:
                async with aclosing(self._unpacked(arrival, packed, limit, exchange, share)) as pieces:
                    async for piece in pieces:
                        upload.feed(piece)
            else:
                since = self._seams.monotonic()
                async for piece in body_parts(arrival.receive, length, limit, self._pace()):
                    upload.feed(piece)
                exchange.waited += self._seams.monotonic() - since
        except RequestFailed as failed:
            raise upload.named(failed) from failed

    def packed(self, arrival: Arrival) -> tuple[str, ...]:
        """Return the body's content codings in the order applied; () = none. Raises RequestFailed (415)."""
        if arrival.head.plain:
            return ()
        return stated_codings(arrival.head.fields)

    def _unpacked(
        self, arrival: Arrival, packed: tuple[str, ...], limit: int, exchange: Exchange, share: Share
    ) -> AsyncGenerator[bytes]:
        """Yield the decompressed body of a request, piece by piece: see `bodies.unpacked`. packed: its
        content codings. limit: the most bytes that the compressed body may have, and also the most that the
        decompressed body may have. Raises RequestFailed and ClientGone.
        """
        run = self._gateway.heavy.run

        async def arriving() -> AsyncIterator[bytes]:
            length, now = arrival.headers.get("content-length"), self._seams.monotonic
            since = now()
            async for part in body_parts(arrival.receive, length, limit, self._pace()):
                exchange.waited += now() - since
                yield part
                since = now()

        return unpacked(arriving(), packed, limit, share, lambda size: partial(run, size, exchange.client))

    def _pace(self) -> Pace:
        patience = float(self._settings.body_timeout) or None
        return Pace(self._gateway.running.deadlines, patience, self._settings.min_rate)


def sends_form(headers: HeaderMap, takes: Bodies, origins: Origins) -> bool:
    """Whether the body is a form (multipart/form-data); False = it is read as JSON. takes: the body that the
    handler wants (`endpoint.Bodies`). Raises RequestFailed (415) if the handler does not take the content
    type.

    If `takes` is not "form", JSON is: application/json; any type with +json at its end; `_DEFAULT_TYPES`
    without an Origin header (no web page has sent them); if `takes` is "any" and `origins` admits the origin,
    any type.
    """
    stated = headers.get("content-type")
    kind = stated.partition(";")[0].strip().lower() if stated else ""
    form = kind == "multipart/form-data" and takes in ("form", "either")
    json = takes != "form" and (
        kind == "application/json"
        or kind.endswith("+json")
        or (kind in _DEFAULT_TYPES and "origin" not in headers)
        or (takes == "any" and origins.admits(headers.get("origin")))  # no web page, or an allowed one
    )
    if form or json:
        return form
    named = repr(kind) if kind else "of the body"
    message = f"The content type {named} is not supported; send {_WANTED[takes]}."
    raise RequestFailed(ir.Fault("media_type", message, "unsupported_media_type"))


_DEFAULT_TYPES: Final = frozenset(
    {"", "application/octet-stream", "application/x-www-form-urlencoded", "text/plain"}
)
"""Content types that HTTP clients state if their user has chosen none."""
_WANTED: Final[Mapping[Bodies, str]] = {
    "json": "'content-type: application/json'",
    "any": "'content-type: application/json'",
    "form": "'content-type: multipart/form-data'",
    "either": "'content-type: application/json' or 'content-type: multipart/form-data'",
}


def _joined(parts: list[bytes], max_values: int) -> tuple[bytes, Measured]:
    """Return the joined `parts` and what `measured` returns for them. Empties the list, to free memory."""
    body = b"".join(parts)
    parts.clear()
    return body, measured(body, max_values)
