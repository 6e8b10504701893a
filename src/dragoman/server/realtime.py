"""Realtime sessions of clients: OpenAI's Realtime API at `/v1/realtime`, and Gemini's Live API.

A session is one exchange; each reply in it is accounted for separately (`engine.replies`). A client of
OpenAI's API usually names the model in the URL. Then the WebSocket is accepted when the provider has opened
the session; an error before that is an HTTP answer, if the server can send one. A client of the Live API
names the model in its first message, and so may a client of OpenAI's API whose session only transcribes: then
the WebSocket is accepted before that message. An error after the WebSocket was accepted is sent as a message,
if the protocol has one for errors, and as a close code with a reason.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Final, NamedTuple
from urllib.parse import parse_qsl, quote

from dragoman import ir
from dragoman.accounts.caller import Caller
from dragoman.assembly.core import Core
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.live import TRANSCRIBING, Live, Message
from dragoman.dialects.table import DEFAULT, faces
from dragoman.engine.asked import Inbound
from dragoman.engine.client import Headers
from dragoman.engine.converse import Bounds
from dragoman.engine.waiting import Waiting
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import Exchange
from dragoman.ir.fault import INTERNAL, STOPPING
from dragoman.seams.clock import SYSTEM
from dragoman.server.client import HttpClient
from dragoman.server.endpoint import Endpoint, Handler, HttpRequest, below
from dragoman.server.faults import UPGRADE_NEEDED
from dragoman.server.link import Receive, Send, SocketLink
from dragoman.server.refused_socket import refuse_handshake
from dragoman.wire.header import header_value

log = logging.getLogger("dragoman.server")

_SWITCHED: Final = 101
_BETA: Final = "openai-beta."
"""The prefix of a subprotocol with the value of `OpenAI-Beta`: web pages cannot set headers."""
_BETAS: Final = {"realtime-v1": "realtime=v1"}
_SENT: Final = ("openai-beta", "openai-safety-identifier")
"""The client's headers that are sent to the provider."""
_FIRST: Final = 60.0
"""Seconds within which the first message must come after the WebSocket was accepted, if this message names
the model.
"""
_IGNORED: Final = frozenset({"api-version", "api-key", "key", "alt", "access_token"})
"""Fields of the query that are accepted and not used here. `key` and `api-key` were read before."""
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
"""The close code for each kind of fault; `_POLICY` for other kinds, and `_RESTART` for the fault `STOPPING`.
"""
_UNSENT: Final = frozenset({1005, 1006})
"""Close codes that no close frame has."""
_MOST_REASON: Final = 123
_REST: Final[Mapping[str, str]] = {
    "/realtime/client_secrets": "client secrets for realtime sessions",
    "/realtime/sessions": "client secrets for realtime sessions",
    "/realtime/transcription_sessions": "client secrets for realtime sessions",
    "/realtime/calls": "realtime sessions over WebRTC",
    "/realtime/translations/client_secrets": "client secrets for realtime sessions",
}
"""Paths of OpenAI's API that the gateway does not support, and what they are for. A client secret would let a
client call the provider directly, past the keys and limits of the gateway.
"""


class RealtimeApi:
    """Answers requests to the paths of realtime sessions that are not WebSocket handshakes, with errors."""

    def endpoints(self) -> Iterator[Endpoint]:
        """Yield the endpoints at which clients open sessions, and those of paths that the gateway does not
        support (`_REST`). Their handlers only raise errors.
        """
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
    """A WebSocket handshake for a realtime session, after the client and its rights were checked.
    subprotocols: those that the client offers. chosen: the subprotocol to accept, None = none. search: the
    query of the URL. caller: returns the client with its present rights, or the fault if the client may not
    go on. link: the connection. answers: whether the server can refuse a handshake with an HTTP response
    (`refused_socket.answers_handshakes`).
    """

    endpoint: Endpoint
    headers: Mapping[str, str]
    search: str
    subprotocols: Sequence[str]
    chosen: str | None
    caller: Callable[[], Caller | ir.Fault]
    link: SocketLink
    answers: bool


def live_of(endpoint: Endpoint | None) -> Live | None:
    """Return the `Live` of the endpoint's protocol, its description of realtime sessions; None = clients
    cannot open sessions at this endpoint.
    """
    if endpoint is None or (live := endpoint.face.live) is None:
        return None
    return live if endpoint.template in live.paths else None


async def serve_session(
    gateway: Core, handshake: Handshake, exchange: Exchange, receive: Receive, send: Send
) -> None:
    """Serve one session until it ends, then close the exchange and pass it to the observers. Errors are sent
    to the client: a RequestFailed as it is, other exceptions as an internal error, which is also logged. If
    the client has disconnected, an OSError is raised again, and neither sent nor logged. If this task is
    cancelled, close the WebSocket, unless the connection is lost, and raise CancelledError.
    """
    live, settings = live_of(handshake.endpoint), gateway.config.realtime
    assert live is not None
    seconds = settings.opening or None, settings.max_time or None, settings.idle or None
    bounds = Bounds(*seconds, settings.max_message)
    client = RealtimeClient(exchange, handshake, receive, send, bounds, error=live.error)
    face = handshake.endpoint.face
    gateway.exchanges.add(exchange)
    try:
        caller = handshake.caller()
        if isinstance(caller, ir.Fault):
            raise RequestFailed(caller)
        exchange.called_by(caller)
        model = await _model(live, handshake, client, Waiting(gateway.engine.runtime, exchange))
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
        await _refuse(failed.fault, face, exchange, client)
    except Exception as error:
        if isinstance(error, OSError) and handshake.link.lost:
            raise
        log.exception("exchange %s failed", exchange.id)
        await _refuse(INTERNAL, face, exchange, client)
    except asyncio.CancelledError:
        if not handshake.link.lost:
            exchange.fault = exchange.fault or STOPPING
            await client.end()
        raise
    finally:
        exchange.close(gateway.seams.monotonic(), gone=client.gone)
        gateway.observe(exchange)


async def _refuse(fault: ir.Fault, face: Dialect, exchange: Exchange, client: RealtimeClient) -> None:
    """Record the fault in the exchange, and send it to the client in the form of the protocol `face`."""
    exchange.fault = fault
    status, extra, body = face.errors.encode(fault, exchange.request_id)
    await client.answer(status, [(name.encode(), value.encode()) for name, value in extra.items()], body)


async def _model(live: Live, handshake: Handshake, client: RealtimeClient, waiting: Waiting) -> str | None:
    """Return the model that the client names; None or "" = it names none.

    If the protocol's clients name the model in the query (`live.model` is None), return it from there, and
    set `client.transcribes` and `client.search` by the query's `intent`. Otherwise, or if the query of a
    session that only transcribes names no model, accept the WebSocket, wait for the client's first message,
    put it into `client.first`, and return the model that it names.

    Raises RequestFailed for an unknown field of the query; if the first message is invalid or does not come
    (`first_message`), or the client leaves before; or if a limit leaves no place for `waiting`.
    """
    named_by = live.model
    if live.model is None:
        query = dict(parse_qsl(handshake.search, keep_blank_values=True))
        model = query.pop("model", None) or query.pop("deployment", None)
        query.pop("deployment", None)
        if intent := query.pop("intent", ""):
            client.transcribes = intent == TRANSCRIBING and live.transcribing is not None
            client.search = "" if client.transcribes else f"&intent={quote(intent, safe='')}"
        for name in query:
            if name not in _IGNORED:
                text = f"Unknown parameter in the query of a realtime session: {name[:64]!r}."
                raise RequestFailed(ir.Fault("invalid_request", text, "unknown_parameter", name[:64]))
        if model or not client.transcribes:
            return model
        named_by = live.transcriber
    assert named_by is not None
    first = await client.first_message(waiting)
    if first is None:
        raise RequestFailed(ir.Fault("cancelled", "The client has closed the session."))
    try:
        client.first = first
        return named_by(first)
    except WireError as error:
        fault = ir.Fault("invalid_request", error.message, error.code, error.path or None)
        raise RequestFailed(fault) from None


class RealtimeClient:
    """The client of a session. Implements `engine.converse.SessionClient`. error: returns the text of the
    protocol's message about a fault; None = the protocol has no such message (`Live.error`).
    """

    def __init__(
        self,
        exchange: Exchange,
        handshake: Handshake,
        receive: Receive,
        send: Send,
        bounds: Bounds,
        *,
        error: Callable[[ir.Fault], str | None],
    ) -> None:
        self.bounds = bounds
        self.first: Message | None = None
        self.search = ""
        self.transcribes = False
        self.headers = _passed(handshake)
        self.begun = False
        self.left: tuple[int, str] | None = None
        self._exchange = exchange
        self._handshake = handshake
        self._link = handshake.link
        self._receive = receive
        self._send = send
        self._error = error
        self._accepted = self._ended = self._taken = self._vanished = False
        self._closes: tuple[int, str] | None = None

    @property
    def gone(self) -> bool:
        """Whether the connection was lost before the client or the gateway had closed the WebSocket."""
        return self._link.lost and (self.left is None or self._vanished) and not self._ended

    async def accept(self, headers: Headers) -> None:
        """Accept the WebSocket; do nothing if it was accepted before. headers: for the answer to the
        handshake. Raises OSError if the client has disconnected.
        """
        if not self._accepted:
            self._accepted = True
            chosen = self._handshake.chosen
            try:
                await self._send(
                    {"type": "websocket.accept", "subprotocol": chosen, "headers": list(headers)}
                )
            except OSError:  # ASGI raises it since version 2.4 when the client has disconnected
                self._link.lost = True
                raise

    async def first_message(self, waiting: Waiting) -> Message | None:
        """Accept the WebSocket, and return the client's first message; None = the client has closed the
        WebSocket or has disconnected. Until the message comes, the connection counts as idle: the server may
        end it to make room for a new one. waiting: holds the client's places at its limits on `concurrency`
        until the message comes. Raises RequestFailed if a limit leaves no place, or if no message comes
        within `_FIRST` seconds.
        """
        link = self._link
        await waiting.enter()
        try:
            await self.accept(())
            link.idle_since, link.fresh = SYSTEM.monotonic(), True
            async with asyncio.timeout(_FIRST):
                return await self.receive()
        except TimeoutError:
            text = f"The session's first message did not come within {_FIRST:g} s."
            raise RequestFailed(ir.Fault("timeout", text, "session_idle")) from None
        finally:
            link.idle_since, link.fresh = None, False
            waiting.leave()

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """Refuse the session with this HTTP answer; if the server can send none, close the WebSocket
        (`refuse_handshake`). If the WebSocket was accepted before, `headers` and `body` are not used: send
        the protocol's message about the exchange's fault (if there are both), and close the WebSocket as
        `end` does.
        """
        self._exchange.status = status
        if self._accepted:
            fault = self._exchange.fault
            told = None if fault is None else self._error(fault.known_as(self._exchange.request_id))
            await self.end(b"" if told is None else told.encode())
            return
        self._ended = True
        stated = [(name, header_value(value.decode("latin-1"))) for name, value in headers]
        await refuse_handshake(self._send, status, stated, body, answers=self._handshake.answers)

    def expect_stream(self) -> None:
        """Do nothing: the server's WebSocket protocol sends pings."""

    async def begin(self, status: int, headers: Headers) -> None:
        """Accept the WebSocket, because the provider has opened the session. headers: for the answer to the
        handshake; not sent if the WebSocket was accepted before. status: not used.
        """
        self._exchange.status = _SWITCHED
        self.begun = True
        await self.accept(headers)

    async def write(self, data: bytes) -> None:
        """Send `data` (UTF-8; invalid bytes are replaced) as a text message, as `say` does."""
        await self.say(data.decode("utf-8", "replace"))

    async def end(self, data: bytes = b"") -> None:
        """Send a last message (b"" = none), and close the WebSocket with the code and the reason that the
        method `closes` has set; if it was not called, with those for the exchange's fault. Do nothing if the
        WebSocket is closed already or the connection is lost.
        """
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
        """Wait for the client's next message and return it. None = the client has closed the WebSocket or has
        disconnected; then `left` is set to the close code (1005 if there is none) and the reason, and a
        disconnect no longer cancels the handler's task. The message before this one counts as answered.
        """
        if self._taken and self._link.answered is not None:
            self._link.answered()
        event = await self._receive()
        self._taken = event["type"] == "websocket.receive"
        if not self._taken:
            self._link.running = False  # the session ends by itself: nobody has to cancel it
            self.left = event.get("code") or 1005, event.get("reason") or ""
            # servers state such a code, too, if there was no close frame
            self._vanished = self._link.lost and self.left[0] in _UNSENT
            return None
        text: str | None = event.get("text")
        message: Message = event["bytes"] if text is None else text
        return message

    async def say(self, message: Message) -> None:
        """Send a message: bytes as a binary message, str as a text message. This waits while the client reads
        slowly. If the client has closed the WebSocket or has disconnected, the message is dropped.
        """
        member = "bytes" if isinstance(message, bytes) else "text"
        with contextlib.suppress(OSError):  # ASGI raises it since version 2.4 after the client's close frame
            await self._send({"type": "websocket.send", member: message})

    def closes(self, code: int, reason: str) -> None:
        """Set the close code and the reason that `end` uses."""
        self._closes = code, reason

    def caller(self) -> Caller | ir.Fault:
        """Return the client with its present rights, or the fault if the client may not go on."""
        return self._handshake.caller()

    def on_drain(self, drain: Callable[[], None]) -> None:
        """Set the function that is called when the server stops."""
        self._link.drain = drain


def _passed(handshake: Handshake) -> dict[str, str]:
    """Return the client's headers that are sent to the provider. If the client has sent no header
    `openai-beta`, a subprotocol with a known beta version (`openai-beta.realtime-v1`) becomes this header.
    """
    headers = handshake.headers
    passed: dict[str, Any] = {name: headers[name] for name in _SENT if name in headers}
    for name in handshake.subprotocols:
        if name.startswith(_BETA) and (beta := _BETAS.get(name.removeprefix(_BETA))) is not None:
            passed.setdefault("openai-beta", beta)
    return passed


def _closing(fault: ir.Fault | None) -> tuple[int, str]:
    """Return the close code and the reason (at most 123 bytes) for a session that ends with this fault.
    fault: None = the session ends without an error.
    """
    if fault is None:
        return 1000, ""
    code = _RESTART if fault is STOPPING else _CODES.get(fault.kind, _POLICY)
    return code, fault.message.encode()[:_MOST_REASON].decode("utf-8", "ignore")
