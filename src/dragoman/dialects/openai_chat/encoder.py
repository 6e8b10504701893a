"""Streams to the wire: events as the chunks that this dialect's clients read.

Every chunk of text is a constant head, the text as JSON, and a constant tail; head and tail are made when
the block opens. Id, date and model are the same in every chunk. After an error nothing follows.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.dialect import Reply
from dragoman.dialects.openai_chat.answer import seal_members, spoken_text
from dragoman.dialects.openai_chat.draft import Draft
from dragoman.dialects.openai_chat.errors import error_member
from dragoman.dialects.openai_chat.response import (
    created_of,
    encode_logprobs,
    encode_stop,
    legacy,
    mint,
    shown_model,
)
from dragoman.dialects.openai_chat.saying import (
    encode_annotation,
    encode_call,
    encode_detail,
    encode_image,
    encode_legacy,
    lose_second_call,
    lose_unsaid,
    separated,
    source_notes,
)
from dragoman.dialects.openai_chat.sound import Spoken, has_sound, shed, voice_of
from dragoman.dialects.openai_chat.terms import NAME, SEALS, restore, text_of
from dragoman.dialects.openai_chat.usage import encode_usage
from dragoman.wire.wav import pcm_of

_json = msgspec.json.Encoder().encode
_CONSTANT: Final = ("service_tier", "system_fingerprint")
"""Members beside the usual ones that stand in every chunk; others stand in one."""
DONE: Final = b"data: [DONE]\n\n"


class _Out:
    """One open block: the bytes round its text, and what its end still owes."""

    __slots__ = (
        "block",
        "cites",
        "closed",
        "head",
        "length",
        "part",
        "pieces",
        "position",
        "said",
        "spoken",
        "start",
        "tail",
        "where",
    )

    def __init__(self, block: Any, where: str) -> None:
        self.block = block
        self.where = where  # in IR terms
        self.head = b""  # empty: its text is not shown, or not by constant bytes
        self.tail = b""
        self.said = False  # some of its text has been sent
        self.closed = False
        self.length = 0  # characters of it sent
        self.start = 0  # characters of the content before it
        self.part = 0  # the summary part that was sent last
        self.position = 0  # of a call among the calls
        self.cites: list[ir.Citation] = []
        self.pieces: list[str] | None = None  # of a picture's data
        self.spoken: Spoken | None = None  # the sound that it belongs to


class _Choice:
    """One candidate while it is written."""

    __slots__ = (
        "calls",
        "function_call",
        "head",
        "images",
        "index",
        "last",
        "length",
        "notes",
        "outs",
        "sources",
        "spaced",
        "spoken",
        "thought",
    )

    def __init__(self, index: int, head: bytes) -> None:
        self.index = index
        self.head = head
        self.outs: list[_Out] = []
        self.calls = 0
        self.function_call = False
        self.length = 0  # characters of content sent
        self.last = ""  # the last of them
        self.spaced = False  # something else came after the last text
        self.thought = False  # thinking has been sent
        self.sources: set[str] = set()  # URLs that were shown as found
        self.images = 0  # shown so far
        self.notes = 0  # shown so far
        self.spoken: Spoken | None = None  # the sound of another dialect's answer


class Encoder:
    """The bytes of one stream."""

    __slots__ = (
        "_choices",
        "_draft",
        "_head",
        "_legacy",
        "_once",
        "_own",
        "_reply",
        "_tail",
        "_usage",
    )

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._legacy = legacy(reply)
        self._own = False
        self._draft = Draft(reply.report, answer=True)
        self._choices: dict[int, _Choice] = {}
        self._head = b""
        self._tail = b""
        self._once: dict[str, Any] = {}
        self._usage: ir.Usage | None = None

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
        self._usage = event.usage
        members: dict[str, Any] = {
            "id": event.id if event.id is not None else self._reply.id,
            "object": "chat.completion.chunk",
            "created": created_of(event.created, self._reply, own=self._own),
            "model": shown_model(event.model, self._reply),
        }
        if event.tier is not None:
            members["service_tier"] = event.tier
        extra: dict[str, Any] = {}
        if event.extra is not None:
            restore(extra, event.extra, self._reply.report, "")
        if event.status is not None:
            self._reply.report.lose("status", "an answer has no status here", "hint")
        members.update({key: extra.pop(key) for key in _CONSTANT if key in extra})
        self._once = extra
        self._head = b"data: " + _json(members)[:-1] + b',"choices":['
        self._tail = b'],"usage":null}\n\n' if self._reply.request.stream_usage else b"]}\n\n"
        return b""

    def _chunk(self, choice: bytes, **members: Any) -> bytes:
        """One chunk. members: what it holds beside the usual."""
        if members:
            return self._head + choice + b"]," + _json(members)[1:] + b"\n\n"
        return self._head + choice + self._tail

    def _delta(self, index: int, delta: dict[str, Any], **members: Any) -> bytes:
        return self._chunk(_json({"index": index, "delta": delta, **members, "finish_reason": None}))

    def _begin(self, index: int) -> bytes:
        """A candidate's first chunk, which names the role; the first of all holds the answer's leftovers."""
        self._choices[index] = _Choice(index, self._head + b'{"index":%d,"delta":' % index)
        once, self._once = self._once, {}
        delta = {"role": "assistant", "content": "", "refusal": None}
        return self._chunk(_json({"index": index, "delta": delta, "finish_reason": None}), **once)

    # Blocks --------------------------------------------------------------------------------------

    def _open(self, event: ir.Open) -> bytes:
        role = b"" if event.candidate in self._choices else self._begin(event.candidate)
        choice = self._choices[event.candidate]
        out = _Out(event.block, f"candidates[{event.candidate}].blocks[{event.index}]")
        choice.outs.append(out)
        if type(event.block) is not ir.Text:
            choice.spaced = True
        return role + _OPEN[type(event.block)](self, choice, out)

    def _frame(self, choice: _Choice, out: _Out, head: bytes, tail: bytes) -> None:
        """Set the constant bytes round a block's text."""
        out.head = choice.head + head
        out.tail = tail + b',"finish_reason":null}' + self._tail

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
            # What kind of entry it is may only be told by what follows.
            return self._detail(choice, out) if block.text or block.summary or block.redacted else b""
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
        # Without arguments yet: those of another dialect's call that gets none are completed at its end.
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
        call["index"] = out.position  # whatever a leftover says
        member, text = ("custom", "input") if block.kind == "custom" else ("function", "arguments")
        call[member][text] = block.arguments
        head = b'{"tool_calls":[{"index":%d,"%b":{"%b":' % (out.position, member.encode(), text.encode())
        self._frame(choice, out, head, b"}}]}")
        return self._delta(choice.index, {"tool_calls": [call]})

    def _open_media(self, choice: _Choice, out: _Out) -> bytes:
        block: ir.Media = out.block
        if block.kind == "image":
            return b""  # sent whole, at its end
        if block.kind != "audio":
            lose_unsaid(block, self._draft, out.where)
            return b""
        if not self._own:
            return self._speak(choice, out)
        audio = _stated(id=block.id, data=block.data, transcript=block.transcript, expires_at=block.expires)
        if block.extra is not None:
            restore(audio, block.extra, self._draft.report, out.where)
        return self._delta(choice.index, {"audio": audio})

    def _speak(self, choice: _Choice, out: _Out) -> bytes:
        """A block of another dialect's sound: the first, or more samples of the same type."""
        block: ir.Media = out.block
        if not has_sound(block, self._draft, out.where):
            return b""
        spoken, audio = choice.spoken, {}
        if spoken is None:
            voice = voice_of(self._reply, choice.index)
            spoken = choice.spoken = Spoken(block, voice, self._draft, out.where)
            audio = spoken.opening(block)
        elif block.mime == spoken.mime and pcm_of(block.mime) is not None:
            audio = spoken.more(block.data, block.transcript, block.expires)
        else:
            self._draft.report.lose(out.where, "an answer holds one sound of one type")
            return b""
        out.spoken = spoken
        out.said = bool(block.data)
        shed(block, self._draft, out.where)
        return self._delta(choice.index, {"audio": audio}) if audio else b""

    def _open_native(self, choice: _Choice, out: _Out) -> bytes:
        block: ir.Native = out.block
        if block.dialect != NAME:
            lose_unsaid(block, self._draft, out.where)
            return b""
        if block.kind.startswith("reasoning."):
            return self._delta(choice.index, {"reasoning_details": [block.value]})
        member = "images" if block.kind == "images" else "content"
        return self._delta(choice.index, {member: [block.value]})

    def _open_result(self, choice: _Choice, out: _Out) -> bytes:
        return self._sources(choice, out, out.block) if out.block.content else b""

    def _sources(self, choice: _Choice, out: _Out, block: ir.ToolResult) -> bytes:
        out.said = True
        notes = source_notes(block, choice.length, choice.sources, self._draft, out.where)
        return self._annotate(choice, notes)

    def _shed(self, out: _Out) -> None:
        """Name as lost what a block of text carries beside it."""
        block = out.block
        if getattr(block, "sealed", None) is not None:
            self._draft.leave_seal(out.where)
        if block.extra is not None:
            restore({}, block.extra, self._draft.report, out.where)

    # Deltas --------------------------------------------------------------------------------------

    def _text(self, event: ir.TextDelta) -> bytes:
        choice = self._choices[event.candidate]
        return self._say(choice, choice.outs[event.index], event.text, event.logprobs)

    def _say(self, choice: _Choice, out: _Out, text: str, logprobs: tuple[ir.Logprob, ...] | None) -> bytes:
        length = len(text)
        if not out.said:
            out.said = True
            if choice.spaced and not self._own:
                text = separated(choice.last, text)
                out.start += len(text) - length
            choice.spaced = False
        out.length += length
        choice.length = out.start + out.length
        choice.last = text[-1:] or choice.last
        if logprobs is None:
            return out.head + _json(text) + out.tail
        shown = {"content": encode_logprobs(logprobs), "refusal": None}
        return self._delta(choice.index, {"content": text}, logprobs=shown)

    def _refuse(self, event: ir.RefusalDelta) -> bytes:
        choice = self._choices[event.candidate]
        return self._refuse_with(choice, choice.outs[event.index], event.text, event.logprobs)

    def _refuse_with(
        self, choice: _Choice, out: _Out, text: str, logprobs: tuple[ir.Logprob, ...] | None
    ) -> bytes:
        if logprobs is None:
            return out.head + _json(text) + out.tail
        shown = {"content": None, "refusal": encode_logprobs(logprobs)}
        return self._delta(choice.index, {"refusal": text}, logprobs=shown)

    def _think(self, event: ir.ThinkDelta) -> bytes:
        choice = self._choices[event.candidate]
        return self._think_more(choice, choice.outs[event.index], event.text, event.part)

    def _think_more(self, choice: _Choice, out: _Out, text: str, part: int | None) -> bytes:
        block: ir.Thinking = out.block
        if not out.head:
            return self._think_detail(choice, out, text, part)
        if not self._own and ((not out.said and choice.thought) or (out.said and (part or 0) > out.part)):
            text = "\n\n" + text
        out.said = choice.thought = True
        out.part = part or 0
        if self._own and block.form == "reasoning+reasoning_content":
            return self._delta(choice.index, {"reasoning": text, "reasoning_content": text})
        return out.head + _json(text) + out.tail

    def _think_detail(self, choice: _Choice, out: _Out, text: str, part: int | None) -> bytes:
        extra = out.block.extra
        bare = ir.Thinking(text, extra=extra) if part is None else ir.Thinking(summary=(text,), extra=extra)
        return self._detail(choice, out, bare)

    def _detail(self, choice: _Choice, out: _Out, block: ir.Thinking | None = None) -> bytes:
        """An entry of `reasoning_details`, or more of one; `reasoning` repeats its text, as vendors do."""
        out.said = True
        entry = encode_detail(block or out.block, self._draft, out.where)
        delta: dict[str, Any] = {"reasoning_details": [entry]}
        if out.block.form == "details" and (spoken := spoken_text(block or out.block)):
            delta["reasoning"] = spoken
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
        if isinstance(block, ir.ToolCall) and event.sealed.origin == SEALS and out.head and not self._legacy:
            if block.sealed is not None:
                return b""  # it has been sent, and clients would add a second one to it
            out.block = msgspec.structs.replace(block, sealed=event.sealed)
            call = {"index": out.position, "extra_content": seal_members(event.sealed)}
            return self._delta(event.candidate, {"tool_calls": [call]})
        self._draft.leave_seal(out.where)
        return b""

    def _media(self, event: ir.MediaDelta) -> bytes:
        out = self._choices[event.candidate].outs[event.index]
        block: ir.Media = out.block
        if block.kind == "image":
            if out.pieces is None:
                out.pieces = []
            out.pieces.append(event.data or "")
            return b""
        if block.kind != "audio" or not (self._own or out.spoken):
            return b""  # named as lost when it was opened
        audio = _stated(data=event.data, transcript=event.transcript, expires_at=event.expires)
        if out.spoken is not None:
            out.said = out.said or bool(event.data)
            audio = out.spoken.more(event.data, event.transcript, event.expires)
        return self._delta(event.candidate, {"audio": audio}) if audio else b""

    def _cite(self, event: ir.Cite) -> bytes:
        """A citation goes out when the end of its text is known, which our own citations state."""
        out = self._choices[event.candidate].outs[event.index]
        out.cites.append(event.citation)
        return self._cited(out, event.candidate) if out.closed or self._own else b""

    def _cited(self, out: _Out, candidate: int) -> bytes:
        notes: list[dict[str, Any]] = []
        for index, citation in enumerate(out.cites):
            if self._own and citation.form == "citations":
                continue
            note = encode_annotation(citation, out.start, out.start + out.length, own=self._own)
            if note is None:
                where = f"{out.where}.citations[{index}]"
                self._draft.report.lose(where, f"a citation of a {citation.kind} has no URL", "quality")
            else:
                notes.append(note)
        out.cites.clear()
        return self._annotate(self._choices[candidate], notes)

    def _annotate(self, choice: _Choice, notes: list[dict[str, Any]]) -> bytes:
        """Citations, each with its place among all of them: clients add up lists by `index`."""
        if not notes:
            return b""
        if not self._own:
            for index, note in enumerate(notes, choice.notes):
                note["index"] = index
        choice.notes += len(notes)
        return self._delta(choice.index, {"annotations": notes})

    def _close(self, event: ir.Close) -> bytes:
        choice = self._choices[event.candidate]
        out = choice.outs[event.index]
        out.closed = True
        if event.block is not None:
            return self._complete(choice, out, event.block)
        return self._settle(choice, out)

    def _complete(self, choice: _Choice, out: _Out, final: ir.Block) -> bytes:
        """The block as it really is: what the deltas have not said of it yet."""
        more = b""
        if isinstance(final, ir.Text) and isinstance(out.block, ir.Text):
            if len(final.text) > out.length:
                more = self._say(choice, out, final.text[out.length :], None)
            if not out.cites:
                out.cites.extend(final.citations)
        elif isinstance(final, ir.ToolCall) and out.head and not out.said and final.arguments:
            more = out.head + _json(final.arguments) + out.tail
            out.said = True
        elif isinstance(final, ir.Media) and out.spoken is not None:
            more = self._spoken_at_last(choice, out.spoken, out, final)
        elif isinstance(final, ir.ToolResult | ir.Media):
            out.block, out.pieces = final, None
        return more + self._settle(choice, out)

    def _settle(self, choice: _Choice, out: _Out) -> bytes:
        block = out.block
        if isinstance(block, ir.ToolCall):
            if out.head and not (out.said or self._own or block.kind == "custom"):
                return out.head + b'"{}"' + out.tail  # clients parse what they get
            return b""
        if isinstance(block, ir.ToolResult):
            return b"" if out.said else self._sources(choice, out, block)
        if isinstance(block, ir.Thinking):
            return b"" if out.said or out.head else self._detail(choice, out)
        if isinstance(block, ir.Media):
            return self._picture(choice, out, block) if block.kind == "image" else b""
        return self._cited(out, choice.index) if out.cites else b""

    def _spoken_at_last(self, choice: _Choice, spoken: Spoken, out: _Out, final: ir.Media) -> bytes:
        """What of a sound only its end has told; samples that were sent are not sent again."""
        told = out.said
        audio = spoken.more(None if told else final.data, None if told else final.transcript, final.expires)
        return self._delta(choice.index, {"audio": audio}) if audio else b""

    def _picture(self, choice: _Choice, out: _Out, block: ir.Media) -> bytes:
        """A picture, whole. Clients add up lists by `index`, so that every entry needs its own."""
        if out.pieces:
            block = msgspec.structs.replace(block, data="".join([block.data or "", *out.pieces]))
        image = encode_image(block, self._draft, out.where)
        if image is None:
            return b""
        if not (self._own and block.form == "images"):  # a vendor that numbers nothing
            image.setdefault("index", choice.images)
        choice.images += 1
        return self._delta(choice.index, {"images": [image]})

    # The end -------------------------------------------------------------------------------------

    def _finish(self, event: ir.Finish) -> bytes:
        index = event.candidate
        role = b"" if index in self._choices else self._begin(index)
        choice = self._choices[index]
        where = f"candidates[{index}]"
        if choice.spoken is not None:
            role += self._delta(index, {"audio": choice.spoken.closing()})
        word = encode_stop(
            event.stop, self._draft, where, called=choice.calls > 0, legacy=choice.function_call
        )
        out: dict[str, Any] = {"index": index, "delta": {}, "finish_reason": word}
        if self._own and event.stop is not None and event.stop.sequence is not None:
            out["stop_reason"] = event.stop.sequence
        if event.extra is not None:
            restore(out, event.extra, self._draft.report, where)
            _move_message(out)
        return role + self._chunk(_json(out))

    def _tally(self, event: ir.Tally) -> bytes:
        self._usage = event.usage
        return b""

    def _more(self, event: ir.More) -> bytes:
        members: dict[str, Any] = {}
        if event.tier is not None:
            members["service_tier"] = event.tier
        if event.extra is not None:
            restore(members, event.extra, self._draft.report, "")
        if not members:
            return b""
        if not self._choices:
            self._once.update(members)
            return b""
        return self._chunk(b"", **members)

    def _raw(self, event: ir.Raw) -> bytes:
        if event.dialect == NAME:
            return b"data: " + _json(event.value) + b"\n\n"
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
        last = self._chunk(b"", **members) if members else b""
        if self._usage is not None:
            usage = encode_usage(self._usage, self._draft.report, own=self._own)
            if self._reply.request.stream_usage:
                last += self._chunk(b"", usage=usage)
        return last + DONE

    def _error(self, event: ir.Error) -> bytes:
        return b"data: " + _json({"error": error_member(event.fault)}) + b"\n\n"

    def _ping(self, event: ir.Ping) -> bytes:
        return b""


def _stated(**members: Any) -> dict[str, Any]:
    return {key: value for key, value in members.items() if value is not None}


def _move_message(out: dict[str, Any]) -> None:
    """Leftovers of the message lie in the delta, where a stream has it."""
    for key in [key for key in out if key.startswith("message.")]:
        out["delta"][key.removeprefix("message.")] = out.pop(key)


_OPEN: Final[dict[type, Callable[[Encoder, _Choice, _Out], bytes]]] = {
    ir.Text: Encoder._open_text,
    ir.Refusal: Encoder._open_refusal,
    ir.Thinking: Encoder._open_thinking,
    ir.ToolCall: Encoder._open_call,
    ir.ToolResult: Encoder._open_result,
    ir.Media: Encoder._open_media,
    ir.Json: Encoder._open_json,
    ir.Native: Encoder._open_native,
}
_WRITE: Final[dict[type, Callable[[Encoder, Any], bytes]]] = {
    ir.Start: Encoder._start,
    ir.Open: Encoder._open,
    ir.TextDelta: Encoder._text,
    ir.ArgsDelta: Encoder._arguments,
    ir.ThinkDelta: Encoder._think,
    ir.RefusalDelta: Encoder._refuse,
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
