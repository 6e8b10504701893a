"""One request on its way through the stages: what it said, what became of it, who waits for it.

The server hands an `Inbound` and a `Client` in; the engine's stages and the flight read and write the
`Work` between. It decides nothing about what comes next.
"""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from typing import Any, ParamSpec, Protocol, TypeVar

import msgspec

from dragoman import ir
from dragoman.accounts.grants import Grants
from dragoman.capacity.heavy import MEDIUM, HeavySteps
from dragoman.dialects import gateway_members
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.facts import Facts
from dragoman.dialects.loss import Change, Loss, Report
from dragoman.dialects.operation import AnyOperationCodec
from dragoman.dialects.quirks import EVERYTHING
from dragoman.dialects.reply import Framing, Reply
from dragoman.dialects.request import PROMPTED, Operation, WireRequest
from dragoman.dialects.streaming import Ending
from dragoman.dialects.table import READINGS
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import Exchange
from dragoman.net.fetch import Claim
from dragoman.routing.route import Deployment, Route, Strict, deep_merge
from dragoman.upstreams.upstream import Call, Upstream
from dragoman.upstreams.wire import WireUpstream
from dragoman.verify.check import Form
from dragoman.wire import multipart
from dragoman.wire.header import header_value
from dragoman.wire.json import MAX_VALUES, TOO_LARGE

Headers = Sequence[tuple[bytes, bytes]]
_P = ParamSpec("_P")
_T = TypeVar("_T")


class Client(Protocol):
    """Whoever waits for the answer. Writing waits while the client reads slowly."""

    @property
    def begun(self) -> bool:
        """Whether headers have been sent: a failure is then told in-band."""
        ...

    async def answer(self, status: int, headers: Headers, body: bytes) -> None:
        """A whole answer: JSON, unless the first header states its content type."""
        ...

    def expect_stream(self) -> None:
        """The answer will be a stream: from now on silence is filled with heartbeats."""
        ...

    async def begin(self, status: int, headers: Headers) -> None:
        """The headers of a stream, the first of which may be its content type; later calls are ignored."""
        ...

    async def write(self, data: bytes) -> None:
        """More of a stream."""
        ...

    async def end(self, data: bytes = b"") -> None:
        """The last of a stream."""
        ...


class ForwardingClient:
    """Hands an answer on to another client. A subclass that looks at the answer adds `answer` and `end`."""

    def __init__(self, client: Client) -> None:
        self._client = client

    @property
    def begun(self) -> bool:
        """Whether headers have been sent."""
        return self._client.begun

    def expect_stream(self) -> None:
        """The answer will be a stream."""
        self._client.expect_stream()

    async def begin(self, status: int, headers: Headers) -> None:
        """The headers of a stream."""
        await self._client.begin(status, headers)

    async def write(self, data: bytes) -> None:
        """More of a stream."""
        await self._client.write(data)


class Turn(Protocol):
    """What a request continues, and what keeps its answer for the next one."""

    hears: bool
    """Whether it must be told the answer in IR terms. Nothing is relayed then."""
    precedes: bool
    """Whether what it puts in front of the request may hold the calls that the request's results answer."""

    async def expand(self, work: Work) -> None:
        """Put what was said before in front of the request. Its body has been checked, nothing else."""
        ...

    async def admitted(self, work: Work) -> bool:
        """The request is in order. False = it is answered already, and no upstream is to be asked."""
        ...

    async def heard(self, work: Work, response: ir.Response) -> None:
        """The whole answer, before its last bytes go out."""
        ...

    async def kept(self, work: Work, ending: Ending) -> bool:
        """Keep the answer of a stream whose last event is not written yet, because it is long; all others are
        found in the bytes. False = it was to be kept, and could not be.
        """
        ...


class Room(Protocol):
    """What requests may take together of this process's memory, as one of them sees it."""

    def take(self, size: int) -> None:
        """Take so many bytes more. Raises RequestFailed (503)."""
        ...

    def give(self, size: int) -> None:
        """Give some of it back."""
        ...

    def hold(self) -> None:
        """What is taken is needed for longer than the request: whoever holds it frees it, too."""
        ...

    def free(self) -> None:
        """It is needed no more."""
        ...


class _Unbounded:
    """Room without a bound."""

    def take(self, size: int) -> None:
        """Take it."""

    def give(self, size: int) -> None:
        """Nothing is counted."""

    def hold(self) -> None:
        """Nothing is counted."""

    def free(self) -> None:
        """Nothing is counted."""


UNBOUNDED: Room = _Unbounded()


class Inbound(msgspec.Struct, frozen=True):
    """A client's request as the server hands it over: authenticated, its body read and bounded.

    headers: lower-case names. max_depth: how deeply the JSON may be nested. models: the names that the
    caller is granted, None = all. max_values: how many values the JSON may hold. framing: how the client
    wants its stream cut. turn: None = the request stands for itself. path, params: where the face's protocol
    says in its path what is asked for, as in `WireRequest`. operation: what is asked for. fields: the body,
    where it is a form; `body` is empty then. shown: what answers call the model, None = as its route has it.
    room: where what the request continues takes its part of the memory.
    """

    face: Dialect
    body: bytes
    headers: Mapping[str, str]
    max_depth: int = 200
    models: Grants | None = None
    max_values: int = MAX_VALUES
    framing: Framing = "sse"
    turn: Turn | None = None
    path: str = ""
    params: Mapping[str, str] = {}
    operation: Operation = "chat"
    fields: multipart.Form = ()
    shown: str | None = None
    room: Room = UNBOUNDED


class Sealed(msgspec.Struct, frozen=True):
    """Messages whose seals one provider made: `messages[start:stop]`. Another provider cannot read them."""

    start: int
    stop: int
    provider: str


class Work:
    """One request on its way through the stages."""

    __slots__ = (
        "_always_usage",
        "_brief",
        "_heavy",
        "_job",
        "_request",
        "beyond",
        "changed",
        "client",
        "deployment",
        "echo",
        "ending",
        "exchange",
        "face",
        "fetched",
        "form",
        "head",
        "inbound",
        "light",
        "now",
        "operation",
        "preceded",
        "route",
        "sealed",
        "strict",
        "unsealed",
        "weight",
        "wire",
    )

    def __init__(
        self,
        exchange: Exchange,
        inbound: Inbound,
        client: Client,
        *,
        heavy: HeavySteps,
        now: Callable[[], float],
        always_usage: bool = False,
    ) -> None:
        self._always_usage = always_usage
        self._heavy = heavy
        self.exchange = exchange
        self.inbound = inbound
        self.face = inbound.face
        self.operation: Operation = inbound.operation
        """What is asked for. Of what follows, `request` and what is made of it are of the prompted ones."""
        self.client = client
        self.now = now
        """Unix seconds."""
        self.head: dict[str, msgspec.Raw]
        self.light = (weight := len(inbound.body)) < MEDIUM
        """Whether its steps run where they are."""
        self.weight = weight
        """Bytes of JSON that were sent, with what they continue. Its steps take turns by it (`heavy`)."""
        self.wire: WireRequest
        self.route: Route
        self.deployment: Deployment
        """The one that the running attempt calls."""
        self.strict: Strict = False
        self.fetched: Claim | None = None
        """What the exchange holds of the room for media that were named by URL, None = none was."""
        self.form: Form | None = None
        """What the answer is held to, None = it is not checked."""
        self.beyond: WireError | None = None
        """What the author of the client's protocol refuses in the request; other servers may take it."""
        self.changed = False
        self.preceded = False
        """Whether a session's turns go before what its client sends."""
        self.echo: Mapping[str, Any] = {}
        """The request's members as its client wrote them, where the answer repeats them."""
        self.sealed: tuple[Sealed, ...] = ()
        """Who made the seals in what the request continues."""
        self.unsealed = False
        """Whether what is sealed stays away, because a provider refused it."""
        self.ending: Callable[[ir.Fault], bytes] | None = None
        """How the stream that has begun tells that it has failed."""
        self._request: ir.Request | None = None
        self._brief: ir.Request | None = None
        self._job: Any = None

    def step(self, step: Callable[_P, _T], /, *args: _P.args, **named: _P.kwargs) -> Awaitable[_T]:
        """Run what works on the whole request, when its turn has come. On the way of every request `light` is
        looked at first: to wait for nothing costs more than most steps of a small one.
        """
        return self._heavy.run(self.weight, self.exchange.client, step, *args, **named)

    def grow(self, size: int) -> None:
        """The request continues so many bytes more."""
        self.weight += size
        self.light = self.weight < MEDIUM

    def step_of(
        self, size: int, step: Callable[_P, _T], /, *args: _P.args, **named: _P.kwargs
    ) -> Awaitable[_T]:
        """Run what works on so many bytes of an answer, when its turn has come."""
        return self._heavy.run(size, self.exchange.client, step, *args, **named)

    @property
    def codec(self) -> AnyOperationCodec:
        """How the face says the operation; it is asked for it, so it can."""
        return self.face.operations[self.operation]

    @property
    def job(self) -> Any:
        """The operation's request in IR terms, decoded when it is first needed: a plain relay never does."""
        if self.operation in PROMPTED:
            return self.request
        if self._job is None:
            try:
                self._job = self.codec.client.decode(self.wire)
            except WireError as error:
                raise RequestFailed(self.blamed(error)) from error
        return self._job

    @property
    def asked(self) -> tuple[str | None, bool]:
        """The model's name, and whether the answer is to be a stream."""
        if self.operation != "chat":
            return self.codec.client.model(self.wire), self.codec.client.streams(self.wire)
        return self.brief.model, self.brief.stream

    @property
    def stated_model(self) -> str | None:
        """The model that a request names which is not in order; None = it names none, or cannot be read."""
        wire: WireRequest | None = getattr(self, "wire", None)
        name = None if wire is None else wire.params.get("model") or wire.body.get("model")
        return name if isinstance(name, str) else None

    def reread(self) -> bool:
        """Whether the body, which the face refuses, is of another form that is known to come to its path; it
        is read in that from now on.
        """
        reading = READINGS.get(self.face.name) if self.operation == "chat" else None
        face = None if reading is None else reading(self.wire.body)
        if face is not None:
            self.face = face
        return face is not None

    def suspend(self, refused: WireError) -> None:
        """Leave what the face refuses to who is asked, if some servers take it. Raises WireError."""
        if self.operation != "chat" or self.face.request.widen is None:
            raise refused
        self.face.check_widely(self.wire, EVERYTHING)
        self.beyond = refused

    def is_taken(self, upstream: Upstream) -> bool:
        """Whether an upstream may take what goes beyond the client's protocol: a server of the same protocol
        that is known to take as much.
        """
        if not isinstance(upstream, WireUpstream) or upstream.dialect is not self.face:
            return False
        try:
            self.face.check_widely(self.wire, upstream.quirks.widens)
        except WireError:
            return False
        return True

    @property
    def brief(self) -> ir.Request:
        """What the form of the answer depends on, without the messages."""
        if self._brief is None:
            brief = self.face.request.brief(self.wire)
            if self._always_usage:
                brief = msgspec.structs.replace(brief, stream_usage=True)
            self._brief = brief
        return self._brief

    def forget(self) -> None:
        """Let go of what was asked: the answer has begun, and nothing will be sent again."""
        if self.operation == "chat":
            _ = self.brief
        self.inbound = msgspec.structs.replace(self.inbound, body=b"", fields=())
        self.head = {}
        self.wire = WireRequest("chat", {})
        self._request = self._job = None

    @property
    def request(self) -> ir.Request:
        """The request in IR terms, decoded when a stage first needs it: a plain relay never does."""
        if self._request is None:
            try:
                self._request = self.face.request.decode(self.wire)
            except WireError as error:
                raise RequestFailed(self.blamed(error)) from error
        return self._request

    @request.setter
    def request(self, request: ir.Request) -> None:
        self._request = request

    def decoded(self) -> ir.Request:
        """The same, as a step."""
        return self.request

    @property
    def streams(self) -> bool:
        """Whether the client asked for a stream."""
        return self.exchange.streamed

    @property
    def names_deployment(self) -> bool:
        """Whether the client chose the upstream model itself, instead of a name of the configuration."""
        return self.route.shown(self.route.deployments[0]) is None

    @property
    def passed_headers(self) -> dict[str, str]:
        """The client's headers that may reach an upstream of the same dialect."""
        get = self.inbound.headers.get
        return {name: value for name in self.face.headers.request if (value := get(name)) is not None}

    def blamed(self, error: WireError) -> ir.Fault:
        """The inbound edge: what does not fit the client's protocol is the client's to mend."""
        return ir.Fault(
            "too_large" if error.code == TOO_LARGE else "invalid_request",
            error.message,
            code=error.code,
            param=error.path or None,
            blame="client",
        )

    def located(self, fault: ir.Fault, locate: Callable[[str], str] | None = None) -> ir.Fault:
        """A fault whose parameter is a place in IR terms, with the place in the client's own words."""
        if fault.param is None:
            return fault
        path = (locate or self.locate())(fault.param)
        return msgspec.structs.replace(fault, param=path.removeprefix("$."))

    def locate(self) -> Callable[[str], str]:
        """A place of the request in IR terms, in the client's own words."""
        if self.operation not in PROMPTED:
            return partial(self.codec.client.locate, self.job)
        return self.face.locator(self.wire)

    def can_relay(self, upstream: Upstream, model: str, facts: Facts) -> bool:
        """Whether this attempt may pass bytes: same dialect, nothing changed but names, nothing emulated.
        model: the upstream's name of it.
        """
        return (
            not self.changed
            and isinstance(upstream, WireUpstream)
            and upstream.dialect is self.face
            and (
                self._can_relay_chat(upstream, facts)
                if self.operation in PROMPTED
                else self.codec.relay is not None and self.codec.relays(self.wire, upstream.quirks, model)
            )
        )

    def _can_relay_chat(self, upstream: WireUpstream, facts: Facts) -> bool:
        return (
            upstream.quirks.relays(self.wire.body)
            and facts.takes(self.wire.body)
            and (facts.structured is not False or self.request.output is None)
            and (not self.sealed or all(sealed.provider == upstream.name for sealed in self.sealed))
            and not (
                self.face.opaque.foreign
                and any(mark in self.inbound.body for mark in self.face.opaque.foreign)
            )
        )

    @property
    def turn(self) -> Turn | None:
        """What the request continues."""
        return self.inbound.turn

    def unseal(self) -> bool:
        """Ask without anything that is sealed from now on. False = that has been tried."""
        tried, self.unsealed = self.unsealed, True
        self.sealed = (Sealed(0, len(self.request.messages), ""),)
        return not tried

    def readable(self, provider: str, report: Report) -> ir.Request:
        """The request without the seals that another provider made."""
        request = self.request
        for sealed in self.sealed:
            if sealed.provider != provider:
                request = _unsealed(request, sealed, report)
        return request

    def edits(self, call: Call) -> dict[str, Any]:
        """The named edits of a relayed request: the model, and what the configuration adds."""
        edits: dict[str, Any] = {"model": call.model}
        if not call.body:
            return edits
        for key, value in call.body.items():
            own = self.wire.body.get(key)
            edits[key] = (
                deep_merge(own, value) if isinstance(own, dict) and isinstance(value, dict) else value
            )
        return edits

    def reply(self, report: Report, *, relayed: bool = False) -> Reply:
        """What the answer is encoded for."""
        exchange = self.exchange
        request = self.brief if relayed else self.request
        if self._always_usage and not relayed:
            request = msgspec.structs.replace(request, stream_usage=True)
        return Reply(
            request,
            report,
            self.answer_id,
            int(exchange.created),
            self.shown,
            self.inbound.framing,
            self.echo,
            self.now,
            exchange.created,
        )

    @property
    def shown(self) -> str | None:
        """What the answer calls the model, None = as the upstream does."""
        return self.inbound.shown or self.route.shown(self.deployment)

    @property
    def answer_id(self) -> str:
        """The id of the answer, where the gateway makes it."""
        return self.face.response.id_prefix + self.exchange.id.removeprefix("ex_")

    def failing(self, fault: ir.Fault) -> bytes:
        """How the client is told of a failure once its stream has begun."""
        if self.ending is not None:
            return self.ending(fault)
        reply = Reply(
            self.brief,
            Report(self.face.name),
            self.answer_id,
            int(self.exchange.created),
            framing=self.inbound.framing,
            echo=self.echo,
        )
        return self.face.stream.encoder(reply).feed(ir.Error(fault))

    def tag(self, stated: str) -> None:
        """Note the tags of a header."""
        exchange = self.exchange
        exchange.tags, losses = gateway_members.bounded((*exchange.tags, *gateway_members.stated(stated)))
        self._take(losses, ())

    def keep(self, kept: gateway_members.Kept) -> None:
        """Note what was taken out of the body."""
        exchange = self.exchange
        exchange.tags, losses = gateway_members.bounded((*exchange.tags, *kept.tags))
        exchange.metadata = kept.metadata
        self._take(kept.losses + losses, kept.changes)

    def _take(self, losses: tuple[Loss, ...], changes: tuple[Change, ...]) -> None:
        before_losses, before_changes = self.exchange.taken
        new = tuple(loss for loss in losses if loss not in before_losses)
        self.exchange.taken = (before_losses + new, before_changes + changes)
        self.exchange.account((), ())

    def hold_strict(self) -> None:
        """Refuse a translation that loses more than the client allows, before anything is sent."""
        if not self.strict:
            return
        lost = [loss for loss in self.exchange.losses if self.strict == "all" or loss.severity == "meaning"]
        if lost:
            named = "; ".join(f"{loss.path}: {loss.reason}" for loss in lost)
            target = self.exchange.answered
            done = "sent" if target is None else f"translated for {target}"
            raise RequestFailed(
                ir.Fault(
                    "untranslatable",
                    f"the request cannot be {done} without loss: {named}",
                    code="untranslatable",
                    param=lost[0].path.removeprefix("$."),
                )
            )

    def headers(self) -> list[tuple[bytes, bytes]]:
        """Our own headers of a good answer, with what is known by now."""
        exchange = self.exchange
        headers = [
            (b"x-dragoman-deployment", header_value(exchange.answered or "")),
            (b"x-dragoman-losses", b"%d" % len(exchange.losses)),
        ]
        if len(exchange.attempts) > 1:
            headers.append((b"x-dragoman-attempts", b"%d" % len(exchange.attempts)))
        if exchange.usage is not None and exchange.usage.estimated:
            headers.append((b"x-dragoman-usage", b"estimated"))
        if self.inbound.headers.get("x-dragoman-report") == "1":
            headers.append((b"x-dragoman-report", _report(exchange)))
        return headers


def _unsealed(request: ir.Request, sealed: Sealed, report: Report) -> ir.Request:
    messages = list(request.messages)
    for place in range(sealed.start, min(sealed.stop, len(messages))):
        message = messages[place]
        if any(getattr(block, "sealed", None) is not None for block in message.blocks):
            blocks = tuple(
                msgspec.structs.replace(block, sealed=None)
                if getattr(block, "sealed", None) is not None
                else block
                for block in message.blocks
            )
            messages[place] = msgspec.structs.replace(message, blocks=blocks)
            reason = (
                f"encrypted reasoning can only be read by its own provider, {sealed.provider}"
                if sealed.provider
                else _REFUSED
            )
            report.lose(f"messages[{place}]", reason, "quality")
    return msgspec.structs.replace(request, messages=tuple(messages))


_REFUSED = "the provider rejected the encrypted reasoning or signatures"
_LONGEST_REPORT = 4000
_REPORTED_ATTEMPTS = 10
"""The latest attempts, each of some hundred bytes."""


def _report(exchange: Exchange) -> bytes:
    """Attempts, losses and changes as JSON that fits into a header: ASCII, and only as many entries as
    clients take.
    """
    entries = [("losses", loss) for loss in exchange.losses] + [("changes", c) for c in exchange.changes]
    attempts = [
        {
            "deployment": attempt.deployment,
            "mode": attempt.mode,
            "status": attempt.status,
            "error": None if attempt.fault is None else attempt.fault.code or attempt.fault.kind,
        }
        for attempt in exchange.attempts[-_REPORTED_ATTEMPTS:]
    ]
    report: dict[str, Any] = {"attempts": attempts, "losses": [], "changes": []}
    size = 0
    for place, (kind, entry) in enumerate(entries):
        written = msgspec.to_builtins(entry)
        size += len(json.dumps(written))
        if size > _LONGEST_REPORT:
            report["omitted"] = len(entries) - place
            break
        report[kind].append(written)
    return json.dumps(report).encode()
