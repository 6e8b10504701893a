"""Time limits for tasks: many deadlines with a single timer.

A deadline is an entry in a table. One timer checks the table every `TICK` seconds, because a timer for each
limit would cost too much. So a deadline expires up to `TICK` seconds late, or later if the event loop is
busy.

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
"""Seconds between two checks of the table: too short for a person to notice, much longer than a check
takes.
"""


class Deadline(msgspec.Struct, eq=False):
    """A time limit for one task, as a context manager. Soon after the time `due`, the task is cancelled, and
    the end of the context turns this cancellation into TimeoutError, unless the task was cancelled by others,
    too.

    due: when the limit expires, in seconds of `loop.time()`; inf = the limit is paused. expired: whether the
    limit has ever cancelled the task. listed: whether the deadline is in the table, so that it can expire.
    cancelled: how often the limit has cancelled the task within the context; more than once if it was pushed
    after it had expired.
    """

    _table: Deadlines
    _task: asyncio.Task[Any]
    due: float
    expired: bool = False
    listed: bool = True
    cancelled: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Remove the limit, and take back its cancellations of the task. Raises TimeoutError in place of
        CancelledError if this limit has cancelled the task, and nobody else has. Any other error leaves the
        context unchanged.
        """
        self.listed = False
        self._table.entries.pop(self, None)
        # The task was waiting within this context when it was cancelled, so the cancellation arrives here.
        # If one remains after the own ones are taken back, it came from elsewhere and has precedence.
        if self.cancelled and self._recalled() == 0 and kind is asyncio.CancelledError:
            raise TimeoutError from error

    def _recalled(self) -> int:
        """Take back all cancellations of this limit. Returns how many of other causes remain."""
        remaining = self._task.cancelling()
        while self.cancelled:
            self.cancelled -= 1
            remaining = self._task.uncancel()
        return remaining

    def lift(self) -> None:
        """Remove the limit before the context ends. A cancellation that was made already stays."""
        if self.listed:
            self.listed = False
            self._table.entries.pop(self, None)

    def push(self, seconds: float) -> None:
        """Set the limit to expire `seconds` from now, whatever it was before: also if it was paused, was
        removed by `lift`, or has expired. After the end of the context, a call must be followed by `lift`, or
        the task may be cancelled later.
        """
        self.due = self._table.time() + seconds
        if not self.listed:
            self._table.enter(self)

    def rest(self) -> None:
        """Pause the limit until the next `push`. A limit that has expired already has cancelled the task."""
        self.due = inf

    def run_out(self) -> None:
        """Cancel the task, because the limit has expired. `Deadlines` calls this."""
        self.expired = True
        self.cancelled += 1
        self._task.cancel()


class Unlimited:
    """Stands for a Deadline where there is no time limit. Its methods (`push`, `rest`, `lift`) do nothing,
    and `expired` is False.
    """

    __slots__ = ()
    expired = False

    def __enter__(self) -> Self:
        return self

    def lift(self, *_: object) -> None:
        """Do nothing. Also stands for `push`, `rest` and the end of the context."""

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
        """Start a time limit for the running task, which expires `seconds` from now, and return it,
        usually for a `with` statement. None = no limit (`UNLIMITED`). Raises RuntimeError if `seconds` is not
        None and no task is running.
        """
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
        """Put a deadline that was removed back into the table. Its `due` stays as it is."""
        deadline.listed = True
        self.entries[deadline] = None
        if not self._ticking:
            self._tick()

    def _tick(self) -> None:
        """Schedule a check of the table in `TICK` seconds. Call this only while no check is scheduled."""
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
