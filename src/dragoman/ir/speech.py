"""The speech operation: a request with a text to speak, and a response with the sound."""

from __future__ import annotations

from typing import Literal

from dragoman.ir.blocks import Extra, Value
from dragoman.ir.usage import Usage


class SpeechRequest(Value, frozen=True):
    """A text to speak.

    dialect: the protocol in which the client wrote the request. voice: the name of the voice, as the client
    wrote it. custom: True = `voice` is the id of the client's own voice. output: the sound format ("mp3",
    "opus", "aac", "flac", "wav", "pcm", or one of a compatible vendor, such as "ogg"), None = not stated,
    which means mp3. speed: 1 is normal. instructions: how to speak. language: in the client's words.
    delivery: "audio" = the client wants only the sound, "sse" = the sound in server-sent events. Any other
    field that is None was not stated.
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
    """The sound. data: the whole sound; b"" in the response with which a streamed answer begins. output: the
    format of the sound ("mp3", "wav", "pcm", …), which may differ from the requested one. kind: the media
    type ("audio/mpeg"). rate: the samples per second of raw samples ("pcm"); None = not stated, which means
    24,000 for "pcm", and for other formats that the sound itself states the rate. model, usage: None = not
    stated.
    """

    data: bytes
    output: str
    kind: str
    rate: int | None = None
    model: str | None = None
    usage: Usage | None = None


class SpeechDelta(Value, frozen=True):
    """A part of the sound of a streamed answer. The parts, joined in order, are the complete sound."""

    data: bytes
