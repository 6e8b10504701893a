"""WebSockets: one connection, one request after another, each an exchange of its own.

    connect → authenticate, origin, path → accept → (message → engine → messages)* → close

Whoever may not have a socket is answered before it is accepted, over HTTP, in the face's own form. Messages
wait their turn in order, a few of them; then reading stops, and with it the client. A client that leaves
ends what runs for it. A socket ends after an hour, or when the server stops: what runs is finished first.
Neither this module nor what it calls knows what a message means: `server.socket_messages` does.

https://www.rfc-editor.org/rfc/rfc6455, https://asgi.readthedocs.io/en/latest/specs/www.html#websocket
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from dragoman import ir
from dragoman.accounts.keys import Caller
from dragoman.dialects.table import DIALECTS
from dragoman.engine.work import Inbound
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.seams.tasks import spawn
from dragoman.server.endpoint import Endpoint
from dragoman.server.faces import PathTable
from dragoman.server.faults import INTERNAL, STOPPING, UPGRADE_MISSING, standing
from dragoman.server.headers import Headers
from dragoman.server.link import EXTENSION, Link, Receive, Scope, Send
from dragoman.server.origins import Origins
from dragoman.server.socket_client import SocketClient, say_by
from dragoman.server.socket_messages import LANGUAGES, Asked, Language
from dragoman.server.turns import turn_of
from dragoman.server.visitor import note_visitor
from dragoman.turns.turn import Connection
from dragoman.wire.header import header_value

if TYPE_CHECKING:
    from dragoman.assembly.core import Core

log = logging.getLogger("dragoman.server")

LONGEST = 3600.0
"""Seconds that a socket lives, as OpenAI's do; clients expect it and open another one."""
_AHEAD = 8
"""Messages that are read before the first of them is answered."""
_METHOD = "WS"
"""What logs and metrics show in the place of an HTTP method."""
_GOING_AWAY, _POLICY, _RESTART = 1001, 1008, 1012
"""Why a socket is closed (RFC 6455, section 7.4). Official clients open another one, but for the second."""


class _Visitor(NamedTuple):
    """Who has been admitted to a socket, and where."""

    endpoint: Endpoint
    language: Language
    headers: Headers
    caller: Caller
    peer: Sequence[Any] | None
    """Address and port, None for a local socket."""
    key: str | None
    """The key that the handshake offered as a subprotocol."""
    first: str | None
    """The key that the handshake's path begins with."""


def _language(endpoint: Endpoint | None) -> Language | None:
    """What is spoken on a WebSocket at this path; None = the path has none."""
    return None if endpoint is None else LANGUAGES.get(endpoint.template.removeprefix("/v1"))


def without_upgrade(endpoint: Endpoint | None, headers: Headers) -> ir.Fault | None:
    """The fault of a GET that is a WebSocket handshake without its `Upgrade` header; None = anything else."""
    if "sec-websocket-key" not in headers or _language(endpoint) is None:
        return None
    # Of a handshake that is read as a plain GET, our own parser takes `Upgrade` alone; a proxy takes both.
    return None if "upgrade" in headers.get("connection", "").lower() else UPGRADE_MISSING


def _offered_key(subprotocols: Iterable[str]) -> str | None:
    """The key that a page offers as a subprotocol, since it can set no headers; as OpenAI's clients do."""
    return next((name.removeprefix(_KEY) for name in subprotocols if name.startswith(_KEY)), None)


class Sockets:
    """The sockets of one gateway."""

    def __init__(self, gateway: Core, paths: PathTable, origins: Origins) -> None:
        self._gateway = gateway
        self._paths = paths
        self._origins = origins

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one socket from its opening to its end."""
        gateway = self._gateway
        extensions = scope.get("extensions") or {}
        link = extensions.get(EXTENSION) or Link(gateway.seams.monotonic())
        link.task = task = asyncio.current_task()
        assert task is not None
        gateway.requests.add(task)
        try:
            if (await receive())["type"] != "websocket.connect":
                return
            visitor = await self._admit(scope, send)
            if visitor is not None:
                await _Socket(gateway, visitor, link, send).run(receive, scope.get("subprotocols") or ())
        except asyncio.CancelledError:
            if not link.lost:
                await send({"type": "websocket.close", "code": _GOING_AWAY})
                if not gateway.closed:
                    raise
        except OSError:  # so ASGI says that the client has gone (since version 2.4)
            link.lost = True
        finally:
            gateway.requests.discard(task)
            link.end()

    async def _admit(self, scope: Scope, send: Send) -> _Visitor | None:
        """Who may have a socket here; the others are told why not."""
        gateway, headers = self._gateway, Headers(scope["headers"])
        root = scope.get("root_path", "")
        path, key = self._paths.unlocked(scope)
        endpoint, _ = self._paths.find(path, root)
        path = self._paths.named(endpoint, path)
        exchange = _exchange(gateway, self._paths.face(endpoint, headers).name, path)
        note_visitor(exchange, scope.get("client"), headers)
        try:
            exchange.phase = "auth"
            if gateway.draining:
                raise RequestFailed(STOPPING)
            await gateway.start()
            offered = _offered_key(scope.get("subprotocols") or ())
            caller = gateway.client_keys.authenticate(headers, offered, key)
            if isinstance(caller, ir.Fault):
                raise RequestFailed(caller)
            exchange.client = caller.name
            if endpoint is not None and (barred := caller.barred(endpoint.scope)) is not None:
                raise RequestFailed(barred)
            if not self._origins.admits(headers.get("origin")):
                raise RequestFailed(_FOREIGN_ORIGIN)
            exchange.phase = "url"
            language = _language(endpoint)
            if endpoint is None or language is None:
                self._paths.handler(endpoint, _METHOD, path)  # which there is none for
            elif gateway.config.server.websocket:
                return _Visitor(endpoint, language, headers, caller, scope.get("client"), offered, key)
            raise RequestFailed(_SWITCHED_OFF)
        except RequestFailed as failed:
            fault = failed.fault
        except Exception:
            log.exception("exchange %s failed", exchange.id)
            fault = INTERNAL
        await self._refuse(fault, endpoint, exchange, scope, send)
        return None

    async def _refuse(
        self, fault: ir.Fault, endpoint: Endpoint | None, exchange: Exchange, scope: Scope, send: Send
    ) -> None:
        """Answer over HTTP, where the server can (ASGI's extension "websocket.http.response")."""
        status, extra, body = DIALECTS[exchange.face].errors.encode(fault, exchange.request_id)
        exchange.fault, exchange.status = fault, fault.status or status
        try:
            if "websocket.http.response" not in (scope.get("extensions") or ()):
                await send({"type": "websocket.close", "code": _POLICY})
                return
            named = [(name.encode(), header_value(value)) for name, value in extra.items()]
            plain = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
            headers = [*plain, *named, *standing(fault, endpoint)]
            start = {"type": "websocket.http.response.start", "status": exchange.status, "headers": headers}
            await send(start)
            await send({"type": "websocket.http.response.body", "body": body})
        finally:
            exchange.close(self._gateway.seams.monotonic())
            self._gateway.observe(exchange)


class _Socket:
    """One accepted socket."""

    def __init__(self, gateway: Core, visitor: _Visitor, link: Link, send: Send) -> None:
        self._gateway = gateway
        self._visitor = visitor
        self._link = link
        self._send = send
        self._say = link.say or say_by(send)
        self._inbox = _Inbox(gateway.config.server.max_body)
        self._expired = False
        self._connection = Connection(gateway.keeping)

    async def run(self, receive: Receive, subprotocols: list[str] | tuple[()]) -> None:
        """Answer messages until the socket ends."""
        # Clients that offer protocols fail when none is chosen, whichever they are. A key is the last choice.
        chosen = min(subprotocols, key=lambda name: name.startswith(_KEY), default=None)
        await self._send({"type": "websocket.accept", "subprotocol": chosen})
        limit = asyncio.get_running_loop().call_later(LONGEST, self._expire)
        reader = spawn(self._read(receive), "socket")
        self._link.drain = self._inbox.end
        try:
            while (message := await self._next()) is not None:
                await self._answer(message)
                del message
                if self._link.answered is not None:
                    self._link.answered()
            if self._expired:
                await self._tell(_HOUR_IS_OVER)
            code = _GOING_AWAY if self._expired else _RESTART
            await self._send({"type": "websocket.close", "code": code})
        finally:
            limit.cancel()
            reader.cancel()
            self._connection.close()

    async def _next(self) -> str | bytes | None:
        self._link.idle_since = self._gateway.seams.monotonic()
        try:
            return await self._inbox.get()
        finally:
            self._link.idle_since = None

    def _expire(self) -> None:
        self._expired = True
        self._inbox.end()

    async def _read(self, receive: Receive) -> None:
        """Look out for what the client says, all the time: it may leave."""
        while (event := await receive())["type"] == "websocket.receive":
            text = event.get("text")
            await self._inbox.put(event["bytes"] if text is None else text)
        self._link.drop()

    async def _answer(self, message: str | bytes) -> None:
        """One message, as an exchange of its own."""
        gateway, visitor = self._gateway, self._visitor
        exchange = self._exchange()
        asked = (
            visitor.language.read(message, gateway.config.server.max_depth)
            if isinstance(message, str)
            else Asked(fault=_BINARY)
        )
        if asked is None:
            return
        client = self._client(exchange, asked.lane)
        gateway.exchanges.add(exchange)
        try:
            if asked.fault is not None:
                raise RequestFailed(asked.fault)
            await self._ask(asked.body, exchange, client)
        except RequestFailed as failed:
            await self._fail(failed.fault, exchange, client)
        except asyncio.CancelledError:
            if not self._link.lost:
                await self._fail(STOPPING, exchange, client)
            raise
        except Exception:
            log.exception("exchange %s failed", exchange.id)
            await self._fail(INTERNAL, exchange, client)
        finally:
            exchange.close(gateway.seams.monotonic(), gone=self._link.lost)
            gateway.observe(exchange)

    async def _ask(self, body: bytes, exchange: Exchange, client: SocketClient) -> None:
        visitor, settings = self._visitor, self._gateway.config.server
        if (outlived := self._outlived()) is not None:
            exchange.phase = "auth"
            raise RequestFailed(outlived)
        inbound = Inbound(
            visitor.endpoint.face,
            body,
            visitor.headers,
            settings.max_depth,
            visitor.caller.models,
            settings.max_values,
            "ndjson",
            turn_of(
                self._gateway,
                visitor.endpoint.face,
                visitor.caller,
                visitor.headers,
                self._connection,
                body=body,
            ),
        )
        await self._gateway.engine.handle(exchange, inbound, client)

    def _outlived(self) -> ir.Fault | None:
        """Why the key of the handshake is not enough any more, None = it is. Since then it may have expired,
        been replaced, or become the key of another client.
        """
        visitor = self._visitor
        caller = self._gateway.client_keys.authenticate(visitor.headers, visitor.key, visitor.first)
        if isinstance(caller, ir.Fault):
            return caller
        return None if caller == visitor.caller else _KEY_REPLACED

    async def _tell(self, fault: ir.Fault) -> None:
        """Say what is wrong with the socket itself, in no exchange's name."""
        exchange = self._exchange()
        await self._fail(fault, exchange, self._client(exchange))

    async def _fail(self, fault: ir.Fault, exchange: Exchange, client: SocketClient) -> None:
        exchange.fault = fault
        status, extra, body = self._visitor.endpoint.face.errors.encode(fault, exchange.request_id)
        await client.answer(status, [(name.encode(), value.encode()) for name, value in extra.items()], body)

    def _client(self, exchange: Exchange, lane: bytes = b"") -> SocketClient:
        return SocketClient(self._say, self._link, exchange, self._visitor.language.error, lane)

    def _exchange(self) -> Exchange:
        endpoint = self._visitor.endpoint
        exchange = _exchange(self._gateway, endpoint.face.name, endpoint.template)
        note_visitor(exchange, self._visitor.peer, self._visitor.headers)
        exchange.client = self._visitor.caller.name
        return exchange


class _Inbox:
    """Messages that wait for their turn. limit: bytes, about, beyond which no further one is taken."""

    __slots__ = ("_ended", "_filled", "_limit", "_messages", "_room", "_size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._messages: deque[str | bytes] = deque()
        self._size = 0
        self._ended = False
        self._filled = asyncio.Event()
        self._room = asyncio.Event()

    async def put(self, message: str | bytes) -> None:
        """Append a message, and wait until there is room for another one."""
        self._messages.append(message)
        self._size += len(message)
        self._filled.set()
        while len(self._messages) >= _AHEAD or self._size > self._limit:
            self._room.clear()
            await self._room.wait()

    async def get(self) -> str | bytes | None:
        """The oldest message; None when no further one is to be answered."""
        while not (self._messages or self._ended):
            self._filled.clear()
            await self._filled.wait()
        if self._ended:
            return None
        message = self._messages.popleft()
        self._size -= len(message)
        self._room.set()
        return message

    def end(self) -> None:
        """Let nothing more be answered, what waits included."""
        self._ended = True
        self._filled.set()


def _exchange(gateway: Core, face: str, path: str) -> Exchange:
    id_ = gateway.seams.random_id()
    return Exchange(
        f"ex_{id_}",
        f"req_{id_}",
        face,
        _METHOD,
        path,
        began=gateway.seams.monotonic(),
        created=gateway.seams.now(),
    )


_KEY: Final = "openai-insecure-api-key."
"""What a subprotocol that is a key begins with: `OpenAIRealtimeWebSocket` of the npm package `openai`."""
_BINARY: Final = ir.Fault(
    "invalid_request", "WebSocket messages must be text, not binary.", code="invalid_message"
)
_FOREIGN_ORIGIN: Final = ir.Fault(
    "permission",
    "Web pages of this origin may not open a WebSocket to this gateway; see the setting server.cors_origins.",
    code="foreign_origin",
)
_HOUR_IS_OVER: Final = ir.Fault(
    "invalid_request",
    "The WebSocket has reached its limit of 60 minutes. Open a new one to continue.",
    code="websocket_connection_limit_reached",
)
_KEY_REPLACED: Final = ir.Fault(
    "authentication",
    "The key of this WebSocket has been replaced. Open a new one with the new key.",
    code="invalid_api_key",
)
_SWITCHED_OFF: Final = ir.Fault(
    "unsupported",
    "WebSockets are disabled on this gateway; send the request over HTTP.",
    code="websocket_disabled",
    status=426,
)
