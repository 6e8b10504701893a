"""Encodes streams: IR events to the bytes for Anthropic's clients.

Blocks must not overlap in this protocol, so they are written one after the other. The stop reason and the
final usage are sent at the end. Each event has an `event:` line, because the official clients skip events
without it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.anthropic.block_encoder import Scope, encode_block, encode_citation, encode_seal
from dragoman.dialects.anthropic.errors import error_body
from dragoman.dialects.anthropic.response import ONE_CANDIDATE, answer_id, encode_stop, encode_tier, with_id
from dragoman.dialects.anthropic.terms import NAME, restore
from dragoman.dialects.anthropic.usage import encode_usage
from dragoman.dialects.event_encoder import EventEncoder, lose_event
from dragoman.dialects.in_sequence import InSequence
from dragoman.dialects.reply import Reply

_dumps = msgspec.json.Encoder().encode

PING = b'event: ping\ndata: {"type":"ping"}\n\n'
_END = b"}}\n\n"
_DELTA = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,"delta":{"type":"%b":'
_BLOCK_STOP = b'event: content_block_stop\ndata: {"type":"content_block_stop","index":%d}\n\n'
_BETWEEN_PARTS = "\n\n"
_IN_DELTA = frozenset({"container"})
"""Leftovers of `ir.More` that are written into `message_delta.delta`. All other leftovers are written beside
`delta`."""


def _event(name: str, value: dict[str, Any]) -> bytes:
    return b"event: %b\ndata: %b\n\n" % (name.encode(), _dumps(value))


class _Block(msgspec.Struct):
    """The block that is being streamed.

    index: its index in the IR. number: its index in the client's stream. block: the block as it was when its
    start was sent, without later deltas. delta: the bytes of the block's usual delta before the text.
    started: True = its start was sent. silent: True = this protocol cannot express it, so nothing of it is
    sent. said: True = some of its text or arguments was sent. sealed: the signature that was sent; None =
    none was sent. part: the number of the latest part of a reasoning summary; None = no part has a number.
    fold: collects the pieces of a medium (an image, audio) of another dialect, which is sent when it is
    complete; None = the block is not such a medium. cited: the number of citations that came after the block
    was opened.
    """

    index: int
    number: int
    block: ir.Block
    delta: bytes
    started: bool = False
    silent: bool = False
    said: bool = False
    sealed: str | None = None
    part: int | None = None
    fold: ir.Fold | None = None
    cited: int = 0


_GROWS = (ir.Text, ir.Refusal, ir.Thinking)
_KINDS: dict[type, bytes] = {
    ir.Text: b'text_delta","text',
    ir.Refusal: b'text_delta","text',
    ir.Thinking: b'thinking_delta","thinking',
    ir.ToolCall: b'input_json_delta","partial_json',
    ir.Media: b'text_delta","text',  # audio is sent as its transcript
    ir.Json: b'text_delta","text',
}


class AnthropicEncoder(EventEncoder):
    """Encodes the IR events of one answer to a client's stream."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._report = reply.report
        self._own = False
        self._scope = Scope(reply.report, own=False, answer=True)
        self._state = "new"
        self._current: _Block | None = None
        self._blocks = InSequence()
        self._number = 0
        self._called = False
        self._stop: ir.Stop | None = None
        self._usage: ir.Usage | None = None
        self._tier: str | None = None
        self._late: dict[str, Any] = {}

    def feed(self, event: ir.Event) -> bytes:
        """Return the bytes for the client after one IR event; b"" = nothing is sent now."""
        if self._state == "over":
            return b""
        return self._table[type(event)](self, event)

    # --- The message -----------------------------------------------------------------------------

    def _start(self, event: ir.Start) -> bytes:
        self._state = "begun"
        self._own = event.dialect == NAME
        self._scope = Scope(self._report, self._own, answer=True)
        reply = self._reply
        usage = {"input_tokens": 0, "output_tokens": 0}
        if event.usage is not None:
            self._usage = event.usage
            usage = encode_usage(event.usage, self._report, own=self._own)
        encode_tier(event.tier, usage, self._report, own=self._own)
        message: dict[str, Any] = {
            "id": answer_id(event.id, reply, own=self._own),
            "type": "message",
            "role": "assistant",
            "model": reply.model or event.model or reply.request.model or "",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": usage,
        }
        restore(message, event.extra, self._report, "")
        return _event("message_start", {"type": "message_start", "message": message})

    def _finish(self, event: ir.Finish) -> bytes:
        if event.candidate == 0:
            self._stop = event.stop
        restore({}, event.extra, self._report, f"candidates[{event.candidate}]")
        return b""

    def _tally(self, event: ir.Tally) -> bytes:
        self._usage = event.usage
        return b""

    def _more(self, event: ir.More) -> bytes:
        restore(self._late, event.extra, self._report, "")
        if event.tier is not None:
            self._tier = event.tier
        return b""

    def _end(self, event: ir.End) -> bytes:
        if event.error is not None:
            return self._fail(event.error)
        self._state = "over"
        if event.status is not None:
            self._report.lose("status", "the Messages API has no such field", "hint")
        usage = encode_usage(self._usage, self._report, own=self._own)
        encode_tier(self._tier, usage, self._report, own=self._own)
        delta = encode_stop(self._stop, self._report, own=self._own, called=self._called)
        last: dict[str, Any] = {"type": "message_delta", "delta": delta, "usage": usage}
        for key, value in self._late.items():
            (delta if key in _IN_DELTA else last)[key] = value
        stop = {"type": "message_stop"}
        restore(stop, event.extra, self._report, "")
        return _event("message_delta", last) + _event("message_stop", stop)

    def _error(self, event: ir.Error) -> bytes:
        return self._fail(event.fault)

    def _fail(self, fault: ir.Fault) -> bytes:
        self._state = "over"
        return _event("error", error_body(fault))

    def _ping(self, event: ir.Ping) -> bytes:
        return PING

    def _raw(self, event: ir.Raw) -> bytes:
        if event.dialect != NAME:
            return lose_event(event, self._report)
        return _event(str(event.value.get("type")), event.value)

    # --- Blocks ----------------------------------------------------------------------------------

    def _open(self, event: ir.Open) -> bytes:
        if event.candidate:
            self._report.lose(f"candidates[{event.candidate}]", ONE_CANDIDATE, "meaning")
            return b""
        return self._blocks.feed(event, self._write)

    def _write(self, event: Any) -> bytes:
        """Return the bytes of an event of the block that is being streamed, or is to be streamed now."""
        kind = type(event)
        write: Callable[[AnthropicEncoder, Any], bytes] = _WRITTEN.get(kind) or self._table[kind]
        return write(self, event)

    def _begun(self, event: ir.Open) -> bytes:
        """Return the bytes of a block's beginning; b"" = they are sent later, or never."""
        block = event.block
        state = _Block(
            event.index, self._number, block, _DELTA % (self._number, _KINDS.get(type(block), b""))
        )
        self._current = state
        if not self._own and isinstance(block, _GROWS) and not _is_whole(block):
            return b""  # started later, with its first text: the API refuses empty blocks in a history
        if not self._own and isinstance(block, ir.Media):
            state.fold = ir.Fold()
            state.fold.add(ir.Start(NAME))
            state.fold.add(ir.Open(0, block))
            return b""
        return self._begin(state)

    def _begin(self, state: _Block) -> bytes:
        """Return the bytes of the start of a block and of its content so far; b"" = this protocol cannot
        express the block.
        """
        block = state.block
        where = f"candidates[0].blocks[{state.index}]"
        wire = encode_block(with_id(block, state.index, self._reply), self._scope, where)
        if isinstance(block, _GROWS) and not (isinstance(block, ir.Thinking) and block.redacted):
            return self._begin_text(state, block, wire)
        if wire is None:
            state.silent = True
            return b""
        if wire.get("type") == "text":
            return self._begin_text(state, block, wire)
        state.started = True
        rest = b""
        if isinstance(block, ir.ToolCall):
            self._called = self._called or wire.get("type") == "tool_use"
            wire["input"] = {}
            if block.arguments:
                state.said = True
                rest = state.delta + _dumps(block.arguments) + _END
        return self._block_start(state, wire) + rest

    def _begin_text(self, state: _Block, block: ir.Block, wire: dict[str, Any] | None) -> bytes:
        """Return the bytes of the start of a text or thinking block, which is empty, and of deltas with its
        content so far. wire: the encoded block with this content, which is changed; None = there is none to
        write yet.
        """
        state.started = True
        member = "thinking" if isinstance(block, ir.Thinking) else "text"
        wire = {"type": member} if wire is None else wire
        words = wire.get(member, "")
        citations = wire.pop("citations", ())
        signature = wire.get("signature", "")
        wire |= {member: "", "signature": ""} if member == "thinking" else {member: ""}
        out = self._block_start(state, wire)
        if words:
            state.said = True
            out += state.delta + _dumps(words) + _END
        for citation in citations:
            out += self._citation(state, citation)
        return out + (self._signature(state, signature) if signature else b"")

    def _block_start(self, state: _Block, wire: dict[str, Any]) -> bytes:
        value = {"type": "content_block_start", "index": state.number, "content_block": wire}
        return _event("content_block_start", value)

    def _text(self, event: ir.TextDelta | ir.RefusalDelta) -> bytes:
        state = self._current
        if state is None or state.index != event.index or event.candidate:
            return self._elsewhere(event)
        if event.logprobs is not None:
            where = f"candidates[0].blocks[{event.index}].logprobs"
            self._report.lose(where, "the Messages API has no log probabilities", "hint")
        if state.said:
            return state.delta + _dumps(event.text) + _END
        return self._first(state, event.text)

    _refuse = _text

    def _first(self, state: _Block, text: str) -> bytes:
        """Return the bytes of the first text or arguments of a block, and of the block's start if it was not
        sent before. b"" if the text is empty, or if nothing of the block is sent (`silent`).
        """
        if state.silent or not text:
            return b""
        if not state.started:
            return self._begin_with(state, text=text)
        state.said = True
        return state.delta + _dumps(text) + _END

    def _begin_with(self, state: _Block, **content: Any) -> bytes:
        state.block = msgspec.structs.replace(state.block, **content)
        return self._begin(state)

    def _arguments(self, event: ir.ArgsDelta) -> bytes:
        state = self._current
        if state is None or state.index != event.index or event.candidate:
            return self._elsewhere(event)
        if state.said:
            return state.delta + _dumps(event.text) + _END
        return self._first(state, event.text)

    def _think(self, event: ir.ThinkDelta) -> bytes:
        state = self._current
        if state is None or state.index != event.index or event.candidate:
            return self._elsewhere(event)
        text = event.text
        if event.part != state.part:
            state.part = event.part
            if state.said:
                text = _BETWEEN_PARTS + text
        if state.said:
            return state.delta + _dumps(text) + _END
        return self._first(state, text)

    def _seal(self, event: ir.SealDelta) -> bytes:
        state = self._current
        if state is None or state.index != event.index or event.candidate:
            return self._elsewhere(event)
        if state.fold is not None:
            state.fold.add(msgspec.structs.replace(event, index=0))
            return b""
        if not isinstance(state.block, ir.Thinking):
            where = f"candidates[0].blocks[{event.index}].sealed"
            self._report.lose(
                where, "encrypted reasoning of another provider cannot be sent to the Messages API", "quality"
            )
            return b""
        if not state.started:
            return self._begin_with(state, sealed=event.sealed)
        return self._signature(state, encode_seal(event.sealed, answer=True) or "")

    def _signature(self, state: _Block, signature: str) -> bytes:
        state.sealed = signature
        return _DELTA % (state.number, b'signature_delta","signature') + _dumps(signature) + _END

    def _cite(self, event: ir.Cite) -> bytes:
        state = self._current
        if state is None or state.index != event.index or event.candidate:
            return self._elsewhere(event)
        number = len(getattr(state.block, "citations", ())) + state.cited
        where = f"candidates[0].blocks[{event.index}].citations[{number}]"
        state.cited += 1
        citation = encode_citation(event.citation, self._scope, where)
        if citation is msgspec.UNSET:
            return b""
        start = b"" if state.started else self._begin_text(state, state.block, None)
        return start + self._citation(state, citation)

    def _citation(self, state: _Block, citation: Any) -> bytes:
        return _DELTA % (state.number, b'citations_delta","citation') + _dumps(citation) + _END

    def _media(self, event: ir.MediaDelta) -> bytes:
        state = self._current
        if state is None or state.index != event.index or event.candidate:
            return self._elsewhere(event)
        if state.fold is not None:
            state.fold.add(msgspec.structs.replace(event, index=0))
        return b""

    def _elsewhere(self, event: Any) -> bytes:
        """Take an event of a block that is not being streamed, and return b"". If the block waits, the event
        is held back. If the block has ended, a citation is reported as lost, and any other event is ignored.
        An event of another candidate is ignored.
        """
        # Another candidate was reported when its block was opened.
        return b"" if event.candidate else self._blocks.feed(event, self._unheld)

    def _unheld(self, event: Any) -> bytes:
        """Take an event of a block that has ended: report a citation as lost, and ignore any other event."""
        if type(event) is ir.Cite:
            where = f"candidates[0].blocks[{event.index}].citations"
            self._report.lose(where, "the citation came after its text block was complete", "quality")
        return b""

    def _close(self, event: ir.Close) -> bytes:
        return b"" if event.candidate else self._blocks.feed(event, self._write)

    def _ended(self, event: ir.Close) -> bytes:
        """Return the bytes of a block's end, and of its content that was not sent before."""
        state = self._current
        if state is None or state.index != event.index:
            return b""  # it was closed before
        out = b""
        if state.fold is not None:
            state.block = event.block or state.fold.block(0)
            out = self._begin(state)
        out += self._last_words(state, event.block)
        if state.started:
            out += _BLOCK_STOP % state.number
            self._number += 1
        elif not state.silent:  # an empty block is not sent, but its losses are reported
            encode_block(event.block or state.block, self._scope, f"candidates[0].blocks[{state.index}]")
        self._current = None
        return out

    def _last_words(self, state: _Block, final: ir.Block | None) -> bytes:
        """Return the last bytes of a block before its end: the content that is only in `final`, the block's
        final form, and was not sent before. final: None = the block has no final form.

        Thinking of another dialect without a signature also gets a delta with an empty signature.
        """
        out = b""
        if final is not None and not state.silent:
            out = _FINAL[type(final)](self, state, final) if type(final) in _FINAL else b""
            extra = getattr(final, "extra", None)
            if extra is not None and state.started:
                restore({}, extra, self._report, f"candidates[0].blocks[{state.index}]")
        if isinstance(state.block, ir.Thinking) and state.started and not self._own and state.sealed is None:
            out += self._signature(state, "")
        return out

    def _final_text(self, state: _Block, final: ir.Text | ir.Refusal) -> bytes:
        return b"" if state.said else self._first(state, final.text)

    def _final_thinking(self, state: _Block, final: ir.Thinking) -> bytes:
        out = b"" if state.said else self._first(state, final.text or _BETWEEN_PARTS.join(final.summary))
        if final.sealed is not None and (encode_seal(final.sealed, answer=True) or "") != state.sealed:
            out += self._seal(ir.SealDelta(state.index, final.sealed))  # the last signature counts
        return out

    def _final_call(self, state: _Block, final: ir.ToolCall) -> bytes:
        return b"" if state.said else self._first(state, final.arguments)

    def _final_native(self, state: _Block, final: ir.Native) -> bytes:
        before = state.block.value if isinstance(state.block, ir.Native) else {}
        grown = {key: value for key, value in final.value.items() if before.get(key) != value}
        if not grown or not state.started:
            return b""
        value = {"type": f"{final.kind}_delta", **grown}
        whole = {"type": "content_block_delta", "index": state.number, "delta": value}
        return _event("content_block_delta", whole)


def _is_whole(block: ir.Text | ir.Refusal | ir.Thinking) -> bool:
    if isinstance(block, ir.Thinking):
        return bool(block.text or block.summary) or (block.redacted and block.sealed is not None)
    return bool(block.text)


_FINAL: dict[type, Callable[[AnthropicEncoder, _Block, Any], bytes]] = {
    ir.Text: AnthropicEncoder._final_text,
    ir.Refusal: AnthropicEncoder._final_text,
    ir.Thinking: AnthropicEncoder._final_thinking,
    ir.ToolCall: AnthropicEncoder._final_call,
    ir.Native: AnthropicEncoder._final_native,
}
_WRITTEN: dict[type, Callable[[AnthropicEncoder, Any], bytes]] = {
    ir.Open: AnthropicEncoder._begun,
    ir.Close: AnthropicEncoder._ended,
}
"""The methods for events that `_table` first gives to `InSequence`."""
