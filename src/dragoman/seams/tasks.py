"""Starts asyncio tasks. In the rest of the package, the linter bans `asyncio.create_task` and
`asyncio.ensure_future`.

Python may delete a running task if the program has no reference to the task. And the exception of a task is
lost if nobody asks for it. `spawn` prevents both.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Coroutine
from typing import Any

log = logging.getLogger("dragoman.seams.tasks")
_running: set[asyncio.Task[Any]] = set()


def spawn(work: Coroutine[Any, Any, Any], name: str) -> asyncio.Task[Any]:
    """Start `work` as an asyncio task in the running event loop, and return the task. The task cannot be
    deleted before it ends. If the task raises an exception (other than CancelledError), the exception is
    logged with `name`, also if somebody awaits the task. Raises RuntimeError if no event loop is running.
    """
    task = asyncio.get_running_loop().create_task(work, name=name)
    _running.add(task)
    task.add_done_callback(_ended)
    return task


def _ended(task: asyncio.Task[Any]) -> None:
    _running.discard(task)
    if not task.cancelled() and (error := task.exception()) is not None:
        log.error("task %s failed", task.get_name(), exc_info=error)
