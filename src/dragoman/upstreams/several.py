"""Asks an upstream several questions, one after another. The answers become the candidates (alternative
answers) of one answer.

This is used for a request with a list of prompts, if the upstream takes one prompt at a time. If a question
fails, the failure ends the combined answer, and no further question is asked.
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
    """One question. request: the chat request with one prompt. call: the call for this question; its
    `encoded` is the question in the upstream's protocol, None = not encoded yet. estimate: adds estimated
    token counts if the answer does not state them; None = no estimate.
    """

    request: ir.Request
    call: Call
    estimate: EstimateUsage | None = None

    def counted(self, batch: Sequence[ir.Event]) -> Sequence[ir.Event]:
        """Return a batch of events of the answer after `estimate`, which adds what the answer does not state
        of its usage, at the latest before the End. If `estimate` is None, the batch is returned unchanged.
        """
        if self.estimate is None:
            return batch
        return [told for event in batch for told in self.estimate.feed(event)]


class Several:
    """Answers a request by asking an upstream all `questions`, one after another. Its methods ignore their
    arguments `request` and `call`, because each question has its own.
    """

    def __init__(self, upstream: Answering, questions: Sequence[Question]) -> None:
        self.name = upstream.name
        self.limits = upstream.limits
        self._upstream = upstream
        self._questions = questions

    async def complete(self, request: ir.Request, call: Call) -> ir.Response:
        async with self.chat(request, call) as batches:
            return await collected(batches)

    def decode(self, body: bytes) -> ir.Response:
        """Never called, because `complete` of this class returns no bytes to decode."""
        raise AssertionError("several answers are no one body")

    @asynccontextmanager
    async def chat(self, request: ir.Request, call: Call) -> AsyncGenerator[Batches]:
        """Entering the context gives the events of one answer, in batches. A complete answer has a candidate
        for each question, in the order of the questions. Its usage, a Tally before the End, is the sum of the
        usages of all answers (`added`); there is none if no answer states a usage. If a question fails, its
        error is raised, or an `ir.Error` is the last event.
        """
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
    """Turns the events of the answer to one question into events of the combined answer, where they are one
    candidate. number: the index of the question and of the candidate. last: True = it is the last question.
    usages: the usage of the answer, once stated; otherwise empty.
    """

    def __init__(self, number: int, *, last: bool) -> None:
        self._number = number
        self._last = last
        self.usages: list[ir.Usage] = []  # at most one: the last that was stated

    def feed(self, batch: Sequence[ir.Event]) -> list[ir.Event]:
        """Return the events of the answer's first candidate, with the candidate's index changed to `number`,
        and the events that belong to no candidate, such as a Ping. But token counts are put into `usages`; a
        Start, without usage, is returned only for the first question, and an End only for the last. An End
        with an error becomes an `ir.Error`.
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
    """Return one usage with the sum of the token counts of several usages. A count is None if none of the
    usages states it. The sum has all their `others`, but no `detail`, `extra` and `form`. The sum is marked
    as estimated if any of the usages is estimated.
    """
    sums: dict[str, Any] = {}
    for name in _COUNTS:
        stated = [count for usage in usages if (count := getattr(usage, name)) is not None]
        if stated:
            sums[name] = sum(stated)
    others = tuple(other for usage in usages for other in usage.others)
    return ir.Usage(**sums, others=others, estimated=any(usage.estimated for usage in usages))
