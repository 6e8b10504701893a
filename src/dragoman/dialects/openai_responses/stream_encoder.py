"""Encodes streams: IR events to the bytes for clients of the Responses API.

    created → in_progress → per item: output_item.added, its parts and deltas, output_item.done
    [→ error] → completed | incomplete | failed | cancelled [→ data: [DONE]]

The end of a block is written when the next block or item begins or the answer ends: only then is it known
whether the block's message continues, and whether the answer is incomplete. Open Responses requires `[DONE]`,
OpenAI's own clients ignore it; on a WebSocket (framing "ndjson") it is not sent.
https://www.openresponses.org/specification#streaming
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.event_encoder import EventEncoder, lose_event
from dragoman.dialects.openai_responses.draft import Draft
from dragoman.dialects.openai_responses.errors import error_event
from dragoman.dialects.openai_responses.items import encode_head, encode_item, is_part, item_of_block
from dragoman.dialects.openai_responses.parts import encode_citation, encode_logprobs, encode_part
from dragoman.dialects.openai_responses.response import (
    Mint,
    asks_for_summary,
    incomplete,
    leave_incomplete,
    response_object,
    shown,
    wordless,
)
from dragoman.dialects.openai_responses.sharing import Shared, any_long
from dragoman.dialects.openai_responses.terms import NAME, reasoning_event
from dragoman.dialects.reply import Reply
from dragoman.dialects.streaming import Ending
from dragoman.wire.json import encode

_Wire = dict[str, Any]

_dumps = msgspec.json.Encoder().encode
_DONE: Final = b"data: [DONE]\n\n"
_EMPTY: Final[dict[type, _Wire]] = {
    ir.Text: {"type": "output_text", "text": "", "annotations": [], "logprobs": []},
    ir.Refusal: {"type": "refusal", "refusal": ""},
}


class _Item(msgspec.Struct):
    """An item whose `output_item.added` was sent. number: its output_index. wire: the item in that event. of:
    the `ir.Item` of its blocks, in a message that of the text or refusal that ended last; None = they have
    none. parts: the parts of a message that have begun so far; a part is replaced by its final form when it
    ends.
    """

    number: int
    wire: _Wire
    of: ir.Item | None
    parts: list[_Wire] = []

    @property
    def place(self) -> _Wire:
        return {"item_id": self.wire.get("id", ""), "output_index": self.number}


class _Block(msgspec.Struct):
    """A block whose end has not been written, or a text whose message is still open.

    block: as it was opened. item: the item that holds the block; None = the block is sent only when it ends,
    or is a text that is empty so far. place: the members that name its item and part in events. closed: its
    Close event has come. said: whether a delta was sent. head, tail: the bytes with which each of its deltas
    begins and ends. words: the deltas of the open part of thinking, [] = no part is open. part: the index of
    this part in the summary, None = the raw text. before: the number of summary parts (0 or 1) that hold the
    raw text.
    """

    block: ir.Block
    item: _Item | None = None
    place: _Wire = {}
    closed: bool = False
    said: bool = False
    head: bytes = b""
    tail: bytes = b""
    part: int | None = None
    before: int = 0
    words: list[str] = []


class ResponsesEncoder(EventEncoder):
    """Encodes the IR events of one answer as a stream for a client (`streaming.TellsInPieces`). Losses are
    reported to `reply.report`.
    """

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._report = reply.report
        self._ndjson = reply.framing == "ndjson"
        self._reasoning = reasoning_event(reply.request)
        self._draft = Draft(reply.report, answer=True, mint=Mint(reply.id))
        self._fold = ir.Fold()
        self._sequence = 0
        self._state = "new"
        self._blocks: dict[int, _Block] = {}
        self._message: _Item | None = None
        self._ended: dict[int, _Block] = {}  # texts of that message with a written end
        self._output: dict[int, _Wire] = {}
        self._items = 0
        self._unfinished = False  # whether the answer ended before it was complete
        self._last_item = True  # whether the ending item is the last item
        self._announced: dict[str, int] = {}
        self._renumbered: dict[Any, int] = {}
        self._shared: Shared | None = None  # set when a long text comes
        self.pieces: list[list[bytes]] | None = None
        self.waits = False
        self.ending: Ending | None = None

    def feed(self, event: ir.Event) -> bytes:
        if self._state == "over":
            return b""
        out = self._table[type(event)](self, event)
        return out if self._shared is None else self._cut(out, self._shared)

    def end(self, *, stored: bool) -> bytes:
        assert self.ending is not None
        told = self.ending.response
        self.ending = None
        out = self._terminal({**told} if stored else {**told, "store": False})
        return out if self._shared is None else self._cut(out, self._shared)

    def _cut(self, out: bytes, shared: Shared) -> bytes:
        """Return `out`, the bytes of some events. If `pieces` is a list, and these events contain a long text
        or `pieces` already has events, append them to `pieces` instead, and return b"". shared: the long
        texts with which these events were encoded.
        """
        if self.pieces is None or not (shared.marked or self.pieces):
            return out
        self.pieces += shared.events(out, b"\n" if self._ndjson else b"\n\n")
        return b""

    def _share(self, *told: Any) -> None:
        """If `pieces` is a list and one of these values is a long text, set `_shared`: all later events then
        share the bytes of long texts. told: values that later events will repeat.
        """
        if self._shared is None and self.pieces is not None and any_long(told):
            self._shared = Shared()

    def _event(self, kind: str, members: _Wire) -> bytes:
        """Return the bytes of one wire event, with the next `sequence_number`. kind: the event's type.
        members: its other members.
        """
        whole = {"type": kind, "sequence_number": self._sequence, **members}
        self._sequence += 1
        body = encode(whole) if self._shared is None else self._shared.json(whole)
        return body + b"\n" if self._ndjson else b"event: %b\ndata: %b\n\n" % (kind.encode(), body)

    # --- The response ------------------------------------------------------------------------------

    def _start(self, event: ir.Start) -> bytes:
        self._state = "begun"
        self._fold.add(event)
        self._draft.own = event.dialect == NAME
        self._draft.summarised = not self._draft.own and asks_for_summary(self._reply)
        begun = {"response": self._object([], running=True)}
        return self._event("response.created", begun) + self._event("response.in_progress", begun)

    def _object(self, output: list[_Wire], *, running: bool = False) -> _Wire:
        return response_object(self._fold.response(), self._reply, output, running=running)

    def _keep(self, event: ir.Event) -> bytes:
        self._fold.add(event)
        return b""

    _tally = _more = _keep

    def _finish(self, event: ir.Finish) -> bytes:
        if event.candidate:
            return b""  # reported when its first block was opened
        self._fold.add(event)
        self._unfinished = not self._draft.own and incomplete(event.stop)
        return self._settle(None)

    def _end(self, event: ir.End) -> bytes:
        self._fold.add(event)
        return self._last()

    def _error(self, event: ir.Error) -> bytes:
        self._fold.add(event)
        self._shared = self.ending = None  # the events of a failure are not cut into pieces
        return self._event("error", error_event(event.fault)) + self._last()

    def _last(self) -> bytes:
        """Return the terminal event, and `[DONE]` if the framing has it. If the event has to wait, b"" is
        returned, and `ending` holds the response. It waits if long texts are shared (`_share`), or if the
        response must be stored before the client gets the event (`waits`).
        """
        told = self._object([item for _, item in sorted(self._output.items())])
        if self._shared is not None or self.waits:
            self.ending = Ending(told, 0 if self._shared is None else self._shared.size(told["output"]))
            return b""
        return self._terminal(told)

    def _terminal(self, told: _Wire) -> bytes:
        """Return the terminal event and, except with the framing "ndjson", `[DONE]` after it. told: the
        response object; its status is part of the event's name.
        """
        self._state = "over"
        out = self._event(f"response.{told['status']}", {"response": told})
        return out if self._ndjson else out + _DONE

    def _ping(self, event: ir.Ping) -> bytes:
        """Always b"": this encoder sends no pings. A ping would be sent as a comment, and simple parsers
        mistake a comment for an event. In a long silence the server itself sends a comment.
        """
        return b""

    def _raw(self, event: ir.Raw) -> bytes:
        """Return the bytes of an event that only this protocol has, such as the progress of a tool; b"" for
        an event of another protocol, which is reported as lost. If the start of its item came as such an
        event, too, its `output_index` becomes the index of the item in this stream.
        """
        if event.dialect != NAME:
            return lose_event(event, self._report)
        members = {key: value for key, value in event.value.items() if key not in ("type", "sequence_number")}
        kind = str(event.value.get("type"))
        out = b""
        if kind == "response.output_item.added":
            out = self._settle(None)
            number = self._next()
            self._renumbered[str(members.get("output_index"))] = number
            self._announced[str(members["item"].get("id"))] = number
        if "output_index" in members:
            known = members["output_index"]
            members["output_index"] = self._renumbered.get(str(known), known)
        return out + self._event(kind, members)

    # --- Blocks begin ------------------------------------------------------------------------------

    def _open(self, event: ir.Open) -> bytes:
        if event.candidate:
            where = f"candidates[{event.candidate}]"
            self._report.lose(where, "the Responses API returns only one candidate", "meaning")
            return b""
        self._fold.add(event)
        block = event.block
        out = self._settle(block)
        if is_part(block) and isinstance(block, ir.Text | ir.Refusal):
            if self._message is not None and not self._draft.own and wordless(block):
                self._blocks[event.index] = _Block(block)  # no event before its first text
                return out
            return out + self._open_part(event.index, block)
        client = isinstance(block, ir.ToolCall) and block.by != "provider" and block.kind != "builtin"
        if client or isinstance(block, ir.Thinking):
            return out + self._open_item(event.index, block)
        self._blocks[event.index] = _Block(block)
        return out

    def _next(self) -> int:
        self._items += 1
        return self._items - 1

    def _added(self, wire: _Wire, of: ir.Item | None) -> tuple[_Item, bytes]:
        item = _Item(self._next(), wire, of)
        return item, self._event("response.output_item.added", {"output_index": item.number, "item": wire})

    def _open_message(self, index: int, block: ir.Block) -> tuple[_Item, bytes]:
        """Return (the open message, b""). If none is open, the message of this block is begun, and the bytes
        are its event `output_item.added`. index: the block's index.
        """
        if self._message is not None:
            return self._message, b""
        of = item_of_block(block)
        head = encode_head(of, self._draft, f"candidates[0].blocks[{index}]")
        self._message, out = self._added({**head, "status": "in_progress"}, of)
        return self._message, out

    def _open_part(self, index: int, block: ir.Text | ir.Refusal) -> bytes:
        item, out = self._open_message(index, block)
        place = {**item.place, "content_index": len(item.parts)}
        empty = _EMPTY[type(block)]
        item.parts.append(empty)
        state = self._blocks[index] = _Block(block, item, place)
        kind = "output_text" if isinstance(block, ir.Text) else "refusal"
        self._frame(state, f"response.{kind}.delta", b',"logprobs":[]}' if kind == "output_text" else b"}")
        out += self._event("response.content_part.added", {**place, "part": empty})
        return out + (self._say(state, block.text) if block.text else b"")

    def _open_item(self, index: int, block: ir.Block) -> bytes:
        bare: Any = block
        if isinstance(block, ir.Thinking):
            extra = None if self._draft.own else block.extra  # own leftovers come with the block's end
            bare = msgspec.structs.replace(block, text="", summary=(), sealed=None, extra=extra)
        wire = encode_item(bare, self._draft, f"candidates[0].blocks[{index}]") or {}
        kind = wire.get("type", "")
        if kind != "reasoning":
            wire["status"] = "in_progress"
            wire["input" if kind == "custom_tool_call" else "arguments"] = ""
        item, out = self._added(wire, item_of_block(block))
        state = self._blocks[index] = _Block(block, item, item.place)
        if isinstance(block, ir.ToolCall):
            self._frame(state, f"response.{_ARGUMENTS[kind][0]}.delta", b"}")
            return out + (self._say(state, block.arguments) if block.arguments else b"")
        if isinstance(block, ir.Thinking):
            for part, text in ((None, block.text), *enumerate(block.summary)):
                out += self._think_more(state, text, part) if text else b""
        return out

    def _frame(self, state: _Block, kind: str, tail: bytes) -> None:
        """Set the `head` and `tail` of the block `state`: the bytes with which each of its deltas begins and
        ends. kind: the type of these events. tail: the bytes after the text, up to the end of the event's
        data.
        """
        place = _dumps(state.place)[1:-1]
        head = b'{"type":"%b",%b,"sequence_number":' % (kind.encode(), place)
        state.head = head if self._ndjson else b"event: %b\ndata: %b" % (kind.encode(), head)
        state.tail = tail + (b"\n" if self._ndjson else b"\n\n")

    def _say(self, state: _Block, text: str) -> bytes:
        state.said = True
        number = self._sequence
        self._sequence = number + 1
        return b'%b%d,"delta":%b%b' % (state.head, number, _dumps(text), state.tail)

    def _say_all(self, state: _Block, text: str) -> bytes:
        """Return the bytes of one delta with the whole text of a block. b"" if the text is empty or if a
        delta was sent before: the end of the block holds the whole text anyway.
        """
        if state.said or not text:
            return b""
        if self._shared is None:
            return self._say(state, text)
        state.said = True
        self._sequence += 1
        told = self._shared.json(text)
        return b'%b%d,"delta":%b%b' % (state.head, self._sequence - 1, told, state.tail)

    # --- Deltas ------------------------------------------------------------------------------------

    def _text(self, event: ir.TextDelta | ir.RefusalDelta) -> bytes:
        if event.candidate:
            return b""
        self._fold.add(event)
        out = b""
        state = self._blocks[event.index]
        if state.item is None and isinstance(state.block, ir.Text):
            if not event.text:
                return b""
            out = self._open_part(event.index, state.block)
            state = self._blocks[event.index]
        if event.logprobs is None:
            return out + self._say(state, event.text) if event.text else out
        where = f"candidates[0].blocks[{event.index}].logprobs"
        state.said = True
        logprobs = encode_logprobs(event.logprobs, self._draft, where)
        members = {**state.place, "delta": event.text, "logprobs": logprobs}
        if isinstance(event, ir.RefusalDelta):
            del members["logprobs"]
            return out + self._event("response.refusal.delta", members)
        return out + self._event("response.output_text.delta", members)

    _refuse = _text

    def _arguments(self, event: ir.ArgsDelta) -> bytes:
        if event.candidate:
            return b""
        self._fold.add(event)
        state = self._blocks[event.index]
        return self._say(state, event.text) if event.text and state.item is not None else b""

    def _think(self, event: ir.ThinkDelta) -> bytes:
        if event.candidate:
            return b""
        self._fold.add(event)
        return self._think_more(self._blocks[event.index], event.text, event.part)

    def _think_more(self, state: _Block, text: str, part: int | None) -> bytes:
        """Return the bytes of a delta of thinking, and before it the events that end the open part and begin
        the new one, if the delta does not continue the open part. part: the index of the part in the model's
        summary, None = the raw text. If `Draft.summarised` is set, the raw text is sent as the first summary
        part.
        """
        out = b""
        assert state.item is not None
        if part is not None:
            part += state.before
        elif self._draft.summarised:
            part, state.before = 0, 1
        if part != state.part or not state.words:
            out = self._end_thought(state)
            state.part = part
            name, holder, kind = self._thought(part)
            index = {"content_index": 0} if part is None else {"summary_index": part}
            state.place = {**state.item.place, **index}
            out += self._event(f"{holder}.added", {**state.place, "part": {"type": kind, "text": ""}})
            self._frame(state, f"{name}.delta", b"}")
        state.words.append(text)
        return out + self._say(state, text)

    def _thought(self, part: int | None) -> tuple[str, str, str]:
        """Return names in the events of thinking: (the beginning of the names of its text events, the
        beginning of the names of its part events, the type of the part). part: the index of the summary part,
        None = the raw text.
        """
        if part is None:
            return self._reasoning, "response.content_part", "reasoning_text"
        return "response.reasoning_summary_text", "response.reasoning_summary_part", "summary_text"

    def _end_thought(self, state: _Block) -> bytes:
        if not state.words:
            return b""
        text = "".join(state.words)
        state.words = []
        self._share(text)
        name, holder, kind = self._thought(state.part)
        done = self._event(f"{name}.done", {**state.place, "text": text})
        return done + self._event(f"{holder}.done", {**state.place, "part": {"type": kind, "text": text}})

    def _content(self, event: ir.SealDelta | ir.MediaDelta) -> bytes:
        """Always b"": seals and the content of media are not sent in deltas. What the client gets of them
        comes with the end of the block.
        """
        if not event.candidate:
            self._fold.add(event)
        return b""

    _seal = _media = _content

    def _cite(self, event: ir.Cite) -> bytes:
        if event.candidate:
            return b""
        if (state := self._blocks.get(event.index)) is not None:
            begun = b""
            if state.item is None and isinstance(state.block, ir.Text):
                begun = self._open_part(event.index, state.block)
            return begun + self._keep(event)
        where, told = f"candidates[0].blocks[{event.index}].citations", self._ended.get(event.index)
        if told is None:
            self._report.lose(where, "the citation came after its message was complete", "quality")
            return b""
        return self._cite_late(told, event.citation, where)

    def _cite_late(self, told: _Block, citation: ir.Citation, where: str) -> bytes:
        """Return the bytes of an event with a citation of a part whose end was already sent; b"" if no
        annotation can hold the citation, which is reported as lost. The end of the item will hold the
        citation, too. told: the block of this part. where: the IR path of the block's citations.
        """
        assert told.item is not None
        part = told.item.parts[told.place["content_index"]]
        annotation = encode_citation(citation, part["text"], self._draft, where)
        if annotation is msgspec.UNSET:
            return b""
        part["annotations"].append(annotation)
        members = {"annotation_index": len(part["annotations"]) - 1, "annotation": annotation}
        return self._event("response.output_text.annotation.added", {**told.place, **members})

    # --- Blocks end --------------------------------------------------------------------------------

    def _close(self, event: ir.Close) -> bytes:
        if not event.candidate:
            self._fold.add(event)
            self._blocks[event.index].closed = True
        return b""

    def _settle(self, following: ir.Block | None) -> bytes:
        """Return the bytes that end all blocks whose Close event has come. They also end the open message,
        unless one of its blocks is open, or `following` is a part of this message. following: the next block;
        None = an item of this protocol alone follows (`_raw`), or the answer ends.
        """
        waiting = [index for index, state in self._blocks.items() if state.closed]
        waiting.sort(
            key=lambda index: self._blocks[index].item is None
        )  # begun items end before others begin
        out = b"".join([self._end_block(index, last=index == waiting[-1]) for index in waiting])
        message = self._message
        if message is None or any(state.item is message for state in self._blocks.values()):
            return out
        if following is not None and is_part(following) and _same_item(item_of_block(following), message.of):
            return out
        self._message = None
        self._ended.clear()
        return out + self._end_message(message)

    def _end_block(self, index: int, *, last: bool) -> bytes:
        self._last_item = last
        state, where = self._blocks.pop(index), f"candidates[0].blocks[{index}]"
        final = self._fold.block(index)
        self._share(*msgspec.structs.astuple(final))
        if state.item is None and isinstance(final, ir.Text):  # it stayed empty
            if final.sealed is not None:
                self._draft.leave_seal(where)
            return b""
        if state.item is None:
            return self._end_whole(index, final, where)
        if isinstance(final, ir.Text):
            self._ended[index] = state
        return _ENDS[type(state.block)](self, state, final, where)

    def _end_text(self, state: _Block, final: Any, where: str) -> bytes:
        assert state.item is not None
        out = self._say_all(state, final.text)
        part = encode_part(final, self._draft, where, said=True) or {}
        for number, annotation in enumerate(part.get("annotations", ())):
            members = {**state.place, "annotation_index": number, "annotation": annotation}
            out += self._event("response.output_text.annotation.added", members)
        if isinstance(final, ir.Text):
            told = {**state.place, "text": final.text, "logprobs": part.get("logprobs", [])}
            out += self._event("response.output_text.done", told)
        else:
            out += self._event("response.refusal.done", {**state.place, "refusal": final.text})
        state.item.parts[state.place["content_index"]] = part
        state.item.of = item_of_block(final)
        return out + self._event("response.content_part.done", {**state.place, "part": part})

    def _end_message(self, item: _Item) -> bytes:
        head = encode_head(_named(item, item.of), self._draft, "candidates[0]")
        return self._item_done(item.number, {**head, "content": item.parts})

    def _end_call(self, state: _Block, final: Any, where: str) -> bytes:
        wire = self._final(state, final, where)
        word, member = _ARGUMENTS[wire["type"]]
        out = self._say_all(state, wire[member])
        names = {"name": wire["name"]} if wire["type"] == "function_call" else {}
        out += self._event(f"response.{word}.done", {**state.place, **names, member: wire[member]})
        assert state.item is not None
        return out + self._item_done(state.item.number, wire)

    def _end_thinking(self, state: _Block, final: Any, where: str) -> bytes:
        out = b""
        if not state.said:
            for part, text in ((None, final.text), *enumerate(final.summary)):
                out += self._think_more(state, text, part) if text else b""
        out += self._end_thought(state)
        assert state.item is not None
        return out + self._item_done(state.item.number, self._final(state, final, where))

    def _final(self, state: _Block, final: Any, where: str) -> _Wire:
        assert state.item is not None
        of = _named(state.item, final.item)
        return encode_item(msgspec.structs.replace(final, item=of), self._draft, where) or {}

    def _end_whole(self, index: int, final: ir.Block, where: str) -> bytes:
        """Return the bytes of a block that was not sent in deltas: a part of the open or a new message, or an
        item, with its start unless this was sent before. b"", with a reported loss, if nothing can hold the
        block. index: the block's number. final: the block, complete. where: its IR path.
        """
        block = final if self._draft.own else shown(final, self._report, where)
        if is_part(block):
            of = item_of_block(block)
            if self._message is None or _same_item(of, self._message.of):
                return self._whole_part(index, block, where)
            part = encode_part(block, self._draft, where, said=True)
            if part is None:
                return b""
            wire = {**encode_head(of, self._draft, where), "content": [part]}
        else:
            item = encode_item(block, self._draft, where)
            if item is None:
                return b""
            wire = item
        self._share(*wire.values())
        number = self._announced.pop(str(wire.get("id")), None)
        out = b""
        if number is None:
            begun = {**wire, "status": "in_progress"} if "status" in wire else dict(wire)
            if "result" in begun:  # a picture is not sent twice
                begun["result"] = None
            number = self._next()
            out = self._event("response.output_item.added", {"output_index": number, "item": begun})
        return out + self._item_done(number, wire)

    def _whole_part(self, index: int, block: ir.Block, where: str) -> bytes:
        """Return the bytes of a whole part of the open message; if none is open, a message is begun. A text
        is sent as one delta, if it is not empty. b"", with a reported loss, if no part can hold the block.
        """
        if isinstance(block, ir.Text):
            empty = msgspec.structs.replace(block, text="")
            begun = self._open_part(index, empty)
            return begun + self._end_text(self._blocks.pop(index), block, where)
        part = encode_part(block, self._draft, where, said=True)
        if part is None:
            return b""
        self._share(*part.values())
        item, out = self._open_message(index, block)
        place = {**item.place, "content_index": len(item.parts)}
        item.parts.append(part)
        begun = self._event("response.content_part.added", {**place, "part": part})
        return out + begun + self._event("response.content_part.done", {**place, "part": part})

    def _item_done(self, number: int, wire: _Wire) -> bytes:
        if self._unfinished and self._last_item:
            leave_incomplete(wire)
        self._output[number] = wire
        return self._event("response.output_item.done", {"output_index": number, "item": wire})


def _named(announced: _Item, of: ir.Item | None) -> ir.Item:
    """Return the final `ir.Item` of an item that was announced. of: the `ir.Item` that is known at the end of
    the item; None = none is known. If `of` is None or has no id, the result has the id of the announced item.
    """
    if of is None or of.id is None:
        return msgspec.structs.replace(of or ir.Item(), id=announced.wire.get("id"))
    return of


def _same_item(one: ir.Item | None, other: ir.Item | None) -> bool:
    """Whether two parts belong to one message: both have no `ir.Item`, or the same id, or `one` has no id and
    both are equal. one, other: the `ir.Item` of each part.
    """
    if one is None or other is None:
        return one is other
    return one.id == other.id if one.id is not None else one == other


_ARGUMENTS: Final = {
    "function_call": ("function_call_arguments", "arguments"),
    "custom_tool_call": ("custom_tool_call_input", "input"),
}
"""Item type -> (the word in the names of its argument events, the member with the arguments)."""
_ENDS: Final[dict[type, Callable[[ResponsesEncoder, _Block, Any, str], bytes]]] = {
    ir.Text: ResponsesEncoder._end_text,
    ir.Refusal: ResponsesEncoder._end_text,
    ir.ToolCall: ResponsesEncoder._end_call,
    ir.Thinking: ResponsesEncoder._end_thinking,
}
