"""Several questions, asked one after another, whose answers are the choices of one."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from dragoman import ir
from dragoman.dialects.loss import Report
from dragoman.errors import RequestFailed
from dragoman.upstreams.backend import OwnUpstream
from dragoman.upstreams.several import Question, Several, added
from dragoman.upstreams.upstream import Batches, Call, Stopwatch

BROKEN = ir.Fault("upstream", "It broke.", blame="upstream")


class Counting:
    """Says how often it was asked; the third time it fails."""

    name = "own"

    def __init__(self) -> None:
        self.asked = 0

    @asynccontextmanager
    async def chat(self, request: ir.Request, call: Call) -> AsyncIterator[Batches]:
        self.asked += 1

        async def answer() -> AsyncIterator[Sequence[ir.Event]]:
            yield [ir.Start("a", usage=ir.Usage(input=5)), ir.Open(0, ir.Text(""))]
            if self.asked == 3:
                yield [ir.Error(BROKEN)]
                return
            yield [ir.TextDelta(0, str(self.asked)), ir.Close(0), ir.Finish(ir.Stop("end"))]
            yield [ir.Tally(ir.Usage(input=5, output=self.asked)), ir.End()]

        yield answer()


def call() -> Call:
    return Call("a", "m", Report("own"), Stopwatch(lambda: 0.0))


def several(count: int) -> Several:
    request = ir.Request("own", "m")
    return Several(OwnUpstream(Counting()), [Question(request, call()) for _ in range(count)])


async def test_each_answer_is_a_choice_and_the_usage_is_their_sum() -> None:
    response = await several(2).complete(ir.Request("own", "m"), call())
    assert [candidate.blocks for candidate in response.candidates] == [(ir.Text("1"),), (ir.Text("2"),)]
    assert response.usage == ir.Usage(input=10, output=3)


async def test_the_first_failure_ends_all() -> None:
    with pytest.raises(RequestFailed) as failed:
        await several(4).complete(ir.Request("own", "m"), call())
    assert failed.value.fault is BROKEN


def test_a_count_that_nobody_states_is_not_stated_in_the_sum() -> None:
    total = added([ir.Usage(input=1, estimated=True), ir.Usage(input=2, reasoning=3)])
    assert total == ir.Usage(input=3, reasoning=3, estimated=True)
