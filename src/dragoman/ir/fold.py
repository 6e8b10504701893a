"""Converts stream events to a complete answer, and a complete answer to stream events.

Law: fold(unfold(r)) == r for every Response r whose candidates have different indexes and are in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

import msgspec

from dragoman.ir import events as ev
from dragoman.ir.blocks import (
    Block,
    Citation,
    Extra,
    Logprob,
    Media,
    Refusal,
    Sealed,
    Text,
    Thinking,
    ToolCall,
    merge,
)
from dragoman.ir.fault import Fault
from dragoman.ir.response import Candidate, Response, Stop
from dragoman.ir.usage import Usage


class _Growing(msgspec.Struct):
    block: Block
    pieces: list[str] = []
    summary: dict[int, list[str]] = {}
    citations: list[Citation] = []
    logprobs: list[Logprob] | None = None
    sealed: Sealed | None = None
    data: list[str] = []
    transcript: list[str] = []
    expires: int | None = None

    def text(self, event: ev.TextDelta | ev.RefusalDelta) -> None:
        self.pieces.append(event.text)
        if event.logprobs is not None:
            self.logprobs = [*(self.logprobs or ()), *event.logprobs]

    def think(self, event: ev.ThinkDelta) -> None:
        if event.part is None:
            self.pieces.append(event.text)
        else:
            self.summary.setdefault(event.part, []).append(event.text)

    def media(self, event: ev.MediaDelta) -> None:
        if event.data is not None:
            self.data.append(event.data)
        if event.transcript is not None:
            self.transcript.append(event.transcript)
        if event.expires is not None:
            self.expires = event.expires

    def done(self) -> Block:
        """Return the block with the content of all deltas, citations and seals so far."""
        block = self.block
        changes: dict[str, Any] = {}
        if self.pieces:
            field = "arguments" if isinstance(block, ToolCall) else "text"
            text = getattr(block, field) + "".join(self.pieces)
            self.block = block = msgspec.structs.replace(block, **{field: text})
            self.pieces = []  # the joined text replaces the pieces, so repeated calls do not join them again
        if self.summary and isinstance(block, Thinking):
            parts = list(block.summary)
            for part, texts in sorted(self.summary.items()):
                # Part numbers may have gaps. A gap becomes no empty part, so a large number costs no memory.
                if part < len(parts):
                    parts[part] += "".join(texts)
                else:
                    parts.append("".join(texts))
            changes["summary"] = tuple(parts)
        if self.citations and isinstance(block, Text):
            changes["citations"] = (*block.citations, *self.citations)
        if self.logprobs is not None and isinstance(block, Text | Refusal):
            changes["logprobs"] = (*(block.logprobs or ()), *self.logprobs)
        if self.sealed is not None:
            changes["sealed"] = self.sealed
        if self.data and isinstance(block, Media):
            changes["data"] = (block.data or "") + "".join(self.data)
        if self.transcript and isinstance(block, Media):
            changes["transcript"] = (block.transcript or "") + "".join(self.transcript)
        if self.expires is not None:
            changes["expires"] = self.expires
        return msgspec.structs.replace(block, **changes) if changes else block


class Fold:
    """Collects the events of one stream and builds a Response from them. It does not check the order of the
    events. fault: the failure in the last End or Error, None = none so far. usage: the latest token counts,
    None = none so far.
    """

    def __init__(self) -> None:
        self.fault: Fault | None = None
        self.usage: Usage | None = None
        self._start = ev.Start(dialect="")
        self._blocks: dict[int, list[_Growing]] = {}
        self._stops: dict[int, tuple[Stop | None, Extra]] = {}
        self._late = ev.More()
        self._status: str | None = None

    def add(self, event: ev.Event) -> None:
        """Record the next event. A Ping, a Raw, and a Close without a block have no effect. Raises KeyError
        or IndexError if another event names a block that was not opened.
        """
        if (take := _TAKE.get(type(event))) is not None:
            take(self, event)

    def _open(self, event: ev.Open) -> None:
        self._blocks.setdefault(event.candidate, []).append(_Growing(event.block))

    def _at(self, event: Any) -> _Growing:
        grown: _Growing = self._blocks[event.candidate][event.index]
        return grown

    def _close(self, event: ev.Close) -> None:
        if event.block is not None:
            self._blocks[event.candidate][event.index] = _Growing(event.block)

    def _begin(self, event: ev.Start) -> None:
        self._start = event
        self.usage = event.usage

    def _more(self, event: ev.More) -> None:
        late = self._late
        self._late = ev.More(
            merge(late.extra, event.extra),
            event.tier or late.tier,
            event.model or late.model,
            _joined(late.echo, event.echo),
        )

    def _end(self, event: ev.End) -> None:
        self._status, self.fault = event.status, event.error
        self._late = msgspec.structs.replace(self._late, extra=merge(self._late.extra, event.extra))

    def _finish(self, event: ev.Finish) -> None:
        self._stops[event.candidate] = (event.stop, event.extra)
        self._blocks.setdefault(event.candidate, [])

    def block(self, index: int, candidate: int = 0) -> Block:
        """Return a block with its content so far. Raises KeyError or IndexError if it has not been opened
        yet.
        """
        return self._blocks[candidate][index].done()

    def response(self) -> Response:
        """Return the answer with its content so far, with its candidates in the order of their indexes. This
        may be called several times. Before Start, the answer's dialect is "".
        """
        start = self._start
        candidates = []
        for index, blocks in sorted(self._blocks.items()):
            stop, extra = self._stops.get(index, (None, None))
            candidates.append(Candidate(tuple(block.done() for block in blocks), stop, index, extra))
        return Response(
            dialect=start.dialect,
            id=start.id,
            model=self._late.model or start.model,
            created=start.created,
            candidates=tuple(candidates),
            usage=self.usage,
            status=self._status if self._status is not None else start.status,
            tier=self._late.tier or start.tier,
            error=self.fault,
            extra=merge(start.extra, self._late.extra),
            echo=_joined(start.echo, self._late.echo),
        )


def _joined(one: dict[str, Any] | None, other: dict[str, Any] | None) -> dict[str, Any] | None:
    return {**one, **other} if one and other else other or one


_TAKE: dict[type, Callable[[Fold, Any], None]] = {
    ev.Start: Fold._begin,
    ev.Open: Fold._open,
    ev.TextDelta: lambda fold, e: fold._at(e).text(e),
    ev.RefusalDelta: lambda fold, e: fold._at(e).text(e),
    ev.ArgsDelta: lambda fold, e: fold._at(e).pieces.append(e.text),
    ev.ThinkDelta: lambda fold, e: fold._at(e).think(e),
    ev.SealDelta: lambda fold, e: setattr(fold._at(e), "sealed", e.sealed),
    ev.MediaDelta: lambda fold, e: fold._at(e).media(e),
    ev.Cite: lambda fold, e: fold._at(e).citations.append(e.citation),
    ev.Close: Fold._close,
    ev.Finish: Fold._finish,
    ev.Tally: lambda fold, e: setattr(fold, "usage", e.usage),
    ev.More: Fold._more,
    ev.End: Fold._end,
    ev.Error: lambda fold, e: setattr(fold, "fault", e.fault),
}


def fold(events: Iterable[ev.Event]) -> Response:
    """Return the answer that the events of one stream make; their order is not checked. Raises KeyError or
    IndexError if an event names a block that was not opened.
    """
    collected = Fold()
    for event in events:
        collected.add(event)
    return collected.response()


def unfold(response: Response) -> Iterator[ev.Event]:
    """Yield the events of a stream from which `fold` builds this answer again. The text of each block, and
    each part of a summary, is in one delta; an empty text may have none.
    """
    yield ev.Start(
        response.dialect,
        response.id,
        response.model,
        response.created,
        response.tier,
        None,
        None,
        response.extra,
        response.echo,
    )
    for candidate in response.candidates:
        for index, block in enumerate(candidate.blocks):
            yield from unfold_block(block, index, candidate.index)
        yield ev.Finish(candidate.stop, candidate.index, candidate.extra)
    if response.usage is not None:
        yield ev.Tally(response.usage)
    yield ev.End(response.status, response.error)


def unfold_block(block: Block, index: int, candidate: int = 0) -> Iterator[ev.Event]:
    """Yield the events of one block: Open, then the content that deltas and Cite can carry, then Close. Open
    has everything else, and every seal except that of a Text block or a Thinking block that is not redacted.
    """
    bare, deltas = _SPLIT.get(type(block), _whole)(block, index, candidate)
    yield ev.Open(index, bare, candidate)
    yield from deltas
    yield ev.Close(index, None, candidate)


_Split = tuple[Block, list[ev.Event]]


def _whole(block: Any, _index: int, _candidate: int) -> _Split:
    return block, []


def _text(block: Text, i: int, c: int) -> _Split:
    deltas: list[ev.Event] = []
    if block.text or block.logprobs is not None:
        deltas.append(ev.TextDelta(i, block.text, c, block.logprobs))
    deltas.extend(ev.Cite(i, citation, c) for citation in block.citations)
    if block.sealed is not None:
        deltas.append(ev.SealDelta(i, block.sealed, c))
    return msgspec.structs.replace(block, text="", logprobs=None, citations=(), sealed=None), deltas


def _refusal(block: Refusal, i: int, c: int) -> _Split:
    return msgspec.structs.replace(block, text="", logprobs=None), [
        ev.RefusalDelta(i, block.text, c, block.logprobs)
    ]


def _thinking(block: Thinking, i: int, c: int) -> _Split:
    deltas: list[ev.Event] = [ev.ThinkDelta(i, block.text, c)] if block.text else []
    deltas.extend(ev.ThinkDelta(i, text, c, part) for part, text in enumerate(block.summary))
    if block.redacted:  # the seal is the whole content, so it is sent with Open
        return msgspec.structs.replace(block, text="", summary=()), deltas
    if block.sealed is not None:
        deltas.append(ev.SealDelta(i, block.sealed, c))
    return msgspec.structs.replace(block, text="", summary=(), sealed=None), deltas


def _call(block: ToolCall, i: int, c: int) -> _Split:
    return msgspec.structs.replace(block, arguments=""), [ev.ArgsDelta(i, block.arguments, c)]


def _media(block: Media, i: int, c: int) -> _Split:
    if block.data is None and block.transcript is None:
        return block, []
    delta = ev.MediaDelta(i, block.data, block.transcript, c)
    return msgspec.structs.replace(block, data=None, transcript=None), [delta]


_SPLIT: dict[type, Callable[[Any, int, int], _Split]] = {
    Text: _text,
    Refusal: _refusal,
    Thinking: _thinking,
    ToolCall: _call,
    Media: _media,
}
