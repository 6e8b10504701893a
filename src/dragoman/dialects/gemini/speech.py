"""Speech with Gemini: generateContent with `responseModalities: ["AUDIO"]`, which returns raw samples.

Specification: https://ai.google.dev/gemini-api/docs/speech-generation
"""

from __future__ import annotations

from base64 import b64decode
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.gemini.output import known_voice
from dragoman.dialects.gemini.response import decode_response as decode_content
from dragoman.dialects.gemini.terms import NAME, restore
from dragoman.dialects.openai import speech as family
from dragoman.dialects.operation import Payload, ProviderSide
from dragoman.dialects.quirks import STANDARD
from dragoman.dialects.request import Target, WireRequest
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import decode_object
from dragoman.wire.wav import Pcm, pcm_of, wav

PATH: Final = "/models/{model}:generateContent"
_FORMATS: Final = ("wav", "pcm")
_WAV: Final = "audio/wav"
_LOST: Final = {"speed": "the Gemini API has no speed parameter: describe the speed in the instructions"}


def encode_request(request: ir.SpeechRequest, target: Target) -> WireRequest:
    """Encode the request, and report losses. Raises WireError for an audio format other than wav and pcm.
    Without a stated format, the answer will be wav, not OpenAI's default mp3, which is reported as a loss.
    """
    report = target.report
    if request.output is None:
        report.lose("output", "Gemini returns raw audio: the format is wav, not mp3", "quality")
    elif request.output not in _FORMATS:
        message = f"Gemini does not support the audio format {request.output}; supported: wav, pcm."
        raise WireError(message, "output", "unsupported_value")
    speech: dict[str, Any] = {}
    if (voice := request.voice) is not None:
        speech["voiceConfig"] = {"prebuiltVoiceConfig": {"voiceName": known_voice(voice, report, "voice")}}
    if request.language is not None:
        speech["languageCode"] = request.language
    text = request.text
    if request.instructions is not None:
        text = f"{request.instructions.rstrip(': ')}: {text}"
        report.change("instructions", "contents[0].parts[0].text", "the instructions are put before the text")
    family.lose(request, report, _LOST)
    body: dict[str, Any] = {
        "contents": [{"role": "user", "parts": [{"text": text}]}],
        "generationConfig": {"responseModalities": ["AUDIO"], "speechConfig": speech},
    }
    restore(body, request.extra, report, "")
    return WireRequest("speech", body, path=PATH)


def decode_response(answered: Payload, request: ir.SpeechRequest) -> ir.SpeechResponse:
    """Decode the audio of an answer: all media parts of its first candidate, one after the other. The result
    has raw samples if the request wants "pcm" and Google sent raw samples of one channel; in all other cases
    it has a WAV file.

    Raises RequestFailed for an error object or an answer without audio. Raises WireError for any other body
    that is not an answer, for media whose first part is neither raw samples nor WAV, and for invalid base64.
    """
    answer = decode_content(decode_object(answered.data), STANDARD)
    pieces = [
        block
        for candidate in answer.candidates[:1]
        for block in candidate.blocks
        if isinstance(block, ir.Media) and block.data is not None
    ]
    if not pieces:
        raise RequestFailed(silent(answer, "sound"))
    pcm = pcm_of(pieces[0].mime)
    samples = b"".join(_decoded(piece) for piece in pieces)
    usage = answer.usage
    if pcm is None:
        if pieces[0].mime != _WAV:
            raise WireError(f"{pieces[0].mime} is not a known audio type", "candidates[0].content.parts")
        return ir.SpeechResponse(samples, "wav", _WAV, None, answer.model, usage)
    if request.output == "pcm" and pcm.channels == Pcm().channels:
        return ir.SpeechResponse(samples, "pcm", family.KINDS["pcm"], pcm.rate, answer.model, usage)
    return ir.SpeechResponse(wav(samples, pcm), "wav", _WAV, None, answer.model, usage)


def _decoded(piece: ir.Media) -> bytes:
    try:
        return b64decode(piece.data or "", validate=True)
    except ValueError as error:
        raise WireError("it is not base64", "candidates[0].content.parts") from error


def silent(answer: ir.Response, lacking: str) -> ir.Fault:
    """Return the fault for an answer without the requested content. If a filter stopped the first candidate,
    the fault says that the model refused (kind "content_policy"). Otherwise it says that the answer lacks
    this content (kind "upstream"). lacking: the content in words, such as "sound".
    """
    stop = answer.candidates[0].stop if answer.candidates else None
    if stop is not None and stop.reason == "filter":
        return ir.Fault("content_policy", f"The model refused to answer ({stop.raw}).", code="content_filter")
    return ir.Fault("upstream", f"The model's response has no {lacking}.", type=NAME, blame="upstream")


SPEECH: Final = ProviderSide(
    paths=(PATH,), encode=encode_request, decode=decode_response, join=family.counted
)
