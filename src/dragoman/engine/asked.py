"""One request as its client sent it, with the earlier messages that it continues.

The server creates an `Inbound`. The stages `decode` and `expand` make an `Asked` from it, which is frozen: a
stage that changes something returns a new `Asked`. Only `Said` can be emptied, because the body of a large
request must not stay in memory while its answer streams.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ParamSpec, Protocol, TypeVar

import msgspec

from dragoman import ir
from dragoman.accounts.grants import Grants
from dragoman.capacity.heavy import MEDIUM, Steps
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.loss import Report
from dragoman.dialects.operation import AnyOperationCodec
from dragoman.dialects.reply import Framing, Reply
from dragoman.dialects.request import Operation, WireRequest
from dragoman.dialects.streaming import Ending
from dragoman.errors import RequestFailed, WireError
from dragoman.exchange import Exchange, Reason
from dragoman.routing.route import Deployment
from dragoman.wire import multipart
from dragoman.wire.json import MAX_VALUES, TOO_LARGE

_P = ParamSpec("_P")
_T = TypeVar("_T")


class Room(Protocol):
    """The part of the process's memory that one request may take."""

    def take(self, size: int) -> None:
        """Take so many more bytes. Raises RequestFailed (503)."""
        ...

    def give(self, size: int) -> None:
        """Give so many bytes back."""
        ...

    def hold(self) -> None:
        """Keep the bytes for longer than the request. The holder must also call `free`."""
        ...

    def free(self) -> None:
        """Give all bytes back."""
        ...


class _Unbounded:
    """A room without a limit, which counts nothing."""

    def take(self, size: int) -> None:
        """Do nothing."""

    def give(self, size: int) -> None:
        """Do nothing."""

    def hold(self) -> None:
        """Do nothing."""

    def free(self) -> None:
        """Do nothing."""


UNBOUNDED: Room = _Unbounded()


class Inbound(msgspec.Struct, frozen=True):
    """A client's request from the server: the client is known, and the body is read and within its limit.

    headers: lower-case names. max_depth: how deeply the JSON may be nested. models: the model names that the
    client may use; None = all. max_values: how many values the JSON may hold. framing: the stream format that
    the client wants. turn: None = the request continues nothing. path, params: what the path states in the
    face's protocol, as in `WireRequest`. operation: the requested operation. fields: the body of a form;
    `body` is then empty. shown: the model name in answers; None = as the route has it. room: memory for the
    messages that the request continues.
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
    """`messages[start:stop]`, whose seals one provider made. Another provider cannot read these seals."""

    start: int
    stop: int
    provider: str


class Said:
    """The body of a request. wire: decoded. head: its top-level members as JSON. raw: as it came. request:
    the IR form, if a stage has it; else it is decoded at its first use. A plain relay never needs it.
    inlined: the IR form with fetched media, and which media kept their URL (`media.Media`).
    """

    __slots__ = ("_request", "head", "inlined", "raw", "wire")

    def __init__(
        self, wire: WireRequest, head: dict[str, msgspec.Raw], raw: bytes, request: Any = None
    ) -> None:
        self.wire = wire
        self.head = head
        self.raw = raw
        self._request = request
        self.inlined: tuple[ir.Request, Any] | None = None

    def request(self, decode: Callable[[WireRequest], Any]) -> Any:
        """The request in the IR. Raises WireError."""
        if self._request is None:
            self._request = decode(self.wire)
        return self._request

    def forget(self) -> None:
        """Free the memory: the answer has begun, so the request is never sent again."""
        self.wire = WireRequest(self.wire.operation, {})
        self.head, self.raw, self._request, self.inlined = {}, b"", None, None


class Answer(msgspec.Struct, frozen=True):
    """An answer as a turn gets it, without its text. reply: the values that it was encoded with. deployment:
    who answered; None = no model was called. steps: runs steps that work on the whole answer. weight: bytes
    of the request.
    """

    exchange: Exchange
    reply: Reply
    deployment: Deployment | None
    steps: Steps
    weight: int


class Turn(Protocol):
    """The conversation that a request continues. It also keeps the answer for the next request."""

    @property
    def relayed(self) -> bool:
        """True: the request may still be relayed."""
        ...

    @property
    def hears(self) -> bool:
        """True: call `heard` with the answer in the IR as soon as the answer is complete."""
        ...

    @property
    def keeps(self) -> bool:
        """True: call `kept` with the answer's JSON object as the client reads it."""
        ...

    @property
    def precedes(self) -> bool:
        """True: earlier messages may contain the tool calls that this request's results belong to."""
        ...

    async def expand(self, asked: Asked) -> Asked:
        """Put the earlier messages in front of the request. Only the request's body has been checked."""
        ...

    async def admitted(self, asked: Asked, last_words: Callable[[ir.Fault], bytes]) -> ir.Response | None:
        """Note that the request is valid. Returns the answer if no model needs to be called.

        last_words: the bytes that tell a failure to the client of a stream, at any time.
        """
        ...

    async def heard(self, answer: Answer, response: ir.Response) -> None:
        """Get the whole answer, before its last bytes are sent."""
        ...

    async def kept(self, answer: Answer, ending: Ending) -> bool:
        """Keep the answer, before its last bytes are sent. Returns False if it should have been kept but was
        not.
        """
        ...

    def failed(self) -> None:
        """Note that the request has failed before its answer began."""
        ...


class Asked(msgspec.Struct, frozen=True):
    """One request.

    face: the client's protocol. codec: the face's codec of the operation; None = chat, whose codec the face
    itself has. prompts: True = a chat request, also if only its tokens are counted. brief: the chat request
    without messages, for the answer's form. model, streamed: as requested. weight: bytes of the body and of
    the messages that it continues; it decides how steps take turns. light: True = steps run at once instead
    of in turns; callers look at it first, because even an `await` that does not wait costs more than most
    steps of a small request. turn: the conversation that the request continues. echo: the request's members
    as the client wrote them, if the answer repeats them. sealed: which provider made which seals in the
    continued messages. sealless: True = a provider refused seals, so none are sent. beyond: why the author
    of the client's protocol refuses the request; other servers may accept it. reasons: why the request
    cannot be relayed.
    """

    exchange: Exchange
    inbound: Inbound
    face: Dialect
    said: Said
    steps: Steps
    weight: int
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

    @property
    def wire(self) -> WireRequest:
        """The request in the client's protocol."""
        return self.said.wire

    @property
    def request(self) -> Any:
        """The request in the IR. Raises RequestFailed if it cannot be read."""
        try:
            codec = self.codec
            return self.said.request(self.face.request.decode if codec is None else codec.client.decode)
        except WireError as error:
            raise RequestFailed(blamed(error)) from error

    def decoded(self) -> Any:
        """The same as `request`, as a function for `step`."""
        return self.request

    def step(self, step: Callable[_P, _T], /, *args: _P.args, **named: _P.kwargs) -> Awaitable[_T]:
        """Run a step on the whole request, when its turn has come."""
        return self.steps.run(self.weight, step, *args, **named)

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
        """The values that an answer is encoded with. request: None = `brief`. model: the name to show. now:
        Unix seconds.
        """
        exchange = self.exchange
        return Reply(
            self.brief if request is None else request,
            report,
            self.answer_id,
            int(exchange.created),
            model,
            self.inbound.framing,
            self.echo,
            now,
            exchange.created,
        )

    def heavier(self, size: int) -> Asked:
        """The same request, which continues so many bytes more."""
        weight = self.weight + size
        return msgspec.structs.replace(self, weight=weight, light=weight < MEDIUM)

    def with_request(self, request: Any, *reasons: Reason) -> Asked:
        """The same request with another IR form. reasons: why it cannot be relayed any more."""
        said = self.said
        return msgspec.structs.replace(
            self, said=Said(said.wire, said.head, said.raw, request), reasons=self.reasons + reasons
        )

    def without_seals(self) -> Asked:
        """The same request without sealed content."""
        everything = Sealed(0, len(self.request.messages), "")
        return msgspec.structs.replace(self, sealed=(everything,), sealless=True)

    def readable(self, provider: str, report: Report) -> ir.Request:
        """The chat request without the seals of other providers."""
        request: ir.Request = self.request
        for sealed in self.sealed:
            if sealed.provider != provider:
                request = _unsealed(request, sealed, report)
        return request


def blamed(error: WireError) -> ir.Fault:
    """A client's WireError as a fault of the client (400)."""
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
