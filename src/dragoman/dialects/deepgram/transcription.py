"""Transcription by Deepgram: POST /listen. The body is the recording itself, or JSON with its URL; the
options are in the query.

Specification: https://developers.deepgram.com/docs/models, and recorded requests of August 2026. Deepgram
assumes English unless the request states a language or asks Deepgram to detect it:
https://developers.deepgram.com/docs/language-detection; pages read 2026-11. There is no translation, no
prompt and no temperature.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.leftovers import Leftovers
from dragoman.dialects.openai import heard
from dragoman.dialects.openai.transcript import TIMED
from dragoman.dialects.openai.utterances import Said, segments_of
from dragoman.dialects.operation import Payload, ProviderSide
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import WireError

PATH: Final = "/listen"
_restore: Final = Leftovers("deepgram").restore
_ON: Final = "true"
_LOST: Final = {
    "prompt": "the Deepgram API has no transcription prompt",
    "temperature": "the Deepgram API has no temperature",
}


class _Word(msgspec.Struct):
    word: str
    start: float
    end: float
    punctuated_word: str | None = None
    speaker: int | None = None


class _Alternative(msgspec.Struct):
    transcript: str
    words: list[_Word] = []


class _Channel(msgspec.Struct):
    alternatives: list[_Alternative] = []
    detected_language: str | None = None


class _Utterance(msgspec.Struct):
    transcript: str
    start: float
    end: float
    speaker: int | None = None


class _Results(msgspec.Struct):
    channels: list[_Channel] = []
    utterances: list[_Utterance] | None = None


class _Metadata(msgspec.Struct, frozen=True):
    duration: float | None = None


class _Answer(msgspec.Struct):
    results: _Results
    metadata: _Metadata = _Metadata()


def encode_request(request: ir.TranscriptionRequest, target: Target) -> WireRequest:
    """Encode the request in Deepgram's form. The options that the client did not ask for, and losses, are
    reported to `target.report`. Raises WireError for a request to translate.
    """
    report = target.report
    if request.translate:
        message = "Deepgram transcribes audio but does not translate it."
        raise WireError(message, "translate", "unsupported_value")
    for field, reason in _LOST.items():
        if getattr(request, field) is not None:
            report.lose(field, reason, "quality")
    model = target.model if target.model is not None else request.model
    # Without `smart_format`, a transcript has neither punctuation nor capital letters.
    query = {"model": model or "", "smart_format": _ON}
    report.add("smart_format", "else the transcript has no punctuation")
    if request.language is not None:
        query["language"] = request.language
    else:
        query["detect_language"] = _ON
        report.add("detect_language", "else Deepgram assumes English")
    if request.output in TIMED:
        query["utterances"] = _ON
    if request.output == "diarized_json":
        query["diarize"] = _ON
    _restore(query, request.extra, report, "")
    if request.audio.url is not None:
        return WireRequest("transcription", {"url": request.audio.url}, path=PATH, query=query)
    return WireRequest("transcription", {}, path=PATH, query=query, file=request.audio)


def decode_response(answered: Payload, _: ir.TranscriptionRequest) -> ir.TranscriptionResponse:
    """Decode a response. The texts of several channels are joined by line breaks, and their words follow one
    another. The language is the first one that Deepgram states as detected; None = none. Raises RequestFailed
    for an error with status 200. Raises WireError for an invalid body, and for a body in which no channel has
    a transcript.
    """
    try:
        answer = msgspec.convert(heard.object_of(answered.data), _Answer)
    except msgspec.ValidationError as error:
        raise WireError(str(error)) from error
    results = answer.results
    spoken = [channel.alternatives[0] for channel in results.channels if channel.alternatives]
    if not spoken:
        raise WireError("expected a transcript", "results.channels")
    words = [word for one in spoken for word in one.words]
    languages = (channel.detected_language for channel in results.channels)
    return ir.TranscriptionResponse(
        "\n".join(one.transcript for one in spoken),
        next((language for language in languages if language is not None), None),
        answer.metadata.duration,
        _segments(results.utterances, words),
        tuple(ir.Word(_written(word), word.start, word.end) for word in words),
    )


def _segments(utterances: Sequence[_Utterance] | None, words: Sequence[_Word]) -> tuple[ir.Segment, ...]:
    """Return Deepgram's utterances as segments. utterances: None = the response does not state them; the
    words are then grouped into segments (`segments_of`).
    """
    if utterances is None:
        return segments_of(Said(_written(one), one.start, one.end, _speaker(one.speaker)) for one in words)
    return tuple(ir.Segment(one.transcript, one.start, one.end, _speaker(one.speaker)) for one in utterances)


def _written(word: _Word) -> str:
    return word.punctuated_word or word.word


def _speaker(number: int | None) -> str | None:
    return None if number is None else str(number)


TRANSCRIPTION: Final = ProviderSide[Any, Any](paths=(PATH,), encode=encode_request, decode=decode_response)
