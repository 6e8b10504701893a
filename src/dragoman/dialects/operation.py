"""The interfaces of a codec for an operation beside chat (embeddings, image, speech, …). A codec translates
between a protocol and the IR.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.request import Target, WireRequest
from dragoman.wire.multipart import Form


class Payload(msgspec.Struct, frozen=True):
    """The body of a response, from a provider or for a client. kind: its media type, including the type's
    parameters.
    """

    data: bytes
    kind: str = "application/json"


class Outgoing(msgspec.Struct, frozen=True):
    """A request to a provider, without its headers. path: one of `ProviderSide.paths`. body: JSON as bytes,
    the fields of a form, or a file that is the whole body. params: the values for the names in braces in the
    path, except `{model}`. query: the query parameters of the URL.
    """

    path: str
    body: bytes | Form | ir.File
    params: Mapping[str, str] = MappingProxyType({})
    query: Mapping[str, str] = MappingProxyType({})


class Outcome(Protocol):
    """The attributes that the responses of all operations have in the IR."""

    @property
    def model(self) -> str | None:
        """The model's name as the upstream stated it; None = the upstream stated none."""

    @property
    def usage(self) -> ir.Usage | None:
        """The usage; None = the upstream stated none."""


AskedT = TypeVar("AskedT")
OutcomeT = TypeVar("OutcomeT", bound=Outcome)


class OperationReply(msgspec.Struct, Generic[AskedT], frozen=True):
    """The data, beside the response, that an encoder of a response needs. request: the client's request.
    report: gets the values that the client's protocol cannot carry, and requested values that the response
    lacks. model: the model's name for the client; None = the name that the response states. id, created (Unix
    seconds): used if the response states none.
    """

    request: AskedT
    report: Report
    model: str | None = None
    id: str = ""
    created: int = 0


class OperationRelay(Protocol):
    """Passes requests and responses between a client and a provider of the same dialect."""

    def request(self, wire: WireRequest, head: dict[str, Any], edits: Mapping[str, Any]) -> Outgoing:
        """Return the request for the provider. wire: the client's request, decoded. head: the client's body,
        name of a member -> its JSON (`msgspec.Raw`); empty for a form. edits: name -> new value (the model's
        name, members that the configuration adds); it replaces the client's value of this name, or is added.
        """

    def response(
        self, wire: WireRequest, answer: Payload, model: str | None
    ) -> tuple[Payload, ir.Usage | None] | None:
        """Return (the response for the client, its usage), for a whole response, not for a stream. None as
        the usage = the response states none. None in place of the pair = the response does not have the form
        that the client asked for, so it must be translated.

        wire: the client's request. answer: the provider's response. model: the model's name for the client;
        None = the name stays as the upstream wrote it. Raises RequestFailed for an error with status 200,
        WireError for a malformed response.
        """

    def seen(self, frame: bytes) -> ir.Usage | None:
        """Return the usage that an event of a stream states; None = the event states none. frame: the event's
        data. Raises RequestFailed for an event that tells of an error, WireError for a malformed event.
        """


ValueT = TypeVar("ValueT")


class Reading(msgspec.Struct, Generic[ValueT], frozen=True):
    """The media of a request or of a response that the gateway must download from their URLs.

    media: (medium, its IR path) for each of these media; empty = there are none. fill: takes the downloaded
    media in the same order, with their content in base64, and returns the request or response with this
    content in place of the URLs. For a response, a medium whose download failed comes without content; its
    URL then stays.
    """

    media: Sequence[tuple[ir.Media, str]]
    fill: Callable[[Sequence[ir.Media]], ValueT]


DecodedT_co = TypeVar("DecodedT_co", covariant=True)
EncodedT_contra = TypeVar("EncodedT_contra", contravariant=True)


class AnswerDecoder(Protocol[DecodedT_co]):
    """Decodes the stream of one response in pieces, while the bytes come.

    A piece is a value of `ir`: `SpeechDelta`, `TranscriptDelta` or `Segment`.
    """

    @property
    def begun(self) -> DecodedT_co:
        """The response before its first piece: everything that is known about it except its content."""

    def feed(self, data: bytes) -> Sequence[Any]:
        """Return the pieces in the next bytes of the response (`data`). Raises RequestFailed for an event
        that tells of an error, WireError for malformed events.
        """

    def close(self) -> DecodedT_co:
        """Return the complete response, after the last bytes. A transcript has its whole text; speech has no
        sound, because the pieces had the sound. Raises RequestFailed if the stream ended too early or its
        last event tells of an error, WireError for a malformed last event or a response without any bytes.
        """


class AnswerEncoder(Protocol[EncodedT_contra]):
    """Writes a response for the client in pieces."""

    @property
    def kind(self) -> str:
        """The media type of the response."""

    def feed(self, piece: Any) -> bytes:
        """Return the bytes for one piece of an `AnswerDecoder`; b"" = the client's protocol writes nothing
        for this piece.
        """

    def close(self, response: EncodedT_contra) -> bytes:
        """Return the last bytes of the response; b"" = nothing is left to write. response: the complete
        response, but without its sound, because `feed` has already written the sound.
        """


def _never(_: WireRequest) -> bool:
    return False


def _always(_: WireRequest, __: Quirks, ___: str) -> bool:
    return True


def _usual(quirks: Quirks) -> None:  # noqa: ARG001 - the default of `ProviderSide.suited`
    return None


def _nothing(_: Any) -> frozenset[str]:
    return frozenset()


def _as_it_is(wire: WireRequest) -> WireRequest:
    return wire


def _whole(request: AskedT, _: str) -> Iterable[tuple[int, AskedT]]:
    return ((0, request),)


def _only(answers: Sequence[OutcomeT], _: Any, __: str) -> OutcomeT:
    return answers[0]


class ProviderSide(msgspec.Struct, Generic[AskedT, OutcomeT], frozen=True, kw_only=True):
    """How requests of one operation are written for a provider, and how the provider's responses are read."""

    paths: tuple[str, ...]
    """All request paths below the base URL; `{model}` stands for the model's name, any other name in braces
    for a value in `params`.
    """
    encode: Callable[[AskedT, Target], WireRequest]
    """Writes a request for a provider, and reports losses to the target's `report`. Raises WireError if the
    protocol cannot express the request."""
    decode: Callable[[Payload, AskedT], OutcomeT]
    """Turns the response to this request into the IR. Raises WireError for a malformed response,
    RequestFailed for an error with status 200."""
    split: Callable[[AskedT, str], Iterable[tuple[int, AskedT]]] = _whole
    """Splits a request that is too large into requests that are sent one after another. Yields (index of the
    request's first input in the whole request, the request). The text: the upstream's name of the model. By
    default, the request stays whole."""
    join: Callable[[Sequence[OutcomeT], AskedT, str], OutcomeT] = _only
    """Joins the responses to the split requests into one; also called for a single response. The other
    arguments: the client's whole request, the upstream's name of the model."""
    unread: Callable[[AskedT], Reading[AskedT]] | None = None
    """Finds the media in a request that the provider cannot download itself; None = the gateway downloads
    nothing."""
    decoder: Callable[[AskedT, str, int], AnswerDecoder[OutcomeT] | None] | None = None
    """Makes a decoder for a response that is read in pieces. Arguments: the request, the response's media
    type ("" = not stated), the most bytes of an event. None, also as the function's result = the response is
    read as a whole."""
    finish: Callable[[WireRequest], WireRequest] = _as_it_is
    """Changes the encoded request after the members from the configuration were added. By default, nothing is
    changed."""
    unasked: Callable[[AskedT], frozenset[str]] = _nothing
    """Returns the names of the members that the encoder adds although this request does not ask for them. A
    member of such a name that the client states under the provider's name (`addressed`) replaces the
    encoder's, unless the configuration sets it, too."""
    suited: Callable[[Quirks], ProviderSide[AskedT, OutcomeT] | None] = _usual
    """Returns another provider side for a vendor with these quirks, if the vendor has other paths or forms;
    None = this provider side is used."""


class ClientSide(msgspec.Struct, Generic[AskedT, OutcomeT], frozen=True, kw_only=True):
    """How requests of one operation are read from a client, and how responses are written for the client."""

    check: Callable[[WireRequest], None]
    """Raises WireError for a client's mistake, in the protocol's own words."""
    model: Callable[[WireRequest], str | None]
    """Reads the model's name from a request; returns None if it states none."""
    decode: Callable[[WireRequest], AskedT]
    """Turns a request that has passed `check` into the IR."""
    encode: Callable[[OutcomeT, OperationReply[AskedT]], Payload]
    """Writes a whole response for the client."""
    locate: Callable[[AskedT, str], str]
    """Turns an IR path into a JSON path of the client's request. Arguments: the decoded request, the path."""
    locate_in: Callable[[WireRequest, AskedT, str], str] | None = None
    """As `locate`, for a protocol in which clients may write the same value in one of several members; its
    first argument is the request as the client wrote it. None = `locate` is right for every request.
    """
    members: frozenset[str]
    """The request's top-level members that have a field in the IR."""
    streams: Callable[[WireRequest], bool] = _never
    """Whether a request asks for a stream."""
    encode_stream: Callable[[OutcomeT, OperationReply[AskedT]], bytes] | None = None
    """Writes a whole response as the events of a stream; None = clients never ask for a stream."""
    encoder: Callable[[OutcomeT, OperationReply[AskedT]], AnswerEncoder[OutcomeT] | None] | None = None
    """Makes an encoder for a response that is written in pieces. Its first argument is the response before
    its first piece (`AnswerDecoder.begun`). None, also as the function's result = the response is written as
    a whole."""
    unread: Callable[[OutcomeT, AskedT], Reading[OutcomeT]] | None = None
    """Finds the media of a response for which the provider stated a URL although the client asked for the
    bytes. If a download fails, the URL stays in the response. None = there are no such media."""

    def located(self, wire: WireRequest, request: AskedT, where: str) -> str:
        """Return the JSON path of the IR path `where` in the client's request `wire`, which was decoded as
        `request`.
        """
        if self.locate_in is None:
            return self.locate(request, where)
        return self.locate_in(wire, request, where)


class OperationCodec(msgspec.Struct, Generic[AskedT, OutcomeT], frozen=True, kw_only=True):
    """The codec of one operation beside chat, with both sides of the dialect: for clients and for
    providers.
    """

    client: ClientSide[AskedT, OutcomeT]
    provider: ProviderSide[AskedT, OutcomeT]
    relay: OperationRelay | None = None
    """Relays requests to providers of the same protocol; None = they are translated."""
    relays: Callable[[WireRequest, Quirks, str], bool] = _always
    """Whether `relay` may be used for this request, the vendor's quirks and the model's upstream name; if
    not, the request is translated."""
    ends: tuple[str, ...] = ()
    """The `type`s of the events that end a relayed stream; `[DONE]` ends it, too. A stream that the client
    requested and that ends in no such way has broken off.
    """
    sound: bool = False
    """Whether responses are audio. Then the bytes of a relayed response are passed on without being read, if
    the client asked for no stream and the media type is `audio/…` or `application/octet-stream`. A stream of
    events for which the client did not ask is passed on, too; in other operations it is an error."""


AnyProviderSide = ProviderSide[Any, Any]
AnyOperationCodec = OperationCodec[Any, Any]
