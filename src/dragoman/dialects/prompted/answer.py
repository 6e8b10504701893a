"""Changes the events of an answer whose text contains calls or reasoning: each call, and the reasoning,
becomes a block of its own, so the later blocks get other numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

import msgspec

from dragoman import ir
from dragoman.dialects.facts import TagMode
from dragoman.dialects.loss import Report
from dragoman.dialects.prompted.reading import Begun, CallReader, Ended, Piece, Thought, Written
from dragoman.dialects.prompted.thoughts import ThoughtReader
from dragoman.dialects.severity import Severity

replace = msgspec.structs.replace
_Place: TypeAlias = tuple[int, int]
_CUT: Final = frozenset({"length", "context", "sequence", "filter"})
"""Stop reasons that show that the model has not ended the answer itself."""
_NOT_OF_TEXT: Final = (
    "only text of the answer can have it, not a tool call or reasoning that was read from the text"
)
_NO_TEXT: Final = "only a text can have it, and this text consists of tool calls or reasoning"


class TextCalls:
    """Turns the calls and the reasoning in the texts of one answer into blocks.

    reader: makes a reader of calls for each text; None = the texts contain no calls. thoughts: how reasoning
    at the beginning of each candidate is marked; None = the texts contain no reasoning. report: gets a loss
    for citations and log probabilities that no text of the client can have. single: True = the answer may
    have only one call, so after a text with a call, the later texts of its candidate are plain.

    When a text ends, its last events wait for a later event that shows whether the answer was cut off. If it
    was, and the text ends inside a call, no calls are read from the text of this call, because this text may
    be the content of a file.
    """

    __slots__ = (
        *("_called", "_ending", "_next", "_numbers", "_reader", "_report", "_single", "_texts", "_thoughts"),
    )

    def __init__(
        self,
        reader: Callable[[], CallReader] | None,
        thoughts: TagMode | None,
        report: Report,
        *,
        single: bool = False,
    ) -> None:
        self._reader = reader
        self._thoughts = thoughts
        self._report = report
        self._single = single
        self._next: dict[int, int] = {}  # by candidate: the number of the next block
        self._numbers: dict[_Place, int] = {}  # (candidate, upstream's number) -> the client's number
        self._texts: dict[_Place, _Text] = {}
        self._called: set[int] = set()
        self._ending: dict[int, tuple[_Text, ir.Close]] = {}  # by candidate: the text that has just ended

    def feed(self, event: ir.Event) -> Sequence[ir.Event]:
        """Return the events for the client in place of this event of the upstream; [] = nothing to send now:
        for example, the text is held back because it may be the beginning of a call. If a candidate with a
        call has the stop reason "end" or states none, its stop reason becomes "tool".
        """
        if isinstance(event, ir.Finish):
            return self._finish(event)
        if isinstance(event, ir.Raw):
            return [event if event.index is None else replace(event, index=self._known(event.index))]
        if type(event) in ir.CONTENT:
            return self._about_block(event)
        if isinstance(event, ir.End):
            ended = [one for candidate in tuple(self._ending) for one in self._ended(candidate)]
            return [*ended, event]
        if isinstance(event, ir.Error):
            return [*self._broken_off(), event]
        return [event]

    def _broken_off(self) -> Sequence[ir.Event]:
        """Return what was held back of all texts, because an error ends the answer."""
        held = [one for candidate in tuple(self._ending) for one in self._ended(candidate, cut=True)]
        for text in self._texts.values():
            held += text.broken_off()
        return held

    def _finish(self, event: ir.Finish) -> Sequence[ir.Event]:
        stop = event.stop
        ended = self._ended(event.candidate, cut=stop is not None and stop.reason in _CUT)
        if event.candidate in self._called and (stop is None or stop.reason == "end"):
            event = replace(event, stop=ir.Stop("tool"))
        return [*ended, event]

    def _ended(self, candidate: int, *, cut: bool = False) -> Sequence[ir.Event]:
        """Return the last events of the candidate's text that has ended; they have waited until now. [] = no
        text has ended, or its last events were returned before. cut: True = the model has not ended its
        answer itself.
        """
        if (ending := self._ending.pop(candidate, None)) is None:
            return []
        text, event = ending
        return text.close(event, cut=cut)

    def _about_block(self, event: Any) -> Sequence[ir.Event]:
        ended = self._ended(event.candidate)
        return [*ended, *self._in_block(event, (event.candidate, event.index))]

    def _in_block(self, event: Any, place: _Place) -> Sequence[ir.Event]:
        if isinstance(event, ir.Open):
            if isinstance(event.block, ir.Text):
                begun = self._texts[place] = _Text(self, place, self._new_reader(event.candidate))
                return begun.begin(event.block)
            self._numbers[place] = self.number(event.candidate)
        elif (text := self._texts.get(place)) is not None:
            if not isinstance(event, ir.Close):
                return text.feed(event)
            self._ending[event.candidate] = text, event
            return []
        return [replace(event, index=self._numbers[place])]

    def _new_reader(self, candidate: int) -> CallReader | None:
        """Return a reader for the next text; None = the whole text is plain. Only the first block of a
        candidate can begin with reasoning.
        """
        spent = self._single and candidate in self._called
        inner = None if self._reader is None or spent else self._reader()
        if self._thoughts is None or candidate in self._next or self._has_text(candidate):
            return inner
        return ThoughtReader(inner, inside=self._thoughts == "open")

    def _has_text(self, candidate: int) -> bool:
        return any(place[0] == candidate for place in self._texts)

    def _known(self, index: int) -> int | None:
        """Return the client's number of a block of the first candidate; None = the client has no such block
        yet. For a text of the upstream, this is the number of the last text block that was made from it.
        index: the upstream's number of the block.
        """
        text = self._texts.get((0, index))
        return self._numbers.get((0, index)) if text is None else text.said

    def number(self, candidate: int) -> int:
        """Return the next free number of this candidate's blocks, for a new block of the client. The next
        call returns the number after it.
        """
        number = self._next.get(candidate, 0)
        self._next[candidate] = number + 1
        return number

    def calls(self, candidate: int) -> None:
        """Record that this candidate has a call, so that its stop reason becomes "tool"."""
        self._called.add(candidate)

    def lose(self, where: str, reason: str, severity: Severity) -> None:
        """Report that a value at `where` (IR path, with the upstream's numbers) does not reach the client."""
        self._report.lose(where, reason, severity)


class _Text:
    """One text block of the upstream. The client gets a text block for each plain text in it, a block for
    each call, and a block for the reasoning. place: the index of the candidate with this block, and the
    upstream's number of the block. reader: finds the calls and the reasoning; None = all of the text is
    plain. said: the client's number of the last text block so far; None = there is none.
    """

    __slots__ = (
        *(
            "_answer",
            "_block",
            "_candidate",
            "_citations",
            "_divided",
            "_ended",
            "_fed",
            "_logprobs",
            "_open",
        ),
        *("_reader", "_thinking", "_where", "said"),
    )

    def __init__(self, answer: TextCalls, place: _Place, reader: CallReader | None) -> None:
        self._answer = answer
        self._candidate = place[0]
        self._where = "candidates[{}].blocks[{}]".format(*place)
        self._citations: tuple[ir.Citation, ...] = ()  # of a text block that the client does not have yet
        self._logprobs: tuple[ir.Logprob, ...] = ()  # of text that is held back
        self._ended = False
        self._reader = reader
        self._block = ir.Text("")
        self._fed = False  # whether the upstream has sent text
        self._open: int | None = None  # the number of the open block of the client
        self.said: int | None = None  # the number of its last text block
        self._thinking = False  # whether the open block is reasoning
        self._divided = False  # whether there was a call or reasoning

    def begin(self, block: ir.Text) -> list[ir.Event]:
        """Return the events for the client when the upstream opens this block (`block`); [] = the block has
        no text yet, or its text is held back. The client's block is opened with its first text.
        """
        self._block = replace(block, text="")
        return self._read(block.text)

    def feed(self, event: Any) -> list[ir.Event]:
        """Return the events for the client in place of an event about this block, except its Open and its
        Close; [] = the client gets nothing for this event. A citation goes to the client's last text block
        or, if it has none yet, to its first one; log probabilities go to a text, or wait for one. What has no
        text block in the end is reported as lost.
        """
        if isinstance(event, ir.TextDelta):
            return self._delta(event)
        if isinstance(event, ir.Cite):
            return self._cite(event)
        return [*self._speak(), replace(event, index=self._open)]

    def _cite(self, event: ir.Cite) -> list[ir.Event]:
        if self.said is not None:  # it may come after the block's end
            return [replace(event, index=self.said)]
        self._citations += (event.citation,)
        if self._ended:
            self._lose_rest()
        return []

    def _delta(self, event: ir.TextDelta) -> list[ir.Event]:
        events = self._read(event.text)
        if event.logprobs is None and not self._logprobs:
            return events
        if self._logprobs and any(isinstance(one, ir.ThinkDelta | ir.ArgsDelta) for one in events):
            self._lose_logprobs()  # what was held back has become a call or reasoning
        self._logprobs += event.logprobs or ()
        return self._with_logprobs(events)

    def _with_logprobs(self, events: list[ir.Event]) -> list[ir.Event]:
        for place, one in enumerate(events):
            if isinstance(one, ir.TextDelta):
                events[place] = replace(one, logprobs=self._logprobs)
                self._logprobs = ()
                return events
        if self._open is not None and self._open == self.said:
            events.append(ir.TextDelta(self._open, "", self._candidate, self._logprobs))
            self._logprobs = ()
        elif events:
            self._lose_logprobs()
        return events

    def _lose_logprobs(self) -> None:
        self._answer.lose(f"{self._where}.logprobs", _NOT_OF_TEXT, "hint")
        self._logprobs = ()

    def _lose_rest(self) -> None:
        """Report the citations and log probabilities that still wait for a text block as lost."""
        if self._logprobs:
            self._lose_logprobs()
        if self._citations:
            self._answer.lose(f"{self._where}.citations", _NO_TEXT, "quality")
            self._citations = ()

    def close(self, event: ir.Close, *, cut: bool) -> list[ir.Event]:
        """Return the events for the client at the end of the block. event: the upstream's event that closes
        the block; the text of its final block is read only if the upstream has sent no text before. cut: True
        = the model has not ended its answer itself.
        """
        events: list[ir.Event] = []
        final = event.block
        if isinstance(final, ir.Text) and not self._fed:
            events += self._read(final.text)
        events += self._held_back(cut=cut)
        if self.said is None and not self._divided:
            events += self._speak()
        if self._open is not None:
            # A final block has the whole text; if this was divided, its parts are what the client has.
            block = None if self._divided else final
            events.append(ir.Close(self._open, block, self._candidate))
            self._open = None
        self._ended = True
        self._lose_rest()
        return events

    def broken_off(self) -> list[ir.Event]:
        """Return the events for the text that was held back, when an error ends the answer.
        Reasoning becomes reasoning; a call that is not complete becomes plain text. [] = no text
        was held back, or `close` has returned it.
        """
        events = self._held_back(cut=True)
        self._lose_rest()
        return events

    def _held_back(self, *, cut: bool) -> list[ir.Event]:
        if self._reader is None:
            return []
        pieces, self._reader = self._reader.close(cut=cut), None
        events = self._pieces(pieces)
        return self._with_logprobs(events) if self._logprobs else events

    def _read(self, text: str) -> list[ir.Event]:
        if not text:
            return []
        self._fed = True
        return self._pieces([text] if self._reader is None else self._reader.feed(text))

    def _pieces(self, pieces: Sequence[Piece]) -> list[ir.Event]:
        events: list[ir.Event] = []
        for piece in pieces:
            if isinstance(piece, str):
                events += self._speak()
                assert self._open is not None, "a text block is open"
                events.append(ir.TextDelta(self._open, piece, self._candidate))
            elif isinstance(piece, Thought):
                events += self._think()
                assert self._open is not None, "a thinking block is open"
                events.append(ir.ThinkDelta(self._open, piece.text, self._candidate))
            elif isinstance(piece, Begun):
                events += self._end()
                self._divided = True
                self._answer.calls(self._candidate)
                self._open = self._answer.number(self._candidate)
                events.append(ir.Open(self._open, ir.ToolCall(None, piece.name), self._candidate))
            elif isinstance(piece, Written):
                assert self._open is not None, "a call is open"
                events.append(ir.ArgsDelta(self._open, piece.arguments, self._candidate))
            else:
                assert isinstance(piece, Ended)
                events += self._end()
        return events

    def _speak(self) -> list[ir.Event]:
        """Return the events that open a text block for the client, and close a block of reasoning; [] if a
        text block or a call is open. The first text block has the fields of the upstream's block, later ones
        only its `form`.
        """
        if self._open is not None and not self._thinking:
            return []
        events = self._end()
        first = self.said is None
        self._open = self.said = self._answer.number(self._candidate)
        block = self._block if first else ir.Text("", form=self._block.form)
        cites = [ir.Cite(self._open, citation, self._candidate) for citation in self._citations]
        self._citations = ()
        return [*events, ir.Open(self._open, block, self._candidate), *cites]

    def _think(self) -> list[ir.Event]:
        """Return the events that open a block of reasoning for the client, and close the block that is open;
        [] if a block of reasoning is open.
        """
        if self._thinking:
            return []
        events = self._end()
        self._thinking = self._divided = True
        self._open = self._answer.number(self._candidate)
        return [*events, ir.Open(self._open, ir.Thinking(""), self._candidate)]

    def _end(self) -> list[ir.Event]:
        """Return the event that closes the client's open block; [] if no block is open."""
        if self._open is None:
            return []
        number, self._open = self._open, None
        self._thinking = False
        return [ir.Close(number, None, self._candidate)]
