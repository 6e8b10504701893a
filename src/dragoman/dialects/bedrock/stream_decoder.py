"""Decodes streams: the events of ConverseStream to IR events.

    messageStart → ( [contentBlockStart] → contentBlockDelta* → contentBlockStop )* → messageStop → metadata

A frame is one event as `{"contentBlockDelta": {…}}` (`wire.eventstream`). Blocks of text and reasoning have
no `contentBlockStart`: the first delta opens the block. The member `p`, which only hides the length of an
event, is left out.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ConverseStreamOutput.html, read in 2026-11
"""

from __future__ import annotations

import base64
from collections.abc import Callable
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.bedrock.block_decoder import decode_block, decode_citation, read_withheld
from dragoman.dialects.bedrock.errors import fault_of
from dragoman.dialects.bedrock.response import decode_stop, decode_tier
from dragoman.dialects.bedrock.terms import NAME, leftovers
from dragoman.dialects.bedrock.usage import decode_usage
from dragoman.dialects.bounds import MOST_LEFTOVERS, MOST_OPEN, Kept, refuse_index, refuse_more
from dragoman.dialects.failure import ENDED, SILENT, STREAM_BROKEN
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.seals import read_seal
from dragoman.dialects.typed import OF_ANOTHER_SHAPE, an_object, required
from dragoman.errors import WireError
from dragoman.wire.json import UNDECODABLE
from dragoman.wire.sse import ErrorFrame

_Events = list[ir.Event]
_decode: Final = msgspec.json.Decoder().decode
_STOP: Final = frozenset({"stopReason", "p"})
_START: Final = frozenset({"role", "p"})
_METADATA: Final = frozenset({"usage", "serviceTier", "p"})
_NONE: Final[dict[str, Any]] = {}
_GROWS: Final = frozenset({ir.ToolResult, ir.Native})
"""The classes of blocks whose deltas are collected, and decoded when the block ends."""


class _Open(msgspec.Struct):
    """A block that is open. index: its number in the IR. kind: its class in the IR. value: the `start` of its
    `contentBlockStart`; {} = it had none. signature: the signature so far. withheld: the redacted reasoning
    so far, in base64. grown: of a block in `_GROWS`, what is decoded when the block ends: its other deltas,
    or the content of a result.
    """

    index: int
    kind: type
    value: dict[str, Any]
    signature: str = ""
    withheld: str = ""
    grown: list[Any] = []


class BedrockDecoder:
    """Decodes one stream of a provider to IR events."""

    def __init__(self, _quirks: Quirks) -> None:
        self._open: dict[int, _Open] = {}
        self._kept = Kept()
        self._blocks = 0
        self._stopped = False
        self._state = "new"

    def feed(self, frame: bytes) -> _Events:
        """Return the IR events for one frame; [] = it gives none, for example after the end of the stream. An
        exception gives only ir.Error, and ends the stream. The first other event gives ir.Start, too. An
        event with an unknown name gives ir.Raw.

        frame: one event as JSON, `{NAME: PAYLOAD}`, or an ErrorFrame. Raises WireError for a malformed event,
        for a block after `messageStop`, and for too many open blocks or values in memory (`dialects.bounds`).
        """
        if self._state == "over":
            return []
        if type(frame) is ErrorFrame:
            self._over()
            return [ir.Error(fault_of(bytes(frame)))]
        try:
            ((kind, value),) = _decode(frame).items()
        except (*UNDECODABLE, ValueError, AttributeError):
            raise WireError("a stream event has an unknown format") from None
        if kind.endswith("Exception"):
            self._over()
            return [ir.Error(fault_of({**an_object(value, kind), "type": kind}))]
        events = self._begun()
        take = _TAKE.get(kind)
        if take is None:
            return [*events, ir.Raw(NAME, {kind: value})]
        try:
            return events + take(self, an_object(value, kind))
        except OF_ANOTHER_SHAPE:
            raise WireError(f"a stream event {kind} has an unknown format") from None

    def close(self) -> _Events:
        """Return the last events, after the last byte of the stream: ir.End if `messageStop` has come,
        otherwise ir.Error; [] = one of these two was returned before.
        """
        if self._state == "over":
            return []
        if self._stopped:
            self._over()
            return [ir.End()]
        begun = self._state != "new"
        self._over()
        return [ir.Error(msgspec.structs.replace(STREAM_BROKEN, message=ENDED if begun else SILENT))]

    def _over(self) -> None:
        self._state = "over"
        self._open.clear()

    def _begun(self) -> _Events:
        if self._state != "new":
            return []
        self._state = "begun"
        return [ir.Start(NAME)]

    def _message_start(self, value: dict[str, Any]) -> _Events:
        extra = leftovers(value, _START, "output.message")
        return [] if extra is None else [ir.More(extra)]

    def _message_stop(self, value: dict[str, Any]) -> _Events:
        events: _Events = []
        for number in sorted(self._open):
            events += self._end(number)
        if (extra := leftovers(value, _STOP)) is not None:
            self._kept.add(extra)
            events.append(ir.More(extra))
        if self._stopped:
            return events
        self._stopped = True
        return [*events, ir.Finish(decode_stop(value.get("stopReason")))]

    def _metadata(self, value: dict[str, Any]) -> _Events:
        events: _Events = []
        usage = value.get("usage")
        tier, odd = decode_tier(value.get("serviceTier"))
        extra = ir.merge(leftovers(value, _METADATA), odd)
        if extra is not None or tier is not None:
            events.append(ir.More(extra, tier))
        if type(usage) is dict:
            events.append(ir.Tally(decode_usage(usage)))
        if self._stopped:
            self._over()
            events.append(ir.End())
        return events

    # --- Blocks ----------------------------------------------------------------------------------

    def _number(self, value: dict[str, Any]) -> int:
        number = value.get("contentBlockIndex")
        refuse_index(number, "content block")
        return int(number or 0)

    def _block_start(self, value: dict[str, Any]) -> _Events:
        self._refuse_late()
        number = self._number(value)
        events = self._end(number) if number in self._open else []
        start = required(value, "start", dict, "contentBlockStart")
        if (call := start.get("toolUse")) is not None and len(start) == 1:
            block = decode_block({"toolUse": {**call, "input": None}})
            if not isinstance(block, ir.ToolCall):
                raise WireError("a call must have an id and a name", "contentBlockStart.start.toolUse")
            return [*events, self._begin(number, block, start)]
        if not start:  # the first delta says what it is
            return events
        self._kept.add(start)
        kind = next(iter(start), "")
        held = ir.ToolResult(None) if kind == "toolResult" else ir.Native(NAME, kind, start)
        if isinstance(held, ir.ToolResult):
            held = self._result(start["toolResult"], [])
        return [*events, self._begin(number, held, start)]

    def _refuse_late(self) -> None:
        if self._stopped:
            raise WireError("a content block comes after messageStop")

    def _begin(self, number: int, block: ir.Block, value: dict[str, Any]) -> ir.Open:
        refuse_more(len(self._open), MOST_OPEN, "open blocks")
        self._open[number] = _Open(self._blocks, type(block), value)
        self._blocks += 1
        return ir.Open(self._open[number].index, block)

    def _result(self, start: dict[str, Any], content: list[Any]) -> Any:
        """Return the decoded result of a tool; an ir.Native if it has an unknown form. start: the member
        `toolResult` of the block's start. content: the entries of its content, decoded from JSON.
        """
        return decode_block({"toolResult": {**start, "content": content}})

    def _block_delta(self, value: dict[str, Any]) -> _Events:
        number = self._number(value)
        self._refuse_late()
        delta = required(value, "delta", dict, "contentBlockDelta")
        state = self._open.get(number)
        events: _Events = []
        if state is not None and _is_foreign(delta, state.kind):
            events += self._end(number)
            state = None
        if state is None:
            events.append(self._begin(number, _opening(delta), _NONE))
            state = self._open[number]
        for kind, content in delta.items():
            holders, take = _DELTAS.get(kind, _UNKNOWN)
            if state.kind in holders:
                events += take(self, state, content)
            elif state.kind in _GROWS:
                self._grow(state, {kind: content})
            elif kind not in _DELTAS or _says_something(content):
                strange = {"contentBlockDelta": {"contentBlockIndex": number, "delta": {kind: content}}}
                events.append(ir.Raw(NAME, strange, state.index))
        return events

    def _grow(self, state: _Open, piece: Any) -> None:
        refuse_more(len(state.grown), MOST_LEFTOVERS, "deltas of a block")
        self._kept.add(piece)
        state.grown.append(piece)

    def _text(self, state: _Open, text: Any) -> _Events:
        if type(text) is not str:
            raise TypeError
        return [ir.TextDelta(state.index, text)] if text else []

    def _arguments(self, state: _Open, content: dict[str, Any]) -> _Events:
        text = content["input"]
        if type(text) is not str:
            raise TypeError
        return [ir.ArgsDelta(state.index, text)] if text else []

    def _thought(self, state: _Open, content: dict[str, Any]) -> _Events:
        events: _Events = []
        if text := content.get("text"):
            if type(text) is not str:
                raise TypeError
            events.append(ir.ThinkDelta(state.index, text))
        if (withheld := content.get("redactedContent")) is not None:
            state.withheld = _joined(state.withheld, withheld)
        if sealed := content.get("signature"):
            state.signature += sealed
            events.append(ir.SealDelta(state.index, read_seal(state.signature, NAME)))
        return events

    def _cite(self, state: _Open, content: dict[str, Any]) -> _Events:
        return [ir.Cite(state.index, decode_citation(content))]

    def _results(self, state: _Open, content: Any) -> _Events:
        for piece in content if type(content) is list else ():
            self._grow(state, piece)
        return []

    def _block_stop(self, value: dict[str, Any]) -> _Events:
        number = self._number(value)
        return self._end(number) if number in self._open else []

    def _end(self, number: int) -> _Events:
        state = self._open.pop(number)
        if state.withheld:  # sent only when it is complete, because some protocols have it in a block's start
            return [ir.SealDelta(state.index, read_withheld(state.withheld)), ir.Close(state.index)]
        if state.kind is ir.ToolResult:
            return [ir.Close(state.index, self._result(state.value["toolResult"], state.grown))]
        if state.kind is ir.Native and state.grown:
            return [ir.Close(state.index, _grown(state))]
        return [ir.Close(state.index)]


def _joined(before: str, piece: str) -> str:
    """Join two parts of a blob, each in base64, to one blob in base64. before: "" = `piece` is the first
    part, and is returned unchecked. Otherwise raises ValueError for a part that is not valid base64,
    TypeError for a part that is not a text.
    """
    if not before:
        return piece
    return base64.b64encode(
        base64.b64decode(before, validate=True) + base64.b64decode(piece, validate=True)
    ).decode()


def _opening(delta: dict[str, Any]) -> ir.Block:
    """Return the empty block that is opened by a delta for which no block is open: thinking, a text, or an
    ir.Native for another kind of delta. Raises WireError for arguments of a call, which only a start opens.
    """
    if "toolUse" in delta:
        raise WireError("arguments of a tool call that has not started", "contentBlockDelta.delta.toolUse")
    if "reasoningContent" in delta:
        return ir.Thinking(redacted="redactedContent" in delta["reasoningContent"])
    if "text" in delta or "citation" in delta:
        return ir.Text("")
    kind = next(iter(delta), "")
    return ir.Native(NAME, kind, {kind: {}})


def _is_foreign(delta: dict[str, Any], kind: type) -> bool:
    """Whether a delta has words (a text, or reasoning) that need a block of their own, because its open block
    is of another kind. False for an open call, whose arguments may still come. kind: the class of the block.
    """
    if kind is ir.ToolCall:
        return False
    text, thought = delta.get("text"), delta.get("reasoningContent")
    return bool(text and kind is not ir.Text) or (kind is not ir.Thinking and _says_something(thought))


def _says_something(content: Any) -> bool:
    """Whether the content of a delta of a known kind is not empty."""
    return any(content.values()) if type(content) is dict else bool(content)


def _grown(state: _Open) -> ir.Block:
    """Return the block that a start and its deltas state together: an image, for example, or an ir.Native for
    an unknown kind.
    """
    whole = {kind: dict(value) if type(value) is dict else value for kind, value in state.value.items()}
    for piece in state.grown:
        for kind, value in piece.items():
            before = whole.get(kind)
            whole[kind] = {**before, **value} if type(before) is dict and type(value) is dict else value
    return decode_block(whole)


_Taken = tuple[frozenset[type], Callable[[BedrockDecoder, _Open, Any], _Events]]
_DELTAS: Final[dict[str, _Taken]] = {
    "text": (frozenset({ir.Text}), BedrockDecoder._text),
    "toolUse": (frozenset({ir.ToolCall}), BedrockDecoder._arguments),
    "reasoningContent": (frozenset({ir.Thinking}), BedrockDecoder._thought),
    "citation": (frozenset({ir.Text}), BedrockDecoder._cite),
    "toolResult": (_GROWS, BedrockDecoder._results),
}
"""Kind of delta -> (the classes of the blocks to which it belongs, the method that decodes it)."""
_UNKNOWN: Final[_Taken] = (frozenset(), BedrockDecoder._results)
_TAKE: Final[dict[str, Callable[[BedrockDecoder, dict[str, Any]], _Events]]] = {
    "messageStart": BedrockDecoder._message_start,
    "contentBlockStart": BedrockDecoder._block_start,
    "contentBlockDelta": BedrockDecoder._block_delta,
    "contentBlockStop": BedrockDecoder._block_stop,
    "messageStop": BedrockDecoder._message_stop,
    "metadata": BedrockDecoder._metadata,
}
