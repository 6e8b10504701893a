"""Decodes streams: the chunks of streamGenerateContent to IR events.

Every chunk is a GenerateContentResponse with more parts. Consecutive texts of one kind (text or reasoning)
without a signature become one block. A part with a signature becomes a separate block. A call comes complete
in one part, or on Vertex AI also in pieces. The last usage states the tokens of the whole answer. No chunk
marks the end of the stream, so the final events wait for `close`.

Specification: https://ai.google.dev/api/generate-content#method:-models.streamgeneratecontent
"""

from __future__ import annotations

from typing import Any

import msgspec

from dragoman import ir
from dragoman.dialects.bounds import MOST_CANDIDATES, MOST_CITATIONS, MOST_LEFTOVERS, Kept, refuse_more
from dragoman.dialects.failure import ENDED, SILENT
from dragoman.dialects.gemini.errors import broken, fault_of
from dragoman.dialects.gemini.grounding import CITATIONS, GROUNDING, decode_citations
from dragoman.dialects.gemini.logprobs import RESULT, decode_logprobs, extend, rest_of
from dragoman.dialects.gemini.part_decoder import decode_part
from dragoman.dialects.gemini.patches import Patches
from dragoman.dialects.gemini.response import ANSWER, HEAD, KNOWN, calls_client, is_usable, remainder
from dragoman.dialects.gemini.searches import Searches
from dragoman.dialects.gemini.stops import (
    UNFINISHED,
    broken_off,
    decode_stop,
    feedback_of,
    unanswered,
    weightier,
)
from dragoman.dialects.gemini.terms import NAME, leftovers, stated
from dragoman.dialects.gemini.usage import carried, decode_tier, decode_usage
from dragoman.dialects.gemini.words import Repeated, Words, decode_words, repeated
from dragoman.dialects.quirks import Quirks
from dragoman.dialects.typed import an_object
from dragoman.errors import WireError
from dragoman.wire.sse import ErrorFrame

_Events = list[ir.Event]
_Wire = dict[str, Any]

_decode = msgspec.json.Decoder().decode
_encode = msgspec.json.Encoder(order="sorted").encode
_NO_JSON = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)
_WORDS = frozenset({"text", "thought"})
_MISSES = 8
"""If more chunks of text than this come in a row without a chunk that repeats the one before, the decoder
stops looking for repeated chunks."""
_MOST_TEXT = 4_000_000
"""The most characters of a candidate's texts that are kept to find the places of its citations. If the texts
are longer, none of them is kept."""
_LATE = KNOWN | {"promptFeedback"}


class _Answer(msgspec.Struct):
    """One candidate while it arrives.

    number: the candidate's index. kept: counts the JSON values in the leftovers of all candidates, and raises
    WireError above a limit. index: the index of the open block or, if no block is open, of the next block.
    kind: the class of the open block; None = no block is open. texts: (index, pieces) of each text block.
    pieces: the pieces of the last text block. size: the number of characters of all texts, also of those that
    are not kept. patches: the arguments of the open call; None = no call is open. media: the last piece of
    the open audio; None = no audio is open. called: True = the candidate calls a tool that the client runs.
    usable: True = the candidate has content other than reasoning. finish: the candidate as the provider wrote
    it in the chunk with its stop reason; None = this chunk has not come. extra: the candidate's leftovers.
    told: name of a list in the leftover citation metadata -> the list's elements as JSON.
    """

    number: int
    kept: Kept
    index: int = 0
    kind: type | None = None
    pieces: list[str] = []
    size: int = 0
    texts: list[tuple[int, list[str]]] = []
    patches: Patches | None = None
    media: ir.Media | None = None
    called: bool = False
    usable: bool = False
    finish: _Wire | None = None
    extra: _Wire = {}
    told: dict[str, set[bytes]] = {}

    def close(self) -> _Events:
        """Return the events that close the open block, for a call after an event with its arguments; [] = no
        block is open.
        """
        if self.kind is None:
            return []
        events: _Events = []
        if self.patches is not None:
            events.append(ir.ArgsDelta(self.index, self.patches.text(), self.number))
        events.append(ir.Close(self.index, None, self.number))
        self.kind = self.patches = self.media = None
        self.index += 1
        return events

    def words(self, text: str, *, thought: bool) -> _Events:
        """Return the events that add a piece of text to the open block; if no block of this kind is open, the
        events first open a new block. thought: True = the text is reasoning, False = it is text of the
        answer.
        """
        kind = ir.Thinking if thought else ir.Text
        if self.kind is kind:
            events: _Events = []
        else:
            events = self.close()
            self.kind = kind
            block = ir.Thinking() if thought else ir.Text("")
            events.append(ir.Open(self.index, block, self.number))
            if not thought:
                self.usable = True
                self.pieces = []
                self.texts.append((self.index, self.pieces))
        if thought:
            events.append(ir.ThinkDelta(self.index, text, self.number))
        else:
            self.note(text)
            events.append(ir.TextDelta(self.index, text, self.number))
        return events

    def note(self, text: str) -> None:
        """Keep a piece of text, to find the places of citations later. If all texts together have more than
        `_MOST_TEXT` characters, no text is kept, neither an earlier nor a later one.
        """
        self.size += len(text)
        if self.size <= _MOST_TEXT:
            self.pieces.append(text)
        else:
            for _, pieces in self.texts:
                pieces.clear()

    def whole(self, block: ir.Block) -> _Events:
        """Return the events that close the open block, if there is one, and add a complete block."""
        events = self.close()
        index, number = self.index, self.number
        self.usable = self.usable or is_usable(block)
        if isinstance(block, ir.ToolCall):
            self.called = self.called or calls_client(block)
            events.append(ir.Open(index, msgspec.structs.replace(block, arguments=""), number))
            events.append(ir.ArgsDelta(index, block.arguments, number))
        else:
            events.append(ir.Open(index, block, number))
            if isinstance(block, ir.Text):
                self.pieces = []
                self.texts.append((index, self.pieces))
                self.note(block.text)
        events.append(ir.Close(index, None, number))
        self.index += 1
        return events

    def sound(self, block: ir.Media) -> _Events:
        """Return the events that add a piece of audio to the open block. If the piece does not continue that
        block (`joins`), the events first open a new block.
        """
        data = block.data or ""
        if self.joins(block):
            self.media = block
            return [ir.MediaDelta(self.index, data, candidate=self.number)]
        events = self.close()
        self.kind, self.media, self.usable = ir.Media, block, True
        bare = msgspec.structs.replace(block, data=None)
        events.append(ir.Open(self.index, bare, self.number))
        events.append(ir.MediaDelta(self.index, data, candidate=self.number))
        return events

    def joins(self, block: ir.Media) -> bool:
        """Whether a piece of audio continues the open audio. It does if it differs from the piece before only
        in its data, and if the data of the piece before does not end in base64 padding (`=`). False if no
        audio is open.
        """
        before = self.media
        if before is None or (before.data or "").endswith("="):
            return False
        return before == msgspec.structs.replace(block, data=before.data)

    def stop(self) -> ir.Stop | None:
        """Return the candidate's stop; None = the provider has not stated one yet."""
        return None if self.finish is None else decode_stop(self.finish, called=self.called)

    def sources(self) -> _Events:
        """Return the events with the candidate's citations. Call this when all its texts and leftovers have
        come.
        """
        texts = [(index, "".join(pieces)) for index, pieces in self.texts]
        return [ir.Cite(index, one, self.number) for index, one in decode_citations(self.extra, texts)]


class GeminiDecoder:
    """Decodes one provider's stream to IR events."""

    def __init__(self, _quirks: Quirks) -> None:
        self._answers: dict[int, _Answer] = {}
        self._kept = Kept()
        self._usage: msgspec.Raw | _Wire | None = None
        self._going: tuple[Repeated, _Answer, type] | None = None  # with the answer and its block's kind
        self._misses = 0
        self._unanswered: ir.Stop | None = None
        self._tier: str | None = None
        self._searches = Searches()
        self._state = "new"

    def feed(self, frame: bytes) -> _Events:
        """Return the IR events for one frame: the JSON of a chunk, or of a list of chunks; [] after `close`
        or an error. An error of the provider becomes ir.Error, which ends the answer. Raises WireError for a
        frame that is not JSON, for a chunk of unknown form, for arguments that do not fit a call, and for too
        many candidates, citations or leftovers.
        """
        if self._answers:
            try:
                words = decode_words(frame)
            except _NO_JSON:
                pass
            else:
                if (events := self._words(words)) is not None:
                    self._expect(frame, words)
                    return events
        if self._state == "over":
            return []
        try:
            value = _decode(frame)
        except _NO_JSON:
            if type(frame) is ErrorFrame:
                return self._fail(fault_of(bytes(frame)))
            raise WireError("a chunk is not JSON") from None
        events = []
        for chunk in value if type(value) is list else (value,):
            events += self._chunk(chunk)
        return events

    def run(self, read: bytes) -> tuple[_Events, int]:
        """Return (the IR events, the size of `read` in bytes), if `read` is exactly one server-sent event
        that continues the open block and differs from an earlier event only in its text and token counts.
        Otherwise ([], 0), and the caller gives the event to `feed`. read: the bytes as they came from the
        network.
        """
        if (going := self._going) is None:
            return [], 0
        same, answer, kind = going
        if answer.kind is not kind or (found := same.read(read)) is None:
            return [], 0
        text, counts = found
        if not text:
            return [], 0
        self._misses = 0
        if counts:
            self._usage = counts
        if kind is ir.Thinking:
            return [ir.ThinkDelta(answer.index, text, answer.number)], len(read)
        answer.note(text)
        return [ir.TextDelta(answer.index, text, answer.number)], len(read)

    def _expect(self, frame: bytes, words: Words) -> None:
        """Prepare `run` to recognise events like `frame`, which has continued a text. words: the decoded
        frame, which is changed. If more than `_MISSES` such frames in a row were not recognised by `run`,
        `run` is switched off for the rest of the stream.
        """
        self._misses += 1
        if self._misses > _MISSES:
            self._going = None
            return
        candidate = words.candidates[0]
        answer = self._answers[candidate.index]
        kind = ir.Thinking if candidate.content.parts[0].thought else ir.Text
        same = repeated(frame, words)
        self._going = None if same is None else (same, answer, kind)

    def close(self) -> _Events:
        """Return the last IR events, after the provider's last byte; [] if an ir.Error was returned before.
        The last event is an ir.End if each candidate has a stop reason, and at least one of them did not fail
        or has content other than reasoning. Without candidates, it is an ir.End if a `promptFeedback` or a
        usage came. In every other case it is an ir.Error.
        """
        if self._state == "over":
            return []
        answers = list(self._answers.values())
        events = [event for answer in answers for event in answer.close()]
        stops = {answer.number: answer.stop() for answer in answers}
        if not answers and self._unanswered is not None:
            stops = {0: self._unanswered}
        if not stops or None in stops.values():
            return events + self._fail(broken(ENDED if answers else SILENT))
        faults = [None if answer.usable else broken_off(stops[answer.number]) for answer in answers]
        if answers and None not in faults:
            return events + self._fail(next(fault for fault in faults if fault is not None))
        self._state = "over"
        for answer in answers:
            events += answer.sources()
        for number, stop in stops.items():
            extra = self._answers[number].extra if number in self._answers else None
            events.append(ir.Finish(stop, number, {NAME: extra} if extra else None))
        return [*events, *self._tally(), ir.End()]

    def _fail(self, fault: ir.Fault) -> _Events:
        events: _Events = [*self._feedback(), *self._tally()] if self._state == "begun" else []
        self._state = "over"
        self._answers, self._going = {}, None
        return [*events, ir.Error(fault)]

    def _feedback(self) -> _Events:
        """Return the event with the `promptFeedback` of earlier chunks without candidates; [] = there was
        none. From now on, the feedback does not count as the answer's stop.
        """
        feedback, self._unanswered = feedback_of(self._unanswered), None
        return [] if feedback is None else [ir.More({NAME: {"promptFeedback": feedback}})]

    def _stated(self) -> Any:
        """Return the latest `usageMetadata`, decoded; None = there is none, or it cannot be decoded."""
        usage = self._usage
        try:
            return _decode(usage) if isinstance(usage, msgspec.Raw) else usage
        except _NO_JSON:  # raw JSON may hold bytes that are not UTF-8
            return None

    def _tally(self) -> _Events:
        value = self._stated()
        if value is None:
            return []
        if type(value) is not dict:
            return [ir.More({NAME: {"usageMetadata": value}})]
        events: _Events = []
        if (tier := decode_tier(value)) is not None and tier != self._tier:
            events.append(ir.More(tier=tier))
        return [*events, ir.Tally(self._searches.counted(decode_usage(value)))]

    # --- Chunks ----------------------------------------------------------------------------------

    def _words(self, chunk: Words) -> _Events | None:
        """Return the event for a chunk that continues the open text or reasoning of a candidate, and store
        the chunk's usage. None = the chunk does not continue it; then nothing is stored.
        """
        candidate = chunk.candidates[0]
        answer = self._answers.get(candidate.index)
        if answer is None:
            return None
        part = candidate.content.parts[0]
        text = part.text
        if not text or answer.kind is not (ir.Thinking if part.thought else ir.Text):
            return None
        if usage := chunk.usage_metadata:
            self._usage = usage
        if part.thought:
            return [ir.ThinkDelta(answer.index, text, answer.number)]
        answer.note(text)
        return [ir.TextDelta(answer.index, text, answer.number)]

    def _chunk(self, value: Any) -> _Events:
        if type(value) is not dict:
            raise WireError("a chunk must be an object")
        if self._state == "over":
            return []
        if value.get("error") is not None:
            return self._fail(fault_of(value))
        if value.keys().isdisjoint(_LATE):
            raise WireError("a chunk must have `candidates`")
        try:
            return self._parts_of(value)
        except (KeyError, TypeError, AttributeError):
            raise WireError("a chunk of an unknown shape") from None

    def _parts_of(self, value: _Wire) -> _Events:
        events: _Events = []
        candidates = value.get("candidates") or ()
        stop = None if candidates else unanswered(value)
        self._unanswered = weightier(self._unanswered, stop)
        extra = leftovers(value, KNOWN if stop is None else _LATE)
        if self._state == "new":
            self._state = "begun"
            start = _start(value, extra)
            self._tier = start.tier
            events.append(start)
        elif extra is not None:
            events.append(ir.More(extra))
        if (usage := value.get("usageMetadata")) and type(usage) is dict:
            ends = not candidates or any(one.get("finishReason") is not None for one in candidates)
            self._usage = carried(self._stated(), usage) if ends else usage
        if candidates:  # the prompt was answered after all
            events += self._feedback()
            self._searches.note(candidates)
        for place, one in enumerate(candidates):
            candidate, odd = ANSWER.sort(an_object(one, f"candidates[{place}]"))
            number = candidate.get("index", place)
            if number is None:
                number = place
            answer = self._answers.get(number)
            if answer is None:
                refuse_more(len(self._answers), MOST_CANDIDATES, "candidates")
                answer = self._answers[number] = _Answer(number, self._kept)
            events += _more(answer, candidate)
            if odd is not None:
                _keep(answer, odd[NAME])
        return events


def _start(value: _Wire, extra: ir.Extra) -> ir.Start:
    usage = value.get("usageMetadata")
    value, odd = HEAD.sort(value)
    if type(usage) is not dict:  # the counts of a later chunk replace these
        usage = None
        (odd or {}).get(NAME, {}).pop("usageMetadata", None)
    return ir.Start(
        NAME,
        value.get("responseId"),
        value.get("modelVersion") or None,
        value.get("createTime"),
        decode_tier(usage),
        decode_usage(usage) if usage and "promptTokenCount" in usage else None,
        None,
        ir.merge(extra, odd),
    )


def _more(answer: _Answer, candidate: _Wire) -> _Events:
    events: _Events = []
    content = an_object(candidate.get("content") or {}, "candidates[].content")
    for part in content.get("parts") or ():
        events += _part(answer, an_object(part, "candidates[].content.parts[]"))
    word = candidate.get("finishReason")
    if word is not None and word not in UNFINISHED:
        answer.finish = candidate
    extra = remainder(candidate, content)
    if RESULT in extra:
        events = _with_logprobs(events, extra)
    _keep(answer, extra)
    return events


def _part(answer: _Answer, part: _Wire) -> _Events:
    part = stated(part)
    text = part.get("text")
    if type(text) is str and part.keys() <= _WORDS:
        return answer.words(text, thought=part.get("thought") is True) if text else []
    call = part.get("functionCall")
    if type(call) is dict:
        call = stated(call)
        pieces = not call.keys().isdisjoint(_IN_PIECES)
        if "name" in call and not call.get("args") and not pieces:
            return _bare(answer, part)
        if answer.patches is not None or pieces:
            return _piece(answer, part, call)
        if not call:  # the end of a call that has already ended
            return []
    block = decode_part(part)
    if isinstance(block, ir.Media) and block.kind == "audio" and block.data and block.sealed is None:
        return answer.sound(block)
    return answer.whole(block)


_IN_PIECES = frozenset({"partialArgs", "willContinue"})


def _piece(answer: _Answer, part: _Wire, call: _Wire) -> _Events:
    """Return the events for a piece of a call. The first piece, which states the tool's name, opens the call.
    A piece without `willContinue` closes the call. A part with the tool's name but without `partialArgs` and
    `willContinue` is a complete call. part: the part as it came. call: its `functionCall`. Raises WireError
    for arguments of a call that is not open, and for a wrong JSON path.
    """
    events: _Events = []
    if "name" in call:
        bare = {key: kept for key, kept in call.items() if key not in _IN_PIECES}
        block = decode_part({**part, "functionCall": bare})
        if not call.keys() & _IN_PIECES or not isinstance(block, ir.ToolCall):
            return answer.whole(block)
        events = answer.close()
        answer.called = answer.usable = True
        answer.kind, answer.patches = ir.ToolCall, Patches()
        opened = msgspec.structs.replace(block, arguments="")  # they follow as a whole when the call closes
        events.append(ir.Open(answer.index, opened, answer.number))
    if answer.patches is None:
        raise WireError("arguments of a tool call that has not started", "functionCall.partialArgs")
    if type(arguments := call.get("args")) is dict:
        answer.patches.take(arguments)
    for piece in call.get("partialArgs") or ():
        answer.patches.add(piece)
    return events if call.get("willContinue") else events + answer.close()


def _bare(answer: _Answer, part: _Wire) -> _Events:
    """Return the events that open a call without arguments. The call stays open until the candidate's next
    part, because some servers send its arguments there, without the tool's name.
    """
    block = decode_part(part)
    if not isinstance(block, ir.ToolCall):
        return answer.whole(block)
    events = answer.close()
    answer.called = answer.usable = True
    answer.kind, answer.patches = ir.ToolCall, Patches(block.arguments)
    return [*events, ir.Open(answer.index, msgspec.structs.replace(block, arguments=""), answer.number)]


def _with_logprobs(events: _Events, extra: _Wire) -> _Events:
    if rest := rest_of(extra[RESULT]):
        del extra[RESULT]
        extra |= rest
        return events
    read = decode_logprobs(extra[RESULT])
    for place, event in enumerate(events):
        if read is None or not (text := _text_of(event)):
            continue
        del extra[RESULT]
        extra |= read[1]
        scored: Any = msgspec.structs.replace(text, logprobs=read[0])
        events[place] = msgspec.structs.replace(event, block=scored) if isinstance(event, ir.Open) else scored
        break
    return events


def _text_of(event: ir.Event) -> ir.TextDelta | ir.Text | None:
    """Return the part of an event that can have log probabilities; None = it has no text of the answer."""
    if isinstance(event, ir.Open):
        return event.block if isinstance(event.block, ir.Text) and event.block.text else None
    return event if isinstance(event, ir.TextDelta) else None


def _keep(answer: _Answer, more: _Wire) -> None:
    """Add `more`, the leftovers of the candidate in one chunk, to the leftovers of `answer`.

    Lists in citation metadata and lists of tokens grow. Members of grounding metadata replace earlier ones of
    the same name. Any other leftover replaces the earlier one of the same name, unless the new value is
    empty. Raises WireError for too many leftovers, or too many values in them.
    """
    extra = answer.extra
    for key, value in more.items():
        before = extra.get(key)
        if before is None:
            refuse_more(len(extra), MOST_LEFTOVERS, "unknown members of a candidate")
        if key == CITATIONS and isinstance(value, dict):
            extra[key] = _added(before if isinstance(before, dict) else {}, value, answer)
        elif key == GROUNDING and isinstance(before, dict) and isinstance(value, dict):
            answer.kept.update(before, value)
            extra[key] = {**before, **value}
            refuse_more(len(extra[key]) - 1, MOST_LEFTOVERS, "members of grounding metadata")
        elif key == RESULT and extend(before, value):
            answer.kept.add(value)
        elif value or not before:
            answer.kept.replace(before, value)
            extra[key] = value


def _added(before: _Wire, more: _Wire, answer: _Answer) -> _Wire:
    """Extend the lists in `before` by those elements of the lists in `more` that they do not have yet, and
    return `before`. A value in `more` that is not a list replaces the earlier value of the same name. Raises
    WireError for too many citations. before, more: values of `citationMetadata`.
    """
    told = answer.told  # the elements of each list: one look-up finds a repeated one
    for key, listed in more.items():
        old = before.get(key)
        if not isinstance(listed, list):
            answer.kept.replace(old, listed)
            before[key] = listed
            continue
        if not isinstance(old, list):
            refuse_more(len(before), MOST_LEFTOVERS, "members of citation metadata")
            answer.kept.replace(old, listed)
            before[key], told[key] = list(listed), {_encode(one) for one in listed}
            continue
        fresh = [(written, one) for one in listed if (written := _encode(one)) not in told[key]]
        refuse_more(len(told[key]) + len(fresh) - 1, MOST_CITATIONS, "citations")
        answer.kept.add([one for _, one in fresh])
        told[key].update(written for written, _ in fresh)
        old += [one for _, one in fresh]
    return before
