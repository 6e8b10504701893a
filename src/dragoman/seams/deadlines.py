"""Time limits for tasks: many deadlines with a single timer.

A deadline is an entry in a table, which one timer checks every `TICK` seconds, because a timer for each limit
of each request would cost more than the work that it guards. So a deadline expires up to `TICK` seconds late.

    with deadlines.within(30.0):          # raises TimeoutError in the task that waits
        await something()
"""

from __future__ import annotations

import asyncio
from asyncio import current_task
from math import inf
from types import TracebackType
from typing import Any, Self

import msgspec

TICK = 0.05
"""Seconds between two checks: too short for a person to notice, much longer than a check takes."""


class Deadline(msgspec.Struct, eq=False):
    """A time limit for one task, as a context manager. When the time is over, the task is cancelled, and the
    context raises TimeoutError. due: when the time is over, in the loop's seconds; inf = it does not run.
    expired: whether it is over. listed: whether the table looks at it.
    """

    _table: Deadlines
    _task: asyncio.Task[Any]
    due: float
    expired: bool = False
    listed: bool = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the limit. Raises TimeoutError if only this limit has cancelled the task."""
        self.listed = False
        self._table.entries.pop(self, None)
        # The task was waiting within this context when it was cancelled, so the cancellation arrives here.
        # If one remains after `uncancel`, it came from elsewhere and has precedence.
        if self.expired and self._task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def lift(self) -> None:
        """Remove the limit before the context ends."""
        if self.listed:
            self.listed = False
            self._table.entries.pop(self, None)

    def push(self, seconds: float) -> None:
        """Let the limit expire `seconds` from now instead, also after `rest` or the end of its context."""
        self.due = self._table.time() + seconds
        if not self.listed:
            self._table.enter(self)

    def rest(self) -> None:
        """Stop the time of the limit until the next `push`."""
        self.due = inf

    def run_out(self) -> None:
        """Cancel the task, because the time is over. `Deadlines` calls this."""
        self.expired = True
        self._task.cancel()


class Unlimited:
    """Stands for a Deadline where there is no time limit: its methods do nothing."""

    __slots__ = ()
    expired = False

    def __enter__(self) -> Self:
        return self

    def lift(self, *_: object) -> None:
        """Do nothing."""

    __exit__ = push = rest = lift


UNLIMITED = Unlimited()


class Deadlines:
    """The table of all deadlines in one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.time = loop.time
        self.entries: dict[Deadline, None] = {}
        self._loop = loop
        self._ticking = False

    def within(self, seconds: float | None) -> Deadline | Unlimited:
        """A time limit of `seconds` from now for the running task (else RuntimeError); None = no limit."""
        if seconds is None:
            return UNLIMITED
        task = current_task(self._loop)
        if task is None:
            raise RuntimeError("a deadline needs a task to cancel")
        deadline = Deadline(self, task, self.time() + seconds)
        self.entries[deadline] = None
        if not self._ticking:
            self._tick()
        return deadline

    def enter(self, deadline: Deadline) -> None:
        """Put a deadline that was lifted back into the table."""
        deadline.listed = True
        self.entries[deadline] = None
        if not self._ticking:
            self._tick()

    def _tick(self) -> None:
        """Check the table after `TICK` seconds, and so on until it is empty. Call it only if this does not
        run yet.
        """
        self._ticking = True
        self._loop.call_later(TICK, self._look)

    def _look(self) -> None:
        now = self.time()
        for deadline in [deadline for deadline in self.entries if deadline.due <= now]:
            deadline.lift()
            deadline.run_out()
        self._ticking = False
        if self.entries:
            self._tick()
