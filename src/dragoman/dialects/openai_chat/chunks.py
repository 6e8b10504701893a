"""Frames of a stream as chunks: what every protocol of chat's family has in common, however it fills them.

A chunk is one JSON object, `[DONE]` ends the stream, and a chunk that repeats the one before with another
text is not decoded again. A stream without `[DONE]` is complete when its answer is.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Final, TypeAlias

import msgspec

from dragoman import ir
from dragoman.dialects.openai_chat.template import Template
from dragoman.errors import WireError
from dragoman.wire.sse import ErrorFrame

BROKEN: Final = ir.Fault(
    "upstream",
    "The provider's stream broke off before the answer was complete.",
    code="stream_broken",
    blame="upstream",
)
"""What becomes of a stream that ends before its answer does."""
Delta: TypeAlias = ir.TextDelta | ir.ThinkDelta | ir.ArgsDelta
_decode = msgspec.json.Decoder().decode


class ChunkDecoder(ABC):
    """Events of one stream of chunks. padding: the member by which the sender hides the length of texts."""

    __slots__ = ("_last", "_over", "_seen", "_template")

    def __init__(self, padding: str = "obfuscation") -> None:
        self._over = False
        self._template = Template(padding)
        self._last: Delta | None = None  # what a repeated chunk is like
        self._seen: dict[str, Any] = {}  # leftovers of the chunks, latest values

    def feed(self, frame: bytes) -> list[ir.Event]:
        """The events of one chunk. Raises WireError for what is none."""
        if self._last is not None and (text := self._template.text(frame)) is not None:
            return self._repeat(self._last, text) if text else []
        if self._over:
            return []
        if isinstance(frame, ErrorFrame):
            return self._fail(self._fault(error_body(frame)))
        if frame == b"[DONE]":
            return self._ended()
        try:
            chunk = _decode(frame)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            if frame.strip() == b"[DONE]":
                return self._ended()
            raise WireError(f"a frame of the stream is no JSON: {error}") from None
        if type(chunk) is not dict:
            raise WireError("a frame of the stream is no object")
        try:
            events = self._chunk(chunk)
            self._learn(frame, chunk, events)
        except (AttributeError, KeyError, TypeError) as error:
            raise WireError(f"a frame of the stream has another shape: {error}") from error
        return events

    def close(self) -> list[ir.Event]:
        """The bytes have ended: the end, or an error if the answer is not complete."""
        if self._over:
            return []
        return self._ended() if self._complete() else self._fail(BROKEN)

    def _ended(self) -> list[ir.Event]:
        """The events of the end, which tells what was left open until then."""
        try:
            return self._end()
        except (AttributeError, KeyError, TypeError) as error:
            raise WireError(f"the stream ended in another shape: {error}") from error

    def _keep(self, chunk: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
        """Remember leftovers; those that are new or have changed."""
        news = {
            key: value
            for key, value in chunk.items()
            if key not in known and value is not None and self._seen.get(key) != value
        }
        self._seen.update(news)
        return news

    def _learn(self, frame: bytes, chunk: dict[str, Any], events: list[ir.Event]) -> None:
        """Remember a chunk that only continued a block; the next ones are likely to be like it."""
        last = events[0] if len(events) == 1 else None
        self._last = last if isinstance(last, Delta) and self._template.learn(frame, chunk) else None

    def _repeat(self, last: Delta, text: str) -> list[ir.Event]:
        """The events of a chunk that is the one before with another text."""
        return [type(last)(last.index, text, last.candidate)]

    def _fail(self, fault: ir.Fault) -> list[ir.Event]:
        self._over = True
        return [ir.Error(fault)]

    @abstractmethod
    def _chunk(self, chunk: dict[str, Any]) -> list[ir.Event]:
        """The events of one chunk; may fail with what Python raises for another shape."""

    @abstractmethod
    def _fault(self, body: dict[str, Any]) -> ir.Fault:
        """The fault of an error's body."""

    @abstractmethod
    def _complete(self) -> bool:
        """Whether every candidate has its finish reason."""

    @abstractmethod
    def _end(self) -> list[ir.Event]:
        """The events of the end, or the error of one that came before the answer."""


def error_body(frame: bytes) -> dict[str, Any]:
    """A frame that its sender marked as an error, as an error's body; need not be JSON."""
    try:
        body = _decode(frame)
    except (msgspec.DecodeError, UnicodeDecodeError):
        body = frame.decode(errors="replace")
    return body if isinstance(body, dict) else {"error": body}
