"""The transcription operation: a request with a recording, and a response with the words spoken in it."""

from __future__ import annotations

from typing import Any

from dragoman.ir.blocks import Extra, Value
from dragoman.ir.file import File
from dragoman.ir.usage import Usage


class TranscriptionRequest(Value, frozen=True):
    """A recording to transcribe.

    dialect: the protocol in which the client wrote the request. translate: True = the words are translated
    into English. language: the spoken language (ISO 639-1), None = the provider detects it. prompt: a text
    that helps the model: the subject of the recording, or the words before it. output: the form of the answer
    ("json", "text", "srt", "verbose_json", "vtt", "diarized_json"), None = not stated, which means json.
    timestamps: the units that get timestamps ("word", "segment").
    """

    dialect: str
    model: str | None
    audio: File
    translate: bool = False
    language: str | None = None
    prompt: str | None = None
    output: str | None = None
    temperature: float | None = None
    timestamps: tuple[str, ...] = ()
    stream: bool = False
    extra: Extra = None


class Word(Value, frozen=True):
    """One spoken word. start, end: seconds from the beginning of the recording."""

    text: str
    start: float
    end: float


class Segment(Value, frozen=True):
    """One stretch of speech. start, end: seconds from the beginning of the recording. speaker: who speaks,
    None = not stated. detail: further fields under OpenAI's names (tokens, temperature, avg_logprob,
    compression_ratio, no_speech_prob).
    """

    text: str
    start: float
    end: float
    speaker: str | None = None
    detail: dict[str, Any] | None = None


class TranscriptionResponse(Value, frozen=True):
    """The words spoken in a recording. language: in the provider's words. duration: the length of the
    recording in seconds. segments, words: None = the provider did not send them.
    """

    text: str
    language: str | None = None
    duration: float | None = None
    segments: tuple[Segment, ...] | None = None
    words: tuple[Word, ...] | None = None
    model: str | None = None
    usage: Usage | None = None
    extra: Extra = None


class TranscriptDelta(Value, frozen=True):
    """A part of the transcribed text in a streamed answer, to append to the parts before."""

    text: str
