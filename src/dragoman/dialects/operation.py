"""The codec of an operation beside chat (embeddings, an image, speech, …): one request, one answer."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.request import Target, WireRequest
from dragoman.wire.multipart import Form


class Payload(msgspec.Struct, frozen=True):
    """The body of an answer. kind: the media type, with parameters."""

    data: bytes
    kind: str = "application/json"


class Outgoing(msgspec.Struct, frozen=True):
    """A request as it is sent. path: one of the codec's paths. body: JSON, or a form."""

    path: str
    body: bytes | Form


class Outcome(Protocol):
    """The attributes that the answers of all operations have."""

    @property
    def model(self) -> str | None:
        """The upstream's name of the model, None = not stated."""
        ...

    @property
    def usage(self) -> ir.Usage | None:
        """The usage, None = not stated."""
        ...


AskedT = TypeVar("AskedT")
OutcomeT = TypeVar("OutcomeT", bound=Outcome)


class OperationReply(msgspec.Struct, Generic[AskedT], frozen=True):
    """The facts that an encoder of answers needs. request: the client's. report: gets what the client's
    protocol cannot carry and what the answer lacks. model: the name to show. id, created (Unix seconds):
    used when the upstream states none.
    """

    request: AskedT
    report: Report
    model: str | None = None
    id: str = ""
    created: int = 0


class OperationRelay(Protocol):
    """Passes requests and answers between two sides of the same dialect, with edits of named members."""

    def request(self, wire: WireRequest, head: dict[str, Any], edits: Mapping[str, Any]) -> Outgoing:
        """The request to send upstream. head, edits: as for `Relay.request`; head is empty for a form."""
        ...

    def response(
        self, wire: WireRequest, answer: Payload, model: str | None
    ) -> tuple[Payload, ir.Usage | None] | None:
        """The answer for the client, and its usage; None = the answer has another form than the client asked
        for, so it must be translated. model: the name to show, None = the upstream's own. Raises
        RequestFailed for an error inside a 200, WireError for a malformed answer.
        """
        ...

    def seen(self, frame: bytes) -> ir.Usage | None:
        """The usage that one event of a stream states. Raises RequestFailed for an event with an error."""
        ...


ValueT = TypeVar("ValueT")


class Reading(msgspec.Struct, Generic[ValueT], frozen=True):
    """A value with media at addresses that the gateway must download. media: each with its path in the IR.
    fill: makes the value with the downloaded media (base64), given in the same order.
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


class ProviderSide(msgspec.Struct, Generic[AskedT, OutcomeT], frozen=True, kw_only=True):
    """How a provider is asked for one operation."""

    paths: tuple[str, ...]
    """All paths of requests, below the base URL; `{model}` stands for the model's name."""
    encode: Callable[[AskedT, Target], WireRequest]
    """The request in the provider's form. Raises WireError when the protocol cannot express it."""
    decode: Callable[[Payload, AskedT], OutcomeT]
    """The answer to a request. Raises WireError for a malformed answer."""
    split: Callable[[AskedT, str], Iterable[tuple[int, AskedT]]] = _whole
    """Splits a request that is too large for the provider into requests that are sent one after another. Each
    comes with the index of its first input. The text is the upstream's name of the model."""
    join: Callable[[Sequence[OutcomeT], AskedT, str], OutcomeT] = _only
    """Joins the answers to these requests."""
    unread: Callable[[AskedT], Reading[AskedT]] | None = None
    """The media that the provider does not download from their address; None = it downloads everything."""
    finish: Callable[[WireRequest], WireRequest] = _as_it_is
    """The last change of a request, after the configuration's own members were added."""


class ClientSide(msgspec.Struct, Generic[AskedT, OutcomeT], frozen=True, kw_only=True):
    """How a client asks for one operation."""

    check: Callable[[WireRequest], None]
    """Raises WireError with the protocol's own words for a client's mistake."""
    model: Callable[[WireRequest], str | None]
    """The model's name in the request; None = the request states none."""
    decode: Callable[[WireRequest], AskedT]
    """The request in the IR. The argument has passed `check`."""
    encode: Callable[[OutcomeT, OperationReply[AskedT]], Payload]
    """The whole answer in the client's form."""
    locate: Callable[[AskedT, str], str]
    """Turns a path in the IR into a JSON path of the request."""
    members: frozenset[str]
    """The top-level members that have a field in the IR."""
    streams: Callable[[WireRequest], bool] = _never
    """Whether a request asks for a stream."""
    encode_stream: Callable[[OutcomeT, OperationReply[AskedT]], bytes] | None = None
    """A whole answer as the events of a stream; None = clients never ask for one."""
    unread: Callable[[OutcomeT, AskedT], Reading[OutcomeT]] | None = None
    """The media for which the provider stated only an address although the client asked for the bytes. If a
    download fails, the address stays. None = there are no such media."""


class OperationCodec(msgspec.Struct, Generic[AskedT, OutcomeT], frozen=True, kw_only=True):
    """The codec of one operation, in both directions."""

    client: ClientSide[AskedT, OutcomeT]
    provider: ProviderSide[AskedT, OutcomeT]
    relay: OperationRelay | None = None
    """None = a request is translated even for a provider of the same protocol."""
    relays: Callable[[WireRequest, Quirks, str], bool] = _always
    """Whether a vendor with these quirks accepts the request unchanged for its model of this name."""
    ends: tuple[str, ...] = ()
    """The types of terminal events. A stream without a terminal event has broken off."""
    sound: bool = False
    """True: a whole answer is audio, and its bytes are passed on unread. So are events, because vendors use
    different media types for streams."""


AnyProviderSide = ProviderSide[Any, Any]
AnyOperationCodec = OperationCodec[Any, Any]
