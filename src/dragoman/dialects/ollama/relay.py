"""Relays chat between a client and an upstream that both speak Ollama's protocol. Only top-level members are
edited.

After the first content, a line that ends with `"done":false}` and has no `"error"` is not decoded, except to
find its model. These bytes cannot occur inside a JSON string, because quotes are escaped there.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.estimate import ESTIMATED
from dragoman.dialects.failure import STREAM_BROKEN
from dragoman.dialects.ollama.errors import fault_of
from dragoman.dialects.ollama.response import decode_usage
from dragoman.dialects.relaying import UNREADABLE, BodyRelay
from dragoman.dialects.reply import Reply
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import decode_head, encode_head
from dragoman.wire.ndjson import line
from dragoman.wire.sse import ErrorFrame

_NOT_DONE: Final = b'"done":false}'
"""The end of most lines in Ollama's stream. The last line and lines with log probabilities end in another
way. The bracket closes the line's object, not an inner one."""
_ERROR: Final = b'"error"'
_MODEL: Final = b'{"model":'
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class OllamaRelay(BodyRelay):
    """Edits requests and whole (not streamed) responses, and makes relays for streams."""

    def response(self, body: bytes, reply: Reply) -> tuple[bytes, ir.Usage | None]:
        """Return (the body for the client, its usage); None as the usage = not stated. The body's `model`
        becomes `reply.model`, or is added, unless `reply.model` is None. Raises RequestFailed for a body with
        `error` and without `message`. Raises WireError for any other body without `message`, and for one that
        is not a JSON object.
        """
        try:
            answer = _decode(body)
            if "message" not in answer:
                if "error" in answer:
                    raise RequestFailed(fault_of(answer))
                raise WireError("the response must have `message`, an object", "message")
            usage = decode_usage(answer)
        except UNREADABLE as error:
            raise WireError(f"the response cannot be parsed: {error}") from None
        if reply.model is not None:
            body = encode_head({**decode_head(body), "model": reply.model})
        return body, usage

    def fill(self, body: bytes, usage: ir.Usage) -> bytes:
        """Return the response body with these token counts; counts that it already has are replaced. If the
        counts are an estimate, the body gets the member `estimated` as well.
        """
        return encode_head({**decode_head(body), **self._counts(usage)})

    def stream(self, reply: Reply) -> OllamaStreamRelay:
        return OllamaStreamRelay(reply)

    def _counts(self, usage: ir.Usage) -> dict[str, Any]:
        return _counts(usage)


def _counts(usage: ir.Usage) -> dict[str, Any]:
    counts = {"prompt_eval_count": usage.input_total, "eval_count": usage.output_total}
    return {**counts, ESTIMATED: True} if usage.estimated else counts


class OllamaStreamRelay:
    """Relays the lines of one stream. `reply.model` replaces the provider's name of the model in each line
    that has one, unless `reply.model` is None.

    content: True = a line has come whose message has text, thinking, a call, media or another member that is
    not empty, except the role. done: True = the last line (`"done": true`) has come. usage: from the last
    line, or the estimate; None = not known. estimate: if set, it is called when the last line states no
    usage, and its result is added to that line.
    """

    __slots__ = ("_before", "_head", "_model", "content", "done", "estimate", "usage")

    def __init__(self, reply: Reply) -> None:
        self.content = False
        self.done = False
        self.usage: ir.Usage | None = None
        self.estimate: Callable[[], ir.Usage] | None = None
        self._model = reply.model
        self._before = b""  # the first bytes of the upstream's lines, with its name of the model
        self._head = b""  # the same bytes with the client's name of the model

    def feed(self, frame: bytes) -> bytes:
        """Return the client's bytes for one line of the stream. Raises RequestFailed for a line with `error`
        and without `message`, and WireError for a line that is decoded and is not JSON of the known form. Not
        every line is decoded (see the module).
        """
        if not (self.content and frame.endswith(_NOT_DONE) and _ERROR not in frame):
            self._see(frame)
            if self.done and self.usage is None and self.estimate is not None:
                self.usage = usage = self.estimate()
                frame = encode_head({**decode_head(frame), **_counts(usage)})
        if self._model is None:
            return line(frame)
        if self._before and frame.startswith(self._before):
            return line(self._head + frame[len(self._before) :])
        return line(self._rename(frame))

    def _see(self, frame: bytes) -> None:
        """Decode a line, and set `content`, `usage` and `done` from it. Raises what `feed` raises."""
        if type(frame) is ErrorFrame:
            raise RequestFailed(fault_of(bytes(frame)))
        try:
            value = _decode(frame)
            message = value.get("message")
            if message is None and "error" in value:
                raise RequestFailed(fault_of(value))
            if message:
                said = any(kept for key, kept in message.items() if key != "role")
                self.content = self.content or said
            if value.get("done"):
                self.done = True
                self.usage = decode_usage(value)
        except UNREADABLE as error:
            raise WireError(f"a line of the stream cannot be parsed: {error}") from None

    def _rename(self, frame: bytes) -> bytes:
        try:
            head = decode_head(frame)
        except WireError as error:
            raise WireError(f"a line of the stream cannot be parsed: {error}") from None
        if "model" not in head:
            return frame
        before = _MODEL + bytes(head["model"]) + b","
        if frame.startswith(before):
            self._before = before
            self._head = _MODEL + _encode(self._model) + b","
            return self._head + frame[len(before) :]
        return encode_head({**head, "model": self._model})

    def close(self) -> bytes:
        """Return b"", because the last line has already been sent. Raises RequestFailed if no line said
        `done: true`.
        """
        if not self.done:
            raise RequestFailed(STREAM_BROKEN)
        return b""
