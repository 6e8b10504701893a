"""Asks an upstream several questions, one after another; their answers are the choices of one answer.

Used for a list of prompts at an upstream that takes one prompt at a time. The first failure ends all.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

import msgspec

from dragoman import ir
from dragoman.dialects.estimate import EstimateUsage
from dragoman.upstreams.answering import Answering
from dragoman.upstreams.upstream import Batches, Call, collected


class Question(msgspec.Struct, frozen=True):
    """One question. call: its `encoded` is the question in the upstream's protocol, if already encoded.
    estimate: adds estimated usage if the answer's events state none, None = none is added.
    """

    request: ir.Request
    call: Call
    estimate: EstimateUsage | None = None

    def counted(self, batch: Sequence[ir.Event]) -> Sequence[ir.Event]:
        """The events of the answer; `estimate`, if any, adds usage before the end if none was stated."""
        if self.estimate is None:
            return batch
        return [told for event in batch for told in self.estimate.feed(event)]


class Several:
    """An upstream that is asked `questions`: its methods ignore the request and the call that they get."""

    def __init__(self, upstream: Answering, questions: Sequence[Question]) -> None:
        self.name = upstream.name
        self.limits = upstream.limits
        self._upstream = upstream
        self._questions = questions

    async def complete(self, request: ir.Request, call: Call) -> ir.Response:
        async with self.chat(request, call) as batches:
            return await collected(batches)

    def decode(self, body: bytes) -> ir.Response:
        """Never called: `complete` returns no bytes."""
        raise AssertionError("several answers are no one body")

    @asynccontextmanager
    async def chat(self, request: ir.Request, call: Call) -> AsyncGenerator[Batches]:
        """The answers as the events of one; its choices have the questions' numbers, its usage is the sum."""
        async with aclosing(self._batches()) as batches:
            yield batches

    async def _batches(self) -> AsyncGenerator[Sequence[ir.Event], None]:
        usages: list[ir.Usage] = []
        last = len(self._questions) - 1
        for number, question in enumerate(self._questions):
            one = _One(number, last=number == last)
            async with self._upstream.chat(question.request, question.call) as batches:
                async for batch in batches:
                    events = one.feed(question.counted(batch))
                    if events and type(events[-1]) is ir.Error:
                        yield events
                        return
                    if events and type(events[-1]) is ir.End:
                        usages += one.usages
                        total = [ir.Tally(added(usages))] if usages else []
                        yield [*events[:-1], *total, events[-1]]
                    else:
                        yield events
            if number != last:
                usages += one.usages


class _One:
    """The answer to one question, as one choice of the whole answer. number: the question's, from 0."""

    def __init__(self, number: int, *, last: bool) -> None:
        self._number = number
        self._last = last
        self.usages: list[ir.Usage] = []  # at most one: the last that was stated

    def feed(self, batch: Sequence[ir.Event]) -> list[ir.Event]:
        """The events of the answer's first choice as those of this one; usage goes into `usages`. Only the
        first answer's start and the last one's end pass; an end with an error becomes an `ir.Error`.
        """
        events: list[ir.Event] = []
        for event in batch:
            if isinstance(event, ir.Tally):
                self.usages = [event.usage]
            elif isinstance(event, ir.Start):
                self.usages = [event.usage] if event.usage else self.usages
                if self._number == 0:
                    events.append(msgspec.structs.replace(event, usage=None))
            elif isinstance(event, ir.End):
                if event.error is not None:
                    events.append(ir.Error(event.error))
                elif self._last:
                    events.append(event)
            elif isinstance(event, (ir.More, ir.Raw, ir.Ping, ir.Error)):
                events.append(event)
            elif event.candidate == 0:  # each question asks for one choice only
                events.append(msgspec.structs.replace(event, candidate=self._number))
        return events


_COUNTS: Final = (
    *("input", "cache_read", "cache_write", "cache_write_5m", "cache_write_1h", "tool_input"),
    *("output", "reasoning"),
)


def added(usages: Sequence[ir.Usage]) -> ir.Usage:
    """The sum of all usages, without `detail` and `extra`; a count that none states stays None."""
    sums: dict[str, Any] = {}
    for name in _COUNTS:
        stated = [count for usage in usages if (count := getattr(usage, name)) is not None]
        if stated:
            sums[name] = sum(stated)
    others = tuple(other for usage in usages for other in usage.others)
    return ir.Usage(**sums, others=others, estimated=any(usage.estimated for usage in usages))
