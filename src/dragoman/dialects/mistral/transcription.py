"""Transcription by Mistral as a provider: encodes POST /audio/transcriptions, a form, and decodes responses.

Specification: https://docs.mistral.ai/capabilities/audio_transcription, read in the form of the client
mistralai 3.7.0. The answer is JSON, or the events of a stream (`transcription.text.delta`,
`transcription.segment`, `transcription.language`, `transcription.done`; others are ignored). A request may
ask for the times of segments or of words, but not together with a language. There is no translation and no
prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.failure import STREAM_BROKEN
from dragoman.dialects.mistral.sound_events import Events, converted, is_stream
from dragoman.dialects.mistral.terms import restore
from dragoman.dialects.openai import heard
from dragoman.dialects.openai import transcription as family
from dragoman.dialects.openai.transcript import TIMED
from dragoman.dialects.operation import Payload, ProviderSide
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import RequestFailed, WireError


class Segment(msgspec.Struct):
    """A segment or a word, as Mistral writes it. start, end: seconds."""

    text: str
    start: float | None = None
    end: float | None = None
    speaker_id: str | None = None


class _Details(msgspec.Struct):
    cached_tokens: int | None = None
    audio_tokens: int | None = None


class Usage(msgspec.Struct):
    """The object `usage`, as Mistral writes it."""

    prompt_audio_seconds: float | None = None
    prompt_tokens: int | None = None
    completion_tokens: int | None = None
    total_tokens: int | None = None
    prompt_tokens_details: _Details | None = None


class Answer(msgspec.Struct):
    """A whole response, or the event `transcription.done`, the last event of a stream."""

    text: str
    model: str | None = None
    language: str | None = None
    segments: list[Segment] | None = None
    usage: Usage | None = None


def encode_request(request: ir.TranscriptionRequest, target: Target) -> WireRequest:
    """Encode the request in Mistral's form, and report losses. Raises WireError for a translation, and for a
    request that wants the times of both segments and words ("verbose_json").
    """
    report = target.report
    if request.translate:
        raise WireError(
            "Mistral transcribes audio but does not translate it.", "translate", "unsupported_value"
        )
    times = _times(request)
    if request.output == "verbose_json" and {"word", "segment"} <= set(request.timestamps):
        message = "Mistral returns timestamps of segments or of words, not of both."
        raise WireError(message, "timestamps", "unsupported_value")
    language = request.language
    if times is not None and language is not None:
        report.lose("language", "Mistral returns timestamps only if no language is given", "quality")
        language = None
    if request.prompt is not None:
        report.lose("prompt", "the Mistral API has no transcription prompt", "quality")
    stated = (
        ("model", target.model if target.model is not None else request.model),
        ("file_url", request.audio.url),
        ("language", language),
        ("temperature", request.temperature),
        ("stream", request.stream or None),
        ("diarize", request.output == "diarized_json" or None),
        ("timestamp_granularities", None if times is None else [times]),
    )
    body: dict[str, Any] = {key: value for key, value in stated if value is not None}
    restore(body, request.extra, report, "")
    return WireRequest("transcription", body, path=family.PATH, fields=family.form_of(body, request.audio))


def _times(request: ir.TranscriptionRequest) -> str | None:
    """Return the kind of timestamps to request from Mistral: "word" if the client wants `verbose_json` with
    the times of words and not of segments, "segment" for every other format with timestamps (`TIMED`). None =
    the client's response format has no timestamps.
    """
    if request.output not in TIMED:
        return None
    alone = request.output == "verbose_json" and set(request.timestamps) == {"word"}
    return "word" if alone else "segment"


def decode_response(answered: Payload, request: ir.TranscriptionRequest) -> ir.TranscriptionResponse:
    """Decode a response. Raises RequestFailed for an error with status 200, WireError for an invalid body."""
    try:
        answer = msgspec.convert(heard.object_of(answered.data), Answer)
    except msgspec.ValidationError as error:
        raise WireError(str(error)) from error
    return response_of(answer, request)


def response_of(answer: Answer, request: ir.TranscriptionRequest) -> ir.TranscriptionResponse:
    """Convert Mistral's `answer` to the IR. If the request asks for times, these are in the `segments` of the
    result or, if it asks only for the times of words, in its `words`; but if one of Mistral's segments or
    words has no times, both are None.
    """
    times = _times(request)
    told = None if times is None else _timed(answer.segments or ())
    words, segments = None, told
    if times == "word" and told is not None:
        words, segments = tuple(ir.Word(one.text.strip(), one.start, one.end) for one in told), None
    return ir.TranscriptionResponse(
        answer.text,
        answer.language,
        segments=segments,
        words=words,
        model=answer.model,
        usage=None if answer.usage is None else usage_of(answer.usage),
    )


def _timed(told: Sequence[Segment]) -> tuple[ir.Segment, ...] | None:
    """Convert Mistral's segments (or words) to ir.Segment. None = at least one of them has no times."""
    found = tuple(
        ir.Segment(one.text, one.start, one.end, one.speaker_id)
        for one in told
        if one.start is not None and one.end is not None
    )
    return found if len(found) == len(told) else None


def usage_of(told: Usage) -> ir.Usage:
    """Convert Mistral's token counts to the IR; a missing count of input or output is 0. Sometimes the prompt
    count does not include the audio tokens: the total is then the sum of prompt, audio and completion. In
    this case the audio tokens are added to the input.
    """
    details = told.prompt_tokens_details or _Details()
    written, heard_, said = told.prompt_tokens or 0, details.audio_tokens or 0, told.completion_tokens or 0
    apart = told.total_tokens == written + heard_ + said
    entered = written + heard_ if apart else written
    cached = min(details.cached_tokens or 0, entered)
    detail: dict[str, Any] = {"input_audio": heard_, "input_text": entered - heard_} if heard_ else {}
    if told.prompt_audio_seconds is not None:
        detail[heard.SECONDS] = told.prompt_audio_seconds
    return ir.Usage(entered - cached, cached or None, output=said, detail=detail or None)


class TranscriptStream:
    """Decodes a streamed transcript. The last event, `transcription.done`, has the whole answer. begun: the
    response before its first text. A segment without times is left out. `feed` and `close` raise
    RequestFailed for an event that states an error, WireError for a malformed event.
    """

    begun: Final = ir.TranscriptionResponse("")

    def __init__(self, request: ir.TranscriptionRequest, most: int) -> None:
        """most: the most bytes that one event may have."""
        self._request = request
        self._events = Events(most)
        self._language: str | None = None
        self._whole: ir.TranscriptionResponse | None = None

    def feed(self, data: bytes) -> Sequence[ir.TranscriptDelta | ir.Segment]:
        return self._pieces(self._events.feed(data))

    def _pieces(self, events: Sequence[dict[str, Any]]) -> list[ir.TranscriptDelta | ir.Segment]:
        pieces: list[ir.TranscriptDelta | ir.Segment] = []
        for event in events:
            match event.get("type"):
                case "transcription.text.delta":
                    pieces.append(ir.TranscriptDelta(converted(event, _Delta).text))
                case "transcription.segment":
                    pieces.extend(_timed([converted(event, Segment)]) or ())
                case "transcription.language":
                    self._language = converted(event, _Language).audio_language
                case "transcription.done":
                    whole = response_of(converted(event, Answer), self._request)
                    language = whole.language or self._language
                    self._whole = msgspec.structs.replace(whole, language=language)
        return pieces

    def close(self) -> ir.TranscriptionResponse:
        """Return the whole response, after the last bytes. Raises RequestFailed if the event
        `transcription.done` has not come.
        """
        self._pieces(self._events.close())
        if self._whole is None:
            raise RequestFailed(STREAM_BROKEN)
        return self._whole


class _Delta(msgspec.Struct):
    text: str


class _Language(msgspec.Struct):
    audio_language: str | None = None


def decoder(request: ir.TranscriptionRequest, kind: str, most: int) -> TranscriptStream | None:
    """Make the decoder of a streamed response; None = the response is not a stream. kind: the response's
    media type. most: the most bytes that one event may have.
    """
    return TranscriptStream(request, most) if is_stream(kind) else None


TRANSCRIPTION: Final = ProviderSide(
    paths=(family.PATH,), encode=encode_request, decode=decode_response, decoder=decoder
)
