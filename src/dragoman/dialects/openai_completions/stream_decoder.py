"""Decodes a stream of completions chunks into IR events. Chunks of several candidates may alternate."""

from __future__ import annotations

from typing import Any, Final

from dragoman import ir
from dragoman.dialects.chat.errors import failure
from dragoman.dialects.chat.stops import decode_stop
from dragoman.dialects.chat.stream_decoder import Candidate, ChunkDecoder
from dragoman.dialects.leftovers import named
from dragoman.dialects.openai.errors import fault_of
from dragoman.dialects.openai_completions.logprobs import decode_logprobs
from dragoman.dialects.openai_completions.terms import NAME, OBJECT
from dragoman.dialects.openai_completions.usage import decode_usage
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.typed import Typed, required, sound_tokens

_CHUNK: Final = frozenset({"id", "created", "model", "choices", "usage", "obfuscation"})
_HEAD: Final = Typed(NAME, id=str, model=str, created=(int, float, str))
_OURS: Final = _CHUNK | {"object"}
_CHOICE: Final = frozenset({"text", "index", "logprobs", "finish_reason"})


class CompletionsDecoder(ChunkDecoder[Candidate]):
    """Decodes the frames (the data of the events) of one provider's stream into events. quirks: the vendor's,
    for the counts.
    """

    def __init__(self, quirks: Quirks) -> None:
        super().__init__()
        self._quirks = quirks
        self._scored: set[int] = set()  # candidates with decoded log probabilities

    def _chunk(self, chunk: dict[str, Any]) -> list[ir.Event]:
        if (failed := failure(chunk)) is not None:
            return self._fail(fault_of(failed))
        events: list[ir.Event] = []
        news = self._keep(chunk, _OURS if chunk.get("object") == OBJECT else _CHUNK)
        if not self._started:
            self._started = True
            head, odd = _HEAD.sort(chunk)
            extra = ir.merge({NAME: news} if news else None, odd)
            start = ir.Start(
                NAME, head.get("id"), head.get("model") or None, head.get("created"), extra=extra
            )
            events.append(start)
        elif news:
            events.append(ir.More({NAME: news}))
        for choice in chunk.get("choices") or ():
            self._choice(choice, events)
        if (usage := chunk.get("usage")) and self._is_news(usage):
            self._usage = usage
            events.append(self._tally(decode_usage(usage, self._quirks)))
        return events

    def _choice(self, choice: dict[str, Any], events: list[ir.Event]) -> None:
        known_before = len(self._candidates)
        candidate = self._candidate(choice, Candidate)
        index = candidate.index
        if len(self._candidates) > known_before:
            events.append(ir.Open(0, ir.Text(""), index))
        wire, known = choice.get("logprobs"), _CHOICE
        logprobs = sound_tokens(decode_logprobs, wire) if wire else None
        if wire and logprobs is None:
            known -= {"logprobs"}
        if text := choice.get("text"):
            required(choice, "text", str, "choices[]")
        if logprobs:
            self._scored.add(index)
        if text or logprobs:
            events.append(ir.TextDelta(0, text or "", index, logprobs))
        if word := choice.get("finish_reason"):
            candidate.end(word)
        if not choice.keys() <= known:
            candidate.note(choice, known)

    def _fault(self, body: dict[str, Any]) -> ir.Fault:
        return fault_of(body)

    def _finish(self, candidate: Candidate, events: list[ir.Event]) -> None:
        events.append(ir.Close(0, None, candidate.index))
        stop = decode_stop(candidate.word, called=False)
        if candidate.index in self._scored and "logprobs" in candidate.extra:
            candidate.extra[".odd.logprobs"] = candidate.extra.pop("logprobs")  # keeps the decoded ones
        # No object of this protocol has the member `message`, so the dot is one of the member's own name.
        kept = {named(key) if key.startswith("message.") else key: of for key, of in candidate.extra.items()}
        extra = {NAME: kept} if kept else None
        events.append(ir.Finish(stop, candidate.index, extra))
