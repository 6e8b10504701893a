"""The ASGI application: finds a request's endpoint, checks its key, reads its body, runs the handler.

Errors have the form that the endpoint states, usually that of its protocol. If the server does not run the
lifespan (the application is mounted in another one), the gateway starts with its first request.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Mapping, Sequence
from contextlib import aclosing, suppress
from functools import partial
from typing import Any, Final
from urllib.parse import parse_qsl

import msgspec

from dragoman import ir
from dragoman.accounts.caller import ANYONE, Caller, Scope
from dragoman.assembly.core import Core
from dragoman.assembly.keys import needs_key
from dragoman.capacity.space import Share, Space
from dragoman.dialects.table import DEFAULT
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange, KeptBodies
from dragoman.ir.fault import INTERNAL, STOPPING
from dragoman.seams.clock import SYSTEM
from dragoman.server.admin import access
from dragoman.server.admin.api import AdminApi
from dragoman.server.bodies import (
    Pace,
    body_parts,
    stated_codings,
    stated_size,
    too_large,
    unpacked,
)
from dragoman.server.channel import AsgiChannel, Channel
from dragoman.server.client import ClientGone, HttpClient
from dragoman.server.connections import Connections
from dragoman.server.copying import Copying
from dragoman.server.endpoint import Bodies, Door, Endpoint, Handler, HttpRequest
from dragoman.server.faces import PathTable
from dragoman.server.faults import CROWDED, FULL, OVERLOADED, ErrorAnswer, error_answer
from dragoman.server.forms import NO_ROOM_BESIDE_OTHERS, Upload
from dragoman.server.head import Again, Head
from dragoman.server.identity import described
from dragoman.server.link import EXTENSION, AsgiScope, Link, Receive, Send, is_overdue
from dragoman.server.origins import Origins
from dragoman.server.websocket import Sockets, without_upgrade
from dragoman.upstreams import hops
from dragoman.wire.header import header_value
from dragoman.wire.headers import HeaderMap
from dragoman.wire.json import FIRST_MEASURED, Measured, measured

log = logging.getLogger("dragoman.server")
_SMALL = 4_000
"""A complete, uncompressed JSON body of at most this many bytes is not counted in the shared memory."""
_OPERATORS = 64  # the most open connections at each door for operators
_OF_OPERATORS: Final[frozenset[Scope]] = frozenset({"admin"})
_REQUEST_ID = re.compile(r"[\x21-\x7e]{1,128}\Z")


class App:
    """The ASGI application at one door of a gateway. door: "public" (the clients' port), "admin" (the
    operator's port) or "socket" (the Unix socket). admin: the API for administration, shared by the
    applications at all doors of a gateway; None = a new one.
    """

    def __init__(self, gateway: Core, door: Door = "public", admin: AdminApi | None = None) -> None:
        self.gateway = self._gateway = gateway
        self.door: Final[Door] = door
        self.admin = admin or AdminApi(gateway)
        self._bodies = Space(gateway.config.server.body_space, CROWDED)
        served = gateway.config.server
        if door != "public":  # so that operators come in while the clients' port is full
            served = msgspec.structs.replace(served, max_connections=_OPERATORS)
        self.connections = Connections(served, gateway.bounds.reached, self._bodies)
        """The connections of our own HTTP server (`server.http`); empty under another ASGI server."""
        self._settings = gateway.config.server
        self._most = self._settings.max_requests
        self._small = min(_SMALL, self._settings.max_body)
        self._space = Space(self._settings.upload_space, NO_ROOM_BESIDE_OTHERS)
        self._seams = gateway.seams
        self._stamped = gateway.seams.monotonic is SYSTEM.monotonic
        """Whether this gateway uses the clock by which `server.http` notes when a request came in."""
        self._finished = gateway.finished
        self._paths = PathTable(gateway, door, self.admin)
        if gateway.metrics is not None:
            gateway.metrics.serve(self._paths.templates)
        self._origins = Origins(self._settings.cors_origins, keyed=needs_key(gateway.config))
        self._own_pages = Origins(None, keyed=False)
        """For `_keyless`: admits pages of this machine and of apps, and requests without the header Origin.
        """
        self._sockets = Sockets(gateway, self._paths, self._origins)
        gateway.renewed.append(self._renew)

    def _renew(self) -> None:
        self._origins.renew(keyed=needs_key(self._gateway.config))

    async def __call__(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "http":
            await self._over_asgi(scope, receive, send)
        elif scope["type"] == "websocket":
            await self._sockets.serve(scope, receive, send)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            if (await receive())["type"] == "lifespan.startup":
                with suppress(RequestFailed):  # closed while it started: the server ends next
                    await self._gateway.start()
                await send({"type": "lifespan.startup.complete"})
            else:
                await self._gateway.drain()
                await self._gateway.close()
                await send({"type": "lifespan.shutdown.complete"})
                return

    async def _over_asgi(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        link = (scope.get("extensions") or {}).get(EXTENSION) or Link(self._seams.monotonic())
        link.task = asyncio.current_task()
        search, peer = scope.get("query_string", b""), scope.get("client")
        raw, root = scope.get("raw_path") or b"", scope.get("root_path", "")
        head = self.read(
            scope["method"],
            scope["path"],
            raw,
            search,
            scope["headers"],
            root=root,
            version=scope.get("http_version", "1.1"),
            peer=peer,
        )
        foreign = EXTENSION not in (scope.get("extensions") or ())
        await self.serve(Arrival(head, head.headers, receive, link, foreign=foreign), AsgiChannel(send, link))

    def read(
        self,
        method: str,
        path: str,
        raw: bytes,
        search: bytes,
        fields: Sequence[tuple[bytes, bytes]],
        *,
        root: str = "",
        version: str = "1.1",
        peer: Sequence[Any] | None = None,
    ) -> Head:
        """Return the Head of a request. path: decoded, perhaps with the client's key in it; raw: the same,
        percent-encoded, b"" = not known. search: the query string. fields: the headers as (name, value), with
        lower-case names. root: where the application is mounted, "" = at the root. version: of HTTP. peer:
        the client's address and port, None = not known.
        """
        headers = HeaderMap(fields)
        path, key = self._paths.unlocked(path, raw, root)
        endpoint, params = self._paths.find(path, root)
        face = self._paths.face(endpoint, headers)
        stated = headers.get("x-request-id")
        forwarded, agent = described(headers)
        return Head(
            method,
            path,
            key,
            search.decode("latin-1"),
            headers,
            fields,
            version,
            peer,
            endpoint,
            params,
            face.name,
            face.headers.id,
            self._paths.named(endpoint, path),
            self._origins.headers(headers.get("origin")),
            stated if stated is not None and _REQUEST_ID.match(stated) else None,
            forwarded,
            agent,
            "content-encoding" not in headers,
            raw=raw,
        )

    async def serve(self, arrival: Arrival, channel: Channel) -> None:
        """Answer one request, then log and count its exchange. Must run in the task `arrival.link.task`.
        Failures are sent, not raised. Raises CancelledError if the server cancels the task, unless the client
        has disconnected, the gateway is closed, or the time for its stop is over.
        """
        head, link = arrival.head, arrival.link
        gateway, task = self._gateway, link.task
        assert task is not None
        exchange = self._exchange(head, link.began)
        if self._finished.body and not _administers(head):
            exchange.bodies = KeptBodies(self._finished.body)
            channel = Copying(channel, exchange.bodies)
        client = HttpClient(channel, exchange, self._seams.monotonic, head.cors, head.id_header)
        share = Share(self._bodies)
        gateway.requests.add(task)
        gateway.exchanges.add(exchange)
        link.running = True
        try:
            try:
                if link.lost:
                    raise ClientGone("before its request was looked at")
                if len(gateway.requests) > self._most and _is_shed(head):
                    raise RequestFailed(OVERLOADED)
                if head.method == "OPTIONS":
                    wanted = head.headers.get("access-control-request-headers", "*")
                    await client.empty(204, self._origins.preflight(head.headers.get("origin"), wanted))
                else:
                    await (
                        self._handled_again(arrival, exchange, client, share)
                        or self._handle(arrival, exchange, client, share)
                    )
            except RequestFailed as failed:
                await self._fail(failed, head.endpoint, exchange, client)
            except ClientGone:
                raise
            except Exception:
                log.exception("exchange %s failed", exchange.id)
                await self._fail(RequestFailed(INTERNAL), head.endpoint, exchange, client)
        except asyncio.CancelledError as stopped:
            if not link.lost:
                await self._fail(RequestFailed(STOPPING), head.endpoint, exchange, client)
                if not (gateway.closed or is_overdue(stopped)):
                    raise
        except ClientGone:
            link.lost = True
        finally:
            share.free()
            gateway.requests.discard(task)
            client.close()
            link.close()
            exchange.close(self._seams.monotonic(), gone=link.lost)
            gateway.observe(exchange)

    def _handled_again(
        self, arrival: Arrival, exchange: Exchange, client: HttpClient, share: Share
    ) -> Awaitable[None] | None:
        """Return the handler's awaitable for a small JSON body that has come in already, after a head that
        was checked for an earlier request (`Head.again`). None = `_handle` must check the request, for
        example because the gateway's keys have changed since.
        """
        head, body = arrival.head, arrival.link.body
        if head.again is None or body is None or len(body) > self._small:
            return None
        keys, caller, handler, query = head.again
        if keys is not self._gateway.admitting:
            return None
        arrival.link.body = None
        if exchange.bodies is not None:
            exchange.bodies.asked(body)
        exchange.called_by(caller)
        exchange.phase = "decode"
        if arrival.foreign:
            arrival.link.watch(arrival.receive)
        request = HttpRequest(
            body,
            arrival.headers,
            head.params,
            caller,
            query,
            None,
            head.search,
            None,
            share,
            0,
            head.wishes,
        )
        return handler.run(request, exchange, client)

    async def _handle(self, arrival: Arrival, exchange: Exchange, client: HttpClient, share: Share) -> None:
        """Check the key, read the body as the handler wants it, run the handler. Raises RequestFailed,
        ClientGone.
        """
        head, headers = arrival.head, arrival.headers
        if (query := head.query) is None:
            query = head.query = _query(head.search)
        if head.method == "GET" and (fault := without_upgrade(head.endpoint, headers)) is not None:
            exchange.phase = "url"  # before the key: a page has it in a WebSocket header
            raise RequestFailed(fault)
        exchange.phase = "auth"
        if not self._gateway.started:
            await self._gateway.start()
        caller = self._admit(head, query, exchange)
        exchange.phase = "url"
        if (handler := head.handler) is None:
            handler = head.handler = self._paths.handler(head.endpoint, head.method, exchange.path)
        body, weight, parts = b"", 0, None
        if handler.takes_body == "parts":
            if not self._origins.admits(headers.get("origin")):
                raise RequestFailed(_FOREIGN_FORM)
            parts = self._parts(arrival)
        elif handler.takes_body:
            if (form := head.form) is None:
                form = head.form = _sends_form(headers, handler.takes_body, self._origins)
            if form:
                request = HttpRequest(b"", headers, head.params, caller, query)
                await self._serve_form(arrival, handler, request, exchange, client, share=share)
                return
            exchange.phase = "body"
            body, weight = await self._body(arrival, exchange, share)
            _note_body(exchange, body)
            exchange.phase = "decode"
            if head.plain and head.admission is not None:
                head.again = Again(*head.admission, handler, query)
        request = HttpRequest(
            body,
            headers,
            head.params,
            caller,
            query,
            search=head.search,
            parts=parts,
            room=share,
            reading=weight,
            wishes=head.wishes,
            raw=head.raw,
        )
        if parts is None and arrival.foreign:
            arrival.link.watch(arrival.receive)
        await handler.run(request, exchange, client)

    async def _serve_form(
        self,
        arrival: Arrival,
        handler: Handler,
        request: HttpRequest,
        exchange: Exchange,
        client: HttpClient,
        *,
        share: Share,
    ) -> None:
        """Read a form, and run the handler with a copy of `request` that has its fields. Raises RequestFailed
        (also for a web page that may not send forms), and ClientGone. share: for the decoders' memory.
        """
        headers = arrival.headers
        if not self._origins.admits(headers.get("origin")):  # browsers send forms without a preflight request
            raise RequestFailed(_FOREIGN_FORM)
        length, limit = headers.get("content-length"), self._settings.max_upload
        stated = stated_size(length)
        packed = self._packed(arrival)
        if packed or (stated is not None and stated > limit):
            stated = None  # the unpacked size is not known; a body over the limit is refused when it is read
        exchange.phase = "body"
        with Upload(headers["content-type"], self._space, stated) as upload:
            since = self._seams.monotonic()
            try:
                if packed:
                    async with aclosing(self._unpacked(arrival, packed, limit, exchange, share)) as pieces:
                        async for piece in pieces:
                            upload.feed(piece)
                else:
                    async for piece in body_parts(arrival.receive, length, limit, self._pace()):
                        upload.feed(piece)
                    exchange.waited += self._seams.monotonic() - since
            except RequestFailed as failed:
                raise upload.named(failed) from failed
            request = msgspec.structs.replace(request, form=upload.form())
            exchange.phase = "decode"
            if arrival.foreign:
                arrival.link.watch(arrival.receive)
            await handler.run(request, exchange, client)

    async def _parts(self, arrival: Arrival) -> AsyncIterator[bytes]:
        """Yield the body piece by piece, not decompressed. Raises RequestFailed (408, 413) and ClientGone."""
        length, limit = arrival.headers.get("content-length"), self._settings.max_upload
        async for part in body_parts(arrival.receive, length, limit, self._pace()):
            yield part
        if arrival.foreign:
            arrival.link.watch(arrival.receive)

    async def _body(self, arrival: Arrival, exchange: Exchange, share: Share) -> tuple[bytes, int]:
        """Return the complete body of a request, decompressed, and its weight: the work of decoding it, as
        the bytes of a body of short values (`wire.json.Measured`). The weight is 0 if the body is shorter
        than `FIRST_MEASURED`. Raises RequestFailed and ClientGone.

        share: is charged with the memory of the body, unless the body is small, not compressed, and has come
        in already; if the body is measured, also with the `extra` memory of its decoded values.
        """
        whole = arrival.link.body
        if whole is not None and len(whole) <= self._small and arrival.head.plain:
            arrival.link.body = None
            return whole, 0
        parts: list[bytes] = []
        limit = self._settings.max_body
        if packed := self._packed(arrival):
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

    def _packed(self, arrival: Arrival) -> tuple[str, ...]:
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
        return Pace(self._gateway.deadlines, patience, self._settings.min_rate)

    async def _fail(
        self, failed: RequestFailed, endpoint: Endpoint | None, exchange: Exchange, client: HttpClient
    ) -> None:
        """Set the error of `exchange`. Send it, unless an answer has begun, which then stays incomplete."""
        exchange.fault = failed.fault
        if client.begun:
            return
        status, headers, body = error_answer(failed.fault, endpoint, exchange)
        await client.answer(status, [*headers, *failed.headers], body)

    def refuse(
        self,
        fault: ir.Fault,
        *,
        method: str,
        target: bytes,
        headers: Sequence[tuple[bytes, bytes]],
        began: float,
    ) -> ErrorAnswer:
        """Return the error answer (status, headers, body) to a request that the HTTP server refuses, and log
        and count the request's exchange. fault: the error. target, headers: what has come in of the URL and
        the headers. began: when the first byte came in, in seconds of the system's monotonic clock.
        """
        path = target.partition(b"?")[0]
        head = self.read(method, path.decode("latin-1"), target, b"", headers)
        endpoint = head.endpoint
        exchange = self._exchange(head, began)
        exchange.fault = fault
        status, named, body = error_answer(fault, endpoint, exchange)
        exchange.status = status
        exchange.close(self._seams.monotonic())
        self._gateway.observe(exchange)
        if not any(name == b"x-request-id" for name, _ in named):  # some protocols' errors set it themselves
            named = [*named, (b"x-request-id", exchange.request_id.encode("latin-1"))]
        return status, named, body

    def full(self) -> ErrorAnswer:
        """Return the error answer (503) to a new connection above the connection limit."""
        status, extra, body = DEFAULT.errors.encode(FULL, "")
        return status, [(name.encode(), header_value(value)) for name, value in extra.items()], body

    def _admit(self, head: Head, query: Mapping[str, str], exchange: Exchange) -> Caller:
        """Return the caller of a request, and store its name in `exchange`. At the Unix socket it is the
        operator; at a public endpoint ANYONE, whose name is not stored; else the owner of the client key, or
        the caller who needs no key. Raises RequestFailed: the key is missing, not valid (any more), ambiguous
        (two headers differ) or may not use this endpoint; no key is needed, but the Host header names another
        machine; or the request has passed too many gateways.
        """
        endpoint, headers, keys = head.endpoint, head.headers, self._gateway.client_keys
        if self.door == "socket":
            return _operator(head, exchange)
        if head.admission is not None and head.admission[0] is keys:
            caller = head.admission[1]
            exchange.called_by(caller)
            return caller
        if endpoint is not None and endpoint.public:
            return ANYONE
        if (doubt := keys.contradicted(headers, head.fields)) is not None:
            raise RequestFailed(doubt)
        key = query.get("key") if endpoint is not None and endpoint.face.keys.in_query else None
        found = keys.authenticate(headers, key, head.key)
        if isinstance(found, ir.Fault) and endpoint is not None:
            found = self._keyless(head, endpoint) or found
        if isinstance(found, ir.Fault):
            raise RequestFailed(found)
        exchange.called_by(found)
        if endpoint is not None and (barred := access.barred(found, endpoint, head)) is not None:
            raise RequestFailed(barred)
        stated = headers.get(hops.HEADER)
        if stated is not None and (loop := hops.arrived(stated)) is not None:
            raise RequestFailed(loop)
        if stated is None and found.expires is None:  # else what holds now may not for the next request
            head.admission = (keys, found)
        return found

    def _keyless(self, head: Head, endpoint: Endpoint) -> Caller | None:
        """Return the caller of a request without a key, if the setting `keyless_faces` admits the request.
        None = it does not, for example because a key is in the path or a header, the endpoint has another
        protocol, or the request comes from another machine, a proxy (HTTP/1.0: nginx), a foreign page or a
        Unix socket.
        """
        if head.key is not None or not head.peer or head.version == "1.0":
            return None
        if not self._own_pages.admits(head.headers.get("origin")):
            return None
        return self._gateway.client_keys.keyless(endpoint.face.name, head.headers, head.peer[0])

    def _exchange(self, head: Head, began: float) -> Exchange:
        seams = self._seams
        id_ = seams.random_id()
        return Exchange(
            f"ex_{id_}",
            head.request_id or f"req_{id_}",
            head.face,
            head.method,
            head.named,
            began if self._stamped else seams.monotonic(),
            seams.now(),
            None,
            head.peer[0] if head.peer else None,
            head.forwarded,
            head.agent,
        )


def _administers(head: Head) -> bool:
    """Whether the endpoint has the scope `admin`. Its bodies may hold keys, so no trace stores them."""
    return head.endpoint is not None and head.endpoint.scope == "admin"


def _is_shed(head: Head) -> bool:
    """Whether the request is refused while too many run: any POST is, except at endpoints for `admin`."""
    endpoint = head.endpoint
    return head.method == "POST" and (endpoint is None or endpoint.scope != "admin")


def _operator(head: Head, exchange: Exchange) -> Caller:
    """Return the caller at the Unix socket, named "uid 1000" or "operator". Sets `exchange.client`."""
    exchange.client = head.peer[0] if head.peer else "operator"
    return Caller(exchange.client, scopes=_OF_OPERATORS)


def _note_body(exchange: Exchange, body: bytes) -> None:
    if exchange.bodies is not None:
        exchange.bodies.asked(body)


def _joined(parts: list[bytes], max_values: int) -> tuple[bytes, Measured]:
    """Return the joined `parts` and what `measured` returns for them. Empties the list, to free memory."""
    body = b"".join(parts)
    parts.clear()
    return body, measured(body, max_values)


class Arrival(msgspec.Struct, frozen=True):
    """One request as it comes in. head: may be that of an earlier request on this connection; then only
    content-length differs. headers: those of this request. receive: ASGI's, for the body. link: the
    connection. foreign: True = another ASGI server runs the application, so `link` does not learn of a
    disconnect by itself.
    """

    head: Head
    headers: HeaderMap
    receive: Receive
    link: Link
    foreign: bool = False


def _sends_form(headers: HeaderMap, takes: Bodies, origins: Origins) -> bool:
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
_FOREIGN_FORM: Final = ir.Fault(
    "permission",
    "Web pages of this origin may not send forms to this gateway; see the setting server.cors_origins.",
    "origin_not_allowed",
)


def _query(stated: str) -> dict[str, str]:
    """Return the fields of a query; of a repeated field the last value. Raises RequestFailed (too many)."""
    if not stated:
        return {}
    if stated.count("&") >= _QUERY_FIELDS:
        raise RequestFailed(_MANY_QUERY_FIELDS)
    return dict(parse_qsl(stated, keep_blank_values=True))


_QUERY_FIELDS: Final = 256  # the most fields of a query, which is parsed before the key is checked
_MANY_QUERY_FIELDS: Final = ir.Fault(
    "invalid_request", f"The query has more than {_QUERY_FIELDS} fields.", "too_many_query_fields"
)
