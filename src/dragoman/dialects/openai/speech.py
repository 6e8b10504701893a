"""Decodes and encodes POST /audio/speech, as OpenAI and its compatible vendors use it.

Specification: https://platform.openai.com/docs/api-reference/audio/createSpeech. The response is the audio
itself, or events with audio (`stream_format: sse`). Between a client and a server of this dialect the audio
is relayed unchanged, while it is received.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.dialects.openai import heard
from dragoman.dialects.openai.operation import model_of
from dragoman.dialects.openai.terms import NAME, leftovers, restore
from dragoman.dialects.operation import (
    AnswerEncoder,
    ClientSide,
    OperationCodec,
    OperationReply,
    Outgoing,
    Payload,
    ProviderSide,
)
from dragoman.dialects.request import Target, WireRequest
from dragoman.dialects.rules import (
    Rule,
    a_string,
    check_members,
    members,
    missing,
    number,
    one_of,
    wrong_type,
)
from dragoman.errors import WireError
from dragoman.tokens import Counter
from dragoman.wire.json import encode_head

PATH: Final = "/audio/speech"
KINDS: Final[Mapping[str, str]] = {
    "mp3": "audio/mpeg",
    "opus": "audio/opus",
    "aac": "audio/aac",
    "flac": "audio/flac",
    "wav": "audio/wav",
    "pcm": "audio/pcm",
}
"""Audio format -> its media type. "pcm": 16-bit little-endian samples, one channel, 24,000 Hz."""
USUAL: Final = "mp3"
RATE: Final = 24_000
"""Samples per second of "pcm"."""
VOICES: Final = frozenset(
    {
        *("alloy", "ash", "ballad", "cedar", "coral", "echo", "fable", "marin", "nova", "onyx", "sage"),
        *("shimmer", "verse"),
    }
)
"""OpenAI's own voices: https://platform.openai.com/docs/guides/text-to-speech"""
MAPS: Final = frozenset(
    {"model", "input", "voice", "response_format", "speed", "instructions", "language", "stream_format"}
)
_CUSTOM: Final = frozenset({"id"})
_VENDORS: Final = ("mulaw", "alaw", "ogg", "raw")
"""Further formats, of compatible vendors (Groq, Together)."""
_PIECE: Final = 48 * 1024
"""The most bytes of audio in one event, before base64 makes them a third more."""


# --- Requests ----------------------------------------------------------------------------------


def _voice(value: Any, path: str) -> None:
    if isinstance(value, dict):
        if value.get("id") is None:
            missing(f"{path}.id")
        members(id=a_string)(value, path)
    elif not isinstance(value, str):
        wrong_type(path, "a string or an object", value)


_RULES: Final[dict[str, Rule]] = {
    "model": a_string,
    "input": a_string,
    "voice": _voice,
    "response_format": one_of(*KINDS, *_VENDORS),
    "speed": number(0.25, 4),
    "instructions": a_string,
    "language": a_string,
    "stream_format": one_of("audio", "sse"),
}


def check(request: WireRequest) -> None:
    """Raise WireError for the first mistake that is found, with the JSON path of the value ("voice.id").
    `input` and `voice` are required. Members of unknown names, and null for any other member, are accepted.

    The length of the text is not checked here, because it depends on the provider: OpenAI accepts 4,096
    characters, others more.
    """
    check_members(request.body, _RULES, "input", "voice")


def streams(wire: WireRequest) -> bool:
    """Whether the client wants the audio in SSE events (`stream_format: sse`)."""
    return wire.body.get("stream_format") == "sse"


def decode_request(wire: WireRequest) -> ir.SpeechRequest:
    """Return the decoded request. wire: a request that `check` has accepted."""
    body = wire.body
    voice = body["voice"]
    inner = leftovers(voice, _CUSTOM, "voice") if isinstance(voice, dict) else None
    return ir.SpeechRequest(
        NAME,
        model_of(wire),
        body["input"],
        voice["id"] if isinstance(voice, dict) else voice,
        custom=isinstance(voice, dict),
        output=body.get("response_format"),
        speed=body.get("speed"),
        instructions=body.get("instructions"),
        language=body.get("language"),
        delivery=body.get("stream_format") or "audio",
        extra=ir.merge(leftovers(body, MAPS), inner),
    )


def encode_request(request: ir.SpeechRequest, target: Target) -> WireRequest:
    """Return the request in this dialect, without `stream_format`: the provider is always asked for the audio
    itself. If the client asked for events, the gateway makes them from the whole audio. Leftovers of other
    dialects are reported to `target.report` as lost.
    """
    voice = {"id": request.voice} if request.custom else request.voice
    stated = (
        ("model", target.model if target.model is not None else request.model),
        ("input", request.text),
        ("voice", voice),
        ("response_format", request.output),
        ("speed", request.speed),
        ("instructions", request.instructions),
        ("language", request.language),
    )
    body = {key: value for key, value in stated if value is not None}
    restore(body, request.extra, target.report, "")
    return WireRequest("speech", body, path=PATH)


def lose(request: ir.SpeechRequest, report: Report, why: Mapping[str, str]) -> None:
    """Report fields of the request as lost, with the severity "quality". why: name of a field of
    `ir.SpeechRequest` -> reason. A field that is None is not reported, nor is a speed of 1.
    """
    for field, reason in why.items():
        value = getattr(request, field)
        if value is not None and (field, value) != ("speed", 1):
            report.lose(field, reason, "quality")


def locate(_: ir.SpeechRequest, where: str) -> str:
    """Return the JSON path, in the client's request, for the IR path `where`: "$.input" for "text". Most
    fields have the same name in both ("$.voice").
    """
    return "$." + _PLACES.get(where, where)


_PLACES: Final = {"text": "input", "output": "response_format", "delivery": "stream_format"}


# --- Answers -----------------------------------------------------------------------------------


def decode_response(answered: Payload, request: ir.SpeechRequest) -> ir.SpeechResponse:
    """Return a provider's audio as a response. Its `output` is the requested format, or `USUAL` if none was
    requested; its media type is the one that the provider states. Raises RequestFailed for an error with
    status 200, WireError if the body is empty or not audio.
    """
    refuse_words(answered)
    return ir.SpeechResponse(answered.data, request.output or USUAL, answered.kind)


def refuse_words(answered: Payload) -> None:
    """Raise an exception if a response is not audio: RequestFailed for an error in JSON, WireError for other
    JSON, a text, or an empty body. Only the media type decides: `application/json`, a type that ends in
    `+json`, and a missing type are JSON, `text/…` is a text, and anything else is audio.
    """
    if heard.is_json(answered.kind):
        heard.object_of(answered.data)
    if heard.is_json(answered.kind) or answered.kind.startswith("text/"):
        raise WireError("expected sound")
    if not answered.data:
        raise WireError("it is empty")


def encode_response(response: ir.SpeechResponse, reply: OperationReply[ir.SpeechRequest]) -> Payload:
    """Return the body for the client: the provider's audio and media type, unchanged. A loss is reported if
    the audio does not have the requested format or OpenAI's sample rate (`lose_format`).
    """
    lose_format(response, reply)
    return Payload(response.data, response.kind)


def lose_format(response: ir.SpeechResponse, reply: OperationReply[ir.SpeechRequest]) -> None:
    """Report a loss to `reply.report` if the audio is not in the format that the client requested, or if it
    is "pcm" with another sample rate than OpenAI's (`RATE`). If the client requested no format, any format is
    right, and only the rate of "pcm" is compared. An unknown rate is not reported.
    """
    wished = reply.request.output
    if wished is not None and response.output != wished:
        reply.report.lose(
            "response_format", f"the audio format is {response.output}, not {wished}", "quality"
        )
    elif response.output == "pcm" and response.rate not in {None, RATE}:
        reason = f"the audio has {response.rate} samples per second, not {RATE}"
        reply.report.lose("response_format", reason, "quality")


def encode_stream(response: ir.SpeechResponse, reply: OperationReply[ir.SpeechRequest]) -> bytes:
    """Return the whole audio as SSE events; the last event has the token counts (0 = unknown). A loss is
    reported if the audio does not have the requested format or OpenAI's sample rate (`lose_format`).
    """
    lose_format(response, reply)
    events = SoundEvents()
    return events.feed(ir.SpeechDelta(response.data)) + events.close(response)


class Sound:
    """Decodes a response whose bytes are the audio itself: each piece of the body is passed on when it
    arrives. begun: the response without its audio.
    """

    def __init__(self, begun: ir.SpeechResponse) -> None:
        self.begun = begun
        self._spoke = False

    def feed(self, data: bytes) -> Sequence[ir.SpeechDelta]:
        self._spoke = self._spoke or bool(data)
        return (ir.SpeechDelta(data),) if data else ()

    def close(self) -> ir.SpeechResponse:
        """Return the response without its audio, after the last bytes. Raises WireError if there were no
        bytes.
        """
        if not self._spoke:
            raise WireError("it is empty")
        return self.begun


def flowing(request: ir.SpeechRequest, kind: str, _: int) -> Sound | None:
    """Return a decoder that passes audio on while it arrives. Its response states the media type of the
    requested format (`KINDS`; without one, of `USUAL`), or `kind` for a format that is not in this table.

    None = `kind`, the provider's media type, is JSON's or a text's, or is empty: the response must be read as
    a whole. The last argument, the most bytes of an event, is not used.
    """
    if heard.is_json(kind) or kind.startswith("text/"):
        return None
    output = request.output or USUAL
    return Sound(ir.SpeechResponse(b"", output, KINDS.get(output, kind)))


class PlainSound:
    """Encodes a response as the audio itself, without events. kind: the audio's media type."""

    def __init__(self, kind: str) -> None:
        self.kind = kind

    def feed(self, piece: ir.SpeechDelta) -> bytes:
        return piece.data

    def close(self, _: ir.SpeechResponse) -> bytes:
        return b""


class SoundEvents:
    """Encodes audio as SSE events. The last event has the token counts; a count that is not known is 0."""

    kind: Final = "text/event-stream; charset=utf-8"

    def feed(self, piece: ir.SpeechDelta) -> bytes:
        data = piece.data
        return b"".join(
            heard.event("speech.audio.delta", audio=b64encode(data[start : start + _PIECE]).decode())
            for start in range(0, len(data), _PIECE)
        )

    def close(self, response: ir.SpeechResponse) -> bytes:
        usage = response.usage or ir.Usage()
        counts = {
            "input_tokens": usage.input_total,
            "output_tokens": usage.output_total,
            "total_tokens": usage.total,
        }
        return heard.event("speech.audio.done", usage=counts)


def encoder(
    begun: ir.SpeechResponse, reply: OperationReply[ir.SpeechRequest]
) -> AnswerEncoder[ir.SpeechResponse]:
    """Return the encoder of a response for the client: for events if the client asked for them, else for the
    audio itself. A loss is reported if the audio does not have the requested format or OpenAI's sample rate
    (`lose_format`). begun: the response without its audio.
    """
    lose_format(begun, reply)
    return SoundEvents() if reply.request.delivery == "sse" else PlainSound(begun.kind)


def counted(answers: Sequence[ir.SpeechResponse], request: ir.SpeechRequest, model: str) -> ir.SpeechResponse:
    """Return the response in `answers`, which has exactly one. If the response has no usage, it gets an
    estimated one: as input the tokens of the request's text, and no output. model: the provider's name for
    the model; it decides the vocabulary for counting.
    """
    (response,) = answers
    if response.usage is not None:
        return response
    tokens = Counter(model).blocks([ir.Text(request.text)])
    return msgspec.structs.replace(response, usage=ir.Usage(input=tokens, estimated=True))


class SpeechRelay:
    """Relays speech requests and their audio, between client and server of this dialect. For a whole response
    that is not audio, `response` raises the errors of `refuse_words`; it always returns None as the usage.
    """

    def request(self, wire: WireRequest, head: dict[str, Any], edits: Mapping[str, Any]) -> Outgoing:
        return Outgoing(PATH, encode_head({**head, **edits}))

    def response(
        self, wire: WireRequest, answer: Payload, model: str | None
    ) -> tuple[Payload, ir.Usage | None] | None:
        refuse_words(answer)
        return answer, None

    def seen(self, frame: bytes) -> ir.Usage | None:
        return heard.seen(frame)


SPEECH: Final = OperationCodec(
    relay=SpeechRelay(),
    client=ClientSide(
        check=check,
        model=model_of,
        decode=decode_request,
        encode=encode_response,
        locate=locate,
        members=MAPS,
        streams=streams,
        encode_stream=encode_stream,
        encoder=encoder,
    ),
    provider=ProviderSide(paths=(PATH,), encode=encode_request, decode=decode_response, join=counted),
    ends=("speech.audio.done",),
    sound=True,
)
