"""Realtime sessions of clients: OpenAI's Realtime API at `/v1/realtime`, and Gemini's Live API.

A session is one exchange, whose replies are accounted for one by one (`engine.replies`). Until the provider
has accepted it, the client of OpenAI's API gets errors over HTTP. The Live API names the model only in the
first message of an open WebSocket, so that its errors are close codes with a reason.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, quote

from dragoman import ir
from dragoman.accounts.caller import Caller
from dragoman.assembly.core import Core
from dragoman.dialects.live import Live, Message
from dragoman.dialects.table import DEFAULT, faces
from dragoman.engine.asked import Inbound
from dragoman.engine.client import Headers
from dragoman.engine.converse import Bounds
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import Exchange
from dragoman.ir.fault import STOPPING
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import Endpoint, Handler, HttpRequest, below
from dragoman.server.faults import UPGRADE_NEEDED
from dragoman.server.link import Receive, Send, SocketLink
from dragoman.wire.header import header_value

log = logging.getLogger("dragoman.server")

_SWITCHED: Final = 101
_BETA: Final = "openai-beta."
"""The beginning of a subprotocol by which web pages, which can set no headers, state `OpenAI-Beta`."""
_BETAS: Final = {"realtime-v1": "realtime=v1"}
_SENT: Final = ("openai-beta", "openai-safety-identifier")
"""The client's headers that are sent to the provider."""
_FIRST: Final = 60.0
"""Seconds in which the first message of a session has to come that names the model in it."""
_IGNORED: Final = frozenset({"api-version", "api-key", "key", "alt", "access_token"})
"""Members of the query that are for the gateway: its version of the API, and the client's key."""
_POLICY, _INTERNAL, _RESTART, _LATER, _WRONG = 1008, 1011, 1012, 1013, 1007
"""Close codes: RFC 6455, section 7.4.1, and https://www.iana.org/assignments/websocket."""
_CODES: Final[Mapping[ir.Kind, int]] = {
    "invalid_request": _WRONG,
    "internal": _INTERNAL,
    "upstream": _INTERNAL,
    "timeout": _POLICY,
    "overloaded": _LATER,
    "unavailable": _LATER,
}
"""The close code for each kind of fault; `_POLICY` for the others, which are refusals."""
_MOST_REASON: Final = 123
_REST: Final[Mapping[str, str]] = {
    "/realtime/client_secrets": "client secrets for realtime sessions",
    "/realtime/sessions": "client secrets for realtime sessions",
    "/realtime/transcription_sessions": "client secrets for realtime sessions",
    "/realtime/calls": "realtime sessions over WebRTC",
    "/realtime/translations/client_secrets": "client secrets for realtime sessions",
}
"""Paths of OpenAI's API beside the WebSocket, and what they would do. A client secret lets a client call the
provider itself, past the keys and limits of the gateway.
"""


class RealtimeApi:
    """The paths of realtime sessions for requests that are no WebSockets."""

    def endpoints(self) -> Iterator[Endpoint]:
        """Yield the paths of sessions, which need a WebSocket, and OpenAI's other paths."""
        for dialect, _ in faces():
            if dialect.live is not None and (dialect is DEFAULT or dialect.live is not DEFAULT.live):
                for path in dialect.live.paths:
                    yield Endpoint(path, dialect, {"GET": Handler(self._upgrade)})
        rest = [(path, {"POST": Handler(self._missing, takes_body="any")}) for path in _REST]
        yield from below(DEFAULT, rest)

    async def _upgrade(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        raise RequestFailed(UPGRADE_NEEDED)

    async def _missing(self, request: HttpRequest, exchange: Exchange, client: HttpClient) -> None:
        what = next(text for path, text in _REST.items() if exchange.path.endswith(path))
        raise RequestFailed(
            ir.Fault(
                "not_implemented",
                f"This gateway has no {what}: open a WebSocket at /v1/realtime with a key of the gateway.",
                "not_implemented",
            )
        )


class Handshake(NamedTuple):
    """A handshake that may be accepted. subprotocols: those that the client offers; chosen: one of them, None
    = none. search: the query of its URL. caller: returns the caller as it is now, or why it may not go on.
    """

    endpoint: Endpoint
    headers: Mapping[str, str]
    search: str
    subprotocols: Sequence[str]
    chosen: str | None
    caller: Callable[[], Caller | ir.Fault]
    link: SocketLink


def live_of(endpoint: Endpoint | None) -> Live | None:
    """The realtime sessions at an endpoint; None = there are none."""
    if endpoint is None or (live := endpoint.face.live) is None:
        return None
    return live if endpoint.template in live.paths else None


async def serve_session(
    gateway: Core, handshake: Handshake, exchange: Exchange, receive: Receive, send: Send
) -> None:
    """Serve one session to its end. The caller closes and observes the exchange."""
    live, settings = live_of(handshake.endpoint), gateway.config.realtime
    assert live is not None
    bounds = Bounds(settings.max_time or None, settings.idle or None, settings.max_message)
    client = RealtimeClient(exchange, handshake, receive, send, bounds)
    face = handshake.endpoint.face
    gateway.exchanges.add(exchange)
    try:
        caller = handshake.caller()
        if isinstance(caller, ir.Fault):
            raise RequestFailed(caller)
        exchange.called_by(caller)
        model = await _model(live, handshake, client)
        inbound = Inbound(
            face,
            b"",
            handshake.headers,
            models=caller.models,
            framing="ndjson",
            params={"model": model} if model else {},
            operation="realtime",
            may=caller.may,
        )
        await gateway.engine.handle(exchange, inbound, client)
    except RequestFailed as failed:
        exchange.fault = failed.fault
        status, extra, body = face.errors.encode(failed.fault, exchange.request_id)
        await client.answer(status, [(name.encode(), value.encode()) for name, value in extra.items()], body)
    except asyncio.CancelledError:
        if not handshake.link.lost:
            exchange.fault = exchange.fault or STOPPING
            await client.end()
        raise
    finally:
        exchange.close(gateway.seams.monotonic(), gone=client.gone)
        gateway.observe(exchange)


async def _model(live: Live, handshake: Handshake, client: RealtimeClient) -> str | None:
    """The model that the client names in the query or in its first message. Raises RequestFailed."""
    if live.model is None:
        query = dict(parse_qsl(handshake.search, keep_blank_values=True))
        model = query.pop("model", None) or query.pop("deployment", None)
        query.pop("deployment", None)
        if intent := query.pop("intent", ""):
            client.search = f"&intent={quote(intent, safe='')}"
        for name in query:
            if name not in _IGNORED:
                text = f"Unknown parameter in the query of a realtime session: {name[:64]!r}."
                raise RequestFailed(ir.Fault("invalid_request", text, "unknown_parameter", name[:64]))
        return model
    await client.accept(())
    try:
        async with asyncio.timeout(_FIRST):
            first = await client.receive()
    except TimeoutError:
        text = f"The session's first message did not come within {_FIRST:g} s."
        raise RequestFailed(ir.Fault("timeout", text, "session_idle")) from None
    if first is None:
        raise RequestFailed(ir.Fault("cancelled", "The client has closed the session."))
    try:
        client.first = first
        return live.model(first)
    except WireError as error:
        fault = ir.Fault("invalid_request", error.message, error.code, error.path or None)
        raise RequestFailed(fault) from None


class RealtimeClient:
    """The client's side of a session (`engine.converse.SessionClient`)."""

    def __init__(
        self, exchange: Exchange, handshake: Handshake, receive: Receive, send: Send, bounds: Bounds
    ) -> None:
        self.bounds = bounds
        self.first: Message | None = None
        self.search = ""
        self.headers = _passed(handshake)
        self.begun = False
        self.left: tuple[int, str] | None = None
        self._exchange = exchange
        self._handshake = handshake
        self._link = handshake.link
        self._receive = receive
        self._send = send
        self._accepted = self._ended = self._taken = False
        self._closes: tuple[int, str] | None = None

    @property
    def gone(self) -> bool:
        """Whether the connection was lost without a close frame."""
        return self._link.lost and self.left is None and not self._ended

    async def accept(self, headers: Headers) -> None:
        """Accept the WebSocket, unless it is accepted."""
        if not self._accepted:
            self._accepted = True
            chosen = self._handshake.chosen
            await self._send({"type": "websocket.accept", "subprotocol": chosen, "headers": list(headers)})

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Refuse the session: over HTTP, or with a close code if the WebSocket is accepted."""
        self._exchange.status = status
        if self._accepted:
            await self.end()
            return
        self._ended = True
        stated = [(name.lower(), header_value(value.decode("latin-1"))) for name, value in headers]
        plain = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
        start = {"type": "websocket.http.response.start", "status": status, "headers": [*plain, *stated]}
        await self._send(start)
        await self._send({"type": "websocket.http.response.body", "body": body})

    def expect_stream(self) -> None:
        """Do nothing: the server's protocol sends pings."""

    async def begin(self, status: int, headers: Headers) -> None:
        """Accept the WebSocket: the provider has opened the session."""
        self._exchange.status = _SWITCHED
        self.begun = True
        await self.accept(headers)

    async def write(self, data: bytes) -> None:
        """Send a text message."""
        await self.say(data.decode("utf-8", "replace"))

    async def end(self, data: bytes = b"") -> None:
        """Send a last message, b"" = none, and close the WebSocket."""
        if self._ended or self.left is not None or self._link.lost:
            return
        if data:
            await self.write(data)
        self._ended = True
        code, reason = self._closes or _closing(self._exchange.fault)
        try:
            await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except OSError:  # ASGI raises it since version 2.4 when the client has disconnected
            self._link.drop()

    async def receive(self) -> Message | None:
        """The client's next message; None = it has closed the WebSocket."""
        if self._taken and self._link.answered is not None:
            self._link.answered()
        event = await self._receive()
        self._taken = event["type"] == "websocket.receive"
        if not self._taken:
            self._link.running = False  # the session ends by itself: nobody has to cancel it
            self.left = event.get("code") or 1005, event.get("reason") or ""
            return None
        text: str | None = event.get("text")
        message: Message = event["bytes"] if text is None else text
        return message

    async def say(self, message: Message) -> None:
        """Send a message. Waits while the client reads slowly."""
        if isinstance(message, bytes):
            await self._send({"type": "websocket.send", "bytes": message})
        else:
            await self._send({"type": "websocket.send", "text": message})

    def closes(self, code: int, reason: str) -> None:
        """Close with this code and reason in the end."""
        self._closes = code, reason

    def caller(self) -> Caller | ir.Fault:
        """The client with what it may do now; or why its key may not be used any more."""
        return self._handshake.caller()

    def on_drain(self, drain: Callable[[], None]) -> None:
        """Call `drain` when the server stops."""
        self._link.drain = drain


def _passed(handshake: Handshake) -> dict[str, str]:
    """The client's headers for the provider; a beta that is stated as a subprotocol becomes a header."""
    headers = handshake.headers
    passed: dict[str, Any] = {name: headers[name] for name in _SENT if name in headers}
    for name in handshake.subprotocols:
        if name.startswith(_BETA) and (beta := _BETAS.get(name.removeprefix(_BETA))) is not None:
            passed.setdefault("openai-beta", beta)
    return passed


def _closing(fault: ir.Fault | None) -> tuple[int, str]:
    """The close code and the reason for a session that ends with this fault."""
    if fault is None:
        return 1000, ""
    code = _RESTART if fault is STOPPING else _CODES.get(fault.kind, _POLICY)
    return code, fault.message.encode()[:_MOST_REASON].decode("utf-8", "ignore")
