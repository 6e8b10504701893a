"""Encodes IR events as a stream of lines for Ollama's clients.

A line with text is a head that is constant within the stream, the text as JSON, and a tail, which is constant
if the text has no log probabilities. Calls and media are sent when they are complete. Only the first
candidate is sent. An error ends the stream.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.response import shown_model
from dragoman.dialects.chat.saying import separated
from dragoman.dialects.event_encoder import EventEncoder, lose_event
from dragoman.dialects.leftovers import lose_item
from dragoman.dialects.ollama.errors import error_members
from dragoman.dialects.ollama.pictures import pieces
from dragoman.dialects.ollama.response import encode_logprobs, ending, lose_beside, minting
from dragoman.dialects.ollama.saying import Saying, lose_source, shed
from dragoman.dialects.ollama.terms import NAME, dated, restore
from dragoman.dialects.reply import Reply
from dragoman.ir.fold import Fold

_json = msgspec.json.Encoder().encode
_PROSE: Final = frozenset({ir.Text, ir.Refusal, ir.Thinking})
_TEXT: Final = b'"message":{"role":"assistant","content":'
_THINKING: Final = b'"message":{"role":"assistant","content":"","thinking":'
_TAIL: Final = b'},"done":false}\n'
_STARTED: Final = ir.Start(NAME)


class _Out:
    """One block of the response while it is sent. Text, refusals and thinking are sent in deltas; any other
    block is sent whole at its end.

    head: the bytes of a line between the head of the stream's lines and a piece of the block's text. fold:
    collects the content of a block that is sent whole; None = the block is sent in deltas, or has ended.
    said: True = a line with text of the block was sent. parts: how many summary parts of thinking have begun,
    at least 1. cites: how many of the block's citations were reported as lost.
    """

    __slots__ = ("block", "cites", "fold", "head", "parts", "said", "where")

    def __init__(self, block: ir.Block, where: str) -> None:
        self.block = block
        self.where = where
        self.head = _THINKING if isinstance(block, ir.Thinking) else _TEXT
        self.fold: Fold | None = None
        self.said = False
        self.parts = 1
        self.cites = 0


class OllamaEncoder(EventEncoder):
    """Encodes the IR events of one stream as lines."""

    __slots__ = (
        *("_calls", "_draft", "_head", "_once", "_outs", "_prose"),
        *("_reply", "_stop", "_usage", "_where"),
    )

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._draft = Draft(reply.report, answer=True)
        self._head = b""
        self._outs: list[_Out] = []
        # The last text of each kind (text, thinking); a blank line separates the next block's text from it.
        self._prose: dict[bytes, str] = {}
        self._calls = 0
        self._once: dict[str, Any] = {}  # leftovers for the last line
        self._stop: ir.Stop | None = None
        self._usage: ir.Usage | None = None
        self._where = "candidates[0]"

    def feed(self, event: ir.Event) -> bytes:
        """Return the lines for one event; b"" = no line. An event of a candidate other than the first is
        reported as lost.
        """
        number = getattr(event, "candidate", 0)
        if number:
            reason = "a response of the Ollama API has only one candidate"
            self._draft.report.lose(f"candidates[{number}]", reason)
            return b""
        return self._table[type(event)](self, event)

    def _start(self, event: ir.Start) -> bytes:
        reply = self._reply
        self._draft = Draft(reply.report, own=event.dialect == NAME, answer=True)
        self._usage = event.usage
        lose_beside(event, self._draft)
        restore(self._once, event.extra, reply.report, "")
        members = {
            "model": shown_model(event.model, reply),
            "created_at": dated(event.created, reply.created),
        }
        self._head = _json(members)[:-1] + b","
        return b""

    def _words(self, out: _Out, text: str, tokens: tuple[ir.Logprob, ...] | None = None) -> bytes:
        if text and not out.said:
            out.said = True
            before = self._prose.get(out.head, "")
            if not self._draft.own and before:
                text = separated(before, text)
        if text:
            self._prose[out.head] = text
        if tokens is None:
            return self._head + out.head + _json(text) + _TAIL
        told = _json(encode_logprobs(tokens, self._draft.report, out.where))
        return b'%b%b%b},"logprobs":%b,"done":false}\n' % (self._head, out.head, _json(text), told)

    def _line(self, message: dict[str, Any]) -> bytes:
        return b'%b"message":%b,"done":false}\n' % (self._head, _json(message))

    def _open(self, event: ir.Open) -> bytes:
        block = event.block
        out = _Out(block, f"{self._where}.blocks[{event.index}]")
        self._outs.append(out)
        lose_item(block, self._draft.report, out.where)
        if type(block) not in _PROSE:
            out.fold = Fold()
            out.fold.add(_STARTED)
            out.fold.add(ir.Open(0, block))
            return b""
        shed(block, self._draft, out.where)
        if isinstance(block, ir.Refusal):
            self._draft.report.change(out.where, "message.content", "the refusal is written as text")
        self._cited(out, block)
        return self._whole(out, block)

    def _whole(self, out: _Out, block: Any) -> bytes:
        """Return the line with the text that `block` has itself; b"" = it has neither text nor log
        probabilities. Called for the block as it was opened, and for the block's final form if none of its
        text was sent before.
        """
        if isinstance(block, ir.Thinking):
            out.parts = max(len(block.summary), out.parts)
            text = block.text or "\n\n".join(block.summary)
            return self._words(out, text) if text else b""
        return self._words(out, block.text, block.logprobs) if block.text or block.logprobs else b""

    def _cited(self, out: _Out, block: ir.Block) -> None:
        """Report the citations of a block as lost, except the citations that were already reported."""
        for index in range(out.cites, len(getattr(block, "citations", ()))):
            lose_source(self._draft, f"{out.where}.citations[{index}]")
            out.cites += 1

    def _text(self, event: ir.TextDelta | ir.RefusalDelta) -> bytes:
        return self._words(self._outs[event.index], event.text, event.logprobs)

    _refuse = _text

    def _think(self, event: ir.ThinkDelta) -> bytes:
        out = self._outs[event.index]
        if event.part is not None and event.part >= out.parts:  # a new part begins
            out.parts = event.part + 1
            return self._words(out, "\n\n") + self._words(out, event.text)
        return self._words(out, event.text)

    def _piece(self, event: ir.ArgsDelta | ir.MediaDelta) -> bytes:
        """Collect a delta of a block that is sent whole at its end. The result is b""."""
        if (grown := self._outs[event.index].fold) is not None:
            grown.add(msgspec.structs.replace(event, index=0))
        return b""

    _arguments = _media = _piece

    def _seal(self, event: ir.SealDelta) -> bytes:
        self._draft.leave_seal(self._outs[event.index].where)
        return b""

    def _cite(self, event: ir.Cite) -> bytes:
        out = self._outs[event.index]
        lose_source(self._draft, f"{out.where}.citations[{out.cites}]")
        out.cites += 1
        return b""

    def _close(self, event: ir.Close) -> bytes:
        out = self._outs[event.index]
        grown, out.fold = out.fold, None
        if event.block is not None:
            lose_item(event.block, self._draft.report, out.where)
        if grown is not None:
            return self._settled(out, event.block or grown.block(0))
        sent = b""
        if event.block is not None:
            self._cited(out, event.block)
            if not out.said:
                sent = self._whole(out, event.block)
        if isinstance(out.block, ir.Thinking) and not (out.said or self._draft.own):
            self._draft.report.lose(out.where, "the reasoning has no text to show", "hint")
        return sent

    def _settled(self, out: _Out, block: ir.Block) -> bytes:
        """Return the lines for a block that is sent whole: one line with a message or, for a medium that is
        written as text (Markdown, a transcript), lines with pieces of this text; b"" = nothing is written for
        the block.
        """
        saying = Saying(self._draft, minting(self._draft, self._reply), self._calls)
        saying.say(block, out.where)
        self._calls += len(saying.calls)
        message = saying.done()
        if isinstance(block, ir.Media) and not saying.images:
            return b"".join([self._words(out, piece) for piece in pieces(saying.text)])
        return self._line(message) if len(message) > 2 or message["content"] else b""

    def _finish(self, event: ir.Finish) -> bytes:
        self._stop = event.stop
        if event.extra is not None:
            message = self._once.setdefault("message", {"role": "assistant", "content": ""})
            restore({"message": message}, event.extra, self._draft.report, self._where)
        return b""

    def _tally(self, event: ir.Tally) -> bytes:
        self._usage = event.usage
        return b""

    def _more(self, event: ir.More) -> bytes:
        if event.tier is not None:
            self._draft.report.lose("tier", "a response of the Ollama API has no service tier", "hint")
        restore(self._once, event.extra, self._draft.report, "")
        return b""

    def _raw(self, event: ir.Raw) -> bytes:
        return lose_event(event, self._draft.report)

    def _end(self, event: ir.End) -> bytes:
        if event.error is not None:
            return self._error(ir.Error(event.error))
        draft = self._draft
        if event.status is not None:
            draft.report.lose("status", "a response of the Ollama API has no status", "hint")
        restore(self._once, event.extra, draft.report, "")
        members: dict[str, Any] = {"message": {"role": "assistant", "content": ""}}
        members |= ending(self._stop, self._usage, draft, self._reply, self._where, called=bool(self._calls))
        return self._head + _json(members | self._once)[1:] + b"\n"

    def _error(self, event: ir.Error) -> bytes:
        for out in self._outs:
            if out.fold is not None:
                self._draft.report.lose(out.where, "the stream ended before it was complete")
        return _json(error_members(event.fault)) + b"\n"

    def _ping(self, _: ir.Event) -> bytes:
        return b""
