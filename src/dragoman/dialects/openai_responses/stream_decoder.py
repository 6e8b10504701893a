"""Decodes streams: the events of POST /responses with `stream: true` to IR events.

    response.created → ( output_item.added → … → output_item.done )*
    → response.completed | response.incomplete | response.failed | response.cancelled

Servers that leave out events are read, too: a delta of a text, a refusal or reasoning begins its block if the
block has not begun. `Places` numbers the items of a server that does not number them.

`output_item.done` holds the final item, and the item's blocks end with the values in it. Items without deltas
(calls of OpenAI's own tools) are decoded from this event (or from the last one) alone; the earlier events
about their progress pass as Raw. The stream ends with `error` or with the first terminal event (the second
line above, or `response.done`); later frames, such as the `[DONE]` of some vendors, are not read.
https://platform.openai.com/docs/api-reference/responses-streaming
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.bounds import MOST_LEFTOVERS, MOST_OPEN, Kept, refuse_index, refuse_more
from dragoman.dialects.openai_responses.errors import broken, fault_of
from dragoman.dialects.openai_responses.items import TYPED_HEAD, decode_item
from dragoman.dialects.openai_responses.parts import (
    decode_citation,
    decode_part,
    sound_logprobs,
    without_logprobs,
)
from dragoman.dialects.openai_responses.placing import Places
from dragoman.dialects.openai_responses.response import (
    HEAD,
    decode_echo,
    decode_extra,
    output_blocks,
    read_response,
)
from dragoman.dialects.openai_responses.terms import NAME
from dragoman.dialects.quirks import Quirks
from dragoman.errors import WireError
from dragoman.ir.fold import unfold_block
from dragoman.wire.json import UNDECODABLE
from dragoman.wire.sse import ErrorFrame, read_event

_Events = list[ir.Event]
_Value = dict[str, Any]


class _TextDelta(msgspec.Struct, gc=False):
    type: str
    delta: str
    output_index: int
    content_index: int = 0
    logprobs: list[Any] | None = None


_decode_delta = msgspec.json.Decoder(_TextDelta).decode
_TEXT_DELTA: Final = b'{"type":"response.output_text.delta","'
_GROWING: Final = frozenset({"function_call", "custom_tool_call", "reasoning"})
"""The types of items that are one block with deltas. A message has a block for each part; items of other
types are decoded when they end."""
_UNTOLD: Final = {"function_call": "arguments", "custom_tool_call": "input"}
"""Type of call -> the member that deltas fill. The value of this member at the start of the call is
ignored."""


class _Open(msgspec.Struct):
    """A block that has not ended. index: the number of the block in the answer. block: as it was opened.
    said: whether a delta or a citation came. words: the texts of the deltas so far, only for a text or a
    call's arguments. logprobs: the log probabilities in the deltas; if there are any, they replace those in
    the final item. cited: the number of citations so far.
    """

    index: int
    block: ir.Block
    said: bool = False
    cited: int = 0
    words: list[str] = []
    logprobs: list[ir.Logprob] = []


class ResponsesDecoder:
    """Decodes the stream of one answer to IR events (`streaming.StreamDecoder`)."""

    def __init__(self, _quirks: Quirks) -> None:
        self._state = "new"
        self._blocks = 0
        self._items: dict[int, _Value] = {}
        self._kept = Kept()
        self._open: dict[tuple[int, int], _Open] = {}
        self._said: list[ir.Block] = []
        self._places = Places()
        self._early: list[ir.Event] = []  # unknown events that came before the answer began

    def feed(self, frame: bytes) -> _Events:
        if frame.startswith(_TEXT_DELTA) and (events := self._plain_delta(frame)) is not None:
            return events
        if self._state == "over":
            return []
        if type(frame) is ErrorFrame:
            return self._fail(fault_of(bytes(frame)))
        value = read_event(frame)
        if value is None:
            return []
        kind = value.get("type")
        take = _TAKE.get(kind) if type(kind) is str else None
        if self._state == "new" and not (type(kind) is str and kind in _EARLY):
            if value.get("error") is not None and take is None:
                return self._fail(fault_of(value))
            if type(kind) is not str:
                raise WireError(f"the stream must begin with response.created, not with {kind}")
            if take is None:
                return self._hold(value)
        if take is None:
            if kind is None and value.get("error"):
                return self._fail(fault_of(value))
            return [ir.Raw(NAME, value)]
        try:
            begun = [] if self._state != "new" or kind in _EARLY else self._created({})
            self._places.find(str(kind), value)
            return begun + take(self, value) if begun else take(self, value)
        except (KeyError, TypeError, AttributeError):
            raise WireError(f"a stream event {kind} has an unknown format") from None

    def _plain_delta(self, frame: bytes) -> _Events | None:
        """Return the IR event, in a list, for a delta that only adds text to an open text block; the text is
        also added to the block's state. None for any other frame, which `feed` then reads in full.
        """
        try:
            value = _decode_delta(frame)
        except UNDECODABLE:
            return None
        state = self._open.get((value.output_index, value.content_index))
        if state is None or value.logprobs or not value.delta or type(state.block) is not ir.Text:
            return None
        state.said = True
        state.words.append(value.delta)
        return [ir.TextDelta(state.index, value.delta)]

    def close(self) -> _Events:
        if self._state == "over":
            return []
        said = "before the response was complete" if self._state != "new" else "without a response"
        return self._fail(broken(f"The provider's stream ended {said}."))

    # --- The response ------------------------------------------------------------------------------

    def _created(self, value: _Value) -> _Events:
        if self._state != "new":
            return []
        self._state = "begun"
        response, _ = HEAD.sort(value.get("response") or {})  # the last event repeats members of wrong types
        early, self._early = self._early, []
        return [
            ir.Start(
                NAME,
                response.get("id"),
                response.get("model") or None,
                response.get("created_at"),
                response.get("service_tier"),
                extra=decode_extra(response),
                echo=decode_echo(response),
            ),
            *early,
        ]

    def _hold(self, value: _Value) -> _Events:
        """Keep an event of an unknown type, which follows the Start when the answer begins. Returns a ping.
        Raises WireError if too many events, or too many JSON values, are kept.
        """
        refuse_more(len(self._early), MOST_LEFTOVERS, "unknown events")
        self._kept.add(value)
        self._early.append(ir.Raw(NAME, value))
        return [ir.Ping()]

    def _progress(self, value: _Value) -> _Events:
        """Return the IR events for `queued` and `in_progress`: those of `created` if the answer has not
        begun, otherwise a ping.
        """
        return self._created(value) or [ir.Ping()]

    def _keepalive(self, value: _Value) -> _Events:
        return [ir.Ping()]

    def _terminal(self, value: _Value) -> _Events:
        events = self._created(value)
        told = value.get("response") or {}
        if told.get("status") is None:
            told = {**told, "status": _STATUSES[value["type"]]}
        output = told.get("output") or ()
        for number in sorted({item for item, _ in self._open} | self._items.keys()):
            events += self._end_item(number, _found(output, number, self._items.get(number)))
        if not self._said:  # some servers state the items only here
            events += self._whole(output_blocks(output))
        response = read_response(told, tuple(self._said))
        events.append(ir.More(response.extra, response.tier, response.model, response.echo))
        if response.usage is not None:
            events.append(ir.Tally(response.usage))
        if response.error is not None:
            return events + self._fail(response.error)
        self._over()
        stop = response.candidates[0].stop
        return [*events, ir.Finish(stop), ir.End(response.status)]

    def _error(self, value: _Value) -> _Events:
        return self._fail(fault_of(value))

    def _fail(self, fault: ir.Fault) -> _Events:
        self._over()
        return [ir.Error(fault)]

    def _over(self) -> None:
        self._state = "over"
        self._open.clear()
        self._items.clear()

    # --- Items -------------------------------------------------------------------------------------

    def _item_added(self, value: _Value) -> _Events:
        number, item = value["output_index"], value["item"]
        refuse_index(number, "item")
        if (number, 0) in self._open:  # announced twice
            return []
        refuse_more(len(self._items), MOST_OPEN, "open items")
        self._kept.replace(self._items.get(number), item)
        self._items[number] = item
        kind = item.get("type")
        if kind == "message":
            return []
        if kind not in _GROWING:
            return [ir.Raw(NAME, value)]
        untold = _UNTOLD.get(kind)
        block = decode_item(item if untold is None else {**item, untold: ""})[1][0]
        if isinstance(block, ir.Thinking):
            block = msgspec.structs.replace(block, text="", summary=(), sealed=None, extra=None)
        return self._begin((number, 0), block)

    def _begin(self, place: tuple[int, int], block: ir.Block) -> _Events:
        refuse_more(len(self._open), MOST_OPEN, "open blocks")
        state = _Open(self._blocks, block)
        self._blocks += 1
        self._open[place] = state
        return [ir.Open(state.index, block)]

    def _item_done(self, value: _Value) -> _Events:
        return self._end_item(value["output_index"], value["item"])

    def _end_item(self, number: int, item: _Value | None) -> _Events:
        """Return the events that end one item: the ends of its open blocks, then all events of the blocks
        that only the final item has. number: the item's output_index. item: the final item; None = the stream
        did not state it, so the open blocks end as they are.
        """
        announced = self._items.pop(number, None)
        self._kept.drop(announced)
        finals: tuple[ir.Block, ...] = () if item is None else decode_item(_as_announced(item, announced))[1]
        events: _Events = []
        places = sorted(place for place in self._open if place[0] == number)
        for place in places:
            state = self._open.pop(place)
            final = finals[place[1]] if place[1] < len(finals) else None
            if type(final) is not type(state.block):
                final = None
            events += self._close(state, final)
        parts = {place[1] for place in places}
        return events + self._whole(tuple(b for n, b in enumerate(finals) if n not in parts))

    def _close(self, state: _Open, final: ir.Block | None) -> _Events:
        """Return the events that end the block of `state`: the content of the final block that was in no
        delta, as far as deltas can add it, and the Close. final: the block in the final item; None = it is
        unknown, so the only event is a Close without a block.
        """
        if final is None:
            self._said.append(state.block)
            return [ir.Close(state.index)]
        if isinstance(final, ir.Text) and state.logprobs:
            final = msgspec.structs.replace(
                final, logprobs=tuple(state.logprobs), extra=without_logprobs(final.extra)
            )
        self._said.append(final)
        return [*_OWED.get(type(final), _nothing)(state, final), ir.Close(state.index, final)]

    def _whole(self, blocks: tuple[ir.Block, ...]) -> _Events:
        events: _Events = []
        for block in blocks:
            events += unfold_block(block, self._blocks)
            self._blocks += 1
            self._said.append(block)
        return events

    # --- Parts and deltas ----------------------------------------------------------------------------

    def _part_added(self, value: _Value) -> _Events:
        place = value["output_index"], value.get("content_index") or 0
        item = self._items.get(place[0], {})
        if place in self._open or item.get("type") != "message":
            return []
        block = decode_part(value["part"], said=True, item=_named(item))
        if isinstance(block, ir.Text):
            block = msgspec.structs.replace(block, text="", citations=(), logprobs=None)
        elif isinstance(block, ir.Refusal):
            block = msgspec.structs.replace(block, text="")
        return self._begin(place, block)

    def _at(
        self, value: _Value, kind: type[ir.Block], opened: Mapping[type, ir.Block]
    ) -> tuple[_Events, _Open]:
        """Return (the events that open the block, its state) for a delta or an annotation (`value`) of a
        block of this `kind`; the events are [] if the block is open. A new block is `opened[kind]`, with the
        id and phase of its message. Raises WireError if the block is not open and `opened` lacks the kind, if
        too many blocks are open, or if the open block is of another kind.
        """
        place = value["output_index"], (value.get("content_index") or 0) if kind in _PARTS else 0
        events: _Events = []
        if place not in self._open:
            block = opened.get(kind)
            if block is None:
                raise WireError(f"a delta for item {place[0]}, which is not open")
            item = _named(self._items.get(place[0], {}))
            events = self._begin(place, msgspec.structs.replace(block, item=item))
        state = self._open[place]
        if not isinstance(state.block, kind):
            raise WireError(f"a delta for item {place[0]}, which is not a {kind.__name__}")
        state.said = True
        return events, state

    def _text(self, value: _Value) -> _Events:
        events, state = self._at(value, ir.Text, _PARTS)
        logprobs, odd = sound_logprobs(value)
        if odd is not None:
            events.append(ir.More(odd))
        state.logprobs += logprobs or ()
        words = _words(value)
        state.words.append(words)
        return [*events, ir.TextDelta(state.index, words, logprobs=logprobs)]

    def _refusal(self, value: _Value) -> _Events:
        events, state = self._at(value, ir.Refusal, _PARTS)
        return [*events, ir.RefusalDelta(state.index, _words(value))]

    def _arguments(self, value: _Value) -> _Events:
        _, state = self._at(value, ir.ToolCall, {})
        words = _words(value)
        state.words.append(words)
        return [ir.ArgsDelta(state.index, words)]

    def _reasoning(self, value: _Value) -> _Events:
        events, state = self._at(value, ir.Thinking, _THOUGHTS)
        return [*events, ir.ThinkDelta(state.index, _words(value))]

    def _summary(self, value: _Value) -> _Events:
        events, state = self._at(value, ir.Thinking, _THOUGHTS)
        refuse_index(part := value.get("summary_index", 0), "summary")
        return [*events, ir.ThinkDelta(state.index, _words(value), part=part)]

    def _annotation(self, value: _Value) -> _Events:
        events, state = self._at(value, ir.Text, _PARTS)
        state.cited += 1
        return [*events, ir.Cite(state.index, decode_citation(value["annotation"]))]

    def _nothing(self, value: _Value) -> _Events:
        return []


def _words(value: _Value) -> str:
    """Return the text (`delta`) of a delta event; "" for null, which some servers send. Raises KeyError if
    the event has no `delta`, TypeError for a value of another type.
    """
    words = value["delta"]
    if words is not None and type(words) is not str:
        raise TypeError("delta")
    return words or ""


def _found(output: Sequence[Any], number: int, announced: _Value | None) -> _Value | None:
    """Return the item at the position `number` (its output_index) in the final `output`, for an item whose
    end event did not come. announced: the item as it was announced, None = it was not. None = there is no
    such object, it was not announced, or its type or id differs from the announced one.
    """
    item = output[number] if announced is not None and number < len(output) else None
    if type(item) is not dict or announced is None:
        return None
    same = item.get("type") == announced.get("type") and item.get("id") == announced.get("id")
    return item if same else None


def _as_announced(item: _Value, announced: _Value | None) -> _Value:
    """Return a final item with the id that the item had when it was announced, because some gateways state a
    new id in every event. An item with encrypted content is not changed: that content belongs to its id.
    announced: the item as it was announced, None = it was not.
    """
    first = None if announced is None else announced.get("id")
    if first is None or item.get("id") == first or item.get("encrypted_content") is not None:
        return item
    return {**item, "id": first}


def _named(item: _Value) -> ir.Item | None:
    """Return the `ir.Item` of an announced message, with its id and phase as far as these are texts; None =
    there is neither. The status comes with the end of the item. item: the item as announced; {} = it was not
    announced.
    """
    head, _ = TYPED_HEAD.sort(item)
    if head.get("id") is None and head.get("phase") is None:
        return None
    return ir.Item(head.get("id"), None, head.get("phase"))


_PARTS: Final[dict[type, ir.Block]] = {ir.Text: ir.Text(""), ir.Refusal: ir.Refusal("")}
_THOUGHTS: Final[dict[type, ir.Block]] = {ir.Thinking: ir.Thinking("")}
_STATUSES: Final = {
    "response.completed": "completed",
    "response.done": "completed",
    "response.incomplete": "incomplete",
    "response.failed": "failed",
    "response.cancelled": "cancelled",
}
"""Terminal event -> the status of the answer, for a response object that states none."""

# Content that was in no delta becomes a delta before the block closes: encoders read only deltas.


def _rest(state: _Open, whole: str) -> str:
    """Return the end of the final text `whole` that no delta has brought. "" if `whole` does not begin with
    the text of the deltas.
    """
    told = "".join(state.words)
    return whole[len(told) :] if whole.startswith(told) else ""


def _owed_text(state: _Open, final: ir.Text) -> _Events:
    events: _Events = []
    text = _rest(state, final.text)
    logprobs = None if state.logprobs else final.logprobs
    if text or logprobs is not None:
        events.append(ir.TextDelta(state.index, text, logprobs=logprobs))
    return [*events, *(ir.Cite(state.index, citation) for citation in final.citations[state.cited :])]


def _owed_refusal(state: _Open, final: ir.Refusal) -> _Events:
    return [] if state.said or not final.text else [ir.RefusalDelta(state.index, final.text)]


def _owed_call(state: _Open, final: ir.ToolCall) -> _Events:
    rest = _rest(state, final.arguments)
    return [ir.ArgsDelta(state.index, rest)] if rest else []


def _owed_thinking(state: _Open, final: ir.Thinking) -> _Events:
    events: _Events = []
    if not state.said:
        if final.text:
            events.append(ir.ThinkDelta(state.index, final.text))
        events += [ir.ThinkDelta(state.index, text, part=n) for n, text in enumerate(final.summary)]
    if final.sealed is not None:
        events.append(ir.SealDelta(state.index, final.sealed))
    return events


def _nothing(_state: _Open, _final: ir.Block) -> _Events:
    return []


_OWED: Final[dict[type, Callable[[_Open, Any], _Events]]] = {
    ir.Text: _owed_text,
    ir.Refusal: _owed_refusal,
    ir.ToolCall: _owed_call,
    ir.Thinking: _owed_thinking,
}
_REPEATED: Final = (
    *("response.content_part.done", "response.output_text.done", "response.refusal.done"),
    *("response.function_call_arguments.done", "response.custom_tool_call_input.done"),
    *("response.reasoning_text.done", "response.reasoning.done", "response.reasoning_summary_text.done"),
    *("response.reasoning_summary_part.added", "response.reasoning_summary_part.done"),
)
"""Events that are ignored, because the end of their item repeats their content."""
_TAKE: Final[dict[Any, Callable[[ResponsesDecoder, _Value], _Events]]] = {
    "response.created": ResponsesDecoder._created,
    "response.queued": ResponsesDecoder._progress,
    "response.in_progress": ResponsesDecoder._progress,
    "keepalive": ResponsesDecoder._keepalive,
    "response.completed": ResponsesDecoder._terminal,
    "response.done": ResponsesDecoder._terminal,
    "response.incomplete": ResponsesDecoder._terminal,
    "response.failed": ResponsesDecoder._terminal,
    "response.cancelled": ResponsesDecoder._terminal,
    "error": ResponsesDecoder._error,
    "response.output_item.added": ResponsesDecoder._item_added,
    "response.output_item.done": ResponsesDecoder._item_done,
    "response.content_part.added": ResponsesDecoder._part_added,
    "response.output_text.delta": ResponsesDecoder._text,
    "response.output_text.annotation.added": ResponsesDecoder._annotation,
    "response.refusal.delta": ResponsesDecoder._refusal,
    "response.function_call_arguments.delta": ResponsesDecoder._arguments,
    "response.custom_tool_call_input.delta": ResponsesDecoder._arguments,
    "response.reasoning_text.delta": ResponsesDecoder._reasoning,
    "response.reasoning.delta": ResponsesDecoder._reasoning,
    "response.reasoning_summary_text.delta": ResponsesDecoder._summary,
    **dict.fromkeys(_REPEATED, ResponsesDecoder._nothing),
}
_EARLY: Final = frozenset(
    {"response.created", "response.queued", "response.in_progress", "keepalive", "error", *_STATUSES}
)
"""Events that begin the answer themselves, or may come before it. Before any other event of a known type, an
empty response object begins the answer."""
