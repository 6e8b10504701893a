"""Sound to be written down, and the words of it."""

from __future__ import annotations

from typing import Any

from dragoman.ir.blocks import Extra, Value
from dragoman.ir.file import File
from dragoman.ir.usage import Usage


class TranscriptionRequest(Value, frozen=True):
    """A recording to be written down.

    dialect: the dialect that it was decoded from. translate: into English, whatever is spoken. language:
    what is spoken (ISO 639-1), None = to be found out. prompt: what the words are about, or how they go on.
    output: the form of the answer ("json", "text", "srt", "verbose_json", "vtt", "diarized_json"), None =
    unstated, which is json. timestamps: of what ("word", "segment"). stream: whether the answer is a stream.
    extra: keys that no field names, by dialect.
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
    """One word; seconds from the beginning."""

    text: str
    start: float
    end: float


class Segment(Value, frozen=True):
    """A stretch of speech; seconds from the beginning. detail: what else is told of it, by OpenAI's words
    (tokens, temperature, avg_logprob, compression_ratio, no_speech_prob).
    """

    text: str
    start: float
    end: float
    speaker: str | None = None
    detail: dict[str, Any] | None = None


class TranscriptionResponse(Value, frozen=True):
    """The words. language: as the provider names it. duration: of the recording, seconds. segments, words:
    None = not told.
    """

    text: str
    language: str | None = None
    duration: float | None = None
    segments: tuple[Segment, ...] | None = None
    words: tuple[Word, ...] | None = None
    model: str | None = None
    usage: Usage | None = None
    extra: Extra = None
