"""Encodes IR events as a stream of completions chunks.

A chunk that has only text is a constant head, the text as JSON, and a constant tail. A candidate's first
chunk has the prompt, if the gateway must repeat it (`echo`), else an empty text. An error is the last frame,
without `[DONE]`.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.chat.draft import Draft
from dragoman.dialects.chat.response import created_of, shown_model
from dragoman.dialects.event_encoder import EventEncoder, lose_event
from dragoman.dialects.openai.errors import error_member
from dragoman.dialects.openai_completions.logprobs import encode_logprobs, lose_beside_tokens
from dragoman.dialects.openai_completions.request import echoed, prompt_of
from dragoman.dialects.openai_completions.response import answer_id, encode_stop, lose_beside
from dragoman.dialects.openai_completions.terms import NAME, OBJECT, restore
from dragoman.dialects.openai_completions.usage import encode_usage
from dragoman.dialects.reply import Reply

_json = msgspec.json.Encoder().encode
_DONE: Final = b"data: [DONE]\n\n"
_EVERY: Final = "system_fingerprint"
"""If the start of the answer has this leftover, all its chunks repeat it, except one with an error."""
_TAIL: Final = b',"logprobs":null,"finish_reason":null}]}\n\n'


class CompletionsEncoder(EventEncoder):
    """Encodes the events of one stream as the bytes of chunks. reply: the client's request, and the values
    that the provider does not state (`Reply`).
    """

    def __init__(self, reply: Reply) -> None:
        self._reply = reply
        self._draft = Draft(reply.report, answer=True)
        self._head = b""
        self._echoes = False
        self._begun: set[int] = set()
        self._offsets: dict[int, int] = {}  # offset of a candidate's next token
        self._once: dict[str, Any] = {}  # leftovers for the next candidate that ends
        self._usage: ir.Usage | None = None

    def feed(self, event: ir.Event) -> bytes:
        return self._table[type(event)](self, event)

    # The frame -----------------------------------------------------------------------------------

    def _start(self, event: ir.Start) -> bytes:
        reply, own = self._reply, event.dialect == NAME
        self._draft = Draft(reply.report, own=own, answer=True)
        self._usage = event.usage
        self._echoes = not own
        restore(self._once, event.extra, reply.report, "")
        members: dict[str, Any] = {
            "id": answer_id(event.id, reply, own=own),
            "object": self._once.pop("object", OBJECT),
            "created": created_of(event.created, reply, own=own),
            "model": shown_model(event.model, reply),
        }
        if _EVERY in self._once:
            members[_EVERY] = self._once.pop(_EVERY)
        for field in ("status", "tier"):
            self._lose(field, getattr(event, field))
        self._head = b"data: " + _json(members)[:-1] + b',"choices":['
        return b""

    def _lose(self, field: str, value: object) -> None:
        if value is not None:
            self._draft.report.lose(field, f"a response of the Completions API has no {field}", "hint")

    def _chunk(self, index: int, text: str, logprobs: dict[str, Any] | None = None) -> bytes:
        before = self._begin(index)
        if logprobs is None:
            return before + self._head + b'{"index":%d,"text":%b' % (index, _json(text)) + _TAIL
        choice = {"index": index, "text": text, "logprobs": logprobs, "finish_reason": None}
        return before + self._head + _json(choice) + b"]}\n\n"

    def _begin(self, index: int) -> bytes:
        """Return the first chunk of a candidate: with the prompt if the gateway must repeat the prompt,
        otherwise with an empty text. b"" if the first chunk was sent before.
        """
        if index in self._begun:
            return b""
        self._begun.add(index)
        return self._chunk(index, echoed(self._reply.request, index) if self._echoes else "")

    # Content -------------------------------------------------------------------------------------

    def _open(self, event: ir.Open) -> bytes:
        block = event.block
        lose_beside(block, self._draft, f"candidates[{event.candidate}].blocks[{event.index}]")
        if isinstance(block, ir.Text | ir.Refusal) and (block.text or block.logprobs):
            return self._text(ir.TextDelta(event.index, block.text, event.candidate, block.logprobs))
        return self._begin(event.candidate)

    def _text(self, event: ir.TextDelta | ir.RefusalDelta) -> bytes:
        tokens = event.logprobs
        if not tokens:
            return self._chunk(event.candidate, event.text)
        place = f"candidates[{event.candidate}].blocks[{event.index}]"
        lose_beside_tokens(tokens, self._draft.report, place)
        start = self._offsets.get(event.candidate)
        if start is None:
            start = len(prompt_of(self._reply.request, event.candidate))
        self._offsets[event.candidate] = start + sum(len(token.token) for token in tokens)
        return self._chunk(event.candidate, event.text, encode_logprobs(tokens, start))

    _refuse = _text

    def _cite(self, event: ir.Cite) -> bytes:
        where = f"candidates[{event.candidate}].blocks[{event.index}].citations"
        self._draft.report.lose(where, "the Completions API has no citations", "quality")
        return b""

    def _seal(self, event: ir.SealDelta) -> bytes:
        self._draft.leave_seal(f"candidates[{event.candidate}].blocks[{event.index}]")
        return b""

    def _close(self, event: ir.Close) -> bytes:
        if event.block is not None:
            lose_beside(event.block, self._draft, f"candidates[{event.candidate}].blocks[{event.index}]")
        return b""

    def _nothing(self, event: ir.Event) -> bytes:
        """Always b"". Used for pings, and for content that is not text: its loss was reported when its block
        opened.
        """
        return b""

    _arguments = _think = _media = _ping = _nothing

    # The end -------------------------------------------------------------------------------------

    def _finish(self, event: ir.Finish) -> bytes:
        where = f"candidates[{event.candidate}]"
        word = encode_stop(event.stop, self._draft, where)
        out: dict[str, Any] = {"index": event.candidate, "text": "", "logprobs": None, "finish_reason": word}
        restore(out, event.extra, self._draft.report, where)
        begun, once, self._once = self._begin(event.candidate), self._once, {}
        rest = b"," + _json(once)[1:] if once else b"}"  # many clients read `choices[0]` of every chunk
        return begun + self._head + _json(out) + b"]" + rest + b"\n\n"

    def _tally(self, event: ir.Tally) -> bytes:
        self._usage = event.usage
        return b""

    def _more(self, event: ir.More) -> bytes:
        self._lose("tier", event.tier)
        restore(self._once, event.extra, self._draft.report, "")
        return b""

    def _raw(self, event: ir.Raw) -> bytes:
        return lose_event(event, self._draft.report)

    def _end(self, event: ir.End) -> bytes:
        if event.error is not None:
            return self._error(ir.Error(event.error))
        self._lose("status", event.status)
        restore(self._once, event.extra, self._draft.report, "")
        members = self._once
        if self._usage is not None and self._reply.request.stream_usage:
            members["usage"] = encode_usage(self._usage, self._draft.report, own=self._draft.own)
        return (self._head + b"]," + _json(members)[1:] + b"\n\n" if members else b"") + _DONE

    def _error(self, event: ir.Error) -> bytes:
        return b"data: " + _json({"error": error_member(event.fault)}) + b"\n\n"
