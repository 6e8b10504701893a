"""Encodes IR events as a stream of chunks for Mistral's clients.

A tool call is sent only when it is complete, as Mistral itself does. Media, and texts and thinking with
leftovers of this dialect, are sent when they are complete, too. The finish reason of the candidate that ends
last waits for the usage, because both stand in one chunk.
"""

from __future__ import annotations

from typing import Any, ClassVar, Final, TypeAlias

import msgspec

from dragoman import ir
from dragoman.dialects.chat.saying import lose_unsaid
from dragoman.dialects.chat.stream_encoder import Choice, ChunkEncoder, Out
from dragoman.dialects.chat.terms import text_of
from dragoman.dialects.mistral.errors import error_members
from dragoman.dialects.mistral.parts import encode_citations, encode_part
from dragoman.dialects.mistral.response import encode_logprobs, encode_stop, mint, shown_usage
from dragoman.dialects.mistral.saying import shown_media
from dragoman.dialects.mistral.terms import NAME, narrower
from dragoman.dialects.reply import Reply

replace = msgspec.structs.replace
_json = msgspec.json.Encoder().encode
_THINK_HEAD: Final = b'{"content":[{"type":"thinking","thinking":[{"type":"text","text":'
_THINK_TAIL: Final = b"}]}]}"


class _Out(Out):
    """One block of the response while it is sent. head: the bytes before a piece of the block's text; b"" =
    the block is sent only at its end.
    """

    __slots__ = ("cites", "parts", "pieces", "words")

    def __init__(self, block: Any, where: str) -> None:
        super().__init__(block, where)
        self.cites = 0  # citations written so far
        self.parts = 1  # number of begun summary parts of the thinking
        self.pieces: list[str] = []  # content of a block that is sent whole
        self.words: list[str] = []  # transcript of audio


_Choice: TypeAlias = Choice[_Out]


class MistralEncoder(ChunkEncoder[_Choice, _Out]):
    """Encodes the events of one stream as the bytes of chunks."""

    __slots__ = ("_finish_chunk", "_tier")
    dialect = NAME
    role: ClassVar = {"role": "assistant", "content": ""}
    prose = frozenset({ir.Text, ir.Refusal, ir.Json})

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply, Choice, _Out)
        self._tier: str | None = None
        self._finish_chunk = b""  # the last chunk, which waits for the usage

    def _constant(self, tier: str | None) -> dict[str, Any]:
        self._tier = tier  # stated in the usage
        return {}

    def _chunks(self, choice: _Choice, parts: list[dict[str, Any]]) -> bytes:
        return self._delta(choice.index, {"content": parts}) if parts else b""

    def _opened(self, choice: _Choice, out: _Out) -> bytes:
        block = out.block
        if isinstance(block, ir.Json):
            block = out.block = ir.Text(text_of(block.value), extra=block.extra)
        if isinstance(block, ir.Text | ir.Refusal):
            return self._open_text(choice, out, block)
        return self._open_thinking(choice, out, block) if isinstance(block, ir.Thinking) else b""

    def _open_text(self, choice: _Choice, out: _Out, block: ir.Text | ir.Refusal) -> bytes:
        if self._own and block.extra is not None:  # a chunk with other members than text
            out.pieces.append(block.text)
            return b""
        self._frame(choice, out, b'{"content":', b"}")
        if isinstance(block, ir.Refusal):
            self._draft.report.change(out.where, "choices[].delta.content", "the refusal is written as text")
        self._shed(out)
        text = self._say(choice, out, block.text, block.logprobs) if block.text or block.logprobs else b""
        return text + self._cited(choice, out, getattr(block, "citations", ()))

    def _open_thinking(self, choice: _Choice, out: _Out, block: ir.Thinking) -> bytes:
        if self._own and block.extra is not None:
            out.pieces.append(block.text)
            return b""
        self._frame(choice, out, _THINK_HEAD, _THINK_TAIL)
        self._shed(out)
        out.parts = max(len(block.summary), 1)
        text = block.text or "\n\n".join(block.summary)
        return self._thought(out, text) if text else b""

    def _text(self, event: ir.TextDelta | ir.RefusalDelta) -> bytes:
        choice = self._choices[event.candidate]
        out = choice.outs[event.index]
        if not out.head:
            out.pieces.append(event.text)
            return b""
        return self._say(choice, out, event.text, event.logprobs)

    _refuse = _text

    def _logprobs(self, tokens: tuple[ir.Logprob, ...], out: _Out) -> dict[str, Any]:
        return {"content": encode_logprobs(tokens, self._draft.report, out.where)}

    def _think(self, event: ir.ThinkDelta) -> bytes:
        choice = self._choices[event.candidate]
        out = choice.outs[event.index]
        if not out.head:
            out.pieces.append(event.text)
            return b""
        if event.part is not None and event.part >= out.parts:  # a new part begins
            out.parts = event.part + 1
            return self._thought(out, "\n\n") + self._thought(out, event.text)
        return self._thought(out, event.text)

    def _thought(self, out: _Out, text: str) -> bytes:
        out.said = out.said or text != ""
        return out.head + _json(text) + out.tail

    def _arguments(self, event: ir.ArgsDelta) -> bytes:
        self._choices[event.candidate].outs[event.index].pieces.append(event.text)
        return b""

    def _seal(self, event: ir.SealDelta) -> bytes:
        """Return the chunk with the seal (signature) of Mistral's own thinking. b"" = nothing is sent now:
        the seal is sent with the whole block, or it cannot be written, which is reported.
        """
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
        if event.data is not None:
            out.pieces.append(event.data)
        if event.transcript is not None:
            out.words.append(event.transcript)
        return b""

    def _cite(self, event: ir.Cite) -> bytes:
        choice = self._choices[event.candidate]
        return self._cited(choice, choice.outs[event.index], (event.citation,))

    def _cited(self, choice: _Choice, out: _Out, citations: tuple[ir.Citation, ...]) -> bytes:
        chunks = encode_citations(citations, self._draft, out.where, out.cites)
        out.cites += len(citations)
        if not out.head:  # the citations are written with the whole block
            out.block = replace(out.block, citations=(*out.block.citations, *citations))
            return b""
        return self._chunks(choice, chunks)

    def _complete(self, choice: _Choice, out: _Out, final: ir.Block) -> bytes:
        if not out.head:
            out.block = final
            out.pieces, out.words = [], []
            return self._settle(choice, out)
        more = b""
        if isinstance(final, ir.Thinking):
            if not out.said and (thoughts := final.text or "\n\n".join(final.summary)):
                more = self._thought(out, thoughts)
        elif isinstance(final, ir.Text | ir.Refusal):
            more = self._rest(choice, out, final)
        if isinstance(final, ir.Text) and not out.cites:
            more += self._cited(choice, out, final.citations)
        return more

    def _settle(self, choice: _Choice, out: _Out) -> bytes:
        if out.head:
            return b""
        block = out.block
        if isinstance(block, ir.ToolCall):
            return self._call(choice, out, block)
        if isinstance(block, ir.Text | ir.Thinking):
            whole = replace(block, text="".join(out.pieces)) if out.pieces else block
            return self._chunks(choice, encode_part(whole, self._draft, out.where))
        if isinstance(block, ir.Media):
            write = encode_part if self._own else shown_media
            return self._chunks(choice, write(_joined(out, block), self._draft, out.where))
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
        call = narrower.encode_call(whole, stated, self._draft, out.where)
        call.setdefault("index", position)
        return self._delta(choice.index, {"tool_calls": [call]})

    def _stopped(self, choice: _Choice, stop: ir.Stop | None, where: str) -> dict[str, Any]:
        word = encode_stop(stop, self._draft, where, called=choice.calls > 0)
        return {"delta": {"content": ""}, "finish_reason": word}

    def _conclude(self, choice: _Choice, last: bytes) -> bytes:
        before = self._chunk(self._finish_chunk) if self._finish_chunk else b""
        self._finish_chunk = last
        return before

    def _more(self, event: ir.More) -> bytes:
        if event.tier is not None:
            self._tier = event.tier
        self._restore(self._once, event.extra, "")
        return b""

    def _last(self) -> bytes:
        members = self._once
        if self._usage is not None:
            members["usage"] = shown_usage(self._usage, self._tier, self._draft.report, own=self._own)
        elif self._tier is not None:
            self._draft.report.lose("tier", "it belongs to the usage, which is unknown", "hint")
        return self._chunk(self._finish_chunk, **members) if self._finish_chunk or members else b""

    def _failure(self, fault: ir.Fault) -> dict[str, Any]:
        for choice in self._choices.values():
            for out in choice.outs:
                if not (out.head or out.closed):
                    self._draft.report.lose(out.where, "the stream ended before it was complete")
        return error_members(fault)


def _joined(out: _Out, block: ir.Media) -> ir.Media:
    """Return the medium `block` with the data and the transcript of its deltas, which `out` has collected."""
    data = "".join([block.data or "", *out.pieces]) if out.pieces else block.data
    words = "".join([block.transcript or "", *out.words]) if out.words else block.transcript
    return replace(block, data=data, transcript=words)
