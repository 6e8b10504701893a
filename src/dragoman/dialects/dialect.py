"""What every dialect module provides, as one record.

A dialect is a wire protocol in both directions. Codecs are pure: bytes and values in, values and
bytes out, no clock, no random, no IO. They raise `WireError`, which blames nobody.

    client bytes → check → decode_request → ir.Request → encode_request → upstream
    upstream     → decode_response / StreamDecoder → ir → encode_response / StreamEncoder → client bytes

When client and upstream share the dialect and nothing has to be changed but names, `Relay` passes
frames through with named edits instead.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import cache, partial
from typing import Any, Final, Generic, Literal, Protocol, TypeVar, get_args, runtime_checkable

import msgspec

from dragoman import ir
from dragoman.dialects.facts import UNKNOWN, Facts
from dragoman.dialects.loss import Change, Report
from dragoman.dialects.quirks import STANDARD, Quirks, Wider
from dragoman.wire.multipart import Form

Operation = Literal[
    "chat", "count", "embed", "image", "speech", "transcription", "moderation", "rerank", "models"
]
"""One thing that an endpoint does. "chat" is what models are mostly asked for, and has codecs of its own; the
others are one request and one answer each, see `Codec`. "count" tells the tokens of a chat request's prompt.
"models" lists them."""

PROMPTED: Final[frozenset[Operation]] = frozenset({"chat", "count"})
"""The operations whose request is one of chat, and becomes what chat's stages make of it."""


Feature = Literal["schema", "json", "custom_tools", "forced_thinking", "namespaces", "builtins"]
"""What a dialect says natively. schema: an answer by JSON Schema. json: an answer of any JSON. custom_tools:
tools with free text. forced_thinking: forcing a tool while the model thinks. namespaces: tools in groups.
builtins: tools that the protocol defines and its client runs, and tools made known in the history. The rest
is emulated."""

EVERY_FEATURE: frozenset[Feature] = frozenset(get_args(Feature))
USUAL_FEATURES: frozenset[Feature] = EVERY_FEATURE - {"namespaces", "builtins"}
"""What is taken as it is unless it is said otherwise: the others are one protocol's alone."""


Framing = Literal["sse", "json_array", "ndjson"]
"""How a stream is cut into frames: server-sent events, the elements of one JSON array, or a value a line."""


class WireRequest(msgspec.Struct):
    """A request in a dialect's own terms, without origin and credentials.

    operation: what is asked for. path: one of the dialect's `paths` or `stream_paths`, with the names of
    `params` in braces ("/models/{model}:generateContent"). params: what the path holds (a model).
    headers: lower-case names, only those that carry meaning (betas, versions). body: the decoded JSON object;
    of a form its texts: a string for each name, or a list of them where the name ends in `[]` or repeats.
    fields: the form itself, where the body is one.
    continued: the place and the number of the messages that its client did not write, because it continues
    something; written: the body then as the client wrote it. preceded: a session may go before it, and
    hold the calls that its results answer.
    """

    operation: Operation
    body: dict[str, Any]
    method: str = "POST"
    path: str = ""
    params: dict[str, str] = {}
    query: dict[str, str] = {}
    headers: dict[str, str] = {}
    continued: tuple[int, int] = (0, 0)
    written: dict[str, Any] | None = None
    fields: Form = ()
    preceded: bool = False


class Target(msgspec.Struct, frozen=True):
    """What a request is encoded for: the upstream's model name, its facts, the vendor's quirks, a report."""

    report: Report
    model: str | None = None
    quirks: Quirks = STANDARD
    facts: Facts = UNKNOWN


class Reply(msgspec.Struct, frozen=True):
    """What an answer is encoded for.

    request: the client's request (usage in the stream asked for, legacy forms, n). id, created (Unix
    seconds): used where the upstream stated none, so that they stay constant. model: the name to show,
    None = the upstream's own. framing: how the client wants its stream cut, where its dialect has a choice.
    echo: the request's body as its client wrote it, for dialects whose answers repeat it. now: Unix seconds,
    for dialects that say when an answer was complete; None = they do not say it. began: when the request
    came, as exactly as is known; None = `created`.
    """

    request: ir.Request
    report: Report
    id: str
    created: int
    model: str | None = None
    framing: Framing = "sse"
    echo: Mapping[str, Any] = {}
    now: Callable[[], float] | None = None
    began: float | None = None

    @property
    def elapsed(self) -> float:
        """Seconds since the request came; 0 where nobody knows the time."""
        began = self.created if self.began is None else self.began
        return 0.0 if self.now is None else max(0.0, self.now() - began)


class StreamDecoder(Protocol):
    """Upstream frames to events. Keeps per-block state only; the same events for any split of the bytes."""

    def feed(self, frame: bytes) -> list[ir.Event]:
        """The events of one frame's payload (an SSE event's data). Raises WireError for what is no frame."""
        ...

    def close(self) -> list[ir.Event]:
        """The bytes have ended: what is still owed. A stream that broke off yields `Error`."""
        ...


class StreamEncoder(Protocol):
    """Events to the client's bytes, framed and ready to send."""

    def feed(self, event: ir.Event) -> bytes:
        """The bytes for one event; empty where the dialect says nothing."""
        ...


class StreamRelay(Protocol):
    """Passes one stream's frames through with named edits, and watches what must be known of it."""

    @property
    def usage(self) -> ir.Usage | None:
        """The latest usage that went by."""
        ...

    content: bool
    """Whether content has gone by: the answer is then committed to this attempt."""
    done: bool
    """Whether the protocol's terminal event has gone by."""
    estimate: Callable[[], ir.Usage] | None
    """What tells the likely usage, where the client is to be told it and the upstream may not state it."""

    def feed(self, frame: bytes) -> bytes:
        """The bytes to send for one frame; empty when the frame is for us alone. Raises RequestFailed for
        an in-stream error, with the decoded fault.
        """
        ...

    def close(self) -> bytes:
        """What is still to be sent when the upstream's bytes have ended."""
        ...


class Ending(msgspec.Struct, frozen=True):
    """The answer as the last event of its stream repeats it, before that is written. size: bytes of its
    output, as JSON.
    """

    response: dict[str, Any]
    size: int


@runtime_checkable
class TellsInPieces(Protocol):
    """An encoder whose last events repeat what was said, which may be too long to be copied for each."""

    pieces: list[list[bytes]] | None
    """A list that gets events which repeat a long text, each in pieces, in the place of the bytes of `feed`;
    None = `feed` has all.
    """
    ending: Ending | None
    """What the last event is going to tell, which waits for `end`; None = `feed` has it, or it is not due."""

    def end(self, *, stored: bool) -> None:
        """Tell the last event. stored: False = the answer was to be kept, and could not be."""
        ...


@runtime_checkable
class TellsFailure(Protocol):
    """A relay of a stream in which a failure is told otherwise than in one that says nothing else."""

    def fail(self, fault: ir.Fault) -> bytes:
        """The stream's last bytes."""
        ...


class Relay(Protocol):
    """Same dialect on both sides: the named edits on raw values. Nested bytes stay as they are."""

    def request(self, head: dict[str, Any], edits: Mapping[str, Any]) -> bytes:
        """The body to send upstream. head: top-level keys to raw values (`wire.json.decode_head`);
        edits: keys to set or replace (model, extra body); a value of `msgspec.UNSET` removes the key.
        """
        ...

    def ask_usage(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """The edits by which a streamed request asks for its usage; none where it need not be asked for."""
        ...

    def response(self, body: bytes, reply: Reply) -> tuple[bytes, ir.Usage | None]:
        """The body to send to the client, and the usage that it states."""
        ...

    def fill(self, body: bytes, usage: ir.Usage) -> bytes:
        """An answer's body that states no usage, with this one; one that states any stays as it is."""
        ...

    def stream(self, reply: Reply) -> StreamRelay:
        """A relay for one stream."""
        ...


# --- Operations beside chat ------------------------------------------------------------------------


class Payload(msgspec.Struct, frozen=True):
    """The body of an answer. kind: its media type, with parameters."""

    data: bytes
    kind: str = "application/json"


class Outgoing(msgspec.Struct, frozen=True):
    """A request as it is sent. path: one of the codec's. body: JSON, or a form."""

    path: str
    body: bytes | Form


class Outcome(Protocol):
    """What the answers of all operations have."""

    @property
    def model(self) -> str | None:
        """The upstream's name of it, None = not told."""
        ...

    @property
    def usage(self) -> ir.Usage | None:
        """What it cost, None = not told."""
        ...


AskedT = TypeVar("AskedT")
OutcomeT = TypeVar("OutcomeT", bound=Outcome)


class OperationReply(msgspec.Struct, Generic[AskedT], frozen=True):
    """What an answer is encoded for. request: the client's. report: for what its protocol cannot carry, and
    for what the answer lacks of what was asked for. model: the name to show. id, created (Unix seconds): used
    where the upstream stated none.
    """

    request: AskedT
    report: Report
    model: str | None = None
    id: str = ""
    created: int = 0


class OperationRelay(Protocol):
    """Same dialect on both sides: the named edits on raw values."""

    def request(self, wire: WireRequest, head: dict[str, Any], edits: Mapping[str, Any]) -> Outgoing:
        """What to send upstream. head, edits: as for `Relay.request`; of a form, head is empty."""
        ...

    def response(
        self, wire: WireRequest, answer: Payload, model: str | None
    ) -> tuple[Payload, ir.Usage | None] | None:
        """What to send to the client, and the usage that it states; None = it is not what was asked for and
        has to be translated. model: the name to show, None = the upstream's own. Raises RequestFailed for an
        error inside a 200, WireError for what is no answer.
        """
        ...

    def seen(self, frame: bytes) -> ir.Usage | None:
        """The usage that one event of a stream states. Raises RequestFailed where it tells a failure."""
        ...


ValueT = TypeVar("ValueT")


class Reading(msgspec.Struct, Generic[ValueT], frozen=True):
    """What of a value lies at addresses and has to be read there. media: each with its place in IR terms.
    fill: the value with what was read in their places, in the same order, as base64.
    """

    media: Sequence[tuple[ir.Media, str]]
    fill: Callable[[Sequence[ir.Media]], ValueT]


def _never(_: WireRequest) -> bool:
    return False


def _always(_: WireRequest, __: Quirks, ___: str) -> bool:
    return True


def _as_it_is(wire: WireRequest) -> WireRequest:
    return wire


def _whole(request: AskedT, _: str) -> Iterable[tuple[int, AskedT]]:
    return ((0, request),)


def _only(answers: Sequence[OutcomeT], _: Any, __: str) -> OutcomeT:
    return answers[0]


class Asking(msgspec.Struct, Generic[AskedT, OutcomeT], frozen=True, kw_only=True):
    """How a provider is asked for one operation in a dialect whose clients have no paths of their own for it.

    paths: below the base URL, all that requests are sent to, `{model}` standing for the model's name. parts:
    the requests that a provider must be asked one after another, because one of its requests holds less, each
    with the place where its inputs begin in the whole, by the upstream's name of the model. join: one answer
    of theirs. reads: what of a request its providers do not read at its address; None = they read everything.
    sent: what is sent of a request to which the configuration has added what it adds to every one. The rest
    as in `Dialect`.
    """

    paths: tuple[str, ...]
    encode_request: Callable[[AskedT, Target], WireRequest]
    decode_response: Callable[[Payload, AskedT], OutcomeT]
    parts: Callable[[AskedT, str], Iterable[tuple[int, AskedT]]] = _whole
    join: Callable[[Sequence[OutcomeT], AskedT, str], OutcomeT] = _only
    reads: Callable[[AskedT], Reading[AskedT]] | None = None
    sent: Callable[[WireRequest], WireRequest] = _as_it_is


class Codec(Asking[AskedT, OutcomeT], Generic[AskedT, OutcomeT], frozen=True, kw_only=True):
    """How a dialect says one operation, both directions.

    model: the name that is asked for. locate: a place in IR terms to a JSON path of the request. relay: None
    = even its own dialect is translated. streams: whether a request asks for a stream. encode_stream: a whole
    answer as the events of one, for clients that asked for one; None = its clients never do. ends: the types
    of the events that a stream ends with; one without any of them has broken off. passes: whether
    a vendor with these quirks takes a request as it is for its model of this name. flows: whether a whole
    answer is sound, which passes as it comes; so do events, for which a vendor may have its own word.
    fetches: what of an answer its client wants to have and the provider only named by its address; what
    cannot be read stays named. The rest as in `Dialect`.
    """

    check: Callable[[WireRequest], None]
    model: Callable[[WireRequest], str | None]
    decode_request: Callable[[WireRequest], AskedT]
    encode_response: Callable[[OutcomeT, OperationReply[AskedT]], Payload]
    locate: Callable[[AskedT, str], str]
    maps: frozenset[str]
    relay: OperationRelay | None = None
    streams: Callable[[WireRequest], bool] = _never
    encode_stream: Callable[[OutcomeT, OperationReply[AskedT]], bytes] | None = None
    ends: tuple[str, ...] = ()
    passes: Callable[[WireRequest, Quirks, str], bool] = _always
    flows: bool = False
    fetches: Callable[[OutcomeT, AskedT], Reading[OutcomeT]] | None = None


AnyAsking = Asking[Any, Any]
AnyCodec = Codec[Any, Any]


class Dialect(msgspec.Struct, frozen=True):
    """One protocol, both directions.

    name: as in configuration. title: for people. spec: the address of the specification; version: what
    was read. framing: how streams are cut. json_framing: how one is cut that comes as application/json;
    None = that is a whole answer. stream_type: content type of its streams. paths: below the base URL, where
    an operation is asked for, `{model}` standing for the model's name where it travels in the path; a dialect
    whose path has the model has no `model` in its body. stream_paths: the same for streams, with their
    query, where they have another path.
    brief: what an answer's form depends on (model, stream, usage asked for), without decoding messages.
    ping: a heartbeat in a stream that has not begun to speak; empty where there is none.
    check: exact errors for a client's mistakes (types, ranges, required fields), before anything
    upstream happens. widened: a request that `check` refuses, with everything put right of which a server may
    take more than the protocol's author (`Quirks.widens`); None = nobody takes more. locate: a place in IR
    terms to a JSON path of this dialect's request.
    encode_error: status, extra headers, body; `request_id` where the envelope carries it.
    request_headers, response_headers: lower-case names that may pass in each direction.
    maps: top-level request keys that the IR carries; they must never land in `extra`.
    id_prefix: what ids of answers begin with, where the gateway makes them. id_header: where its clients look
    for the id of a request, if not in `x-request-id`. features: what it says
    natively. tool_name: the pattern that a tool's whole name must match.
    place: `locate` with the request at hand, where a dialect has several words for one thing.
    reads: which media that are named by an address its servers read themselves, None = all; the gateway
    fetches the others.
    seals: whether its answers hold seals that its requests must bring back. foreign: what stands in a body
    of its clients that brings back reasoning of another origin, which its own servers refuse.
    native: a block of its answers as it stands in one of its requests, for what no other protocol can say
    (what the provider's own tools did); None = its requests hold nothing of that kind.
    stateless: the edits of a relayed request by which its provider stores nothing, and what they change, from
    its body, what is known of the model and the vendor's quirks; None = nothing is ever stored there.
    portable: raises WireError for a request that only a server of the same protocol can be asked; None =
    every one may be translated.
    parts: the questions of a request that asks several, of which a server of another protocol is asked one
    at a time; empty where it asks one. None = no request does. Raises WireError for too many.
    operations: what it says beside chat. asked: what its providers are asked for by paths that are its
    chat's, or that none of its clients is served.
    """

    name: str
    title: str
    spec: str
    version: str
    framing: Framing
    stream_type: str
    paths: Mapping[Operation, str]
    check: Callable[[WireRequest], None]
    decode_request: Callable[[WireRequest], ir.Request]
    encode_request: Callable[[ir.Request, Target], WireRequest]
    decode_response: Callable[[dict[str, Any], Quirks], ir.Response]
    encode_response: Callable[[ir.Response, Reply], dict[str, Any]]
    stream_decoder: Callable[[Quirks], StreamDecoder]
    stream_encoder: Callable[[Reply], StreamEncoder]
    decode_error: Callable[[int, Mapping[str, str], bytes], ir.Fault]
    encode_error: Callable[[ir.Fault, str | None], tuple[int, dict[str, str], bytes]]
    locate: Callable[[str], str]
    relay: Relay
    brief: Callable[[WireRequest], ir.Request]
    ping: bytes = b": ping\n\n"
    id_prefix: str = ""
    id_header: bytes = b""
    request_headers: frozenset[str] = frozenset()
    response_headers: frozenset[str] = frozenset()
    maps: frozenset[str] = frozenset()
    features: frozenset[Feature] = USUAL_FEATURES
    tool_name: str = r"[A-Za-z0-9_-]{1,64}"
    place: Callable[[WireRequest, str], str] | None = None
    reads: Callable[[ir.Media], bool] | None = None
    stream_paths: Mapping[Operation, str] = {}
    json_framing: Framing | None = None
    seals: bool = False
    foreign: tuple[bytes, ...] = ()
    native: Callable[[ir.Block], ir.Native] | None = None
    stateless: (
        Callable[[Mapping[str, Any], Facts, Quirks], tuple[dict[str, Any], tuple[Change, ...]]] | None
    ) = None
    portable: Callable[[WireRequest], None] | None = None
    widened: Callable[[WireRequest, frozenset[Wider]], WireRequest] | None = None
    parts: Callable[[ir.Request], Sequence[ir.Request]] | None = None
    operations: Mapping[Operation, AnyCodec] = {}
    asked: Mapping[Operation, AnyAsking] = {}

    def located(self, request: WireRequest) -> Callable[[str], str]:
        """`locate` for one request, which may tell which of several spellings its client used."""
        if request.written is not None:
            request = msgspec.structs.replace(request, body=request.written)
        locate = self.locate if self.place is None else partial(self.place, request)
        if not request.continued[1]:
            return locate
        return lambda where: locate(_own_place(where, request.continued))

    def check_widely(self, request: WireRequest, widens: frozenset[Wider]) -> None:
        """`check`, for servers of this protocol that take so much more. Raises WireError."""
        self.check(request if self.widened is None else self.widened(request, widens))

    def passes(self, headers: Mapping[str, str]) -> list[tuple[bytes, bytes]]:
        """The upstream's headers that a client of the same dialect may see."""
        return [
            (written, value.encode("latin-1", "replace"))
            for name, written in _written(self.response_headers)
            if (value := headers.get(name)) is not None
        ]


@cache
def _written(names: frozenset[str]) -> tuple[tuple[str, bytes], ...]:
    return tuple((name, name.encode()) for name in names)


_MESSAGE = re.compile(r"messages\[(\d+)\]")


def _own_place(where: str, continued: tuple[int, int]) -> str:
    """A place in what its client wrote; what it continues is one place, `previous`."""
    found = _MESSAGE.match(where)
    start, count = continued
    if found is None or (number := int(found[1])) < start:
        return where
    return f"messages[{number - count}]{where[found.end() :]}" if number >= start + count else "previous"
