"""Decodes a stream of OpenAI's chat chunks into IR events.

Chunks do not mark the end of a block. A block of text, thinking or refusal ends when another block of these
kinds, a call or an image starts, or with the stream. Most calls, audio and candidates end only with the
stream, because some vendors send more calls or a second finish reason after the first. A stream without
`[DONE]` counts as complete if it has candidates and each of them has a finish reason.

If a choice has a `message` beside its deltas, the message only repeats them. If the choice has no deltas, the
message is the answer.
"""

from __future__ import annotations

from typing import Any, Final

from dragoman import ir
from dragoman.dialects.arguments import arguments_text
from dragoman.dialects.chat.calls import Call, call_of
from dragoman.dialects.chat.errors import failure
from dragoman.dialects.chat.stops import decode_stop
from dragoman.dialects.chat.stream_decoder import Candidate, ChunkDecoder, Delta
from dragoman.dialects.chat.usage import vendor_usage
from dragoman.dialects.openai.errors import fault_of
from dragoman.dialects.openai.logprobs import in_objects, read_logprobs
from dragoman.dialects.openai.terms import NAME
from dragoman.dialects.openai.usage import decode_usage
from dragoman.dialects.openai_chat.answer import (
    TYPED,
    TYPED_AUDIO,
    TYPED_CALL,
    decode_annotations,
    decode_call,
    decode_detail,
    decode_image,
    is_vendors_own,
    placed,
    spoken_text,
)
from dragoman.dialects.openai_chat.response import HEAD, sources_of
from dragoman.dialects.openai_chat.thought_parts import decode_thought
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.typed import an_object
from dragoman.errors import WireError
from dragoman.ir import is_sound

_CHUNK: Final = frozenset(
    {"id", "object", "created", "model", "choices", "usage", "service_tier", "obfuscation"}
)
_CHOICE: Final = frozenset({"index", "delta", "finish_reason", "logprobs", "stop_reason", "message", "usage"})
_PLAIN: Final = frozenset({"role", "content"})
_RARE: Final = frozenset({"function_call", "audio", "images", "annotations"})
_DELTA: Final = frozenset(
    {
        *("role", "content", "refusal", "tool_calls", "function_call", "audio", "images", "annotations"),
        *("reasoning", "reasoning_content", "reasoning_details"),
    }
)
_SCORED: Final = frozenset({"content", "refusal"})
_TEXT_PART: Final = frozenset({"type", "text"})
_EMPTY: Final[tuple[Any, ...]] = ("", [], {})


class _Candidate(Candidate):
    __slots__ = (
        *("audio", "blocks", "calls", "images", "legacy", "length", "notes", "prose"),
        *("prose_kind", "sequence", "texts", "thought", "tokens", "waiting"),
    )

    def __init__(self, index: int) -> None:
        super().__init__(index)
        self.blocks = 0  # number of opened blocks
        self.prose = -1  # index of the open block of text, thinking or refusal; -1: none
        self.prose_kind: Any = None  # kind of a delta that continues this block
        self.calls: dict[Any, Call] = {}
        self.waiting: list[Call] = []  # calls without a name so far
        self.legacy = -1
        self.audio = -1
        self.images = 0  # number of images so far
        self.texts: list[tuple[int, int]] = []  # (characters before this block, its index)
        self.length = 0
        self.thought = ir.Thinking()  # of the open block of thinking in the content: its leftovers and seal
        self.tokens: list[Any] = []  # log probabilities of thinking, for the next text
        self.notes: list[ir.Citation] = []  # citations from before the first text
        self.sequence: str | None = None

    def keep(self, key: str, value: Any) -> None:
        """Put a value into `extra` under `key`, in place of an earlier one; null is ignored, and an empty
        value does not replace an earlier value. Raises WireError if the unknown members of this candidate, or
        the values inside those of the whole stream, become too many.
        """
        if value is not None and (key not in self.extra or value not in _EMPTY):
            self._put(key, value)


class ChatDecoder(ChunkDecoder[_Candidate]):
    """Decodes the frames of one provider's stream into events."""

    __slots__ = ("_quirks", "_tier")

    def __init__(self, quirks: Quirks) -> None:
        super().__init__()
        self._quirks = quirks
        self._tier: str | None = None

    def _chunk(self, chunk: dict[str, Any]) -> list[ir.Event]:
        choices = chunk.get("choices")
        if (failed := failure(chunk)) is not None:
            # OpenRouter states with the error what the answer has cost until then.
            return [*(self._counted(chunk) if self._started else ()), *self._fail(fault_of(failed))]
        events: list[ir.Event] = []
        if not self._started:
            if not choices and not chunk.get("id"):
                self._keep(chunk, _CHUNK)  # Azure's first chunk has filter results, but no answer
                return []
            self._start(chunk, events)
        elif not chunk.keys() <= _CHUNK and (news := self._keep(chunk, _CHUNK)):
            events.append(ir.More({NAME: news}))
        if (tier := chunk.get("service_tier")) != self._tier and type(tier) is str:
            self._tier = tier
            events.append(ir.More(tier=tier))
        for choice in choices or ():
            self._choice(choice, events)
        events += self._counted(chunk)
        return events

    def _counted(self, chunk: dict[str, Any]) -> list[ir.Event]:
        """Return a list with one Tally event for the counts of a chunk; [] = the chunk states none, or the
        same counts as the latest chunk that stated some.
        """
        usage = chunk.get("usage") or vendor_usage(chunk)
        if usage is None or not self._is_news(usage):
            return []
        self._usage = usage
        return [self._tally(decode_usage(usage, self._quirks))]

    def _start(self, chunk: dict[str, Any], events: list[ir.Event]) -> None:
        self._started = True
        chunk, odd = HEAD.sort(chunk)
        self._keep(chunk, _CHUNK)
        self._tier = chunk.get("service_tier")
        events.append(
            ir.Start(
                NAME,
                chunk.get("id"),
                chunk.get("model") or None,
                chunk.get("created"),
                self._tier,
                extra=ir.merge({NAME: dict(self._seen)} if self._seen else None, odd),
            )
        )

    def _choice(self, choice: dict[str, Any], events: list[ir.Event]) -> None:
        candidate = self._candidate(choice, _Candidate)
        delta, logprobs = choice.get("delta") or {}, choice.get("logprobs")
        if delta or logprobs:
            if logprobs is None and delta.keys() <= _PLAIN:
                content = delta.get("content")
                if content:
                    self._content(candidate, content, None, events)
            else:
                if not delta and not candidate.blocks:
                    delta = choice.get("message") or {}
                self._say(candidate, delta, _tokens(candidate, logprobs), events)
        elif not candidate.blocks and (message := choice.get("message")):
            self._say(candidate, message, {}, events)
        if word := choice.get("finish_reason"):
            candidate.end(word)
            if isinstance(sequence := choice.get("stop_reason"), str):
                candidate.sequence = sequence
            else:
                candidate.keep("stop_reason", sequence)
        if not choice.keys() <= _CHOICE:
            candidate.note(choice, _CHOICE)

    def _say(
        self, candidate: _Candidate, delta: dict[str, Any], logprobs: dict[str, Any], events: list[ir.Event]
    ) -> None:
        if type(delta.get("tool_calls")) is dict:  # servers of Text Generation Inference before version 3.1
            delta = {**delta, "tool_calls": [delta["tool_calls"]]}
        delta, odd = TYPED.sort(delta)
        for key, value in (odd or {}).get(NAME, {}).items():
            candidate.keep("message..odd." + key, value)  # under its own name, beside decoded values
        get = delta.get
        details, plain, content = get("reasoning_details"), get("reasoning"), get("reasoning_content")
        if details or plain or content:
            self._think(candidate, details or (), plain, content, events)
        text, tokens = get("content"), logprobs.get("content")
        if tokens and not text and candidate.prose_kind not in {None, "text"} and type(tokens) is list:
            self._kept.add(tokens)
            candidate.tokens.extend(tokens)  # of thinking; a whole response has them beside its text
        elif text or tokens:
            if candidate.tokens:
                tokens, candidate.tokens = [*candidate.tokens, *(tokens or ())], []
            self._content(candidate, text or "", tokens, events)
        refusal, refused = get("refusal"), logprobs.get("refusal")
        if refusal or (refused and type(refused) is list):
            self._refusal(candidate, refusal or "", refused, events)
        for call in get("tool_calls") or ():
            self._call(candidate, call, events)
        if refusal == "":
            candidate.keep("message.refusal", refusal)
        if not delta.keys().isdisjoint(_RARE):
            self._rare(candidate, delta, events)
        if not delta.keys() <= _DELTA:
            candidate.note(delta, _DELTA, "message.")

    def _rare(self, candidate: _Candidate, delta: dict[str, Any], events: list[ir.Event]) -> None:
        get = delta.get
        if legacy := get("function_call"):
            self._legacy(candidate, legacy, events)
        if audio := get("audio"):
            self._audio(candidate, audio, events)
        for image in get("images") or ():
            self._end_prose(candidate, events)  # keeps the order of text and images
            self._whole(candidate, decode_image(image, candidate.images), events)
            candidate.images += 1
        if notes := get("annotations"):
            self._kept.add(notes)
            candidate.notes.extend(decode_annotations(notes))
            if candidate.texts:
                self._cite(candidate, events)

    def _open(self, candidate: _Candidate, kind: Any, block: ir.Block, events: list[ir.Event]) -> None:
        """Append to `events` the opening of a block of text, thinking or refusal, and set `candidate.prose`
        to the block's number. If a block of these kinds is open, its end is appended first. kind: the
        candidate's new `prose_kind`.
        """
        if candidate.prose >= 0:
            events.append(ir.Close(candidate.prose, None, candidate.index))
        candidate.prose = candidate.blocks
        candidate.prose_kind = kind
        candidate.blocks += 1
        events.append(ir.Open(candidate.prose, block, candidate.index))

    def _end_prose(self, candidate: _Candidate, events: list[ir.Event]) -> None:
        if candidate.prose >= 0:
            events.append(ir.Close(candidate.prose, None, candidate.index))
            candidate.prose, candidate.prose_kind = -1, None

    def _whole(self, candidate: _Candidate, block: ir.Block, events: list[ir.Event]) -> None:
        events.append(ir.Open(candidate.blocks, block, candidate.index))
        events.append(ir.Close(candidate.blocks, None, candidate.index))
        candidate.blocks += 1

    def _content(self, candidate: _Candidate, content: Any, tokens: Any, events: list[ir.Event]) -> None:
        if type(content) is dict:
            content = [content] if content.get("type") == "text" else arguments_text(content)
        if type(content) is not str:
            self._parts(candidate, content, events)
            return
        if candidate.prose_kind != "text":
            self._open(candidate, "text", ir.Text(""), events)
            candidate.texts.append((candidate.length, candidate.prose))
            if candidate.notes:
                self._cite(candidate, events)
        logprobs = _logprobs(candidate, "content", tokens)
        events.append(ir.TextDelta(candidate.prose, content, candidate.index, logprobs))
        candidate.length += len(content)

    def _parts(self, candidate: _Candidate, content: Any, events: list[ir.Event]) -> None:
        where = "choices[].delta.content"
        if type(content) is not list:
            raise WireError("expected a string or an array", where, "invalid_type")
        for part in content:
            if an_object(part, where + "[]").get("type") == "text" and type(part.get("text")) is str:
                self._content(candidate, part["text"], None, events)
                if len(part) > len(_TEXT_PART):
                    candidate.note(part, _TEXT_PART, "message..odd.content.")
            elif (thought := decode_thought(part)) is not None and is_sound(thought):
                self._thought_part(candidate, thought, events)
            else:
                self._whole(candidate, ir.Native(NAME, str(part.get("type")), part), events)

    def _thought_part(self, candidate: _Candidate, thought: ir.Thinking, events: list[ir.Event]) -> None:
        opened = candidate.thought
        goes_on = candidate.prose_kind == thought.form and thought.extra in (None, opened.extra)
        if not goes_on or (opened.sealed is not None and thought.text):
            opened = ir.Thinking(extra=thought.extra, form=thought.form)
            self._open(candidate, thought.form, opened, events)
        sealed = thought.sealed or opened.sealed
        candidate.thought = ir.Thinking(extra=opened.extra, form=opened.form, sealed=sealed)
        if thought.text:
            events.append(ir.ThinkDelta(candidate.prose, thought.text, candidate.index))
        if thought.sealed is not None:
            events.append(ir.SealDelta(candidate.prose, thought.sealed, candidate.index))

    def _refusal(self, candidate: _Candidate, text: str, tokens: Any, events: list[ir.Event]) -> None:
        if candidate.prose_kind != "refusal":
            self._open(candidate, "refusal", ir.Refusal(""), events)
        logprobs = _logprobs(candidate, "refusal", tokens)
        events.append(ir.RefusalDelta(candidate.prose, text, candidate.index, logprobs))

    def _think(
        self, candidate: _Candidate, details: Any, plain: Any, content: Any, events: list[ir.Event]
    ) -> None:
        form = "details"
        if details and content and not plain and content == _spoken(details):
            form, content = "details_content", None  # `reasoning_content` repeats the text of the details
        spoken = ""
        for detail in details:
            spoken += self._detail(candidate, detail, form, events)
        if plain and plain == spoken:
            plain = None  # `reasoning` repeats the text of the details
        if plain and plain == content:
            self._thought(candidate, "reasoning+reasoning_content", plain, events)
            return
        if plain:
            self._thought(candidate, "reasoning", plain, events)
        if content:
            self._thought(candidate, "reasoning_content", content, events)

    def _thought(self, candidate: _Candidate, form: str, text: str, events: list[ir.Event]) -> None:
        if candidate.prose_kind != form:
            self._open(candidate, form, ir.Thinking(form=form), events)
        events.append(ir.ThinkDelta(candidate.prose, text, candidate.index))

    def _detail(
        self, candidate: _Candidate, detail: dict[str, Any], form: str, events: list[ir.Event]
    ) -> str:
        """Append the events for an entry of `reasoning_details` (`detail`) to `events`. Returns the entry's
        text or summary. form: the `form` of the entry's Thinking block: "details", or "details_content" if
        `reasoning_content` repeats the text.
        """
        block = decode_detail(detail, form)
        if isinstance(block, ir.Native):
            self._whole(candidate, block, events)
            return ""
        kind = (detail.get("type"), detail.get("index"))
        summary = bool(block.summary)
        text = spoken_text(block)
        if block.redacted or candidate.prose_kind != kind:
            bare = block if block.redacted else ir.Thinking(extra=block.extra, form=form)
            if summary:
                bare = ir.Thinking(summary=("",), extra=block.extra, form=form)
            self._open(candidate, kind, bare, events)
        if text:
            events.append(ir.ThinkDelta(candidate.prose, text, candidate.index, 0 if summary else None))
        if block.sealed is not None and not block.redacted:
            events.append(ir.SealDelta(candidate.prose, block.sealed, candidate.index))
        return text

    def _cite(self, candidate: _Candidate, events: list[ir.Event]) -> None:
        """Append a Cite event to `events` for each citation in `candidate.notes`, and empty this list. The
        event names the text block in which the citation starts (`placed`).
        """
        for note in candidate.notes:
            block, citation = placed(note, candidate.texts)
            events.append(ir.Cite(block, citation, candidate.index))
        candidate.notes.clear()

    def _call(self, candidate: _Candidate, wire: dict[str, Any], events: list[ir.Event]) -> None:
        wire, _ = TYPED_CALL.sort(an_object(wire, "choices[].delta.tool_calls[]"))
        if is_vendors_own(wire):
            self._end_prose(candidate, events)
            self._whole(candidate, ir.Native(NAME, "tool_calls", wire), events)
            return
        custom = wire.get("type") == "custom" or not wire.get("function")
        inner = wire.get("custom" if custom else "function") or {}
        call = call_of(candidate.calls, wire, inner)
        text = arguments_text(inner.get("arguments", inner.get("input")))
        if call.block < 0:
            if text:
                call.pieces.append(text)
            if inner.get("name"):
                call.first = {
                    **call.first,
                    **{key: value for key, value in wire.items() if value is not None},
                }
                if call in candidate.waiting:
                    candidate.waiting.remove(call)
                self._open_call(candidate, call, decode_call(_bare(call.first), -1), events)
            elif call not in candidate.waiting:
                self._kept.add(call.first)
                candidate.waiting.append(call)
            return
        if text:
            events.append(ir.ArgsDelta(call.block, text, candidate.index))
        if "extra_content" in wire and (sealed := decode_call(_bare(wire), -1).sealed) is not None:
            events.append(ir.SealDelta(call.block, sealed, candidate.index))

    def _open_call(
        self, candidate: _Candidate, call: Call, block: ir.ToolCall, events: list[ir.Event]
    ) -> None:
        self._end_prose(candidate, events)
        call.block = candidate.blocks
        candidate.blocks += 1
        events.append(ir.Open(call.block, block, candidate.index))
        events.extend(ir.ArgsDelta(call.block, piece, candidate.index) for piece in call.pieces)

    def _legacy(self, candidate: _Candidate, wire: dict[str, Any], events: list[ir.Event]) -> None:
        if candidate.legacy < 0:
            if not wire.get("name") or type(wire["name"]) is not str:
                candidate.keep("message.function_call", wire)
                return
            call = Call(wire)
            self._open_call(candidate, call, ir.ToolCall(None, wire["name"], kind="legacy"), events)
            candidate.legacy = call.block
        if text := arguments_text(wire.get("arguments")):
            events.append(ir.ArgsDelta(candidate.legacy, text, candidate.index))

    def _audio(self, candidate: _Candidate, wire: dict[str, Any], events: list[ir.Event]) -> None:
        wire, _ = TYPED_AUDIO.sort(wire)
        if candidate.audio < 0 and wire.get("id") == "":
            candidate.keep("message.audio", wire)
            return
        if candidate.audio < 0:
            candidate.audio = candidate.blocks
            candidate.blocks += 1
            events.append(ir.Open(candidate.audio, ir.Media("audio", id=wire.get("id")), candidate.index))
        data, transcript, expires = wire.get("data"), wire.get("transcript"), wire.get("expires_at")
        if data is not None or transcript is not None or expires is not None:
            events.append(ir.MediaDelta(candidate.audio, data, transcript, candidate.index, expires))

    def _repeat(self, last: Delta, text: str) -> list[ir.Event]:
        if type(last) is ir.TextDelta:
            self._candidates[last.candidate].length += len(text)
        return super()._repeat(last, text)

    def _fault(self, body: dict[str, Any]) -> ir.Fault:
        return fault_of(body)

    def _finish(self, candidate: _Candidate, events: list[ir.Event]) -> None:
        for call in candidate.waiting:
            self._open_call(candidate, call, ir.ToolCall(call.id, ""), events)
        if candidate.tokens:
            candidate.keep("message.logprobs", {"content": candidate.tokens})
        if candidate.notes and not candidate.texts:
            self._content(candidate, "", None, events)
        if candidate.texts:
            first, index = candidate.texts[0][1], candidate.index
            events.extend(ir.Cite(first, source, index) for source in sources_of(self._seen))
        called = bool(candidate.calls) or candidate.legacy >= 0
        blocks = [candidate.prose, candidate.legacy, candidate.audio]
        blocks.extend(call.block for call in candidate.calls.values())
        events.extend(ir.Close(block, None, candidate.index) for block in sorted(blocks) if block >= 0)
        stop = decode_stop(candidate.reason, candidate.sequence, called=called)
        extra = {NAME: candidate.extra} if candidate.extra else None
        events.append(ir.Finish(stop, candidate.index, extra))


def _spoken(details: Any) -> str:
    return "".join(spoken_text(decode_detail(detail, "details")) for detail in details)


def _logprobs(candidate: _Candidate, member: str, tokens: Any) -> tuple[ir.Logprob, ...] | None:
    """Return the decoded log probabilities (`tokens`); None if there are none or they have an unknown shape.
    Log probabilities of an unknown shape become a leftover of the candidate. member: the name of `tokens` in
    the choice's `logprobs`: "content" or "refusal".
    """
    if tokens is None:
        return None
    if (decoded := read_logprobs(tokens)) is None:
        candidate.keep("message.logprobs", {member: tokens})  # under its own name, beside decoded values
    return decoded


def _tokens(candidate: _Candidate, logprobs: Any) -> dict[str, Any]:
    """Return a choice's `logprobs` as an object in OpenAI's form; {} if there are none. A value that is not
    an object, and unknown members of the object, become leftovers of the candidate.
    """
    if logprobs is None:
        return {}
    logprobs = in_objects(logprobs)
    if type(logprobs) is not dict:
        candidate.keep("message.logprobs", logprobs)
        return {}
    candidate.note(logprobs, _SCORED, "message.logprobs.")
    return logprobs


def _bare(wire: dict[str, Any]) -> dict[str, Any]:
    """Return a fragment of a call (`wire`) in the form that `decode_call` accepts, with empty arguments."""
    bare = {key: value for key, value in wire.items() if key != "index" and value is not None}
    kind, text = ("custom", "input") if bare.get("type") == "custom" else ("function", "arguments")
    bare[kind] = {**(bare.get(kind) or {"name": ""}), text: ""}
    return bare
