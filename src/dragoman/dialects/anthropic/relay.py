"""Relays between clients and providers of this protocol. In requests, only top-level members are edited, such
as the model and what the configuration adds. In answers and streams, the model's name can be replaced, and a
missing usage is added. In streams, a repeated `message_start` and `[DONE]` are left out, and a stream with a
stop reason and without `message_stop` gets this event. All other members pass unchanged.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.anthropic.errors import SECOND, broken, fault_of
from dragoman.dialects.anthropic.usage import counted, decode_usage, encode_usage
from dragoman.dialects.bounds import MOST_LEFTOVERS, Kept, refuse_more
from dragoman.dialects.failure import ENDED, SILENT, only_tells
from dragoman.dialects.loss import Report
from dragoman.dialects.relaying import UNREADABLE, BodyRelay, stated_at
from dragoman.dialects.reply import Reply
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.sse import ErrorFrame

_Head = dict[str, msgspec.Raw]


class _Kind(msgspec.Struct):
    type: str | msgspec.UnsetType = msgspec.UNSET
    error: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET


class _Content(msgspec.Struct):
    content: list[msgspec.Raw] | None = None


_decode = msgspec.json.Decoder().decode
_decode_head = msgspec.json.Decoder(_Head).decode
_decode_kind = msgspec.json.Decoder(_Kind).decode
_decode_content = msgspec.json.Decoder(_Content).decode
_encode = msgspec.json.Encoder().encode

_BLOCK_DELTA = b'{"type":"content_block_delta",'
_BLOCK_DELTAS = re.compile(
    rb'(?:event: content_block_delta\ndata: \{"type":"content_block_delta",[^\n]*+\n\n)*+'
)
_CR = 13  # `int in bytes` is a bare memchr


class AnthropicRelay(BodyRelay):
    """Edits requests and whole (not streamed) answers, and makes relays for streams."""

    place = ("usage", "service_tier")

    def response(self, body: bytes, reply: Reply) -> tuple[bytes, ir.Usage | None]:
        """Return (the body for the client, its usage); None as the usage = the body states none.
        `reply.model` replaces the provider's name of the model, unless it is None. Raises RequestFailed for a
        body without `content` that is an error (it has a member `error`, or only a message), WireError for
        any other body without `content` and for a body that cannot be parsed.
        """
        try:
            head = _decode_head(body)
            if "content" not in head:
                told = _decode(body)
                if "error" in told or only_tells(told, "content"):
                    raise RequestFailed(fault_of(told))
                raise WireError("the response must have `content`, an array", "content")
            model = _decode(head["model"]) if "model" in head else None
            usage = decode_usage(counts, model) if (counts := _usage(head)) else None
        except UNREADABLE as error:
            raise WireError(f"the response cannot be parsed: {error}") from None
        if reply.model is not None and "model" in head:
            return _encode({**head, "model": reply.model}), usage
        return body, usage

    def stream(self, reply: Reply) -> AnthropicStreamRelay:
        return AnthropicStreamRelay(reply.model)

    def _counts(self, usage: ir.Usage) -> dict[str, Any]:
        return encode_usage(usage, Report("anthropic"), own=True)


def _usage(head: _Head) -> dict[str, Any]:
    """Return the members of the `usage` in `head` that are not null; {} = there are none, or `usage` is not
    an object.
    """
    stated = _decode(head["usage"]) if "usage" in head else None
    return {k: v for k, v in stated.items() if v is not None} if isinstance(stated, dict) else {}


_NOTHING_YET: Final = {"input_tokens": 0, "output_tokens": 0}


class AnthropicStreamRelay:
    """Relays one stream. `estimate`, if the engine sets it, returns an estimated usage. This usage is written
    into the `message_delta` with the stop reason, if the provider has stated no token counts. model: the name
    that replaces the provider's name of the model; None = the provider's name stays.
    """

    __slots__ = (
        *("_counts", "_id", "_kept", "_model", "_named", "_opened", "_stopped", "content"),
        *("done", "estimate", "usage"),
    )

    def __init__(self, model: str | None) -> None:
        self.usage: ir.Usage | None = None
        self.content = False
        self.done = False
        self.estimate: Callable[[], ir.Usage] | None = None
        self._model = model
        self._named: str | None = None
        self._id: msgspec.Raw | None = None
        self._counts: dict[str, Any] = {}
        self._kept = Kept()
        self._stopped = False
        self._opened = False  # whether a block has begun

    @property
    def tier(self) -> str | None:
        return stated_at(self._counts, ("service_tier",))

    def feed(self, frame: bytes) -> bytes:
        """Return the bytes of the event for the client; b"" for the data `[DONE]` and, before `message_stop`,
        for a repeated `message_start`, which official clients refuse. frame: the data of the provider's
        event.

        Raises RequestFailed for an error and for a second message: a `message_start` with another id after a
        block has begun. Raises WireError for data that cannot be read or has no type (most deltas of blocks
        pass unread), and for a usage with too many members. After `message_stop`, events with a type pass
        unchanged, except errors.
        """
        if type(frame) is ErrorFrame:
            raise RequestFailed(fault_of(bytes(frame)))
        if frame.startswith(_BLOCK_DELTA) and b"\n" not in frame:
            self.content = True
            return b"event: content_block_delta\ndata: %b\n\n" % frame
        try:
            kind = _decode_kind(frame)
            if kind.type == "error" or (kind.type is msgspec.UNSET and kind.error is not msgspec.UNSET):
                raise RequestFailed(fault_of(_decode(frame)))
            if kind.type is msgspec.UNSET:
                raise WireError("a stream event must have a type")
            take = _TAKE.get(kind.type)
            if take is not None and not self.done and not (frame := take(self, frame)):
                return b""
        except UNREADABLE as error:
            if frame.strip() == b"[DONE]":
                return b""
            raise WireError(f"a stream event cannot be parsed: {error}") from None
        return b"event: %b\ndata: %b\n\n" % (kind.type.encode(), frame.replace(b"\n", b"\ndata: "))

    def run(self, read: bytes) -> tuple[bytes, int]:
        """Return (the deltas of blocks at the beginning of `read`, for the client; their size in bytes). They
        pass unchanged. (b"", 0) = `feed` must read the first event. read: the next bytes of the provider's
        stream, which begin with the start of an event and may end inside one.
        """
        found = None if _CR in read else _BLOCK_DELTAS.match(read)
        if found is None or not found[0]:
            return b"", 0
        self.content = True
        return found[0], found.end()

    def close(self) -> bytes:
        """Return the last bytes for the client, when the provider's stream has ended: the event
        `message_stop` if the provider sent a stop reason but not this event; b"" if it sent the event. Raises
        RequestFailed if it sent neither.
        """
        if self.done:
            return b""
        if not self._stopped:
            raise RequestFailed(broken(SILENT if self._id is None else ENDED))
        self.done = True
        return b'event: message_stop\ndata: {"type":"message_stop"}\n\n'

    def _message_start(self, frame: bytes) -> bytes:
        head = _decode_head(frame)
        message = _decode_head(head.get("message", msgspec.Raw(b"{}")))
        if self._id is not None:
            if self._opened and self._id != message.get("id"):
                raise RequestFailed(broken(SECOND))
            self._count(message)
            return b""
        self._id = message.get("id", msgspec.Raw(b"null"))
        if "model" in message:
            self._named = _decode(message["model"])
        self._count(message)
        self._opened = bool(_decode_content(head.get("message", msgspec.Raw(b"{}"))).content)
        self.content = self.content or self._opened
        self._stopped = _decode(message.get("stop_reason", msgspec.Raw(b"null"))) is not None
        edits: dict[str, Any] = {}
        if self._model is not None and "model" in message:
            edits["model"] = self._model
        if "usage" not in message:  # clients add the later counts to `usage`
            edits["usage"] = _NOTHING_YET
        return _encode({**head, "message": {**message, **edits}}) if edits else frame

    def _message_delta(self, frame: bytes) -> bytes:
        head = _decode_head(frame)
        self._count(head)
        delta = _decode(head.get("delta", msgspec.Raw(b"null"))) or {}
        self._stopped = self._stopped or delta.get("stop_reason") is not None
        if self.usage is None and self.estimate is not None and self._stopped:
            self.usage = usage = self.estimate()
            return bytes(_encode({**head, "usage": encode_usage(usage, Report("anthropic"), own=True)}))
        return frame

    def _count(self, head: _Head) -> None:
        if stated := counted(self._counts, _usage(head)):
            self._kept.update(self._counts, stated)
            self._counts = {**self._counts, **stated}
            refuse_more(len(self._counts) - 1, MOST_LEFTOVERS, "members of `usage`")
        if self._counts:
            self.usage = decode_usage(self._counts, self._named)

    def _block_start(self, frame: bytes) -> bytes:
        self._opened = True
        self.content = self.content or not _says_nothing(_decode(frame).get("content_block"))
        return frame

    def _block(self, frame: bytes) -> bytes:
        self.content = True
        return frame

    def _message_stop(self, frame: bytes) -> bytes:
        self.done = True
        return frame


def _says_nothing(block: Any) -> bool:
    """Whether `block` is a text or a thinking block that has no words and no signature at its start. False
    for any other block and for a value that is not an object. Until a stream has content, the gateway can
    still ask another provider.
    """
    if not isinstance(block, dict) or block.get("type") not in ("text", "thinking"):  # of any type
        return False
    return not any(block.get(member) for member in ("text", "thinking", "signature"))


_TAKE = {
    "message_start": AnthropicStreamRelay._message_start,
    "message_delta": AnthropicStreamRelay._message_delta,
    "message_stop": AnthropicStreamRelay._message_stop,
    "content_block_start": AnthropicStreamRelay._block_start,
    "content_block_delta": AnthropicStreamRelay._block,
}
