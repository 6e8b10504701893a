"""Transcription with Gemini: generateContent with the recording and a prompt that asks for its text.

Specification: https://ai.google.dev/gemini-api/docs/audio
"""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.gemini.response import decode_response as decode_content
from dragoman.dialects.gemini.speech import PATH, silent
from dragoman.dialects.gemini.terms import restore
from dragoman.dialects.openai.transcript import TIMED
from dragoman.dialects.operation import Payload, ProviderSide, Reading
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import decode_object
from dragoman.wire.sniff import media_type

_WRITE: Final = (
    "Transcribe the speech in this recording word for word. "
    "Answer with the transcript alone; answer with nothing if nobody speaks."
)
_TRANSLATE: Final = (
    "Translate the speech in this recording into English. "
    "Answer with the translation alone; answer with nothing if nobody speaks."
)
_LARGEST: Final = 70 * 1024 * 1024
"""The most bytes of a recording. In base64, so many bytes fit into a request, which may have 100 MB. Source:
https://blog.google/innovation-and-ai/technology/developers-tools/gemini-api-new-file-limits"""
_KINDS: Final = {
    "wav": "audio/wav",
    "mp3": "audio/mpeg",
    "mpga": "audio/mpeg",
    "mpeg": "audio/mpeg",
    "m4a": "audio/mp4",
    "mp4": "audio/mp4",
    "ogg": "audio/ogg",
    "oga": "audio/ogg",
    "opus": "audio/ogg",
    "flac": "audio/flac",
    "aac": "audio/aac",
    "aiff": "audio/aiff",
    "webm": "audio/webm",
}
"""File extension -> media type, for recordings whose first bytes and stated type do not show the type."""


def encode_request(request: ir.TranscriptionRequest, target: Target) -> WireRequest:
    """Encode the request, whose recording must be there as bytes (`reads`). The prompt is reported as an
    addition. Raises WireError for an `output` that needs timestamps (`TIMED`, such as "srt"), and for a
    recording of more than `_LARGEST` bytes.
    """
    if request.output in TIMED:
        message = f"Gemini returns no timestamps, so the format {request.output} is not available."
        raise WireError(message, "output", "unsupported_value")
    audio = request.audio
    if len(audio.data) > _LARGEST:
        message = f"Gemini accepts audio of at most {_LARGEST} bytes in a request."
        raise WireError(message, "audio", "request_too_large")
    text = _TRANSLATE if request.translate else _WRITE
    if request.language is not None:
        text += f" The language that is spoken is {request.language}."
    if request.prompt is not None:
        text += f"\nWhat may help to understand it: {request.prompt}"
    part = {"inlineData": {"mimeType": _kind(audio), "data": b64encode(audio.data).decode()}}
    body: dict[str, Any] = {"contents": [{"role": "user", "parts": [{"text": text}, part]}]}
    target.report.add("contents[0].parts[0].text", "a prompt, because the request has only audio")
    if request.temperature is not None:
        body["generationConfig"] = {"temperature": request.temperature}
    restore(body, request.extra, target.report, "")
    return WireRequest("transcription", body, path=PATH)


def reads(request: ir.TranscriptionRequest) -> Reading[ir.TranscriptionRequest]:
    """Return the medium that the gateway must download before the request is encoded: the recording, if the
    request states its URL; otherwise no medium.
    """
    if (url := request.audio.url) is None:
        return Reading((), lambda _: request)

    def fill(read: Sequence[ir.Media]) -> ir.TranscriptionRequest:
        (media,) = read
        audio = ir.File(b64decode(media.data or ""), kind=media.mime)
        return msgspec.structs.replace(request, audio=audio)

    return Reading([(ir.Media("audio", url=url), "audio")], fill)


def _kind(audio: ir.File) -> str:
    """Return the media type of the recording. The first of these counts: an audio type that its first bytes
    show, the stated type if it is audio or video, the type for the extension of its name, and the type of
    MP3.
    """
    if (sniffed := media_type(bytes(audio.data[:12]))) is not None and sniffed.startswith("audio/"):
        return sniffed
    if audio.kind is not None and audio.kind.startswith(("audio/", "video/")):
        return audio.kind
    return _KINDS.get((audio.name or "").rpartition(".")[2].lower(), "audio/mpeg")


def decode_response(answered: Payload, _: ir.TranscriptionRequest) -> ir.TranscriptionResponse:
    """Decode the first candidate of an answer. The transcript is its text, without whitespace around it; "" =
    there is no text, for example because nobody speaks in the recording.

    Raises RequestFailed for an error object, for a refusal without text, and if the model failed. Raises
    WireError for any other body that is not an answer.
    """
    answer = decode_content(decode_object(answered.data), STANDARD)
    blocks = answer.candidates[0].blocks if answer.candidates else ()
    text = "".join(block.text for block in blocks if isinstance(block, ir.Text)).strip()
    stop = answer.candidates[0].stop if answer.candidates else None
    if not text and stop is not None and stop.reason == "filter":
        raise RequestFailed(silent(answer, "words"))
    return ir.TranscriptionResponse(text, model=answer.model, usage=answer.usage)


TRANSCRIPTION: Final = ProviderSide(
    paths=(PATH,), encode=encode_request, decode=decode_response, unread=reads
)
