"""Speech by Deepgram: POST /speak. The body has only the text; the options are in the query.

Specification: https://developers.deepgram.com/docs/tts-encoding and
https://developers.deepgram.com/docs/tts-media-output-settings, and the client deepgram-python-sdk
(`speak/v1/audio/raw_client.py`); read 2026-11. Deepgram's name of a model states a voice and its language:
`aura-2-thalia-en`.
"""

from __future__ import annotations

import re
from typing import Final

from dragoman import ir
from dragoman.dialects.leftovers import Leftovers
from dragoman.dialects.loss import Report
from dragoman.dialects.openai import speech as family
from dragoman.dialects.operation import ProviderSide
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import WireError

PATH: Final = "/speak"
_restore: Final = Leftovers("deepgram").restore
_FORMATS: Final[dict[str, dict[str, str]]] = {
    "mp3": {"encoding": "mp3"},
    "opus": {"encoding": "opus", "container": "ogg"},
    "aac": {"encoding": "aac"},
    "flac": {"encoding": "flac"},
    "wav": {"encoding": "linear16", "container": "wav"},
    "pcm": {"encoding": "linear16", "container": "none", "sample_rate": str(family.RATE)},
    "mulaw": {"encoding": "mulaw", "container": "none"},
    "alaw": {"encoding": "alaw", "container": "none"},
}
"""The format that the client requested -> the query options for it."""
_MODEL: Final = re.compile(r"(aura(?:-\d+)?)(?:-([a-z]+)-([a-zA-Z-]+))?")
"""A model's name: the family and, in most names, the voice and the language."""
_VOICE: Final = re.compile(r"[a-z]+")
_LOST: Final = {
    "speed": "speech at another speed is not requested from Deepgram",
    "instructions": "the Deepgram API has no speech instructions",
}


def encode_request(request: ir.SpeechRequest, target: Target) -> WireRequest:
    """Encode the request in Deepgram's form, and report losses to `target.report`. Without a
    requested audio format, mp3 is requested. Raises WireError for an audio format that Deepgram
    lacks; and, if the model has one of Deepgram's names, for a voice that is neither a word of
    letters nor a name of a model with a voice in it (`aura-2-zeus-en`), or if neither the model nor
    the request states one of Deepgram's voices (`_voiced`).
    """
    report = target.report
    wished = request.output or family.USUAL
    if wished not in _FORMATS:
        message = f"Deepgram does not support the audio format {wished}; supported: {', '.join(_FORMATS)}."
        raise WireError(message, "output", "unsupported_value")
    model = target.model if target.model is not None else request.model
    query = {"model": _voiced(model or "", request, report), **_FORMATS[wished]}
    family.lose(request, report, _LOST)
    _restore(query, request.extra, report, "")
    return WireRequest("speech", {"text": request.text}, path=PATH, query=query)


def _voiced(model: str, request: ir.SpeechRequest, report: Report) -> str:
    """Return the model's name with the requested voice in it. A requested voice that is a whole name of a
    model (`aura-2-zeus-en`) replaces any `model`. Another voice (`zeus`) replaces the voice in `model`; one
    of OpenAI's own voices does not, and is lost. A `model` of another form than Deepgram's names is returned
    unchanged. A voice or language that is not in the result is reported as lost.

    Raises WireError if `model` is one of Deepgram's names, and the voice is no word of letters, or neither
    `model` nor the request states a voice of Deepgram's.
    """
    voice = request.voice
    found = _MODEL.fullmatch(model)
    if (whole := _MODEL.fullmatch(voice or "")) is not None and whole[2] is not None:
        name, language = whole[0], whole[3]
    elif found is None:
        if voice is not None:
            report.lose("voice", f"the model {model} is no model with one of Deepgram's voices", "quality")
        name, language = model, None
    elif voice is not None and voice not in family.VOICES:
        if _VOICE.fullmatch(voice.lower()) is None:
            raise WireError(f"Deepgram has no voice {voice[:64]!r}.", "voice", "unsupported_value")
        language = request.language or found[3] or "en"
        name = f"{found[1]}-{voice.lower()}-{language}"
    elif found[2] is None:
        message = f"Deepgram's model {model} needs one of Deepgram's voices, such as thalia."
        raise WireError(message, "voice", "unsupported_value")
    else:
        if voice is not None:
            report.lose(
                "voice", f"Deepgram has no voice {voice}: the model's name states the voice", "quality"
            )
        name, language = model, found[3]
    if request.language is not None and request.language != language:
        report.lose("language", "a voice of Deepgram speaks one language, which its name states", "quality")
    return name


SPEECH: Final = ProviderSide(
    paths=(PATH,),
    encode=encode_request,
    decode=family.decode_response,
    decoder=family.flowing,
    join=family.counted,
)
