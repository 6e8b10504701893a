"""One request as its client sent it, with the earlier messages that it continues.

The server creates an `Inbound`. The stages `decode` and `expand` make an `Asked` from it; a stage that
changes something returns a new one. Only `Said` can be emptied, so that the body of a large request does not
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
from dragoman.wire.json import MAX_VALUES, TOO_LARGE, head_of

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Wishes(msgspec.Struct, frozen=True):
    """What the headers of a request tell the engine. tags: the values of the headers that list tags. strict,
    check: the values of `x-dragoman-strict` and `x-dragoman-check-output`, None = missing. report: True = the
    answer shall have the header `x-dragoman-report`. passed: the headers of the client's protocol, which are
    sent on to a provider that uses the same protocol. once: the `Idempotency-Key`, for providers that honour
    it; None = missing. end_user: on whose behalf the client asks, None = missing.
    """

    tags: tuple[str, ...]
    strict: str | None
    check: str | None
    report: bool
    passed: Mapping[str, str]
    once: str | None = None
    end_user: str | None = None


def wishes(headers: Mapping[str, str], face: Dialect) -> Wishes:
    """Read the headers (lower-case names) of a request in the protocol `face`."""
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
    """A client's request from the server: the client is known, and the body is read and within its limit.

    face: the client's protocol. headers: lower-case names. max_depth: how deeply the JSON may be nested.
    models: the model names that the client may use; None = all. max_values: how many values the JSON may
    hold. framing: the stream format that the client wants. turn: the conversation that the request continues
    or that keeps its answer; None = neither. path, params: the path with names in braces, and their values.
    fields: the fields of a form, `body` is then empty; () = no form. shown: the model name that answers show;
    None = the one that the route states. room: counts the bytes of the continued messages. reading: the
    weight of the body for steps that do not read its texts (`wire.json.Measured`); 0 = not measured yet.
    wishes: as read from the same headers before; None = not yet. may: what the client may use besides models.
    errors: the form of an error answer, None = that of the face.
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
        """The wishes, read from the headers unless the server has read them before."""
        return wishes(self.headers, self.face) if self.wishes is None else self.wishes


class Sealed(msgspec.Struct, frozen=True):
    """`messages[start:stop]`, whose signatures and encrypted reasoning only `provider` can read; "" = no
    provider gets them.
    """

    start: int
    stop: int
    provider: str


class Said(msgspec.Struct, eq=False):
    """The body of a request. wire: decoded. head: its top-level members, each as raw JSON; {} = the body is a
    form. The constructor takes None for the head; then it is read from `raw` at its first use. raw: as
    received. request: the IR form; None = not decoded yet. fetched: the media that were fetched for the
    running attempt, by the `id` of the medium in `request`; None = no media were fetched.
    """

    wire: WireRequest
    _head: dict[str, msgspec.Raw] | None
    raw: bytes
    request: Any = None
    fetched: dict[int, ir.Media] | None = None

    @property
    def head(self) -> dict[str, msgspec.Raw]:
        if self._head is None:
            self._head = head_of(self.raw)
        return self._head

    def with_request(self, request: Any) -> Said:
        """The same body with another IR form, without fetched media."""
        return Said(self.wire, self._head, self.raw, request)

    def forget(self) -> None:
        """Free the memory of all forms: the answer has begun, so the request is never sent again."""
        self.wire = WireRequest(self.wire.operation, {})
        self._head, self.raw, self.request, self.fetched = {}, b"", None, None


class AnswerContext(msgspec.Struct, frozen=True):
    """What a turn needs to keep an answer, besides the answer itself. reply: the values that it was encoded
    with. deployment: who answered; None = no model was called. steps: runs work on the whole answer in turns
    with other large requests. weight: bytes of the request and of the messages that it continues.
    """

    exchange: Exchange
    reply: Reply
    deployment: Deployment | None
    steps: Steps
    weight: int


class Turn(Protocol):
    """The conversation that a request continues. It may also store the answer for the next request."""

    @property
    def relayed(self) -> bool:
        """Whether this turn allows that the request is relayed; False: it must be translated."""
        ...

    @property
    def hears(self) -> bool:
        """Whether `heard` must be called with the whole answer in the IR when the answer is complete."""
        ...

    @property
    def keeps(self) -> bool:
        """Whether `kept` must be called with the answer's JSON object as the client reads it."""
        ...

    def concerns(self, body: Mapping[str, Any]) -> bool:
        """Whether there is anything to do for a request with this body. If not, the request has no turn."""
        ...

    @property
    def precedes(self) -> bool:
        """Whether earlier messages may contain the tool calls that this request's results belong to."""
        ...

    async def expand(self, asked: Asked) -> Asked:
        """The request with the earlier messages in front of its own. Raises RequestFailed."""
        ...

    async def admitted(self, asked: Asked, last_words: Callable[[ir.Fault], bytes]) -> ir.Response | None:
        """Note that the request is valid. Returns None if a model has to be called, else the answer that is
        sent without one (as for a request that only adds input). last_words: returns the bytes that tell a
        failure inside a stream; it may be called at any time. Raises RequestFailed.
        """
        ...

    async def heard(self, answer: AnswerContext, response: ir.Response) -> None:
        """Take the whole answer in the IR, before its last bytes are sent."""
        ...

    async def kept(self, answer: AnswerContext, ending: Ending) -> bool:
        """Store the answer, before its last bytes are sent. Returns False if the answer should have been
        stored but was not. Raises RequestFailed.
        """
        ...

    def failed(self) -> None:
        """Note that the request has failed before its answer began."""
        ...


class Asked(msgspec.Struct, frozen=True):
    """A decoded client request.

    wished: what its headers tell. face: the client's protocol. said: its body. steps: runs work on large
    requests in turns. weight: bytes of the body and of the messages that it continues; it decides how steps
    take turns. reading: the same for steps that read its values but not its texts
    (`wire.json.Measured.weight`). light: True = steps run at once; callers look at it first, because even an
    `await` that does not wait costs more than most steps of a small request. turn: what it continues, or what
    keeps its answer. codec: of the operation, in the face's protocol; None = chat, whose codec the face
    itself has. prompts: True = a chat request, also if only its tokens are counted. brief: the chat request
    with only the fields that the form of the answer depends on; empty without a prompt. model, streamed: as
    requested. echo: the members that the answer repeats, as the client wrote them. sealed: which messages
    have signatures or encrypted reasoning, and from which provider. sealless: True = a provider refused
    these, so none are sent. beyond: why only servers beside the protocol's author may accept it, None = the
    author does. reasons: why it cannot be relayed. others: the models to turn to if `model` cannot answer.
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

    @property
    def wire(self) -> WireRequest:
        """The request in the client's protocol, decoded from JSON or a form; empty after `Said.forget`."""
        return self.said.wire

    @property
    def request(self) -> Any:
        """The request in the IR, decoded at the first use. Raises RequestFailed if the body is invalid."""
        request = self.said.request
        return self._decode() if request is None else request

    def _decode(self) -> Any:
        decode = self.face.request.decode if self.codec is None else self.codec.client.decode
        try:
            self.said.request = request = decode(self.said.wire)
        except WireError as error:
            raise RequestFailed(blamed(error)) from error
        return request

    def decoded(self) -> Any:
        """The same as `request`, as a function for `step`."""
        return self.request

    def step(self, step: Callable[_P, _T], /, *args: _P.args, **named: _P.kwargs) -> Awaitable[_T]:
        """Run a step on the whole request, when its turn has come."""
        return self.steps.run(self.weight, step, *args, **named)

    def look(self, step: Callable[_P, _T], /, *args: _P.args, **named: _P.kwargs) -> Awaitable[_T]:
        """Run a step that reads the request's values but not its texts, when its turn has come."""
        return self.steps.run(self.reading, step, *args, **named)

    @property
    def answer_id(self) -> str:
        """The id that the gateway gives to the answer."""
        return self.face.response.id_prefix + self.exchange.id.removeprefix("ex_")

    def reply(
        self,
        report: Report,
        *,
        request: ir.Request | None = None,
        model: str | None = None,
        now: Callable[[], float] | None = None,
    ) -> Reply:
        """The values that an answer is encoded with. request: None = `brief`. model: the name to show; None =
        the upstream's. now: the clock in Unix seconds.
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
        """The same request with `size` more bytes of continued messages."""
        reading = self.reading + size
        return msgspec.structs.replace(
            self, weight=self.weight + size, reading=reading, light=reading < MEDIUM
        )

    def with_request(self, request: Any, *reasons: Reason) -> Asked:
        """The same request with another IR form, without fetched media. reasons: why it cannot be relayed."""
        said = self.said.with_request(request)
        return msgspec.structs.replace(self, said=said, reasons=self.reasons + reasons)

    def without_seals(self) -> Asked:
        """The same request, marked so that no provider gets signatures or encrypted reasoning."""
        everything = Sealed(0, len(self.request.messages), "")
        return msgspec.structs.replace(self, sealed=(everything,), sealless=True)

    def readable(self, provider: str, report: Report) -> ir.Request:
        """The chat request without the signatures and encrypted reasoning in continued messages that
        `provider` cannot read. What is removed is added to `report` as losses.
        """
        request: ir.Request = self.request
        for sealed in self.sealed:
            if sealed.provider != provider:
                request = _unsealed(request, sealed, report)
        return request


def blamed(error: WireError) -> ir.Fault:
    """The client's fault for a mistake in its request: 413 if the request is too large, else 400."""
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
