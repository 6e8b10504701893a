"""Transcription by xAI: POST /stt, a form with the URL of the audio, or with the file as its last field; the
answer is JSON.

Specification: https://docs.x.ai/developers/model-capabilities/audio/speech-to-text, read 2026-11, and
recorded requests of August 2026. Recorded answers have the times of all words, and with `diarize` their
speakers. The API has no translation, no prompt and no temperature.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.leftovers import Leftovers
from dragoman.dialects.openai import heard
from dragoman.dialects.openai import transcription as family
from dragoman.dialects.openai.utterances import Said, segments_of
from dragoman.dialects.operation import Payload, ProviderSide
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import WireError

PATH: Final = "/stt"
_restore: Final = Leftovers("xai").restore
UNNAMED: Final = frozenset({"grok-stt", "stt"})
"""Names that clients use for the API itself. The API has no models of these names; for these names no model
is sent, and xAI's default model answers."""
_LOST: Final = {
    "prompt": "the xAI API has no transcription prompt",
    "temperature": "the xAI API has no temperature for transcription",
}


class _Word(msgspec.Struct):
    text: str
    start: float
    end: float
    speaker: int | str | None = None


class _Answer(msgspec.Struct):
    text: str
    language: str | None = None
    duration: float | None = None
    words: list[_Word] | None = None


def encode_request(request: ir.TranscriptionRequest, target: Target) -> WireRequest:
    """Encode the request in xAI's form, and report losses. Raises WireError if the request asks for a
    translation.
    """
    report = target.report
    if request.translate:
        raise WireError("xAI transcribes audio but does not translate it.", "translate", "unsupported_value")
    for field, reason in _LOST.items():
        if getattr(request, field) is not None:
            report.lose(field, reason, "quality")
    model = target.model if target.model is not None else request.model
    stated = (
        ("model", None if model in UNNAMED else model),
        ("url", request.audio.url),
        ("language", request.language),
        ("diarize", request.output == "diarized_json" or None),
    )
    body: dict[str, Any] = {key: value for key, value in stated if value is not None}
    _restore(body, request.extra, report, "")
    return WireRequest("transcription", body, path=PATH, fields=family.form_of(body, request.audio))


def decode_response(answered: Payload, _: ir.TranscriptionRequest) -> ir.TranscriptionResponse:
    """Decode a response of status 200. Segments are made from the words, if the response has words. Raises
    RequestFailed if the body is an error, WireError for an invalid body.
    """
    try:
        answer = msgspec.convert(heard.object_of(answered.data), _Answer)
    except msgspec.ValidationError as error:
        raise WireError(str(error)) from error
    words = segments = None
    if answer.words is not None:
        words = tuple(ir.Word(one.text, one.start, one.end) for one in answer.words)
        segments = segments_of(
            (
                Said(one.text, one.start, one.end, None if one.speaker is None else str(one.speaker))
                for one in answer.words
            ),
            joined=" " not in answer.text,  # Japanese has no blanks
        )
    return ir.TranscriptionResponse(answer.text, answer.language, answer.duration, segments, words)


TRANSCRIPTION: Final = ProviderSide(paths=(PATH,), encode=encode_request, decode=decode_response)
