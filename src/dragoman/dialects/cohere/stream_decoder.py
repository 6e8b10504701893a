"""Decodes a stream of Cohere's events into IR events.

A stream has `message-start`, then the start, deltas and end of each block, then `message-end` with the finish
reason and the usage. `tool-plan-delta` has no start: the plan is open from its first delta to the next block.
A citation of the type `PLAN` belongs to the plan. Any other citation belongs to the content part that it
names; if it names none, to the latest text (content or plan). A citation that belongs to no text becomes a
leftover of the message. A stream that fails ends with a `message-end` that has an `error` or a finish reason
of `FAILURES`. https://docs.cohere.com/docs/streaming, read 2026-11
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final, Literal

import msgspec

from dragoman import ir
from dragoman.dialects.bounds import MOST_LEFTOVERS, Kept, refuse_more
from dragoman.dialects.cohere.calls import decode_call, told_arguments
from dragoman.dialects.cohere.citations import PLANNED, USUAL, decode_citation
from dragoman.dialects.cohere.errors import fault_of
from dragoman.dialects.cohere.logprobs import decode_logprobs
from dragoman.dialects.cohere.parts import decode_part
from dragoman.dialects.cohere.response import (
    HEAD,
    MESSAGE,
    decode_stop,
    failure_of,
    is_failure,
    stated_usage,
)
from dragoman.dialects.cohere.saying import CITATIONS
from dragoman.dialects.cohere.terms import NAME, PLAN, leftovers
from dragoman.dialects.failure import STREAM_BROKEN
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.typed import Typed, an_object, required, sound_tokens
from dragoman.errors import WireError
from dragoman.wire.json import UNDECODABLE
from dragoman.wire.sse import ErrorFrame

_Wire = dict[str, Any]
_DONE: Final = b"[DONE]"
_EVENT: Final = frozenset({"type", "id", "delta", "index"})
_END: Final = frozenset({"finish_reason", "usage", "error", "message"})
_ENDING: Final = Typed(NAME, finish_reason=str, usage=dict)
_NULL: Final = "null"
_MOST_BLOCKS: Final = 100_000


class _Said(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    text: str


class _Content(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    content: _Said


class _Delta(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    message: _Content


class _Words(msgspec.Struct, forbid_unknown_fields=True, gc=False):
    """An event that does nothing but add to a text. Most events of a stream are such events."""

    delta: _Delta
    index: int
    type: Literal["content-delta"]


_decode = msgspec.json.Decoder().decode
_decode_words = msgspec.json.Decoder(_Words).decode


class _Open:
    """The state of one block of the answer. index: its number in the IR. kind: its class in the IR. said: of
    a text, the pieces so far; of a call, not empty if a delta has brought arguments. held: "null" if a call's
    first delta has these arguments, which mean none unless more follow; else "". closed: the block has ended.
    """

    __slots__ = ("closed", "held", "index", "kind", "said")

    def __init__(self, index: int, kind: type) -> None:
        self.index = index
        self.kind = kind
        self.said: list[str] = []
        self.held = ""
        self.closed = False

    @property
    def text(self) -> str:
        """The text so far, of a text block."""
        if len(self.said) > 1:
            self.said = ["".join(self.said)]
        return self.said[0] if self.said else ""


class CohereDecoder:
    """Decodes the frames of one stream into IR events."""

    __slots__ = (
        *("_blocks", "_calls", "_contents", "_extra", "_items", "_kept", "_latest", "_over", "_plan"),
        *("_scored", "_seen", "_started"),
    )

    def __init__(self, _: Quirks) -> None:
        self._started = self._over = False
        self._scored = False  # whether a text has log probabilities
        self._blocks = 0  # how many blocks were opened
        self._contents: dict[Any, _Open] = {}  # by the wire's index
        self._calls: dict[Any, _Open] = {}
        self._plan: _Open | None = None
        self._latest: _Open | None = None  # the latest text
        self._items: list[Any] = []  # log probabilities of pieces that are no single tokens
        self._extra: ir.Extra = None  # leftovers of the message
        self._seen: set[str] = set()
        self._kept = Kept()

    def feed(self, frame: bytes) -> list[ir.Event]:
        """Return the IR events of one frame (the data of one event of the stream); [] = it gives none, for
        example after the end. A failure that the provider tells becomes an ir.Error, which is the last event.
        Raises WireError for a malformed event.
        """
        if self._over:
            return []
        if isinstance(frame, ErrorFrame):
            return self._fail(fault_of(bytes(frame)))
        if (more := self._more_words(frame)) is not None:
            return more
        if frame.strip() == _DONE:
            return self.close()
        try:
            event = _decode(frame)
        except UNDECODABLE as error:
            raise WireError(f"a stream event is not JSON: {error}") from None
        if type(event) is not dict:
            raise WireError("a stream event is not an object")
        if "type" not in event and is_failure(event):
            return self._fail(fault_of(event))
        events: list[ir.Event] = []
        try:
            if not self._started:
                self._begin(event, events)
            if (read := self._read.get(event.get("type"))) is not None:
                read(self, event, events)
            else:
                events.append(ir.Raw(NAME, event))
        except (AttributeError, KeyError, TypeError) as error:
            raise WireError(f"a stream event has an unknown format: {error}") from error
        return events

    def close(self) -> list[ir.Event]:
        """Return the last event when the upstream has ended the stream: an ir.Error, because no
        `message-end` has come; [] = the last event was returned before.
        """
        return [] if self._over else self._fail(STREAM_BROKEN)

    def _fail(self, fault: ir.Fault) -> list[ir.Event]:
        self._over = True
        return [ir.Error(fault)]

    def _more_words(self, frame: bytes) -> list[ir.Event] | None:
        """Return the events of a frame that only adds to the latest text, which must be open; None = it is
        another frame. This is only faster: `_content` would return the same events.
        """
        latest = self._latest
        if latest is None or latest.closed:
            return None
        try:
            words = _decode_words(frame)
        except UNDECODABLE:
            return None
        if self._contents.get(words.index) is not latest:
            return None
        text = words.delta.message.content.text
        latest.said.append(text)
        return [ir.TextDelta(latest.index, text)] if text else []

    def _begin(self, event: _Wire, events: list[ir.Event]) -> None:
        self._started = True
        head, odd = HEAD.sort(event) if event.get("type") == "message-start" else ({}, None)
        extra = ir.merge(leftovers(head, _EVENT), odd)
        self._keep(extra)
        events.append(ir.Start(NAME, head.get("id"), extra=extra))

    def _keep(self, extra: ir.Extra) -> None:
        """Count leftovers that stay in memory until the stream ends, and the JSON values inside them. A
        name that comes again counts once, with its latest value. Raises WireError for too many leftovers
        or values.
        """
        for name, value in (extra or {}).get(NAME, {}).items():
            self._seen.add(name)
            refuse_more(len(self._seen) - 1, MOST_LEFTOVERS, "unknown members of the stream")
            self._kept.late(name, value)

    # Blocks ---------------------------------------------------------------------------------------

    def _opened(self, block: ir.Block, events: list[ir.Event]) -> _Open:
        """Open a block: end the plan if it is open, append the ir.Open to `events`, and return the block's
        state. Raises WireError if the stream has too many blocks.
        """
        self._end_plan(events)
        refuse_more(self._blocks, _MOST_BLOCKS, "blocks")
        opened = _Open(self._blocks, type(block))
        self._blocks += 1
        events.append(ir.Open(opened.index, block))
        return opened

    def _end(self, opened: _Open | None, events: list[ir.Event]) -> None:
        if opened is None or opened.closed:
            return
        if opened.held and opened.held != _NULL:
            events.append(ir.ArgsDelta(opened.index, opened.held))
        opened.closed = True
        events.append(ir.Close(opened.index))

    def _end_plan(self, events: list[ir.Event]) -> None:
        self._end(self._plan, events)

    def _message_started(self, event: _Wire, _: list[ir.Event]) -> None:
        self._note(_inside(event), MESSAGE)

    def _note(self, message: _Wire, known: frozenset[str]) -> None:
        extra = leftovers(message, known, "message")
        self._keep(extra)
        self._extra = ir.merge(self._extra, extra)

    def _planned(self, event: _Wire, events: list[ir.Event]) -> None:
        if not (text := required(_inside(event), PLAN, str, "delta.message")):
            return
        if self._plan is None or self._plan.closed:
            self._plan = self._latest = self._opened(ir.Text("", form=PLAN), events)
        self._plan.said.append(text)
        events.append(ir.TextDelta(self._plan.index, text))

    def _content_started(self, event: _Wire, events: list[ir.Event]) -> None:
        part = an_object(_inside(event).get("content"), "delta.message.content")
        kind = part.get("type") or ("thinking" if "thinking" in part else "text")
        block = decode_part({kind: "", **part, "type": kind})
        index = event.get("index")
        self._end(self._contents.get(index), events)
        self._contents[index] = opened = self._opened(block, events)
        if isinstance(block, ir.Text):
            self._latest = opened
            opened.said.append(block.text)

    def _content(self, event: _Wire, events: list[ir.Event]) -> None:
        content = an_object(_inside(event).get("content"), "delta.message.content")
        index = event.get("index")
        opened = self._contents.get(index)
        if opened is None or opened.closed:
            self._content_started({**event, "delta": {"message": {"content": _empty(content)}}}, events)
            opened = self._contents[index]
        thought, text = content.get("thinking"), content.get("text")
        if opened.kind is ir.Thinking and thought:
            events.append(ir.ThinkDelta(opened.index, required(content, "thinking", str, "content")))
        elif opened.kind is ir.Text and text is not None:
            self._text(opened, required(content, "text", str, "content"), event.get("logprobs"), events)
        elif thought or text:
            raise WireError("a stream event continues another kind of block", "delta.message.content")

    def _text(self, opened: _Open, text: str, item: Any, events: list[ir.Event]) -> None:
        tokens = None
        if item is not None and (tokens := sound_tokens(decode_logprobs, [item])) is None:
            self._kept.add(item)
            self._items.append(item)
        self._scored = self._scored or tokens is not None
        opened.said.append(text)
        if text or tokens:
            events.append(ir.TextDelta(opened.index, text, logprobs=tokens))

    def _content_ended(self, event: _Wire, events: list[ir.Event]) -> None:
        self._end(self._contents.get(event.get("index")), events)

    def _call_started(self, event: _Wire, events: list[ir.Event]) -> None:
        call = decode_call(_inside(event).get("tool_calls"))
        index = event.get("index")
        self._end(self._calls.get(index), events)
        self._calls[index] = self._opened(call, events)

    def _call(self, event: _Wire, events: list[ir.Event]) -> None:
        call = an_object(_inside(event).get("tool_calls"), "delta.message.tool_calls")
        opened = self._calls.get(event.get("index"))
        if opened is None or opened.closed:
            raise WireError("a stream event continues a call that has not begun", "index")
        text = an_object(call.get("function"), "delta.message.tool_calls.function").get("arguments")
        if text == _NULL and not opened.said:
            opened.held = _NULL
        elif text:
            text = opened.held + (text if type(text) is str else told_arguments(text))
            opened.held = ""
            events.append(ir.ArgsDelta(opened.index, text))
        if text:
            opened.said = [" "]  # something has come

    def _call_ended(self, event: _Wire, events: list[ir.Event]) -> None:
        self._end(self._calls.get(event.get("index")), events)

    def _cited(self, event: _Wire, events: list[ir.Event]) -> None:
        citation = an_object(_inside(event).get(CITATIONS), "delta.message.citations")
        planned = citation.get("type") == PLANNED
        index = citation.get("content_index")
        opened = self._plan if planned else self._latest if index is None else self._contents.get(index)
        if opened is None or opened.kind is not ir.Text:
            self._kept.add(citation)
            name = f"message.{CITATIONS}"
            told = ((self._extra or {}).get(NAME) or {}).get(name, [])
            self._extra = ir.merge(self._extra, {NAME: {name: [*told, citation]}})
            return
        kind = PLANNED if opened is self._plan else USUAL
        events.extend(ir.Cite(opened.index, one) for one in decode_citation(citation, opened.text, kind))

    def _nothing(self, event: _Wire, events: list[ir.Event]) -> None:
        """Ignore an event. The end of a citation adds nothing, because its start has the whole citation."""

    # The end --------------------------------------------------------------------------------------

    def _message_ended(self, event: _Wire, events: list[ir.Event]) -> None:
        delta, odd = _ENDING.sort(an_object(event.get("delta") or {}, "delta"))
        usage = stated_usage(delta)
        counts: list[ir.Event] = [] if usage is None else [ir.Tally(usage)]
        if error := delta.get("error"):
            told = {**delta, "message": error if type(error) is str else str(error)}
            events += [*counts, *self._fail(fault_of(told))]
            return
        if (fault := failure_of(delta.get("finish_reason"))) is not None:
            events += [*counts, *self._fail(fault)]
            return
        self._over = True
        for opened in (self._plan, *self._contents.values(), *self._calls.values()):
            self._end(opened, events)
        self._note(an_object(delta.get("message") or {}, "delta.message"), MESSAGE - {CITATIONS})
        stop = decode_stop(delta.get("finish_reason"), called=bool(self._calls))
        events.append(ir.Finish(stop, extra=self._extra))
        events += counts
        late = ir.merge(ir.merge(leftovers(event, _EVENT), leftovers(delta, _END)), odd)
        if self._items:
            name = ".odd.logprobs" if self._scored else "logprobs"  # the decoded ones stay
            late = ir.merge(late, {NAME: {name: self._items}})
        if late is not None:
            events.append(ir.More(late))
        events.append(ir.End())

    _read: ClassVar[dict[Any, Callable[[CohereDecoder, _Wire, list[ir.Event]], None]]] = {
        "message-start": _message_started,
        "tool-plan-delta": _planned,
        "content-start": _content_started,
        "content-delta": _content,
        "content-end": _content_ended,
        "tool-call-start": _call_started,
        "tool-call-delta": _call,
        "tool-call-end": _call_ended,
        "citation-start": _cited,
        "citation-end": _nothing,
        "message-end": _message_ended,
    }


def _inside(event: _Wire) -> _Wire:
    """Return the member `delta.message` of an event; {} = it is missing or empty. Raises WireError if it, or
    `delta`, is neither an object nor empty.
    """
    return an_object(an_object(event.get("delta") or {}, "delta").get("message") or {}, "delta.message")


def _empty(content: _Wire) -> _Wire:
    """Return an empty content part of the kind that this delta (`content`) continues. It opens the part if no
    `content-start` has come for it.
    """
    return {"type": "thinking", "thinking": ""} if "thinking" in content else {"type": "text", "text": ""}
