"""The values of one client request: as it was received (`Inbound`), and as it was decoded (`Asked`).

The server creates an `Inbound`. The first stage, `decode` (for a realtime session, `converse.opened`), makes
an `Asked` from it. A later stage that changes the request (adds earlier messages, for example) returns a new
`Asked`. The body is in `Asked.said` (`Said`). It can be emptied, so that the values of a large body do not
stay in memory while its answer streams.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ParamSpec, Protocol, TypeVar

import msgspec

from dragoman import ir
from dragoman.accounts.caller import ANYTHING, Permits
from dragoman.accounts.grants import Grants
from dragoman.capacity.heavy import MEDIUM, Steps
from dragoman.capacity.space import Share, unbounded
from dragoman.dialects.dialect import Dialect, ErrorCodec
from dragoman.dialects.end_users import of_headers
from dragoman.dialects.gateway_members import HEADERS
from dragoman.dialects.loss import Report
from dragoman.dialects.named_models import Named
from dragoman.dialects.operation import AnyOperationCodec
from dragoman.dialects.reply import Framing, Reply
from dragoman.dialects.request import Operation, WireRequest
from dragoman.dialects.streaming import Ending
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import Exchange, Reason
from dragoman.routing.route import Deployment
from dragoman.wire import multipart
from dragoman.wire.json import MAX_VALUES, TOO_LARGE
from dragoman.wire.outline import outline

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Wishes(msgspec.Struct, frozen=True):
    """What the headers of a request ask of the engine. tags: the values of the headers that list tags, each a
    text with commas. strict, check: the values of `x-dragoman-strict` and `x-dragoman-check-output`, None =
    the header is missing. report: True = the client wants a report about the answer in the answer's headers
    (`x-dragoman-report: 1`). passed: those headers that the client's protocol defines for requests, by name;
    a provider of the same protocol may get them. once: the `Idempotency-Key` as the client wrote it; None =
    missing. end_user: the person or thing on whose behalf the client asks, as a header names it; None = no
    header does.
    """

    tags: tuple[str, ...]
    strict: str | None
    check: str | None
    report: bool
    passed: Mapping[str, str]
    once: str | None = None
    end_user: str | None = None


def wishes(headers: Mapping[str, str], face: Dialect) -> Wishes:
    """Return what the headers of a request ask of the engine. headers: with lower-case names. face: the
    client's protocol.
    """
    get = headers.get
    return Wishes(
        tuple(tags for name in HEADERS if (tags := get(name)) is not None),
        get("x-dragoman-strict"),
        get("x-dragoman-check-output"),
        get("x-dragoman-report") == "1",
        {name: value for name in face.headers.request if (value := get(name)) is not None},
        get("idempotency-key"),
        of_headers(headers),
    )


class Inbound(msgspec.Struct, frozen=True):
    """A client's request as the server gives it to the engine: the server has checked who may call, and the
    body is complete and within its limit.

    face: the client's protocol. body: the body in bytes; in `Asked.inbound`, it may be left out (`decode`).
    headers: with lower-case names. max_depth: how deeply the JSON may be nested.
    models: the model names that the client may use; None = all. max_values: how many values the JSON may
    contain. framing: the stream format that the client wants. turn: adds the earlier messages that the
    request continues, stores its answer, or both (see `Turn`); None = neither is needed. path: the path with
    parameter names in braces. params: the values of these parameters. operation: what the client asks for.
    fields: the fields of a form, whose `body` is empty. shown: the model name in answers; None = the name
    that the route states, or the upstream's name if the route states none. room: counts the memory of the
    request's decoded values and of the messages that it continues. reading: the weight of the body's values
    (see `Asked`), in bytes; 0 = not measured yet. wishes: what the headers ask; None = `wished` reads the
    headers. may: what the client may use, apart from models. errors: the form of an error answer; None = the
    form of the face.
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
    room: Share = msgspec.field(default_factory=unbounded)
    reading: int = 0
    wishes: Wishes | None = None
    may: Permits = ANYTHING
    errors: ErrorCodec | None = None

    @property
    def wished(self) -> Wishes:
        """What the headers ask of the engine: `wishes`, or, if that is None, read from the headers at each
        use.
        """
        return wishes(self.headers, self.face) if self.wishes is None else self.wishes


class Sealed(msgspec.Struct, frozen=True):
    """The messages `messages[start:stop]` of a request in the IR. Only the provider with the name `provider`
    can read their signatures and encrypted reasoning, so only this provider gets them; "" = no provider gets
    them.
    """

    start: int
    stop: int
    provider: str


class Said(msgspec.Struct, eq=False):
    """The body of a request, in several forms. wire: the body, decoded from JSON or a form. head: the
    top-level members, each as raw JSON; {} for a form. raw: the body in bytes; b"" for a form. request: the
    request in the IR; None = not decoded yet. fetched: the media that were fetched for the running attempt,
    by the `id()` of the medium in `request`; None = none were fetched. member_count: how many top-level
    members `raw` has, where a repeated member counts each time; 0 = not known. If the constructor gets None
    for the head, it is read from `raw` at the first use.
    """

    wire: WireRequest
    _head: dict[str, msgspec.Raw] | None
    raw: bytes
    request: Any = None
    fetched: dict[int, ir.Media] | None = None
    member_count: int = 0

    @property
    def head(self) -> dict[str, msgspec.Raw]:
        if self._head is None:
            self._head = outline(self.raw, self.wire.body, self.member_count)
        return self._head

    def with_request(self, request: Any) -> Said:
        """Return a new `Said` with the same body, another request in the IR, and no fetched media."""
        return Said(self.wire, self._head, self.raw, request, member_count=self.member_count)

    def forget(self) -> None:
        """Empty all forms of the body, to free their memory. Only the operation stays in `wire`."""
        self.wire = WireRequest(self.wire.operation, {})
        self._head, self.raw, self.request, self.fetched = {}, b"", None, None


class AnswerContext(msgspec.Struct, frozen=True):
    """What a turn needs to store an answer, besides the answer itself. reply: the values that the answer was
    encoded with. deployment: the deployment that has answered; None = no model was called. steps: runs the
    work on a large answer in turn with the steps of other large requests. weight: the size in bytes of the
    request and of the messages that it continues.
    """

    exchange: Exchange
    reply: Reply
    deployment: Deployment | None
    steps: Steps
    weight: int


class Turn(Protocol):
    """Adds the earlier messages that a request continues (a conversation, for example), and stores its answer
    for later requests. A turn may do only one of the two.
    """

    @property
    def relayed(self) -> bool:
        """Whether the turn allows that the request is relayed. False = the request must be translated."""
        ...

    @property
    def hears(self) -> bool:
        """Whether the turn needs a call of `heard`, with the complete answer in the IR."""
        ...

    @property
    def keeps(self) -> bool:
        """Whether the turn needs a call of `kept`, with the answer's JSON object as the client reads it."""
        ...

    def concerns(self, body: Mapping[str, Any]) -> bool:
        """Whether the turn has something to do for a request with this decoded body. If not, the request is
        handled without this turn.
        """
        ...

    @property
    def precedes(self) -> bool:
        """Whether the messages that the turn adds may contain the tool calls to which tool results in this
        request belong.
        """
        ...

    async def expand(self, asked: Asked) -> Asked:
        """Return the request with the earlier messages before its own messages. Raises RequestFailed, for
        example if the earlier messages are not found.
        """
        ...

    async def admitted(self, asked: Asked, last_words: Callable[[ir.Fault], bytes]) -> ir.Response | None:
        """Return None if a model has to be called, otherwise the answer to send without a model (to a request
        that only adds input, for example). Called before a model is called; a turn may store here that the
        request was accepted. last_words: returns the bytes that tell the client a failure inside its stream.
        Raises RequestFailed if the request cannot be accepted.
        """
        ...

    async def heard(self, answer: AnswerContext, response: ir.Response) -> None:
        """Receive the whole answer in the IR. This is called only if `hears` is True, before the last bytes
        of the answer are sent.
        """
        ...

    async def kept(self, answer: AnswerContext, ending: Ending) -> bool:
        """Store the answer. This is called only if `keeps` is True, before the last bytes of the
        answer are sent. ending: the answer as the client reads it. Return False if the client must
        be told that the answer was not stored although it should have been, otherwise True. A turn
        whose clients are not told this (that of stored chat completions) returns True also if
        storing has failed. Raises RequestFailed if the answer cannot be added to its conversation.
        """
        ...

    def failed(self) -> None:
        """Called when the request has failed before any headers were sent to the client. It is not called if
        the request is only cancelled.
        """
        ...


class Asked(msgspec.Struct, frozen=True):
    """A decoded client request.

    wished: what the headers ask. face: the protocol in which the body is written. said: the body. steps: runs
    steps on large requests one after another. weight: the size in bytes of the body (0 for a form) and of the
    messages that it continues. reading: like `weight`, but long texts weigh less than their bytes
    (`wire.json.Measured.weight`). light: True = `reading` is below `MEDIUM`; then callers may work on the
    request directly, without `step` and `look`. turn: as in `Inbound`; None = there is nothing to add or to
    store. codec: the codec of the operation in the client's protocol; None = chat, whose codec the face
    itself has. prompts: True = the body is a chat request (the operation is chat, or the count of a prompt's
    tokens). brief: the chat request with only the fields on which the form of the answer depends; an empty
    request if `prompts` is False. model: the name in the request or, if it has none, the first of the models
    that it lists; None = it names none. streamed: whether the client wants a stream. echo: the request's
    members that the answer repeats, as the client wrote them; {} = none. sealed: ranges of messages, each
    with the only provider that gets their signatures and encrypted reasoning; of messages outside these
    ranges, every provider gets them. sealless: True = no provider gets any, because a provider has refused
    them. beyond: the reason why the protocol's author would refuse the request, while other servers of the
    protocol may accept it; None = its author accepts it. reasons: why every attempt must translate the
    request; () = an attempt may relay it. others: the models that the request names for the case that `model`
    cannot answer. inner: the models that the request lets its provider use besides `model`.
    """

    exchange: Exchange
    inbound: Inbound
    wished: Wishes
    face: Dialect
    said: Said
    steps: Steps
    weight: int
    reading: int
    light: bool
    turn: Turn | None
    codec: AnyOperationCodec | None = None
    prompts: bool = True
    brief: ir.Request = ir.Request("", None)
    model: str | None = None
    streamed: bool = False
    echo: Mapping[str, Any] = {}
    sealed: tuple[Sealed, ...] = ()
    sealless: bool = False
    beyond: WireError | None = None
    reasons: tuple[Reason, ...] = ()
    others: tuple[Named, ...] = ()
    inner: tuple[Named, ...] = ()

    @property
    def wire(self) -> WireRequest:
        """The request in the client's protocol, decoded from JSON or a form; empty after `Said.forget`."""
        return self.said.wire

    @property
    def request(self) -> Any:
        """The request in the IR (for chat and the count of tokens, an `ir.Request`), decoded at the first
        use. Raises RequestFailed if the body cannot be decoded. Must not be used after `Said.forget`.
        """
        request = self.said.request
        return self._decode() if request is None else request

    def _decode(self) -> Any:
        decode = self.face.request.decode if self.codec is None else self.codec.client.decode
        try:
            self.said.request = request = decode(self.said.wire)
        except WireError as error:
            raise RequestFailed(blamed(error)) from error
        return request

    async def decoded(self) -> Any:
        """Return `request`, decoded in a step if that is not done yet and the request is not light. Raises as
        `request` does.
        """
        request = self.said.request
        if request is None:
            request = self._decode() if self.light else await self.step(self._decode)
        return request

    def step(self, step: Callable[_P, _T], /, *args: _P.args, **named: _P.kwargs) -> Awaitable[_T]:
        """Run a function that reads the whole request, and return its result. If `weight` is at least
        `MEDIUM` bytes, the function waits for its turn among the steps of other requests (`Steps.run`).
        """
        return self.steps.run(self.weight, step, *args, **named)

    def look(self, step: Callable[_P, _T], /, *args: _P.args, **named: _P.kwargs) -> Awaitable[_T]:
        """Run a function that reads the request's values but not its texts, and return its result. If
        `reading` is at least `MEDIUM` bytes, the function waits for its turn among the steps of other
        requests (`Steps.run`).
        """
        return self.steps.run(self.reading, step, *args, **named)

    def reply(
        self,
        report: Report,
        *,
        request: ir.Request | None = None,
        model: str | None = None,
        now: Callable[[], float] | None = None,
    ) -> Reply:
        """Return the values that an answer is encoded with. report: gets the losses and changes of the
        encoding. request: the client's request; None = `brief`. model: the model name to show; None = the
        upstream's. now: returns Unix seconds; None = no clock is needed.
        """
        exchange = self.exchange
        return Reply(
            self.brief if request is None else request,
            report,
            self.face.response.id_prefix + exchange.id.removeprefix("ex_"),
            int(exchange.created),
            model,
            self.inbound.framing,
            self.echo,
            now,
            exchange.created,
        )

    def heavier(self, size: int) -> Asked:
        """Return the same request with the size of its continued messages added to `weight` and `reading`.
        size: in bytes.
        """
        reading = self.reading + size
        return msgspec.structs.replace(
            self, weight=self.weight + size, reading=reading, light=reading < MEDIUM
        )

    def with_request(self, request: Any, *reasons: Reason) -> Asked:
        """Return a copy of this `Asked` with another request in the IR, and without fetched media; the body
        in the client's protocol stays the same. reasons: added to the reasons why every attempt must
        translate the request.
        """
        said = self.said.with_request(request)
        return msgspec.structs.replace(self, said=said, reasons=self.reasons + reasons)

    def without_seals(self) -> Asked:
        """Return the same request, marked so that no provider gets its signatures or encrypted reasoning."""
        everything = Sealed(0, len(self.request.messages), "")
        return msgspec.structs.replace(self, sealed=(everything,), sealless=True)

    def readable(self, provider: str, report: Report) -> ir.Request:
        """Return the chat request for `provider`, in the IR. In the messages that `sealed` gives to another
        provider or to none, the signatures and encrypted reasoning are left out; `report` gets a loss for
        each message from which something is left out.
        """
        request: ir.Request = self.request
        for sealed in self.sealed:
            if sealed.provider != provider:
                request = _unsealed(request, sealed, report)
        return request


def blamed(error: WireError) -> ir.Fault:
    """Return the client's fault for a mistake in its request. Its kind is "too_large" (413) if the request is
    too large, otherwise "invalid_request" (400).
    """
    return ir.Fault(
        "too_large" if error.code == TOO_LARGE else "invalid_request",
        error.message,
        code=error.code,
        param=error.path or None,
        blame="client",
    )


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
