"""Relays a realtime session between a client and a provider of the same protocol, message by message.

The client is told that the session is open when the provider's first message has come; until then, another
key or deployment can still be tried. Each direction waits while its receiver reads slowly, and nothing queues
between.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final, Protocol, cast

import msgspec

from dragoman import ir
from dragoman.accounts.caller import Caller
from dragoman.capacity.heavy import Steps
from dragoman.dialects.live import Heard, Live, Message, Names, Talk
from dragoman.dialects.request import WireRequest
from dragoman.engine.asked import Asked, Inbound, Said, blamed
from dragoman.engine.attempt import Attempt
from dragoman.engine.client import Client
from dragoman.engine.decode import refuse_unsafe, tag
from dragoman.engine.meter import EndedByLimit
from dragoman.engine.plan import withdrawn
from dragoman.engine.replies import Replies
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import Exchange
from dragoman.ir.fault import INTERNAL, STOPPING
from dragoman.net.failures import Failure, Refused
from dragoman.seams.deadlines import Deadline, Unlimited
from dragoman.seams.tasks import spawn
from dragoman.upstreams.account import Redaction
from dragoman.upstreams.backend import over_http
from dragoman.upstreams.form import unreadable

if TYPE_CHECKING:
    from dragoman.net.websocket import Socket

_SWITCHED: Final = 101
"""The status of an accepted handshake."""
_NORMAL: Final = 1000
_GOING_AWAY: Final = 1001
"""Closes a session that has lasted for as long as it may. The session did nothing wrong."""
_EXPIRED: Final = "session_expired"
_UNSTATED: Final = frozenset({1004, 1005, 1006, 1015})
"""Close codes that must not be in a close frame (RFC 6455, section 7.4.1)."""
_GOOD: Final = frozenset({1000, 1001, 1005})
"""The close codes of a provider that end a session without a failure."""
_ABNORMAL: Final = 1006
_MOST_REASON: Final = 123
"""The most bytes of the reason in a close frame (RFC 6455, section 5.5)."""


class Bounds(msgspec.Struct, frozen=True):
    """The limits of a session. opening: the most seconds until the provider's first message. longest: the
    most seconds that the session may last. idle: the most seconds without a message from either side. For all
    of these, None = no limit. largest: the most bytes of one message from the provider.
    """

    opening: float | None = None
    longest: float | None = None
    idle: float | None = None
    largest: int = 16 * 1024 * 1024


class SessionClient(Client, Protocol):
    """The client of a session. first: its first message, if this message names the model; otherwise None.
    search: a string to append to the provider's URL ("&intent=…"); "" = nothing. transcribes: whether the
    client has asked for a session that only transcribes. headers: the client's headers that the provider gets
    too. bounds: the limits of the session.
    """

    first: Message | None
    search: str
    transcribes: bool
    headers: Mapping[str, str]
    bounds: Bounds

    @property
    def left(self) -> tuple[int, str] | None:
        """The code and the reason with which the client has closed the WebSocket or, if it has disconnected
        without them, a code that says so and ""; None = `receive` has not returned None yet.
        """
        ...

    async def receive(self) -> Message | None:
        """Wait for the client's next message and return it; None = the client has closed the WebSocket or has
        disconnected. The call also tells the server that the message before has been handled, so that its
        memory counts as free.
        """
        ...

    async def say(self, message: Message) -> None:
        """Send a message to the client. Waits while the client reads slowly. If the client has closed the
        WebSocket or has disconnected, the message is dropped.
        """
        ...

    def closes(self, code: int, reason: str) -> None:
        """Set the code and the reason with which `end` closes the WebSocket."""
        ...

    def caller(self) -> Caller | ir.Fault:
        """Return who the client is and what it may do now; or a fault, if its key is no longer valid."""
        ...

    def on_drain(self, drain: Callable[[], None]) -> None:
        """Set the function that is called when the server stops; it has to end the session."""
        ...


def opened(exchange: Exchange, inbound: Inbound, steps: Steps) -> Asked:
    """Return the request for a session, which has no body. The name of the model is
    `inbound.params["model"]`; without this parameter, the request names no model. Records in the exchange the
    model, the tags and the end user. Raises RequestFailed for a name that is unsafe in headers and logs.
    """
    exchange.phase = "decode"
    wished = inbound.wished
    tag(exchange, wished.tags)
    exchange.end_user = wished.end_user
    model = inbound.params.get("model")
    try:
        refuse_unsafe(model)
    except WireError as error:
        raise RequestFailed(blamed(error)) from error
    exchange.asked, exchange.streamed = model, True
    wire = WireRequest("realtime", {}, headers={**wished.passed})
    return Asked(
        exchange,
        inbound,
        wished,
        inbound.face,
        Said(wire, {}, b""),
        steps,
        0,
        0,
        True,
        None,
        prompts=False,
        model=model,
        streamed=True,
    )


async def converse(attempt: Attempt) -> None:
    """Open a session at the attempt's deployment, and relay messages until the session ends. Raises
    RequestFailed if the session cannot be opened or ends with a failure; EndedByLimit (a RequestFailed) if
    the gateway ends it, because of a limit for example.
    """
    delivery, live = attempt.delivery, attempt.asked.face.live
    client = cast(SessionClient, delivery.client)
    assert live is not None
    replies = Replies(attempt, transcribes=client.transcribes)
    attempt.record.units = {}  # the replies have what the session uses
    talk = live.talk(_names(attempt, client), client.first)
    try:
        opening = talk.opening()
    except WireError as error:  # the client's first message
        raise RequestFailed(blamed(error)) from error
    await replies.probe()
    limit = attempt.runtime.deadlines.within(client.bounds.opening)
    try:
        with limit:
            await _held(attempt, talk, opening, replies, limit)
    except TimeoutError:
        if not limit.expired:
            raise
        raise RequestFailed(_unopened(attempt.deployment.name, client.bounds.opening or 0)) from None
    await delivery.end()


async def _held(
    attempt: Attempt,
    talk: Talk,
    opening: Sequence[Message],
    replies: Replies,
    limit: Deadline | Unlimited,
) -> None:
    """Open the session, relay messages until it ends, and account for it. talk, opening, replies: of the
    session. limit: for opening it. Raises RequestFailed as `converse` does.
    """
    upstream, call = over_http(attempt.backend), attempt.call
    client = cast(SessionClient, attempt.delivery.client)
    head, transport = await upstream.dial(call, client.headers, client.search, transcribes=client.transcribes)
    call.watch.start()
    try:
        socket = await transport.websocket(head, call.timers, client.bounds.largest)
    except Refused as refused:
        raise upstream.refusal(refused.status, refused.headers, refused.body) from refused
    fault: ir.Fault | None = INTERNAL
    try:  # from here on, whatever fails, the provider's socket is closed
        redaction = upstream.accounts[call.account].redaction((call.headers or {}).values())
        session = _Session(attempt, client, talk, socket, replies, redaction=redaction)
        await _relayed(attempt, session, opening, limit)
        fault = None
    except RequestFailed as failed:
        fault = failed.fault
        raise
    except asyncio.CancelledError:
        fault = None if client.gone or client.left is not None else STOPPING
        raise
    finally:
        spawn(socket.close(*_stated(*(client.left or (_NORMAL, "")))), "closing a session")
        replies.close()
        _total(attempt, replies, fault)


def _names(attempt: Attempt, client: SessionClient) -> Names:
    call, shown, route = attempt.call, attempt.shown, attempt.plan.route
    names = (attempt.exchange.asked, call.model, shown, attempt.deployment.name, route.model)
    allowed = frozenset(name for name in names if name)
    only = client.transcribes
    unnamed = only and over_http(attempt.backend).quirks.transcribes_unnamed
    return Names(call.model, shown, allowed, only, unnamed)


async def _relayed(
    attempt: Attempt, session: _Session, opening: Sequence[Message], limit: Deadline | Unlimited
) -> None:
    """Send the provider the messages in `opening`, wait for its first message, tell the client that the
    session is open, and relay messages until it ends. limit: removed when the session is open. Raises
    RequestFailed as `converse` does.
    """
    call, delivery, provider = attempt.call, attempt.delivery, attempt.deployment.provider
    try:
        first = await session.open(opening)
        limit.lift()
        attempt.record.status = _SWITCHED
        call.watch.headed()
        delivery.failing = session.last_words
        await delivery.begin(call, ())
        if delivery.running is not None and delivery.running.opening is not None:
            delivery.running.opening.rest()  # a session has a limit of its own
        await session.run(first)
    except WireError as error:
        raise unreadable(provider, error) from error
    except Failure as failure:
        raise RequestFailed(_broken(provider)) from failure


def _total(attempt: Attempt, replies: Replies, fault: ir.Fault | None) -> None:
    """Account for the session, and record the cost and usage of all its replies in the exchange. fault: why
    the session has failed, None = it has not; the session's usage record says the same. Does nothing if the
    session was never open.
    """
    exchange, meter = attempt.exchange, attempt.delivery.meter
    if not attempt.delivery.committed:
        return
    exchange.fault = fault
    if meter is not None:
        meter.close(gone=attempt.delivery.client.gone)
        exchange.cost, exchange.priced = replies.books.cost, replies.books.priced
    exchange.usage = replies.books.usage


class _Session:
    """One open session. redaction: hides the secrets of the provider's account in messages and in reasons for
    closing, because providers repeat them there.
    """

    def __init__(
        self,
        attempt: Attempt,
        client: SessionClient,
        talk: Talk,
        socket: Socket,
        replies: Replies,
        *,
        redaction: Redaction,
    ) -> None:
        self._attempt = attempt
        self._client = client
        assert attempt.asked.face.live is not None
        self._live: Live = attempt.asked.face.live
        self._talk = talk
        self._socket = socket
        self._replies = replies
        self._redaction = redaction
        self._loop = asyncio.get_running_loop()
        self._latest = self._loop.time()
        """When the latest message came from the client or from the provider (seconds of the loop's clock)."""
        self._over: ir.Fault | None = None
        """Why the gateway ends the session; None = it has not decided to end it."""
        self._crash: Exception | None = None
        self._draining = False
        self._timers: dict[str, asyncio.TimerHandle] = {}
        """The timers of the limits `longest` and `idle`, which are cancelled when the session ends: each
        holds the session in memory.
        """
        self._told = False
        """Whether the client gets the close code and reason of the provider, so that no error message is
        needed.
        """

    async def open(self, opening: Sequence[Message]) -> Heard:
        """Send the messages in `opening`, which the provider needs before its first message, and return this
        first message, after sending the answers that it needs. Raises RequestFailed if the provider refuses
        the session.
        """
        socket = self._socket
        for message in opening:
            await socket.send(message)
        first = await socket.receive()
        if first is None:
            raise RequestFailed(self._live.closed(socket.code, socket.reason))
        heard = self._talk.heard(first)
        if heard.fault is not None:
            raise RequestFailed(heard.fault)
        await self._answer(heard)
        return heard

    async def run(self, first: Heard) -> None:
        """Relay messages until one side closes the session. first: the provider's first message. Raises
        RequestFailed if the provider breaks the session off or closes it with the code of a failure, and
        EndedByLimit if the gateway ends it.
        """
        client, socket, talk, bounds = self._client, self._socket, self._talk, self._client.bounds
        timers = self._timers
        if bounds.longest is not None:
            timers["longest"] = self._loop.call_later(bounds.longest, self._stop, _lasted(bounds.longest))
        if bounds.idle is not None:
            self._watch(bounds.idle)
        client.on_drain(self._drain)
        listener = spawn(self._listen(), "a session's client")
        try:
            await self._tell(first)
            while (message := await socket.receive()) is not None:
                self._latest = self._loop.time()
                heard = talk.heard(message)
                await self._answer(heard)
                await self._tell(heard)
        finally:
            listener.cancel()
            for timer in timers.values():
                timer.cancel()
        if self._crash is not None:
            raise self._crash
        if self._over is not None:
            if self._over.code == _EXPIRED:
                client.closes(_GOING_AWAY, self._over.message)
            raise EndedByLimit(self._over)
        if client.left is None:
            self._closed(socket.code, self._redaction.text(socket.reason))

    def last_words(self, fault: ir.Fault) -> bytes:
        """Return the message that tells the client about a failure; b"" = the client gets the provider's
        close code, which tells it, or the protocol has no such message.
        """
        told = None if self._told else self._live.error(fault)
        return b"" if told is None else told.encode()

    def _closed(self, code: int, reason: str) -> None:
        """Set the code and reason with which the client's WebSocket is closed, to those with which the
        provider has closed its WebSocket; not if the provider's connection just broke (1006). Raises
        RequestFailed if the code says that the session has failed.
        """
        if code != _ABNORMAL:
            self._told = True
            self._client.closes(*_stated(code, reason))
        if code not in _GOOD:
            raise RequestFailed(_broken(self._attempt.deployment.provider, code, reason))

    async def _tell(self, heard: Heard) -> None:
        """Send a provider's message to the client. Before that, check what the client may still use, reserve
        what a beginning reply may use, and charge the usage that the message states. When the server stops
        and no reply is running, end the session. Raises EndedByLimit if a check fails.
        """
        if heard.begins and not self._replies.runs(heard.reply):
            self._admit()
            await self._replies.begin(heard.reply)
        if heard.transcriber is not None:
            self._replies.admit(heard.transcriber)
        await self._replies.heard(heard)
        await self._client.say(self._redaction.message(heard.message))
        if heard.used and not (heard.ends or self._replies.running):
            self._admit()  # a session that only transcribes begins no reply
            await self._replies.probe(again=True)
        if self._draining and not self._replies.running:
            self._stop(STOPPING)

    async def _answer(self, heard: Heard) -> None:
        """Send the provider the messages with which the gateway itself, not the client, answers `heard`."""
        for message in heard.answers:
            await self._socket.send(message)

    def _admit(self) -> None:
        """Raise EndedByLimit if the client may not have another reply, because its key or one of its
        permissions was taken away. Otherwise the limits that apply to the client now will apply to the reply.
        """
        caller, attempt = self._client.caller(), self._attempt
        if not isinstance(caller, ir.Fault):
            attempt.exchange.called_by(caller)
            asked = attempt.exchange.asked or attempt.plan.route.asked
            fault = withdrawn(caller, asked, attempt.deployment.provider, "realtime")
            if fault is None:
                return
            caller = fault
        raise EndedByLimit(caller)

    async def _listen(self) -> None:
        """Send the client's messages to the provider until one side closes the session. A message that must
        not be sent is answered with an error; in some protocols it ends the session. Sound that a limit
        refuses also ends the session.
        """
        client, socket = self._client, self._socket
        try:
            while (message := await client.receive()) is not None:
                self._latest = self._loop.time()
                try:
                    spoken = self._talk.said(message)
                except WireError as error:
                    fault = blamed(error).known_as(self._attempt.exchange.request_id)
                    told = None if self._live.fatal else self._live.error(fault)
                    if told is None:
                        self._stop(fault)
                        return
                    await client.say(told)
                    continue
                if spoken.sound or spoken.commits:
                    await self._replies.listen(spoken, self._admit)
                await socket.send(spoken.message)
            await socket.close(*_stated(*(client.left or (_NORMAL, ""))))
        except (Failure, OSError):
            await socket.close()  # one side has gone
        except EndedByLimit as ended:
            self._stop(ended.fault)
        except Exception as error:  # noqa: BLE001 - `run` raises it
            self._crash = error
            await socket.close()

    def _stop(self, fault: ir.Fault) -> None:
        """End the session with this fault, unless another fault is ending it already."""
        self._over = self._over or fault
        spawn(self._socket.close(), "ending a session")

    def _drain(self) -> None:
        """End the session because the server stops: after the running reply, or at once if there is none."""
        self._draining = True
        if not self._replies.running:
            self._stop(STOPPING)

    def _watch(self, idle: float) -> None:
        """End the session if no message has come from either side for `idle` seconds; otherwise check again
        when these seconds can be over.
        """
        left = self._latest + idle - self._loop.time()
        if left <= 0:
            self._stop(_silent(idle))
        else:
            self._timers["idle"] = self._loop.call_later(left, self._watch, idle)


def _stated(code: int, reason: str) -> tuple[int, str]:
    """Return a close code and a reason in a form that a close frame may have: 1000 in place of a code that
    must not be sent, and a reason of at most 123 bytes.
    """
    short = reason.encode()[:_MOST_REASON].decode("utf-8", "ignore")
    return (_NORMAL if code in _UNSTATED else code), short


def _broken(name: str, code: int = _ABNORMAL, reason: str = "") -> ir.Fault:
    how = "broke off" if code == _ABNORMAL else f"was closed with code {code}"
    text = f"The realtime session at {name!r} {how}{f': {reason}' if reason else '.'}"
    return ir.Fault("upstream", text, "session_broken", blame="upstream")


def _unopened(name: str, seconds: float) -> ir.Fault:
    text = f"{name} did not open the realtime session within {seconds:g} s."
    return ir.Fault("timeout", text, "session_not_opened", blame="upstream")


def _lasted(seconds: float) -> ir.Fault:
    text = f"The realtime session has reached its limit of {seconds:g} seconds. Open a new one to continue."
    return ir.Fault("invalid_request", text, _EXPIRED)


def _silent(seconds: float) -> ir.Fault:
    text = f"The realtime session was closed because no message came for {seconds:g} seconds."
    return ir.Fault("timeout", text, "session_idle")
