"""The speech operation: a request with a text to speak, and a response with the sound."""

from __future__ import annotations

from typing import Literal

from dragoman.ir.blocks import Extra, Value
from dragoman.ir.usage import Usage


class SpeechRequest(Value, frozen=True):
    """A text to speak.

    dialect: the protocol in which the client wrote the request. voice: the provider's name of the voice.
    custom: True = `voice` is the id of the client's own voice. output: the sound format ("mp3", "opus",
    "aac", "flac", "wav", "pcm"), None = not stated, which means mp3. speed: 1 is normal. instructions: how to
    speak. language: in the client's words. delivery: "audio" = the client wants only the sound, "sse" = the
    sound in server-sent events. Any other field that is None was not stated.
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
    """The sound. output: its format, named as in `SpeechRequest.output`. kind: its media type. rate: samples
    per second, None = the sound file itself states the rate.
    """

    data: bytes
    output: str
    kind: str
    rate: int | None = None
    model: str | None = None
    usage: Usage | None = None


class SpeechDelta(Value, frozen=True):
    """A part of the sound of a streamed answer, in the format of the complete sound."""

    data: bytes
