"""The questions of waiting requests to the store. Pure.

A question asks for the claims that the blocks of this process cannot grant. The store grants all of them or
none.
"""

from __future__ import annotations

from asyncio import Future
from collections import deque
from collections.abc import Mapping, Sequence
from typing import NamedTuple

from dragoman.accounts.limits import Claim
from dragoman.accounts.shared.blocks import Block
from dragoman.accounts.shared.messages import Answer, Outcome, Wanted


class Question(NamedTuple):
    """A question of one request to the store. claims: the claims that the store has to grant. blocks: of
    these claims, in the same order. waited: {name of the counter: number of the recall for which the request
    has waited}. answer: gets the store's answer; None if the connection was lost before the answer came.
    """

    claims: Sequence[Claim]
    blocks: Sequence[Block]
    waited: Mapping[str, int]
    answer: Future[Answer | None]

    def wanted(self, now: float) -> list[Wanted]:
        """Return the question as the store gets it. now: Unix seconds."""
        return [
            block.wanted(claim, now, self.waited.get(claim.counter, 0))
            for claim, block in zip(self.claims, self.blocks, strict=True)
        ]

    def tell(self, answer: Answer | None) -> None:
        """Give the answer to the request, unless the request has ended."""
        if not self.answer.done():
            self.answer.set_result(answer)

    @property
    def granted(self) -> bool:
        """Whether the store has granted the claims."""
        if not self.answer.done() or self.answer.cancelled():
            return False
        answer = self.answer.result()
        return answer is not None and answer.outcome is Outcome.GRANTED


def taken(queue: deque[Question], most: int) -> list[Question]:
    """Take the first questions out of the queue, at most so many. Questions whose requests have ended are
    dropped.
    """
    found: list[Question] = []
    while queue and len(found) < most:
        question = queue.popleft()
        if not question.answer.done():
            found.append(question)
    return found


def is_spare(claim: Claim, block: Block) -> bool:
    """Whether a claim that the store has refused may fit after this process has given back what is free in
    the block: something is free there, and the used and reserved amounts leave room for the claim.
    """
    return block.free > 0 and sum(block.standing()) + claim.amount <= claim.limit.most
