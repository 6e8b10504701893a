"""Speech by ElevenLabs: POST /text-to-speech/{voice_id}/stream, which returns the sound while it is made.

Specification: the client https://github.com/elevenlabs/elevenlabs-python (`text_to_speech/raw_client.py`,
`types/voice_settings.py`), read 2026-11. The path names the voice, and the query the format.
"""

from __future__ import annotations

import re
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.leftovers import Leftovers
from dragoman.dialects.openai import speech as family
from dragoman.dialects.operation import AnswerDecoder, Payload, ProviderSide
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import WireError
from dragoman.wire.wav import Pcm, wav

PATH: Final = "/text-to-speech/{voice_id}/stream"
_restore: Final = Leftovers("elevenlabs").restore
_FORMATS: Final = {
    "mp3": "mp3_44100_128",
    "opus": "opus_48000_128",
    "pcm": f"pcm_{family.RATE}",
    "wav": f"pcm_{family.RATE}",
    "mulaw": "ulaw_8000",
    "alaw": "alaw_8000",
}
"""The format that the client requested -> ElevenLabs' name of the format. A WAV file is made from raw
samples."""
_VOICE: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
_LOST: Final = {"instructions": "the ElevenLabs API has no speech instructions"}


def encode_request(request: ir.SpeechRequest, target: Target) -> WireRequest:
    """Encode the request in ElevenLabs' form. Losses and changes are reported to `target.report`. For "wav",
    raw samples are asked for, and `decode_response` makes the file. Raises WireError for an audio format that
    is not in `_FORMATS`, for one of OpenAI's voices, and for a missing voice or a text that cannot be the id
    of a voice (`_VOICE`).
    """
    report = target.report
    voice = request.voice or ""
    if voice in family.VOICES or not _VOICE.fullmatch(voice):
        message = f"ElevenLabs has no voice {voice[:64]!r}: state the id of one of its voices."
        raise WireError(message, "voice", "unsupported_value")
    wished = request.output or family.USUAL
    if wished not in _FORMATS:
        message = f"ElevenLabs does not support the audio format {wished}; supported: {', '.join(_FORMATS)}."
        raise WireError(message, "output", "unsupported_value")
    if wished == "wav":
        report.change("output", "output_format", "the WAV file is made of raw samples")
    stated: tuple[tuple[str, Any], ...] = (
        ("text", request.text),
        ("model_id", target.model if target.model is not None else request.model),
        ("language_code", request.language),
        ("voice_settings", None if request.speed is None else {"speed": request.speed}),
    )
    body: dict[str, Any] = {key: value for key, value in stated if value is not None}
    family.lose(request, report, _LOST)
    _restore(body, request.extra, report, "")
    return WireRequest(
        "speech",
        body,
        path=PATH,
        params={"voice_id": voice},
        query={"output_format": _FORMATS[wished]},
    )


def decode_response(answered: Payload, request: ir.SpeechRequest) -> ir.SpeechResponse:
    """Decode the audio of a response. If the client asked for "wav", a WAV file is made from the raw samples
    in the response. Raises RequestFailed for an error in JSON with status 200, WireError for other JSON, a
    text, or an empty body.
    """
    family.refuse_words(answered)
    output = request.output or family.USUAL
    data = wav(answered.data, Pcm(family.RATE)) if output == "wav" else answered.data
    return ir.SpeechResponse(data, output, family.KINDS.get(output, answered.kind))


def decoder(request: ir.SpeechRequest, kind: str, most: int) -> AnswerDecoder[ir.SpeechResponse] | None:
    """Make a decoder that passes the sound on as it comes. None = the response is read as a whole
    (`decode_response`): WAV, because a WAV header states the length of the sound, and JSON or a text, which
    is not audio. kind: the response's media type; an empty one counts as JSON. most: not used.
    """
    return None if request.output == "wav" else family.flowing(request, kind, most)


SPEECH: Final = ProviderSide(
    paths=(PATH,), encode=encode_request, decode=decode_response, decoder=decoder, join=family.counted
)
