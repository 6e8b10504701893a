"""Streams to the wire: events as the chunks that this dialect's clients read.

Every chunk of words is a constant head, the words as JSON, and a constant tail. A call is sent whole when it
is complete, as Mistral does; the last candidate's finish reason waits for the usage, which stands beside it.
After an error nothing follows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.dialect import Reply
from dragoman.dialects.mistral.calls import encode_call
from dragoman.dialects.mistral.errors import error_members
from dragoman.dialects.mistral.logprobs import encode_logprobs
from dragoman.dialects.mistral.parts import encode_citations, encode_part
from dragoman.dialects.mistral.response import encode_stop, mint, shown_usage
from dragoman.dialects.mistral.saying import shown_media
from dragoman.dialects.mistral.terms import NAME, restore
from dragoman.dialects.openai_chat.draft import Draft
from dragoman.dialects.openai_chat.response import created_of, shown_model
from dragoman.dialects.openai_chat.saying import lose_unsaid, separated
from dragoman.dialects.openai_chat.terms import text_of

replace = msgspec.structs.replace
_json = msgspec.json.Encoder().encode
_DONE: Final = b"data: [DONE]\n\n"
_TEXT_HEAD: Final = b'{"content":'
_TEXT_TAIL: Final = b"}"
_THINK_HEAD: Final = b'{"content":[{"type":"thinking","thinking":[{"type":"text","text":'
_THINK_TAIL: Final = b"}]}]}"


class _Out:
    """One block: the bytes round its words, or the block itself where it is sent whole at its end."""

    __slots__ = ("block", "cites", "head", "length", "pieces", "said", "tail", "where")

    def __init__(self, block: Any, where: str) -> None:
        self.block = block
        self.where = where  # in IR terms
        self.head = b""  # empty: it is sent whole
        self.tail = b""
        self.said = False  # some of its words have been sent, or all of it
        self.length = 0  # characters of it sent
        self.cites = 0  # citations written so far
        self.pieces: list[str] = []  # of a block that is sent whole


class _Choice:
    """One candidate while it is written."""

    __slots__ = ("calls", "head", "index", "last", "outs", "spaced")

    def __init__(self, index: int, head: bytes) -> None:
        self.index = index
        self.head = head
        self.outs: list[_Out] = []
        self.calls = 0
        self.last = ""  # the last character of its text
        self.spaced = False  # something else came after it


class Encoder:
    """The bytes of one stream."""

    __slots__ = ("_choices", "_draft", "_finish_chunk", "_head", "_once", "_own", "_reply", "_tier", "_usage")

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._own = False
        self._draft = Draft(reply.report, answer=True)
        self._choices: dict[int, _Choice] = {}
        self._head = b""
        self._once: dict[str, Any] = {}  # leftovers that the next chunk takes along
        self._tier: str | None = None
        self._usage: ir.Usage | None = None
        self._finish_chunk = b""  # the last one, which waits for the usage

    def feed(self, event: ir.Event) -> bytes:
        """The bytes for one event."""
        return _WRITE[type(event)](self, event)

    def ping(self) -> bytes:
        """A comment, which the clients skip."""
        return b": ping\n\n"

    # The frame -----------------------------------------------------------------------------------

    def _start(self, event: ir.Start) -> bytes:
        self._own = event.dialect == NAME
        self._draft = Draft(self._reply.report, own=self._own, answer=True)
        self._usage, self._tier = event.usage, event.tier
        members: dict[str, Any] = {
            "id": event.id if event.id is not None else self._reply.id,
            "object": "chat.completion.chunk",
            "created": created_of(event.created, self._reply, own=self._own),
            "model": shown_model(event.model, self._reply),
        }
        if event.extra is not None:
            restore(self._once, event.extra, self._reply.report, "")
        if event.status is not None:
            self._reply.report.lose("status", "an answer has no status here", "hint")
        self._head = b"data: " + _json(members)[:-1] + b',"choices":['
        return b""

    def _chunk(self, choice: bytes, **members: Any) -> bytes:
        """One chunk. members: what it holds beside the usual."""
        if members:
            return self._head + choice + b"]," + _json(members)[1:] + b"\n\n"
        return self._head + choice + b"]}\n\n"

    def _delta(self, index: int, delta: dict[str, Any], **members: Any) -> bytes:
        return self._chunk(_json({"index": index, "delta": delta, **members, "finish_reason": None}))

    def _begin(self, index: int) -> bytes:
        """A candidate's first chunk, which names the role; the first of all holds the answer's leftovers."""
        self._choices[index] = _Choice(index, self._head + b'{"index":%d,"delta":' % index)
        once, self._once = self._once, {}
        delta = {"role": "assistant", "content": ""}
        return self._chunk(_json({"index": index, "delta": delta, "finish_reason": None}), **once)

    def _chunks(self, choice: _Choice, parts: list[dict[str, Any]]) -> bytes:
        return self._delta(choice.index, {"content": parts}) if parts else b""

    # Blocks --------------------------------------------------------------------------------------

    def _open(self, event: ir.Open) -> bytes:
        role = b"" if event.candidate in self._choices else self._begin(event.candidate)
        choice = self._choices[event.candidate]
        block = event.block
        if isinstance(block, ir.Json):
            block = ir.Text(text_of(block.value), extra=block.extra)
        out = _Out(block, f"candidates[{event.candidate}].blocks[{event.index}]")
        choice.outs.append(out)
        if isinstance(block, ir.Text | ir.Refusal):
            return role + self._open_text(choice, out)
        choice.spaced = True
        if isinstance(block, ir.Thinking):
            return role + self._open_thinking(choice, out)
        return role

    def _open_text(self, choice: _Choice, out: _Out) -> bytes:
        block: ir.Text | ir.Refusal = out.block
        if self._own and block.extra is not None:  # a chunk that holds more than words
            out.pieces.append(block.text)
            return b""
        out.head, out.tail = self._around(choice, _TEXT_HEAD, _TEXT_TAIL)
        if isinstance(block, ir.Refusal):
            self._draft.report.change(out.where, "choices[].delta.content", "a refusal is told as text")
        self._shed(out)
        text = self._say(choice, out, block.text, block.logprobs) if block.text or block.logprobs else b""
        return text + self._cited(choice, out, getattr(block, "citations", ()))

    def _open_thinking(self, choice: _Choice, out: _Out) -> bytes:
        block: ir.Thinking = out.block
        if self._own and block.extra is not None:
            out.pieces.append(block.text)
            return b""
        out.head, out.tail = self._around(choice, _THINK_HEAD, _THINK_TAIL)
        self._shed(out)
        text = block.text or "\n\n".join(block.summary)
        return self._thought(out, text) if text else b""

    def _around(self, choice: _Choice, head: bytes, tail: bytes) -> tuple[bytes, bytes]:
        """The constant bytes before and after a block's words."""
        return choice.head + head, tail + b',"finish_reason":null}]}\n\n'

    def _shed(self, out: _Out) -> None:
        """Name as lost what a block carries beside its words; our own seals are sent when they come."""
        sealed: ir.Sealed | None = getattr(out.block, "sealed", None)
        if sealed is not None:
            self._draft.leave_seal(out.where)
        if out.block.extra is not None:
            restore({}, out.block.extra, self._draft.report, out.where)

    # Deltas --------------------------------------------------------------------------------------

    def _text(self, event: ir.TextDelta | ir.RefusalDelta) -> bytes:
        choice = self._choices[event.candidate]
        out = choice.outs[event.index]
        if not out.head:
            out.pieces.append(event.text)
            return b""
        return self._say(choice, out, event.text, event.logprobs)

    def _say(self, choice: _Choice, out: _Out, text: str, logprobs: tuple[ir.Logprob, ...] | None) -> bytes:
        out.length += len(text)
        if not out.said:
            out.said = True
            if choice.spaced and not self._own:
                text = separated(choice.last, text)
            choice.spaced = False
        choice.last = text[-1:] or choice.last
        if logprobs is None:
            return out.head + _json(text) + out.tail
        tokens = encode_logprobs(logprobs, self._draft.report, out.where)
        return self._delta(choice.index, {"content": text}, logprobs={"content": tokens})

    def _think(self, event: ir.ThinkDelta) -> bytes:
        choice = self._choices[event.candidate]
        out = choice.outs[event.index]
        if not out.head:
            out.pieces.append(event.text)
            return b""
        block: ir.Thinking = out.block
        more = b""
        if event.part is not None and event.part >= max(len(block.summary), 1):  # a part that begins
            out.block = replace(block, summary=("",) * (event.part + 1))
            more = self._thought(out, "\n\n")
        return more + self._thought(out, event.text)

    def _thought(self, out: _Out, text: str) -> bytes:
        out.said = True
        return out.head + _json(text) + out.tail

    def _piece(self, event: ir.ArgsDelta) -> bytes:
        self._choices[event.candidate].outs[event.index].pieces.append(event.text)
        return b""

    def _seal(self, event: ir.SealDelta) -> bytes:
        choice = self._choices[event.candidate]
        out = choice.outs[event.index]
        if self._own and isinstance(out.block, ir.Thinking) and event.sealed.origin == NAME:
            if not out.head:
                out.block = replace(out.block, sealed=event.sealed)
                return b""
            return self._chunks(choice, encode_part(ir.Thinking(sealed=event.sealed), self._draft, out.where))
        self._draft.leave_seal(out.where)
        return b""

    def _media(self, event: ir.MediaDelta) -> bytes:
        out = self._choices[event.candidate].outs[event.index]
        block: ir.Media = out.block
        data = (block.data or "") + event.data if event.data is not None else block.data
        words = (
            (block.transcript or "") + event.transcript if event.transcript is not None else block.transcript
        )
        out.block = replace(block, data=data, transcript=words)
        return b""

    def _cite(self, event: ir.Cite) -> bytes:
        choice = self._choices[event.candidate]
        return self._cited(choice, choice.outs[event.index], (event.citation,))

    def _cited(self, choice: _Choice, out: _Out, citations: tuple[ir.Citation, ...]) -> bytes:
        chunks = encode_citations(citations, self._draft, out.where, out.cites)
        out.cites += len(citations)
        if not out.head:  # written with its block
            out.block = replace(out.block, citations=(*out.block.citations, *citations))
            return b""
        return self._chunks(choice, chunks)

    def _close(self, event: ir.Close) -> bytes:
        choice = self._choices[event.candidate]
        out = choice.outs[event.index]
        if event.block is not None:
            return self._complete(choice, out, event.block)
        return b"" if out.head else self._whole(choice, out)

    def _complete(self, choice: _Choice, out: _Out, final: ir.Block) -> bytes:
        """The block as it really is: what has not been said of it yet."""
        if not out.head:
            out.block = final
            out.pieces = []
            return self._whole(choice, out)
        more = b""
        if isinstance(final, ir.Thinking):
            if not out.said and (thoughts := final.text or "\n\n".join(final.summary)):
                more = self._thought(out, thoughts)
        elif isinstance(final, ir.Text | ir.Refusal) and len(final.text) > out.length:
            more = self._say(choice, out, final.text[out.length :], None)
        if isinstance(final, ir.Text) and not out.cites:
            more += self._cited(choice, out, final.citations)
        return more

    def _whole(self, choice: _Choice, out: _Out) -> bytes:
        """A block that is sent in one piece, at its end."""
        block = out.block
        out.said = True
        if isinstance(block, ir.ToolCall):
            return self._call(choice, out, block)
        if isinstance(block, ir.Text | ir.Thinking):
            whole = replace(block, text="".join(out.pieces)) if out.pieces else block
            return self._chunks(choice, encode_part(whole, self._draft, out.where))
        if isinstance(block, ir.Media):
            write = encode_part if self._own else shown_media
            return self._chunks(choice, write(block, self._draft, out.where))
        if isinstance(block, ir.Native) and block.dialect == NAME:
            return self._chunks(choice, [block.value])
        lose_unsaid(block, self._draft, out.where)
        return b""

    def _call(self, choice: _Choice, out: _Out, block: ir.ToolCall) -> bytes:
        if block.by != "client":
            lose_unsaid(block, self._draft, out.where)
            return b""
        position = choice.calls
        choice.calls += 1
        arguments = block.arguments + "".join(out.pieces)
        stated = block.id if block.id is not None else mint(self._reply, choice.index, position)
        whole = replace(block, arguments=arguments)
        call = encode_call(whole, stated, self._draft, out.where)
        call.setdefault("index", position)
        return self._delta(choice.index, {"tool_calls": [call]})

    # The end -------------------------------------------------------------------------------------

    def _finish(self, event: ir.Finish) -> bytes:
        index = event.candidate
        role = b"" if index in self._choices else self._begin(index)
        where = f"candidates[{index}]"
        word = encode_stop(event.stop, self._draft, where, called=self._choices[index].calls > 0)
        out: dict[str, Any] = {"index": index, "delta": {"content": ""}, "finish_reason": word}
        if event.extra is not None:
            restore(out, event.extra, self._draft.report, where)
            for key in [key for key in out if key.startswith("message.")]:
                out["delta"][key.removeprefix("message.")] = out.pop(key)
        before = self._chunk(self._finish_chunk) if self._finish_chunk else b""
        self._finish_chunk = _json(out)
        return role + before

    def _tally(self, event: ir.Tally) -> bytes:
        self._usage = event.usage
        return b""

    def _more(self, event: ir.More) -> bytes:
        if event.tier is not None:
            self._tier = event.tier
        if event.extra is not None:
            restore(self._once, event.extra, self._draft.report, "")
        return b""

    def _raw(self, event: ir.Raw) -> bytes:
        self._draft.report.lose("events", f"only {event.dialect} knows such progress", "hint")
        return b""

    def _end(self, event: ir.End) -> bytes:
        if event.error is not None:
            return self._error(ir.Error(event.error))
        if event.status is not None:
            self._draft.report.lose("status", "an answer has no status here", "hint")
        members = self._once
        if event.extra is not None:
            restore(members, event.extra, self._draft.report, "")
        if self._usage is not None:
            members["usage"] = shown_usage(self._usage, self._tier, self._draft.report, own=self._own)
        elif self._tier is not None:
            self._draft.report.lose("tier", "it is told beside the usage, which is unknown", "hint")
        return (self._chunk(self._finish_chunk, **members) if self._finish_chunk or members else b"") + _DONE

    def _error(self, event: ir.Error) -> bytes:
        for choice in self._choices.values():
            for out in choice.outs:
                if not (out.head or out.said):
                    self._draft.report.lose(out.where, "the stream broke before it was whole")
        return b"data: " + _json(error_members(event.fault)) + b"\n\n"

    def _ping(self, event: ir.Ping) -> bytes:
        return b""


_WRITE: Final[dict[type, Callable[[Encoder, Any], bytes]]] = {
    ir.Start: Encoder._start,
    ir.Open: Encoder._open,
    ir.TextDelta: Encoder._text,
    ir.ArgsDelta: Encoder._piece,
    ir.ThinkDelta: Encoder._think,
    ir.RefusalDelta: Encoder._text,
    ir.SealDelta: Encoder._seal,
    ir.MediaDelta: Encoder._media,
    ir.Cite: Encoder._cite,
    ir.Close: Encoder._close,
    ir.Finish: Encoder._finish,
    ir.Tally: Encoder._tally,
    ir.More: Encoder._more,
    ir.Raw: Encoder._raw,
    ir.End: Encoder._end,
    ir.Error: Encoder._error,
    ir.Ping: Encoder._ping,
}
