"""The facts of a fake model's answer, which every dialect can state in its own way."""

from __future__ import annotations

from typing import Literal

import msgspec

Call = tuple[str, str, str]
"""id ("" = none), name, arguments as JSON text."""


class Said(msgspec.Struct, frozen=True):
    """What the fake model answers.

    thought: shown where the request asks for it; seal: its signature. reasoning_tokens are a part of
    output_tokens, cached_tokens of input_tokens. images: PNG files. sound: PCM of 16 bits at 24 kHz, with its
    transcript. others: the texts of further candidates, given where the request asks for so many. pause:
    seconds between the frames of a stream; die: the stream breaks off before its end.
    """

    text: str = "Hello there!"
    calls: tuple[Call, ...] = ()
    input_tokens: int = 12
    output_tokens: int = 7
    pause: float = 0.0
    die: bool = False
    thought: str = ""
    seal: str = ""
    reasoning_tokens: int = 0
    cached_tokens: int = 0
    images: tuple[bytes, ...] = ()
    sound: bytes = b""
    transcript: str = ""
    others: tuple[str, ...] = ()
    stop: Literal["end", "sequence", "length", "filter"] = "end"

    def texts(self, count: int | None) -> tuple[str, ...]:
        """The text of each candidate that was asked for."""
        return (self.text, *self.others)[: count or 1]


def pieces(text: str, size: int = 5) -> list[str]:
    """A text as it comes in a stream."""
    return [text[i : i + size] for i in range(0, len(text), size)]


def halves(data: bytes) -> list[bytes]:
    """Samples of 16 bits as they come in a stream."""
    middle = len(data) // 4 * 2
    return [half for half in (data[:middle], data[middle:]) if half]
