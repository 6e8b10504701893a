"""Puts steps that wait to write together into transactions.

Steps that arrive while a transaction runs are put into the next transaction together, as far as its limits
(`_STEPS`, `_BYTES`) allow. Then fewer transactions are needed, and a commit is waited for only once for
several steps.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeAlias, TypeVar

from sqlalchemy import Connection

T = TypeVar("T")
Step: TypeAlias = Callable[[Connection], Any]

_STEPS = 64
"""The most steps in one transaction. All callers wait until the last step is done, so it must not have too
many.
"""
_BYTES = 4_000_000
"""The most bytes that the steps of one transaction write, unless its first step alone writes more."""


class Outcome(NamedTuple):
    """The result of a step. done: what the step returned; no meaning if there is an error. error: None = the
    step succeeded.
    """

    done: Any
    error: Exception | None


class _Write(NamedTuple):
    """A step that waits to write. answer: the future that gets the step's result. size: the bytes that the
    step writes.
    """

    step: Step
    answer: asyncio.Future[Any]
    size: int


class Batches:
    """The waiting steps of one database. Used from one event loop.

    run: starts a transaction with some steps in the writing thread, and returns a future of their outcomes,
    in the order of the steps; the future never fails. hopeless: whether each waiting step would also fail
    after this error, the error of a transaction's last step. If it returns True, all waiting steps fail with
    this error without being run.
    """

    def __init__(
        self,
        run: Callable[[Sequence[Step]], asyncio.Future[list[Outcome]]],
        hopeless: Callable[[Exception], bool],
    ) -> None:
        self._run = run
        self._hopeless = hopeless
        self._waiting: list[_Write] = []
        self._writing: asyncio.Future[list[Outcome]] | None = None

    async def write(self, step: Callable[[Connection], T], size: int) -> T:
        """Run a step and return its result after its transaction is committed. If the caller is cancelled,
        the step is not run if it still waits; else it is run to its end. size: the approximate bytes that the
        step writes. Raises the error of the step or of the transaction, or the `hopeless` error for which the
        step was not run.
        """
        answer: asyncio.Future[T] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Write(step, answer, size))
        if self._writing is None:
            self._begin()
        return await answer

    async def finish(self) -> None:
        """Wait until no step runs or waits."""
        while self._writing is not None:
            await asyncio.wait([self._writing])

    def _begin(self) -> None:
        """Start a transaction with the first of the waiting steps, limited by `_STEPS` and `_BYTES`; do
        nothing if no step waits. Drop the waiting steps whose callers were cancelled.
        """
        wanted = [write for write in self._waiting if not write.answer.done()]
        count, size = 0, 0
        for write in wanted[:_STEPS]:
            size += write.size
            if count and size > _BYTES:
                break
            count += 1
        some, self._waiting = wanted[:count], wanted[count:]
        if some:
            self._writing = self._run([write.step for write in some])
            self._writing.add_done_callback(partial(self._end, some))

    def _end(self, written: Sequence[_Write], writing: asyncio.Future[list[Outcome]]) -> None:
        for write, outcome in zip(written, writing.result(), strict=True):
            if write.answer.done():
                continue  # the caller was cancelled
            if outcome.error is None:
                write.answer.set_result(outcome.done)
            else:
                write.answer.set_exception(outcome.error)
        self._writing = None
        last = writing.result()[-1].error
        if last is not None and self._hopeless(last):
            late, self._waiting = self._waiting, []
            for write in late:
                if not write.answer.done():
                    write.answer.set_exception(last)
        self._begin()
