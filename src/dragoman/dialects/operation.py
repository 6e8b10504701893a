"""How a protocol says an operation beside chat (embeddings, an image, speech, …): one request, one answer."""

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


class ProviderSide(msgspec.Struct, Generic[AskedT, OutcomeT], frozen=True, kw_only=True):
    """How a provider is asked for one operation."""

    paths: tuple[str, ...]
    """Every path that requests are sent to, below the base URL; `{model}` stands for the model's name."""
    encode: Callable[[AskedT, Target], WireRequest]
    """The request in the provider's words. Raises WireError for what cannot be said."""
    decode: Callable[[Payload, AskedT], OutcomeT]
    """The answer to a request. Raises WireError for what is no answer."""
    split: Callable[[AskedT, str], Iterable[tuple[int, AskedT]]] = _whole
    """The requests that must be asked one after another, because one request of the provider holds less. Each
    comes with the place where its inputs begin in the whole. The text is the upstream's name of the model."""
    join: Callable[[Sequence[OutcomeT], AskedT, str], OutcomeT] = _only
    """One answer from the answers to those requests."""
    unread: Callable[[AskedT], Reading[AskedT]] | None = None
    """The media of a request that the provider does not read at their address; None = it reads everything."""
    finish: Callable[[WireRequest], WireRequest] = _as_it_is
    """The request as it is sent, made of the request with the configuration's own members added."""


class ClientSide(msgspec.Struct, Generic[AskedT, OutcomeT], frozen=True, kw_only=True):
    """How a client asks for one operation."""

    check: Callable[[WireRequest], None]
    """Raises WireError, exactly worded, for a client's mistake."""
    model: Callable[[WireRequest], str | None]
    """The name of the model that is asked for; None = none is stated."""
    decode: Callable[[WireRequest], AskedT]
    """The request in the IR. It has passed `check`."""
    encode: Callable[[OutcomeT, OperationReply[AskedT]], Payload]
    """The whole answer in the client's words."""
    locate: Callable[[AskedT, str], str]
    """A place in IR terms, as a JSON path of the request."""
    members: frozenset[str]
    """The top-level members that the IR carries."""
    streams: Callable[[WireRequest], bool] = _never
    """Whether a request asks for a stream."""
    encode_stream: Callable[[OutcomeT, OperationReply[AskedT]], bytes] | None = None
    """A whole answer as the events of a stream; None = clients never ask for one."""
    unread: Callable[[OutcomeT, AskedT], Reading[OutcomeT]] | None = None
    """The media of an answer whose bytes the client asked for and of which the provider told an address only.
    What cannot be read stays an address. None = there are no such media."""


class OperationCodec(msgspec.Struct, Generic[AskedT, OutcomeT], frozen=True, kw_only=True):
    """How a dialect says one operation, both directions."""

    client: ClientSide[AskedT, OutcomeT]
    provider: ProviderSide[AskedT, OutcomeT]
    relay: OperationRelay | None = None
    """None = a request is translated even for a provider of the same protocol."""
    relays: Callable[[WireRequest, Quirks, str], bool] = _always
    """Whether a vendor with these quirks takes a request as it is for its model of this name."""
    ends: tuple[str, ...] = ()
    """The types of the events that a stream ends with. A stream without any of them has broken off."""
    sound: bool = False
    """True: a whole answer is sound, which passes as it comes. So do events, for which a vendor may have its
    own word."""


AnyProviderSide = ProviderSide[Any, Any]
AnyOperationCodec = OperationCodec[Any, Any]
