"""Decodes a stream of Mistral's chunks into IR events.

The content of a delta is a string or a list of content chunks. Thinking comes in small pieces, calls mostly
come whole, and the usage comes together with the finish reason. Adjacent texts make one block, and so does
adjacent thinking. Every other content chunk makes one block, and so does a text or thinking with leftovers. A
reference after a text becomes a citation of this text, and the next text makes a new block. `p` is padding; a
delta's `index` repeats the index of its choice.
"""

from __future__ import annotations

from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.calls import Call, call_of
from dragoman.dialects.chat.errors import failure
from dragoman.dialects.chat.stops import decode_stop
from dragoman.dialects.chat.stream_decoder import Candidate, ChunkDecoder
from dragoman.dialects.mistral.calls import NO_ID, arguments_text, decode_call
from dragoman.dialects.mistral.errors import fault_of
from dragoman.dialects.mistral.parts import decode_part, decode_reference
from dragoman.dialects.mistral.response import decode_logprobs, tier_of
from dragoman.dialects.mistral.terms import NAME
from dragoman.dialects.mistral.usage import decode_usage
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.typed import Typed, an_object, sound_tokens

PADDING: Final = "p"
_CHUNK: Final = frozenset({"id", "object", "created", "model", "choices", "usage", PADDING})
_HEAD: Final = Typed(NAME, id=str, model=str, created=(int, float, str))
_CHOICE: Final = frozenset({"index", "delta", "finish_reason", "logprobs"})
_DELTA: Final = frozenset({"role", "content", "tool_calls", "index"})
_PLAIN: Final = frozenset({"role", "content"})


class _Candidate(Candidate):
    __slots__ = ("blocks", "calls", "cited", "prose", "thinks")

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.blocks = 0  # number of opened blocks
        self.prose = -1  # the open block of text or thinking
        self.thinks = False  # whether that block is thinking
        self.cited = False  # the text has citations: the next text is a new block
        self.calls: dict[Any, Call] = {}


class MistralDecoder(ChunkDecoder[_Candidate]):
    """Decodes the frames of one Mistral stream to IR events."""

    __slots__ = ("_tier",)

    def __init__(self, _: Quirks) -> None:
        super().__init__(PADDING)
        self._tier: str | None = None

    def _chunk(self, chunk: dict[str, Any]) -> list[ir.Event]:
        if (failed := failure(chunk)) is not None:
            return self._fail(fault_of(failed))
        events: list[ir.Event] = []
        if not self._started:
            self._started = True
            self._keep(chunk, _CHUNK)
            extra: ir.Extra = {NAME: dict(self._seen)} if self._seen else None
            head, odd = _HEAD.sort(chunk)
            extra = ir.merge(extra, odd)
            start = ir.Start(
                NAME, head.get("id"), head.get("model") or None, head.get("created"), extra=extra
            )
            events.append(start)
        elif not chunk.keys() <= _CHUNK and (news := self._keep(chunk, _CHUNK)):
            events.append(ir.More({NAME: news}))
        for choice in chunk.get("choices") or ():
            self._choice(choice, events)
        if (usage := chunk.get("usage")) and self._is_news(usage):
            self._usage = usage
            events.append(self._tally(decode_usage(usage)))
            if (tier := tier_of(usage)) is not None and tier != self._tier:
                self._tier = tier
                events.append(ir.More(tier=tier))
        return events

    def _choice(self, choice: dict[str, Any], events: list[ir.Event]) -> None:
        candidate = self._candidate(choice, _Candidate)
        delta = choice.get("delta") or {}
        logprobs = choice.get("logprobs")
        tokens = logprobs.get("content") if type(logprobs) is dict else None
        if (content := delta.get("content")) or tokens:
            self._content(candidate, content or "", tokens, events)
        if not delta.keys() <= _PLAIN:
            for call in delta.get("tool_calls") or ():
                self._call(candidate, call, events)
            candidate.note(delta, _DELTA, "message.")
        if word := choice.get("finish_reason"):
            candidate.end(word)
        if not choice.keys() <= _CHOICE:
            candidate.note(choice, _CHOICE)

    def _content(self, candidate: _Candidate, content: Any, tokens: Any, events: list[ir.Event]) -> None:
        if isinstance(content, str):
            logprobs = sound_tokens(decode_logprobs, tokens) if tokens else None
            if tokens and logprobs is None:
                candidate.keep("message.logprobs", {"content": tokens})
            self._prose(candidate, thinks=False, events=events)
            events.append(ir.TextDelta(candidate.prose, content, candidate.index, logprobs))
            return
        for part in content:
            self._part(candidate, part, events)

    def _part(self, candidate: _Candidate, part: dict[str, Any], events: list[ir.Event]) -> None:
        part = an_object(part, "choices[].delta.content[]")
        if (
            part.get("type") == "reference"
            and "reference_ids" in part
            and candidate.prose >= 0
            and not candidate.thinks
        ):
            events.append(ir.Cite(candidate.prose, decode_reference(part), candidate.index))
            candidate.cited = True
            return
        block = decode_part(part)
        text = isinstance(block, ir.Text) and block.extra is None
        if not text and not (isinstance(block, ir.Thinking) and block.extra is None):
            self._close(candidate, events)
            events.append(ir.Open(candidate.blocks, block, candidate.index))
            events.append(ir.Close(candidate.blocks, None, candidate.index))
            candidate.blocks += 1
        elif isinstance(block, ir.Text):
            self._prose(candidate, thinks=False, events=events)
            events.append(ir.TextDelta(candidate.prose, block.text, candidate.index))
        elif isinstance(block, ir.Thinking):
            self._prose(candidate, thinks=True, events=events)
            if block.text:
                events.append(ir.ThinkDelta(candidate.prose, block.text, candidate.index))
            if block.sealed is not None:
                events.append(ir.SealDelta(candidate.prose, block.sealed, candidate.index))

    def _prose(self, candidate: _Candidate, *, thinks: bool, events: list[ir.Event]) -> None:
        """Make sure that a block of thinking (`thinks`) or of text is open, to which the caller can add;
        `candidate.prose` is then its number. If another block of text or thinking is open, or this one has
        citations, its end is appended to `events` before the opening of the new block.
        """
        if candidate.prose >= 0 and candidate.thinks is thinks and not candidate.cited:
            return
        self._close(candidate, events)
        candidate.cited = False
        candidate.prose, candidate.thinks = candidate.blocks, thinks
        candidate.blocks += 1
        block: ir.Block = ir.Thinking() if thinks else ir.Text("")
        events.append(ir.Open(candidate.prose, block, candidate.index))

    def _close(self, candidate: _Candidate, events: list[ir.Event]) -> None:
        if candidate.prose >= 0:
            events.append(ir.Close(candidate.prose, None, candidate.index))
            candidate.prose = -1

    def _call(self, candidate: _Candidate, wire: dict[str, Any], events: list[ir.Event]) -> None:
        function = wire.get("function") or {}
        if wire.get("id") == NO_ID:
            wire = {key: value for key, value in wire.items() if key != "id"}
        call = call_of(candidate.calls, wire, function)
        if call.block < 0:
            self._close(candidate, events)
            call.block = candidate.blocks
            candidate.blocks += 1
            bare = {**wire, "function": {**function, "name": function.get("name") or "", "arguments": ""}}
            bare.pop("index", None)
            events.append(ir.Open(call.block, decode_call(bare, 0), candidate.index))
        if text := arguments_text(function.get("arguments")):
            events.append(ir.ArgsDelta(call.block, text, candidate.index))

    def _fault(self, body: dict[str, Any]) -> ir.Fault:
        return fault_of(body)

    def _finish(self, candidate: _Candidate, events: list[ir.Event]) -> None:
        self._close(candidate, events)
        events.extend(ir.Close(call.block, None, candidate.index) for call in candidate.calls.values())
        stop = decode_stop(candidate.reason, called=bool(candidate.calls))
        extra = {NAME: candidate.extra} if candidate.extra else None
        events.append(ir.Finish(stop, candidate.index, extra))
