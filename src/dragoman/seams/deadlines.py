"""Many deadlines for the price of one timer.

Every request waits under several limits, nearly all of which never run out. A timer of its own for each
costs more than the work it guards. Here a deadline is an entry in a table that one timer looks through
a few times a second, so setting, moving and lifting one is a dictionary access. The price is precision:
a deadline runs out up to `TICK` seconds late, never early.

    with deadlines.within(30.0):          # raises TimeoutError in the task that waits
        await something()
"""

from __future__ import annotations

import asyncio
from math import inf
from types import TracebackType
from typing import Any, Self

TICK = 0.05
"""Seconds between two looks. Below what a person notices, far above what a look costs."""


class Deadline:
    """One limit on one task. Leaving the block lifts it."""

    __slots__ = ("_table", "_task", "expired")

    def __init__(self, table: Deadlines, task: asyncio.Task[Any]) -> None:
        self._table = table
        self._task = task
        self.expired = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Lift the limit. A cancellation that is ours becomes TimeoutError."""
        self._table.entries.pop(self, None)
        # The task was suspended inside the block when it was cancelled, so that is where it surfaces. What
        # remains after `uncancel` is somebody else's cancellation, which goes first.
        if self.expired and self._task.uncancel() == 0 and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def lift(self) -> None:
        """It never runs out any more."""
        self._table.entries.pop(self, None)

    def push(self, seconds: float) -> None:
        """Run out this many seconds from now instead."""
        self._table.entries[self] = self._table.time() + seconds

    def rest(self) -> None:
        """Do not run out until the next `push`."""
        self._table.entries[self] = inf

    def run_out(self) -> None:
        """Cancel the waiting task, as its time is over."""
        self.expired = True
        self._task.cancel()


class Unlimited:
    """No limit, in the place of one."""

    __slots__ = ()
    expired = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def lift(self) -> None:
        """There is nothing to lift."""

    def push(self, seconds: float) -> None:
        """There is nothing to move."""

    def rest(self) -> None:
        """There is nothing to rest."""


UNLIMITED = Unlimited()


class Deadlines:
    """The deadlines of one event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.time = loop.time
        self.entries: dict[Deadline, float] = {}
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None

    def within(self, seconds: float | None) -> Deadline | Unlimited:
        """A block that the running task must leave within this time; None = no limit."""
        if seconds is None:
            return UNLIMITED
        task = asyncio.current_task(self._loop)
        if task is None:
            raise RuntimeError("a deadline needs a task to cancel")
        deadline = Deadline(self, task)
        self.entries[deadline] = self.time() + seconds
        if self._timer is None:
            self._timer = self._loop.call_later(TICK, self._look)
        return deadline

    def _look(self) -> None:
        """Let run out what is due. The timer rests while there is nothing to guard."""
        now = self.time()
        for deadline in [deadline for deadline, due in self.entries.items() if due <= now]:
            del self.entries[deadline]
            deadline.run_out()
        self._timer = self._loop.call_later(TICK, self._look) if self.entries else None
