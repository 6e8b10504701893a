"""One recorded exchange of one dialect, decoded once for all laws; functions on streams; and which dialect a
recorded API has.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from typing import Any, Literal, Protocol, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

from dragoman import ir
from dragoman.dialects.dialect import Dialect
from dragoman.dialects.loss import Report
from dragoman.dialects.quirks import AUTHOR, STANDARD, Quirks
from dragoman.dialects.reply import Framing, Reply
from dragoman.dialects.request import WireRequest
from dragoman.dialects.streaming import StreamDecoder
from dragoman.dialects.table import DIALECTS
from dragoman.errors import RequestFailed, WireError
from dragoman.providers.catalog import CATALOG
from dragoman.testing import hosted
from dragoman.testing.canonical import CANON, Canon, CanonicalForm
from dragoman.testing.corpus import Exchange, Request, Response
from dragoman.testing.facts import Fact, of_request
from dragoman.wire.eventstream import EventStreamSplitter
from dragoman.wire.ndjson import NDJSONSplitter
from dragoman.wire.sse import SSESplitter

APIS: dict[str, tuple[str, ...]] = {
    "openai_chat": (
        *("openai.chat", "azure.chat", "groq.chat", "openrouter.chat", "xai.chat", "deepseek.chat"),
        *("together.chat", "perplexity.chat", "cerebras.chat", "huggingface.chat", "databricks.chat"),
        *("writer.chat", "zai.chat", "gpustack.chat", "cloudflare.chat", "snowflake.chat", "crusoe.chat"),
        *("portkey.chat", "alibaba.chat", "ollama.openai_chat", "gemini.openai_chat", "bedrock_mantle.chat"),
    ),
    "openai_responses": (
        *("openai.responses", "openai.responses_other", "azure.responses", "bedrock_mantle.responses"),
        *("deepseek.responses", "openrouter.responses", "xai.responses", "lmstudio.responses"),
    ),
    "anthropic": ("anthropic.messages", *hosted.APIS),
    "gemini": (
        *("gemini.generateContent", "gemini.streamGenerateContent", "vertex.generateContent"),
        "vertex.streamGenerateContent",
    ),
    "mistral": ("mistral.chat",),
    "cohere": ("cohere.chat",),
    "bedrock": ("bedrock.converse", "bedrock.converseStream"),
    "ollama": ("ollama.chat",),
    "openai_completions": (
        *("openai.completions", "azure.completions", "together.completions", "writer.completions"),
    ),
}
"""The recorded APIs by dialect. The API `NAME.chat` of a dialect NAME belongs to it without an entry."""


def _deviations(dialect: str) -> dict[str, Quirks]:
    """Return the quirks of the vendors that deviate from a dialect, by the name of the first vendor with
    these quirks.
    """
    found: dict[Quirks, str] = {}
    for vendor in CATALOG.values():
        if vendor.dialect == dialect and vendor.quirks not in (STANDARD, AUTHOR):
            found.setdefault(vendor.quirks, vendor.name)
    return {name: quirks for quirks, name in found.items()}


QUIRKS: dict[str, dict[str, Quirks]] = {name: _deviations(name) for name in APIS}
"""By dialect, then by vendor's name: the quirks of the catalogue's vendors that deviate from the dialect. Of
vendors with the same quirks only the first one is included.
"""

_MODEL = re.compile(r"/(?:models/(?P<model>[^/:]+):|model/(?P<id>[^/]+)/)(?P<method>[\w-]+)")
"""The model and the method in the URL of a Gemini or Bedrock request."""
_VENDORS = {"alibaba": "dashscope"}
"""By a provider's name in the recordings, its different name in the catalogue."""

Subject: TypeAlias = Literal["request", "response", "stream", "error"]

_OTHER_OPERATION = re.compile(r"/responses/(?:input_tokens|compact)\b")
"""Matches URLs of the Responses API for operations other than to create a response. No law applies to
them.
"""
_MALFORMED = frozenset({400, 413, 415, 422})
"""Statuses by which a provider refuses a malformed request. No law about requests applies to such a
request.
"""


def dialect_of(api: str) -> str | None:
    """Return the name of the dialect of a recorded API ("groq.chat" -> "openai_chat"); None = Dragoman has no
    dialect for this API.
    """
    name, _, what = api.partition(".")
    if what == "chat" and name in DIALECTS:
        return name
    return next((name for name, apis in APIS.items() if api in apis), None)


class Case:
    """One exchange of one dialect, decoded once for all laws. Its parts are decoded when they are first used,
    and raise the decoder's errors then.

    dialect: the dialect of the recording. others: the dialects to translate to. quirks: those of the
    recording's vendor in the catalogue, STANDARD for an unknown vendor. widens: values that the vendor's
    servers accept although the dialect's author refuses them. mutants: how many odd forms (copies with one or
    two random changes) to make of the request, and as many of the answer. tried: how many tests of odd forms
    the laws have made; an odd form of a response or of a stream is tested twice, relayed and decoded.
    refused: how many of these tests ended with a refusal.
    """

    def __init__(
        self, exchange: Exchange, dialect: Dialect, others: Sequence[Dialect], mutants: int = 0
    ) -> None:
        self.exchange = exchange
        self.mutants = mutants
        self.tried = self.refused = 0
        self.dialect = dialect
        self.others = tuple(others)
        self.canon = CANON.get(dialect.name, Canon(CanonicalForm(), CanonicalForm()))
        provider = exchange.api.partition(".")[0]
        vendor = CATALOG.get(_VENDORS.get(provider, provider))
        self.quirks: Quirks = STANDARD if vendor is None else vendor.quirks
        spoken = vendor.also.get(dialect.name) if vendor is not None else None
        self.widens = (self.quirks if spoken is None else spoken.quirks).widens

    def answering(self, body: dict[str, Any]) -> Case:
        """Return a copy of the case, without mutants, in which the answer's body is `body`. Its `subjects`
        are those of this case.
        """
        response = msgspec.structs.replace(self._received, body=body)
        return self._twin(msgspec.structs.replace(self.exchange, response=response))

    def streaming(self, frames: list[bytes]) -> Case:
        """Return a copy of the case, without mutants, with these stream frames. Its `subjects` are those of
        this case.
        """
        twin = self._twin(self.exchange)
        twin.frames = frames
        return twin

    def asking(self, body: dict[str, Any]) -> Case:
        """Return a copy of the case, without mutants, in which the request's body is `body`. Its `subjects`
        are those of this case.
        """
        request = msgspec.structs.replace(self._sent, body=body)
        return self._twin(msgspec.structs.replace(self.exchange, request=request))

    def _twin(self, exchange: Exchange) -> Case:
        twin = Case(exchange, self.dialect, self.others)
        twin.subjects = self.subjects
        return twin

    @property
    def _sent(self) -> Request:
        assert self.exchange.request is not None
        return self.exchange.request

    @property
    def _received(self) -> Response:
        assert self.exchange.response is not None
        return self.exchange.response

    @cached_property
    def subjects(self) -> frozenset[Subject]:
        """The parts of this exchange that laws can test: "request", if its body is an object that the
        provider did not refuse as malformed; and at most one of "response", "stream" and "error". A body with
        a success status that is an error counts as "error". Empty for an operation of the Responses API that
        creates no response.
        """
        request, response = self.exchange.request, self.exchange.response
        found: set[Subject] = set()
        if request is not None and _OTHER_OPERATION.search(request.url or ""):
            return frozenset()
        refused = response is not None and response.status in _MALFORMED
        if request is not None and type(request.body) is dict and not refused:
            found.add("request")
        if response is not None:
            if response.status >= 400:
                found.add("error")
            elif response.stream is not None or self._values is not None:
                found.add("stream")
            elif type(response.body) is dict:
                found.add("response" if self._answered else "error")
        return frozenset(found)

    @property
    def _answered(self) -> bool:
        """Whether the body is an answer, and not an error that a gateway sent with a success status: False if
        the decoder raises RequestFailed, else True, also if the decoder crashes.
        """
        try:
            return self.response is not None
        except RequestFailed:
            return False
        except Exception:  # noqa: BLE001 - the laws must report a decoder that crashes on an answer
            return True

    @property
    def accepted(self) -> bool:
        """Whether the answer has a status below 400, or no answer was recorded."""
        return self.exchange.response is None or self.exchange.response.status < 400

    @cached_property
    def beyond(self) -> bool:
        """Whether the request's own dialect refuses the request when it checks as strictly as the author of
        the protocol does. The gateway does not translate such a request.
        """
        try:
            self.dialect.request.check(self.named_request)
        except WireError:
            return True
        return False

    @cached_property
    def fault(self) -> ir.Fault:
        """The recorded error, decoded; with a success status, the error that the answer's body states. Only
        for a case with the subject "error".
        """
        response = self._received
        if response.status < 400:
            try:
                self.dialect.response.decode(copy_of(self.answer), self.quirks)
            except RequestFailed as failed:
                return failed.fault
        return self.dialect.errors.decode(response.status, response.headers, response.raw)

    @cached_property
    def body(self) -> dict[str, Any]:
        """The body of the recorded request, an object. Only for a case with the subject "request"."""
        body: dict[str, Any] = self._sent.body
        return body

    @property
    def wire_request(self) -> WireRequest:
        """The request as a face passes it to the codec. Each access makes a new copy, because decoders remove
        keys.
        """
        query = dict(parse_qsl(urlsplit(self._sent.url or "").query))
        path, params = self._addressed
        headers = dict(self._sent.headers)
        return WireRequest("chat", copy_of(self.body), path=path, params=params, query=query, headers=headers)

    @property
    def named_request(self) -> WireRequest:
        """The recorded request in the form of `wire_request`, but always with a model in the body: if the
        recorded body has none, the model of the recording, or "model".
        """
        wire = self.wire_request
        wire.body.setdefault("model", self.exchange.model or "model")
        return wire

    @property
    def _addressed(self) -> tuple[str, dict[str, str]]:
        """Two values: the dialect's path for the recorded URL (`paths.chat` or `paths.stream`, with "{model}"
        in it if the dialect has the model in the URL), and the values of its parameters ({"model": …} or {}).
        """
        path = self.dialect.paths.chat
        if "{model}" not in path:
            return path, {}
        found = _MODEL.search(self._sent.url or "")
        if found is not None and not path.endswith((f":{found['method']}", f"/{found['method']}")):
            path = self.dialect.paths.stream
        return path, {
            "model": unquote(found["model"] or found["id"])
            if found is not None
            else self.exchange.model or "model"
        }

    @cached_property
    def request(self) -> ir.Request:
        """The decoded request."""
        return self.dialect.request.decode(self.wire_request)

    @cached_property
    def facts(self) -> list[Fact]:
        """The facts that the decoded request states."""
        return of_request(self.request)

    @cached_property
    def answer(self) -> dict[str, Any]:
        """The recorded body of an answer that is not streamed, an object."""
        answer: dict[str, Any] = self._received.body
        return answer

    @cached_property
    def response(self) -> ir.Response:
        """The decoded answer. Only for an answer that is not streamed. Raises RequestFailed if the body
        states an error.
        """
        return self.dialect.response.decode(copy_of(self.answer), self.quirks)

    @property
    def _values(self) -> Sequence[Any] | None:
        """The JSON values of a stream that was recorded without framing or sent as one JSON array; None = the
        answer is not such a stream.
        """
        response = self._received
        array = self.dialect.stream.json_framing == "json_array" and type(response.body) is list
        return response.body if array else response.events

    @cached_property
    def frames(self) -> list[bytes]:
        """The frames of a streamed answer (`split`). If it was recorded as JSON values, each value is a
        frame, and the dialect's terminator is added, if it has one.
        """
        if (stream := self._received.stream) is not None:
            return split(stream, framing=self.dialect.stream.framing)
        frames = [msgspec.json.encode(event) for event in self._values or ()]
        return frames if self.canon.terminator is None else [*frames, self.canon.terminator]

    @cached_property
    def events(self) -> list[ir.Event]:
        """The decoded events of a streamed answer."""
        return events_of(self.dialect.stream.decoder(self.quirks), self.frames)

    def reply(self, face: Dialect, report: Report | None = None) -> Reply:
        """Return the context for encoding an answer to a client of `face` that asks for usage in the stream.
        The request in it is the recorded one if `face` is the recording's dialect and the case has the
        subject "request"; otherwise it states only the model. report: receives the losses; None = they are
        not needed.
        """
        report = report or Report(face.name, "response")
        asked = self.request if face is self.dialect and "request" in self.subjects else None
        asked = asked or ir.Request(face.name, self.exchange.model)
        asked = msgspec.structs.replace(asked, stream="stream" in self.subjects, stream_usage=True)
        return Reply(asked, report, id="answer-1", created=1_700_000_000)


class Splitter(Protocol):
    """Splits a stream's bytes into frames. `feed` returns the frames that are complete; `close` ends the
    stream and returns the frame that was cut off, if there is one.
    """

    def feed(self, chunk: bytes, /) -> Iterable[bytes]: ...

    def close(self) -> list[bytes]: ...


_SPLITTERS: dict[Framing, Callable[[], Splitter]] = {
    "ndjson": NDJSONSplitter,
    "eventstream": EventStreamSplitter,
}


def split(*chunks: bytes, framing: Framing = "sse") -> list[bytes]:
    """Return the frames of a stream that arrives in these chunks. A frame is the data of a server-sent event,
    a line of NDJSON, or a message of AWS's event stream as one JSON object. framing: which of them;
    "json_array" is not supported. Raises WireError for a frame that is too large, and for an AWS stream that
    is invalid or ends within a message.
    """
    splitter: Splitter = _SPLITTERS.get(framing, SSESplitter)()
    frames = [frame for chunk in chunks for frame in splitter.feed(chunk)]
    return frames + splitter.close()


def events_of(decoder: StreamDecoder, frames: Sequence[bytes]) -> list[ir.Event]:
    """Decode a stream that ends after these frames, and return its events. The decoder must be new."""
    events = [event for frame in frames for event in decoder.feed(frame)]
    return events + decoder.close()


def streamed(events: Sequence[ir.Event], face: Dialect, reply: Reply) -> list[ir.Event]:
    """Encode events as a stream for a client of `face`, and return the events that the client decodes from
    it. reply: the context of the encoder, which collects the losses (`Case.reply`).
    """
    encoder = face.stream.encoder(reply)
    frames = [frame for event in events for frame in split(encoder.feed(event), framing=face.stream.framing)]
    return events_of(face.stream.decoder(STANDARD), frames)


def check_grammar(events: Sequence[ir.Event]) -> None:
    """Raise GrammarError for an event that `ir.Checker` does not allow, and for a stream without an end."""
    checker = ir.Checker()
    for event in events:
        checker.add(event)
    if checker.state != "over":
        raise ir.GrammarError(f"the stream ends in state {checker.state!r}")


def cuts(stream: bytes, seed: str) -> list[bytes]:
    """Cut the stream into chunks of 1 to 256 bytes, at random. The same stream and seed always give the same
    chunks.
    """
    chunks: list[bytes] = []
    position, sizes = 0, b""
    while position < len(stream):
        if not sizes:
            sizes = hashlib.sha512(f"{seed} {position}".encode()).digest()
        size = sizes[0] + 1
        chunks.append(stream[position : position + size])
        position, sizes = position + size, sizes[1:]
    return chunks


def copy_of(value: Any) -> Any:
    """Return a deep copy of a JSON value."""
    return msgspec.json.decode(msgspec.json.encode(value))
