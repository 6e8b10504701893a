"""Transcription by ElevenLabs: POST /speech-to-text, a form; the answer is JSON.

Specification: the client https://github.com/elevenlabs/elevenlabs-python (`speech_to_text/raw_client.py`,
`types/speech_to_text_word_response_model.py`), read 2026-11. The answer has a list of words with times;
blanks between the words, and sounds such as laughter, are entries of the same list. There is no translation
and no prompt.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.leftovers import Leftovers
from dragoman.dialects.openai import heard
from dragoman.dialects.openai import transcription as family
from dragoman.dialects.openai.transcript import TIMED
from dragoman.dialects.openai.utterances import Said, segments_of
from dragoman.dialects.operation import Payload, ProviderSide
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import WireError

PATH: Final = "/speech-to-text"
_restore: Final = Leftovers("elevenlabs").restore


class _Word(msgspec.Struct):
    text: str
    start: float | None = None
    end: float | None = None
    type: str = "word"
    speaker_id: str | None = None


class _Answer(msgspec.Struct):
    text: str
    language_code: str | None = None
    words: list[_Word] | None = None
    audio_duration_secs: float | None = None


def encode_request(request: ir.TranscriptionRequest, target: Target) -> WireRequest:
    """Encode the request in ElevenLabs' form. Losses are reported to `target.report`. Raises WireError if the
    request asks for a translation.
    """
    report = target.report
    if request.translate:
        message = "ElevenLabs transcribes audio but does not translate it."
        raise WireError(message, "translate", "unsupported_value")
    if request.prompt is not None:
        report.lose("prompt", "the ElevenLabs API has no transcription prompt", "quality")
    stated = (
        ("model_id", target.model if target.model is not None else request.model),
        ("cloud_storage_url", request.audio.url),
        ("language_code", request.language),
        ("temperature", request.temperature),
        ("diarize", request.output == "diarized_json" or None),
        ("timestamps_granularity", "word" if request.output in TIMED else None),
        ("tag_audio_events", False),  # they would be part of the text, as "(laughter)"
    )
    body: dict[str, Any] = {key: value for key, value in stated if value is not None}
    _restore(body, request.extra, report, "")
    return WireRequest("transcription", body, path=PATH, fields=family.form_of(body, request.audio))


def decode_response(answered: Payload, _: ir.TranscriptionRequest) -> ir.TranscriptionResponse:
    """Decode a response. Its words and segments are made of the answer's list of words, as far as the words
    have times (`_said`); both are None if there is no such list. Raises RequestFailed for an error with
    status 200, WireError for an invalid body.
    """
    try:
        answer = msgspec.convert(heard.object_of(answered.data), _Answer)
    except msgspec.ValidationError as error:
        raise WireError(str(error)) from error
    words = segments = None
    if answer.words is not None:
        said = _said(answer.words)
        words = tuple(ir.Word(one.text.rstrip(), one.start, one.end) for one in said)
        segments = segments_of(said, joined=True)
    return ir.TranscriptionResponse(
        answer.text, answer.language_code, answer.audio_duration_secs, segments, words
    )


def _said(words: Sequence[_Word]) -> list[Said]:
    """Return the words and sounds among the entries of an answer. The text of each ends with the blanks that
    follow it; blanks before the first one are left out. A word or sound without a start or an end is left
    out.
    """
    said: list[Said] = []
    for one in words:
        if one.type == "spacing" and said:
            said[-1] = msgspec.structs.replace(said[-1], text=said[-1].text + one.text)
        elif one.type != "spacing" and one.start is not None and one.end is not None:
            said.append(Said(one.text, one.start, one.end, one.speaker_id))
    return said


TRANSCRIPTION: Final = ProviderSide(paths=(PATH,), encode=encode_request, decode=decode_response)
