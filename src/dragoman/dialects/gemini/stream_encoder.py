"""Encodes streams: IR events to the chunks for Gemini's clients.

Text is sent as it comes, and calls are sent whole. The last chunk has the stop reasons and the usage, or is
an error. A chunk is `data: …` and an empty line, with CRLF as Google writes it, or an element of one JSON
array. There is no end mark besides the end of the array, and no heartbeat, because Google's own client reads
any other line as JSON.
"""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.event_encoder import EventEncoder, lose_event
from dragoman.dialects.gemini.draft import Draft
from dragoman.dialects.gemini.errors import error_body
from dragoman.dialects.gemini.grounding import GROUNDING, Sources
from dragoman.dialects.gemini.logprobs import RESULT, encode_logprobs
from dragoman.dialects.gemini.part_encoder import encode_part
from dragoman.dialects.gemini.response import are_derived, identity
from dragoman.dialects.gemini.signatures import write_signature
from dragoman.dialects.gemini.stops import UNANSWERED, encode_stop, feedback_of
from dragoman.dialects.gemini.terms import NAME, restore
from dragoman.dialects.gemini.usage import encode_usage
from dragoman.dialects.reply import Reply

_dumps = msgspec.json.Encoder().encode

_HEAD = b'{"candidates":[{"content":{"parts":[{"text":'
_BETWEEN_PARTS = "\n\n"
_BARE = ({"text": ""}, {"text": "", "thought": True})
_SUMMED = RESULT + "."
_SPEAKS = (ir.Text, ir.Refusal, ir.Thinking)


class _Block(msgspec.Struct):
    """One block of the answer, open or closed.

    tail: the bytes of a chunk after one piece of the block's text. said: True = some content of the block was
    sent. sealed: the block's seal (signature) so far; None = it has none. part: the number of the latest part
    of a reasoning summary; None = no part has a number. words: the pieces of the block's text, to find the
    places of citations. data: the pieces of a call's arguments or of a medium's data.
    """

    index: int
    candidate: int
    block: ir.Block
    tail: bytes
    said: bool = False
    closed: bool = False
    sealed: ir.Sealed | None = None
    part: int | None = None
    words: list[str] = []
    data: list[str] = []

    @property
    def where(self) -> str:
        return f"candidates[{self.candidate}].blocks[{self.index}]"


class GeminiEncoder(EventEncoder):
    """Encodes the IR events of one answer to a client's stream."""

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._report = reply.report
        self._array = reply.framing == "json_array"
        self._separator = b"["
        self._head = _HEAD if self._array else b"data: " + _HEAD
        self._draft = Draft(reply.report, own=False, answer=True)
        self._same: dict[str, Any] = {}
        self._blocks: dict[tuple[int, int], _Block] = {}
        self._tails: dict[tuple[int, bool], bytes] = {}
        self._finished: dict[int, ir.Finish] = {}
        self._cites: list[ir.Cite] = []
        self._called: set[int] = set()
        self._usage: ir.Usage | None = None
        self._tier: str | None = None
        self._over = False

    def feed(self, event: ir.Event) -> bytes:
        """Return the bytes for the client after one IR event; b"" = nothing is sent now. After the end of the
        answer, all events give b"".
        """
        if self._over:
            return b""
        return self._table[type(event)](self, event)

    # --- Chunks ----------------------------------------------------------------------------------

    def _chunk(self, value: dict[str, Any]) -> bytes:
        return self._framed(_dumps({**value, **self._same}))

    def _framed(self, payload: bytes) -> bytes:
        if not self._array:
            return b"data: %b\r\n\r\n" % payload
        separator, self._separator = self._separator, b",\r\n"
        return separator + payload

    def _parts(self, candidate: int, part: dict[str, Any], **beside: Any) -> bytes:
        content = {"parts": [part], "role": "model"}
        return self._chunk({"candidates": [{"content": content, "index": candidate, **beside}]})

    def _tail(self, candidate: int, *, thought: bool) -> bytes:
        """Return the bytes after the text in a chunk with one piece of text. candidate: the candidate's
        index. thought: True = the text is reasoning.
        """
        tail = self._tails.get((candidate, thought))
        if tail is None:
            members = {"content": {"parts": [], "role": "model"}, "index": candidate}
            payload = _dumps({"candidates": [members], **self._same})
            flag = b',"thought":true}' if thought else b"}"
            tail = flag + payload.removeprefix(_HEAD.removesuffix(b'{"text":'))
            if not self._array:
                tail += b"\r\n\r\n"
            self._tails[candidate, thought] = tail
        return tail

    def _say(self, block: _Block, text: str) -> bytes:
        block.said = True
        out = self._head + _dumps(text) + block.tail
        if self._array:
            out, self._separator = self._separator + out, b",\r\n"
        return out

    # --- The answer ------------------------------------------------------------------------------

    def _start(self, event: ir.Start) -> bytes:
        self._draft = Draft(self._report, event.dialect == NAME, answer=True)
        self._same = identity(event.id, event.model, event.created, self._reply)
        self._usage, self._tier = event.usage, event.tier
        return self._beside(event.extra)

    def _beside(self, extra: ir.Extra) -> bytes:
        """Return the bytes of a chunk with the answer's leftovers of this dialect in `extra`; b"" = it has
        none. Leftovers of other dialects are reported as lost.
        """
        members: dict[str, Any] = {}
        restore(members, extra, self._report, "")
        return self._chunk(members) if members else b""

    def _finish(self, event: ir.Finish) -> bytes:
        self._finished[event.candidate] = event
        return b""

    def _tally(self, event: ir.Tally) -> bytes:
        self._usage = event.usage
        return b""

    def _more(self, event: ir.More) -> bytes:
        self._tier = event.tier or self._tier
        return self._beside(event.extra)

    def _raw(self, event: ir.Raw) -> bytes:
        return lose_event(event, self._report)

    def _ping(self, event: ir.Ping) -> bytes:
        return b""

    def _error(self, event: ir.Error) -> bytes:
        return self._fail(event.fault)

    def _fail(self, fault: ir.Fault) -> bytes:
        self._over = True
        for state in self._blocks.values():
            if not (state.closed or state.said):
                self._report.lose(state.where, "the response ended before this was complete", "meaning")
        usage = encode_usage(self._usage, self._tier, self._report, own=self._draft.own)
        counted = self._chunk({"usageMetadata": usage}) if usage else b""
        return counted + self._framed(_dumps(error_body(fault))) + (b"]" if self._array else b"")

    def _end(self, event: ir.End) -> bytes:
        if event.error is not None:
            return self._fail(event.error)
        if event.status is not None:
            self._report.lose("status", "the Gemini API has no such field", "hint")
        own = self._draft.own
        last: dict[str, Any] = {}
        first = self._finished.get(0)
        feedback = feedback_of(first.stop) if own and first is not None else None
        if feedback is not None:
            last["promptFeedback"] = feedback
        elif self._finished and not (own and first == ir.Finish(UNANSWERED)):
            last["candidates"] = [self._ended(finish) for _, finish in sorted(self._finished.items())]
        usage = encode_usage(self._usage, self._tier, self._report, own=own)
        if usage:
            last["usageMetadata"] = usage
        restore(last, event.extra, self._report, "")
        out = self._chunk(last)
        self._over = True
        return out + b"]" if self._array else out

    def _ended(self, finish: ir.Finish) -> dict[str, Any]:
        number, report = finish.candidate, self._report
        where = f"candidates[{number}]"
        out: dict[str, Any] = {
            "content": {"parts": [{"text": ""}], "role": "model"},
            **encode_stop(finish.stop, report, where, own=self._draft.own, called=number in self._called),
            "index": number,
        }
        if not are_derived(finish.extra) and (grounding := self._sources(number)):
            out[GROUNDING] = grounding
        if any(key.startswith(_SUMMED) for key in (finish.extra or {}).get(NAME, ())):
            out[RESULT] = {}  # the tokens have been sent
        restore(out, finish.extra, report, where)
        return out

    def _sources(self, candidate: int) -> dict[str, Any]:
        """Return the value of `groundingMetadata` for a candidate's citations; {} = it has none. Their places
        are counted in UTF-8 bytes of all texts of the candidate together, without reasoning.
        """
        sources = Sources(self._report)
        counts: dict[int, int] = {}
        for cite in self._cites:
            if cite.candidate != candidate:
                continue
            block = self._blocks[candidate, cite.index]
            number = counts[cite.index] = counts.get(cite.index, -1) + 1
            before = sum(
                len("".join(other.words).encode())
                for other in self._blocks.values()
                if other.candidate == candidate
                and other.index < cite.index
                and not isinstance(other.block, ir.Thinking)
            )
            place = f"{block.where}.citations[{number}]"
            sources.cite(cite.citation, "".join(block.words), place, before=before)
        return sources.metadata()

    # --- Blocks ----------------------------------------------------------------------------------

    def _open(self, event: ir.Open) -> bytes:
        block = event.block
        speaks = isinstance(block, _SPEAKS)
        tail = self._tail(event.candidate, thought=isinstance(block, ir.Thinking)) if speaks else b""
        state = _Block(event.index, event.candidate, block, tail)
        self._blocks[event.candidate, event.index] = state
        if isinstance(block, ir.ToolCall):
            state.data.append(block.arguments)
        elif isinstance(block, ir.Media) and block.data is not None:
            state.data.append(block.data)
        elif speaks and block not in _EMPTY:
            return self._opened(state, block)
        return b""

    def _opened(self, state: _Block, block: ir.Block) -> bytes:
        """Return the bytes of a chunk with the whole content of `block`; b"" = the block has no content that
        can be written. Its citations are stored for the last chunk.

        block: a text, refusal or reasoning block as it was opened, or in its final form.
        """
        if isinstance(block, ir.Text):
            self._cites += [ir.Cite(state.index, one, state.candidate) for one in block.citations]
        part = encode_part(block, self._draft, state.where)
        if part is None or part in _BARE:
            return b""
        state.said = True
        state.sealed = getattr(block, "sealed", None)
        state.words.append(part.get("text", ""))
        logprobs = getattr(block, "logprobs", None)
        beside = {} if logprobs is None else {RESULT: encode_logprobs(logprobs, self._report, state.where)}
        return self._parts(state.candidate, part, **beside)

    def _text(self, event: ir.TextDelta | ir.RefusalDelta) -> bytes:
        state = self._blocks[event.candidate, event.index]
        state.words.append(event.text)
        if event.logprobs is not None:
            state.said = True
            result = {RESULT: encode_logprobs(event.logprobs, self._report, state.where)}
            return self._parts(event.candidate, {"text": event.text}, **result)
        return self._say(state, event.text) if event.text else b""

    _refuse = _text

    def _think(self, event: ir.ThinkDelta) -> bytes:
        state = self._blocks[event.candidate, event.index]
        text = event.text
        if not text:
            return b""
        if event.part != state.part:
            state.part = event.part
            if state.said:
                text = _BETWEEN_PARTS + text
        return self._say(state, text)

    def _arguments(self, event: ir.ArgsDelta) -> bytes:
        self._blocks[event.candidate, event.index].data.append(event.text)
        return b""

    def _media(self, event: ir.MediaDelta) -> bytes:
        state = self._blocks[event.candidate, event.index]
        block = state.block
        if event.transcript is not None:
            why = "audio in the Gemini API has no transcript"
            self._report.lose(f"{state.where}.transcript", why, "hint")
        if not event.data or not isinstance(block, ir.Media):
            return b""
        if block.kind != "audio" or block.sealed is not None:
            state.data.append(event.data)
            return b""
        piece = msgspec.structs.replace(block, data=event.data, transcript=None)
        part = encode_part(piece, self._draft, state.where)
        state.said = True
        return b"" if part is None else self._parts(state.candidate, part)

    def _seal(self, event: ir.SealDelta) -> bytes:
        state = self._blocks[event.candidate, event.index]
        state.sealed = event.sealed
        if not isinstance(state.block, ir.Text | ir.Thinking):
            return b""  # written when the block is complete
        if isinstance(state.block, ir.Thinking) and state.block.redacted and event.sealed.origin != NAME:
            self._report.lose(state.where, "the reasoning has no text to show", "hint")
            return b""
        part: dict[str, Any] = {"text": "", "thoughtSignature": write_signature(event.sealed)}
        if isinstance(state.block, ir.Thinking):
            part["thought"] = True
        state.said = True
        return self._parts(state.candidate, part)

    def _cite(self, event: ir.Cite) -> bytes:
        self._cites.append(event)
        return b""

    def _close(self, event: ir.Close) -> bytes:
        state = self._blocks[event.candidate, event.index]
        final = event.block
        state.closed = True
        if isinstance(state.block, _SPEAKS):
            return b"" if final is None else self._last_words(state, final)
        if state.said and final is None:
            return b""
        block = final or self._grown(state)
        part = encode_part(block, self._draft, state.where)
        if part is None or state.said:
            return b""
        if "functionCall" in part:
            self._called.add(event.candidate)
        return self._parts(event.candidate, part)

    def _last_words(self, state: _Block, final: ir.Block) -> bytes:
        """Return the bytes of what only the final form (`final`) of a text, refusal or reasoning block
        states: its whole content if nothing of the block was sent, otherwise only its seal if none was sent.
        b"" = nothing is left to send.
        """
        if not state.said:
            return self._opened(state, final)
        sealed = getattr(final, "sealed", None)
        if sealed is not None and state.sealed is None:
            return self._seal(ir.SealDelta(state.index, sealed, state.candidate))
        return b""

    def _grown(self, state: _Block) -> ir.Block:
        block = state.block
        changes: dict[str, Any] = {}
        if state.data:
            changes["arguments" if isinstance(block, ir.ToolCall) else "data"] = "".join(state.data)
        if state.sealed is not None:
            changes["sealed"] = state.sealed
        return msgspec.structs.replace(block, **changes) if changes else block


_EMPTY = (ir.Text(""), ir.Thinking(), ir.Refusal(""))
