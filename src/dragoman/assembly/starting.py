"""Starts a gateway. All requests that come while it starts wait for the same start. If the start fails, each
of them gets the error, and the next request starts the gateway again.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Coroutine
from typing import Any

from dragoman.seams.tasks import spawn

log = logging.getLogger("dragoman.assembly.starting")


class Starting:
    """Runs the start of one gateway in a task of its own, so that it does not end with a request that waits
    for it. start: builds the running parts; if it raises, it has closed what it had built.
    """

    def __init__(self, start: Callable[[], Coroutine[Any, Any, None]]) -> None:
        self._start = start
        self._task: asyncio.Task[Exception | None] | None = None
        self._waiting = 0

    @property
    def running(self) -> bool:
        """Whether a start runs now."""
        return self._task is not None and not self._task.done()

    async def run(self) -> None:
        """Start, or wait until the running start has ended. Raises what the start raises, for each caller
        that waits for it; nothing if the start was cancelled, as by `stop`. A call after the end of a start
        begins another one, also if the earlier one had no error.
        """
        if self._task is None or self._task.done():
            # Not in the context of whoever is the first: what is begun here serves all of them.
            self._task = contextvars.Context().run(spawn, self._run(), "starting the gateway")
        task = self._task
        self._waiting += 1
        try:
            await asyncio.wait([task])
        finally:
            self._waiting -= 1
        if not task.cancelled() and (error := task.result()) is not None:
            raise error

    async def _run(self) -> Exception | None:
        """Start. Returns the error of the start; None = it has succeeded. If no caller waits, the error is
        logged, too.
        """
        try:
            await self._start()
        except Exception as error:
            if not self._waiting:  # else whoever waits gets it
                log.exception("the gateway could not start")
            return error
        return None

    async def stop(self) -> None:
        """End the running start, and return when everything that it has built is closed. If no start runs, do
        nothing.
        """
        if self._task is not None and not self._task.done():
            self._task.cancel()
            await asyncio.wait([self._task])
