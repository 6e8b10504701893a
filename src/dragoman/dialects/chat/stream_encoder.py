"""Encodes IR events as a stream of chunks, for the protocols whose chunks have a `delta` in each choice."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, ClassVar, Final, Generic, TypeVar

import msgspec

from dragoman import ir
from dragoman.dialects.chat.draft import Draft, is_enveloped
from dragoman.dialects.chat.response import opening
from dragoman.dialects.chat.saying import separated
from dragoman.dialects.event_encoder import EventEncoder, lose_event
from dragoman.dialects.leftovers import Leftovers, lose_item
from dragoman.dialects.reply import Reply

_encode = msgspec.json.Encoder().encode
_DONE: Final = b"data: [DONE]\n\n"
"""The end of an SSE stream. A stream of lines has no such end: on a socket, the next response follows."""


class Out:
    """A block of the IR while it is sent: the constant bytes before and after its text, and how much has been
    sent. where: the block's IR path.
    """

    __slots__ = ("block", "closed", "head", "length", "said", "start", "tail", "where")

    def __init__(self, block: Any, where: str) -> None:
        self.block = block
        self.where = where
        self.head = b""  # empty: the text is not sent, or constant bytes are not enough
        self.tail = b""
        self.said = False  # a part of the block's text has been sent
        self.closed = False
        self.length = 0  # characters of the block's text sent
        self.start = 0  # characters of content sent before this block


OutT = TypeVar("OutT", bound=Out)


class Choice(Generic[OutT]):
    """One candidate of the response while it is sent. index: its number. head: the bytes of its chunks before
    the value of `delta`. outs: its blocks, by their index.
    """

    __slots__ = ("calls", "head", "index", "last", "length", "outs", "spaced")

    def __init__(self, index: int, head: bytes) -> None:
        self.index = index
        self.head = head
        self.outs: list[OutT] = []
        self.calls = 0  # number of tool calls sent
        self.length = 0  # characters of content sent
        self.last = ""  # the last text sent
        self.spaced = False  # another kind of block came after the last text


ChoiceT = TypeVar("ChoiceT", bound=Choice[Any])


class ChunkEncoder(EventEncoder, ABC, Generic[ChoiceT, OutT]):
    """Encodes one stream of chunks; a subclass encodes the blocks of its protocol. Id, date and model are the
    same in every chunk, but a chunk with an error has none of them; it ends the stream, without `[DONE]`.
    choice: the class for the state of a candidate. out: the class for the state of a block.
    """

    __slots__ = (
        *("_choice", "_choices", "_done", "_draft", "_end_line", "_field", "_head", "_members", "_once"),
        *("_out", "_own", "_reply", "_tail", "_usage", "_write"),
    )
    dialect: ClassVar[str]
    role: ClassVar[Mapping[str, Any]]
    """The delta of a candidate's first chunk."""
    prose: ClassVar[frozenset[type]]
    """Block types that are part of the text: after one of these, a text is not separated by a blank line."""
    _leftovers: ClassVar[Leftovers]

    def __init_subclass__(cls) -> None:
        super().__init_subclass__()
        cls._leftovers = Leftovers(cls.dialect)

    def __init__(self, reply: Reply, choice: type[ChoiceT], out: type[OutT]) -> None:
        self._write = self._table  # an attribute of the instance is found faster than one of the class
        self._reply = reply
        self._choice = choice
        self._out = out
        self._own = False
        self._draft = Draft(reply.report, answer=True)  # replaced when the answer starts
        self._choices: dict[int, ChoiceT] = {}
        lines = reply.framing == "ndjson"
        self._field, self._end_line, self._done = (b"", b"\n", b"") if lines else (b"data: ", b"\n\n", _DONE)
        self._members: dict[str, Any] = {}  # members of every chunk
        self._head = b""
        self._tail = b"]}" + self._end_line
        self._once: dict[str, Any] = {}  # unknown members for the next chunk only
        self._usage: ir.Usage | None = None

    def feed(self, event: ir.Event) -> bytes:
        return self._write[type(event)](self, event)

    def _start(self, event: ir.Start) -> bytes:
        self._own = event.dialect == self.dialect
        enveloped = is_enveloped(self._reply)
        self._draft = Draft(self._reply.report, own=self._own, answer=True, enveloped=enveloped)
        self._usage = event.usage
        members = opening(event, self._reply, "chat.completion.chunk", own=self._own)
        self._restore(self._once, event.extra, "")
        if event.status is not None:
            self._reply.report.lose("status", "the response has no status field", "hint")
        members.update(self._constant(event.tier))
        self._set_head(members)
        return b""

    def _set_head(self, members: dict[str, Any]) -> None:
        """Add these members to later chunks. A chunk with an error has none of them; in candidates that have
        begun, chunks that are made of constant bytes around a text stay as they are (`Out.head`).
        """
        self._members.update(members)
        self._head = self._field + _encode(self._members)[:-1] + b',"choices":['

    def _chunk(self, choice: bytes, **members: Any) -> bytes:
        if not members:
            return self._head + choice + self._tail
        tail = b"}" + self._end_line if "usage" in members else self._tail[1:]
        return self._head + choice + b"]," + _encode(members)[1:-1] + tail

    def _delta(self, index: int, delta: Mapping[str, Any], **members: Any) -> bytes:
        return self._chunk(_encode({"index": index, "delta": delta, **members, "finish_reason": None}))

    def _begin(self, index: int) -> bytes:
        """Make the `Choice` of the candidate with this index. Returns the candidate's first chunk, with the
        role. The members in `_once` are written into this chunk, and removed from `_once`.
        """
        self._choices[index] = self._choice(index, self._head + b'{"index":%d,"delta":' % index)
        once, self._once = self._once, {}
        return self._chunk(_encode({"index": index, "delta": self.role, "finish_reason": None}), **once)

    def _restore(self, out: dict[str, Any], extra: ir.Extra, where: str) -> None:
        """Write leftovers (`extra`) into `out`: those of this dialect, and a few of a related dialect
        (`SHARED` in `dialects.leftovers`). Leftovers that are not written and not null are reported as lost.
        extra: None = there are none. where: the IR path of the value that has the leftovers.
        """
        self._leftovers.restore(out, extra, self._draft.report, where)

    def _open(self, event: ir.Open) -> bytes:
        role = b"" if event.candidate in self._choices else self._begin(event.candidate)
        choice = self._choices[event.candidate]
        out = self._out(event.block, f"candidates[{event.candidate}].blocks[{event.index}]")
        choice.outs.append(out)
        lose_item(event.block, self._draft.report, out.where)
        if type(event.block) not in self.prose:
            choice.spaced = True
        return role + self._opened(choice, out)

    def _frame(self, choice: ChoiceT, out: OutT, head: bytes, tail: bytes) -> None:
        """Set the constant bytes around the text of a block's chunks. head, tail: the bytes that stand
        directly before and after the text's JSON, as the value of `delta`: `{"content":` and `}`.
        """
        out.head = choice.head + head
        out.tail = tail + b',"finish_reason":null}' + self._tail

    def _shed(self, out: OutT) -> None:
        """Report the parts of a block that this dialect cannot express and that are not written: the block's
        seal (as a change), and its leftovers of another dialect (as lost).
        """
        if getattr(out.block, "sealed", None) is not None:
            self._draft.leave_seal(out.where)
        self._restore({}, out.block.extra, out.where)

    def _text(self, event: ir.TextDelta) -> bytes:
        choice = self._choices[event.candidate]
        out: Out = choice.outs[event.index]
        if not (out.said and event.text) or event.logprobs is not None:
            return self._say(choice, choice.outs[event.index], event.text, event.logprobs)
        choice.last = text = event.text
        out.length += len(text)
        choice.length = out.start + out.length
        return out.head + _encode(text) + out.tail

    def _say(
        self, choice: ChoiceT, out: OutT, text: str, logprobs: tuple[ir.Logprob, ...] | None = None
    ) -> bytes:
        """Return the chunk with the next part of a text. In an answer from another dialect, a blank line
        parts a text from the text before it if another block stands between them (`separated`). logprobs: the
        log probabilities of this part; None = none.
        """
        length = len(text)
        if text and not out.said:
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
        """Return the chunk with the end of a text that no delta has brought; b"" = all was sent. final: the
        block as its Close event states it, with the whole text. What was sent already is not compared with
        it.
        """
        return self._say(choice, out, final.text[out.length :]) if len(final.text) > out.length else b""

    def _close(self, event: ir.Close) -> bytes:
        choice = self._choices[event.candidate]
        out = choice.outs[event.index]
        out.closed = True
        if event.block is not None:
            lose_item(event.block, self._draft.report, out.where)
        return self._settle(choice, out) if event.block is None else self._complete(choice, out, event.block)

    def _finish(self, event: ir.Finish) -> bytes:
        index = event.candidate
        role = b"" if index in self._choices else self._begin(index)
        choice, where = self._choices[index], f"candidates[{index}]"
        last: dict[str, Any] = {"index": index, **self._stopped(choice, event.stop, where)}
        if event.extra is not None:
            last["message"] = delta = last[
                "delta"
            ]  # in a stream, leftovers of the message stand in the delta
            self._restore(last, event.extra, where)
            if last["message"] is delta:
                del last["message"]
        return role + self._conclude(choice, _encode(last))

    def _tally(self, event: ir.Tally) -> bytes:
        self._usage = event.usage
        return b""

    def _raw(self, event: ir.Raw) -> bytes:
        if event.dialect == self.dialect:
            return self._field + _encode(event.value) + self._end_line
        return lose_event(event, self._draft.report)

    def _end(self, event: ir.End) -> bytes:
        if event.error is not None:
            return self._fail(event.error)
        if event.status is not None:
            self._draft.report.lose("status", "the response has no status field", "hint")
        self._restore(self._once, event.extra, "")
        return self._last() + self._done

    def _error(self, event: ir.Error) -> bytes:
        return self._fail(event.fault)

    def _fail(self, fault: ir.Fault) -> bytes:
        return self._field + _encode(self._failure(fault)) + self._end_line

    def _ping(self, event: ir.Ping) -> bytes:
        return b""

    @abstractmethod
    def _constant(self, tier: str | None) -> dict[str, Any]:
        """Return further members for every chunk, as far as the protocol has them: the service tier, and
        those leftovers of the answer that every chunk repeats. These leftovers are taken out of `_once`.
        tier: None = not stated.
        """

    @abstractmethod
    def _opened(self, choice: ChoiceT, out: OutT) -> bytes:
        """Return the bytes to send when a block opens; b"" = none yet. This method also sets the constant
        bytes around the block's text (`_frame`), if it has a text that is sent piece by piece.
        """

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
        """Return the value of `logprobs` in a chunk of text. tokens: the log probabilities of the chunk's
        text. out: the block with this text.
        """

    @abstractmethod
    def _complete(self, choice: ChoiceT, out: OutT, final: ir.Block) -> bytes:
        """Return the bytes to send when a block closes and the event states its final content: the part that
        was not sent yet.
        """

    @abstractmethod
    def _settle(self, choice: ChoiceT, out: OutT) -> bytes:
        """Return the bytes to send when a block closes and the event does not state its final content: what
        was held back until the end of the block, or b"".
        """

    @abstractmethod
    def _stopped(self, choice: ChoiceT, stop: ir.Stop | None, where: str) -> dict[str, Any]:
        """Return the members `delta` and `finish_reason` of a candidate's last entry in `choices`. stop: None
        = not stated. where: the candidate's IR path.
        """

    @abstractmethod
    def _conclude(self, choice: ChoiceT, last: bytes) -> bytes:
        """Return the chunks to send when a candidate has ended. last: the last entry of the candidate in
        `choices`, as JSON; its chunk may be held back until the next candidate ends, or until `_last`.
        """

    @abstractmethod
    def _last(self) -> bytes:
        """Return the last chunk before `[DONE]`: with the token counts, the members in `_once`, and what
        `_conclude` has held back; b"" if there is none of these.
        """

    @abstractmethod
    def _failure(self, fault: ir.Fault) -> dict[str, Any]:
        """Return the JSON object of the chunk that tells the client of an error."""
