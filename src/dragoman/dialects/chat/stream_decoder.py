"""Decodes streams of chunks into IR events, for the protocols whose chunks have `choices`.

Each chunk is a JSON object, and `[DONE]` ends the stream. Without `[DONE]`, a stream is complete if it has
candidates and all have a finish reason.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Final, Generic, TypeAlias, TypeVar

import msgspec

from dragoman import ir
from dragoman.dialects.bounds import MOST_CANDIDATES, MOST_LEFTOVERS, Kept, refuse_more
from dragoman.dialects.chat.template import Template
from dragoman.dialects.chat.usage import is_blank
from dragoman.dialects.failure import STREAM_BROKEN
from dragoman.dialects.leftovers import named
from dragoman.errors import WireError
from dragoman.wire.json import UNDECODABLE
from dragoman.wire.sse import ErrorFrame

_ODD_END: Final = "message.finish_reason"
"""The key in `Candidate.extra` of a finish reason that is not a string; a later chunk may bring a string."""
Delta: TypeAlias = ir.TextDelta | ir.ThinkDelta | ir.ArgsDelta
_decode = msgspec.json.Decoder().decode


class Candidate:
    """The state of one candidate during the stream. index: the candidate's number in the answer. word: its
    finish reason so far, None = none. extra: its unknown members, with their latest values. kept: counts the
    values that the decoder keeps.
    """

    __slots__ = ("extra", "index", "kept", "word")

    def __init__(self, index: int) -> None:
        self.index = index
        self.word: str | None = None  # finish reason
        self.extra: dict[str, Any] = {}  # unknown members with their latest values
        self.kept = Kept()  # counts the values in `extra`; `_candidate` sets the count of the whole stream

    def note(self, members: dict[str, Any], known: frozenset[str], prefix: str = "") -> None:
        """Add the members that are not in `known` to `extra`, each under `prefix` and its name (`named`). A
        later value replaces an earlier one; null is ignored. Raises WireError if the unknown members of this
        candidate, or the values inside those of the whole stream, become too many.
        """
        for key, value in members.items():
            if key not in known:
                self.keep(prefix + named(key), value)

    def keep(self, key: str, value: Any) -> None:
        """Put a value into `extra` under `key`, in place of an earlier one; null is ignored. Raises WireError
        if the unknown members of this candidate, or the values inside those of the whole stream, become too
        many.
        """
        if value is not None:
            self._put(key, value)

    def end(self, word: Any) -> None:
        """Set the finish reason to `word`. null changes nothing; "" does not replace an earlier reason. A
        value that is neither a string nor null goes into `extra`. Raises WireError if the unknown members
        become too many.
        """
        if type(word) is str:
            self.word = word or self.word or ""
        else:
            self.keep(_ODD_END, word)

    @property
    def reason(self) -> str | None:
        """The finish reason: the latest text that is not empty. If there is none: None = the chunks stated a
        value of another type, which is in `extra`; "" = they stated none, or only empty texts.
        """
        return self.word or (None if _ODD_END in self.extra else "")

    def _put(self, key: str, value: Any) -> None:
        if key not in self.extra:
            refuse_more(len(self.extra), MOST_LEFTOVERS, "unknown members of a choice")
        self.kept.replace(self.extra.get(key), value)
        self.extra[key] = value


CandidateT = TypeVar("CandidateT", bound=Candidate)


class ChunkDecoder(ABC, Generic[CandidateT]):
    """Decodes one stream of a provider; a subclass decodes the chunks of its protocol. padding: the name of
    the random member that hides the length of a chunk's text.
    """

    __slots__ = (
        "_candidates",
        "_kept",
        "_last",
        "_over",
        "_seen",
        "_started",
        "_template",
        "_told",
        "_usage",
    )

    def __init__(self, padding: str = "obfuscation") -> None:
        self._candidates: dict[int, CandidateT] = {}
        self._started = False
        self._over = False
        self._usage: dict[str, Any] | None = None  # the latest on the wire
        self._told: ir.Usage | None = None  # the counts of all chunks so far
        self._template = Template(padding)
        self._last: Delta | None = None  # the delta of the chunk that may repeat
        self._seen: dict[str, Any] = {}  # unknown members of the chunks, latest values
        self._kept = Kept()

    def feed(self, frame: bytes) -> list[ir.Event]:
        """Return the events of a frame; [] for a frame after an error or `[DONE]`. An ErrorFrame gives
        ir.Error. `[DONE]` gives the last events, or ir.Error if no chunk of an answer came before. Raises
        WireError if the frame is not a chunk, or if there are too many candidates or unknown members.
        """
        if self._last is not None and (text := self._template.text(frame)) is not None:
            return self._repeat(self._last, text) if text else []
        if self._over:
            return []
        if isinstance(frame, ErrorFrame):
            return self._fail(self._fault(error_body(frame)))
        if frame == b"[DONE]":
            return self._ended()
        try:
            chunk = _decode(frame)
        except UNDECODABLE as error:
            if frame.strip() == b"[DONE]":
                return self._ended()
            raise WireError(f"a stream event is not JSON: {error}") from None
        if type(chunk) is not dict:
            raise WireError("a stream event is not an object")
        try:
            events = self._chunk(chunk)
            last = events[0] if len(events) == 1 else None
            # If it only continued a block, the next chunks are probably alike.
            self._last = last if isinstance(last, Delta) and self._template.learn(frame, chunk) else None
        except (AttributeError, KeyError, TypeError) as error:
            raise WireError(f"a stream event has an unknown format: {error}") from error
        return events

    def _tally(self, usage: ir.Usage) -> ir.Tally:
        """Return the event for the counts of a chunk, completed by those of the chunks before, because a
        provider may state the tokens of the prompt and of the answer in two chunks.
        """
        self._told = told = usage.after(self._told)
        return ir.Tally(told)

    def _is_news(self, usage: Any) -> bool:
        """Whether a chunk's usage replaces the latest one (`_usage`): it is an object with other content that
        is not empty and, if there was a usage before, counts some tokens.
        """
        if type(usage) is not dict or not usage or usage == self._usage:
            return False
        return self._usage is None or not is_blank(usage)

    def close(self) -> list[ir.Event]:
        """Return the last events, when the frames have ended; [] = `[DONE]` or an error came before. An
        answer that is not finished gives only ir.Error: it has no candidate, or a candidate has no finish
        reason that is a text. Raises WireError if the end of the answer has an unknown format.
        """
        if self._over:
            return []
        complete = self._candidates and all(candidate.word for candidate in self._candidates.values())
        return self._ended() if complete else self._fail(STREAM_BROKEN)

    def _ended(self) -> list[ir.Event]:
        """Return the last events of a stream: the end of each candidate, then ir.End; or only ir.Error, if no
        chunk of an answer came before. Raises WireError if the end of a candidate has an unknown format.
        """
        if not self._started:
            return self._fail(STREAM_BROKEN)
        self._over, self._last = True, None
        events: list[ir.Event] = []
        try:
            for _, candidate in sorted(self._candidates.items()):
                self._finish(candidate, events)
        except (AttributeError, KeyError, TypeError) as error:
            raise WireError(f"the end of the stream has an unknown format: {error}") from error
        return [*events, ir.End()]

    def _keep(self, chunk: dict[str, Any], known: frozenset[str]) -> dict[str, Any]:
        """Save the unknown members of a chunk that are not null. Returns those that are new or have a new
        value, by the names of leftovers (`named`). known: the names of the members that are not saved. Raises
        WireError if the unknown members, or the values inside them, become too many.
        """
        news = {
            name: value
            for key, value in chunk.items()
            if key not in known and value is not None and self._seen.get(name := named(key)) != value
        }
        self._kept.update(self._seen, news)
        self._seen.update(news)
        refuse_more(len(self._seen) - 1, MOST_LEFTOVERS, "unknown members of the chunks")
        return news

    def _candidate(self, choice: dict[str, Any], kind: Callable[[int], CandidateT]) -> CandidateT:
        """Return the candidate to which a choice belongs: the candidate with the choice's index, or number 0
        if the choice states no integer as its index. A new candidate is made by `kind`. Raises WireError for
        too many candidates.
        """
        stated = choice.get("index")
        index = stated if type(stated) is int else 0
        if (candidate := self._candidates.get(index)) is None:
            refuse_more(len(self._candidates), MOST_CANDIDATES, "choices")
            candidate = self._candidates[index] = kind(index)
            candidate.kept = self._kept
        return candidate

    def _repeat(self, last: Delta, text: str) -> list[ir.Event]:
        """Return the events of a chunk that differs from the previous chunk only in its text and its random
        padding. last: the event of the previous chunk. text: the text of this chunk.
        """
        return [type(last)(last.index, text, last.candidate)]

    def _fail(self, fault: ir.Fault) -> list[ir.Event]:
        self._over, self._last = True, None
        return [ir.Error(fault)]

    @abstractmethod
    def _chunk(self, chunk: dict[str, Any]) -> list[ir.Event]:
        """Return the events of one chunk. May raise AttributeError, KeyError or TypeError for an invalid
        chunk.
        """

    @abstractmethod
    def _fault(self, body: dict[str, Any]) -> ir.Fault: ...

    @abstractmethod
    def _finish(self, candidate: CandidateT, events: list[ir.Event]) -> None:
        """Append to `events` the events that end this candidate, when the stream has ended."""


def error_body(frame: bytes) -> dict[str, Any]:
    """Return the JSON object in a frame that the sender marked as an error. Other content is returned as the
    member `error` of an object.
    """
    try:
        body = _decode(frame)
    except UNDECODABLE:
        body = frame.decode(errors="replace")
    return body if isinstance(body, dict) else {"error": body}
