"""Relays between a client and an upstream of the same protocol, for protocols whose responses have `choices`.
Only top-level members are rewritten; nested values keep their bytes. A stream frame that differs from an
earlier frame only in its text and its random padding is not decoded as a whole (`Template`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from dragoman import ir
from dragoman.dialects.bounds import MOST_CANDIDATES, refuse_more
from dragoman.dialects.chat.errors import failure
from dragoman.dialects.chat.stream_decoder import error_body
from dragoman.dialects.chat.template import Template
from dragoman.dialects.chat.usage import is_blank, vendor_usage
from dragoman.dialects.failure import STREAM_BROKEN
from dragoman.dialects.loss import Report
from dragoman.dialects.relaying import BodyRelay, stated_at
from dragoman.dialects.reply import Reply
from dragoman.errors import RequestFailed, WireError
from dragoman.wire.json import UNDECODABLE, decode_head, encode_head
from dragoman.wire.sse import ErrorFrame, data

_DONE: Final = b"[DONE]"
_CHOICES: Final = re.compile(rb"\[\s*[{\]]")
"""Matches the beginning of an array that is empty or whose first value is an object."""
_IN_CHOICE: Final = b'"error"'
"""Occurs in choices of which one may state an error; inside texts, quotes are escaped."""
_HEAD: Final = ("id", "object", "created", "model", "system_fingerprint")
_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder().encode


class Words(NamedTuple):
    """The properties of one protocol of the chat family that its relay needs.

    usage: decodes token counts from an object. fault: decodes an error body. padding: the name of the random
    member that hides the length of a chunk's text. asks: True = a stream states its usage only if the request
    asks for it. encode_usage: encodes token counts. read_usage: decodes token counts from their JSON bytes;
    None = `usage` does this after the JSON is decoded. tier: the names of the members that lead to the
    service tier in a response, the outermost first.
    """

    usage: Callable[[dict[str, Any]], ir.Usage]
    fault: Callable[[dict[str, Any]], ir.Fault]
    padding: str
    asks: bool
    encode_usage: Callable[..., dict[str, Any]]
    read_usage: Callable[[msgspec.Raw], ir.Usage | None] | None = None
    tier: tuple[str, ...] = ("service_tier",)

    def counts(self, usage: ir.Usage) -> dict[str, Any]:
        return self.encode_usage(usage, Report(""), own=False)

    def decoded(self, raw: msgspec.Raw) -> ir.Usage | None:
        """Return the token counts in the JSON value `raw`; None = it is null, empty, 0 or false."""
        usage = _decode(raw)
        return self.usage(usage) if usage else None


class ChatRelay(BodyRelay):
    """Relays the requests and responses of one protocol of the chat family, which `words` describes."""

    def __init__(self, words: Words) -> None:
        self._words = words
        self._read_usage = words.read_usage or words.decoded
        self.place = words.tier

    def ask_usage(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """Return the edits by which this request asks for the usage of its stream: member -> new value; {} =
        the request does not stream, asks already, or need not ask in this protocol. body: the request's body,
        decoded.
        """
        options = body.get("stream_options") or {}
        if not self._words.asks or body.get("stream") is not True or options.get("include_usage") is True:
            return {}
        return {"stream_options": {**options, "include_usage": True}}

    def response(self, body: bytes, reply: Reply) -> tuple[bytes, ir.Usage | None]:
        """Return (the body for the client, its usage). If the body has a `model`, its value becomes
        `reply.model`, unless that is None. The usage is None if it is missing or cannot be read.

        Raises RequestFailed, with the usage, for an error with status 200 (the forms in `failure`). Raises
        WireError if the body is not a JSON object, if `choices` is not an array, or if its first entry is not
        an object.
        """
        head = decode_head(body)
        try:
            usage = self._read_usage(head["usage"]) if "usage" in head else None
        except (*UNDECODABLE, AttributeError, TypeError):
            usage = None  # it is for the gateway's records only
        if "error" in head and _decode(head["error"]):
            raise RequestFailed(self._words.fault(_decode(body)), usage)
        choices = head.get("choices", b"null")
        if _CHOICES.match(choices) is None:
            if not _decode(choices) and (failed := failure(_decode(body))) is not None:
                raise RequestFailed(self._words.fault(failed), usage)
            raise WireError("expected an array of objects", "choices")
        if _IN_CHOICE in bytes(choices) and (failed := failure(_decode(body))) is not None:
            raise RequestFailed(self._words.fault(failed), usage)
        if reply.model is not None and "model" in head:
            body = encode_head({**head, "model": reply.model})
        return body, usage

    def stream(self, reply: Reply) -> ChatStreamRelay:
        return ChatStreamRelay(reply, self._words)

    def _counts(self, usage: ir.Usage) -> dict[str, Any]:
        return self._words.counts(usage)


class ChatStreamRelay:
    """Relays the frames of one stream (implements `StreamRelay`). The model's name becomes `Reply.model`, if
    that is set. A usage that the client did not ask for is removed, if streams of this protocol state it only
    if asked (`Words.asks`). `estimate` is called at the end of a stream whose provider stated no usage.
    """

    __slots__ = (
        *("_asked", "_finished", "_framed", "_last", "_lines", "_model", "_open", "_template", "_words"),
        *("content", "done", "estimate", "run", "tier", "usage"),
    )

    def __init__(self, reply: Reply, words: Words) -> None:
        self._words = words
        self.usage: ir.Usage | None = None
        self.tier: str | None = None
        self.content = False
        self.done = False
        self.estimate: Callable[[], ir.Usage] | None = None
        self._asked = bool(reply.request.stream_usage) or not words.asks
        self._last: dict[str, Any] = {}  # top-level members of the chunk that ended a choice
        self._model = reply.model
        self._lines = reply.framing == "ndjson"
        self._framed = _as_line if self._lines else data
        self._finished: set[int] = set()
        self._open: set[int] = set()
        """Indexes of all choices seen so far, also of finished ones."""
        self._template = Template(words.padding)
        self.run = self._template.run
        """`PassesRuns.run`: passes several events at once that differ from an earlier event only in their
        text and padding."""

    def feed(self, frame: bytes) -> bytes:
        """Return the bytes for the client, for one frame; b"" = the client gets none, for example for a usage
        that it did not ask for. Raises RequestFailed for an error in the stream, WireError for a frame that
        is not a chunk, or for too many choices.
        """
        if self._template.known and type(frame) is not ErrorFrame:
            sent = self._template.relayed(frame)
            if sent is not None:
                return sent
        return self._edit(frame)

    def _edit(self, frame: bytes) -> bytes:
        if self.done:
            return b""
        if isinstance(frame, ErrorFrame):
            raise RequestFailed(self._words.fault(error_body(frame)))
        if frame.strip() == _DONE:
            self.done = True
            self._template.forget()
            return self._estimated_usage() + (b"" if self._lines else data(frame))
        try:
            chunk = _decode(frame)
        except UNDECODABLE as error:
            raise WireError(f"a stream event is not JSON: {error}") from None
        if type(chunk) is not dict:
            raise WireError("a stream event is not an object")
        try:
            if not self._see(chunk):
                return b""
            name = self._name(chunk)
            if chunk.get("usage") and not self._asked:
                head = decode_head(frame)
                del head["usage"]
                return self._framed(encode_head({**head, **name}))
            sent = self._framed(encode_head({**decode_head(frame), **name}) if name else frame)
            self._template.learn(frame, chunk, sent)
        except (AttributeError, KeyError, TypeError) as error:
            raise WireError(f"a stream event has an unknown format: {error}") from error
        return sent

    def _see(self, chunk: dict[str, Any]) -> bool:
        """Record what a chunk states: the usage, the service tier, which choices have begun or ended,
        content. Returns False if the chunk must not be sent to the client: it has a usage that the client did
        not ask for, and no choices. Raises RequestFailed for an error chunk, WireError for too many choices.
        """
        usage = chunk.get("usage") or vendor_usage(chunk)
        self.tier = stated_at(chunk, self._words.tier) or self.tier
        if (failed := failure(chunk)) is not None:
            if isinstance(usage, dict):  # what the answer has cost until then
                self.usage = self._words.usage(usage).after(self.usage)
            raise RequestFailed(self._words.fault(failed))
        choices = chunk.get("choices") or ()
        for choice in choices:
            index = choice.get("index") or 0
            if index not in self._open:
                refuse_more(len(self._open), MOST_CANDIDATES, "choices")
                self._open.add(index)
            if choice.get("finish_reason"):
                self._finished.add(index)
                self._last = {key: chunk[key] for key in _HEAD if key in chunk}
            self.content = self.content or says_something(choice.get("delta") or choice.get("message") or {})
        if not usage:
            return True
        if isinstance(usage, dict) and (self.usage is None or not is_blank(usage)):
            self.usage = self._words.usage(usage).after(self.usage)
        return bool(choices) or self._asked

    def _name(self, chunk: dict[str, Any]) -> dict[str, Any]:
        return {} if self._model is None or "model" not in chunk else {"model": self._model}

    def _estimated_usage(self) -> bytes:
        """Return a chunk with the estimated usage for the client; the attribute `usage` is set to it, too.
        b"" = there is no `estimate`, no choice has ended, or the provider stated a usage.
        """
        if self.estimate is None or self.usage is not None or not self._finished:
            return b""
        self.usage = usage = self.estimate()
        chunk = {**self._last, **self._name(self._last), "choices": [], "usage": self._words.counts(usage)}
        return self._framed(_encode(chunk))

    def close(self) -> bytes:
        """Return the last bytes for the client when the upstream's stream has ended; b"" = nothing is
        missing. Without `[DONE]` these are an estimated usage (if `estimate` is set and the provider sent
        none) and, in server-sent events, `[DONE]`. Raises RequestFailed if no `[DONE]` has come, and a choice
        has not ended or no choice came.
        """
        if self.done:
            return b""
        if not self._open or self._open - self._finished:
            raise RequestFailed(STREAM_BROKEN)
        self.done = True
        return self._estimated_usage() + (b"" if self._lines else data(_DONE))


def _as_line(payload: bytes) -> bytes:
    """Return the JSON value as one line, with a line break at the end. Line breaks inside, which in JSON are
    only white space, become spaces.
    """
    return payload.replace(b"\n", b" ").replace(b"\r", b" ") + b"\n"


def says_something(delta: dict[str, Any]) -> bool:
    """Whether a chunk's delta has content: a member other than `role` whose value is not empty. Empty are
    null, "", [], {}, 0 and false.
    """
    return any(value for key, value in delta.items() if key != "role")
