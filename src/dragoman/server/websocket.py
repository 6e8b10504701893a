"""WebSockets with one request after another; each request is an exchange of its own. The handshakes of
realtime sessions are checked here, too (the sessions are in `server.realtime`).

A client that may not open a WebSocket gets an HTTP error instead, if the server can send one. Messages are
answered in order. While too many messages wait to be answered (see `_Inbox`), no more are read. A WebSocket
ends after an hour, or when the server stops; in both cases the running request is finished first (at a stop:
within the drain time). If the client disconnects, the running request is cancelled.
https://www.rfc-editor.org/rfc/rfc6455, https://asgi.readthedocs.io/en/latest/specs/www.html#websocket
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from functools import partial
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl

from dragoman import ir
from dragoman.accounts.caller import Caller
from dragoman.assembly.core import Core
from dragoman.dialects.table import DIALECTS
from dragoman.engine.asked import Inbound
from dragoman.errors import RequestFailed
from dragoman.exchange import Exchange
from dragoman.ir.fault import INTERNAL, STOPPING
from dragoman.seams.tasks import spawn
from dragoman.server.endpoint import Endpoint
from dragoman.server.faces import PathTable
from dragoman.server.faults import UPGRADE_MISSING, standing
from dragoman.server.identity import note_client
from dragoman.server.link import EXTENSION, AsgiScope, Receive, Send, SocketLink, is_overdue
from dragoman.server.origins import Origins
from dragoman.server.realtime import Handshake, live_of, serve_session
from dragoman.server.refused_socket import answers_handshakes, refuse_handshake
from dragoman.server.socket_client import SocketClient, say_by
from dragoman.server.socket_messages import SOCKET_FORMATS, SocketFormat, SocketRequest
from dragoman.server.turns import turn_of
from dragoman.turns.turn import Connection
from dragoman.wire.header import header_value
from dragoman.wire.headers import HeaderMap, members

log = logging.getLogger("dragoman.server")

LONGEST = 3600.0
"""Seconds after which a WebSocket with requests (not a realtime session) is closed; a running request is
finished first. OpenAI has the same limit, so clients expect it and open a new one.
"""
_AHEAD = 8
"""While this many messages of one WebSocket wait to be answered, no more are read."""
_METHOD = "WS"
"""The log shows this in place of an HTTP method for a request on a WebSocket."""
_GOING_AWAY, _RESTART = 1001, 1012
"""Close codes (RFC 6455, section 7.4). `_RESTART`: the server stops, and the running request is finished.
`_GOING_AWAY`: the hour is over, or the handler's task is cancelled.
"""


class _Admitted(NamedTuple):
    """A handshake that has passed all checks: the endpoint of its path, its headers, and the client with its
    rights at that time.
    """

    endpoint: Endpoint
    socket_format: SocketFormat | None
    """How messages are read and written; None = the path has realtime sessions."""
    headers: HeaderMap
    caller: Caller
    peer: Sequence[Any] | None
    """The client's address and port; None on a Unix socket."""
    key: str | None
    """The client key in a subprotocol of the handshake, or in the query (realtime sessions only); None =
    there is none.
    """
    first: str | None
    """The client key in front of the handshake's path (`/key/KEY/v1/…`); None = there is none."""

    def caller_now(self, gateway: Core) -> Caller | ir.Fault:
        """Return the client with its present rights, which may differ from those at the handshake. Return a
        fault instead if the key of the handshake is not valid any more, if it now belongs to a client with
        another name or to another stored key, or if the client may not call the endpoint any more.
        """
        caller = gateway.client_keys.authenticate(self.headers, self.key, self.first)
        if isinstance(caller, ir.Fault):
            return caller
        if (caller.name, caller.key) != (self.caller.name, self.caller.key):
            return _KEY_REPLACED
        return caller.barred(self.endpoint.scope, self.endpoint.face.name) or caller


def _socket_format(endpoint: Endpoint | None) -> SocketFormat | None:
    """Return how messages are read and written on a WebSocket at this endpoint; None = the endpoint has no
    WebSockets, or has realtime sessions.
    """
    return None if endpoint is None else SOCKET_FORMATS.get(endpoint.template.removeprefix("/v1"))


def without_upgrade(endpoint: Endpoint | None, headers: HeaderMap) -> ir.Fault | None:
    """Return the error for a GET that was a WebSocket handshake before a proxy removed the headers Upgrade
    and Connection; None for any other GET. Such a GET is to a path with WebSockets, has the header
    Sec-WebSocket-Key, and its header Connection, if any, does not name Upgrade.
    """
    if "sec-websocket-key" not in headers or (_socket_format(endpoint) is None and live_of(endpoint) is None):
        return None
    # Where our own parser drops `Upgrade`, `Connection` still names it; a proxy drops both.
    return None if "upgrade" in members(headers.get("connection", "")) else UPGRADE_MISSING


class Sockets:
    """Serves the WebSockets of one gateway."""

    def __init__(self, gateway: Core, paths: PathTable, origins: Origins) -> None:
        self._gateway = gateway
        self._paths = paths
        self._origins = origins

    async def serve(self, scope: AsgiScope, receive: Receive, send: Send) -> None:
        gateway = self._gateway
        extensions = scope.get("extensions") or {}
        link = extensions.get(EXTENSION) or SocketLink(gateway.seams.monotonic())
        link.task = task = asyncio.current_task()
        link.running = True
        assert task is not None
        gateway.requests.add(task)
        try:
            if (await receive())["type"] != "websocket.connect":
                return
            admitted = await self._admit(scope, send)
            if admitted is not None and admitted.socket_format is None:
                await self._converse(admitted, link, scope, receive, send)
            elif admitted is not None:
                await _Socket(gateway, admitted, link, send).run(receive, scope.get("subprotocols") or ())
        except asyncio.CancelledError as stopped:
            if not link.lost:
                await send({"type": "websocket.close", "code": _GOING_AWAY})
                if not (gateway.closed or is_overdue(stopped)):
                    raise
        except OSError:  # ASGI raises it since version 2.4 when the client has disconnected
            link.lost = True
        finally:
            gateway.requests.discard(task)
            link.close()

    async def _converse(
        self, admitted: _Admitted, link: SocketLink, scope: AsgiScope, receive: Receive, send: Send
    ) -> None:
        """Serve a realtime session until it ends."""
        gateway, offered = self._gateway, scope.get("subprotocols") or ()
        search = scope.get("query_string", b"").decode("latin-1")
        caller = partial(admitted.caller_now, gateway)
        handshake = Handshake(
            admitted.endpoint,
            admitted.headers,
            search,
            offered,
            _chosen(offered),
            caller,
            link,
            answers_handshakes(scope),
        )
        exchange = _exchange(gateway, admitted.endpoint.face.name, admitted.endpoint.template)
        note_client(exchange, admitted.peer, admitted.headers)
        await serve_session(gateway, handshake, exchange, receive, send)

    async def _admit(self, scope: AsgiScope, send: Send) -> _Admitted | None:
        """Check a handshake, and return what is known of it. Start the gateway before that, if it has not
        started. None = the handshake was refused: the client has got an error, and the exchange is closed.
        """
        gateway, headers = self._gateway, HeaderMap(scope["headers"])
        root = scope.get("root_path", "")
        path, key = self._paths.unlocked(scope["path"], scope.get("raw_path") or b"", root)
        endpoint, _ = self._paths.find(path, root)
        path = self._paths.named(endpoint, path)
        exchange = _exchange(gateway, self._paths.face(endpoint, headers).name, path)
        note_client(exchange, scope.get("client"), headers)
        try:
            exchange.phase = "auth"
            if gateway.draining.begun:
                raise RequestFailed(STOPPING)
            await gateway.start()
            # web pages put the key there: they can set no headers
            protocols = scope.get("subprotocols") or ()
            offered = next((name.removeprefix(_KEY) for name in protocols if name.startswith(_KEY)), None)
            if offered is None and live_of(endpoint) is not None:  # web pages, and clients of Azure's
                query = dict(parse_qsl(scope.get("query_string", b"").decode("latin-1")))
                offered = query.get("key") or query.get("api-key")
            keys = gateway.client_keys
            caller = keys.contradicted(headers, scope["headers"]) or keys.authenticate(headers, offered, key)
            if isinstance(caller, ir.Fault):
                raise RequestFailed(caller)
            exchange.called_by(caller)
            if (
                endpoint is not None
                and (barred := caller.barred(endpoint.scope, endpoint.face.name)) is not None
            ):
                raise RequestFailed(barred)
            if not self._origins.admits(headers.get("origin")):
                raise RequestFailed(_FOREIGN_ORIGIN)
            exchange.phase = "url"
            socket_format = _socket_format(endpoint)
            if endpoint is None or (socket_format is None and live_of(endpoint) is None):
                self._paths.handler(endpoint, _METHOD, path)  # always raises: no endpoint has this method
            elif gateway.config.server.websocket:
                return _Admitted(endpoint, socket_format, headers, caller, scope.get("client"), offered, key)
            raise RequestFailed(_SWITCHED_OFF)
        except RequestFailed as failed:
            fault = failed.fault
        except Exception:
            log.exception("exchange %s failed", exchange.id)
            fault = INTERNAL
        await self._refuse(fault, endpoint, exchange, scope, send)
        return None

    async def _refuse(
        self, fault: ir.Fault, endpoint: Endpoint | None, exchange: Exchange, scope: AsgiScope, send: Send
    ) -> None:
        """Answer a handshake with an HTTP error; if the server cannot do this, close the WebSocket. Then
        close the exchange and pass it to the observers.
        """
        status, extra, body = DIALECTS[exchange.face].errors.encode(fault, exchange.request_id)
        exchange.fault, exchange.status = fault, fault.status or status
        try:
            named = [(name.encode(), header_value(value)) for name, value in extra.items()]
            headers = [*named, *standing(fault, endpoint)]
            answers = answers_handshakes(scope)
            await refuse_handshake(send, exchange.status, headers, body, answers=answers)
        finally:
            exchange.close(self._gateway.seams.monotonic())
            self._gateway.observe(exchange)


class _Socket:
    def __init__(self, gateway: Core, admitted: _Admitted, link: SocketLink, send: Send) -> None:
        self._gateway = gateway
        self._admitted = admitted
        assert admitted.socket_format is not None
        self._format = admitted.socket_format
        self._link = link
        self._send = send
        self._say = link.say or say_by(send)
        self._inbox = _Inbox(gateway.config.server.max_body)
        self._expired = False
        self._connection = Connection(gateway.keeping)

    async def run(self, receive: Receive, subprotocols: list[str] | tuple[()]) -> None:
        """Accept the WebSocket, answer the client's messages until the WebSocket has to end (after `LONGEST`
        seconds, which an error message tells the client, or because the server stops), and close it. If the
        client disconnects, this task is cancelled. subprotocols: those that the client offers.
        """
        await self._send({"type": "websocket.accept", "subprotocol": _chosen(subprotocols)})
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
                exchange = self._exchange()
                await self._fail(_HOUR_IS_OVER, exchange, self._client(exchange))
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
        """Put the client's messages into the inbox until the client disconnects. Then drop the link, which
        cancels the handler and so the running request.
        """
        while (event := await receive())["type"] == "websocket.receive":
            text = event.get("text")
            await self._inbox.put(event["bytes"] if text is None else text)
        self._link.drop()

    async def _answer(self, message: str | bytes) -> None:
        """Answer one message as an exchange of its own. Do nothing for a message that needs no answer."""
        gateway = self._gateway
        exchange = self._exchange()
        request = (
            self._format.read(message, gateway.config.server.max_depth)
            if isinstance(message, str)
            else SocketRequest(fault=_BINARY)
        )
        if request is None:
            return
        client = self._client(exchange, request.prefix)
        gateway.exchanges.add(exchange)
        try:
            if request.fault is not None:
                raise RequestFailed(request.fault)
            await self._ask(request.body, exchange, client)
        except RequestFailed as failed:
            await self._fail(failed.fault, exchange, client)
        except asyncio.CancelledError:
            if not self._link.lost and exchange.fault is None:  # else the stream has told it
                await self._fail(STOPPING, exchange, client)
            raise
        except Exception:
            log.exception("exchange %s failed", exchange.id)
            await self._fail(INTERNAL, exchange, client)
        finally:
            exchange.close(gateway.seams.monotonic(), gone=self._link.lost)
            gateway.observe(exchange)

    async def _ask(self, body: bytes, exchange: Exchange, client: SocketClient) -> None:
        admitted, settings = self._admitted, self._gateway.config.server
        caller = admitted.caller_now(self._gateway)
        if isinstance(caller, ir.Fault):
            exchange.phase = "auth"
            raise RequestFailed(caller)
        exchange.called_by(caller)
        face = admitted.endpoint.face
        inbound = Inbound(
            face,
            body,
            admitted.headers,
            settings.max_depth,
            caller.models,
            settings.max_values,
            "ndjson",
            turn_of(self._gateway, face, caller, admitted.headers, self._connection, body=body),
            may=caller.may,
        )
        await self._gateway.engine.handle(exchange, inbound, client)

    async def _fail(self, fault: ir.Fault, exchange: Exchange, client: SocketClient) -> None:
        exchange.fault = fault
        status, extra, body = self._admitted.endpoint.face.errors.encode(fault, exchange.request_id)
        await client.answer(status, [(name.encode(), value.encode()) for name, value in extra.items()], body)

    def _client(self, exchange: Exchange, prefix: bytes = b"") -> SocketClient:
        return SocketClient(self._say, self._link, exchange, self._format.error, prefix)

    def _exchange(self) -> Exchange:
        endpoint = self._admitted.endpoint
        exchange = _exchange(self._gateway, endpoint.face.name, endpoint.template)
        note_client(exchange, self._admitted.peer, self._admitted.headers)
        exchange.called_by(self._admitted.caller)
        return exchange


class _Inbox:
    """The messages of one WebSocket that wait to be answered. `put` adds a message, then waits as long as
    there are `_AHEAD` messages or more, or more than `limit` bytes (of a text, in UTF-8).
    """

    __slots__ = ("_ended", "_filled", "_limit", "_messages", "_room", "_size")

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._messages: deque[str | bytes] = deque()
        self._size = 0
        self._ended = False
        self._filled = asyncio.Event()
        self._room = asyncio.Event()

    async def put(self, message: str | bytes) -> None:
        self._messages.append(message)
        self._size += _bytes_of(message)
        self._filled.set()
        while len(self._messages) >= _AHEAD or self._size > self._limit:
            self._room.clear()
            await self._room.wait()

    async def get(self) -> str | bytes | None:
        """Wait for a message, remove the oldest one, and return it. None = `end` was called, also if messages
        wait.
        """
        while not (self._messages or self._ended):
            self._filled.clear()
            await self._filled.wait()
        if self._ended:
            return None
        message = self._messages.popleft()
        self._size -= _bytes_of(message)
        self._room.set()
        return message

    def end(self) -> None:
        """Make `get` return None from now on. Messages that still wait are not answered."""
        self._ended = True
        self._filled.set()


def _bytes_of(message: str | bytes) -> int:
    if isinstance(message, bytes) or message.isascii():
        return len(message)
    return len(message.encode("utf-8", "surrogatepass"))


def _chosen(subprotocols: Sequence[str]) -> str | None:
    """Return the subprotocol to accept: the first that does not contain a client key (`_KEY`); if all contain
    one, the first; None = the client offers none. (A client that offers subprotocols fails if none is
    accepted.)
    """
    return min(subprotocols, key=lambda name: name.startswith(_KEY), default=None)


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
"""The prefix of a subprotocol that holds a client key, as npm's `openai` sends it from web pages."""
_BINARY: Final = ir.Fault(
    "invalid_request", "WebSocket messages must be text, not binary.", "invalid_message"
)
_FOREIGN_ORIGIN: Final = ir.Fault(
    "permission",
    "Web pages of this origin may not open a WebSocket to this gateway; see the setting server.cors_origins.",
    "foreign_origin",
)
_HOUR_IS_OVER: Final = ir.Fault(
    "invalid_request",
    "The WebSocket has reached its limit of 60 minutes. Open a new one to continue.",
    "websocket_connection_limit_reached",
)
_KEY_REPLACED: Final = ir.Fault(
    "authentication",
    "The key of this WebSocket has been replaced. Open a new one with the new key.",
    "invalid_api_key",
)
_SWITCHED_OFF: Final = ir.Fault(
    "unsupported",
    "WebSockets are disabled on this gateway; send the request over HTTP.",
    "websocket_disabled",
    status=426,
)
