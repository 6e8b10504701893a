"""Decodes a stream of Ollama's lines into IR events.

Thinking and text come in deltas; a call comes whole in one line. The last line has `"done": true`, the finish
reason and the usage. A line with `error` and without `message` ends the stream, too.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.bounds import MOST_LEFTOVERS, Kept, refuse_more
from dragoman.dialects.failure import STREAM_BROKEN
from dragoman.dialects.ollama.errors import fault_of
from dragoman.dialects.ollama.response import (
    ANSWER,
    COUNTS,
    HEAD,
    MESSAGE,
    SAID,
    decode_logprobs,
    decode_stop,
    decode_usage,
)
from dragoman.dialects.ollama.saying import decode_call, decode_images
from dragoman.dialects.ollama.terms import NAME, leftovers
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.typed import Count, Typed, an_object, required, sound_tokens
from dragoman.errors import WireError
from dragoman.ir.fold import unfold_block
from dragoman.wire.json import UNDECODABLE
from dragoman.wire.sse import ErrorFrame

_Wire = dict[str, Any]
_LATER: Final = Typed(NAME, done_reason=str, prompt_eval_count=Count, eval_count=Count)
"""The types of members in all lines except the first. Model and date are read only from the first line."""
_LINE: Final = ANSWER | COUNTS
_ANY: Final = msgspec.Raw(b"")


class _Said(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    content: str
    role: str = ""


class _Words(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """A line of a stream that has nothing but a text delta, beside the members that every line has."""

    message: _Said
    done: bool
    model: msgspec.Raw = _ANY
    created_at: msgspec.Raw = _ANY


_decode = msgspec.json.Decoder().decode
_decode_words = msgspec.json.Decoder(_Words).decode


class OllamaDecoder:
    """Decodes the lines of one stream into IR events."""

    __slots__ = ("_called", "_extra", "_index", "_kept", "_kind", "_over", "_seen", "_started")

    def __init__(self, _: Quirks) -> None:
        self._started = self._over = self._called = False
        self._index = 0  # of the open block, or of the next block
        self._kind: type | None = None  # type of the open block
        self._seen: _Wire = {}  # the latest leftovers of lines
        self._extra: ir.Extra = None  # leftovers of messages
        self._kept = Kept()

    def feed(self, frame: bytes) -> list[ir.Event]:
        """Return the events for one line; [] for every line after the last one. A line with `error` and
        without `message` becomes an ir.Error, and is the last one. Raises WireError for a line that is not a
        JSON object of the known form, and for a stream with more unknown members than the gateway keeps.
        """
        if self._over:
            return []
        if type(frame) is ErrorFrame:
            return self._fail(fault_of(bytes(frame)))
        if self._kind is ir.Text and (text := _more_words(frame)):
            return [ir.TextDelta(self._index, text)]
        try:
            line = _decode(frame)
        except UNDECODABLE as error:
            raise WireError(f"a line of the stream is not JSON: {error}") from None
        if type(line) is not dict:
            raise WireError("a line of the stream is not an object")
        if "error" in line and "message" not in line:
            return self._fail(fault_of(line))
        try:
            return self._line(line)
        except (AttributeError, KeyError, TypeError) as error:
            raise WireError(f"a line of the stream has an unknown format: {error}") from error

    def close(self) -> list[ir.Event]:
        """Return the last events, when the upstream has ended the stream: an ir.Error if no line had `done`
        or an error, otherwise [].
        """
        return [] if self._over else self._fail(STREAM_BROKEN)

    def _fail(self, fault: ir.Fault) -> list[ir.Event]:
        self._over = True
        return [ir.Error(fault)]

    def _line(self, line: _Wire) -> list[ir.Event]:
        events: list[ir.Event] = []
        line, odd = (HEAD if not self._started else _LATER).sort(line)
        news = None if line.keys() <= _LINE else self._news(line)
        if not self._started:
            self._started = True
            events.append(ir.Start(NAME, None, line.get("model") or None, line.get("created_at"), extra=news))
        elif news is not None:
            events.append(ir.More(news))
        if odd is not None:
            events.append(ir.More(odd))
        if message := line.get("message"):
            message, odd = SAID.sort(an_object(message, "message"))
            self._extra = ir.merge(self._extra, odd)
            self._message(message, line.get("logprobs"), events)
        if line.get("done"):
            self._over = True
            self._close(events)
            events.append(ir.Finish(decode_stop(line, called=self._called), extra=self._extra))
            if (usage := decode_usage(line)) is not None:
                events.append(ir.Tally(usage))
            events.append(ir.End())
        return events

    def _news(self, line: _Wire) -> ir.Extra:
        """Return the leftovers of a line that are new or have another value than before; None = there are
        none. Raises WireError if the stream has too many leftovers.
        """
        told = (leftovers(line, _LINE) or {}).get(NAME, {})
        news = {key: value for key, value in told.items() if self._seen.get(key) != value}
        self._kept.update(self._seen, news)
        self._seen.update(news)
        refuse_more(len(self._seen) - 1, MOST_LEFTOVERS, "unknown members of the lines")
        return {NAME: news} if news else None

    def _message(self, message: _Wire, tokens: Any, events: list[ir.Event]) -> None:
        if thinking := message.get("thinking"):
            self._prose(ir.Thinking, events)
            events.append(ir.ThinkDelta(self._index, thinking))
        if (content := message.get("content")) or tokens:
            if content:
                required(message, "content", str, "message")
            self._prose(ir.Text, events)
            logprobs = sound_tokens(decode_logprobs, tokens) if tokens else None
            if tokens and logprobs is None:
                self._extra = ir.merge(self._extra, {NAME: {"message.logprobs": tokens}})
            events.append(ir.TextDelta(self._index, content or "", logprobs=logprobs))
        if message.keys() <= _PROSE:
            return
        for block in decode_images(message):
            self._whole(block, events)
        for position, call in enumerate(message.get("tool_calls") or ()):
            self._called = True
            function = an_object(call, "message.tool_calls[]").get("function")
            index = function.get("index") if type(function) is dict else None
            self._whole(decode_call(call, position if index is None else index), events)
        if (extra := leftovers(message, MESSAGE, "message")) is not None:
            self._kept.update((self._extra or {}).get(NAME, {}), extra[NAME])
            self._extra = ir.merge(self._extra, extra)
            refuse_more(len((self._extra or {})[NAME]) - 1, MOST_LEFTOVERS, "unknown members of messages")

    def _prose(self, kind: type[ir.Text | ir.Thinking], events: list[ir.Event]) -> None:
        """Close the open block, and open a block of this kind (text or thinking); do nothing if a block of
        this kind is open already. The events are appended to `events`.
        """
        if self._kind is kind:
            return
        self._close(events)
        self._kind = kind
        events.append(ir.Open(self._index, ir.Text("") if kind is ir.Text else ir.Thinking()))

    def _close(self, events: list[ir.Event]) -> None:
        if self._kind is not None:
            events.append(ir.Close(self._index))
            self._kind = None
            self._index += 1

    def _whole(self, block: ir.Block, events: list[ir.Event]) -> None:
        self._close(events)
        events.extend(unfold_block(block, self._index))
        self._index += 1


_PROSE: Final = frozenset({"role", "content", "thinking"})


def _more_words(frame: bytes) -> str:
    """Return the text that a line adds, if the line has nothing but a text delta; "" for any other line,
    which must then be decoded in full.
    """
    try:
        line = _decode_words(frame)
    except UNDECODABLE:
        return ""
    return "" if line.done else line.message.content
