"""A question of a request to the store."""

from __future__ import annotations

import asyncio
from collections import deque

from dragoman.accounts.shared.blocks import Block
from dragoman.accounts.shared.messages import Answer, Known, Outcome
from dragoman.accounts.shared.questions import Question, is_spare, taken
from tests.unit.accounts.shared.world import claim

GRANTED = Answer(Outcome.GRANTED, -1, Known(0, 0, 0))
WANTED = claim("a", 10, 4)


def _question() -> Question:
    block = Block(WANTED.counter, WANTED.ends, seed=2)
    waiting = asyncio.get_running_loop().create_future()
    return Question([WANTED], [block], {WANTED.counter: 7}, waiting)


async def test_it_is_answered_once() -> None:
    assert not _question().granted
    asked = _question()
    asked.tell(GRANTED)
    asked.tell(None)
    assert asked.granted
    refused, lost, ended = _question(), _question(), _question()
    refused.tell(Answer(Outcome.REFUSED, 0, Known(9, 0, 0)))
    lost.tell(None)
    ended.answer.cancel()
    ended.tell(GRANTED)
    assert not any(one.granted for one in (refused, lost, ended))


async def test_the_store_is_told_which_recall_it_has_waited_for() -> None:
    (wanted,) = _question().wanted(0.0)
    assert (wanted.counter, wanted.amount, wanted.most, wanted.seed, wanted.waited) == ("a/all", 4, 10, 2, 7)


async def test_requests_that_have_ended_ask_nothing() -> None:
    every = [_question() for _ in range(4)]
    every[1].answer.cancel()
    queue = deque(every)
    assert taken(queue, 2) == [every[0], every[2]]
    assert list(queue) == [every[3]]


async def test_what_is_free_may_be_spare() -> None:
    (block,) = _question().blocks
    assert not is_spare(WANTED, block)
    block.granted = 1
    assert is_spare(WANTED, block)
    block.used = 5
    block.granted = 6
    assert not is_spare(WANTED, block)  # 2 and 5 are used, and it wants 4 of 10
