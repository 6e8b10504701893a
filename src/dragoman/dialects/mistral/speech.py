"""Speech by Mistral as a provider: POST /audio/speech, OpenAI's path with other members.

Specification: https://docs.mistral.ai/api/#tag/audio.speech, read in the form of the client mistralai 3.7.0.
The audio comes inside JSON. In the format "pcm", Mistral's samples are 32-bit floats, but OpenAI's are 16-bit
integers. So when a client wants "pcm", the gateway asks Mistral for a WAV file and sends the samples in it.
"""

from __future__ import annotations

from base64 import b64decode
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.mistral.terms import restore
from dragoman.dialects.openai import heard
from dragoman.dialects.openai import speech as family
from dragoman.dialects.operation import Payload, ProviderSide
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import WireError
from dragoman.wire.wav import unpacked

_FORMATS: Final = {"mp3": "mp3", "opus": "opus", "flac": "flac", "wav": "wav", "pcm": "wav"}
"""The format to request from Mistral, by the format that the client requested."""
_LOST: Final = {
    "speed": "the Mistral API has no speed parameter",
    "instructions": "the Mistral API has no speech instructions",
    "language": "the Mistral API has no language parameter: the voice determines the language",
}


def encode_request(request: ir.SpeechRequest, target: Target) -> WireRequest:
    """The request in Mistral's form. Raises WireError for an audio format that Mistral lacks."""
    report = target.report
    body: dict[str, Any] = {
        "model": target.model if target.model is not None else request.model,
        "input": request.text,
    }
    if request.voice is not None:
        body["voice_id"] = request.voice
    if (wished := request.output) is not None:
        if wished not in _FORMATS:
            message = f"Mistral does not support the audio format {wished}; supported: {', '.join(_FORMATS)}."
            raise WireError(message, "output", "unsupported_value")
        body["response_format"] = _FORMATS[wished]
        if wished != _FORMATS[wished]:
            report.change("output", "response_format", "the samples are extracted from a WAV file")
    family.lose(request, report, _LOST)
    restore(body, request.extra, report, "")
    return WireRequest("speech", body, path=family.PATH)


def decode_response(answered: Payload, request: ir.SpeechRequest) -> ir.SpeechResponse:
    """Decode the audio. Raises RequestFailed for an error with status 200, WireError for an invalid body."""
    body = heard.object_of(answered.data)
    written = body.get("audio_data") if isinstance(body, dict) else None
    if not isinstance(written, str) or not written:
        raise WireError("expected a string", "audio_data")
    try:
        data = b64decode(written, validate=True)
    except ValueError as error:
        raise WireError("it is not base64", "audio_data") from error
    output, rate = request.output or family.USUAL, None
    if output == "pcm":
        data, pcm = unpacked(data)
        if pcm.channels != 1:
            raise WireError("expected one channel", "audio_data")
        rate = pcm.rate
    return ir.SpeechResponse(data, output, family.KINDS[output], rate)


SPEECH: Final = ProviderSide(
    paths=(family.PATH,), encode=encode_request, decode=decode_response, join=family.counted
)
