"""Relays chat between a client and an upstream that both speak Cohere's protocol.

Answers and events do not name the model, so they stay as they are; only an estimated usage may be added. The
relay looks for the usage, for errors and for the end. After the first content, an event whose first member is
the type `content-delta` is passed on without decoding it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.cohere.errors import fault_of
from dragoman.dialects.cohere.response import failure_of, is_failure, stated_usage
from dragoman.dialects.cohere.usage import encode_usage
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
"""The types of events that show that the answer has content."""
_NAMED: Final = _CONTENT | {
    *("message-start", "content-end", "tool-call-delta", "tool-call-end", "citation-end", "message-end"),
    "debug",
}
"""The types of events that are written with a line `event:` that repeats the type. Events of other types are
written without this line.
"""
_decode = msgspec.json.Decoder().decode


class CohereRelay(BodyRelay):
    """Relays Cohere chat requests and responses that are not streamed, and makes the relay of a stream."""

    def response(self, body: bytes, reply: Reply) -> tuple[bytes, ir.Usage | None]:
        """Return (the body, unchanged; its usage). None as the usage = not stated. reply: is not used. Raises
        RequestFailed for an error in place of the object `message`, and for a finish reason that means a
        failed generation; WireError for a body that is not JSON, and for any other body without this object.
        """
        try:
            answer = _decode(body)
            if type(answer.get("message")) is not dict:
                if is_failure(answer):
                    raise RequestFailed(fault_of(answer))
                raise WireError("expected an object", "message")
        except UNREADABLE as error:
            raise WireError(f"the response cannot be parsed: {error}") from None
        usage = stated_usage(answer)
        if (fault := failure_of(answer.get("finish_reason"))) is not None:
            raise RequestFailed(fault, usage)
        return body, usage

    def stream(self, reply: Reply) -> CohereStreamRelay:
        return CohereStreamRelay()

    def _counts(self, usage: ir.Usage) -> dict[str, Any]:
        return encode_usage(usage, Report(""), own=False)


class CohereStreamRelay:
    """Relays the events of one stream (see `StreamRelay`).

    content: True = an event with content has passed. done: True = the event `message-end` has passed. usage:
    the usage in `message-end`. estimate: if it is set, and `message-end` states no usage, its result is added
    to this event and becomes `usage`; None = no estimate is made.
    """

    __slots__ = ("_ended", "content", "done", "estimate", "usage")

    def __init__(self) -> None:
        self.content = False
        self.done = False
        self.usage: ir.Usage | None = None
        self.estimate: Callable[[], ir.Usage] | None = None
        self._ended = False  # the end mark was sent

    def feed(self, frame: bytes) -> bytes:
        """Return the client's bytes for one frame (the data of an event); b"" = the end mark was sent before.
        Raises RequestFailed for an event that tells of an error, and for the end mark before `message-end`;
        WireError for an invalid event. An event that is passed on without decoding it is not checked.
        """
        if self._ended:
            return b""
        if self.content and frame.startswith(_DELTA):
            return event(_NAMED_DELTA, frame)
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
        """Read the usage of the event `message-end` (`value`), and return its frame: unchanged or, if it
        states no usage and `estimate` is set, with the estimated usage. Raises RequestFailed if the event has
        an `error`, or a finish reason that means a failed generation.
        """
        delta = value.get("delta") or {}
        self.usage = stated_usage(delta)
        if error := delta.get("error"):
            told = {**delta, "message": error if type(error) is str else str(error)}
            raise RequestFailed(fault_of(told))
        if (fault := failure_of(delta.get("finish_reason"))) is not None:
            raise RequestFailed(fault)
        self.done = True
        if self.usage is None and self.estimate is not None:
            self.usage = estimated = self.estimate()
            told = {**delta, "usage": encode_usage(estimated, Report(""), own=False)}
            return encode_head({**decode_head(frame), "delta": told})
        return frame

    def close(self) -> bytes:
        """Return the event with the end mark `[DONE]`; b"" = it was sent before. Raises RequestFailed if no
        `message-end` has come.
        """
        if not self.done:
            raise RequestFailed(STREAM_BROKEN)
        if self._ended:
            return b""
        self._ended = True
        return data(_DONE)
