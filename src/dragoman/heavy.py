"""The steps of large requests: one at a time, with time between them for everybody else.

Reading and translating a body of 64 MB, or of 250,000 values, takes a second of the processor in a few steps,
and nothing else runs during one. Many such requests at once would run their steps one after another, and
whoever asks for something small would wait for all of them. So each step waits for its turn here. After a
long one the loop is left to others for a part of the time that it took; a small request is answered in it.

The turns go round the clients: one that sends many large requests does not hold up another's.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Final, TypeAlias

HEAVY: Final = 4_000
"""Bytes of a body whose steps take turns. A smaller one takes no longer than a request without a body."""
LONG: Final = 0.01
"""Seconds of a step after which others get time."""
SHARE: Final = 0.25
"""Part of a long step's time that is left to others after it. A large request takes so much longer."""


_Turn: TypeAlias = "tuple[asyncio.Future[None], asyncio.Task[object] | None]"


class HeavySteps:
    """Turns of one gateway, in one event loop at a time."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._waiting: dict[str | None, deque[_Turn]] = {}
        self._busy = False
        self._began = 0.0
        self._owner: asyncio.Task[object] | None = None
        """Whose step runs now, None = the loop has gone on since."""

    async def step(self, size: int, client: str | None) -> None:
        """Wait for a turn, which is everything that runs until the next `await` that waits.

        size: bytes of the request; small ones do not wait. client: whose request it is.
        """
        if size < HEAVY:
            return
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._waiting, self._busy = loop, {}, False
        task = asyncio.current_task(loop)
        if not self._busy:
            self._busy = True
            self._start(loop, task)
            return
        if self._owner is task and loop.time() - self._began < LONG:
            return  # the same turn: what was done in it has not taken long yet
        turn = loop.create_future()
        self._waiting.setdefault(client, deque()).append((turn, task))
        await turn

    def _start(self, loop: asyncio.AbstractEventLoop, owner: asyncio.Task[object] | None) -> None:
        """A step runs now, and what is called soon comes after it."""
        self._began = loop.time()
        self._owner = owner
        loop.call_soon(self._end, loop)

    def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        self._owner = None
        took = loop.time() - self._began
        if took > LONG:
            loop.call_later(took * SHARE, self._next, loop)
        else:
            loop.call_soon(self._next, loop)

    def _next(self, loop: asyncio.AbstractEventLoop) -> None:
        """Give a turn to the client that has waited longest for one."""
        while self._waiting:
            client = next(iter(self._waiting))
            turns = self._waiting.pop(client)
            turn, owner = turns.popleft()
            if turns:
                self._waiting[client] = turns  # behind the others
            if not turn.done():  # else its client has gone
                turn.set_result(None)
                self._start(loop, owner)
                return
        self._busy = False
