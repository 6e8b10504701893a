"""Decodes streams: the events of POST /v1/messages with `stream: true` to IR events.

    message_start → ( content_block_start → content_block_delta* → content_block_stop )*
                  → message_delta → message_stop

An answer that continues a server tool may come whole inside `message_start`, with its stop reason. The counts
of each usage replace the earlier counts of the same names; null replaces none, and 0 replaces no count above
it. https://platform.claude.com/docs/en/build-with-claude/streaming
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.anthropic.block_decoder import decode_block, decode_citation
from dragoman.dialects.anthropic.errors import SECOND, broken, fault_of
from dragoman.dialects.anthropic.response import KNOWN, STOP, decode_stop, decode_tier
from dragoman.dialects.anthropic.terms import NAME, leftovers
from dragoman.dialects.anthropic.usage import counted, decode_usage
from dragoman.dialects.bounds import MOST_LEFTOVERS, MOST_OPEN, Kept, refuse_more
from dragoman.dialects.failure import ENDED, SILENT
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.runs import Alike, strings
from dragoman.dialects.seals import read_seal
from dragoman.dialects.typed import Typed, required
from dragoman.errors import WireError
from dragoman.wire.json import UNDECODABLE
from dragoman.wire.sse import ErrorFrame, read_event

_Events = list[ir.Event]


class _Text(msgspec.Struct, tag="text_delta", gc=False):
    text: str


class _Arguments(msgspec.Struct, tag="input_json_delta", gc=False):
    text: str = msgspec.field(name="partial_json")


class _Thought(msgspec.Struct, tag="thinking_delta", gc=False):
    text: str = msgspec.field(name="thinking")


class _Delta(msgspec.Struct, gc=False):
    index: int
    delta: _Text | _Arguments | _Thought


_decode_delta = msgspec.json.Decoder(_Delta).decode
_decode_text = msgspec.json.Decoder(str).decode
_PLAIN: dict[type, tuple[type, Callable[[int, str], ir.Event]]] = {
    ir.Text: (_Text, ir.TextDelta),
    ir.ToolCall: (_Arguments, ir.ArgsDelta),
    ir.Thinking: (_Thought, ir.ThinkDelta),
}
"""Class of a block -> (the wire's delta that continues the block's text, the IR event for this delta)."""
_NO_TEXT = (None, None)
_BLOCK_DELTA = b'{"type":"content_block_delta",'
_RUN: dict[type | None, bytes] = {
    _Text: b'%b"index":%%d,"delta":{"type":"text_delta","text":' % _BLOCK_DELTA,
    _Arguments: b'%b"index":%%d,"delta":{"type":"input_json_delta","partial_json":' % _BLOCK_DELTA,
    _Thought: b'%b"index":%%d,"delta":{"type":"thinking_delta","thinking":' % _BLOCK_DELTA,
}
"""Class of a delta -> the bytes before its text, as Anthropic writes them, with `%d` for the block's
index."""
_EVENT = b"event: content_block_delta\ndata: "
_DELTA = frozenset({"type", "delta", "usage"})
_LATE = frozenset({"stop_reason", "stop_sequence", "stop_details"})
_STOP = frozenset({"type"})
_START = Typed(NAME, id=str, model=str, usage=dict)
"""Checks the types of `id`, `model` and `usage` in the message of `message_start`."""


class _Open(msgspec.Struct):
    """An open block of the answer.

    index: its number among the answer's blocks. block: the block as it was opened. kind: its class. plain,
    event: the wire's delta and the IR event from `_PLAIN` that continue the block's text; None = the block
    has no text that deltas continue. whole: the arguments that the start of a call states ("" = none), which
    are used if no deltas follow; None = the block is no call, or deltas have followed. grown: the members
    that deltas added to a Native block; None = no delta added any. kept: counts the values that the decoder
    keeps of this stream, and raises WireError above a limit.
    """

    index: int
    block: ir.Block
    kind: type
    kept: Kept
    plain: type | None
    event: Any
    whole: str | None = None
    grown: dict[str, Any] | None = None


class AnthropicDecoder:
    """Decodes one provider's stream to IR events."""

    def __init__(self, _quirks: Quirks) -> None:
        self._open: dict[int, _Open] = {}  # `~number` = the words that came with the number of a call
        self._kept = Kept()
        self._alike: Alike | None = None  # the next deltas of `_going`; None = not known, or it has ended
        self._going: _Open | None = None  # the block that a delta continued last
        self._blocks = 0
        self._id: str | None = None
        self._model: str | None = None
        self._usage: dict[str, Any] = {}
        self._stop: ir.Stop | None = None
        self._state = "new"

    def feed(self, frame: bytes) -> _Events:
        """Return the IR events for one frame, the JSON of one wire event; [] after the end of the answer. An
        error becomes ir.Error. Any other event of unknown type becomes ir.Raw, or nothing before
        `message_start`.

        Raises WireError for an event of unknown form, for an event of a known type before `message_start`
        (except `ping` and `error`), and above the limits of `bounds`.
        """
        marked = type(frame) is ErrorFrame
        if not marked and frame.startswith(_BLOCK_DELTA) and (events := self._said(frame)) is not None:
            return events
        if self._state == "over":
            return []
        if marked:
            self._over()
            return [ir.Error(fault_of(bytes(frame)))]
        value = read_event(frame)
        if value is None:
            return []
        kind = value.get("type")
        take = _TAKE.get(kind) if type(kind) is str else None
        if take is not None:
            if self._state == "new" and kind not in _EARLY:
                raise WireError(f"the stream must begin with message_start, not with {kind}")
            try:
                return take(self, value)
            except (KeyError, TypeError, AttributeError):
                raise WireError(f"a stream event {kind} has an unknown format") from None
        if value.get("error") is not None:
            return self._error(value)
        return [] if self._state == "new" else [ir.Raw(NAME, value)]

    def run(self, read: bytes) -> tuple[_Events, int]:
        """Return (the events, the number of bytes) for the deltas at the beginning of `read` that continue
        the block of the last delta; ([], 0) = `feed` must read the next event. read: the next bytes of the
        provider's stream, which begin with the start of an event and may end inside one.
        """
        alike, state = self._alike, self._going
        if alike is None or state is None:
            return [], 0
        texts: list[str] | None
        if (only := alike.only(read)) is not None:
            try:
                text = _decode_text(only)
            except UNDECODABLE:
                return [], 0
            return ([state.event(state.index, text)], len(read)) if text else ([], 0)
        found, size = alike.first(read)
        texts = strings(found)
        if not texts or "" in texts:
            return [], 0
        event, index = state.event, state.index
        return [event(index, text) for text in texts], size

    def _said(self, frame: bytes) -> _Events | None:
        """Return the event for a delta that continues a block's text or arguments, and prepare `run` for
        further deltas of this block. None = the delta is unusual, or the frame is not JSON, so `feed` must
        decode it in the general way.
        """
        try:
            said = _decode_delta(frame)
        except UNDECODABLE:
            return None
        state, delta = self._open.get(said.index), said.delta
        if state is None or type(delta) is not state.plain or not delta.text:
            return None
        state.whole = None
        if state is not self._going:  # more deltas of this block will follow, written as this one
            opening = _RUN[state.plain] % said.index
            self._going = state
            self._alike = Alike.around(_EVENT + opening, b"}}\n\n") if frame.startswith(opening) else None
        return [state.event(state.index, delta.text)]

    def close(self) -> _Events:
        """Return the last IR events, after the last byte: the end of the answer if a stop reason has come,
        otherwise an error; [] if the answer's end or an error has come before.
        """
        if self._state == "over":
            return []
        if self._stop is not None:
            return self._message_stop({"type": "message_stop"})
        begun = self._state != "new"
        self._over()
        return [ir.Error(broken(ENDED if begun else SILENT))]

    def _over(self) -> None:
        self._state = "over"
        self._alike = self._going = None
        self._open.clear()

    # --- The message -----------------------------------------------------------------------------

    def _message_start(self, value: dict[str, Any]) -> _Events:
        message = value.get("message")
        if not isinstance(message, dict):
            raise WireError("must be an object", "message")
        message, odd = _START.sort(message)
        if self._state != "new":
            if message.get("id") == self._id or not self._blocks:  # a repeated start adds nothing
                return []
            self._over()
            return [ir.Error(broken(SECOND))]
        self._state = "begun"
        self._id, self._model = message.get("id"), message.get("model") or None
        usage = message.get("usage")
        if isinstance(usage, dict):
            self._kept.update({}, usage)
            self._usage = usage
        self._stop = decode_stop(STOP.sort(message)[0])  # an unknown stop reason is reported at the end
        events: _Events = [
            ir.Start(
                NAME,
                self._id,
                self._model,
                None,
                decode_tier(usage),
                decode_usage(usage, self._model) if usage else None,
                None,
                ir.merge(leftovers(message, KNOWN), odd),
            )
        ]
        for block in message.get("content") or ():
            events += self._begin(self._blocks, decode_block(block))
            events += self._end(self._blocks - 1)
        return events

    def _message_delta(self, value: dict[str, Any]) -> _Events:
        events: _Events = []
        delta = value.get("delta")
        extra = leftovers(value, _DELTA)
        if isinstance(delta, dict):
            delta, odd = STOP.sort(delta)
            self._stop = decode_stop(delta) or self._stop
            extra = ir.merge(ir.merge(extra, leftovers(delta, _LATE)), odd)
        if extra is not None and any(kept is not None for kept in extra[NAME].values()):
            events.append(ir.More(extra))
        usage = value.get("usage")
        if isinstance(usage, dict):
            stated = counted(self._usage, usage)
            self._kept.update(self._usage, stated)
            self._usage = {**self._usage, **stated}
            refuse_more(len(self._usage) - 1, MOST_LEFTOVERS, "members of `usage`")
            events.append(ir.Tally(decode_usage(self._usage, self._model)))
        return events

    def _message_stop(self, value: dict[str, Any]) -> _Events:
        self._state = "over"
        events: _Events = []
        for number in sorted(self._open):
            events += self._end(number)
        events.append(ir.Finish(self._stop))
        events.append(ir.End(extra=leftovers(value, _STOP)))
        return events

    def _ping(self, value: dict[str, Any]) -> _Events:
        return [ir.Ping()]

    def _error(self, value: dict[str, Any]) -> _Events:
        self._over()
        return [ir.Error(fault_of(value))]

    # --- Blocks ----------------------------------------------------------------------------------

    def _block_start(self, value: dict[str, Any]) -> _Events:
        block = value.get("content_block")
        if not isinstance(block, dict):
            raise WireError("must be an object", "content_block")
        return self._begin(value.get("index", self._blocks), decode_block(block))

    def _begin(self, number: int, block: ir.Block) -> _Events:
        events = self._end(number) if number in self._open else []  # the same index was opened twice
        index = self._blocks
        self._blocks += 1
        refuse_more(len(self._open), MOST_OPEN, "open blocks")
        kind = type(block)
        state = self._open[number] = _Open(index, block, kind, self._kept, *_PLAIN.get(kind, _NO_TEXT))
        split = _SPLIT.get(kind)
        if split is None:
            return [*events, ir.Open(index, block)]
        bare, deltas = split(block, index, state)
        return [*events, ir.Open(index, bare), *deltas]

    def _block_delta(self, value: dict[str, Any]) -> _Events:
        delta, number = value["delta"], value["index"]
        kind = str(delta["type"])
        state = self._open.get(number)
        if (block := _opened(kind, delta, state)) is not None:
            opened: _Events = []
            if state is not None and state.kind is ir.ToolCall:
                number, state = ~number, self._open.get(~number)  # beside the call, which stays open
            if state is None or state.kind is not type(block):
                opened = self._begin(number, block)
            return [*opened, *_DELTAS[kind](self._open[number], delta)]
        if state is None:
            raise WireError(f"a delta for block {number}, which is not open")
        take = _DELTAS.get(kind)
        return [ir.Raw(NAME, value, state.index)] if take is None else take(state, delta)

    def _block_stop(self, value: dict[str, Any]) -> _Events:
        number = value.get("index")
        if number not in self._open:
            return []
        beside = ~number if isinstance(number, int) else None
        return [*(self._end(beside) if beside in self._open else ()), *self._end(number)]

    def _end(self, number: int) -> _Events:
        state = self._open.pop(number)
        if state is self._going:
            self._alike = self._going = None
        index, block = state.index, state.block
        if isinstance(block, ir.ToolCall):
            if state.whole is not None:
                return [ir.ArgsDelta(index, state.whole), ir.Close(index)]
        elif state.grown is not None and isinstance(block, ir.Native):
            return [ir.Close(index, ir.Native(NAME, block.kind, {**block.value, **state.grown}))]
        return [ir.Close(index)]


# Blocks whose start may hold content. This content becomes deltas, like the rest of it.

_Split = tuple[ir.Block, _Events]


def _split_text(block: ir.Text, index: int, _: _Open) -> _Split:
    if not block.text and not block.citations:
        return block, []
    deltas: _Events = [ir.TextDelta(index, block.text)] if block.text else []
    deltas += [ir.Cite(index, citation) for citation in block.citations]
    return msgspec.structs.replace(block, text="", citations=()), deltas


def _split_thinking(block: ir.Thinking, index: int, _: _Open) -> _Split:
    if block.redacted or not (block.text or block.sealed):
        return block, []
    deltas: _Events = [ir.ThinkDelta(index, block.text)] if block.text else []
    if block.sealed is not None:
        deltas.append(ir.SealDelta(index, block.sealed))
    return msgspec.structs.replace(block, text="", sealed=None), deltas


def _split_call(block: ir.ToolCall, _: int, state: _Open) -> _Split:
    state.whole = block.arguments
    return msgspec.structs.replace(block, arguments=""), []


_SPLIT: dict[type, Callable[[Any, int, _Open], _Split]] = {
    ir.Text: _split_text,
    ir.Thinking: _split_thinking,
    ir.ToolCall: _split_call,
}


def _words(delta: dict[str, Any], member: str) -> str:
    """Return the text that a delta states as `member`; "" for null. Raises WireError if it is not a string,
    KeyError if it is missing.
    """
    return "" if delta[member] is None else required(delta, member, str, "delta")


def _thoughts(delta: dict[str, Any]) -> str:
    """Return the text of a `thinking_delta`, which some proxies state as `text`."""
    return _words(delta, "text" if "thinking" not in delta and "text" in delta else "thinking")


def _text_delta(state: _Open, delta: dict[str, Any]) -> _Events:
    return [ir.TextDelta(state.index, _words(delta, "text"))] if state.kind is ir.Text else []


def _args_delta(state: _Open, delta: dict[str, Any]) -> _Events:
    text = _words(delta, "partial_json")
    if not text or state.kind is not ir.ToolCall:  # results of server tools may get argument deltas, too
        return []
    state.whole = None
    return [ir.ArgsDelta(state.index, text)]


def _think_delta(state: _Open, delta: dict[str, Any]) -> _Events:
    text = _thoughts(delta)
    if not text and delta.get("estimated_tokens"):  # a progress of thinking that is not shown
        value = {"type": "content_block_delta", "index": state.index, "delta": delta}
        return [ir.Raw(NAME, value, state.index)]
    return [ir.ThinkDelta(state.index, text)] if state.kind is ir.Thinking else []


def _seal_delta(state: _Open, delta: dict[str, Any]) -> _Events:
    signature = _words(delta, "signature")
    if not signature or state.kind is not ir.Thinking:
        return []
    return [ir.SealDelta(state.index, read_seal(signature, NAME))]


def _cite_delta(state: _Open, delta: dict[str, Any]) -> _Events:
    if state.kind is not ir.Text:
        return []
    return [ir.Cite(state.index, decode_citation(delta["citation"]))]


def _compaction_delta(state: _Open, delta: dict[str, Any]) -> _Events:
    before, grown = state.grown or {}, {key: kept for key, kept in delta.items() if key != "type"}
    state.kept.update(before, grown)
    state.grown = {**before, **grown}
    refuse_more(len(state.grown) - 1, MOST_LEFTOVERS, "members of a delta")
    return []


_DELTAS: dict[str, Callable[[_Open, dict[str, Any]], _Events]] = {
    "text_delta": _text_delta,
    "input_json_delta": _args_delta,
    "thinking_delta": _think_delta,
    "signature_delta": _seal_delta,
    "citations_delta": _cite_delta,
    "compaction_delta": _compaction_delta,
}
_OPENS: dict[str, ir.Block] = {"text_delta": ir.Text(""), "thinking_delta": ir.Thinking()}
"""Kind of a delta -> the block for its words."""


def _opened(kind: str, delta: dict[str, Any], state: _Open | None) -> ir.Block | None:
    """Return the block that a delta with words opens, because the block with the delta's index cannot hold
    them or is not open; None = the delta opens no block. state: the open block that the delta names. Some
    gateways write thinking into a text, or text with the index of a call (SGLang), or open no block at all.
    """
    block = _OPENS.get(kind)
    if block is None or not (delta.get("text") or delta.get("thinking")):
        return None
    return None if state is not None and state.kind is type(block) else block


_TAKE: dict[Any, Callable[[AnthropicDecoder, dict[str, Any]], _Events]] = {
    "message_start": AnthropicDecoder._message_start,
    "content_block_start": AnthropicDecoder._block_start,
    "content_block_delta": AnthropicDecoder._block_delta,
    "content_block_stop": AnthropicDecoder._block_stop,
    "message_delta": AnthropicDecoder._message_delta,
    "message_stop": AnthropicDecoder._message_stop,
    "ping": AnthropicDecoder._ping,
    "error": AnthropicDecoder._error,
}
_EARLY = frozenset({"message_start", "ping", "error"})
