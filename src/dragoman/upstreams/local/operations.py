"""Translates embeddings, speech and transcription for the models on this machine, and the models' answers to
the IR. Pure.

A field that the model has no use for is reported as a loss. A request for something that the model cannot do
(another language, an unknown voice) is refused with RequestFailed, which names the place as a path in the IR.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dragoman import ir
from dragoman.dialects.inputs import texts_of
from dragoman.dialects.leftovers import lose_members
from dragoman.dialects.loss import Report
from dragoman.errors import RequestFailed, WireError
from dragoman.upstreams.counts import above
from dragoman.upstreams.local import protocol
from dragoman.upstreams.local.sound import KINDS, PLAIN

WIDTH: Final = 384
"""The number of floats in an embedding vector."""
_OPENAI_VOICES: Final = (
    *("alloy", "ash", "ballad", "cedar", "coral", "echo", "fable"),
    *("marin", "nova", "onyx", "sage", "shimmer", "verse"),
)
VOICES: Final = frozenset({"heart", "af_heart", *_OPENAI_VOICES})
"""The names of the only voice: its own two names, and OpenAI's names, so that clients need not
change theirs.
"""
SPEEDS: Final = (0.5, 2.0)
LONGEST_TEXT: Final = 16_384
"""The most characters of a text to speak: about twenty minutes."""
MOST_TEXTS: Final = 10_000
"""The most texts of one embedding request; their vectors have 15 MB. OpenAI's API takes 2,048."""
LARGEST_RECORDING: Final = protocol.MAX_FRAME - (1 << 20)
"""The most bytes of one recording."""


def embed_order(
    request: ir.EmbedRequest, options: protocol.Options, keep_alive: float, report: Report
) -> protocol.Embed:
    """Return the job for the model process that embeds the inputs. keep_alive: seconds for which the model
    stays in memory after the job; 0 = it does not stay, negative = for ever. report: gets the losses. Raises
    RequestFailed for a request that is not supported.
    """
    wished = request.dimensions
    if wished is not None and not 1 <= wished <= WIDTH:
        raise refused(f"This model's embeddings have {WIDTH} dimensions: choose 1 to {WIDTH}.", "dimensions")
    if len(request.inputs) > MOST_TEXTS:
        raise above("inputs", f"{MOST_TEXTS} inputs", "array_above_max_length")
    _lose(
        report,
        request,
        {
            "task": "this model has no task parameter",
            "title": "this model has no title parameter",
            "user": _NOBODY,
        },
    )
    return protocol.Embed(0, options, tuple(_texts(request, report)), wished, keep_alive)


def _texts(request: ir.EmbedRequest, report: Report) -> Sequence[str]:
    try:
        return texts_of(request, report)
    except WireError as error:
        raise refused(error.message, error.path) from error


def vectors(
    answer: protocol.Embedded, request: ir.EmbedRequest, model: str, report: Report
) -> ir.EmbedResponse:
    """Return the response with the answer's vectors. Each text that was cut, because it is longer than the
    model's context, is reported as a loss. Raises RequestFailed if a text was cut and the request forbids
    cutting (`truncate` is False). model: the model's name for the response.
    """
    if request.truncate is False and answer.cut:
        raise refused("the input length exceeds the context length", f"inputs[{answer.cut[0]}]")
    for index in answer.cut:
        report.lose(f"inputs[{index}]", "the model uses only the first 256 tokens of the input")
    return ir.EmbedResponse(answer.vectors, model, ir.Usage(input=answer.tokens))


def speak_order(
    request: ir.SpeechRequest, options: protocol.Options, keep_alive: float, report: Report, *, encodes: bool
) -> protocol.Speak:
    """Return the job for the model process that speaks the text. keep_alive: seconds for which the model
    stays in memory after the job; 0 = it does not stay, negative = for ever. report: gets the losses.
    encodes: whether an encoder for compressed formats is installed; without one, the default format is wav
    instead of mp3, which is reported as a loss, and compressed formats are refused. Raises RequestFailed for
    a request that is not supported.
    """
    if request.voice is not None and request.voice.lower() not in VOICES:
        raise refused(
            f"There is no voice {request.voice[:64]!r}; available voices: {_listed(VOICES)}.", "voice"
        )
    low, high = SPEEDS
    if request.speed is not None and not low <= request.speed <= high:
        raise refused(f"The speed of this voice must be {low} to {high:g}.", "speed")
    if not english(request.language):
        raise refused("This voice speaks only English.", "language")
    if len(request.text) > LONGEST_TEXT:
        raise refused(f"The input can have at most {LONGEST_TEXT} characters.", "text")
    _lose(report, request, {"instructions": "this voice does not follow instructions"})
    output = _format(request.output, report, encodes=encodes)
    return protocol.Speak(0, options, request.text, output, request.speed or 1.0, keep_alive)


def _format(wished: str | None, report: Report, *, encodes: bool) -> str:
    if wished is None:
        if not encodes:
            lost = "mp3, the default format, needs an encoder that is not installed; the audio is wav"
            report.lose("output", lost, "quality")
        return "mp3" if encodes else "wav"
    if wished not in KINDS:
        raise refused(f"There is no format {wished[:64]!r}; available formats: {_listed(KINDS)}.", "output")
    if wished not in PLAIN and not encodes:
        message = f"{wished} needs an encoder that is not installed (extra `speech`); wav and pcm need none."
        raise refused(message, "output")
    return wished


def sound(answer: protocol.Spoken, order: protocol.Speak, model: str) -> ir.SpeechResponse:
    """Return the response with the answer's audio. order: the job that was answered. model: the model's name
    for the response.
    """
    return ir.SpeechResponse(answer.data, order.output, KINDS[order.output], answer.rate, model)


def transcribe_order(
    request: ir.TranscriptionRequest, options: protocol.Options, keep_alive: float, report: Report
) -> protocol.Transcribe:
    """Return the job for the model process that transcribes the recording. keep_alive: seconds for which the
    model stays in memory after the job; 0 = it does not stay, negative = for ever. report: gets the losses.
    Raises RequestFailed for a request that is not supported.
    """
    if request.translate:
        raise refused("This model understands only English, so it cannot translate.", "model")
    if not english(request.language):
        raise refused("This model understands only English.", "language")
    if request.output == "diarized_json":
        raise refused("This model cannot distinguish speakers.", "output")
    if request.audio.url is not None:
        raise refused("This model needs the audio file itself, not its URL.", "audio")
    if len(request.audio.data) > LARGEST_RECORDING:
        message = f"The audio file can have at most {LARGEST_RECORDING >> 20} MiB."
        raise RequestFailed(ir.Fault("too_large", message, param="audio"))
    _lose(report, request, {})
    words = "word" in request.timestamps
    return protocol.Transcribe(
        0, options, bytes(request.audio.data), request.prompt, request.temperature, words, keep_alive
    )


def transcript(answer: protocol.Transcribed, model: str) -> ir.TranscriptionResponse:
    """Return the response with the answer's transcript. model: the model's name for the response."""
    words = None
    if answer.words is not None:
        words = tuple(ir.Word(word.text, word.start, word.end) for word in answer.words)
    segments = tuple(
        ir.Segment(span.text, span.start, span.end, detail=span.detail) for span in answer.segments
    )
    return ir.TranscriptionResponse(answer.text, "english", answer.duration, segments, words, model)


def english(language: str | None) -> bool:
    """Return whether the language is English: "en", "english", or one of these with a region ("en-GB"), in
    upper or lower case. True for None (the request states no language).
    """
    return language is None or language.lower().replace("_", "-").partition("-")[0] in {"en", "english"}


_NOBODY: Final = "embedded models do not use the end user's id"


def _lose(report: Report, request: Any, reasons: Mapping[str, str]) -> None:
    """Report as lost each field in `reasons` ({field: reason}) that the request states, and the members in
    the request's `extra`.
    """
    for field, reason in reasons.items():
        if getattr(request, field) is not None:
            report.lose(field, reason, "hint" if field == "user" else "quality")
    for dialect, members in (request.extra or {}).items():
        lose_members(members, report, "", dialect)


def _listed(names: Mapping[str, str] | frozenset[str]) -> str:
    return ", ".join(sorted(names))


def refused(message: str, param: str) -> RequestFailed:
    """Return (not raise) the error for a value that is not supported. param: the path of the value
    in the IR.
    """
    return RequestFailed(ir.Fault("unsupported", message, code="unsupported_value", param=param))
