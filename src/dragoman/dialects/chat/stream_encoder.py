"""Streams of chunks to the wire: what the encoders of all protocols of the chat family do alike."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Generic, TypeVar

import msgspec

from dragoman import ir
from dragoman.dialects.chat.draft import Draft, is_enveloped
from dragoman.dialects.chat.response import opening
from dragoman.dialects.chat.saying import separated
from dragoman.dialects.event_encoder import EventEncoder
from dragoman.dialects.leftovers import Leftovers
from dragoman.dialects.reply import Reply

_encode = msgspec.json.Encoder().encode
_DONE: Final = b"data: [DONE]\n\n"
"""The end of a stream of events; one of lines has none, as on a socket the next answer follows."""


class Out:
    """One block while it is written: the bytes round its words, and how much of it has been sent."""

    __slots__ = ("block", "closed", "head", "length", "said", "start", "tail", "where")

    def __init__(self, block: Any, where: str) -> None:
        self.block = block
        self.where = where  # in IR terms
        self.head = b""  # empty: its words are not shown, or not by constant bytes
        self.tail = b""
        self.said = False  # some of it has been sent
        self.closed = False
        self.length = 0  # characters of its text sent
        self.start = 0  # characters of the content before it


OutT = TypeVar("OutT", bound=Out)


class Choice(Generic[OutT]):
    """One candidate while it is written."""

    __slots__ = ("calls", "head", "index", "last", "length", "outs", "spaced")

    def __init__(self, index: int, head: bytes) -> None:
        self.index = index
        self.head = head
        self.outs: list[OutT] = []
        self.calls = 0
        self.length = 0  # characters of content sent
        self.last = ""  # the last text among them
        self.spaced = False  # something else came after it


ChoiceT = TypeVar("ChoiceT", bound=Choice[Any])


class ChunkEncoder(EventEncoder, ABC, Generic[ChoiceT, OutT]):
    """The bytes of one stream of chunks.

    Every chunk of text is a constant head, the text as JSON, and a constant tail; head and tail are made
    when the block opens. Id, date and model are the same in every chunk. After an error nothing follows.
    choice, out: what a candidate and a block are kept as.
    """

    __slots__ = (
        *("_choice", "_choices", "_done", "_draft", "_end_line", "_field", "_head", "_members", "_once"),
        *("_out", "_own", "_reply", "_tail", "_usage", "_write"),
    )
    dialect: ClassVar[str]
    """Whose chunks these are."""
    role: ClassVar[Mapping[str, Any]]
    """The delta of a candidate's first chunk."""
    prose: ClassVar[frozenset[type]]
    """Blocks that belong to the text: what follows them is not set off."""
    _leftovers: ClassVar[Leftovers]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._leftovers = Leftovers(cls.dialect)

    def __init__(self, reply: Reply, choice: type[ChoiceT], out: type[OutT]) -> None:
        self._write = self._table  # found faster here than in the class
        self._reply = reply
        self._choice = choice
        self._out = out
        self._own = False
        self._draft = Draft(reply.report, answer=True)  # until the answer has begun
        self._choices: dict[int, ChoiceT] = {}
        lines = reply.framing == "ndjson"
        self._field, self._end_line, self._done = (b"", b"\n", b"") if lines else (b"data: ", b"\n\n", _DONE)
        self._members: dict[str, Any] = {}  # those of every chunk
        self._head = b""
        self._tail = b"]}" + self._end_line
        self._once: dict[str, Any] = {}  # leftovers that the next chunk takes along
        self._usage: ir.Usage | None = None

    def feed(self, event: ir.Event) -> bytes:
        """The bytes for one event."""
        return self._write[type(event)](self, event)

    # The frame -----------------------------------------------------------------------------------

    def _start(self, event: ir.Start) -> bytes:
        self._own = event.dialect == self.dialect
        enveloped = is_enveloped(self._reply)
        self._draft = Draft(self._reply.report, own=self._own, answer=True, enveloped=enveloped)
        self._usage = event.usage
        members = opening(event, self._reply, "chat.completion.chunk", own=self._own)
        if event.extra is not None:
            self._restore(self._once, event.extra, "")
        if event.status is not None:
            self._reply.report.lose("status", "the response has no status field", "hint")
        members.update(self._constant(event.tier))
        self._set_head(members)
        return b""

    def _set_head(self, members: dict[str, Any]) -> None:
        """Let every chunk from here hold these members as well."""
        self._members.update(members)
        self._head = self._field + _encode(self._members)[:-1] + b',"choices":['

    def _chunk(self, choice: bytes, **members: Any) -> bytes:
        """One chunk. members: what it holds beside the usual."""
        if not members:
            return self._head + choice + self._tail
        tail = b"}" + self._end_line if "usage" in members else self._tail[1:]
        return self._head + choice + b"]," + _encode(members)[1:-1] + tail

    def _delta(self, index: int, delta: Mapping[str, Any], **members: Any) -> bytes:
        return self._chunk(_encode({"index": index, "delta": delta, **members, "finish_reason": None}))

    def _begin(self, index: int) -> bytes:
        """A candidate's first chunk, which names the role; the first of all holds the answer's leftovers."""
        self._choices[index] = self._choice(index, self._head + b'{"index":%d,"delta":' % index)
        once, self._once = self._once, {}
        return self._chunk(_encode({"index": index, "delta": self.role, "finish_reason": None}), **once)

    def _restore(self, out: dict[str, Any], extra: ir.Extra, where: str) -> None:
        """Put our own leftovers back in their places; name those of other dialects as lost."""
        self._leftovers.restore(out, extra, self._draft.report, where)

    # Blocks --------------------------------------------------------------------------------------

    def _open(self, event: ir.Open) -> bytes:
        role = b"" if event.candidate in self._choices else self._begin(event.candidate)
        choice = self._choices[event.candidate]
        out = self._out(event.block, f"candidates[{event.candidate}].blocks[{event.index}]")
        choice.outs.append(out)
        if type(event.block) not in self.prose:
            choice.spaced = True
        return role + self._opened(choice, out)

    def _frame(self, choice: ChoiceT, out: OutT, head: bytes, tail: bytes) -> None:
        """Set the constant bytes round a block's words."""
        out.head = choice.head + head
        out.tail = tail + b',"finish_reason":null}' + self._tail

    def _shed(self, out: OutT) -> None:
        """Name as lost what a block carries beside its words."""
        if getattr(out.block, "sealed", None) is not None:
            self._draft.leave_seal(out.where)
        if out.block.extra is not None:
            self._restore({}, out.block.extra, out.where)

    def _text(self, event: ir.TextDelta) -> bytes:
        choice = self._choices[event.candidate]
        return self._say(choice, choice.outs[event.index], event.text, event.logprobs)

    def _say(
        self, choice: ChoiceT, out: OutT, text: str, logprobs: tuple[ir.Logprob, ...] | None = None
    ) -> bytes:
        """More of a text, set off from the one before where something stood between them."""
        length = len(text)
        if not out.said:
            out.said = True
            if choice.spaced and not self._own:
                text = separated(choice.last, text)
                out.start += len(text) - length
            choice.spaced = False
        out.length += length
        choice.length = out.start + out.length
        if text:
            choice.last = text
        if logprobs is None:
            return out.head + _encode(text) + out.tail
        return self._delta(choice.index, {"content": text}, logprobs=self._logprobs(logprobs, out))

    def _rest(self, choice: ChoiceT, out: OutT, final: ir.Text | ir.Refusal) -> bytes:
        """What of a text only its end has told."""
        return self._say(choice, out, final.text[out.length :]) if len(final.text) > out.length else b""

    def _close(self, event: ir.Close) -> bytes:
        choice = self._choices[event.candidate]
        out = choice.outs[event.index]
        out.closed = True
        return self._settle(choice, out) if event.block is None else self._complete(choice, out, event.block)

    # The end -------------------------------------------------------------------------------------

    def _finish(self, event: ir.Finish) -> bytes:
        index = event.candidate
        role = b"" if index in self._choices else self._begin(index)
        choice, where = self._choices[index], f"candidates[{index}]"
        last: dict[str, Any] = {"index": index, **self._stopped(choice, event.stop, where)}
        if event.extra is not None:
            self._restore(last, event.extra, where)
            # Leftovers of the message lie in the delta, where a stream has it.
            for key in [key for key in last if key.startswith("message.")]:
                last["delta"][key.removeprefix("message.")] = last.pop(key)
        return role + self._conclude(choice, _encode(last))

    def _tally(self, event: ir.Tally) -> bytes:
        self._usage = event.usage
        return b""

    def _raw(self, event: ir.Raw) -> bytes:
        if event.dialect == self.dialect:
            return self._field + _encode(event.value) + self._end_line
        self._draft.report.lose(
            "events", f"this protocol has no such progress event of {event.dialect}", "hint"
        )
        return b""

    def _end(self, event: ir.End) -> bytes:
        if event.error is not None:
            return self._fail(event.error)
        if event.status is not None:
            self._draft.report.lose("status", "the response has no status field", "hint")
        if event.extra is not None:
            self._restore(self._once, event.extra, "")
        return self._last() + self._done

    def _error(self, event: ir.Error) -> bytes:
        return self._fail(event.fault)

    def _fail(self, fault: ir.Fault) -> bytes:
        return self._field + _encode(self._failure(fault)) + self._end_line

    def _ping(self, event: ir.Ping) -> bytes:
        return b""

    # What each dialect says in its own way -------------------------------------------------------

    @abstractmethod
    def _constant(self, tier: str | None) -> dict[str, Any]:
        """The members that stand in every chunk beside the usual ones, some taken out of the leftovers."""

    @abstractmethod
    def _opened(self, choice: ChoiceT, out: OutT) -> bytes:
        """The bytes with which a block begins."""

    @abstractmethod
    def _refuse(self, event: ir.RefusalDelta) -> bytes: ...

    @abstractmethod
    def _think(self, event: ir.ThinkDelta) -> bytes: ...

    @abstractmethod
    def _arguments(self, event: ir.ArgsDelta) -> bytes: ...

    @abstractmethod
    def _seal(self, event: ir.SealDelta) -> bytes: ...

    @abstractmethod
    def _media(self, event: ir.MediaDelta) -> bytes: ...

    @abstractmethod
    def _cite(self, event: ir.Cite) -> bytes: ...

    @abstractmethod
    def _more(self, event: ir.More) -> bytes: ...

    @abstractmethod
    def _logprobs(self, tokens: tuple[ir.Logprob, ...], out: OutT) -> dict[str, Any]:
        """The `logprobs` of a chunk of text."""

    @abstractmethod
    def _complete(self, choice: ChoiceT, out: OutT, final: ir.Block) -> bytes:
        """The end of a block that is only now known as it really is: what has not been said of it yet."""

    @abstractmethod
    def _settle(self, choice: ChoiceT, out: OutT) -> bytes:
        """The end of a block: what is still owed."""

    @abstractmethod
    def _stopped(self, choice: ChoiceT, stop: ir.Stop | None, where: str) -> dict[str, Any]:
        """The last delta and the finish reason of a candidate."""

    @abstractmethod
    def _conclude(self, choice: ChoiceT, last: bytes) -> bytes:
        """The chunks with which a candidate ends. last: its last choice."""

    @abstractmethod
    def _last(self) -> bytes:
        """The chunks that end the answer before `[DONE]`: counts and what is left."""

    @abstractmethod
    def _failure(self, fault: ir.Fault) -> dict[str, Any]:
        """The chunk that tells an error."""
