"""Encodes IR events as a stream of ConverseStream.

Blocks do not overlap, because some clients know only one call at a time: a block waits until the one before
it has ended (`in_sequence`). Then text, reasoning and the arguments of calls are written as they come.
Signatures, redacted reasoning and all other blocks are written when the block ends.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.bedrock.block_encoder import (
    Scope,
    call_type,
    encode_block,
    encode_citation,
    encode_signature,
)
from dragoman.dialects.bedrock.errors import exception_of
from dragoman.dialects.bedrock.response import encode_stop, encode_tier, lose_head, with_id
from dragoman.dialects.bedrock.terms import API, NAME, restore
from dragoman.dialects.bedrock.usage import encode_usage
from dragoman.dialects.event_encoder import EventEncoder, lose_event
from dragoman.dialects.in_sequence import InSequence
from dragoman.dialects.reply import Reply
from dragoman.wire.eventstream import event, exception

_json: Final = msgspec.json.Encoder().encode
_LIVE: Final = (ir.Text, ir.Refusal, ir.Thinking, ir.ToolCall)
_IN_STOP: Final = "additionalModelResponseFields"
_BETWEEN_PARTS: Final = "\n\n"
_MESSAGE: Final = "output.message."


class _Block(msgspec.Struct):
    """A block that is open. block: as it opened; later with the latest seal of thinking. fold: collects the
    block until it ends, because it is written then or left out; None = its deltas are written at once. said:
    True = a part of the block was written, or the block is left out. part: the summary part of reasoning that
    was written last. cited: the number of citations so far.
    """

    block: ir.Block
    fold: ir.Fold | None = None
    said: bool = False
    part: int | None = None
    cited: int = 0


class BedrockEncoder(EventEncoder):
    """Encodes the IR events of one response to a client's stream."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._report = reply.report
        self._own = False
        self._scope = Scope(reply.report, own=False, answer=True)
        self._blocks = InSequence()
        self._open_blocks: dict[int, _Block] = {}
        self._stop: ir.Stop | None = None
        self._finished = self._called = self._over = False
        self._usage: ir.Usage | None = None
        self._late: dict[str, Any] = {}
        self._tier: str | None = None

    def feed(self, event: ir.Event) -> bytes:
        """Return the bytes for the client after one IR event; b"" = nothing is written now, or the stream has
        ended. Further candidates give no bytes, and are reported as lost.
        """
        if self._over or getattr(event, "candidate", 0) > 0:
            if isinstance(event, ir.Open):
                where = f"candidates[{event.candidate}]"
                self._report.lose(where, f"a response of {API} has only one candidate", "meaning")
            return b""
        return self._blocks.feed(event, self._write) if type(event) in ir.CONTENT else self._write(event)

    def _write(self, event: ir.Event) -> bytes:
        return self._table[type(event)](self, event)

    # --- The message -----------------------------------------------------------------------------

    def _start(self, event_: ir.Start) -> bytes:
        self._own = event_.dialect == NAME
        self._scope = Scope(self._report, self._own, answer=True)
        self._usage, self._tier = event_.usage, event_.tier
        lose_head(event_, self._report)
        self._keep(event_.extra)
        return event("messageStart", b'{"role":"assistant"}')

    def _keep(self, extra: ir.Extra) -> None:
        restore(self._late, extra, self._report, "")

    def _more(self, event_: ir.More) -> bytes:
        self._tier = event_.tier or self._tier
        self._keep(event_.extra)
        return b""

    def _tally(self, event_: ir.Tally) -> bytes:
        self._usage = event_.usage
        return b""

    def _finish(self, event_: ir.Finish) -> bytes:
        self._stop = event_.stop
        restore({}, event_.extra, self._report, "candidates[0]")
        return b""

    def _end(self, event_: ir.End) -> bytes:
        if event_.error is not None:
            return self._fail(event_.error)
        self._over = True
        if event_.status is not None:
            self._report.lose("status", f"{API} has no such field", "hint")
        self._keep(event_.extra)
        stop: dict[str, Any] = {
            "stopReason": encode_stop(self._stop, self._report, own=self._own, called=self._called)
        }
        if _IN_STOP in self._late:
            stop[_IN_STOP] = self._late.pop(_IN_STOP)
        last: dict[str, Any] = {}
        if self._usage is not None or not self._own:
            last["usage"] = encode_usage(self._usage or ir.Usage(), self._report, own=self._own)
            if self._usage is None:
                self._report.add("usage", "clients require the number of tokens")
        if not self._own:
            last["metrics"] = {"latencyMs": int(self._reply.elapsed * 1000)}
        encode_tier(self._tier, last, self._report, own=self._own)
        last |= {key: value for key, value in self._late.items() if not key.startswith(_MESSAGE)}
        return event("messageStop", _json(stop)) + (event("metadata", _json(last)) if last else b"")

    def _error(self, event_: ir.Error) -> bytes:
        return self._fail(event_.fault)

    def _fail(self, fault: ir.Fault) -> bytes:
        self._over = True
        return exception(*exception_of(fault))

    def _ping(self, event_: ir.Ping) -> bytes:
        return b""

    def _raw(self, event_: ir.Raw) -> bytes:
        if event_.dialect != NAME:
            return lose_event(event_, self._report)
        return b"".join(event(kind, _json(value)) for kind, value in event_.value.items())

    # --- Blocks ----------------------------------------------------------------------------------

    def _open(self, event_: ir.Open) -> bytes:
        index, block = event_.index, with_id(event_.block, event_.index, self._reply)
        state = self._open_blocks[index] = _Block(block)
        if not isinstance(block, _LIVE) or (isinstance(block, ir.Thinking) and block.redacted):
            state.fold = ir.Fold()
            state.fold.add(ir.Start(NAME))
            state.fold.add(ir.Open(0, block))
            return b""
        if isinstance(block, ir.ToolCall):
            return self._open_call(index, state, block)
        text = _text_of(block)
        out = self._say(index, state, text) if text else b""
        for citation in getattr(block, "citations", ()):
            out += self._cited(index, state, citation)
        # Told at once, because a stream that breaks off does not close its blocks.
        if getattr(block, "sealed", None) is not None and not isinstance(block, ir.Thinking):
            self._lose_seal(index)
        restore({}, getattr(block, "extra", None), self._report, self._where(index))
        return out

    def _open_call(self, index: int, state: _Block, block: ir.ToolCall) -> bytes:
        wire = encode_block(msgspec.structs.replace(block, arguments=""), self._scope, self._where(index))
        if wire is None:
            state.fold = ir.Fold()  # nothing of it is written
            state.fold.add(ir.Start(NAME))
            state.fold.add(ir.Open(0, block))
            state.said = True
            return b""
        self._called = self._called or block.by == "client"
        start: dict[str, Any] = {"toolUseId": block.id, "name": block.name}
        if (kind := call_type(block, self._scope)) is not None:
            start["type"] = kind
        value = {"start": {"toolUse": start}, "contentBlockIndex": index}
        out = event("contentBlockStart", _json(value))
        return out + (self._say(index, state, block.arguments) if block.arguments else b"")

    def _where(self, index: int) -> str:
        return f"candidates[0].blocks[{index}]"

    def _delta(self, index: int, delta: dict[str, Any]) -> bytes:
        return event("contentBlockDelta", _json({"delta": delta, "contentBlockIndex": index}))

    def _say(self, index: int, state: _Block, text: str) -> bytes:
        state.said = True
        if isinstance(state.block, ir.Thinking):
            return self._delta(index, {"reasoningContent": {"text": text}})
        if isinstance(state.block, ir.ToolCall):
            return self._delta(index, {"toolUse": {"input": text}})
        return self._delta(index, {"text": text})

    def _grow(self, event_: Any) -> bytes:
        state = self._open_blocks[event_.index]
        if state.fold is not None:
            state.fold.add(msgspec.structs.replace(event_, index=0))
            return b""
        if getattr(event_, "logprobs", None) is not None:
            place = f"{self._where(event_.index)}.logprobs"
            self._report.lose(place, f"{API} has no log probabilities", "hint")
        text: str = event_.text
        part = getattr(event_, "part", None)
        if part != state.part and state.said:
            text = _BETWEEN_PARTS + text
        state.part = part
        return self._say(event_.index, state, text) if text else b""

    _text = _refuse = _arguments = _think = _grow

    def _media(self, event_: ir.MediaDelta) -> bytes:
        state = self._open_blocks[event_.index]
        if state.fold is not None:
            state.fold.add(msgspec.structs.replace(event_, index=0))
        return b""

    def _seal(self, event_: ir.SealDelta) -> bytes:
        state = self._open_blocks[event_.index]
        if state.fold is not None:
            state.fold.add(msgspec.structs.replace(event_, index=0))
            return b""
        if isinstance(state.block, ir.Thinking):
            return self._sign(event_.index, state, event_.sealed)
        self._lose_seal(event_.index)
        return b""

    def _lose_seal(self, index: int) -> None:
        why = f"encrypted reasoning of another provider cannot be sent to {API}"
        self._report.lose(f"{self._where(index)}.sealed", why, "quality")

    def _sign(self, index: int, state: _Block, sealed: ir.Sealed) -> bytes:
        # A seal replaces an earlier one; the wire appends, so only the last is written, at the end.
        state.block = msgspec.structs.replace(state.block, sealed=sealed)
        return b""

    def _cite(self, event_: ir.Cite) -> bytes:
        if (state := self._open_blocks.get(event_.index)) is None:
            why = "the citation came after its text block was complete"
            self._report.lose(f"{self._where(event_.index)}.citations", why, "quality")
            return b""
        return self._cited(event_.index, state, event_.citation)

    def _cited(self, index: int, state: _Block, citation: ir.Citation) -> bytes:
        wire = encode_citation(citation, self._scope, f"{self._where(index)}.citations[{state.cited}]")
        state.cited += 1
        return b"" if wire is msgspec.UNSET else self._delta(index, {"citation": wire})

    def _close(self, event_: ir.Close) -> bytes:
        index = event_.index
        state = self._open_blocks.pop(index)
        if state.fold is not None:
            if state.said:
                return b""
            whole = event_.block or state.fold.block(0)
            out = self._whole(index, whole)
            return out + self._stopped(index) if out else b""
        final = event_.block
        out = b""
        if final is not None and not state.said and (text := _text_of(final)):
            out = self._say(index, state, text)
        sealed = getattr(final, "sealed", None) or getattr(state.block, "sealed", None)
        if isinstance(state.block, ir.Thinking) and sealed is not None:
            signature = encode_signature(sealed, self._scope)
            out += self._delta(index, {"reasoningContent": {"signature": signature}})
            state.said = True
        elif sealed is not None:
            self._lose_seal(index)
        if (extra := getattr(final, "extra", None)) is not None:
            restore({}, extra, self._report, self._where(index))
        if not out and not state.said and not isinstance(state.block, ir.ToolCall):
            if not self._own:
                return b""
            out = self._say(index, state, "")
        return out + self._stopped(index)

    def _stopped(self, index: int) -> bytes:
        return event("contentBlockStop", _json({"contentBlockIndex": index}))

    def _whole(self, index: int, block: ir.Block) -> bytes:
        """Return the events of a block that is written when it ends, without `contentBlockStop`; b"" = the
        block is left out. Reports what is lost of the block. index: the block's number.
        """
        wire = encode_block(block, self._scope, self._where(index))
        if wire is None:
            return b""
        ((kind, value),) = list(wire.items())[:1]
        if kind == "reasoningContent":
            return self._delta(index, {"reasoningContent": value})
        if kind == "toolResult":
            value = dict(value)
            content = value.pop("content")
            start = {"start": {"toolResult": value}, "contentBlockIndex": index}
            return event("contentBlockStart", _json(start)) + self._delta(index, {"toolResult": content})
        if kind == "text":
            return self._delta(index, {"text": value})
        if kind == "image":
            start = {"start": {"image": {"format": value.get("format")}}, "contentBlockIndex": index}
            return event("contentBlockStart", _json(start)) + self._delta(
                index, {"image": {"source": value.get("source")}}
            )
        start = {"start": wire, "contentBlockIndex": index}
        return event("contentBlockStart", _json(start))


def _text_of(block: ir.Block) -> str:
    if isinstance(block, ir.Thinking):
        return block.text or _BETWEEN_PARTS.join(block.summary)
    if isinstance(block, ir.ToolCall):
        return block.arguments
    return block.text if isinstance(block, ir.Text | ir.Refusal) else ""
