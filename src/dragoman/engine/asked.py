"""What was asked: one request as its client sent it, with what it continues.

The server hands an `Inbound` in; the stages `decode` and `expand` make an `Asked` of it. It is a frozen
value: a stage that changes something gives another. Only `Said` can be emptied, because the words of a large
request must not stay in memory for as long as its answer streams.
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
    """What requests may take together of this process's memory, as one of them sees it."""

    def take(self, size: int) -> None:
        """Take so many bytes more. Raises RequestFailed (503)."""
        ...

    def give(self, size: int) -> None:
        """Give so many bytes back."""
        ...

    def hold(self) -> None:
        """Keep the bytes for longer than the request lasts: whoever holds them frees them, too."""
        ...

    def free(self) -> None:
        """Give everything back."""
        ...


class _Unbounded:
    """Room without a bound: nothing is counted."""

    def take(self, size: int) -> None:
        """Take them."""

    def give(self, size: int) -> None:
        """Take them back."""

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


class Said:
    """The words of a request. wire: the decoded body. head: its top-level members as JSON. raw: the body as
    it came. request: in IR terms, where a stage has it already; else it is decoded when it is first needed,
    which a plain relay never does.
    """

    __slots__ = ("_request", "head", "raw", "wire")

    def __init__(
        self, wire: WireRequest, head: dict[str, msgspec.Raw], raw: bytes, request: Any = None
    ) -> None:
        self.wire = wire
        self.head = head
        self.raw = raw
        self._request = request

    def request(self, decode: Callable[[WireRequest], Any]) -> Any:
        """The request in IR terms. Raises WireError."""
        if self._request is None:
            self._request = decode(self.wire)
        return self._request

    def forget(self) -> None:
        """Let go of everything: the answer has begun, and nothing will be sent again."""
        self.wire = WireRequest(self.wire.operation, {})
        self.head, self.raw, self._request = {}, b"", None


class Answer(msgspec.Struct, frozen=True):
    """What a turn is told of an answer beside its words. reply: what it was encoded for. deployment: whose
    answer it is, None = no model was asked. steps: runs what works on the whole answer. weight: bytes of
    the request.
    """

    exchange: Exchange
    reply: Reply
    deployment: Deployment | None
    steps: Steps
    weight: int


class Turn(Protocol):
    """What a request continues, and what keeps its answer for the next one."""

    @property
    def relayed(self) -> bool:
        """Whether the request may still be relayed."""
        ...

    @property
    def hears(self) -> bool:
        """Whether it must be told the answer in IR terms, as soon as the whole of it is there."""
        ...

    @property
    def keeps(self) -> bool:
        """Whether it keeps the answer's object as the client reads it."""
        ...

    @property
    def precedes(self) -> bool:
        """Whether what it puts in front of the request may hold the calls that the request's results
        answer.
        """
        ...

    async def expand(self, asked: Asked) -> Asked:
        """Put what was said before in front of the request. Its body has been checked, nothing else."""
        ...

    async def admitted(self, asked: Asked, last_words: Callable[[ir.Fault], bytes]) -> ir.Response | None:
        """Take note that the request is in order; the answer, where no model is to be asked.

        last_words: how the client of a stream is told of a failure, whenever that happens.
        """
        ...

    async def heard(self, answer: Answer, response: ir.Response) -> None:
        """Take the whole answer, before its last bytes go out."""
        ...

    async def kept(self, answer: Answer, ending: Ending) -> bool:
        """Keep the answer, before its last bytes go out. Returns False where it was to be kept, and could not
        be.
        """
        ...

    def failed(self) -> None:
        """Take note that the request has failed before there was an answer."""
        ...


class Asked(msgspec.Struct, frozen=True):
    """One request.

    face: the client's protocol. codec: how it says the operation; None for chat, which the dialect itself
    says. prompts: whether the request is one of chat, be it only to be counted. brief: what the form of a
    chat's answer depends on, without the messages. model, streamed: what was asked for. weight: bytes that
    were sent, with what they continue; steps take turns by it. light: whether the steps run where they are;
    it is looked at first, because waiting for nothing costs more than most steps of a small request. echo:
    the request's members as its client wrote them, where the answer repeats them. sealed: who made the
    seals in what the request continues. sealless: whether what is sealed stays away, because a provider
    refused it. beyond: what the author of the client's protocol refuses in the request; other servers may
    take it. reasons: why the request as it stands cannot be relayed.
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
        """The request in IR terms. Raises RequestFailed where it cannot be read."""
        try:
            codec = self.codec
            return self.said.request(self.face.request.decode if codec is None else codec.client.decode)
        except WireError as error:
            raise RequestFailed(blamed(error)) from error

    def decoded(self) -> Any:
        """The same, as a step."""
        return self.request

    def step(self, step: Callable[_P, _T], /, *args: _P.args, **named: _P.kwargs) -> Awaitable[_T]:
        """Run what works on the whole request, when its turn has come."""
        return self.steps.run(self.weight, step, *args, **named)

    @property
    def answer_id(self) -> str:
        """The id of the answer, where the gateway makes it."""
        return self.face.response.id_prefix + self.exchange.id.removeprefix("ex_")

    def reply(
        self,
        report: Report,
        *,
        request: ir.Request | None = None,
        model: str | None = None,
        now: Callable[[], float] | None = None,
    ) -> Reply:
        """What an answer is encoded for. request: None = `brief`. model: the name to show. now: in Unix
        seconds.
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
        """The same request with other words in IR terms. reasons: why it cannot be relayed any more."""
        said = self.said
        return msgspec.structs.replace(
            self, said=Said(said.wire, said.head, said.raw, request), reasons=self.reasons + reasons
        )

    def without_seals(self) -> Asked:
        """The same request without anything that is sealed."""
        everything = Sealed(0, len(self.request.messages), "")
        return msgspec.structs.replace(self, sealed=(everything,), sealless=True)

    def readable(self, provider: str, report: Report) -> ir.Request:
        """The chat request without the seals that another provider made."""
        request: ir.Request = self.request
        for sealed in self.sealed:
            if sealed.provider != provider:
                request = _unsealed(request, sealed, report)
        return request


def blamed(error: WireError) -> ir.Fault:
    """The inbound edge: what does not fit the client's protocol is the client's to mend."""
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
