"""Text to be spoken, and the sound of it."""

from __future__ import annotations

from typing import Literal

from dragoman.ir.blocks import Extra, Value
from dragoman.ir.usage import Usage


class SpeechRequest(Value, frozen=True):
    """A text to be spoken.

    dialect: the dialect that it was decoded from. voice: the provider's name of one. custom: it is the id of
    a voice of the client's own. output: the sound's format ("mp3", "opus", "aac", "flac", "wav", "pcm"), None
    = unstated, which is mp3. speed: 1 is usual. instructions: how to speak. language: as its client names it.
    delivery: whether the client wants the sound itself or events that hold it. extra: keys that no field
    names, by dialect.
    """

    dialect: str
    model: str | None
    text: str
    voice: str | None = None
    custom: bool = False
    output: str | None = None
    speed: float | None = None
    instructions: str | None = None
    language: str | None = None
    delivery: Literal["audio", "sse"] = "audio"
    extra: Extra = None


class SpeechResponse(Value, frozen=True):
    """Sound. output: its format, in the words of the request. kind: its media type. rate: samples a second,
    where the format does not tell it ("pcm").
    """

    data: bytes
    output: str
    kind: str
    rate: int | None = None
    model: str | None = None
    usage: Usage | None = None
