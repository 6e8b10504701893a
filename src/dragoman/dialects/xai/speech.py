"""Speech by xAI: POST /tts.

Specification: https://docs.x.ai/developers/model-capabilities/audio/text-to-speech, read 2026-11. The body
names no model. `language` is required; "auto" lets xAI find it. Recorded answers are MP3 if no format is
requested.
"""

from __future__ import annotations

from typing import Any, Final

from dragoman import ir
from dragoman.dialects.leftovers import Leftovers
from dragoman.dialects.openai import speech as family
from dragoman.dialects.operation import ProviderSide
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import WireError

PATH: Final = "/tts"
_restore: Final = Leftovers("xai").restore
_FORMATS: Final = ("mp3", "wav", "pcm")
_TELEPHONE: Final = ("mulaw", "alaw")
_LOST: Final = {"instructions": "the xAI API has no speech instructions: tags in the text say how to speak"}


def encode_request(request: ir.SpeechRequest, target: Target) -> WireRequest:
    """Encode the request in xAI's form, and report losses. A name of one of OpenAI's voices is a loss, too:
    xAI's usual voice speaks. Raises WireError for an audio format that is neither in `_FORMATS` nor in
    `_TELEPHONE`.
    """
    report = target.report
    body: dict[str, Any] = {"text": request.text, "language": request.language or "auto"}
    if request.voice in family.VOICES:
        report.lose("voice", f"xAI has no voice {request.voice}: its usual one speaks", "quality")
    elif request.voice is not None:
        body["voice_id"] = request.voice
    if (wished := request.output) is not None:
        if wished not in _FORMATS + _TELEPHONE:
            supported = ", ".join(_FORMATS + _TELEPHONE)
            message = f"xAI does not support the audio format {wished}; supported: {supported}."
            raise WireError(message, "output", "unsupported_value")
        form: dict[str, Any] = {"codec": wished}
        if wished == "pcm":
            form["sample_rate"] = family.RATE
        body["output_format"] = form
    if request.speed is not None:
        body["speed"] = request.speed
    family.lose(request, report, _LOST)
    _restore(body, request.extra, report, "")
    return WireRequest("speech", body, path=PATH)


SPEECH: Final = ProviderSide(
    paths=(PATH,),
    encode=encode_request,
    decode=family.decode_response,
    decoder=family.flowing,
    join=family.counted,
)
