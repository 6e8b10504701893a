"""The transcription operation: a request with a recording, and a response with the words spoken in it."""

from __future__ import annotations

from typing import Any

from dragoman.ir.blocks import Extra, Value
from dragoman.ir.file import File
from dragoman.ir.usage import Usage


class TranscriptionRequest(Value, frozen=True):
    """A recording to transcribe.

    dialect: the protocol in which the client wrote the request. translate: True = the words are translated
    into English. language: the spoken language as the client wrote it (usually ISO 639-1, "en"), None = the
    provider detects it. prompt: a text that helps the model: the subject of the recording, or the words
    before it. output: the form of the answer ("json", "text", "srt", "verbose_json", "vtt", "diarized_json"),
    None = not stated, which means json. timestamps: what gets timestamps in "verbose_json" ("word",
    "segment"); () = not stated, which means segments. stream: whether the client asked for a streamed answer.
    Any other field that is None was not stated.
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
    """One stretch of speech. start, end: seconds from the beginning of the recording. speaker: the provider's
    label of who speaks, None = not stated. detail: the segment's other fields, under OpenAI's names (such as
    tokens, temperature, avg_logprob, compression_ratio, no_speech_prob), None = there are none.
    """

    text: str
    start: float
    end: float
    speaker: str | None = None
    detail: dict[str, Any] | None = None


class TranscriptionResponse(Value, frozen=True):
    """The words spoken in a recording. text: all of them. language: in the provider's words ("en",
    "english"). duration: the length of the recording in seconds. segments, words: the same words with their
    times; None = the provider did not send them with times. A field that is None was not stated.
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
