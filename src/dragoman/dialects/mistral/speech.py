"""Speech by Mistral as a provider: POST /audio/speech, OpenAI's path with other members.

Specification: https://docs.mistral.ai/api/#tag/audio.speech, read in the form of the client mistralai 3.7.0.
The audio comes inside JSON, or in the events of a stream (`stream`). In the format "pcm", Mistral's samples
are 32-bit floats, but OpenAI's are 16-bit integers. So when a client wants "pcm", the gateway asks Mistral
for a WAV file and sends the samples in it.
"""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.failure import STREAM_BROKEN
from dragoman.dialects.mistral.sound_events import Events, converted, is_stream
from dragoman.dialects.mistral.terms import restore
from dragoman.dialects.mistral.transcription import Usage, usage_of
from dragoman.dialects.openai import heard
from dragoman.dialects.openai import speech as family
from dragoman.dialects.operation import Payload, ProviderSide
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.wav import unpacked

_FORMATS: Final = {"mp3": "mp3", "opus": "opus", "flac": "flac", "wav": "wav", "pcm": "wav"}
"""Audio format that the client requested -> the format to request from Mistral."""
_LOST: Final = {
    "speed": "the Mistral API has no speed parameter",
    "instructions": "the Mistral API has no speech instructions",
    "language": "the Mistral API has no language parameter: the voice determines the language",
}


def encode_request(request: ir.SpeechRequest, target: Target) -> WireRequest:
    """Encode the request in Mistral's form. Losses and changes are reported to `target.report`. Raises
    WireError for an audio format that Mistral lacks.
    """
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
    if _flows(request):
        body["stream"] = True
    family.lose(request, report, _LOST)
    restore(body, request.extra, report, "")
    return WireRequest("speech", body, path=family.PATH)


def decode_response(answered: Payload, request: ir.SpeechRequest) -> ir.SpeechResponse:
    """Decode a response that is not streamed, with its audio. If the client wants "pcm", the samples are
    taken out of the WAV file. Raises RequestFailed for an error with status 200, WireError for an invalid
    body and, for "pcm", for a file that is not WAV with 16-bit samples of one channel.
    """
    body = heard.object_of(answered.data)
    data = _decoded(body.get("audio_data") if isinstance(body, dict) else None)
    output, rate = request.output or family.USUAL, None
    if output == "pcm":
        data, pcm = unpacked(data)
        if pcm.channels != 1:
            raise WireError("expected one channel", "audio_data")
        rate = pcm.rate
    return ir.SpeechResponse(data, output, family.KINDS[output], rate)


def _decoded(written: Any) -> bytes:
    if not isinstance(written, str) or not written:
        raise WireError("expected a string", "audio_data")
    try:
        return b64decode(written, validate=True)
    except ValueError as error:
        raise WireError("it is not base64", "audio_data") from error


def _flows(request: ir.SpeechRequest) -> bool:
    """Whether Mistral is asked for a stream: the client wants events, and the requested format can be played
    before it is complete. WAV, which is also requested for "pcm", cannot: its length stands at its beginning.
    """
    return request.delivery == "sse" and request.output not in {"wav", "pcm"}


class _Done(msgspec.Struct):
    usage: Usage | None = None


class SpeechStream:
    """Decodes streamed speech: the events `speech.audio.delta`, and `speech.audio.done` with the usage;
    others are ignored. begun: the response as it is known before its first audio: only its format.
    `feed` and `close` raise RequestFailed for an event that states an error, WireError for a malformed event.
    `close` also raises RequestFailed if `speech.audio.done` has not come.
    """

    def __init__(self, request: ir.SpeechRequest, most: int) -> None:
        """most: the most bytes that one event may have."""
        output = request.output or family.USUAL
        self.begun = ir.SpeechResponse(b"", output, family.KINDS[output])
        self._events = Events(most)
        self._whole: ir.SpeechResponse | None = None

    def feed(self, data: bytes) -> Sequence[ir.SpeechDelta]:
        return self._pieces(self._events.feed(data))

    def _pieces(self, events: Sequence[dict[str, Any]]) -> list[ir.SpeechDelta]:
        pieces = []
        for event in events:
            if event.get("type") == "speech.audio.delta":
                pieces.append(ir.SpeechDelta(_decoded(event.get("audio_data"))))
            elif event.get("type") == "speech.audio.done":
                usage = converted(event, _Done).usage
                told = None if usage is None else usage_of(usage)
                self._whole = msgspec.structs.replace(self.begun, usage=told)
        return pieces

    def close(self) -> ir.SpeechResponse:
        """Return the response without its audio, which `feed` has returned; call it after the last bytes."""
        self._pieces(self._events.close())
        if self._whole is None:
            raise RequestFailed(STREAM_BROKEN)
        return self._whole


def decoder(request: ir.SpeechRequest, kind: str, most: int) -> SpeechStream | None:
    """Make the decoder of a streamed response. None = the response is not a stream, or no stream was
    requested. kind: the response's media type. most: the most bytes that one event may have.
    """
    return SpeechStream(request, most) if is_stream(kind) and _flows(request) else None


SPEECH: Final = ProviderSide(
    paths=(family.PATH,),
    encode=encode_request,
    decode=decode_response,
    decoder=decoder,
    join=family.counted,
)
