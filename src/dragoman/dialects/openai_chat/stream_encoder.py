"""Encodes IR events as a stream of chunks for clients of OpenAI's chat.

The first chunk of a tool call has its name and, except in the older `function_call`, its id; arguments that
arrive later follow in further chunks. An image (`ir.Media`) is sent whole when its block ends. If the answer
comes from another dialect, the citations of a text are held back until its block ends. If the client asked
for the usage (`Request.stream_usage`) and it is known, the last chunk states it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, ClassVar, Final

import msgspec

from dragoman import ir
from dragoman.dialects.chat.saying import lose_unsaid
from dragoman.dialects.chat.stops import encode_stop
from dragoman.dialects.chat.stream_encoder import Choice, ChunkEncoder, Out
from dragoman.dialects.chat.terms import text_of
from dragoman.dialects.openai.errors import error_member
from dragoman.dialects.openai.logprobs import encode_logprobs
from dragoman.dialects.openai.terms import NAME
from dragoman.dialects.openai.usage import encode_usage
from dragoman.dialects.openai_chat.answer import MIRRORS, seal_members, spoken_text
from dragoman.dialects.openai_chat.response import legacy, mint
from dragoman.dialects.openai_chat.saying import (
    NATIVE_LISTS,
    encode_annotations,
    encode_call,
    encode_detail,
    encode_image,
    encode_legacy,
    lose_second_call,
    source_notes,
)
from dragoman.dialects.openai_chat.sound import Spoken, voice_of
from dragoman.dialects.openai_chat.terms import SEALS
from dragoman.dialects.openai_chat.thought_parts import FRAMES, encode_thought
from dragoman.dialects.reply import Reply

_json = msgspec.json.Encoder().encode
_CONSTANT: Final = ("service_tier", "system_fingerprint")
"""Members that most chunks repeat as soon as they are known. Other leftovers of the answer itself are sent at
most once."""


class _Out(Out):
    """One block while it is sent, with the content that may be held back until the block ends: citations, and
    the data of an image.
    """

    __slots__ = ("cites", "part", "pieces", "position")

    def __init__(self, block: Any, where: str) -> None:
        super().__init__(block, where)
        self.part = 0  # the last summary part that was sent
        self.position = 0  # of a call: its index among the calls
        self.cites: list[ir.Citation] = []
        self.pieces: list[str] | None = None  # data of an image


class _Choice(Choice[_Out]):
    __slots__ = ("function_call", "images", "notes", "sources", "spoken", "thought")

    def __init__(self, index: int, head: bytes) -> None:
        super().__init__(index, head)
        self.function_call = False
        self.thought = False  # thinking has been sent
        self.sources: set[str] = set()  # URLs that annotations have shown
        self.images = 0  # number sent
        self.notes = 0  # number sent
        self.spoken: Spoken | None = None


class ChatEncoder(ChunkEncoder[_Choice, _Out]):
    """Encodes the events of one stream as the bytes of chunks. reply: the client's request, and the values
    that the provider does not state (`Reply`).
    """

    __slots__ = ("_legacy",)
    dialect = NAME
    role: ClassVar = {"role": "assistant", "content": "", "refusal": None}
    prose = frozenset({ir.Text})

    def __init__(self, reply: Reply) -> None:
        super().__init__(reply, _Choice, _Out)
        self._legacy = legacy(reply)
        if reply.request.stream_usage:
            self._tail = b'],"usage":null}' + self._end_line

    def _constant(self, tier: str | None) -> dict[str, Any]:
        members = {} if tier is None else {"service_tier": tier}
        members.update({key: self._once.pop(key) for key in _CONSTANT if key in self._once})
        return members

    def _opened(self, choice: _Choice, out: _Out) -> bytes:
        return _OPEN[type(out.block)](self, choice, out)

    def _open_text(self, choice: _Choice, out: _Out) -> bytes:
        block = out.block
        self._frame(choice, out, b'{"content":', b"}")
        out.start = choice.length
        out.cites.extend(block.citations)
        self._shed(out)
        if not block.text and block.logprobs is None:
            return b""
        return self._say(choice, out, block.text, block.logprobs)

    def _open_refusal(self, choice: _Choice, out: _Out) -> bytes:
        block = out.block
        self._frame(choice, out, b'{"refusal":', b"}")
        self._shed(out)
        if not block.text and block.logprobs is None:
            return b""
        return self._refuse_with(choice, out, block.text, block.logprobs)

    def _open_json(self, choice: _Choice, out: _Out) -> bytes:
        out.block = ir.Text(text_of(out.block.value), extra=out.block.extra)
        return self._open_text(choice, out)

    def _open_thinking(self, choice: _Choice, out: _Out) -> bytes:
        block = out.block
        form = (block.form or "") if self._own else ""
        if form.startswith("details"):
            # The type of the entry may only be known from the next delta.
            return self._detail(choice, out) if block.text or block.summary or block.redacted else b""
        if form in FRAMES:
            self._frame(choice, out, *FRAMES[form])
            if block.extra is not None:
                bare = msgspec.structs.replace(block, sealed=None)
                return self._delta(choice.index, {"content": [encode_thought(bare, self._draft, out.where)]})
            return out.head + _json(block.text) + out.tail if block.text else b""
        self._shed(out)
        member = (form or "reasoning_content").partition("+")[0]
        self._frame(choice, out, b'{"%b":' % member.encode(), b"}")
        text = spoken_text(block)
        return self._think_more(choice, out, text, None) if text else b""

    def _open_call(self, choice: _Choice, out: _Out) -> bytes:
        block: ir.ToolCall = out.block
        call: dict[str, Any]
        out.said = bool(block.arguments)
        if block.by != "client":
            lose_unsaid(block, self._draft, out.where)
            return b""
        # Another dialect's empty arguments are completed when the block ends.
        if self._legacy or (self._own and block.kind == "legacy"):
            if choice.function_call:
                lose_second_call(self._draft, out.where)
                return b""
            choice.function_call = True
            self._frame(choice, out, b'{"function_call":{"arguments":', b"}}")
            call = {**encode_legacy(block, self._draft, out.where), "arguments": block.arguments}
            return self._delta(choice.index, {"function_call": call})
        out.position = choice.calls
        choice.calls += 1
        call_id = block.id if block.id is not None else mint(self._reply, choice.index, out.position)
        call = {"index": out.position, **encode_call(block, call_id, self._draft, out.where)}
        call["index"] = out.position  # overwrites a leftover of this name
        member, text = ("custom", "input") if call["type"] == "custom" else ("function", "arguments")
        call[member][text] = block.arguments
        head = b'{"tool_calls":[{"index":%d,"%b":{"%b":' % (out.position, member.encode(), text.encode())
        self._frame(choice, out, head, b"}}]}")
        return self._delta(choice.index, {"tool_calls": [call]})

    def _open_media(self, choice: _Choice, out: _Out) -> bytes:
        block: ir.Media = out.block
        if block.kind == "image":
            return b""  # sent whole when the block ends
        if block.kind != "audio":
            lose_unsaid(block, self._draft, out.where)
            return b""
        if choice.spoken is None:
            choice.spoken = Spoken(voice_of(self._reply, choice.index), self._draft)
        return self._sound(choice, choice.spoken.open(block, out.where))

    def _sound(self, choice: _Choice, audio: dict[str, Any]) -> bytes:
        return self._delta(choice.index, {"audio": audio}) if audio else b""

    def _open_native(self, choice: _Choice, out: _Out) -> bytes:
        block: ir.Native = out.block
        if block.dialect != NAME:
            lose_unsaid(block, self._draft, out.where)
            return b""
        if block.kind.startswith("reasoning."):
            return self._delta(choice.index, {"reasoning_details": [block.value]})
        member = block.kind if block.kind in NATIVE_LISTS else "content"
        return self._delta(choice.index, {member: [block.value]})

    def _open_result(self, choice: _Choice, out: _Out) -> bytes:
        return self._sources(choice, out, out.block) if out.block.content else b""

    def _sources(self, choice: _Choice, out: _Out, block: ir.ToolResult) -> bytes:
        out.said = True
        notes = source_notes(block, choice.length, choice.sources, self._draft, out.where)
        return self._annotate(choice, notes)

    def _logprobs(self, tokens: tuple[ir.Logprob, ...], out: _Out) -> dict[str, Any]:
        return {"content": encode_logprobs(tokens, self._draft.report, out.where), "refusal": None}

    def _refuse(self, event: ir.RefusalDelta) -> bytes:
        choice = self._choices[event.candidate]
        return self._refuse_with(choice, choice.outs[event.index], event.text, event.logprobs)

    def _refuse_with(
        self, choice: _Choice, out: _Out, text: str, logprobs: tuple[ir.Logprob, ...] | None
    ) -> bytes:
        if logprobs is None:
            return out.head + _json(text) + out.tail
        shown = {"content": None, "refusal": encode_logprobs(logprobs, self._draft.report, out.where)}
        return self._delta(choice.index, {"refusal": text}, logprobs=shown)

    def _think(self, event: ir.ThinkDelta) -> bytes:
        choice = self._choices[event.candidate]
        return self._think_more(choice, choice.outs[event.index], event.text, event.part)

    def _think_more(self, choice: _Choice, out: _Out, text: str, part: int | None) -> bytes:
        if not out.head:
            extra = out.block.extra
            summed = ir.Thinking(summary=(text,), extra=extra)
            return self._detail(choice, out, ir.Thinking(text, extra=extra) if part is None else summed)
        if not text and not self._own:  # it is no beginning, and needs no blank line before it
            return out.head + _json(text) + out.tail
        said, out.said = out.said, True
        if self._own:
            if out.block.form == "reasoning+reasoning_content":
                return self._delta(choice.index, {"reasoning": text, "reasoning_content": text})
        elif (part or 0) > out.part if said else choice.thought:
            text = "\n\n" + text
        choice.thought = True
        out.part = part or 0
        return out.head + _json(text) + out.tail

    def _detail(self, choice: _Choice, out: _Out, block: ir.Thinking | None = None) -> bytes:
        """Return the chunk with an entry of `reasoning_details` that holds `block`; None = the open block
        (`out.block`) itself. If the provider repeats the text of such entries in a member of its own
        (`MIRRORS`: `reasoning` or `reasoning_content`, by the form of the open block), the chunk repeats it
        there, too.
        """
        out.said = True
        entry = encode_detail(block or out.block, self._draft, out.where)
        delta: dict[str, Any] = {"reasoning_details": [entry]}
        mirror = MIRRORS.get(out.block.form or "")
        if mirror is not None and (spoken := spoken_text(block or out.block)):
            delta[mirror] = spoken
        return self._delta(choice.index, delta)

    def _arguments(self, event: ir.ArgsDelta) -> bytes:
        out = self._choices[event.candidate].outs[event.index]
        if not (out.head and event.text):
            return b""
        out.said = True
        return out.head + _json(event.text) + out.tail

    def _seal(self, event: ir.SealDelta) -> bytes:
        out = self._choices[event.candidate].outs[event.index]
        block = out.block
        if self._own and isinstance(block, ir.Thinking) and (block.form or "").startswith("details"):
            sealed = ir.Thinking(sealed=event.sealed, extra=block.extra)
            return self._detail(self._choices[event.candidate], out, sealed)
        if self._own and isinstance(block, ir.Thinking) and block.form in FRAMES:
            part = encode_thought(
                ir.Thinking("", sealed=event.sealed, form=block.form), self._draft, out.where
            )
            return self._delta(event.candidate, {"content": [part]})
        if isinstance(block, ir.ToolCall) and event.sealed.origin == SEALS and out.head and not self._legacy:
            if block.sealed is not None:
                return b""  # already sent; clients would append a second one
            out.block = msgspec.structs.replace(block, sealed=event.sealed)
            call = {"index": out.position, "extra_content": seal_members(event.sealed)}
            return self._delta(event.candidate, {"tool_calls": [call]})
        self._draft.leave_seal(out.where)
        return b""

    def _media(self, event: ir.MediaDelta) -> bytes:
        choice = self._choices[event.candidate]
        out = choice.outs[event.index]
        if out.block.kind == "image":
            if out.pieces is None:
                out.pieces = []
            out.pieces.append(event.data or "")
        elif out.block.kind == "audio" and choice.spoken is not None:
            return self._sound(choice, choice.spoken.more(out.where, event))
        return b""  # any other kind was reported as lost when its block opened

    def _cite(self, event: ir.Cite) -> bytes:
        """Return the chunk with a citation; b"" = there is nothing to send now. In an answer of another
        dialect, the citations of a text are held back until its block ends; a citation that comes later is
        sent at once.
        """
        out = self._choices[event.candidate].outs[event.index]
        out.cites.append(event.citation)
        return self._cited(out, event.candidate) if out.closed or self._own else b""

    def _cited(self, out: _Out, candidate: int) -> bytes:
        end = out.start + out.length
        notes = encode_annotations(out.cites, out.start, end, self._draft, out.where)
        out.cites.clear()
        return self._annotate(self._choices[candidate], notes)

    def _annotate(self, choice: _Choice, notes: list[dict[str, Any]]) -> bytes:
        """Return the chunk with these annotations; b"" if there are none. In an answer of another dialect
        each annotation gets an `index`, because clients use it to merge the lists of several chunks.
        """
        if not notes:
            return b""
        if not self._own:
            for index, note in enumerate(notes, choice.notes):
                note["index"] = index
        choice.notes += len(notes)
        return self._delta(choice.index, {"annotations": notes})

    def _complete(self, choice: _Choice, out: _Out, final: ir.Block) -> bytes:
        more = b""
        if isinstance(final, ir.Text) and isinstance(out.block, ir.Text):
            more = self._rest(choice, out, final)
            if not out.cites:
                out.cites.extend(final.citations)
        elif isinstance(final, ir.ToolCall) and out.head and not out.said and final.arguments:
            more = out.head + _json(final.arguments) + out.tail
            out.said = True
        elif isinstance(final, ir.Media) and final.kind == "audio" and choice.spoken is not None:
            more = self._sound(choice, choice.spoken.complete(out.where, final))
        elif isinstance(final, ir.ToolResult | ir.Media):
            out.block, out.pieces = final, None
        return more + self._settle(choice, out)

    def _settle(self, choice: _Choice, out: _Out) -> bytes:
        block = out.block
        if isinstance(block, ir.ToolCall):
            if out.head and not (out.said or self._own or block.kind == "custom"):
                return out.head + b'"{}"' + out.tail  # clients parse the arguments
            return b""
        if isinstance(block, ir.ToolResult):
            return b"" if out.said else self._sources(choice, out, block)
        if isinstance(block, ir.Thinking):
            return b"" if out.said or out.head else self._detail(choice, out)
        if isinstance(block, ir.Media):
            return self._picture(choice, out, block) if block.kind == "image" else b""
        return self._cited(out, choice.index) if out.cites else b""

    def _picture(self, choice: _Choice, out: _Out, block: ir.Media) -> bytes:
        """Return the chunk with a whole image; b"" = the image has no data and no URL, and is reported as
        lost. The image gets an `index`, because clients use it to merge the lists of several chunks. In an
        answer of this dialect, an image that came without an `index` gets none.
        """
        if out.pieces:
            block = msgspec.structs.replace(block, data="".join([block.data or "", *out.pieces]))
        image = encode_image(block, self._draft, out.where)
        if image is None:
            return b""
        if not (self._own and block.form == "images"):  # the vendor has no `index`
            image.setdefault("index", choice.images)
        choice.images += 1
        return self._delta(choice.index, {"images": [image]})

    def _stopped(self, choice: _Choice, stop: ir.Stop | None, where: str) -> dict[str, Any]:
        called = choice.calls > 0
        word = encode_stop(stop, self._draft, where, called=called, legacy=choice.function_call)
        members: dict[str, Any] = {"delta": {}, "finish_reason": word}
        if self._own and stop is not None and stop.sequence is not None:
            members["stop_reason"] = stop.sequence
        return members

    def _conclude(self, choice: _Choice, last: bytes) -> bytes:
        sound = b"" if choice.spoken is None else self._sound(choice, choice.spoken.end())
        once, self._once = self._once, {}
        return sound + self._chunk(last, **once)

    def _more(self, event: ir.More) -> bytes:
        """Save the members of a More event that this dialect can write for later chunks, and return b"". A
        chunk of their own would have no choices, but many clients always read `choices[0]`.
        """
        self._restore(self._once, event.extra, "")
        self._set_head(self._constant(event.tier))
        return b""

    def _last(self) -> bytes:
        members = self._once | self._counts()
        return self._chunk(b"", **members) if members else b""

    def _counts(self) -> dict[str, Any]:
        """Return {"usage": the counts}; {} if the counts are unknown, or the client did not ask for them.
        Losses are reported.
        """
        if self._usage is None:
            return {}
        usage = encode_usage(self._usage, self._draft.report, own=self._own)
        return {"usage": usage} if self._reply.request.stream_usage else {}

    def _failure(self, fault: ir.Fault) -> dict[str, Any]:
        return {"error": error_member(fault), **self._counts()}  # the counts as OpenRouter states them


_OPEN: Final[dict[type, Callable[[ChatEncoder, _Choice, _Out], bytes]]] = {
    ir.Text: ChatEncoder._open_text,
    ir.Refusal: ChatEncoder._open_refusal,
    ir.Thinking: ChatEncoder._open_thinking,
    ir.ToolCall: ChatEncoder._open_call,
    ir.ToolResult: ChatEncoder._open_result,
    ir.Media: ChatEncoder._open_media,
    ir.Json: ChatEncoder._open_json,
    ir.Native: ChatEncoder._open_native,
}
