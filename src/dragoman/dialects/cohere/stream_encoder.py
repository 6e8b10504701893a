"""Encodes IR events as a stream of events for Cohere's clients.

A text is sent as a constant head, the text as JSON, and a constant tail. A call of a free-text tool, and
blocks that are neither thinking, a call nor written as text, are sent when they are complete. Blocks do not
overlap, because some clients know only one call at a time. Only the first candidate is sent. The finish
reason is sent with the usage, because the event `message-end` has both. A stream that fails ends with a
`message-end` that has an `error`, without `[DONE]`.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.saying import lose_unsaid, separated
from dragoman.dialects.chat.terms import text_of
from dragoman.dialects.cohere.citations import encode_citation
from dragoman.dialects.cohere.errors import error_members
from dragoman.dialects.cohere.logprobs import encode_logprob
from dragoman.dialects.cohere.parts import encode_part, shed
from dragoman.dialects.cohere.response import ONE_ANSWER, encode_stop, lose_beside, mint, shown_usage
from dragoman.dialects.cohere.saying import CITATIONS
from dragoman.dialects.cohere.terms import NAME, PLAN, narrower, restore
from dragoman.dialects.event_encoder import EventEncoder, lose_event
from dragoman.dialects.in_sequence import InSequence
from dragoman.dialects.reply import Reply
from dragoman.ir.fold import Fold
from dragoman.wire.sse import data, event

_json = msgspec.json.Encoder().encode
_PROSE: Final = frozenset({ir.Text, ir.Refusal, ir.Thinking, ir.Json})


class _Out:
    """One block of the response while it is sent.

    block: the IR block, as it was opened. where: its IR path. head, tail: the constant bytes before and after
    each text. part: its number in the content; None = it is the plan, or not in the content. call: its number
    among the calls; None = it is not a call, or is not sent yet. fold: collects a block that is sent when it
    is complete; None = its deltas are sent at once. said: the pieces of text or arguments that were sent.
    blank: the number of characters in `said` that the encoder has put before the block's text, to separate it
    from the text before. cites: the number of its citations that were sent. parts: the number of summary
    parts of reasoning that have begun.
    """

    __slots__ = ("blank", "block", "call", "cites", "fold", "head", "part", "parts", "said", "tail", "where")

    def __init__(self, block: Any, where: str) -> None:
        self.block = block
        self.where = where
        self.head = self.tail = b""
        self.part: int | None = None
        self.call: int | None = None
        self.fold: Fold | None = None
        self.said: list[str] = []
        self.blank = 0
        self.cites = 0
        self.parts = 1

    @property
    def text(self) -> str:
        """The text of this block that was sent so far, without the `blank` before it."""
        if len(self.said) > 1:
            self.said = ["".join(self.said)]
        return self.said[0][self.blank :] if self.said else ""


class CohereEncoder(EventEncoder):
    """Encodes the IR events of one response as server-sent events."""

    __slots__ = (
        *("_calls", "_cites", "_draft", "_last", "_once", "_outs", "_parts", "_reply"),
        *("_blocks", "_said", "_stop", "_usage", "_where"),
    )

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._draft = Draft(reply.report, answer=True)
        self._blocks = InSequence()
        self._outs: list[_Out] = []
        self._parts = self._calls = self._cites = 0
        self._last = ""  # the last text sent: a blank line separates another block's text
        self._said: dict[str, Any] = {}  # leftovers of the message
        self._once: dict[str, Any] = {}  # leftovers for the last event
        self._stop: ir.Stop | None = None
        self._usage: ir.Usage | None = None
        self._where = "candidates[0]"

    def feed(self, event: ir.Event) -> bytes:
        """Return the client's bytes for one IR event; b"" = there are none now. A candidate other than the
        first is reported as lost.
        """
        number = getattr(event, "candidate", 0)
        if number:
            self._draft.report.lose(f"candidates[{number}]", ONE_ANSWER)
            return b""
        return self._blocks.feed(event, self._write) if type(event) in ir.CONTENT else self._write(event)

    def _write(self, event: ir.Event) -> bytes:
        return self._table[type(event)](self, event)

    def _start(self, start: ir.Start) -> bytes:
        reply = self._reply
        self._draft = Draft(reply.report, own=start.dialect == NAME, answer=True)
        self._usage = start.usage
        lose_beside(start, self._draft)
        message = {"role": "assistant", "content": [], PLAN: "", "tool_calls": [], CITATIONS: []}
        out: dict[str, Any] = {"id": start.id if start.id is not None else reply.id, "type": "message-start"}
        out["delta"] = {"message": message}
        restore(out, start.extra, reply.report, "")
        return _sent(out)

    # Blocks ---------------------------------------------------------------------------------------

    def _open(self, opened: ir.Open) -> bytes:
        block = opened.block
        out = _Out(block, f"{self._where}.blocks[{opened.index}]")
        self._outs.append(out)
        if isinstance(block, ir.ToolCall) and block.kind != "custom" and block.by == "client":
            return self._open_call(out, block)
        if type(block) not in _PROSE:
            out.fold = Fold()
            out.fold.add(ir.Open(0, block))
            return b""
        if isinstance(block, ir.Text) and block.form == PLAN and self._draft.own:
            shed(block, self._draft, out.where)
            out.head = (
                b'event: tool-plan-delta\ndata: {"type":"tool-plan-delta","delta":{"message":{"tool_plan":'
            )
            out.tail = b"}}}\n\n"
            return self._initial(out, block)
        return self._open_prose(out, block)

    def _open_prose(self, out: _Out, block: Any) -> bytes:
        kind = "thinking" if isinstance(block, ir.Thinking) else "text"
        if (
            kind == "thinking"
            and not (block.text or block.summary)
            and block.redacted
            and not self._draft.own
        ):
            self._draft.report.lose(out.where, "the reasoning has no text to show", "hint")
        if isinstance(block, ir.Refusal):
            self._draft.report.change(out.where, "message.content", "the refusal is written as text")
        out.part = self._parts
        self._parts += 1
        content = {"type": kind, kind: ""}
        shed_into(content, block, self._draft, out.where)
        start = {"type": "content-start", "index": out.part, "delta": {"message": {"content": content}}}
        out.head = b'event: content-delta\ndata: {"type":"content-delta","index":%d,' % out.part
        out.head += b'"delta":{"message":{"content":{"%b":' % kind.encode()
        out.tail = b"}}}}\n\n"
        return _sent(start) + self._initial(out, block)

    def _initial(self, out: _Out, block: Any) -> bytes:
        """Return the events for the text and the citations that a block has already. Called when the block
        opens, and again at its end if no text of it was sent.
        """
        if isinstance(block, ir.Thinking):
            out.parts = max(len(block.summary), out.parts)
            text = block.text or "\n\n".join(block.summary)
            return self._words(out, text) if text else b""
        text = text_of(block.value) if isinstance(block, ir.Json) else block.text
        tokens = getattr(block, "logprobs", None)
        return (self._words(out, text, tokens) if text or tokens else b"") + self._cited(out, block)

    def _words(self, out: _Out, text: str, tokens: tuple[ir.Logprob, ...] | None = None) -> bytes:
        at = end = 0
        if text and not (out.said or self._draft.own or isinstance(out.block, ir.Thinking)):
            length, text = len(text), separated(self._last, text)
            out.blank = end = len(text) - length
        if text:
            out.said.append(text)
            if not isinstance(out.block, ir.Thinking):
                self._last = text
        if not tokens or out.part is None:
            return out.head + _json(text) + out.tail
        sent = b""
        for number, token in enumerate(tokens, 1):
            item = encode_logprob(token, self._draft.report, out.where)
            # The first token also gets the blank line, and the last one all text that is left.
            end = len(text) if number == len(tokens) else end + len(token.token)
            delta = {"message": {"content": {"text": text[at:end]}}}
            sent += _sent({"type": "content-delta", "index": out.part, "delta": delta, "logprobs": item})
            at = end
        return sent

    def _text(self, delta: ir.TextDelta | ir.RefusalDelta) -> bytes:
        return self._words(self._outs[delta.index], delta.text, delta.logprobs)

    _refuse = _text

    def _think(self, delta: ir.ThinkDelta) -> bytes:
        out = self._outs[delta.index]
        if delta.part is not None and delta.part >= out.parts:  # a new part begins
            out.parts = delta.part + 1
            return self._words(out, "\n\n") + self._words(out, delta.text)
        return self._words(out, delta.text)

    def _open_call(self, out: _Out, block: ir.ToolCall) -> bytes:
        stated = mint(self._draft, self._reply, block.id, self._calls)
        call = narrower.encode_call(block, stated, self._draft, out.where)
        call["function"]["arguments"] = ""
        out.call = self._calls
        self._calls += 1
        self._last = ""
        start = {"type": "tool-call-start", "index": out.call, "delta": {"message": {"tool_calls": call}}}
        out.head = b'event: tool-call-delta\ndata: {"type":"tool-call-delta","index":%d,' % out.call
        out.head += b'"delta":{"message":{"tool_calls":{"function":{"arguments":'
        out.tail = b"}}}}}\n\n"
        return _sent(start) + (self._piece(out, block.arguments) if block.arguments else b"")

    def _piece(self, out: _Out, text: str) -> bytes:
        if text:
            out.said.append(text)
        return out.head + _json(text) + out.tail

    def _arguments(self, delta: ir.ArgsDelta) -> bytes:
        out = self._outs[delta.index]
        return self._collect(delta) if out.call is None else self._piece(out, delta.text)

    def _collect(self, delta: ir.ArgsDelta | ir.MediaDelta) -> bytes:
        """Collect a delta of a block that is sent when it is complete. Always returns b""."""
        if (grown := self._outs[delta.index].fold) is not None:
            grown.add(msgspec.structs.replace(delta, index=0))
        return b""

    _media = _collect

    def _seal(self, delta: ir.SealDelta) -> bytes:
        self._draft.leave_seal(self._outs[delta.index].where)
        return b""

    def _cite(self, cite: ir.Cite) -> bytes:
        return self._citation(self._outs[cite.index], cite.citation)

    def _citation(self, out: _Out, citation: ir.Citation) -> bytes:
        where = f"{out.where}.citations[{out.cites}]"
        out.cites += 1
        wire = encode_citation(citation, out.text, out.part, self._draft, where, before=out.blank)
        index = self._cites
        self._cites += 1
        start = {"type": "citation-start", "index": index, "delta": {"message": {CITATIONS: wire}}}
        return _sent(start) + _sent({"type": "citation-end", "index": index})

    def _cited(self, out: _Out, block: Any) -> bytes:
        """Return the events for those citations of a block that were not sent yet."""
        return b"".join([self._citation(out, one) for one in getattr(block, CITATIONS, ())[out.cites :]])

    def _close(self, close: ir.Close) -> bytes:
        out = self._outs[close.index]
        grown, out.fold = out.fold, None
        if grown is not None:
            return self._settled(out, close.block or grown.block(0))
        sent = b""
        final = close.block
        if isinstance(final, ir.ToolCall) and not out.said and final.arguments:
            sent = self._piece(out, final.arguments)
        elif final is not None and out.call is None:
            sent = self._cited(out, final) if out.said else self._initial(out, final)
        if out.call is not None:
            if not (out.said or self._draft.own):
                sent += self._piece(out, "{}")
            return sent + _sent({"type": "tool-call-end", "index": out.call})
        if out.part is not None:
            return sent + _sent({"type": "content-end", "index": out.part})
        return sent

    def _settled(self, out: _Out, block: ir.Block) -> bytes:
        """Return the events for a block that is sent when it is complete (`block`); b"" = the block is lost,
        which is reported. Of a medium that is lost, the transcript is sent as text.
        """
        draft = self._draft
        if isinstance(block, ir.ToolCall) and block.by == "client":
            whole = narrower.encode_call(
                block, mint(draft, self._reply, block.id, self._calls), draft, out.where
            )
            out.call = self._calls
            self._calls += 1
            arguments, whole["function"]["arguments"] = whole["function"]["arguments"], ""
            calls = {"message": {"tool_calls": whole}}
            piece = {"message": {"tool_calls": {"function": {"arguments": arguments}}}}
            return b"".join(
                (
                    _sent({"type": "tool-call-start", "index": out.call, "delta": calls}),
                    _sent({"type": "tool-call-delta", "index": out.call, "delta": piece}),
                    _sent({"type": "tool-call-end", "index": out.call}),
                )
            )
        own = isinstance(block, ir.Native) and block.dialect == NAME
        if own or (draft.own and isinstance(block, ir.Media)):
            content = encode_part(block, draft, out.where)
            out.part = self._parts
            self._parts += 1
            start = {"type": "content-start", "index": out.part, "delta": {"message": {"content": content}}}
            return _sent(start) + _sent({"type": "content-end", "index": out.part})
        lose_unsaid(block, draft, out.where)
        if isinstance(block, ir.Media) and block.transcript:
            out.block = ir.Text(block.transcript)
            return self._open_prose(out, out.block) + _sent({"type": "content-end", "index": out.part})
        return b""

    # The end --------------------------------------------------------------------------------------

    def _finish(self, finish: ir.Finish) -> bytes:
        self._stop = finish.stop
        holder: dict[str, Any] = {"message": self._said}
        restore(holder, finish.extra, self._draft.report, self._where)
        self._once |= {key: value for key, value in holder.items() if key != "message"}
        return b""

    def _tally(self, tally: ir.Tally) -> bytes:
        self._usage = tally.usage
        return b""

    def _more(self, more: ir.More) -> bytes:
        if more.tier is not None:
            self._draft.report.lose("tier", "a response of the Cohere API has no tier", "hint")
        restore(self._once, more.extra, self._draft.report, "")
        return b""

    def _raw(self, raw: ir.Raw) -> bytes:
        if raw.dialect == NAME:
            return data(_json(raw.value))
        return lose_event(raw, self._draft.report)

    def _end(self, end: ir.End) -> bytes:
        if end.error is not None:
            return self._failed(end.error)
        draft = self._draft
        if end.status is not None:
            draft.report.lose("status", "a response of the Cohere API has no status", "hint")
        restore(self._once, end.extra, draft.report, "")
        delta: dict[str, Any] = {}
        word = encode_stop(self._stop, draft, self._where, called=self._calls > 0)
        if word is not None:
            delta["finish_reason"] = word
        if (usage := shown_usage(self._usage, draft)) is not None:
            delta["usage"] = usage
        if self._said:
            delta["message"] = self._said
        last = {"type": "message-end", "delta": delta}
        return _sent({**last, **{key: value for key, value in self._once.items() if key not in last}}) + data(
            b"[DONE]"
        )

    def _error(self, error: ir.Error) -> bytes:
        return self._failed(error.fault)

    def _failed(self, fault: ir.Fault) -> bytes:
        for out in self._outs:
            if out.fold is not None:
                self._draft.report.lose(out.where, "the stream ended before it was complete")
        members = error_members(fault)
        delta = {"finish_reason": "ERROR", "error": members.pop("message"), **members}
        return _sent({"type": "message-end", "delta": delta})

    def _ping(self, _: ir.Event) -> bytes:
        return b""


def shed_into(content: dict[str, Any], block: Any, draft: Draft, where: str) -> None:
    """Add the leftovers of a block to the content part `content` that opens the block in the stream; report
    the block's seal, which is not sent. where: the block's IR path.
    """
    if getattr(block, "sealed", None) is not None:
        draft.leave_seal(where)
    restore(content, block.extra, draft.report, where)


def _sent(value: dict[str, Any]) -> bytes:
    return event(value["type"], _json(value))
