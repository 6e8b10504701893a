"""Relays chat between a client and an upstream of Cohere's protocol.

The answer and the events have no name of the model, so nothing is rewritten; the relay looks for the usage,
for errors and for the end. After the first content, an event with nothing but the next piece of a text is not
decoded.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.cohere.errors import fault_of
from dragoman.dialects.cohere.response import is_failure
from dragoman.dialects.cohere.usage import decode_usage, encode_usage
from dragoman.dialects.failure import STREAM_BROKEN
from dragoman.dialects.loss import Report
from dragoman.dialects.relaying import UNREADABLE, BodyRelay
from dragoman.dialects.reply import Reply
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import decode_head, encode_head
from dragoman.wire.sse import ErrorFrame, data, event

_DONE: Final = b"[DONE]"
_DELTA: Final = b'{"type":"content-delta",'
_NAMED_DELTA: Final = "content-delta"
_CONTENT: Final = frozenset(
    {"content-delta", "tool-plan-delta", "tool-call-start", "citation-start", "content-start"}
)
"""The types of events with which an answer begins to have content."""
_NAMED: Final = _CONTENT | {
    *("message-start", "content-end", "tool-call-delta", "tool-call-end", "citation-end", "message-end"),
    "debug",
}
"""The types of events, which stand in the line `event`, too."""
_decode = msgspec.json.Decoder().decode


class CohereRelay(BodyRelay):
    """Relays Cohere chat requests and responses."""

    def response(self, body: bytes, reply: Reply) -> tuple[bytes, ir.Usage | None]:
        """(the body, unchanged; its usage). A usage of None is not stated. Raises RequestFailed for an error
        in the body, WireError for a body that is no JSON or has no `message`.
        """
        try:
            answer = _decode(body)
            if type(answer.get("message")) is not dict:
                if is_failure(answer):
                    raise RequestFailed(fault_of(answer))
                raise WireError("expected an object", "message")
        except UNREADABLE as error:
            raise WireError(f"the response cannot be parsed: {error}") from None
        usage = answer.get("usage")
        return body, decode_usage(usage) if usage and type(usage) is dict else None

    def stream(self, reply: Reply) -> CohereStreamRelay:
        return CohereStreamRelay()

    def _counts(self, usage: ir.Usage) -> dict[str, Any]:
        return encode_usage(usage, Report(""), own=False)


class CohereStreamRelay:
    """Relays the events of one stream. If the stream states no usage and `estimate` is set, the estimated
    usage is added to its last event.
    """

    __slots__ = ("_ended", "content", "done", "estimate", "usage")

    def __init__(self) -> None:
        self.content = False
        self.done = False
        self.usage: ir.Usage | None = None
        self.estimate: Callable[[], ir.Usage] | None = None
        self._ended = False  # the end mark was sent

    def feed(self, frame: bytes) -> bytes:
        """The bytes for one event. Raises RequestFailed for an error, WireError for an invalid event."""
        if self.content and frame.startswith(_DELTA):
            return event(_NAMED_DELTA, frame)
        if self._ended:
            return b""
        if isinstance(frame, ErrorFrame):
            raise RequestFailed(fault_of(bytes(frame)))
        if frame.strip() == _DONE:
            return self.close()
        try:
            value = _decode(frame)
            kind = value.get("type")
            if kind is None and is_failure(value):
                raise RequestFailed(fault_of(value))
            self.content = self.content or kind in _CONTENT
            if kind == "message-end":
                frame = self._end(value, frame)
            return event(kind, frame) if kind in _NAMED else data(frame)
        except UNREADABLE as error:
            raise WireError(f"a stream event cannot be parsed: {error}") from None

    def _end(self, value: dict[str, Any], frame: bytes) -> bytes:
        """Note the usage of the last event, and add an estimate if it states none. Raises RequestFailed if
        the event tells of an error.
        """
        delta = value.get("delta") or {}
        if error := delta.get("error"):
            told = {**delta, "message": error if type(error) is str else str(error)}
            raise RequestFailed(fault_of(told))
        self.done = True
        if (usage := delta.get("usage")) and type(usage) is dict:
            self.usage = decode_usage(usage)
        elif self.estimate is not None:
            self.usage = estimated = self.estimate()
            told = {**delta, "usage": encode_usage(estimated, Report(""), own=False)}
            return encode_head({**decode_head(frame), "delta": told})
        return frame

    def close(self) -> bytes:
        """The end mark, if it was not sent yet. Raises RequestFailed if the stream broke off."""
        if not self.done:
            raise RequestFailed(STREAM_BROKEN)
        if self._ended:
            return b""
        self._ended = True
        return data(_DONE)
