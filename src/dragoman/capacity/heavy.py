"""The steps of large requests: one at a time, and never for long on the loop that serves everybody else.

Reading and translating a body of 64 MB, or of 320,000 values, takes a second of the processor in a few steps.
On the event loop nothing else would run during one, and many such requests at once would run their steps one
after another, while whoever asks for something small waits for all of them. So

    a small request      runs its steps where they are,
    a medium one         waits for its turn on the loop; after a long step the loop is left to others for a
                         part of the time that it took, and a small request is answered in it,
    a large one          waits for its turn in a thread of its own, beside the loop. Python lets the loop in
                         every few milliseconds there.

The turns go round the clients: one that sends many large requests does not hold up another's.

A step is a plain call. It may change what belongs to its request, which waits for it, and nothing else.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Final, ParamSpec, Protocol, TypeAlias, TypeVar

MEDIUM: Final = 4_000
"""Bytes of a body whose steps take turns. A smaller one takes no longer than a request without a body."""
LARGE: Final = 100_000
"""Bytes of a body whose steps leave the loop. Those of a smaller one take 0.1 s at most, whatever it holds;
the way to another thread and back takes a hundredth of what a body of this size takes.
"""
LONG: Final = 0.01
"""Seconds of a step after which others get time."""
SHARE: Final = 0.25
"""Part of a long step's time that is left to others after it. A large request takes so much longer."""

_P = ParamSpec("_P")
_T = TypeVar("_T")
_Owner: TypeAlias = "asyncio.Task[object] | None"


class Run(Protocol):
    """Runs a step of one request when its turn has come."""

    def __call__(self, step: Callable[_P, _T], /, *args: _P.args, **named: _P.kwargs) -> Awaitable[_T]:
        """What the step returns or raises."""
        ...


class HeavySteps:
    """Turns of one gateway, in one event loop at a time."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._here = _Turns()
        self._aside = _Turns()
        self._thread: ThreadPoolExecutor | None = None

    async def run(
        self, size: int, client: str | None, step: Callable[_P, _T], *args: _P.args, **named: _P.kwargs
    ) -> _T:
        """Run a step when its turn has come; what it returns or raises.

        size: bytes of what it works on. client: whose it is.
        """
        if size < MEDIUM:
            return step(*args, **named)
        loop = asyncio.get_running_loop()
        if loop is not self._loop:
            self._loop, self._here, self._aside = loop, _Turns(), _Turns()
        if size < LARGE:
            await self._here.wait(loop, client)
            return step(*args, **named)
        aside = self._aside
        await aside.take(loop, client)
        try:
            return await loop.run_in_executor(self._executor(), lambda: step(*args, **named))
        finally:
            aside.give()  # whose client has gone runs on in the thread, and the next one behind it

    def _executor(self) -> ThreadPoolExecutor:
        if self._thread is None:
            self._thread = ThreadPoolExecutor(1, "dragoman-heavy")
        return self._thread

    def close(self) -> None:
        """Let the thread end once its step has."""
        if self._thread is not None:
            self._thread.shutdown(wait=False)
            self._thread = None


class _Turns:
    """Who runs a step, and who waits to."""

    def __init__(self) -> None:
        self._waiting: dict[str | None, deque[asyncio.Future[None]]] = {}
        self._busy = False
        self._began = 0.0
        self._owner: _Owner = None
        """Whose step runs now, None = the loop has gone on since."""

    async def wait(self, loop: asyncio.AbstractEventLoop, client: str | None) -> None:
        """Wait for a turn on the loop, which is everything that runs until the next `await` that waits."""
        task = asyncio.current_task(loop)
        if not self._busy:
            self._busy = True
            self._start(loop, task)
        elif self._owner is not task or loop.time() - self._began >= LONG:
            await self._queue(loop, client)
            self._start(loop, task)
        # else: the same turn. What was done in it has not taken long yet.

    async def take(self, loop: asyncio.AbstractEventLoop, client: str | None) -> None:
        """Wait for a turn beside the loop. It lasts until `give`."""
        if self._busy:
            await self._queue(loop, client)
        self._busy = True

    def give(self) -> None:
        """The turn beside the loop is over."""
        self._next()

    async def _queue(self, loop: asyncio.AbstractEventLoop, client: str | None) -> None:
        turn = loop.create_future()
        self._waiting.setdefault(client, deque()).append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():  # it came when its client had just gone
                self._next()
            raise

    def _start(self, loop: asyncio.AbstractEventLoop, owner: _Owner) -> None:
        """A step runs now, and what is called soon comes after it."""
        self._began = loop.time()
        self._owner = owner
        loop.call_soon(self._end, loop)

    def _end(self, loop: asyncio.AbstractEventLoop) -> None:
        self._owner = None
        took = loop.time() - self._began
        if took > LONG:
            loop.call_later(took * SHARE, self._next)
        else:
            loop.call_soon(self._next)

    def _next(self) -> None:
        """Give a turn to the client that has waited longest for one."""
        while self._waiting:
            client = next(iter(self._waiting))
            turns = self._waiting.pop(client)
            turn = turns.popleft()
            if turns:
                self._waiting[client] = turns  # behind the others
            if not turn.done():  # else its client has gone
                turn.set_result(None)
                return
        self._busy = False
