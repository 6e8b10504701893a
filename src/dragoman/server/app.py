"""The ASGI application: finds a request's endpoint, checks its key, reads its body, runs the handler.

Errors have the form that the endpoint states, usually that of its protocol. If the server does not run the
lifespan (the application is mounted in another one), the gateway starts with the first request whose key it
checks.
"""

from __future__ import annotations

import asyncio
import logging
import re
from collections.abc import Awaitable, Sequence
from contextlib import suppress
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.assembly.core import Core
from dragoman.assembly.keys import needs_key
from dragoman.capacity.space import Share, Space
from dragoman.dialects.table import DEFAULT
from dragoman.errors import ConfigError, RequestFailed
from dragoman.exchange import Exchange, KeptBodies
from dragoman.ir.fault import INTERNAL, STOPPING
from dragoman.seams.clock import SYSTEM
from dragoman.server.admin.api import AdminApi
from dragoman.server.admission import Admission
from dragoman.server.body_reader import BodyReader, sends_form
from dragoman.server.channel import AsgiChannel, Channel
from dragoman.server.client import ClientGone, HttpClient
from dragoman.server.connections import Connections
from dragoman.server.copying import Copying
from dragoman.server.endpoint import Door, Endpoint, Handler, HttpRequest
from dragoman.server.faces import PathTable
from dragoman.server.faults import CROWDED, FULL, OVERLOADED, ErrorAnswer, error_answer
from dragoman.server.head import Again, Arrival, Head, query_of
from dragoman.server.identity import described
from dragoman.server.link import EXTENSION, AsgiScope, Link, Receive, Send, is_overdue
from dragoman.server.origins import Origins
from dragoman.server.websocket import Sockets, without_upgrade
from dragoman.wire.header import header_value
from dragoman.wire.headers import HeaderMap

log = logging.getLogger("dragoman.server")
_OPERATORS = 64  # the most open connections at each door for operators
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
        self.connections = Connections(served, gateway.observers.bounds.reached, self._bodies)
        """The connections of our own HTTP server (`server.http`); empty under another ASGI server."""
        self._settings = gateway.config.server
        self._most = self._settings.max_requests
        self._admission = Admission(gateway, door)
        self._reader = BodyReader(gateway)
        self._seams = gateway.seams
        self._stamped = gateway.seams.monotonic is SYSTEM.monotonic
        """Whether this gateway uses the clock by which `server.http` notes when a request came in."""
        self._finished = gateway.observers.finished
        self._paths = PathTable(gateway, door, self.admin)
        if gateway.observers.metrics is not None:
            gateway.observers.metrics.serve(self._paths.templates)
        self._origins = Origins(self._settings.cors_origins, keyed=needs_key(gateway.config))
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
                try:
                    with suppress(RequestFailed):  # closed while it started: the server ends next
                        await self._gateway.start()
                except ConfigError as error:  # the server logs its text, without a traceback
                    await send({"type": "lifespan.startup.failed", "message": str(error)})
                    return
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
        Failures are not raised, but sent, unless an answer has begun. Raises CancelledError if the task is
        cancelled, unless the client has disconnected, the gateway is closed, or the time for the server's
        stop is over.
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
                    # No frame that waits for the handler refers to the body, so that the engine can free it.
                    await (
                        self._handled_again(arrival, exchange, client, share)
                        or await self._handle(arrival, exchange, client, share)
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
        """Return the handler's awaitable for a small body that has come in already, after a head that was
        checked for an earlier request (`Head.again`). None = `_handle` must serve the request.
        """
        head, body = arrival.head, arrival.link.body
        if head.again is None or body is None or len(body) > self._reader.small:
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

    async def _handle(
        self, arrival: Arrival, exchange: Exchange, client: HttpClient, share: Share
    ) -> Awaitable[None]:
        """Check the key, read the body as the handler wants it, and return the handler's awaitable. Raises
        RequestFailed, ClientGone, and whatever else the handler raises when it is called.
        """
        head, headers = arrival.head, arrival.headers
        if (query := head.query) is None:
            query = head.query = query_of(head.search)
        if head.method == "GET" and (fault := without_upgrade(head.endpoint, headers)) is not None:
            exchange.phase = "url"  # before the key: a page has it in a WebSocket header
            raise RequestFailed(fault)
        exchange.phase = "auth"
        if not self._gateway.started:
            await self._gateway.start()
        caller = self._admission.admit(head, query, exchange)
        exchange.phase = "url"
        if (handler := head.handler) is None:
            handler = head.handler = self._paths.handler(head.endpoint, head.method, exchange.path)
        body, weight, parts = b"", 0, None
        if handler.takes_body == "parts":
            if not self._origins.admits(headers.get("origin")):
                raise RequestFailed(_FOREIGN_FORM)
            parts = self._reader.parts(arrival)
        elif handler.takes_body:
            if (form := head.form) is None:
                form = head.form = sends_form(headers, handler.takes_body, self._origins)
            if form:
                request = HttpRequest(b"", headers, head.params, caller, query)
                return self._serve_form(arrival, handler, request, exchange, client, share=share)
            exchange.phase = "body"
            body, weight = await self._reader.whole(arrival, exchange, share)
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
        return handler.run(request, exchange, client)

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
        if not self._origins.admits(arrival.headers.get("origin")):
            raise RequestFailed(_FOREIGN_FORM)  # browsers send forms without a preflight request
        packed = self._reader.packed(arrival)
        exchange.phase = "body"
        with self._reader.upload(arrival, packed) as upload:
            await self._reader.fill(upload, arrival, packed, exchange, share)
            request = msgspec.structs.replace(request, form=upload.form())
            exchange.phase = "decode"
            if arrival.foreign:
                arrival.link.watch(arrival.receive)
            await handler.run(request, exchange, client)

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
        and count the request's exchange. target, headers: what has come in of the URL and the headers. began:
        when the first byte came in, in seconds of the system's monotonic clock.
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


def _note_body(exchange: Exchange, body: bytes) -> None:
    if exchange.bodies is not None:
        exchange.bodies.asked(body)


_FOREIGN_FORM: Final = ir.Fault(
    "permission",
    "Web pages of this origin may not send forms to this gateway; see the setting server.cors_origins.",
    "origin_not_allowed",
)
