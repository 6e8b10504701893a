"""Relays chat between a client and a provider that both speak this protocol.

The gateway has no endpoint for clients of this protocol, so only tests and programs that relay by themselves
use this module. A frame is one event as JSON, `{NAME: PAYLOAD}` (`wire.eventstream`). Its content is not
changed, but it is written again, as a message of an event stream.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.bedrock.errors import fault_of
from dragoman.dialects.bedrock.usage import decode_usage, encode_usage
from dragoman.dialects.failure import STREAM_BROKEN
from dragoman.dialects.loss import Report
from dragoman.dialects.relaying import UNREADABLE, BodyRelay
from dragoman.dialects.reply import Reply
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.eventstream import event
from dragoman.wire.sse import ErrorFrame

_decode: Final = msgspec.json.Decoder().decode
_encode: Final = msgspec.json.Encoder().encode


class BedrockRelay(BodyRelay):
    """Relays Converse requests and responses that are not streamed, and makes the relay of a stream."""

    def request(self, head: Mapping[str, Any], edits: Mapping[str, Any]) -> bytes:
        """Return the body for the provider: the client's body with the edits, but without `model`, because
        the path states the model. head: name of a member of the client's body -> its JSON bytes. edits: name
        of a member -> its new value; `msgspec.UNSET` removes the member.
        """
        return super().request({**head, "model": b"null"}, {**edits, "model": msgspec.UNSET})

    def response(self, body: bytes, reply: Reply) -> tuple[bytes, ir.Usage | None]:
        """Return (the body unchanged, because it does not name the model; its usage, None = not stated).
        Raises RequestFailed for an error: an object without `output` that has a `message`. Raises WireError
        for any other body without `output`, and for a `usage` that is neither an object nor null.
        """
        try:
            answer = _decode(body)
            if "output" not in answer:
                if "message" in answer:
                    raise RequestFailed(fault_of(answer))
                raise WireError("the response must have `output`, an object", "output")
            usage = answer.get("usage")
            return body, None if usage is None else decode_usage(usage)
        except UNREADABLE as error:
            raise WireError(f"the response cannot be parsed: {error}") from None

    def _counts(self, usage: ir.Usage) -> Any:
        return encode_usage(usage, Report("bedrock", "response"), own=False)

    def stream(self, reply: Reply) -> BedrockStreamRelay:
        return BedrockStreamRelay()


class BedrockStreamRelay:
    """Relays the events of one stream unchanged (implements `StreamRelay`). The function `estimate` is never
    called: a stream that states no usage gets none.
    """

    def __init__(self) -> None:
        self.usage: ir.Usage | None = None
        self.content = self.done = False
        self.estimate: Callable[[], ir.Usage] | None = None
        self._stopped = False

    def feed(self, frame: bytes) -> bytes:
        """Return the event of one frame as bytes for the client. Raises RequestFailed for an ErrorFrame (an
        exception in the stream), WireError for a malformed frame.
        """
        if type(frame) is ErrorFrame:
            raise RequestFailed(fault_of(bytes(frame)))
        try:
            ((kind, value),) = _decode(frame).items()
            if kind == "metadata" and (usage := value.get("usage")) is not None:
                self.usage = decode_usage(usage)
            self.content = self.content or kind == "contentBlockDelta" or "start" in value
        except (ValueError, *UNREADABLE) as error:
            raise WireError(f"a frame cannot be parsed: {error}") from None
        self._stopped = self._stopped or kind == "messageStop"
        self.done = self._stopped and kind == "metadata"
        return event(kind, _encode(value))

    def close(self) -> bytes:
        """End the stream; returns b"". Raises RequestFailed if no `messageStop` has come, because then
        the stream broke off.
        """
        if not self._stopped:
            raise RequestFailed(STREAM_BROKEN)
        self.done = True
        return b""
